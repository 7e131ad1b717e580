"""A client's connection: hands its bytes to the engine and does what the verdict says.

The law: the engine decides, this shell does what it says. Every end of an exchange passes ``_release`` or ``_drop``, and
every end of the connection passes ``connection_lost``, which is the fast path's. What goes over a connection of the pool in the usual way never
comes here: the fast path moves it.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from gateway.clock import monotonic_ns
from gateway.state.lane import (
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
)
from gateway.worker.transport import untaken
from gateway.worker.tunnel import Tunnel
from gateway.worker.upstream import NO_DESCRIPTOR, NOT_ASKED

if TYPE_CHECKING:
    from gateway.worker.mirror import Copy
    from gateway.worker.plane import DataPlane
    from gateway.worker.short_clock import ShortDeadline
    from gateway.worker.upstream import UpstreamConnection

# Why a client is not read; it is read again when none of these is left.
HELD = 1
"""Too much is pipelined."""
CONNECTING = 2
"""What it has sent already has to wait for a connection to the instance."""
INSTANCE_FULL = 4
"""The instance takes the request more slowly than it comes."""
UNREAD = 8
"""It does not read its answers, so it shall not get more of them."""
ENDED = 16
"""It has sent its FIN, and reading on would only bring that again."""


class ClientConnection(ClientFastPath, asyncio.Protocol):  # type: ignore[misc] # its transport is one of ours
    """One client connection and the exchange it carries. Its begin, ``data_received`` and its end are the fast path's."""

    __slots__ = (
        "_backing_off",
        "_opening",
        "_stalled",
        "_untaken",
        "_waits_for_client",
    )

    _upstream: "UpstreamConnection | None"
    _copy: "Copy | None"

    def __init__(self, plane: "DataPlane", listener: int) -> None:  # noqa: ARG002 - the fast path has them
        # connection
        self._stalled = False
        self._waits_for_client = False
        self._untaken = 0
        # exchange
        self._opening: UpstreamConnection | None = None
        self._backing_off: ShortDeadline | None = None

    # What the transport calls

    def eof_received(self) -> bool:
        """The client will send no more; it may still read."""
        self._paused |= ENDED
        self._perform(*self._machine.client_eof(monotonic_ns()))
        return True

    def _give_up(self) -> None:
        """The connection is over, and with it the exchange that is under way."""
        self._leave_instance()
        self._leave_copy()
        self._forget_replay()

    def pause_writing(self) -> None:
        """The client does not take the response as fast as the instance sends it."""
        self._stalled = True
        if self._upstream is None:
            self._pause(UNREAD)
        else:
            self._upstream.transport.pause_reading()
            self._await(client=True)

    def resume_writing(self) -> None:
        """It takes more."""
        self._stalled = False
        if self._upstream is not None:
            self._upstream.transport.resume_reading()
            self._flow()
        if self._paused & UNREAD:
            self._resume(UNREAD)
            self._go_on(1)

    # What the connection to the instance and the clock call

    def instance_connected(self, upstream: "UpstreamConnection") -> None:
        """The connection is there: what was held back goes out."""
        self._opening = None
        verdict = self._machine.connected(monotonic_ns())
        self._send_held_back(upstream)
        self._perform(*verdict)

    def instance_unreachable(self, error: int) -> None:
        """The connection could not be made, for this reason of the system's (errno)."""
        self._opening = None
        if error in NO_DESCRIPTOR:
            self._perform(*self._machine.no_descriptor(monotonic_ns()))
        else:
            self._perform(*self._machine.upstream_failed(error not in NOT_ASKED, monotonic_ns()))

    def instance_full(self) -> None:
        """The instance does not take the request as fast as the client sends it."""
        self._pause(INSTANCE_FULL)
        self._flow()  # while the client does not read its answer, the instance may be waiting for that

    def instance_drained(self) -> None:
        """It takes more."""
        self._resume(INSTANCE_FULL)
        self._flow()

    def instance_lost(self, *, clean: bool) -> None:
        """The instance's connection is over, with a FIN if ``clean``."""
        self._upstream = None
        self._perform(*self._machine.upstream_lost(clean, self._written, self._is_replayable, monotonic_ns()))

    def deadline_passed(self) -> None:
        """What was waited for did not come in time."""
        before, self._untaken = self._untaken, self._measure()
        taken = max(0, before - self._untaken)
        self._perform(*self._machine.expire(taken, monotonic_ns()))

    def take_turn(self) -> None:
        """There may be a place for what it waits with."""
        self._perform(*self._machine.take_turn(monotonic_ns()))

    def break_off(self) -> None:
        """Resets the connection without asking the engine: after a fault, or when there is no time left."""
        self._drop()
        self._transport.send_reset()

    def close_if_idle(self) -> bool:
        """Ends a connection that carries no exchange; was it one that was not about to end?"""
        idle = self._machine.is_idle and not self._transport.is_closing()
        if idle:
            self._transport.close()
        return idle

    def close_if_over(self) -> None:
        """Ends a connection that carries no exchange, though its client might still be reading the last answer."""
        if self._machine.is_idle or self._machine.is_lingering:
            self._transport.close()

    def evict(self) -> None:
        """Ends a connection at rest, for want of descriptors."""
        self._perform(*self._machine.evict(monotonic_ns()))

    # What the engine's verdicts lead to

    def _forward(self, instance: int, payload: bytes) -> None:
        """A new exchange with an instance."""
        upstream = self._pool.take(instance)
        if upstream is None:
            self._forward_afresh(instance, payload)
        else:
            self._begin_replay(payload)
            self._upstream = upstream
            upstream.client = self
            self._written = True
            upstream.transport.write(payload)

    def _forward_afresh(self, instance: int, payload: bytes) -> None:
        """A new exchange with an instance that no idle connection leads to. The fast path, which has looked, calls it too."""
        self._begin_replay(payload)
        self._connect(instance)

    def _forward_or_retry(self, instance: int, payload: bytes) -> None:
        if payload:
            self._forward(instance, payload)
            return
        # After a lost connection another try gets a fresh one: what is pooled may be as stale. After a refused
        # connect it does not, or every such try would leave one more connection in the pool.
        upstream = None if self._written else self._pool.take(instance)
        self._leave_instance()
        self._resume(INSTANCE_FULL)
        if upstream is None:
            self._connect(instance)
        else:
            self._send_held_back(upstream)

    def _send(self, _: int, payload: bytes) -> None:
        """More of the request's body."""
        self._go_on_replay(payload)
        if self._upstream is not None:
            self._upstream.transport.write(payload)
        elif self._replay_bytes > self._most_replayed:
            self._pause(CONNECTING)
        if self._copy is not None:
            self._copy.go_on(payload)
            self._finish_copy()

    def _relay(self, _: int, payload: bytes) -> None:
        """More of the response, after which the request is not sent again."""
        self._forget_replay()
        self._transport.write(payload)

    def _finish(self, pipelined: int, payload: bytes) -> None:
        """The end of a response after which both connections live on."""
        self._release(monotonic_ns())
        self._transport.write(payload)
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

    def _park(self, _: int, payload: bytes) -> None:
        """A new exchange that waits for an instance; what comes of its body is held back with its head."""
        self._begin_replay(payload)
        self._written = False

    def _forward_copied(self, instance: int, payload: bytes) -> None:
        """A new exchange, of whose request a mirror gets a copy."""
        self._begin_copy(payload)
        self._forward_or_retry(instance, payload)

    def _park_copied(self, _: int, payload: bytes) -> None:
        self._begin_copy(payload)
        if payload:
            self._park(0, payload)

    def _hold(self, *_: object) -> None:
        """Too much is pipelined: the rest waits in the kernel until some of it has been taken up."""
        self._pause(HELD)

    def _abort(self, *_: object) -> None:
        self.break_off()

    def _close(self, *_: object) -> None:
        self._drop()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._await(client=True)  # the transport waits for it without end

    def _switch(self, _: int, payload: bytes) -> None:
        """The instance has agreed to another protocol: a tunnel takes everything over."""
        if self._transport.is_closing():  # the client has gone in this very turn: its end is yet to be told
            self._drop()
            return
        assert self._upstream is not None, "it has just answered"
        upstream, paused = self._upstream, self._paused
        self._upstream = upstream.client = None
        self._forget_replay()
        self._paused = 0
        tunnel = Tunnel(self._plane, self._machine, self._transport, upstream)
        tunnel.start(
            payload,
            self._machine.take_early(),
            client_ended=bool(paused & ENDED),
            instance_full=bool(paused & INSTANCE_FULL),
        )

    def _connect_afresh(self, instance: int, _: bytes) -> None:
        """What is passed through gets a connection that nothing else has used; what comes meanwhile the engine keeps."""
        self._leave_instance()
        self._begin_replay(b"")
        self._connect(instance)

    def _wait(self, *_: object) -> None:
        """Nothing to do."""

    def _perform(self, action: int, argument: int, payload: bytes) -> None:
        self._PERFORM[action](self, argument, payload)

    # The copy for a mirror

    def _begin_copy(self, payload: bytes) -> None:
        """Of a request that begins with this, or is held back."""
        self._copy = self._plane.begin_copy(self._machine, payload or self._replay or b"")
        self._finish_copy()

    def _finish_copy(self) -> None:
        """A copy that has all of the request goes its own way."""
        if self._copy is not None and self._machine.is_request_whole:
            self._copy.is_whole()
            self._copy = None

    def _leave_copy(self) -> None:
        """The exchange is over before its request was whole."""
        if self._copy is not None:
            self._copy.cut_off()
            self._copy = None

    # Connecting

    def _back_off(self, nanoseconds: int, _: bytes) -> None:
        """The try has failed, and another one shall not come at once."""
        self._leave_instance()
        self._resume(INSTANCE_FULL)
        self._backing_off = self._plane.short_clock.at(monotonic_ns() + nanoseconds, self._try_again)

    def _try_again(self) -> None:
        try:
            self._perform(*self._machine.try_again(monotonic_ns()))
        except BaseException as error:
            self._plane.faults.cost(self, error)

    def _connect(self, instance: int) -> None:
        self._written = False
        service = self._machine.service
        if self._plane.is_crowded(instance, service):
            self._perform(*self._machine.crowded(monotonic_ns()))
            return
        upstream = self._plane.upstream(instance, service, self)
        if upstream is None:
            self._perform(*self._machine.no_descriptor(monotonic_ns()))
            return
        self._machine.connecting(monotonic_ns())
        self._opening = upstream
        upstream.may_speak = self._machine.passes
        self._plane.connect(upstream)

    def _send_held_back(self, upstream: "UpstreamConnection") -> None:
        self._upstream = upstream
        upstream.client = self
        self._written = True
        self._resume(CONNECTING)
        upstream.transport.write(self._replay or b"")
        if self._replay_bytes > self._most_replayed:
            self._forget_replay()

    # Private helpers

    def _go_on(self, pipelined: int) -> None:
        if pipelined:
            self._plane.loop.call_soon(self._take_up)

    def _take_up(self) -> None:
        """The next pipelined request; one a turn, so that no client holds the loop."""
        if self._stalled or self._transport.is_closing():
            return
        try:
            self.data_received(b"")
            self._resume_held()
        except BaseException as error:
            self._plane.faults.cost(self, error)

    def _say_last(self, still_sending: int, payload: bytes) -> None:
        if payload:
            self._transport.write(payload)
        if still_sending:
            self._transport.write_eof()  # and read on: unread bytes would reset what was just written
            self._resume(UNREAD)
        else:
            self._transport.close()

    def _release(self, now: int) -> None:
        """The exchange is over and the instance's connection may serve another."""
        self._release_instance(now)
        self._leave_copy()
        if self._paused:
            self._resume(INSTANCE_FULL)
            self._resume_held()

    def _drop(self) -> None:
        """The exchange is over, and the instance's connection with it."""
        self._leave_instance()
        self._leave_copy()
        self._forget_replay()
        self._resume(CONNECTING | INSTANCE_FULL)
        self._resume_held()

    def _leave_instance(self) -> None:
        if self._backing_off is not None:
            self._backing_off.cancel()
            self._backing_off = None
        if self._opening is not None:
            self._opening.close()
            self._opening = None
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    def _await(self, *, client: bool) -> None:
        """Gives the client, or else the instance, its time to take some of what waits for it."""
        self._waits_for_client = client
        self._untaken = self._measure()
        self._machine.stalled(client=client, now=monotonic_ns())

    def _measure(self) -> int:
        """What the side that was waited for last has not taken."""
        if self._waits_for_client:
            return untaken(self._transport)
        return 0 if self._upstream is None else untaken(self._upstream.transport)

    def _flow(self) -> None:
        """One side takes more; the other may still be slow."""
        if self._stalled:
            self._await(client=True)
        elif self._paused & INSTANCE_FULL:
            self._await(client=False)
        else:
            self._machine.flowing(monotonic_ns())

    def _pause(self, reason: int) -> None:
        if not self._paused:
            self._transport.pause_reading()
        self._paused |= reason

    def _resume_held(self) -> None:
        if self._paused & HELD and not self._machine.is_full:
            self._resume(HELD)

    def _resume(self, reasons: int) -> None:
        was = self._paused
        self._paused = was & ~reasons
        if was and not self._paused:
            self._transport.resume_reading()

    def __repr__(self) -> str:
        """One line for logs and tests."""
        return f"<ClientConnection of listener {self._listener} with {self._upstream!r}>"

    _PERFORM: ClassVar[dict[int, Callable[["ClientConnection", int, bytes], None]]] = {
        WAIT: _wait,
        HOLD: _hold,
        FORWARD: _forward_or_retry,
        SEND: _send,
        RELAY: _relay,
        FINISH: _finish,
        FINISH_DROP: _finish_and_drop,
        FINISH_CLOSE: _finish_and_close,
        FINISH_DROP_CLOSE: _finish_drop_and_close,
        REPLY: _finish_and_drop,
        REPLY_CLOSE: _finish_drop_and_close,
        ABORT: _abort,
        CLOSE: _close,
        BACK_OFF: _back_off,
        SWITCH: _switch,
        PARK: _park,
        FORWARD_COPIED: _forward_copied,
        PARK_COPIED: _park_copied,
        CONNECT: _connect_afresh,
    }
    """What each action of a verdict leads to."""
