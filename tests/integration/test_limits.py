"""A limit admits burst + rate × time for one client, however many workers there are."""

import asyncio
import time

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.proof import PROOF

RATE = 200
BURST = 100
SECONDS = 2.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_beyond_the_burst_comes_429() -> None:
    """A refused request gets 429 with Retry-After and never reaches an instance; the connection stays."""
    text_limit = 'limit = { rate = "1/m", burst = 3, key = "client_ip" }'
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=text_limit)) as gateway:
        async with Client(gateway) as client:
            responses = [response for _ in range(5) for response in await client.exchange(GET)]
        assert [response.status for response in responses] == [200, 200, 200, 429, 429]
        assert len(origin.requests) == 3
        refused = responses[-1]
        assert 50 <= int(refused.fields.one("retry-after") or 0) <= 60
        assert (refused.fields.one("proxy-status") or "").startswith("headgate")
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_limit_decisions_total", decision="allowed") == 3
        assert metrics.sum("headgate_limit_decisions_total", decision="refused") == 2
        assert metrics.sum("headgate_requests_total", code="429") == 2


async def test_one_client_is_another_than_the_next() -> None:
    """Each client address has a bucket of its own."""
    limit = 'limit = { rate = "1/h", burst = 1, key = "client_ip" }'
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=limit)) as gateway:
        statuses = []
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=(address, 0))
            writer.write(GET)
            statuses.append((await reader.readline()).split()[1])
            writer.close()
            await writer.wait_closed()
        assert statuses == [b"200", b"200", b"429"]


async def test_two_workers_share_one_bucket() -> None:
    """Measured at the origin: at most burst + rate × t + 1, and at least 99 % of it, over two workers."""
    seconds = 10 * SECONDS if PROOF else SECONDS
    limit = f'limit = {{ rate = "{RATE}/s", burst = {BURST}, key = "client_ip" }}'
    async with Origin(b"x") as origin, Gateway(configuration(origin, workers=2, route=limit)) as gateway:
        started = time.monotonic()
        answered: list[float] = []

        async def press() -> None:
            async with Client(gateway) as client:
                while time.monotonic() - started < seconds:
                    await client.exchange(GET)
                    answered.append(time.monotonic())

        async with asyncio.TaskGroup() as group:
            for _ in range(32):
                group.create_task(press())
        longest, shortest = max(answered) - started, max(answered) - min(answered)
        assert len(answered) > 1.5 * (BURST + RATE * longest), "the load was too small to prove anything"
        assert len((await gateway.status())["workers"]) == 2
        assert len(origin.requests) <= BURST + RATE * longest + 1
        assert len(origin.requests) >= 0.99 * (BURST + RATE * shortest)
