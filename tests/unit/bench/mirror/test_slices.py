"""Slices of load and their order, and those in which the machine stood still."""

import pytest

from bench.mirror.kinds import Kind
from bench.mirror.slices import SIGNS, Slice, disturbed, orders

LATE, WAITED, STOLEN = (sign.floor_seconds for sign in SIGNS)
USUAL = Slice([1_000], 1.0, 1.0, 1.0)
"""A machine on which everything takes long: what is usual disturbs nobody."""
ROUNDS = 9


def run(*unusual: tuple[int, Kind, Slice]) -> list[dict[Kind, Slice]]:
    """Rounds that are as usual, but for some slices."""
    rounds = [dict.fromkeys(Kind, USUAL) for _ in range(ROUNDS)]
    for number, kind, one in unusual:
        rounds[number][kind] = one
    return rounds


def test_each_round_has_every_kind_in_an_order_of_its_own() -> None:
    """The same seed gives the same orders again, another one others; over many rounds each kind comes first."""
    drawn = list(orders(100, 1))
    assert all(sorted(one) == sorted(Kind) for one in drawn)
    assert {one[0] for one in drawn} == set(Kind)
    assert drawn == list(orders(100, 1)) != list(orders(100, 2))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("late", "waited", "stolen"), [(LATE, 0.0, 0.0), (0.0, WAITED, 0.0), (0.0, 0.0, STOLEN)]
)
def test_a_disturbed_slice_is_found(kind: Kind, late: float, waited: float, stolen: float) -> None:
    """By either sign, in whichever kind, and in its round only; by no more than the floor nobody is disturbed."""
    less, more = (
        Slice([1_000], 1 + late * share, 1 + waited * share, 1 + stolen * share) for share in (0.9, 1.1)
    )
    assert disturbed(run((3, kind, less), (5, kind, more))) == [
        {kind} if number == 5 else set() for number in range(ROUNDS)
    ]


def test_what_a_kind_does_in_every_slice_is_no_disturbance() -> None:
    """A mirror that wakes its gateway more often, which waits a little each time, is measured and not left out."""
    waits = Slice([1_000], 1.0, 1.0 + 10 * WAITED, 1.0)
    assert disturbed(run(*((number, Kind.SLOW, waits) for number in range(ROUNDS)))) == [set()] * ROUNDS


def test_a_machine_that_always_wanders_is_no_disturbance() -> None:
    """What deviates no more than the others do stays: its latencies are part of the figures, and widen their intervals."""
    wandering = [Slice([1_000], 1.0, 1.0 + 4 * WAITED * number, 1.0) for number in range(ROUNDS)]
    outlier = Slice([1_000], 1.0, 1.0 + 4 * WAITED * 5 * ROUNDS, 1.0)
    rounds = run(*((number, Kind.DEAD, one) for number, one in enumerate(wandering)))
    assert disturbed(rounds) == [set()] * ROUNDS
    rounds[4][Kind.DEAD] = outlier
    assert disturbed(rounds)[4] == {Kind.DEAD}


def test_latencies_are_no_disturbance() -> None:
    """A mirror that makes its gateway stall shows, and is not taken for the machine."""
    slow = Slice([10_000_000_000], 1.0, 1.0, 1.0)
    assert disturbed(run((5, Kind.DEAD, slow))) == [set()] * ROUNDS
