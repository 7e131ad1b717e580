"""The short clock by hand: who is told when, and how many timers that takes."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.worker import short_clock
from gateway.worker.short_clock import MILLISECOND, ShortClock, ShortDeadline


class Timer:
    """A timer of the loop."""

    def __init__(self, at: int, callback: Callable[[], object]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """It will not fire."""
        self.cancelled = True


class Loop:
    """Time that passes when the test says so, and the timers that fire in it."""

    def __init__(self) -> None:
        self.now = 5 * MILLISECOND + 7
        self.timers: list[Timer] = []

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """A timer."""
        self.timers.append(timer := Timer(self.now + round(delay * 1e9), callback))
        return timer

    def armed(self) -> list[Timer]:
        """The timers that will still fire."""
        return [timer for timer in self.timers if not timer.cancelled]

    def pass_until(self, now: int) -> None:
        """Turns the clock, and fires what is due on the way."""
        while due := [timer for timer in self.armed() if timer.at <= now]:
            first = min(due, key=lambda timer: timer.at)
            self.timers.remove(first)
            self.now = max(self.now, first.at)
            first.callback()
        self.now = now


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    """A loop whose clock the short clock reads."""
    made = Loop()
    monkeypatch.setattr(short_clock, "monotonic_ns", lambda: made.now)
    return made


def clock_on(loop: Loop) -> ShortClock:
    """A short clock on a loop."""
    return ShortClock(cast("asyncio.AbstractEventLoop", loop))


def test_no_timer_without_a_deadline(loop: Loop) -> None:
    """One timer is armed while there are deadlines, and none before or after."""
    clock = clock_on(loop)
    assert not loop.armed()
    told: list[int] = []
    for delay in (30, 10, 20):
        clock.at(loop.now + delay * MILLISECOND, lambda delay=delay: told.append(delay))  # type: ignore[misc]
        assert len(loop.armed()) == 1
    loop.pass_until(loop.now + 15 * MILLISECOND)
    assert (told, len(loop.armed())) == ([10], 1)
    loop.pass_until(loop.now + 15 * MILLISECOND + MILLISECOND)
    assert (told, len(loop.armed())) == ([10, 20, 30], 0)
    assert repr(clock) == "<ShortClock 0 deadlines>"


def test_a_cancelled_deadline_tells_nobody(loop: Loop) -> None:
    """Cancelling is possible before, at and after the deadline, the last without effect."""
    clock = clock_on(loop)
    told: list[str] = []
    due = loop.now + 10 * MILLISECOND
    other = clock.at(due, lambda: told.append("other"))
    clock.at(due, lambda: told.append("kept"))
    other.cancel()
    loop.pass_until(due + MILLISECOND)
    assert told == ["kept"]
    other.cancel()


def test_what_is_reached_may_cancel_its_neighbour(loop: Loop) -> None:
    """Of two deadlines of one millisecond the first may end the second."""
    clock = clock_on(loop)
    told: list[str] = []
    due = loop.now + 10 * MILLISECOND
    neighbours: list[ShortDeadline] = []

    def first() -> None:
        neighbours[0].cancel()

    clock.at(due, first)
    neighbours.append(clock.at(due, lambda: told.append("second")))
    loop.pass_until(due + MILLISECOND)
    assert not told


def test_a_timer_that_fires_early_is_armed_again(loop: Loop) -> None:
    """The loop rounds to milliseconds: nobody is told before the time."""
    clock = clock_on(loop)
    told: list[int] = []
    due = loop.now + 10 * MILLISECOND
    clock.at(due, lambda: told.append(loop.now))
    early = loop.timers.pop()
    loop.now = due - 1
    early.callback()
    assert not told
    loop.pass_until(due + MILLISECOND)
    assert told
    assert due <= told[0] <= due + MILLISECOND


def test_a_deadline_in_the_past_comes_at_once(loop: Loop) -> None:
    """It is told in the next turn of the loop, not within the call."""
    clock = clock_on(loop)
    told: list[int] = []
    clock.at(loop.now - MILLISECOND, lambda: told.append(1))
    assert not told
    loop.pass_until(loop.now)
    assert told


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(0, 3 * MILLISECOND)), max_size=30))
def test_everybody_is_told_in_time(steps: list[tuple[int, bool, int]]) -> None:
    """In any order of asking, cancelling and waiting: each is told once, never early, at most a millisecond late."""
    loop = Loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(short_clock, "monotonic_ns", lambda: loop.now)
        clock = clock_on(loop)
        told: dict[int, int] = {}
        expected: dict[int, int] = {}
        for number, (delay, cancel, wait) in enumerate(steps):

            def reached(number: int = number) -> Any:
                assert number not in told
                told[number] = loop.now

            due = loop.now + delay * MILLISECOND // 3
            deadline = clock.at(due, reached)
            if cancel:
                deadline.cancel()
            else:
                expected[number] = due
            loop.pass_until(loop.now + wait)
        loop.pass_until(loop.now + 100 * MILLISECOND)
    assert told.keys() == expected.keys()
    assert all(due <= told[number] <= due + MILLISECOND for number, due in expected.items())
