"""The short clock: deadlines of milliseconds, all on one timer of the loop, which is armed only while there is one.

The worker's tick is too coarse for a back-off, and a timer of the loop for each of them costs twice as much: setting and
cancelling takes 2.1 µs there and 1.0 µs here (100,000 deadlines over 200 ms, uvloop 0.23).
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

from gateway.clock import NANOSECONDS, monotonic_ns

MILLISECOND = NANOSECONDS // 1000


class ShortDeadline:
    """One deadline; whoever asked for it cancels it when it is no longer wanted."""

    __slots__ = ("_reached",)

    def __init__(self, reached: Callable[[], None]) -> None:
        self._reached: Callable[[], None] | None = reached

    def cancel(self) -> None:
        """Nobody is told any more. Idempotent, also after the deadline."""
        self._reached = None

    def reach(self) -> None:
        """Tells who waits, once."""
        reached, self._reached = self._reached, None
        if reached is not None:
            reached()


class ShortClock:
    """Deadlines by their millisecond, and the milliseconds in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[int, list[ShortDeadline]] = {}
        self._milliseconds: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def at(self, due: int, reached: Callable[[], None]) -> ShortDeadline:
        """Calls ``reached``, which does not raise, at ``due`` in nanoseconds or up to a millisecond later."""
        deadline = ShortDeadline(reached)
        millisecond = -(-due // MILLISECOND)
        waiting = self._waiting.get(millisecond)
        if waiting is not None:
            waiting.append(deadline)
            return deadline
        self._waiting[millisecond] = [deadline]
        heappush(self._milliseconds, millisecond)
        if self._milliseconds[0] == millisecond:
            self._arm(monotonic_ns())
        return deadline

    def _arm(self, now: int) -> None:
        """One timer, for the first of the milliseconds that somebody waits for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._milliseconds:
            delay = max(0, self._milliseconds[0] * MILLISECOND - now)
            self._timer = self._loop.call_later(delay / NANOSECONDS, self._reached)

    def _reached(self) -> None:
        now = monotonic_ns()
        due: list[ShortDeadline] = []
        while self._milliseconds and self._milliseconds[0] * MILLISECOND <= now:
            due += self._waiting.pop(heappop(self._milliseconds))
        self._arm(now)  # before the work, which may be long and may ask for more
        for deadline in due:
            deadline.reach()

    def __repr__(self) -> str:
        """One line for logs and tests."""
        return f"<ShortClock {sum(map(len, self._waiting.values()))} deadlines>"
