"""Real sockets on a real loop: a reactor as the worker has it."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Self

import uvloop

from gateway import tcp
from gateway.state.sockets import Reactor, Transport
from tests.helpers.patience import eventually

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the close sends RST instead of FIN."""

Test = Callable[[], Coroutine[Any, Any, None]]


def on_uvloop(test: Test) -> Callable[[], None]:
    """Runs a test on a loop of uvloop's."""

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@contextlib.contextmanager
def reacting() -> Iterator[Reactor]:
    """A reactor in the running loop, gone with all of its sockets in the end."""
    loop = asyncio.get_running_loop()
    reactor = Reactor(loop, tcp.KEEPALIVE)
    loop.add_reader(reactor.fileno(), reactor.turn)
    try:
        yield reactor
    finally:
        loop.remove_reader(reactor.fileno())
        reactor.close()


@contextlib.contextmanager
def serving(reactor: Reactor, accepted: Callable[[], Any]) -> Iterator[tuple[str, int]]:
    """A listening socket on loopback that the reactor accepts from."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        listener = reactor.listen(listening.fileno(), 64, accepted)
        try:
            yield listening.getsockname()
        finally:
            listener.close()


@contextlib.contextmanager
def descriptor_of(transport: Transport) -> Iterator[socket.socket]:
    """The socket of a connection, to look at."""
    with socket.socket(fileno=os.dup(transport.fileno())) as connected:
        yield connected


class Recording(asyncio.Protocol):
    """A protocol that records what it is told, and raises where it shall."""

    def __init__(
        self, raises: str = "", error: BaseException | None = None, *, half_open: bool = True
    ) -> None:
        self.calls: list[str] = []
        self.lost: BaseException | None = None
        self.failed = 0
        self.got = bytearray()
        self.transport: Transport
        self._raises = raises
        self._error = error
        self._half_open = half_open

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._raises and self._error:
            raise self._error

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # it is one of ours
        """Recorded."""
        self.transport = transport
        self._called("connection_made")

    def connection_failed(self, error: int) -> None:
        """Recorded with its reason."""
        self.failed = error
        self._called("connection_failed")

    def data_received(self, data: bytes) -> None:
        """Recorded."""
        self.got += data
        self._called("data_received")

    def eof_received(self) -> bool:
        """Recorded; the connection stays open for writing if it shall."""
        self._called("eof_received")
        return self._half_open

    def connection_lost(self, exc: Exception | None) -> None:
        """Recorded with its reason."""
        self.lost = exc
        self._called("connection_lost")

    def pause_writing(self) -> None:
        """Recorded."""
        self._called("pause_writing")

    def resume_writing(self) -> None:
        """Recorded."""
        self._called("resume_writing")

    @property
    def is_over(self) -> bool:
        """Has it heard of its end?"""
        return "connection_lost" in self.calls


class Pair(contextlib.AsyncExitStack):
    """A connection with the protocol under test, and the plain socket of its client."""

    def __init__(self, protocol: Recording) -> None:
        super().__init__()
        self.protocol = protocol
        self.contexts: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.contexts.append(context))
        self.reactor = self.enter_context(reacting())
        address = self.enter_context(serving(self.reactor, lambda: self.protocol))
        self.peer = self.enter_context(socket.create_connection(address))
        self.peer.setblocking(False)
        await eventually(lambda: self.protocol.calls)
        self.callback(self.protocol.transport.abort)
        return self

    def peer_resets(self) -> None:
        """The client is gone with a reset."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.peer.close()

    def peer_reads(self) -> bytes:
        """What is there for the client now."""
        with contextlib.suppress(BlockingIOError):
            return self.peer.recv(1_000_000)
        return b""
