"""Peers that read nothing: each pair costs little memory, is let go after the time for a write, and leaves nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually, vices
from tests.helpers.processes import open_files, private_bytes
from tests.helpers.proof import PROOF

PAIRS = 100 if PROOF else 10
WRITE_SECONDS = 30 if PROOF else 4
"""Long enough for all of them to be stuck at the same time."""
BYTES_PER_PAIR = 256 << 10
SIZE = 100_000_000
BLOCK = bytes(1 << 20)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE

Part = Callable[[Client], Awaitable[None]]


async def asks_and_reads_nothing(client: Client) -> None:
    """A client of a large answer."""
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(GET)


async def uploads(client: Client) -> None:
    """A client with a large body, as fast as it is taken."""
    with contextlib.suppress(ConnectionError):
        await client.send(POST)
        for _ in range(SIZE // len(BLOCK)):
            await client.send(BLOCK)


@contextlib.asynccontextmanager
async def started(origins: list[Origin]) -> AsyncIterator[None]:
    """All of them, for as long as it takes."""
    async with contextlib.AsyncExitStack() as stack:
        for origin in origins:
            await stack.enter_async_context(origin)
        yield


async def growth(gateway: Gateway, part: Part) -> int:
    """Starts all pairs; how much the worker has grown at the most until the last one was let go."""
    (worker,) = gateway.workers
    before, most, stuck = private_bytes(worker), 0, 0
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(gateway)) for _ in range(PAIRS)]
        parts = [asyncio.ensure_future(part(client)) for client in clients]

        async def let_go() -> bool:
            nonlocal most, stuck
            most = max(most, private_bytes(worker) - before)
            held = await gateway.in_flight()
            stuck = max(stuck, held)
            return stuck == PAIRS and held == 0

        await eventually(let_go, 2 * WRITE_SECONDS + 10, why="all are stuck, and then let go")
        for task in parts:
            task.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        for client in clients:
            if not client.writer.is_closing():
                client.reset()
    return most


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("vice", "part", "code"),
    [
        (lambda: vices.StreamsBody(SIZE, block=BLOCK), asks_and_reads_nothing, "200"),
        (vices.ReadsBodyLate, uploads, "504"),
    ],
    ids=["clients", "instances"],
)
async def test_peers_that_read_nothing(vice: Callable[[], Origin], part: Part, code: str) -> None:
    """Clients of large answers, and instances that get large uploads, a hundred of each."""
    origins = [vice() for _ in range(PAIRS)]
    text = 'balance = "round_robin"\nmax_idle = 0'
    async with started(origins):
        listen = f'timeouts = {{ write = "{WRITE_SECONDS}s" }}'
        async with Gateway(configuration(*origins, listen=listen, service=text)) as gateway:
            (worker,) = gateway.workers
            idle = open_files(worker)
            grown = await growth(gateway, part)
            await eventually(lambda: open_files(worker) == idle, why="no connection is left")
            assert all(len(origin.connections) == 1 for origin in origins), "one pair on each"
            metrics = await gateway.metrics()
    assert grown / PAIRS <= BYTES_PER_PAIR
    assert metrics.sum("headgate_requests_total", code=code) == PAIRS
    assert metrics.sum("headgate_connections_ended_total") == PAIRS
    assert metrics.sum("headgate_faults_total") == metrics.sum("headgate_nonsense_total") == 0
