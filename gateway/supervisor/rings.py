"""Draws the rings of hashed and sticky services: when the members are others, and not more often than the workers need."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from gateway.clock import NANOSECONDS
from gateway.supervisor.slots import Slot

logger = logging.getLogger("headgate.discovery")

PAUSE_NS = 100_000_000
"""From one ring of a row to the next."""
PAUSE_PER_MEMBER_NS = 200_000
"""At the least, so that drawing takes a small part of the time: 5 ms for a hundred members, 150 ms for ten thousand."""
RETRY_S = 0.1  # one tick of the workers: by then they have let go of an older ring
NO_ROOM_NS = 60 * NANOSECONDS
"""So long a ring may find no room before the old one is withdrawn: in ten minutes, a slot that it names may have another
occupant."""
NEVER_NS = 1 << 62


class Ring(Enum):
    """What a ring is for."""

    KEYS = auto()
    """Requests are hashed to it."""
    IDENTITIES = auto()
    """Instances are found by their identity."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything that a ring follows from; health is not in it, for who cannot be had is passed over."""

    ring: Ring
    members: tuple[tuple[Slot, int], ...]
    """Slots with their weights."""


class Memory(Protocol):
    """What is written here; ``gateway.state`` offers it."""

    def publish_ring(self, row: int, slots: Sequence[int], *, index: bool) -> int:
        """Swaps in the ring of a row, or an index of its members by their identity; no slots withdraw it. Raises
        MemoryError: later.
        """


@dataclass(slots=True)
class _Row:
    service: str
    drawn: Drawing | None = None
    wanted: Drawing | None = None
    last: int = -NEVER_NS
    """When it was drawn last, in nanoseconds."""
    refused: int | None = None
    """Since when there is no room for it, in nanoseconds."""
    timer: asyncio.TimerHandle | None = None
    """The next drawing, where one is due."""


class Rings:
    """The rings of all services and subsets, by their rows in shared memory."""

    def __init__(self, memory: Memory, clock: Callable[[], int]) -> None:
        """``clock``: nanoseconds."""
        self._memory = memory
        self._clock = clock
        self._rows: dict[int, _Row] = {}

    def set(self, row: int, service: str, drawing: Drawing | None) -> None:
        """The ring of the row is to be this one, now or as soon as its pause is over; None withdraws it."""
        known = self._rows.get(row)
        if known is None:
            if drawing is None:
                return
            known = self._rows[row] = _Row(service)
        known.wanted = drawing
        if known.timer is None:
            self._draw(row)

    def close(self) -> None:
        """Ends what is scheduled."""
        for known in self._rows.values():
            if known.timer is not None:
                known.timer.cancel()
                known.timer = None

    def _draw(self, row: int) -> None:
        """Draws what is wanted, unless it is there or comes too soon."""
        known = self._rows[row]
        known.timer = None
        if known.wanted == known.drawn:
            return
        members = len(known.wanted.members) if known.wanted is not None else 0
        wait = known.last + max(PAUSE_NS, members * PAUSE_PER_MEMBER_NS) - self._clock()
        if wait > 0:
            self._draw_later(row, wait / NANOSECONDS)
            return
        known.last = self._clock()
        try:
            self._publish(row, known.wanted)
        except MemoryError:
            self._refused(row, known)
            return
        known.drawn, known.refused = known.wanted, None

    def _refused(self, row: int, known: _Row) -> None:
        if known.refused is None:
            known.refused = known.last
        if known.drawn is not None and known.last - known.refused >= NO_ROOM_NS:
            text = "service %s: no room for its ring: its keys go by the list of instances meanwhile"
            logger.error(text, known.service)
            self._publish(row, None)
            known.drawn = None
        self._draw_later(row, RETRY_S)

    def _draw_later(self, row: int, seconds: float) -> None:
        self._rows[row].timer = asyncio.get_running_loop().call_later(seconds, self._draw, row)

    def _publish(self, row: int, drawing: Drawing | None) -> None:
        slots = [slot.number for slot, _ in drawing.members] if drawing is not None else []
        is_index = drawing is not None and drawing.ring is Ring.IDENTITIES
        self._memory.publish_ring(row, slots, index=is_index)
