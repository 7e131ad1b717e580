"""A client's connection: hands its bytes to the engine and does what the verdict says.

The law: the engine decides, this shell moves bytes. Every end of an exchange passes ``_release`` or ``_drop``, and
every end of the connection passes ``connection_lost``.
"""

import asyncio
from typing import TYPE_CHECKING, cast

from gateway.clock import monotonic_ns
from gateway.state.lane import (
    ABORT,
    CLOSE,
    FINISH,
    FINISH_CLOSE,
    FINISH_DROP,
    FINISH_DROP_CLOSE,
    FORWARD,
    HOLD,
    RELAY,
    REPLY,
    REPLY_CLOSE,
    SEND,
    WAIT,
    Connection,
)
from gateway.worker.upstream import HIGH_WATER_BYTES, LOW_WATER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.worker.plane import DataPlane
    from gateway.worker.upstream import UpstreamConnection

REPLAY_BYTES = 64 * 1024
"""How much of a request is kept for another try. A larger one that was written is not sent again."""


class ClientConnection(asyncio.Protocol):
    """One client connection and the exchange it carries."""

    __slots__ = (
        "_connecting",
        "_held",
        "_listener",
        "_machine",
        "_paused",
        "_plane",
        "_pool",
        "_replay",
        "_replay_bytes",
        "_transport",
        "_upstream",
        "_written",
    )

    _machine: Connection
    _transport: asyncio.Transport

    def __init__(self, plane: "DataPlane", listener: int) -> None:
        # wiring
        self._plane = plane
        self._pool = plane.pool
        # connection
        self._listener = listener
        self._paused = False
        # exchange
        self._upstream: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._replay: list[bytes] | None = None
        self._replay_bytes = 0
        self._held = False
        self._written = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        # uvloop's transports have a Transport's methods but are none by inheritance.
        transport = cast("asyncio.Transport", transport)
        self._transport = transport
        transport.set_write_buffer_limits(HIGH_WATER_BYTES, LOW_WATER_BYTES)
        peer = transport.get_extra_info("peername")
        # A client of a Unix socket is a process of this machine.
        address = peer[0] if isinstance(peer, tuple) else "127.0.0.1"
        self._machine = Connection(self._plane.lane, self._listener, address, monotonic_ns())
        self._plane.opened(self, self._machine.index)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        action, argument, payload = self._machine.receive(data, monotonic_ns())
        if action == FORWARD:
            self._forward(argument, payload)
        elif action != WAIT:
            self._perform(action, argument, payload)

    def instance_sent(self, data: bytes) -> None:
        """Bytes of a response."""
        action, argument, payload = self._machine.respond(data, now := monotonic_ns())
        if action == FINISH:
            self._transport.write(payload)
            self._release(now)
            if argument:
                self._plane.loop.call_soon(self._take_up)
        elif action != WAIT:
            self._perform(action, argument, payload)

    def eof_received(self) -> bool:
        """The client will send no more; it may still read."""
        self._perform(*self._machine.client_eof(monotonic_ns()))
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the same for every reason
        """The connection is over."""
        self._plane.closed(self._machine.index)
        self._machine.close(monotonic_ns())
        self._drop()

    def pause_writing(self) -> None:
        """The client does not take the response as fast as the instance sends it."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()
            self._machine.stalled(client=True, now=monotonic_ns())

    def resume_writing(self) -> None:
        """It takes more."""
        if self._upstream is not None:
            self._upstream.transport.resume_reading()
            self._machine.flowing(monotonic_ns())

    # What the connection to the instance and the clock call

    def instance_full(self) -> None:
        """The instance does not take the request as fast as the client sends it."""
        self._pause()
        self._machine.stalled(client=False, now=monotonic_ns())

    def instance_drained(self) -> None:
        """It takes more."""
        self._resume()
        self._machine.flowing(monotonic_ns())

    def instance_lost(self, *, clean: bool) -> None:
        """The instance's connection is over, with a FIN if ``clean``."""
        self._upstream = None
        replayable = self._replay is not None
        self._perform(*self._machine.upstream_lost(clean, self._written, replayable, monotonic_ns()))

    def deadline_passed(self) -> None:
        """What was waited for did not come in time."""
        self._perform(*self._machine.expire(monotonic_ns()))

    def close_if_idle(self) -> None:
        """Ends a connection that carries no exchange."""
        if self._machine.is_idle:
            self._transport.close()

    # What the engine's verdicts lead to

    def _forward(self, instance: int, payload: bytes) -> None:
        """A new exchange with an instance."""
        self._replay = [payload]
        self._replay_bytes = len(payload)
        upstream = self._pool.take(instance)
        if upstream is None:
            self._connect(instance)
        else:
            self._upstream = upstream
            upstream.client = self
            self._written = True
            upstream.transport.write(payload)

    def _forward_or_retry(self, argument: int, payload: bytes) -> None:
        if payload:
            self._forward(argument, payload)
            return
        # After a lost connection another try gets a fresh one: what is pooled may be as stale. After a refused
        # connect it does not, or every such try would leave one more connection in the pool.
        stale, replay = self._written, self._replay
        self._drop()
        self._replay = replay
        upstream = None if stale else self._pool.take(argument)
        if upstream is None:
            self._connect(argument)
        else:
            self._send_kept(upstream)

    def _send(self, _: int, payload: bytes) -> None:
        """More of the request's body."""
        self._keep_for_replay(payload)
        if self._upstream is not None:
            self._upstream.transport.write(payload)
        elif self._replay_bytes > REPLAY_BYTES:
            self._pause()  # until the instance is connected

    def _keep_for_replay(self, payload: bytes) -> None:
        if self._replay is None:
            return
        self._replay_bytes += len(payload)
        if self._written and self._replay_bytes > REPLAY_BYTES:
            self._replay = None
        else:
            self._replay.append(payload)

    def _relay(self, _: int, payload: bytes) -> None:
        """More of the response."""
        self._transport.write(payload)

    def _finish(self, pipelined: int, payload: bytes) -> None:
        """The end of a response after which both connections live on."""
        self._transport.write(payload)
        self._release(monotonic_ns())
        self._go_on(pipelined)

    def _finish_and_drop(self, pipelined: int, payload: bytes) -> None:
        self._drop()
        if payload:
            self._transport.write(payload)
        self._go_on(pipelined)

    def _finish_and_close(self, still_sending: int, payload: bytes) -> None:
        self._release(monotonic_ns())
        self._say_last(still_sending, payload)

    def _finish_drop_and_close(self, still_sending: int, payload: bytes) -> None:
        self._drop()
        self._say_last(still_sending, payload)

    def _hold(self, *_: object) -> None:
        """Too much is pipelined: the rest waits in the kernel until this exchange has ended."""
        self._held = True
        self._pause()

    def _abort(self, *_: object) -> None:
        self._drop()
        self._transport.abort()

    def _close(self, *_: object) -> None:
        self._drop()
        self._transport.close()

    def _wait(self, *_: object) -> None:
        """Nothing to do."""

    def _perform(self, action: int, argument: int, payload: bytes) -> None:
        PERFORM[action](self, argument, payload)

    # Connecting

    def _connect(self, instance: int) -> None:
        self._written = False
        self._machine.connecting(monotonic_ns())
        connect = self._plane.connect(instance, self._machine.service)
        self._connecting = self._plane.loop.create_task(self._connected(connect))

    async def _connected(self, connect: "asyncio.Future[UpstreamConnection]") -> None:
        """Waits for the connection and sends what was held back. The connect deadline or the client may cancel it."""
        try:
            upstream = await connect
        except OSError:
            self._connecting = None
            self._perform(*self._machine.upstream_failed(monotonic_ns()))
            return
        self._connecting = None
        self._machine.connected(monotonic_ns())
        self._send_kept(upstream)

    def _send_kept(self, upstream: "UpstreamConnection") -> None:
        """Sends what was kept of the request, and lets the client send on."""
        self._upstream = upstream
        upstream.client = self
        self._written = True
        self._resume()  # before the write, which may pause the client again
        upstream.transport.writelines(self._replay or [])
        if self._replay_bytes > REPLAY_BYTES:
            self._replay = None

    # Private helpers

    def _go_on(self, pipelined: int) -> None:
        if pipelined:
            self._plane.loop.call_soon(self._take_up)

    def _take_up(self) -> None:
        """The next pipelined request; one a turn, so that no client holds the loop."""
        if not self._transport.is_closing():
            self.data_received(b"")

    def _say_last(self, still_sending: int, payload: bytes) -> None:
        if payload:
            self._transport.write(payload)
        if still_sending:
            self._transport.write_eof()  # and read on: unread bytes would reset what was just written
            self._resume()
        else:
            self._transport.close()

    def _release(self, now: int) -> None:
        """The exchange is over and the instance's connection may serve another."""
        upstream = self._upstream
        self._upstream = None
        self._replay = None
        if upstream is not None:
            upstream.client = None
            surplus = self._pool.give(upstream, now)
            if surplus is not None:
                surplus.close()
        if self._held:
            self._held = False
            self._resume()

    def _drop(self) -> None:
        """The exchange is over, or starts anew, and the instance's connection with it."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        self._replay = None
        self._held = False
        self._resume()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def __repr__(self) -> str:
        return f"<ClientConnection {self._machine.index} with {self._upstream!r}>"


PERFORM: "dict[int, Callable[[ClientConnection, int, bytes], None]]" = {
    WAIT: ClientConnection._wait,
    HOLD: ClientConnection._hold,
    FORWARD: ClientConnection._forward_or_retry,
    SEND: ClientConnection._send,
    RELAY: ClientConnection._relay,
    FINISH: ClientConnection._finish,
    FINISH_DROP: ClientConnection._finish_and_drop,
    FINISH_CLOSE: ClientConnection._finish_and_close,
    FINISH_DROP_CLOSE: ClientConnection._finish_drop_and_close,
    REPLY: ClientConnection._finish_and_drop,
    REPLY_CLOSE: ClientConnection._finish_drop_and_close,
    ABORT: ClientConnection._abort,
    CLOSE: ClientConnection._close,
}
"""What each action of a verdict leads to."""
