"""What becomes of a bug: it costs one connection, is counted, and is logged with its trace."""

import asyncio
import logging
from typing import Any, Protocol

from gateway.state.lane import Lane

log = logging.getLogger("headgate.worker")


class Breakable(Protocol):
    """A connection that can be ended without asking the state machine that failed."""

    def break_off(self) -> None:
        """Ends it at once, together with the other half of its exchange."""
        ...


class Faults:
    """Takes the exceptions that nobody expected. A panic of the engine arrives as a BaseException."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

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
        self._record(context["message"], error)
        protocol = context.get("protocol")
        if protocol is not None and hasattr(protocol, "break_off"):
            protocol.break_off()

    def _record(self, where: str, error: BaseException) -> None:
        self._lane.count_fault()
        log.error("a bug cost a connection: %s", where, exc_info=error)
