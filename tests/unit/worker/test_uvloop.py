"""What uvloop does, where the worker relies on it: real sockets on a real loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Self

import pytest
import uvloop

from gateway.model import ListenAddress
from gateway.state.control import HEALTH_HEALTHY
from gateway.supervisor.sockets import open_listener
from gateway.worker.ingress import ClientConnection
from gateway.worker.transport import RESET_ON_CLOSE, client_address, reset, take_up, untaken
from tests.helpers.patience import eventually
from tests.unit.worker.stage import REQUEST, SERVICE, Stage, answer
from tests.unit.worker.test_faults import Panic

Test = Callable[[], Coroutine[Any, Any, None]]


def on_uvloop(test: Test) -> Callable[[], None]:
    """Runs a test on a loop of uvloop's."""

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@contextlib.asynccontextmanager
async def serving(factory: Callable[[], asyncio.Protocol]) -> AsyncIterator[tuple[str, int]]:
    """A server on loopback, closed whatever happens: uvloop never ends the close of a loop with an open one when the
    warning about it is an error.
    """
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


WATCHED = (1, 60, 15, 4, 120_000)
"""Probed after a minute of silence, every 15 seconds, four times; given up after two minutes."""


def watched(connected: Any) -> tuple[int, ...]:
    """How the kernel watches over a TCP connection."""
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    keepalive = connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return (keepalive, *(connected.getsockopt(socket.IPPROTO_TCP, option) for option in options))


class Recording(asyncio.Protocol):
    """A protocol that records what it is told, and raises where it shall."""

    def __init__(self, raises: str = "", error: BaseException | None = None) -> None:
        self.calls: list[str] = []
        self.lost: BaseException | None = None
        self._raises = raises
        self._error = error
        self.transport: asyncio.Transport

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._raises and self._error:
            raise self._error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport as the worker does."""
        self.transport = take_up(transport)
        self.address = client_address(self.transport)
        self._called("connection_made")

    def data_received(self, data: bytes) -> None:
        """Recorded."""
        self._called("data_received")

    def eof_received(self) -> bool:
        """Recorded; the connection stays open for writing."""
        self._called("eof_received")
        return True

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


class Pair(contextlib.AsyncExitStack):
    """A server connection with the protocol under test, and the plain socket of its client."""

    def __init__(self, protocol: Recording) -> None:
        super().__init__()
        self.protocol = protocol
        self.contexts: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.contexts.append(context))
        address = await self.enter_async_context(serving(lambda: self.protocol))
        self.peer = self.enter_context(socket.create_connection(address))
        self.peer.setblocking(False)
        await eventually(lambda: self.protocol.calls)
        self.callback(self.protocol.transport.abort)
        return self


@on_uvloop
async def test_a_panic_in_a_callback_costs_its_connection() -> None:
    """A BaseException from data_received ends that transport and is reported with its protocol; the loop lives on."""
    panic = Panic()
    async with Pair(Recording("data_received", panic)) as pair:
        pair.peer.send(b"x")
        await eventually(lambda: "connection_lost" in pair.protocol.calls)
        assert pair.protocol.lost is panic
        (context,) = pair.contexts
        assert context["exception"] is panic
        assert context["protocol"] is pair.protocol


@on_uvloop
async def test_a_panic_in_flow_control_is_reported_and_leaves_the_connection() -> None:
    """A BaseException from pause_writing inside write is reported with its protocol; the transport stays open."""
    panic = Panic()
    async with Pair(Recording("pause_writing", panic)) as pair:
        pair.protocol.transport.write(bytes(10_000_000))
        (context,) = pair.contexts
        assert (context["exception"], context["protocol"]) == (panic, pair.protocol)
        assert not pair.protocol.transport.is_closing()
        pair.protocol.transport.abort()


@on_uvloop
async def test_a_panic_at_the_start_leaves_the_socket_open_and_unread() -> None:
    """After an exception from connection_made nobody closes the transport: the protocol must."""
    async with Pair(Recording("connection_made", Panic())) as pair:
        await eventually(lambda: pair.contexts)
        assert "protocol" not in pair.contexts[0]
        assert not pair.protocol.transport.is_closing()
        assert not pair.protocol.transport.is_reading()
        pair.protocol.transport.abort()


@on_uvloop
async def test_pausing_happens_inside_write() -> None:
    """pause_writing comes before write returns, and resume_writing when the peer has read."""
    async with Pair(Recording()) as pair:
        pair.protocol.transport.write(bytes(10_000_000))
        assert pair.protocol.calls[-1] == "pause_writing"
        unsent = pair.protocol.transport.get_write_buffer_size()

        def read() -> bool:
            with contextlib.suppress(BlockingIOError):
                pair.peer.recv(1_000_000)
            return "resume_writing" in pair.protocol.calls

        await eventually(lambda: read() or pair.protocol.transport.get_write_buffer_size() < unsent)
        await eventually(read)


@on_uvloop
async def test_a_closing_transport_takes_everything_in_silence() -> None:
    """Between close and connection_lost writes, pauses, resumes and write_eof are allowed; after it writes raise."""
    async with Pair(Recording()) as pair:
        transport = pair.protocol.transport
        transport.close()
        transport.pause_reading()
        transport.resume_reading()
        transport.write(b"late")
        transport.writelines([b"late"])
        transport.write_eof()
        transport.abort()
        assert transport.is_closing()
        assert not transport.is_reading()
        await eventually(lambda: "connection_lost" in pair.protocol.calls)
        transport.pause_reading()
        transport.resume_reading()
        transport.close()
        transport.abort()
        assert transport.get_write_buffer_size() == 0
        with pytest.raises(RuntimeError, match="closed"):
            transport.write(b"too late")


@on_uvloop
async def test_write_eof_after_the_peer_has_reset() -> None:
    """A FIN to a peer that is gone raises nothing."""
    async with Pair(Recording()) as pair:
        transport = pair.protocol.transport
        transport.pause_reading()
        pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        pair.peer.close()
        transport.write(b"x")
        transport.write_eof()
        await eventually(lambda: "connection_lost" in pair.protocol.calls)


@on_uvloop
async def test_a_close_waits_for_a_peer_that_does_not_read_without_end() -> None:
    """close() keeps unsent bytes and the connection; abort() ends both."""
    async with Pair(Recording()) as pair:
        transport = pair.protocol.transport
        transport.write(bytes(10_000_000))
        transport.close()
        assert transport.get_write_buffer_size() > 0
        assert "connection_lost" not in pair.protocol.calls
        transport.abort()
        await eventually(lambda: "connection_lost" in pair.protocol.calls)


@on_uvloop
async def test_reading_after_a_fin_brings_it_again() -> None:
    """resume_reading after eof_received calls it a second time."""
    async with Pair(Recording()) as pair:
        pair.peer.shutdown(socket.SHUT_WR)
        await eventually(lambda: pair.protocol.calls.count("eof_received") == 1)
        pair.protocol.transport.resume_reading()
        await eventually(lambda: pair.protocol.calls.count("eof_received") == 2)
        pair.protocol.transport.abort()


@on_uvloop
async def test_an_abort_alone_looks_like_an_end_and_a_reset_does_not() -> None:
    """The peer reads an orderly FIN after abort(), and ECONNRESET after our reset."""
    for end, expected in ((asyncio.Transport.abort, b""), (reset, None)):
        async with Pair(Recording()) as pair:
            if end is reset:
                reset(pair.protocol.transport)
            else:
                pair.protocol.transport.abort()
            await eventually(lambda: "connection_lost" in pair.protocol.calls)
            pair.peer.setblocking(True)
            got: bytes | None
            try:
                got = pair.peer.recv(1)
            except ConnectionResetError:
                got = None
            assert got == expected


@on_uvloop
async def test_a_reset_of_what_is_closed_does_nothing() -> None:
    """Two ends may come to the same connection."""
    async with Pair(Recording()) as pair:
        reset(pair.protocol.transport)
        await eventually(lambda: "connection_lost" in pair.protocol.calls)
        reset(pair.protocol.transport)


@on_uvloop
async def test_a_client_that_is_gone_has_no_name() -> None:
    """A connection that was reset before it was taken up is nobody's, not a local one's."""
    async with Pair(Recording()) as pair:
        assert pair.protocol.address == "127.0.0.1"
    protocol = Recording()
    async with serving(lambda: protocol) as address:
        peer = socket.create_connection(address)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        peer.close()
        await eventually(lambda: protocol.calls)
        protocol.transport.abort()
        assert protocol.address == "0.0.0.0"


@on_uvloop
async def test_connects_that_are_cancelled_at_any_time_leave_no_socket() -> None:
    """A connect cancelled in any turn of the loop, its last one included, keeps nothing open and takes nothing else."""
    stage = Stage(instances=1)
    stage.plane.loop = loop = asyncio.get_running_loop()
    outcomes = set()
    connections = []

    class Instance(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connections.append(transport)

    async with serving(Instance) as (host, port):
        stage.control.write_instance(0, 1, f"{host}:{port}", weight=1, max_in_flight=0, health=HEALTH_HEALTHY)
        instance = stage.lane.select("s")
        assert instance is not None
        for turns in range(12):
            upstream = stage.plane.upstream(instance, SERVICE)
            assert upstream is not None
            task = loop.create_task(stage.plane.connect(upstream))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
            outcomes.add(type(result))
            upstream.abandon()
            assert stage.plane.admission.upstreams == 0
        await eventually(lambda: len(connections) > 1 and all(one.is_closing() for one in connections))
    assert outcomes == {asyncio.CancelledError, type(None)}


@on_uvloop
async def test_a_server_accepts_one_connection_a_turn() -> None:
    """However many wait: so whoever counts them can stop in time. And a close between two turns loses none."""
    turns: list[int] = [0]

    class Counting(asyncio.Protocol):
        def __init__(self) -> None:
            turns[-1] += 1

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        clients = [socket.create_connection(listening.getsockname()) for _ in range(20)]
        server = await asyncio.get_running_loop().create_server(Counting, sock=listening.dup(), backlog=64)
        for _ in range(8):
            await asyncio.sleep(0)
            turns.append(0)
        server.close()
        assert max(turns) == 1
        accepted = sum(turns)
        assert 0 < accepted < 20
        listening.setblocking(False)
        for _ in range(20 - accepted):
            listening.accept()[0].close()
        for client in clients:
            client.close()


@on_uvloop
async def test_what_a_peer_has_not_acknowledged_is_known() -> None:
    """What waits in the kernel counts as well as what waits with us, and nothing after the end."""
    async with Pair(Recording()) as pair:
        transport = pair.protocol.transport
        transport.write(bytes(10_000_000))
        waiting = untaken(transport)
        assert waiting > transport.get_write_buffer_size()
        pair.peer.recv(1_000_000)
        await eventually(lambda: untaken(transport) < waiting)
        transport.abort()
        await eventually(lambda: "connection_lost" in pair.protocol.calls)
        assert untaken(transport) == 0


@on_uvloop
async def test_connections_to_instances_are_watched() -> None:
    """The kernel notices when an instance is gone, and no small write waits for another (TCP_NODELAY)."""
    stage = Stage(instances=1)
    stage.plane.loop = asyncio.get_running_loop()
    async with serving(asyncio.Protocol) as (host, port):
        stage.control.write_instance(0, 1, f"{host}:{port}", weight=1, max_in_flight=0, health=HEALTH_HEALTHY)
        instance = stage.lane.select("s")
        assert instance is not None
        upstream = stage.plane.upstream(instance, SERVICE)
        assert upstream is not None
        assert await stage.plane.connect(upstream) is None
        connected = upstream.transport.get_extra_info("socket")
        assert watched(connected) == WATCHED
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        upstream.close()


@on_uvloop
async def test_accepted_connections_are_watched() -> None:
    """They inherit the options of the listening socket, so that they cost no call; uvloop adds TCP_NODELAY."""
    opened = open_listener(ListenAddress.parse("127.0.0.1:0"), 1)
    protocol = Recording()
    (listening,) = opened.sockets
    server = await asyncio.get_running_loop().create_server(lambda: protocol, sock=listening.dup())
    for user_timeout in (120_000, 660_000):
        opened.give_up_after(user_timeout)
        protocol.calls.clear()
        with socket.create_connection(listening.getsockname()):
            await eventually(lambda: protocol.calls)
            accepted = protocol.transport.get_extra_info("socket")
            assert watched(accepted) == (*WATCHED[:4], user_timeout)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        protocol.transport.abort()
    server.close()
    opened.close()


@on_uvloop
async def test_a_request_over_real_sockets() -> None:
    """The stage's transports leave nothing out that matters: the same protocols answer on a real loop."""
    stage = Stage(instances=1)
    stage.plane.loop = asyncio.get_running_loop()
    body = bytes(range(251)) * 12_000

    class Origin(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = take_up(transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(answer(len(body)) + body)

    async with serving(Origin) as (host, port), serving(lambda: ClientConnection(stage.plane, 0)) as gateway:
        stage.control.write_instance(0, 1, f"{host}:{port}", weight=1, max_in_flight=0, health=HEALTH_HEALTHY)
        reader, writer = await asyncio.open_connection(*gateway)
        for pause in (0, 0, 0.2):
            writer.write(REQUEST)
            await asyncio.sleep(pause)  # so long that the gateway has to wait for its client
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(len(body)) == body
        writer.close()
        await eventually(lambda: stage.plane.admission.clients == 0)
        assert stage.counter("upstream_connects") == 1
        assert stage.in_flight() == 0
        for upstream in stage.plane.pool.connections():
            upstream.close()
