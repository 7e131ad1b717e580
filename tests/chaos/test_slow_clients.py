"""Crowds of clients that are slow on purpose: those who are not notice nothing, and each slow one is gone in its time."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.origin import OriginConnection, Request
from tests.helpers.processes import open_files
from tests.helpers.proof import PROOF, promptly

CROWD = 2_000 if PROOF else 30
"""In each manner."""
AT_ONCE = 25
"""So many connect at the same time."""
DESCRIPTORS = 5 * CROWD + 200
"""Of this process, which plays all clients, and the instance of those whose heads are whole."""
LISTEN = 'timeouts = { header = "4s", write = "4s" }\nmin_rate = "500B/s"'
LATE_SECONDS = promptly(1.0)
P99_SECONDS = promptly(0.25)
PIECE = bytes(64 << 10)
PIECES = 1_000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Library(Origin):
    """Answers ``/large`` with 64 MB, everything else with two bytes. Its kernel holds little, as that of another machine would
    hold nothing of this one's memory.
    """

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """One request."""
        if request.target != "/large":
            await super().answer(request, connection)
            return
        raw: socket.socket = connection.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(PIECE))
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (PIECES * len(PIECE)))
        for _ in range(PIECES):
            await connection.send(PIECE)


@dataclass(frozen=True, slots=True)
class Manner:
    """One way to be slow: after the opening so many bytes are sent, or read, and then nothing for a while, again and again."""

    opening: bytes
    drop: bytes
    sip: int
    pause: float
    deadline: float
    """Seconds after which the gateway has waited long enough."""
    answer: bytes
    """How that begins which the client gets."""


MANNERS = {
    "heads": Manner(b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n", 0, 1.0, 4.0, b"HTTP/1.1 408 "),
    "bodies": Manner(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
        b"x" * 50,
        0,
        1.0,
        10.0,
        b"HTTP/1.1 408 ",
    ),
    "readers": Manner(GET.replace(b"/", b"/large", 1), b"", 100, 0.5, 4.0, b"HTTP/1.1 200 "),
}


@dataclass(slots=True)
class End:
    """How the connection of a slow client ended."""

    at_most: float
    """Seconds since the client began its opening."""
    at_least: float
    """Seconds since the gateway had its opening, or the client the first bytes of the answer to it."""
    answer: bytes


async def be_slow(port: int, manner: Manner, opened: asyncio.Semaphore) -> End:
    """One connection, from its opening until the gateway ends it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with opened:
            await loop.sock_connect(raw, ("127.0.0.1", port))
            began = loop.time()
            await loop.sock_sendall(raw, manner.opening)
            first = b"" if manner.drop else await loop.sock_recv(raw, manner.sip)
        waiting = loop.time()
        answer = await (drip(raw, manner) if manner.drop else sip(raw, manner))
        end = loop.time()
        return End(end - began, end - waiting, first + answer)


async def drip(raw: socket.socket, manner: Manner) -> bytes:
    """Sends a little in every pause; what comes until the end."""
    loop = asyncio.get_running_loop()
    answer = asyncio.ensure_future(sip(raw, replace(manner, sip=1000, pause=0)))
    while not answer.done():
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(raw, manner.drop)
        await asyncio.wait({answer}, timeout=manner.pause)
    return answer.result()


async def sip(raw: socket.socket, manner: Manner) -> bytes:
    """Reads a little in every pause; what comes until the end. A reset counts when it comes, not behind all that came before."""
    loop, answer = asyncio.get_running_loop(), b""
    with contextlib.suppress(ConnectionError):
        while not raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            part = await loop.sock_recv(raw, manner.sip)
            if not part:
                break
            answer += part
            await asyncio.sleep(manner.pause)
    return answer


@dataclass(slots=True)
class Regular:
    """A client in no hurry and without delay: it asks, reads, and asks again after a moment."""

    gateway: Gateway
    kept: bool
    """On one connection; otherwise each time on another."""
    waits: list[float] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """From entering to leaving; whatever goes wrong fails the test there."""
        leaving = asyncio.Event()
        task = asyncio.create_task(self._ask(leaving))
        yield
        leaving.set()
        await task

    async def _ask(self, leaving: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not leaving.is_set():
            async with Client(self.gateway) as client:
                for _ in range(1_000_000 if self.kept else 1):
                    start = loop.time()
                    (response,) = await client.exchange(GET)
                    self.waits.append(loop.time() - start)
                    assert (response.status, response.aborted) == (200, None)
                    await asyncio.sleep(0.02)
                    if leaving.is_set():
                        break

    def p99(self) -> float:
        """Of the waits for an answer, in seconds."""
        assert len(self.waits) >= 100
        return sorted(self.waits)[len(self.waits) * 99 // 100]


@pytest.fixture
def descriptors() -> Iterator[None]:
    """This process may open what the crowd takes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before[1] >= DESCRIPTORS, (
        f"the crowd takes {DESCRIPTORS} descriptors, and no more than {before[1]} are allowed"
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], DESCRIPTORS), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("descriptors")
async def test_a_crowd_of_slow_clients() -> None:
    """Slow heads, slow bodies and slow readers, all at the same time, beside a kept connection and ever new ones."""
    async with Library(b"ok") as origin, Gateway(configuration(origin, listen=LISTEN)) as gateway:
        (worker,) = gateway.workers
        idle = open_files(worker)
        regulars = Regular(gateway, kept=True), Regular(gateway, kept=False)
        opened = asyncio.Semaphore(AT_ONCE)
        async with regulars[0].asking(), regulars[1].asking():
            crowds = [
                [asyncio.create_task(be_slow(gateway.port, manner, opened)) for _ in range(CROWD)]
                for manner in MANNERS.values()
            ]
            ends = [await asyncio.gather(*crowd) for crowd in crowds]
        await eventually(gateway.empty)
        await eventually(
            lambda: open_files(worker) <= idle + 2, why="only what regular clients used is pooled"
        )
        metrics = await gateway.metrics()
    for manner, crowd in zip(MANNERS.values(), ends, strict=True):
        assert all(end.answer.startswith(manner.answer) for end in crowd), manner
        assert min(end.at_most for end in crowd) >= manner.deadline, manner
        assert max(end.at_least for end in crowd) <= manner.deadline + LATE_SECONDS, manner
    assert max(regular.p99() for regular in regulars) < P99_SECONDS
    assert metrics.sum("headgate_faults_total") == metrics.sum("headgate_nonsense_total") == 0
