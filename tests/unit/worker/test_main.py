"""A whole worker in this process: what it is told, what it answers, and how it ends."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway import descriptors
from gateway.channel import Decoder, Message, encode
from gateway.descriptors import Parcel
from gateway.state.lane import Snapshot
from gateway.worker import main
from gateway.worker.main import Start, Worker
from gateway.worker.plane import LaneLostError
from tests.helpers.patience import eventually
from tests.unit.worker.sockets import on_uvloop
from tests.unit.worker.stage import Stage
from tests.unit.worker.test_listeners import Slots, copies

UNROUTED = b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"


class Supervisor:
    """The other end of a worker's channel, with the memory and the sockets that the worker inherited."""

    def __init__(self, slots: Slots) -> None:
        self.stage = Stage(listener={"name": "l"})
        self.stage.control.open_lane(1, 2)
        self.slots = slots
        self.end, channel = socket.socketpair()
        self.end.setblocking(False)
        self.parcels, theirs = descriptors.socketpair()
        sockets = {"l": [os.dup(listening.fileno()) for listening in slots.sockets]}  # inherited are copies
        memory = self.stage.segment.fileno()
        wakes = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        self.wake = os.dup(wakes[1])
        self.start = Start(channel.detach(), theirs.detach(), memory, wakes, 1, 0, sockets, "info")
        self._decoder = Decoder()
        self._heard: list[Message] = []

    def tell(self, message: Message, attachment: bytes = b"") -> None:
        """Sends a command."""
        self.end.send(encode(message, attachment))

    async def hear(self) -> Message:
        """The worker's next message."""
        loop = asyncio.get_running_loop()
        while not self._heard:
            data = await asyncio.wait_for(loop.sock_recv(self.end, 65536), 5)
            assert data, "the worker has closed the channel"
            self._heard += [message for message, _ in self._decoder.feed(data)]
        return self._heard.pop(0)

    def publish(self, blob: bytes | None = None, epoch: int = 1, listeners: tuple[str, ...] = ("l",)) -> None:
        """Sends the snapshot."""
        policy: dict[str, Any] = {
            "slot": 0, "keepalive_timeout_ms": 55_000, "max_idle": 4, "max_pending": 64,
            "user_timeout_ms": 120_000,
        }  # fmt: skip
        message = {
            "type": "snapshot",
            "epoch": epoch,
            "log_level": "warning",
            "listeners": [{"name": name, "number": 0} for name in listeners],
            "services": [policy],
        }
        self.tell(message, self.stage._snapshot() if blob is None else blob)

    async def ask(self, slots: Slots | None = None) -> bytes:
        """A request from a client that asks for nothing that exists."""
        (client,) = (slots or self.slots).connect(1)
        client.setblocking(False)
        client.send(UNROUTED)
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 9999), 5)


@asynccontextmanager
async def working() -> AsyncIterator[tuple[Supervisor, "asyncio.Task[None]"]]:
    """A worker that serves, on slot 0 of two."""
    with Slots(2) as slots:
        supervisor = Supervisor(slots)
        loop = asyncio.get_running_loop()
        worker = Worker(supervisor.start, loop)
        task = loop.create_task(worker.run())
        try:
            supervisor.publish()
            assert await supervisor.hear() == {"type": "ack", "epoch": 1}
            supervisor.tell({"type": "serve"})
            assert await supervisor.hear() == {"type": "ready"}
            yield supervisor, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            worker._listeners.abandon()
            worker._parcels.close()
            supervisor.parcels.close()
            supervisor.end.close()


@on_uvloop
async def test_a_worker_serves_and_drains() -> None:
    """Snapshot, ack, serve, ready; requests; drain, drained, end."""
    async with working() as (supervisor, task):
        supervisor.tell({"type": "adopt", "slot": 1})
        for _ in range(10):
            assert (await supervisor.ask()).startswith(b"HTTP/1.1 404 ")
        supervisor.tell({"type": "release", "slot": 1})
        supervisor.tell({"type": "nonsense"})
        supervisor.tell({"type": "drain", "timeout_ms": 1000, "tunnel_timeout_ms": 1000})
        assert await supervisor.hear() == {"type": "drained"}
        await asyncio.wait_for(task, 5)


@on_uvloop
async def test_a_snapshot_that_does_not_compile_is_refused() -> None:
    """The reason goes back, and the old snapshot stays in force."""
    async with working() as (supervisor, _):
        supervisor.publish(b"{}")
        refusal = await supervisor.hear()
        assert (refusal["type"], refusal["epoch"]) == ("refused", 1)
        assert refusal["reason"]
        supervisor.tell({"type": "adopt", "slot": 1})
        assert (await supervisor.ask()).startswith(b"HTTP/1.1 404 ")


@on_uvloop
async def test_a_neighbour_need_not_wait_for_a_snapshot() -> None:
    """Its sockets are served while a large configuration compiles, which takes seconds; and given back then as well."""
    compiles = threading.Event()

    class SlowSnapshot:
        @staticmethod
        def compile(blob: bytes) -> Snapshot:
            compiles.wait()
            return Snapshot.compile(blob)

    async with working() as (supervisor, _):
        with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
            stack.callback(compiles.set)
            patch.setattr(main, "Snapshot", SlowSnapshot)
            supervisor.publish(epoch=2)
            supervisor.tell({"type": "adopt", "slot": 1})
            for _ in range(10):  # all in the first slot: once in a thousand runs
                assert (await supervisor.ask()).startswith(b"HTTP/1.1 404 ")
            neighbour = supervisor.slots.sockets[1]
            accepted_by_us = copies(neighbour)
            supervisor.tell({"type": "release", "slot": 1})
            await eventually(lambda: copies(neighbour) == accepted_by_us - 1)
        assert await supervisor.hear() == {"type": "ack", "epoch": 2}


@on_uvloop
async def test_connections_accepted_at_the_last_moment_are_served() -> None:
    """A connection that comes between the drain and the end of the accepting is answered before the worker ends."""
    async with working() as (supervisor, task):
        supervisor.tell({"type": "adopt", "slot": 1})
        assert (await supervisor.ask()).startswith(b"HTTP/1.1 404 ")
        supervisor.tell({"type": "drain", "timeout_ms": 3000, "tunnel_timeout_ms": 3000})
        await asyncio.sleep(0)
        got = await supervisor.ask()
        assert got.startswith(b"HTTP/1.1 404 ")
        assert b"connection: close" in got.lower()
        assert await supervisor.hear() == {"type": "drained"}
        await asyncio.wait_for(task, 5)


@on_uvloop
async def test_a_new_listener_comes_with_its_sockets() -> None:
    """The parcel that went ahead is used by the snapshot of its epoch; one for a later snapshot waits for it."""
    with Slots(2) as new, Slots(2) as later:
        async with working() as (supervisor, _):
            for epoch, name, slots in ((2, "new", new), (3, "later", later)):
                numbers = [listening.fileno() for listening in slots.sockets]
                descriptors.send(supervisor.parcels, Parcel(epoch, name, numbers))
            supervisor.tell({"type": "adopt", "slot": 1})
            supervisor.publish(epoch=2, listeners=("l", "new"))
            assert await supervisor.hear() == {"type": "ack", "epoch": 2}
            for slots in (new, supervisor.slots):
                assert (await supervisor.ask(slots)).startswith(b"HTTP/1.1 404 ")
            supervisor.publish(epoch=3, listeners=("later",))
            assert await supervisor.hear() == {"type": "ack", "epoch": 3}
            assert (await supervisor.ask(later)).startswith(b"HTTP/1.1 404 ")
            assert supervisor.start.sockets.keys() == {"later"}


@on_uvloop
async def test_a_worker_that_leaves_waits_for_its_clients() -> None:
    """An idle client is not cut off: its next answer is its last, and with the last client the worker ends."""
    async with working() as (supervisor, task):
        supervisor.tell({"type": "adopt", "slot": 1})
        loop = asyncio.get_running_loop()
        (client,) = supervisor.slots.connect(1)
        client.setblocking(False)
        client.send(UNROUTED)
        assert b"connection: close" not in (await loop.sock_recv(client, 9999)).lower()
        supervisor.tell({"type": "leave", "timeout_ms": 20_000, "tunnel_timeout_ms": 20_000})
        supervisor.publish(epoch=2)
        assert await supervisor.hear() == {"type": "ack", "epoch": 2}
        client.send(UNROUTED)
        assert b"connection: close" in (await loop.sock_recv(client, 9999)).lower()
        client.close()
        assert await supervisor.hear() == {"type": "drained"}
        await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("ending", ["death", "nonsense"])
def test_a_worker_without_supervisor_drains(ending: str) -> None:
    """When the channel ends, or carries what is no message, the worker has the port refuse, and ends."""

    @on_uvloop
    async def run() -> None:
        async with working() as (supervisor, task):
            if ending == "death":
                supervisor.end.close()
            else:
                supervisor.end.send(b"\xff" * 8)
            await asyncio.wait_for(task, 5)
            with pytest.raises(ConnectionRefusedError):
                supervisor.slots.connect(1)

    run()


@on_uvloop
async def test_a_worker_whose_lane_is_gone_ends_with_an_error() -> None:
    """It must not write there again, so it ends at its next tick."""
    async with working() as (supervisor, task):
        supervisor.stage.control.close_lane(1)
        with pytest.raises(LaneLostError):
            await asyncio.wait_for(task, 5)


@on_uvloop
async def test_faults_are_counted_on_the_lane() -> None:
    """What the loop reports reaches the counter that the supervisor reads."""
    async with working() as (supervisor, _):
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await eventually(lambda: supervisor.stage.counter("faults") == 1)


def test_the_start_is_what_the_supervisor_writes() -> None:
    """The JSON of the command line has exactly these names."""
    text = '{"channel":3,"parcels":7,"memory":4,"wakes":[8,9],"lane":0,"slot":1,"sockets":{"a":[5,6]},"log_level":"info"}'
    assert Start.parse(text) == Start(3, 7, 4, [8, 9], 0, 1, {"a": [5, 6]}, "info")
    with pytest.raises(TypeError):
        Start.parse('{"channel":3}')


def test_the_grace_is_shorter_than_the_drain() -> None:
    """The accept grace is part of the drain's time and far below the default of 30 s."""
    assert main.ACCEPT_GRACE_SECONDS < 1
