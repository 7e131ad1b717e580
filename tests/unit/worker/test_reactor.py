"""The reactor in the worker's loop: what it tells protocols, and when. Real sockets on a real loop."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.model import ListenAddress
from gateway.state.control import HEALTH_HEALTHY
from gateway.state.lane import HIGH_WATER_BYTES, Reactor, Transport
from gateway.supervisor.sockets import open_listener
from gateway.worker.ingress import ClientConnection
from gateway.worker.transport import untaken
from tests.helpers.patience import eventually
from tests.unit.worker.sockets import on_uvloop, reacting, serving
from tests.unit.worker.stage import REQUEST, Stage, answer
from tests.unit.worker.test_faults import Panic, PanicsWithin

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
WATCHED = (1, 60, 15, 4, 120_000)
"""Probed after a minute of silence, every 15 seconds, four times; given up after two minutes."""
MUCH = bytes(10_000_000)


@contextlib.contextmanager
def descriptor_of(transport: Transport) -> Iterator[socket.socket]:
    """The socket of a connection, to look at."""
    with socket.socket(fileno=os.dup(transport.fileno())) as connected:
        yield connected


def watched(connected: socket.socket) -> tuple[int, ...]:
    """How the kernel watches over a TCP connection."""
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    keepalive = connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return (keepalive, *(connected.getsockopt(socket.IPPROTO_TCP, option) for option in options))


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


@on_uvloop
async def test_a_panic_in_a_callback_costs_its_connection() -> None:
    """A BaseException from data_received ends that connection and is reported with its protocol; the others live on."""
    panic = Panic()
    async with Pair(Recording("data_received", panic)) as pair, Pair(Recording()) as other:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: pair.contexts.append(context))
        pair.peer.send(b"x")
        other.peer.send(b"x")
        await eventually(lambda: pair.protocol.is_over and other.protocol.got)
        assert pair.protocol.lost is panic
        (context,) = pair.contexts
        assert context["exception"] is panic
        assert context["protocol"] is pair.protocol


@on_uvloop
async def test_a_panic_of_rust_in_a_callback_is_no_panic_of_the_turn() -> None:
    """It reaches the handler as any exception does, though pyo3 lets such a one unwind whatever calls Python."""
    stage = Stage(instances=1)

    class Panicking(Recording):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            connection = ClientConnection(stage.plane, 0)
            connection.connection_made(self.transport)
            stage.lane.tick(PanicsWithin(connection._machine), 0)  # type: ignore[arg-type]

    async with Pair(Panicking()) as pair:
        pair.peer.send(b"x")
        await eventually(lambda: pair.protocol.is_over)
        (context,) = pair.contexts
        assert not isinstance(context["exception"], Exception)
        assert context["protocol"] is pair.protocol
        async with Pair(Recording()) as other:
            other.peer.send(b"x")
            await eventually(lambda: other.protocol.got)


@on_uvloop
async def test_a_panic_in_flow_control_is_reported_and_leaves_the_connection() -> None:
    """A BaseException from pause_writing inside write is reported with its protocol; the transport stays open."""
    panic = Panic()
    async with Pair(Recording("pause_writing", panic)) as pair:
        pair.protocol.transport.write(MUCH)
        (context,) = pair.contexts
        assert (context["exception"], context["protocol"]) == (panic, pair.protocol)
        assert not pair.protocol.transport.is_closing()


@on_uvloop
async def test_a_panic_at_the_start_closes_the_socket() -> None:
    """After an exception from connection_made nobody reads the connection, so it ends."""
    async with Pair(Recording("connection_made", Panic())) as pair:
        await eventually(lambda: pair.protocol.is_over)
        (context,) = pair.contexts
        assert context["protocol"] is pair.protocol
        assert pair.protocol.transport.is_closing()


@on_uvloop
async def test_a_client_that_no_protocol_can_be_made_for_is_closed() -> None:
    """The next one is accepted all the same."""
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    protocols = iter([Recording()])
    with reacting() as reactor, serving(reactor, lambda: next(protocols)) as address:
        with socket.create_connection(address), socket.create_connection(address) as second:
            second.setblocking(False)
            await eventually(lambda: contexts)
            assert await asyncio.get_running_loop().sock_recv(second, 1) == b""


@on_uvloop
async def test_pausing_happens_inside_write() -> None:
    """pause_writing comes before write returns, and resume_writing when the peer has read."""
    async with Pair(Recording()) as pair:
        pair.protocol.transport.write(MUCH)
        assert pair.protocol.calls[-1] == "pause_writing"
        unsent = pair.protocol.transport.get_write_buffer_size()
        assert HIGH_WATER_BYTES < unsent < len(MUCH), "the kernel got it first"
        await eventually(lambda: pair.peer_reads() and "resume_writing" in pair.protocol.calls)
        assert pair.protocol.transport.get_write_buffer_size() == 0


@on_uvloop
async def test_a_closed_transport_takes_everything_in_silence() -> None:
    """Whatever is called on it, before its end is told and after, does nothing; the end is told once and not within."""
    async with Pair(Recording()) as pair:
        transport = pair.protocol.transport
        for _ in range(2):
            transport.close()
            transport.pause_reading()
            transport.resume_reading()
            transport.write(b"late")
            transport.write_eof()
            transport.abort()
            transport.send_reset()
            transport.set_protocol(Recording())
            assert transport.is_closing()
            assert (transport.get_write_buffer_size(), transport.fileno()) == (0, -1)
            assert pair.protocol.calls.count("connection_lost") <= 1
            await eventually(lambda: pair.protocol.is_over)
        assert pair.protocol.calls == ["connection_made", "connection_lost"]
        assert pair.protocol.lost is None


@on_uvloop
async def test_no_call_into_a_transport_tells_of_its_end() -> None:
    """connection_lost never comes within a call of the protocol's own, whether the loop or the reactor has called it."""
    during: list[bool] = []

    class Closing(Recording):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.abort()
            during.append(self.is_over)

    async with Pair(Closing()) as pair, Pair(Recording()) as other:
        pair.peer.send(b"x")
        other.protocol.transport.abort()
        assert not other.protocol.is_over
        await eventually(lambda: pair.protocol.is_over and other.protocol.is_over)
        assert during == [False]


@on_uvloop
async def test_a_write_to_a_peer_that_has_reset() -> None:
    """It raises nothing, nor does a FIN; the protocol hears of the reset."""
    async with Pair(Recording()) as pair:
        pair.protocol.transport.pause_reading()
        pair.peer_resets()
        pair.protocol.transport.write(b"x")
        pair.protocol.transport.write_eof()
        await eventually(lambda: pair.protocol.is_over)
        assert isinstance(pair.protocol.lost, ConnectionError)


@on_uvloop
async def test_a_reset_is_told_while_nothing_is_read() -> None:
    """A client that is gone does not keep its exchange because it is paused."""
    async with Pair(Recording()) as pair:
        pair.protocol.transport.pause_reading()
        pair.peer_resets()
        await eventually(lambda: pair.protocol.is_over)
        assert isinstance(pair.protocol.lost, ConnectionResetError)


@on_uvloop
async def test_what_came_before_a_reset_is_read_before_it_is_told() -> None:
    """As long as nothing is read, nothing is lost."""
    async with Pair(Recording()) as pair, Pair(Recording()) as other:
        pair.protocol.transport.pause_reading()
        pair.peer.send(b"last words")
        pair.peer_resets()
        other.peer.send(b"x")
        await eventually(lambda: other.protocol.got)
        assert not pair.protocol.is_over
        pair.protocol.transport.resume_reading()
        await eventually(lambda: pair.protocol.is_over)
        assert pair.protocol.got == b"last words"


@on_uvloop
async def test_a_close_waits_for_a_peer_that_does_not_read_without_end() -> None:
    """close() keeps unsent bytes and the connection; abort() ends both."""
    async with Pair(Recording()) as pair:
        transport = pair.protocol.transport
        transport.write(MUCH)
        transport.close()
        assert transport.is_closing()
        assert transport.get_write_buffer_size() > 0
        assert not pair.protocol.is_over
        transport.abort()
        await eventually(lambda: pair.protocol.is_over)


@on_uvloop
async def test_a_close_ends_with_the_last_byte() -> None:
    """The peer gets all of it, and then the FIN."""
    async with Pair(Recording()) as pair:
        pair.protocol.transport.write(MUCH)
        pair.protocol.transport.close()
        got = 0

        def read() -> bool:
            nonlocal got
            got += len(pair.peer_reads())
            return pair.protocol.is_over

        await eventually(read)
        while piece := pair.peer_reads():
            got += len(piece)
        assert got == len(MUCH)


@on_uvloop
async def test_an_end_is_told_once() -> None:
    """However the reading is paused and resumed after it; the connection may go on writing."""
    async with Pair(Recording()) as pair:
        pair.peer.shutdown(socket.SHUT_WR)
        await eventually(lambda: pair.protocol.calls[-1] == "eof_received")
        pair.protocol.transport.pause_reading()
        pair.protocol.transport.resume_reading()
        pair.protocol.transport.write(b"still here")
        await eventually(lambda: pair.peer_reads() == b"still here")
        assert pair.protocol.calls.count("eof_received") == 1


@on_uvloop
async def test_an_end_that_is_the_end_of_the_connection() -> None:
    """A protocol that does not want to go on writing is closed."""
    async with Pair(Recording(half_open=False)) as pair:
        pair.peer.send(b"all")
        pair.peer.shutdown(socket.SHUT_WR)
        await eventually(lambda: pair.protocol.is_over)
        assert pair.protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


@on_uvloop
async def test_much_is_read_in_turns() -> None:
    """One sender of very much does not keep the others waiting, and all of it arrives."""
    async with Pair(Recording()) as pair, Pair(Recording()) as other:
        loop = asyncio.get_running_loop()
        sending = loop.create_task(loop.sock_sendall(pair.peer, MUCH))
        other.peer.send(b"x")
        await eventually(lambda: other.protocol.got)
        await sending
        await eventually(lambda: len(pair.protocol.got) == len(MUCH))


@on_uvloop
async def test_an_abort_alone_looks_like_an_end_and_a_reset_does_not() -> None:
    """The peer reads an orderly FIN after abort(), and ECONNRESET after our reset."""
    for end, expected in ((Transport.abort, b""), (Transport.send_reset, None)):
        async with Pair(Recording()) as pair:
            end(pair.protocol.transport)
            await eventually(lambda: pair.protocol.is_over)
            pair.peer.setblocking(True)
            got: bytes | None
            try:
                got = pair.peer.recv(1)
            except ConnectionResetError:
                got = None
            assert got == expected


@on_uvloop
async def test_another_protocol_takes_over() -> None:
    """Everything from then on is told to it, within one turn as well."""
    second = Recording()

    class First(Recording):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.set_protocol(second)

    async with Pair(First()) as pair:
        pair.peer.send(b"1")
        await eventually(lambda: pair.protocol.got)
        pair.peer.send(b"2")
        await eventually(lambda: second.got == b"2")
        pair.protocol.transport.abort()
        await eventually(lambda: second.is_over)
        assert pair.protocol.calls == ["connection_made", "data_received"]


@on_uvloop
async def test_a_client_has_its_address() -> None:
    """As the kernel gives it with the connection: also of a client that has reset before it was accepted."""
    protocols: list[Recording] = []

    def accepted() -> Recording:
        protocols.append(Recording())
        return protocols[-1]

    with reacting() as reactor, serving(reactor, accepted) as address:
        peer = socket.create_connection(address)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        peer.close()
        await eventually(lambda: protocols and protocols[0].is_over)
        assert protocols[0].transport.peer_address == "127.0.0.1"


def open_descriptors() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def connected(reactor: Reactor, address: tuple[str, int] | str) -> Recording:
    """A protocol that has heard whether its connection came about."""
    protocol = Recording()
    reactor.connect(address, protocol, 120_000)
    assert not protocol.calls, "not before the loop's next turn"
    await eventually(lambda: protocol.calls)
    return protocol


@on_uvloop
async def test_connections_are_made_or_not() -> None:
    """The protocol hears of either, once."""
    theirs = Recording()
    with reacting() as reactor:
        with serving(reactor, lambda: theirs) as address:
            ours = await connected(reactor, address)
            assert ours.calls == ["connection_made"]
            ours.transport.write(b"hello")
            await eventually(lambda: theirs.got == b"hello")
        refused = await connected(reactor, address)
        assert (refused.calls, refused.failed) == (["connection_failed"], errno.ECONNREFUSED)
        nowhere = await connected(reactor, "/nowhere")
        assert (nowhere.calls, nowhere.failed) == (["connection_failed"], errno.ENOENT)
        with pytest.raises(ValueError, match="no IP address"):
            reactor.connect(("localhost", 1), Recording(), 1)
        gone = Recording()
        reactor.fail(gone, errno.ENXIO)
        await eventually(lambda: gone.failed == errno.ENXIO)


def test_connections_over_unix_sockets(tmp_path: Path) -> None:
    """Both ways, with the address of this machine."""
    path = str(tmp_path / "s")

    @on_uvloop
    async def connect() -> None:
        theirs = Recording()
        with reacting() as reactor, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            reactor.listen(listening.fileno(), 8, lambda: theirs)
            ours = await connected(reactor, path)
            ours.transport.write(b"hello")
            await eventually(lambda: theirs.got == b"hello")
            assert theirs.transport.peer_address == "127.0.0.1"

    connect()


@on_uvloop
async def test_an_attempt_that_is_given_up_is_heard_of_no_more() -> None:
    """Whenever that is, no socket stays open, and the protocol is told nothing."""
    accepted: list[Recording] = []

    def theirs() -> Recording:
        accepted.append(Recording())
        return accepted[-1]

    gc.collect()  # what earlier tests have left would be closed at any time
    with reacting() as reactor, serving(reactor, theirs) as address:
        before = open_descriptors()
        for turns in range(4):
            ours = Recording()
            attempt = reactor.connect(address, ours, 120_000)
            assert attempt is not None
            for _ in range(turns):
                await asyncio.sleep(0)
            attempt.abort()
            await eventually(lambda ours=ours: "connection_made" not in ours.calls or ours.is_over)
        await eventually(lambda: len(accepted) == 4 and all("eof_received" in one.calls for one in accepted))
        for one in accepted:
            one.transport.abort()
        assert open_descriptors() == before


@on_uvloop
async def test_clients_are_accepted_as_long_as_they_shall_be() -> None:
    """Within one turn too: so whoever counts them can stop in time, and those that wait are not lost."""
    accepted: list[Recording] = []

    def count() -> Recording:
        accepted.append(Recording())
        if len(accepted) == 5:
            listener.close()
        return accepted[-1]

    with reacting() as reactor, socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        clients = [socket.create_connection(listening.getsockname()) for _ in range(20)]
        listener = reactor.listen(listening.fileno(), 64, count)
        await eventually(lambda: len(accepted) == 5)
        for _ in range(15):
            listening.accept()[0].close()
        assert len(accepted) == 5
        for client in clients:
            client.close()


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """This process gets no further descriptor, unless one is given back."""
    gc.collect()  # what earlier tests have left would be given back at any time
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


@pytest.mark.parametrize("given_back", [True, False])
def test_clients_wait_for_a_descriptor(given_back: bool) -> None:
    """In the queue, and without keeping the loop busy: until a connection ends, or one is found at a later look."""

    @on_uvloop
    async def wait() -> None:
        turns = 0
        accepted: list[Recording] = []

        def theirs() -> Recording:
            accepted.append(Recording())
            return accepted[-1]

        def turn() -> None:
            nonlocal turns
            turns += 1
            reactor.turn()

        with reacting() as reactor, serving(reactor, theirs) as address, socket.socket() as waiting:
            asyncio.get_running_loop().add_reader(reactor.fileno(), turn)
            with socket.create_connection(address):
                await eventually(lambda: accepted)
                with no_descriptors():
                    before = turns
                    waiting.connect(address)
                    await eventually(lambda: turns > before)
                    for _ in range(100):
                        await asyncio.sleep(0)
                    assert len(accepted) == 1
                    assert turns < before + 10, "it is not tried again and again"
                    if given_back:
                        accepted[0].transport.abort()
                        for _ in range(10):
                            await asyncio.sleep(0)
                        assert len(accepted) == 2
                await eventually(lambda: len(accepted) == 2)

    wait()


@on_uvloop
async def test_what_a_peer_has_not_acknowledged_is_known() -> None:
    """What waits in the kernel counts as well as what waits with us, and nothing after the end."""
    async with Pair(Recording()) as pair:
        transport = pair.protocol.transport
        transport.write(MUCH)
        waiting = untaken(transport)
        assert waiting > transport.get_write_buffer_size()
        pair.peer_reads()
        await eventually(lambda: untaken(transport) < waiting)
        transport.abort()
        assert untaken(transport) == 0


@on_uvloop
async def test_connections_to_instances_are_watched() -> None:
    """The kernel notices when an instance is gone, and no small write waits for another (TCP_NODELAY)."""
    with reacting() as reactor, serving(reactor, Recording) as address:
        ours = await connected(reactor, address)
        with descriptor_of(ours.transport) as made:
            assert watched(made) == WATCHED
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@on_uvloop
async def test_accepted_connections_are_watched() -> None:
    """They inherit the options of the listening socket, so that they cost no call."""
    opened = open_listener(ListenAddress.parse("127.0.0.1:0"), 1)
    protocol = Recording()
    (listening,) = opened.sockets
    with reacting() as reactor:
        reactor.listen(listening.fileno(), 64, lambda: protocol)
        for user_timeout in (120_000, 660_000):
            opened.give_up_after(user_timeout)
            protocol.calls.clear()
            with socket.create_connection(listening.getsockname()):
                await eventually(lambda: protocol.calls)
                with descriptor_of(protocol.transport) as accepted:
                    assert watched(accepted) == (*WATCHED[:4], user_timeout)
                    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            protocol.transport.abort()
    opened.close()


@on_uvloop
async def test_a_request_over_real_sockets() -> None:
    """The stage's transports leave nothing out that matters: the same protocols answer over sockets."""
    stage = Stage(instances=1)
    body = bytes(range(251)) * 12_000

    class Origin(Recording):
        def data_received(self, data: bytes) -> None:
            self.transport.write(answer(len(body)) + body)

    with (
        reacting() as reactor,
        serving(reactor, Origin) as (host, port),
        serving(reactor, lambda: ClientConnection(stage.plane, 0)) as gateway,
    ):
        stage.plane.reactor = reactor
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
