"""Slices of load and their order, and those in which the machine stood still."""

import pytest

from bench.mirror.kinds import Kind
from bench.mirror.slices import (
    MOST_LATE_SECONDS,
    MOST_STOLEN_SECONDS,
    MOST_WAITED_SECONDS,
    Slice,
    disturbed,
    orders,
)

WAITED = 1.0
"""What all slices wait: a machine whose wake-ups take long."""
CALM = Slice([1_000], MOST_LATE_SECONDS, WAITED, MOST_STOLEN_SECONDS)
"""Disturbed as much as a slice may be."""


def test_each_round_has_every_kind_in_an_order_of_its_own() -> None:
    """The same seed gives the same orders again, another one others; over many rounds each kind comes first."""
    drawn = list(orders(100, 1))
    assert all(sorted(one) == sorted(Kind) for one in drawn)
    assert {one[0] for one in drawn} == set(Kind)
    assert drawn == list(orders(100, 1)) != list(orders(100, 2))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    "slice_",
    [
        Slice([1_000], 1.1 * MOST_LATE_SECONDS, WAITED, 0.0),
        Slice([1_000], 0.0, WAITED + 1.1 * MOST_WAITED_SECONDS, 0.0),
        Slice([1_000], 0.0, WAITED, 1.1 * MOST_STOLEN_SECONDS),
    ],
    ids=["the generator woke late", "the gateway waited", "time was stolen"],
)
def test_a_disturbed_slice_is_found(kind: Kind, slice_: Slice) -> None:
    """By either sign, in whichever kind, and in its round only."""
    calm = dict.fromkeys(Kind, CALM)
    assert disturbed([calm, {**calm, kind: slice_}, calm]) == [set(), {kind}, set()]


def test_a_kind_that_always_waits_longer_is_not_disturbed() -> None:
    """A mirror that wakes its gateway more often is one that does so in every slice."""
    more = Slice([1_000], 0.0, WAITED + 10 * MOST_WAITED_SECONDS, 0.0)
    assert disturbed([{**dict.fromkeys(Kind, CALM), Kind.SLOW: more}] * 3) == [set()] * 3


def test_latencies_are_no_disturbance() -> None:
    """A mirror that makes its gateway stall shows, and is not taken for the machine."""
    slow = Slice([10_000_000_000], 0.0, 0.0, 0.0)
    calm = dict.fromkeys(Kind, Slice([1_000], 0.0, 0.0, 0.0))
    assert disturbed([calm, {**calm, Kind.DEAD: slow}, calm]) == [set()] * 3
