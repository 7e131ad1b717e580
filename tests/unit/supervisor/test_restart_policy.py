"""The back-off of dying workers, on a clock turned by hand."""

import pytest

from gateway.supervisor.restart_policy import (
    BASE_NS,
    CEILING_NS,
    WINDOW_NS,
    History,
    after_death,
    is_crash_loop,
)

SECOND = 1_000_000_000


def _delays(moments: list[int]) -> list[int]:
    history, delays = History(), []
    for moment in moments:
        history, delay = after_death(history, moment)
        delays.append(delay)
    return delays


@pytest.mark.parametrize(
    ("moments", "delays"),
    [
        ([0], [0]),
        ([0, 1], [0, 0]),
        ([0, 1, 2], [0, 0, BASE_NS]),
        ([0, 9 * SECOND, 10 * SECOND], [0, 0, 0]),
        ([0, 5 * SECOND, WINDOW_NS - 1], [0, 0, BASE_NS]),
        ([0, WINDOW_NS, 2 * WINDOW_NS, 3 * WINDOW_NS], [0, 0, 0, 0]),
    ],
)
def test_only_the_third_death_within_the_window_waits(moments: list[int], delays: list[int]) -> None:
    """The first two deaths of any ten seconds are replaced at once."""
    assert _delays(moments) == delays


def test_a_worker_that_always_dies_at_once_waits_twice_as_long_each_time_up_to_the_ceiling() -> None:
    """The waits double although each of them is longer than the window is wide, and then stay."""
    history, now, delays = History(), 0, []
    for _ in range(12):
        history, delay = after_death(history, now)
        delays.append(delay)
        now += delay + 1
    assert delays == [0, 0, *(min(CEILING_NS, BASE_NS << n) for n in range(10))]


def test_a_slot_that_lived_for_the_window_is_forgiven() -> None:
    """After ten quiet seconds a death is the first one again."""
    history, now = History(), 0
    for _ in range(6):
        history, delay = after_death(history, now)
        now += delay
    _, delay = after_death(history, now + WINDOW_NS)
    assert delay == 0


def test_a_crash_loop_is_one_for_as_long_as_a_death_would_have_to_wait() -> None:
    """Two deaths are accidents, the third is a loop: while the slot waits and until the window has passed."""
    history, now = History(), 0
    for loop in (False, False, True):
        history, delay = after_death(history, now)
        assert is_crash_loop(history, now) is loop
    assert is_crash_loop(history, now + delay)
    assert is_crash_loop(history, now + delay + WINDOW_NS - 1)
    assert not is_crash_loop(history, now + delay + WINDOW_NS)
