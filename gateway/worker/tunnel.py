"""A tunnel: after a 101, or at a listener that passes everything through, the bytes of client and instance are passed on as they are,
both ways, until both have ended.

The law: no byte is looked at, and none is kept beyond a write buffer; what one side does (a FIN, a reset) the other side
sees. The engine keeps only the deadline and the instance's reservation, until the second connection is over.
"""

import asyncio
from typing import TYPE_CHECKING

from gateway.clock import monotonic_ns
from gateway.model import PassEnd
from gateway.state.lane import WAIT, Connection
from gateway.state.sockets import Transport
from gateway.worker.transport import untaken

if TYPE_CHECKING:
    from gateway.worker.plane import DataPlane
    from gateway.worker.upstream import UpstreamConnection


class Tunnel:
    """What the two ends have in common. It stands in the place of the client connection whose machine it takes over."""

    __slots__ = (
        "_client",
        "_closing",
        "_instance",
        "_machine",
        "_open",
        "_passes",
        "_plane",
        "_since",
        "_unsent",
        "_upstream",
        "moved_at",
    )

    def __init__(
        self,
        plane: "DataPlane",
        machine: Connection,
        client: Transport,
        upstream: "UpstreamConnection",
    ) -> None:
        # wiring
        self._plane = plane
        self._machine = machine
        self._client = End(self, client)
        self._upstream = upstream
        self._instance = End(self, upstream.transport)
        # connection
        self._open = 2
        self._passes = machine.passes
        self._closing = False
        self._unsent = 0
        self._since = self.moved_at = monotonic_ns()
        self._plane.replaced(machine.index, self)

    def start(self, to_client: bytes, to_instance: bytes, *, client_ended: bool, instance_full: bool) -> None:
        """Takes both connections over and passes on what came early. ``client_ended``: its FIN was seen before;
        ``instance_full``: it has not taken what it was sent before.
        """
        client, instance = self._client, self._instance
        client.other, instance.other = instance, client
        instance.full = instance_full
        client.transport.set_protocol(client)
        instance.transport.set_protocol(instance)
        client.transport.write(to_client)
        instance.transport.write(to_instance)
        if client_ended:
            client.eof_received()
        elif not instance.full:
            client.transport.resume_reading()

    # What the two ends call

    def stalled(self) -> None:
        """One side does not take what the other sends."""
        self._unsent = self._waiting_bytes()

    def flowing(self) -> None:
        """It takes more."""
        self._unsent = 0

    def both_ended(self) -> None:
        """Nothing more will come. Each connection closes when it has taken what waits for it, in the time for a write."""
        self._closing = True
        self._unsent = self._waiting_bytes()
        self._machine.stalled(client=True, now=monotonic_ns())
        self._client.transport.close()
        self._instance.transport.close()

    def moved(self, end: "End", count: int) -> None:
        """So many bytes came from one side."""
        self.moved_at = monotonic_ns()
        self._machine.carried(end is self._client, count)

    def failed(self, end: "End") -> None:
        """The connection of one side has failed."""
        self._machine.ends_by(PassEnd.CLIENT_RESET if end is self._client else PassEnd.INSTANCE_RESET)

    def lost(self, end: "End") -> None:
        """One connection is over; after the second nothing is left."""
        if end is self._instance:
            self._upstream.discount()
        self._open -= 1
        if self._open == 0:
            if self._closing:
                self._machine.ends_by(PassEnd.CLOSED)
            self._plane.closed(self._machine.index)
            self._machine.close(monotonic_ns())

    # What the plane calls, as of a client connection

    def deadline_passed(self) -> None:
        """Nothing moves any more, unless something has since the deadline was set."""
        before, self._unsent = self._unsent, self._waiting_bytes()
        taken = max(0, before - self._unsent)
        if self._closing:
            action, _, _ = self._machine.expire(taken, monotonic_ns())
            if action != WAIT:
                self.break_off()
        elif taken:  # slowly
            self._machine.flowing(monotonic_ns())
        elif self.moved_at > self._since:
            self._since = self.moved_at
            self._machine.flowing(self.moved_at)
        else:
            self._end(PassEnd.IDLE_TIMEOUT)

    def close_if_idle(self) -> bool:
        """A tunnel is never between two exchanges."""
        return False

    def close_if_over(self) -> None:
        """It is over with its connections."""

    def break_off(self) -> None:
        """Ends both connections now."""
        self._end(PassEnd.CUT)

    def _end(self, why: PassEnd) -> None:
        """After a 101 without a reset: what was sent still arrives, and the protocol within the tunnel tells whether it was all. Of
        bytes that are passed through nobody knows that.
        """
        self._machine.ends_by(why)
        for end in (self._client, self._instance):
            if self._passes:
                end.transport.send_reset()
            else:
                end.transport.abort()

    def _waiting_bytes(self) -> int:
        return untaken(self._client.transport) + untaken(self._instance.transport)

    def __repr__(self) -> str:
        """One line for logs and tests."""
        return f"<Tunnel of {self._open} connections>"


class End(asyncio.Protocol):
    """One side of a tunnel: whatever it hears goes to the other side."""

    __slots__ = ("_tunnel", "ended", "full", "other", "transport")

    other: "End"

    def __init__(self, tunnel: Tunnel, transport: Transport) -> None:
        # wiring
        self._tunnel = tunnel
        self.transport = transport
        # connection
        self.ended = False
        self.full = False

    def data_received(self, data: bytes) -> None:
        """Bytes for the other side."""
        self._tunnel.moved(self, len(data))
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        """This side does not take bytes as fast as the other one sends them."""
        self.full = True
        self.other.transport.pause_reading()
        self._tunnel.stalled()

    def resume_writing(self) -> None:
        """It takes more."""
        self.full = False
        self._tunnel.flowing()
        if not self.other.ended:  # or its FIN would come again
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """This side will send no more; it may still read."""
        self.ended = True
        if self.other.ended:
            self._tunnel.both_ended()
        else:
            self.other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """This connection is over. A failure, such as a reset, is passed on; without one the tunnel ends it itself."""
        if exc is not None:
            self._tunnel.failed(self)
            self.other.transport.send_reset()
        self._tunnel.lost(self)

    def break_off(self) -> None:
        """Ends the tunnel, after a fault."""
        self._tunnel.break_off()
