"""What becomes of a bug: it costs one connection, is counted, and is logged with its place and its trace."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.clock import NANOSECONDS, monotonic_ns
from gateway.state.lane import Lane, take_panic_place

log = logging.getLogger("headgate.worker")

QUIET_NS = 10 * NANOSECONDS
"""A bug is logged once in so long for each place in the code: enough to find it, too little to fill a disk."""


class Breakable(Protocol):
    """A connection that can be ended without asking the state machine that failed."""

    def break_off(self) -> None:
        """Ends it at once, together with the other half of its exchange."""
        ...


@dataclass(slots=True)
class _Place:
    """When a bug at this place was logged last, and how often it was left out since."""

    logged: int
    left_out: int = 0


class Faults:
    """Takes the exceptions that nobody expected. A panic of the engine arrives as a BaseException.

    Every one is counted (``headgate_faults_total``); the log says how many it has left out.
    """

    def __init__(self, lane: Lane, clock: Callable[[], int] = monotonic_ns) -> None:
        self._lane = lane
        self._clock = clock
        self._places: dict[str, _Place] = {}  # bounded by the code, which has only so many places

    def cost(self, connection: Breakable, error: BaseException) -> None:
        """Ends the connection that an exception has left in an unknown state."""
        self._record(repr(connection), error)
        connection.break_off()

    def handle(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What the event loop calls when a callback has raised. Called by a transport, it names the protocol."""
        error = context.get("exception")
        if error is None:
            log.error("the event loop reports: %s", context["message"])
            return
        protocol = context.get("protocol")
        self._record(context["message"] if protocol is None else repr(protocol), error)
        if protocol is not None and hasattr(protocol, "break_off"):
            protocol.break_off()

    def _record(self, whose: str, error: BaseException) -> None:
        self._lane.count_fault()
        place = place_of(error)
        known = self._places.get(place)
        now = self._clock()
        if known is not None and now - known.logged < QUIET_NS:
            known.left_out += 1
            return
        more = f", and {known.left_out} times since it was logged last" if known and known.left_out else ""
        self._places[place] = _Place(now)
        log.error("a bug in %s cost a connection: %s%s", place, whose, more, exc_info=error)


def place_of(error: BaseException) -> str:
    """Where a bug showed: the engine's ``file.rs:LINE:COLUMN`` for a panic, else ``file.py:LINE, function``."""
    if not isinstance(error, Exception) and (place := take_panic_place()) is not None:
        return place
    trace = error.__traceback__
    if trace is None:
        return "a place unknown"
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno}, {code.co_name}"
