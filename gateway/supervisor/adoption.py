"""Decides which worker serves the listening sockets of a slot whose own worker is not there.

Pure: slots and the present adoptions go in, the adoptions that should stand and the orders that lead there come out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What a worker is told about a slot that is not its own; the value is the type of the message."""

    ADOPT = "adopt"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Order:
    """One message: ``worker`` (the slot it belongs to) shall adopt or release ``slot``."""

    worker: int
    verb: Verb
    slot: int


def settle(
    slots: Sequence[int], ready: Collection[int], adoptions: Mapping[int, int]
) -> tuple[dict[int, int], tuple[Order, ...]]:
    """The adoptions (orphan → adopter) for the slots, in ascending order, of which ``ready`` have a worker that serves.

    An orphan keeps its adopter for as long as that one serves; otherwise the next slot that does takes it, so that the
    orphans of neighbours spread. Without one there is nobody to adopt, and clients wait in the backlog. A former
    adopter is told to release even when it does not serve: one that was only late obeys when it goes on, and the
    successor of a dead one has nothing to release.
    """
    wanted: dict[int, int] = {}
    orders: list[Order] = []
    for slot in slots:
        before = adoptions.get(slot)
        adopter = _adopter(slot, ready, before)
        if before is not None and before != adopter:
            orders.append(Order(before, Verb.RELEASE, slot))
        if adopter is not None:
            wanted[slot] = adopter
            if before != adopter:
                orders.append(Order(adopter, Verb.ADOPT, slot))
    return wanted, tuple(orders)


def _adopter(slot: int, ready: Collection[int], before: int | None) -> int | None:
    if slot in ready:
        return None
    return before if before in ready else _next_ready(slot, ready)


def _next_ready(slot: int, ready: Collection[int]) -> int | None:
    """The next slot that serves after this one, round the end."""
    return min(ready, key=lambda other: (other < slot, other), default=None)
