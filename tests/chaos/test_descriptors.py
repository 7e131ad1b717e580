"""Far more clients than descriptors: those that are served stay so, the others wait, and nobody is turned away mute."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Self

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.origin import OriginConnection, Request
from tests.helpers.processes import cpu_seconds, open_files
from tests.helpers.proof import PROOF

DESCRIPTORS = 256
CLIENTS = 1_000 if PROOF else 250
SECONDS = 20 if PROOF else 3
PAUSE_SECONDS = 0.2
PIECE_SECONDS = 0.05
MOST_CPU = 0.2
RELEASE_SECONDS = 1.0 if PROOF else 10.0
"""After which all is as it was; a proof has the machine for itself."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"


class Streaming(Origin):
    """Answers ``/stream`` with pieces until it is told to end, everything else at once."""

    def __init__(self) -> None:
        super().__init__(b"ok")
        self.enough = asyncio.Event()

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """One request."""
        if request.target != "/stream":
            await super().answer(request, connection)
            return
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not self.enough.is_set():
            await connection.send(b"5\r\npiece\r\n")
            await asyncio.sleep(PIECE_SECONDS)
        await connection.send(b"0\r\n\r\n")


@dataclass
class Crowd:
    """Clients that each ask once and stay until they are sent away, and then come again."""

    gateway: Gateway
    answered: int = 0
    mute: int = 0
    """Connections that the gateway ended before it had sent anything."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._come()) for _ in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _come(self) -> None:
        while True:
            async with Client(self.gateway) as client:
                with contextlib.suppress(ConnectionError):
                    await client.send(GET)
                    if not await client.reader.read(1):
                        self.mute += 1
                        continue
                    self.answered += 1
                    while await client.reader.read(1 << 16):
                        pass


@dataclass
class Regular:
    """A client that was there before, and asks now and then on the one connection that it has."""

    gateway: Gateway
    answers: int = 0
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._ask())
        await eventually(lambda: self.answers)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        assert not self._task.done(), self._task
        self._task.cancel()

    async def _ask(self) -> None:
        async with Client(self.gateway) as client:
            while True:
                (response,) = await client.exchange(GET)
                assert response.status == 200
                self.answers += 1
                await asyncio.sleep(PAUSE_SECONDS)


async def stream(gateway: Gateway) -> bool:
    """Reads a stream to its end: is it whole?"""
    async with Client(gateway) as client:
        await client.send(STREAM)
        return (await client.reader.readuntil(b"\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_crowd_beyond_the_descriptors() -> None:
    """Streams and kept connections from before go on, whoever is accepted is answered, and it costs little."""
    async with (
        Streaming() as origin,
        Gateway(configuration(origin), descriptors=DESCRIPTORS) as gateway,
        contextlib.AsyncExitStack() as before,
    ):
        (worker,) = gateway.workers
        streams = [asyncio.create_task(stream(gateway)) for _ in range(8)]
        await eventually(lambda: len(origin.requests) == 8)
        regulars = [await before.enter_async_context(Regular(gateway)) for _ in range(8)]
        async with Crowd(gateway) as crowd:
            await eventually(lambda: "further ones wait" in gateway.stderr())
            cpu = cpu_seconds(worker)
            most = 0
            for _ in range(SECONDS * 10):
                await asyncio.sleep(0.1)
                most = max(most, open_files(worker))
            used = (cpu_seconds(worker) - cpu) / SECONDS
            answers = [regular.answers for regular in regulars]
        async with asyncio.timeout(RELEASE_SECONDS), Client(gateway) as client:
            (response,) = await client.exchange(GET)
            assert response.status == 200
        await eventually(
            lambda: all(regular.answers > count for regular, count in zip(regulars, answers, strict=True))
        )
        origin.enough.set()
        assert all(await asyncio.gather(*streams))
        metrics = await gateway.metrics()
    assert crowd.mute == 0
    assert crowd.answered > DESCRIPTORS // 4
    assert most < DESCRIPTORS
    assert used < MOST_CPU
    assert metrics.sum("headgate_clients_evicted_total") > 0
    assert metrics.sum("headgate_accept_pauses_total") > 0
    assert metrics.sum("headgate_upstream_connect_failures_total") == 0
