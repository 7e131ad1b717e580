"""A worker's door to the engine and the shared memory: its lane, its connections, and what a verdict may ask for.

``Lane`` has the three decisions that hooks, tests and benchmarks call as the request path does: ``select``, ``charge``
and ``health``.
"""

from collections.abc import Callable, Sequence

from gateway._native import (
    ABORT,
    BACK_OFF,
    CLOSE,
    CONNECT,
    FINISH,
    FINISH_CLOSE,
    FINISH_DROP,
    FINISH_DROP_CLOSE,
    FORWARD,
    FORWARD_COPIED,
    HOLD,
    PARK,
    PARK_COPIED,
    RELAY,
    REPLY,
    REPLY_CLOSE,
    SEND,
    SWITCH,
    WAIT,
    ClientFastPath,
    Connection,
    Lane,
    Pool,
    Segment,
    Snapshot,
    UpstreamFastPath,
    keep_panic_places,
    take_panic_place,
)

__all__ = [
    "ABORT",
    "BACK_OFF",
    "CLOSE",
    "CONNECT",
    "FINISH",
    "FINISH_CLOSE",
    "FINISH_DROP",
    "FINISH_DROP_CLOSE",
    "FORWARD",
    "FORWARD_COPIED",
    "HOLD",
    "PARK",
    "PARK_COPIED",
    "RELAY",
    "REPLY",
    "REPLY_CLOSE",
    "SEND",
    "SWITCH",
    "WAIT",
    "ClientFastPath",
    "Connection",
    "Lane",
    "Pool",
    "Snapshot",
    "UpstreamFastPath",
    "keep_panic_places",
    "open_lane",
    "take_panic_place",
]


def open_lane(
    memory: int,
    lane: int,
    *,
    random_seed: int,
    clock: Callable[[], int] | None = None,
    wakes: Sequence[int] = (),
) -> Lane:
    """Maps the inherited memory (a file descriptor) and opens one of its lanes. ``wakes``: an eventfd for each of its lanes,
    and one for the supervisor.
    Raises ValueError if the memory is foreign.
    """
    return Lane(Segment.attach(memory), lane, random_seed=random_seed, clock=clock, wakes=wakes)
