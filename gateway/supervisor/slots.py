"""Decides which slot of shared memory an instance gets, and when the slot of a gone one may have another occupant.

Pure: the time and what the lanes hold come in as arguments.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from gateway.model import InstanceAddress

AGE_NS = 600_000_000_000  # an instance that comes back within ten minutes finds its health and load as it left them
Identity = tuple[str, InstanceAddress]


class NoSlotError(Exception):
    """Every slot is taken: the service has more instances than ``max_instances``."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in shared memory. Generations count from 1, so that no instance's key is 0."""

    number: int
    generation: int


@dataclass(frozen=True, slots=True)
class _Retired:
    slot: Slot
    since: int
    membership: int


class Slots:
    """All slots: free ones, the occupied, and the retired that still carry their last occupant's state."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._unused = 0
        self._free: list[Slot] = []
        self._retired: dict[Identity, _Retired] = {}

    @property
    def used(self) -> int:
        """Slots from this number on have never had an occupant."""
        return self._unused

    def take(self, identity: Identity) -> tuple[Slot, bool]:
        """A slot for an instance, and whether it still holds this instance's own state. Raises NoSlotError."""
        if (retired := self._retired.pop(identity, None)) is not None:
            return retired.slot, True
        if self._free:
            slot = self._free.pop()
            return Slot(slot.number, slot.generation + 1), False
        if self._unused == self._capacity:
            raise NoSlotError(f"all {self._capacity} places for instances are taken (gateway.max_instances)")
        self._unused += 1
        return Slot(self._unused - 1, 1), False

    def retire(self, identity: Identity, slot: Slot, *, now: int, membership: int) -> None:
        """The instance left its service with the membership epoch given."""
        self._retired[identity] = _Retired(slot, now, membership)

    def reclaim(self, *, now: int, seen: int, in_flight: Callable[[int], int]) -> None:
        """Frees what aged out, once every live lane has ``seen`` a later membership and nothing is in flight."""
        for identity, retired in list(self._aged(now)):
            if seen >= retired.membership and in_flight(retired.slot.number) == 0:
                del self._retired[identity]
                self._free.append(retired.slot)

    def _aged(self, now: int) -> Iterator[tuple[Identity, _Retired]]:
        """Those that left long ago. They stand in the order in which they left, so the young ones are not looked at."""
        return takewhile(lambda item: now - item[1].since >= AGE_NS, self._retired.items())
