"""Several gateways that share limits through one Redis, and load that is spread over them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tests.helpers.client import Client
from tests.helpers.configuration import HasAddress, configuration
from tests.helpers.gateway import Gateway
from tests.helpers.patience import eventually

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BEAT_S = 0.02
"""Requests are sent in batches, so often: some come at once, as they do on the wire."""


def shared(
    origin: HasAddress,
    redis: str,
    limit: str = 'rate = "300/s", burst = 30',
    *,
    settings: str = "",
    timeout: str = "1s",
    **more: str,
) -> str:
    """A configuration whose one limit is shared through the Redis at this address by all clients. ``timeout``: by default so long
    that a machine that others load passes for no Redis that is away.
    """
    route = f'limit = {{ {limit}, key = "route", scope = "cluster" }}'
    cluster = f'[cluster]\nredis = "{redis}"\ntimeout = "{timeout}"\n{settings}'
    return configuration(origin, workers=2, route=route, **more) + f"\n{cluster}\n"


async def reaches(gateway: Gateway, *, reachable: bool = True, gateways: int | None = None) -> None:
    """Waits until a gateway says of its Redis that it is, or is not, there, and sees so many gateways."""

    async def agrees() -> bool:
        cluster = (await gateway.status())["cluster"]
        counts = gateways is None or cluster["gateways"] == gateways
        return bool(cluster["reachable"] is reachable and counts)

    await eventually(agrees)


async def drive(
    gateways: Sequence[Gateway], rates: Sequence[int], seconds: float
) -> tuple[Counter[int], float]:
    """Sends each gateway so many requests a second; statuses, and how long it took."""
    started = time.monotonic()
    tallies = await asyncio.gather(
        *(
            _send(gateway, rate, started, lambda elapsed: elapsed < seconds)
            for gateway, rate in zip(gateways, rates, strict=True)
        )
    )
    return sum(tallies, Counter()), time.monotonic() - started


@asynccontextmanager
async def under_load(gateway: Gateway, rate: int) -> AsyncIterator[Counter[int]]:
    """Sends it so many requests a second all the while; the statuses are there afterwards."""
    over = False
    statuses: Counter[int] = Counter()
    sending = asyncio.create_task(_send(gateway, rate, time.monotonic(), lambda _: not over))
    try:
        yield statuses
    finally:
        over = True
        statuses.update(await sending)


async def _send(gateway: Gateway, rate: int, started: float, lasts: Callable[[float], bool]) -> Counter[int]:
    statuses: Counter[int] = Counter()
    async with Client(gateway) as client:
        while lasts(elapsed := time.monotonic() - started):
            statuses += await _send_due(client, int(rate * elapsed) + 1 - statuses.total())
            await asyncio.sleep(BEAT_S)  # the beat of the load, no wait for anything
    return statuses


async def _send_due(client: Client, due: int) -> Counter[int]:
    if not due:
        return Counter()
    return Counter(response.status for response in await client.exchange(GET * due, ["GET"] * due))
