"""Decides which worker serves the listening sockets of a slot whose own worker is not there.

Pure: slots and the present adoptions go in, the adoptions that should stand and the orders that lead there come out.
"""

from collections.abc import Collection, Mapping
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
    slots: int, ready: Collection[int], adoptions: Mapping[int, int]
) -> tuple[dict[int, int], tuple[Order, ...]]:
    """The adoptions (orphan → adopter) for ``slots`` slots of which ``ready`` have a worker that serves.

    An orphan keeps its adopter for as long as that one lives; otherwise the next live slot takes it, so that the
    orphans of neighbours spread. Without a live worker there is nobody to adopt, and clients wait in the backlog.
    """
    wanted: dict[int, int] = {}
    orders: list[Order] = []
    for slot in range(slots):
        adopter = adoptions.get(slot)
        if slot in ready:
            if adopter in ready and adopter is not None:
                orders.append(Order(adopter, Verb.RELEASE, slot))
            continue
        if adopter is None or adopter not in ready:
            adopter = _next_ready(slot, slots, ready)
            if adopter is None:
                continue
            orders.append(Order(adopter, Verb.ADOPT, slot))
        wanted[slot] = adopter
    return wanted, tuple(orders)


def _next_ready(slot: int, slots: int, ready: Collection[int]) -> int | None:
    return next((other % slots for other in range(slot + 1, slot + slots) if other % slots in ready), None)
