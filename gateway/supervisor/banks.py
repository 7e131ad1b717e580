"""Has the members of every service published: at once when they change, and soon when their health does.

The law: the loop is not held up by flips. The health word of an instance is what counts, and every worker sees it at once;
the banks, which are built of these words, may lag behind it for a moment.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.clock import NANOSECONDS

PAUSE_NS = NANOSECONDS // 10
"""Between two publications that follow flips: one tick of the workers and more, so that they have let go of an older bank."""
PAUSE_PER_COST = 20
"""And at least this many times as long as the last publication took: one of 10,000 members takes tens of milliseconds."""


class Memory(Protocol):
    """Where members are published; ``gateway.state`` offers it."""

    def publish_members(self, service: int, slots: Sequence[int]) -> int:
        """Swaps in the members of a service; returns the membership epoch. Raises MemoryError: later."""


class Banks:
    """The supervisor's only hand on the banks of services."""

    def __init__(
        self, memory: Memory, members: Callable[[str], Sequence[int]], clock: Callable[[], int]
    ) -> None:
        """``members``: the slots of a service's instances as they are now; ``clock`` in nanoseconds."""
        self._memory = memory
        self._members = members
        self._clock = clock
        self._rows: dict[str, int] = {}
        self._epoch = 0
        self._rested: dict[str, int] = {}
        """When the members of a service may be published for a flip again."""
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, service: str, row: int) -> None:
        """The members of a service stand in this row. Idempotent."""
        self._rows[service] = row

    def publish(self, service: str) -> int:
        """Publishes the members now and returns their epoch; where every bank is still held, the least it will have."""
        if (timer := self._timers.pop(service, None)) is not None:
            timer.cancel()
        try:
            self._epoch = self._memory.publish_members(self._rows[service], self._members(service))
        except MemoryError:
            self._later(service, PAUSE_NS)
            return self._epoch + 1
        return self._epoch

    def refresh(self, service: str) -> None:
        """Publishes the members after a flip: now, or with the flips of the next moment."""
        if service in self._timers:
            return
        began = self._clock()
        if (wait := self._rested.get(service, began) - began) > 0:
            self._later(service, wait)
        else:
            self._publish_and_rest(service)

    def close(self) -> None:
        """Ends what is scheduled."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _publish_and_rest(self, service: str) -> None:
        began = self._clock()
        self.publish(service)
        ended = self._clock()
        self._rested[service] = ended + max(PAUSE_NS, PAUSE_PER_COST * (ended - began))

    def _later(self, service: str, wait_ns: int) -> None:
        loop = asyncio.get_running_loop()
        self._timers[service] = loop.call_later(wait_ns / NANOSECONDS, self._publish_and_rest, service)
