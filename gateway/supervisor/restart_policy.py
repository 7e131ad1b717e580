"""Decides how long a dead worker's successor has to wait: not at all, unless its slot keeps dying.

Pure: the time comes in as an argument and the history of a slot is a value.
"""

from dataclasses import dataclass

WINDOW_NS = 10_000_000_000  # deaths further apart are accidents, not a loop
FREE_DEATHS = 2  # within the window; from the next one on the slot has to wait
BASE_NS = 250_000_000  # a worker takes about this long to start, so a loop costs at most half a core
CEILING_NS = 15_000_000_000  # whatever is broken may be mended by hand: look again four times a minute


@dataclass(frozen=True, slots=True)
class History:
    """The recent deaths of one slot, on a clock that stands still while the slot is made to wait."""

    deaths: tuple[int, ...] = ()
    waited_ns: int = 0


def is_crash_loop(history: History, now: int) -> bool:
    """Whether the slot has died so often lately that its successor would have to wait, or has had to."""
    moment = now - history.waited_ns
    return sum(moment - death < WINDOW_NS for death in history.deaths) > FREE_DEATHS


def after_death(history: History, now: int) -> tuple[History, int]:
    """Takes note of a death at ``now`` (monotonic nanoseconds); returns the new history and the nanoseconds to wait.

    Waiting does not age the deaths: otherwise a long back-off would empty the window and undo itself.
    """
    moment = now - history.waited_ns
    deaths = (*(death for death in history.deaths if moment - death < WINDOW_NS), moment)
    excess = len(deaths) - FREE_DEATHS
    delay = min(CEILING_NS, BASE_NS << min(excess - 1, 16)) if excess > 0 else 0
    return History(deaths, history.waited_ns + delay), delay
