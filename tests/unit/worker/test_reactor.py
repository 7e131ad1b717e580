"""The reactor in the worker's loop: clients are accepted, connections are made. Real sockets on a real loop."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.model import ListenAddress
from gateway.state.control import HEALTH_HEALTHY
from gateway.state.sockets import Reactor
from gateway.supervisor.sockets import open_listener
from gateway.worker.ingress import ClientConnection
from tests.helpers.patience import eventually
from tests.unit.worker.sockets import RESET_ON_CLOSE, Recording, descriptor_of, on_uvloop, reacting, serving
from tests.unit.worker.stage import REQUEST, Stage, answer, post

WATCHED = (1, 60, 15, 4, 120_000)
"""Probed after a minute of silence, every 15 seconds, four times; given up after two minutes."""


def watched(connected: socket.socket) -> tuple[int, ...]:
    """How the kernel watches over a TCP connection."""
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    keepalive = connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return (keepalive, *(connected.getsockopt(socket.IPPROTO_TCP, option) for option in options))


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
        reasons: list[int] = []

        def theirs() -> Recording:
            accepted.append(Recording())
            return accepted[-1]

        def turn() -> None:
            nonlocal turns
            turns += 1
            reactor.turn()

        with reacting() as reactor, serving(reactor, theirs) as address, socket.socket() as waiting:
            reactor.on_exhausted(reasons.append)
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
                    assert set(reasons) == {errno.EMFILE}
                    if given_back:
                        accepted[0].transport.abort()
                        for _ in range(10):
                            await asyncio.sleep(0)
                        assert len(accepted) == 2
                await eventually(lambda: len(accepted) == 2)

    wait()


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
async def test_an_answer_is_heard_although_the_rest_of_the_request_cannot_be_sent() -> None:
    """The instance answers and resets while more of the request is here, which the gateway notices first."""
    stage = Stage(instances=1)
    loop = asyncio.get_running_loop()
    with (
        reacting() as reactor,
        socket.create_server(("127.0.0.1", 0)) as listening,
        serving(reactor, lambda: ClientConnection(stage.plane, 0)) as gateway,
        socket.create_connection(gateway) as client,
    ):
        stage.plane.reactor = reactor
        host, port = listening.getsockname()
        stage.control.write_instance(0, 1, f"{host}:{port}", weight=1, max_in_flight=0, health=HEALTH_HEALTHY)
        listening.setblocking(False)
        client.setblocking(False)
        client.sendall(post(100) + b"some")
        instance, _ = await loop.sock_accept(listening)
        with instance:
            assert (await loop.sock_recv(instance, 1000)).endswith(b"some")
            client.sendall(b"more")  # the first thing that the reactor will find
            instance.sendall(answer(5).replace(b"200", b"413") + b"early")
            instance.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        got = await loop.sock_recv(client, 1000)
        assert got.startswith(b"HTTP/1.1 413 "), got
        assert got.endswith(b"early")
        assert stage.plane.admission.upstreams == stage.in_flight() == stage.failures() == 0
        client.close()
        await eventually(lambda: stage.plane.admission.clients == 0)


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
