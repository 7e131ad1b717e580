"""Serving, adopting and releasing the sockets of worker slots, with real connections in their queues."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import pytest

from gateway.state.sockets import Reactor, Transport
from gateway.worker.listeners import Listeners
from tests.helpers.patience import eventually
from tests.unit.worker.sockets import on_uvloop, reacting


class Greeter(asyncio.Protocol):
    """Says who accepted, and through which listener."""

    def __init__(self, worker: str, listener: int) -> None:
        self._greeting = f"{worker}{listener}".encode()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # it is one of ours
        """Greets and closes."""
        transport.write(self._greeting)
        transport.close()


class Slots(contextlib.ExitStack):
    """The supervisor's sockets: one SO_REUSEPORT socket per slot on one port."""

    def __init__(self, count: int = 2) -> None:
        super().__init__()
        self._reactor: Reactor | None = None
        self.sockets: list[socket.socket] = []
        port = 0
        for _ in range(count):
            listening = self.enter_context(socket.socket())
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", port))
            listening.listen(64)
            port = listening.getsockname()[1]
            self.sockets.append(listening)
        self.address = ("127.0.0.1", port)

    def worker(self, name: str, *, copies: bool = False) -> Listeners:
        """A worker that inherited them; with ``copies`` as descriptors of its own, which it may close."""
        files = [listening.fileno() for listening in self.sockets]
        listeners = Listeners(
            asyncio.get_running_loop(),
            self.reactor,
            {"l": [os.dup(file) for file in files] if copies else files},
            lambda listener: Greeter(name, listener),
        )
        listeners._numbers = {"l": 0}
        return listeners

    @property
    def reactor(self) -> Reactor:
        """That of all workers, in the running loop."""
        if self._reactor is None:
            self._reactor = self.enter_context(reacting())
        return self._reactor

    def connect(self, count: int) -> list[socket.socket]:
        """Clients whose connections the kernel completes, whether anybody accepts them or not."""
        return [self.enter_context(socket.create_connection(self.address)) for _ in range(count)]


def copies(listening: socket.socket) -> int:
    """How many descriptors of this process are the same socket."""
    same = f"socket:[{os.fstat(listening.fileno()).st_ino}]"
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            links.append(str(link.readlink()))
    return links.count(same)


async def greetings(clients: list[socket.socket]) -> set[bytes]:
    """What each client was told; all of them must be."""
    for client in clients:
        client.setblocking(False)
    loop = asyncio.get_running_loop()
    return set(await asyncio.wait_for(asyncio.gather(*(loop.sock_recv(one, 9) for one in clients)), 5))


@on_uvloop
async def test_own_slots() -> None:
    """Two workers share the connections; each accepts from its own socket."""
    with Slots() as slots:
        a, b = slots.worker("a"), slots.worker("b")
        a.serve(0)
        b.serve(1)
        assert await greetings(slots.connect(60)) == {b"a0", b"b0"}
        a.close()
        b.close()


@on_uvloop
async def test_a_neighbour_answers_what_waits_in_the_queue() -> None:
    """Connections that queue at a slot without a worker are served by its adopter, and again by its new owner."""
    with Slots() as slots:
        a, b = slots.worker("a"), slots.worker("b")
        a.serve(0)
        clients = slots.connect(40)
        a.serve(1)
        assert await greetings(clients) == {b"a0"}
        a.release(1)
        clients = slots.connect(40)
        b.serve(1)
        assert await greetings(clients) == {b"a0", b"b0"}
        a.close()
        b.close()


@on_uvloop
async def test_no_connection_is_lost_while_slots_change_hands() -> None:
    """Connections are made all the time while a neighbour adopts and releases; every one is greeted."""
    with Slots() as slots:
        a, b = slots.worker("a"), slots.worker("b")
        a.serve(0)
        clients = []
        for _ in range(20):
            clients += slots.connect(5)
            a.serve(1)
            clients += slots.connect(5)
            await asyncio.sleep(0)
            a.release(1)
            b.serve(1)
            clients += slots.connect(5)
            b.release(1)
        clients += slots.connect(40)  # some of them at either slot
        b.serve(1)
        assert await greetings(clients) == {b"a0", b"b0"}
        a.close()
        b.close()


@on_uvloop
async def test_serving_twice_is_serving_once() -> None:
    """An order that was obeyed already changes nothing; so does the release of what is not served."""
    with Slots() as slots:
        a = slots.worker("a")
        a.serve(0)
        a.serve(0)
        a.release(1)
        assert len(a._open) == 1
        a.close()


@on_uvloop
async def test_a_closed_listener_is_closed_for_good() -> None:
    """After close nothing is accepted, whatever is ordered; the kernel's queue stays."""
    with Slots(1) as slots:
        a = slots.worker("a")
        a.serve(0)
        a.close()
        a.serve(0)
        assert not a._open
        clients = slots.connect(3)
        b = slots.worker("b")
        b.serve(0)
        assert await greetings(clients) == {b"b0"}
        b.close()


@on_uvloop
async def test_abandoned_sockets_listen_no_more_for_anybody() -> None:
    """The port is free although others hold copies of its sockets, and nothing is served or closed twice later."""
    with Slots() as slots:
        a, b = slots.worker("a"), slots.worker("b", copies=True)
        a.serve(0)
        b.serve(1)
        a.close()  # as a stopped worker, it only holds the sockets on
        b.abandon()
        with pytest.raises(ConnectionRefusedError):
            slots.connect(1)
        with socket.socket() as successor:
            successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            successor.bind(slots.address)
        b.serve(0)
        b.release(1)


@on_uvloop
async def test_an_inherited_socket_is_left_to_its_giver() -> None:
    """``fd:N`` is closed and not shut down: its connections wait for a successor."""
    with Slots(1) as slots:
        descriptor = os.dup(slots.sockets[0].fileno())
        listeners = Listeners(
            asyncio.get_running_loop(), slots.reactor, {"fd:7": [descriptor]}, lambda _: Greeter("a", 0)
        )
        listeners.abandon()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
        slots.connect(1)


def test_a_shared_unix_socket(tmp_path: Path) -> None:
    """A listener with one socket is served by every worker from that one, and no release closes it."""
    path = str(tmp_path / "s")

    @on_uvloop
    async def serve_and_release() -> None:
        with reacting() as reactor, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen(8)
            a = Listeners(
                asyncio.get_running_loop(),
                reactor,
                {"u": [listening.fileno()]},
                lambda number: Greeter("a", number),
            )
            a.follow({"u": 0})
            for slot in (0, 1):
                a.serve(slot)
            a.release(1)
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            assert await greetings([client]) == {b"a0"}
            client.close()
            a.close()

    serve_and_release()


@on_uvloop
async def test_listeners_come_and_go_with_the_snapshot() -> None:
    """A new one is served for every slot that is, a removed one by nobody, and its descriptors are closed."""
    with Slots(2) as slots, Slots(2) as others:
        a = slots.worker("a")
        a.follow({"l": 0})
        a.serve(0)
        a.serve(1)
        descriptors = [os.dup(listening.fileno()) for listening in others.sockets]
        a.inherit("m", descriptors)
        a.follow({"l": 0, "m": 7})
        assert await greetings(slots.connect(20)) == {b"a0"}
        assert await greetings(others.connect(20)) == {b"a7"}
        a.follow({"l": 0})
        assert await greetings(slots.connect(20)) == {b"a0"}
        assert {name for name, _ in a._open} == {"l"}
        a.close()
        await eventually(lambda: [copies(listening) for listening in others.sockets] == [1, 1])


@on_uvloop
async def test_sockets_of_further_slots() -> None:
    """What is inherited later belongs to the slots that follow, and is served when that is asked for."""
    with Slots(2) as slots:
        a = Listeners(
            asyncio.get_running_loop(),
            slots.reactor,
            {"l": [os.dup(slots.sockets[0].fileno())]},
            lambda listener: Greeter("a", listener),
        )
        a.follow({"l": 3})
        a.serve(0)
        clients = slots.connect(20)
        a.inherit("l", [os.dup(slots.sockets[1].fileno())])
        a.follow({"l": 3})
        a.serve(1)
        assert await greetings(clients) == {b"a3"}
        a.close()
        a.follow({})


@on_uvloop
async def test_a_missing_socket_is_an_error() -> None:
    """A slot that no socket was inherited for is a mistake of ours, not somebody else's socket."""
    with Slots(2) as slots:
        with pytest.raises(IndexError):
            await slots.worker("a").serve(2)
