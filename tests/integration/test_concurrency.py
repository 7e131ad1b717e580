"""Concurrency limits: no more requests of a key are under way than may be, however many workers there are."""

import asyncio
import contextlib
import os
import signal
from functools import partial

import pytest

from tests.helpers import Client, Gateway, configuration, eventually
from tests.helpers.proof import PROOF
from tests.helpers.vices import Gated

MOST = 4
TRIES = 50 if PROOF else 3
GET = b"GET / HTTP/1.1\r\nHost: a\r\nX-Key: %d\r\n\r\n"


async def rush(gateway: Gateway, clients: contextlib.AsyncExitStack, requests: int, key: int) -> list[Client]:
    """Sends so many requests at once, each on its own connection."""
    rushing = [await clients.enter_async_context(Client(gateway)) for _ in range(requests)]
    for client in rushing:
        await client.send(GET % key)
    return rushing


async def has_decided(gateway: Gateway, requests: int) -> bool:
    """Has a limit decided about so many requests?"""
    metrics = await gateway.metrics()
    return metrics.sum("headgate_limit_decisions_total") == requests


async def answered(client: Client) -> int | None:
    """The status of the answer, if the request was answered or will be; None if its connection broke."""
    try:
        return (await client.response()).status
    except (AssertionError, ConnectionError, asyncio.IncompleteReadError):
        return None


@pytest.mark.parametrize(
    ("key", "status"), [("", 503), (', key = "header:X-Key"', 429), (', key = "client_ip"', 429)]
)
async def test_a_rush_gets_no_more_in(key: str, status: int) -> None:
    """However many come at once, again and again, the origin never has more than may be; what it has is answered."""
    limit = f"concurrency = {{ max = {MOST}{key} }}"
    async with Gated() as origin, Gateway(configuration(origin, workers=2, service=limit)) as gateway:
        for turn in range(1, TRIES + 1):
            origin.gate.clear()
            before = len(origin.requests)
            async with contextlib.AsyncExitStack() as clients:
                rushing = await rush(gateway, clients, 5 * MOST, 1)
                refused = asyncio.gather(*(answered(client) for client in rushing))

                await eventually(partial(has_decided, gateway, turn * 5 * MOST), within=20.0)
                origin.gate.set()
                statuses = await refused
            assert set(statuses) == {200, status}
            assert 0 < statuses.count(200) <= MOST
            assert len(origin.requests) - before == statuses.count(200)
        await eventually(gateway.empty)


async def test_keys_do_not_stand_in_each_others_way() -> None:
    """Each has as many as it may have, and all together meet the limit of the route."""
    route = (
        f'concurrency = [{2 * MOST}, {{ name = "of-one", max = {MOST}, key = "header:X-Key" }}]\n'
        'limit = { rate = "1/h", burst = 100, key = "route" }'
    )
    async with Gated() as origin, Gateway(configuration(origin, route=route)) as gateway:
        async with contextlib.AsyncExitStack() as clients:
            origin.gate.clear()
            for number in (1, 2):
                await rush(gateway, clients, MOST, number)
            await eventually(lambda: len(origin.requests) == 2 * MOST)
            for number, status in ((1, 503), (3, 503)):
                (client,) = await rush(gateway, clients, 1, number)
                assert await answered(client) == status
            origin.gate.set()
        await eventually(gateway.empty)
        metrics = await gateway.metrics()
        name = "headgate_limit_decisions_total"
        assert metrics.sum(name, limit="concurrency", decision="refused") == 2
        assert metrics.sum(name, limit="default", decision="allowed") == 2 * MOST


async def test_a_killed_worker_takes_its_share_along() -> None:
    """What it had under way is over, so as many may come again; what the other worker has still counts."""
    limit = f"concurrency = {MOST}"
    async with Gated() as origin, Gateway(configuration(origin, workers=2, service=limit)) as gateway:
        origin.gate.clear()
        async with contextlib.AsyncExitStack() as clients:
            await rush(gateway, clients, 5 * MOST, 1)
            while len(origin.requests) < MOST:
                await rush(gateway, clients, 1, 1)  # those that came at once may have refused each other
                await asyncio.sleep(0)
            victim = gateway.workers[0]
            os.kill(victim, signal.SIGKILL)
            await eventually(lambda: victim not in gateway.worker_pids())

            async def is_full() -> bool:
                """Is another refused with so many under way? The killed one's are seen to end while it comes and goes."""
                before = len(origin.requests)
                await rush(gateway, clients, 1, 1)
                return origin.open_connections == MOST and len(origin.requests) == before

            await eventually(is_full)
            assert await is_full()
            origin.gate.set()
        await eventually(gateway.empty)
