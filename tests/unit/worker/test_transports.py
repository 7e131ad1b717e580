"""The reactor's transports: what a protocol is told, and when. Real sockets on a real loop."""

import asyncio
import socket

from gateway.state.sockets import HIGH_WATER_BYTES, Transport
from gateway.worker.ingress import ClientConnection
from gateway.worker.transport import untaken
from tests.helpers.patience import eventually
from tests.unit.worker.sockets import Pair, Recording, on_uvloop
from tests.unit.worker.stage import Stage
from tests.unit.worker.test_faults import Panic, PanicsWithin

MUCH = bytes(10_000_000)


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
            within = PanicsWithin(lambda: connection._machine.receive(b"", 1))
            stage.lane.tick(within, 0)  # type: ignore[arg-type]

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
