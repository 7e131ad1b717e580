"""A strict limit over real gateways and a real Redis: never above it, and nobody who waits for an answer is forgotten."""

import os
import signal
import time
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.helpers import Client, Gateway, Origin, eventually
from tests.helpers.cluster import GET, drive, reaches, shared, under_load
from tests.helpers.configuration import HasAddress
from tests.helpers.proof import PROOF
from tests.helpers.redis import RedisServer

RATE, BURST = 300, 30
ENOUGH = 0.98 if PROOF else 0.5
"""Of what may be admitted: a machine that others load too does not ask Redis in time for all."""
PATIENT = 'queue = { timeout = "20s" }'
SLOW = "5s"
"""For an answer of Redis: a Redis that is stopped is waited for."""


def strict(origin: HasAddress, redis: str, more: str = "", *, timeout: str = "1s") -> str:
    """A strict limit on a route of two workers."""
    limit = f'rate = "{RATE}/s", burst = {BURST}, strict = true{more}'
    return shared(origin, redis, limit, service=PATIENT, timeout=timeout)


async def waiting(gateway: Gateway) -> int:
    """Requests that wait."""
    return int((await gateway.metrics()).sum("headgate_queue_depth"))


async def ended(gateway: Gateway, end: str) -> int:
    """How many that waited ended so."""
    return int((await gateway.metrics()).sum("headgate_queue_ends_total", end=end))


async def so_many_wait(gateway: Gateway, count: int) -> bool:
    """Do they?"""
    return await waiting(gateway) == count


async def ask(gateway: Gateway, stack: AsyncExitStack, count: int) -> list[Client]:
    """So many clients come, and wait for an answer."""
    clients = [await stack.enter_async_context(Client(gateway)) for _ in range(count)]
    for client in clients:
        await client.send(GET)
    await eventually(partial(so_many_wait, gateway, count))
    return clients


@pytest.mark.parametrize("load", [(700, 300), (500, 300, 200)], ids=["two", "three"])
async def test_never_above_the_limit(load: tuple[int, ...]) -> None:
    """However the load is spread: burst and rate × time, and not one more; under overload 98 % of it."""
    seconds = 10.0 if PROOF else 2.0
    async with Origin(b"x") as origin, RedisServer() as server, AsyncExitStack() as stack:
        text = strict(origin, server.address)
        gateways = [await stack.enter_async_context(Gateway(text)) for _ in load]
        for gateway in gateways:
            await reaches(gateway, gateways=len(load))
        statuses, took = await drive(gateways, load, seconds)
        allowed = BURST + RATE * took
        assert set(statuses) == {200, 429}
        assert ENOUGH * allowed <= statuses[200] <= allowed
        assert len(origin.requests) == statuses[200]
        assert [await waiting(gateway) for gateway in gateways] == [0] * len(load)


async def test_below_the_limit_nobody_is_refused() -> None:
    """The first ones wait for an answer, all together, and then there is enough in stock."""
    async with Origin(b"x") as origin, RedisServer() as server:
        async with Gateway(strict(origin, server.address)) as gateway, AsyncExitStack() as stack:
            await reaches(gateway, gateways=1)
            clients = [await stack.enter_async_context(Client(gateway)) for _ in range(BURST)]
            for client in clients:
                await client.send(GET)
            assert [(await client.response()).status for client in clients] == [200] * BURST
            assert await ended(gateway, "served") > 0
            statuses, _ = await drive([gateway], [RATE // 6], 1.0)
            assert set(statuses) == {200}


@pytest.mark.parametrize("unreachable", ["local", "open", "closed"])
async def test_redis_goes_and_comes_back(unreachable: str) -> None:
    """Those who wait when it goes are not kept waiting: the limit's rule decides; and then it is strict again."""
    async with Origin(b"x") as origin, RedisServer() as server:
        text = strict(origin, server.address, f', unreachable = "{unreachable}"')
        async with Gateway(text) as gateway, AsyncExitStack() as stack:
            await reaches(gateway, gateways=1)
            server.signal(signal.SIGSTOP)
            client = await stack.enter_async_context(Client(gateway))
            await client.send(GET)
            expected = 429 if unreachable == "closed" else 200
            assert (await client.response()).status == expected
            await reaches(gateway, reachable=False)
            without, took = await drive([gateway], [2 * RATE], 0.5)
            match unreachable:
                case "local":
                    assert 0 < without[200] <= 1.02 * (BURST + RATE * took) + 2
                case "open":
                    assert set(without) == {200}
                case _:
                    assert set(without) == {429}
            await server.kill()
            await server.start()
            await reaches(gateway)
            again, took = await drive([gateway], [3 * RATE], 1.0)
            assert set(again) == {200, 429}
            assert (ENOUGH - 0.1) * RATE * took - BURST <= again[200] <= BURST + RATE * took
            assert await waiting(gateway) == 0


async def test_who_waits_may_leave() -> None:
    """A client that goes gives its place in the queue up at once, and takes no token; the others have their answer."""
    async with Origin(b"x") as origin, RedisServer() as server:
        async with (
            Gateway(strict(origin, server.address, timeout=SLOW)) as gateway,
            AsyncExitStack() as stack,
        ):
            await reaches(gateway, gateways=1)
            server.signal(signal.SIGSTOP)
            leaving, staying = await ask(gateway, stack, 2)
            await leaving.close()
            await eventually(partial(so_many_wait, gateway, 1))
            assert await ended(gateway, "left") == 1
            server.signal(signal.SIGCONT)
            assert (await staying.response()).status == 200
            assert (len(origin.requests), await waiting(gateway)) == (1, 0)


async def test_nobody_waits_longer_than_the_queue_says() -> None:
    """Though Redis may take longer."""
    async with Origin(b"x") as origin, RedisServer() as server:
        text = strict(origin, server.address, timeout=SLOW).replace(PATIENT, 'queue = { timeout = "100ms" }')
        async with Gateway(text) as gateway, AsyncExitStack() as stack:
            await reaches(gateway, gateways=1)
            server.signal(signal.SIGSTOP)
            client = await stack.enter_async_context(Client(gateway))
            started = time.monotonic()
            (response,) = await client.exchange(GET)
            assert time.monotonic() - started >= 0.1
            assert (response.status, response.fields.all("retry-after")) == (503, ["1"])
            assert "no answer of the shared limit" in response.fields.all("proxy-status")[0]
            assert (await waiting(gateway), await ended(gateway, "late")) == (0, 1)
            server.signal(signal.SIGCONT)


@pytest.mark.parametrize("_turn", range(10 if PROOF else 1))
async def test_a_worker_is_killed_with_those_who_wait_there(_turn: int) -> None:
    """It takes them along; those at the other worker are answered, and nothing is left that counts as waiting."""
    async with Origin(b"x") as origin, RedisServer() as server:
        async with (
            Gateway(strict(origin, server.address, timeout=SLOW)) as gateway,
            AsyncExitStack() as stack,
        ):
            await reaches(gateway, gateways=1)
            server.signal(signal.SIGSTOP)
            clients = await ask(gateway, stack, 12)
            (victim, *_) = gateway.worker_pids()
            os.kill(victim, signal.SIGKILL)

            async def is_replaced() -> bool:
                pids = gateway.worker_pids()
                return victim not in pids and len(pids) == 2

            await eventually(is_replaced)
            server.signal(signal.SIGCONT)
            assert {await client.outcome() for client in clients} <= {200, None}
            await eventually(partial(so_many_wait, gateway, 0))
            statuses, _ = await drive([gateway], [RATE // 6], 0.2)
            assert statuses[200] > 0


async def test_a_reload_makes_a_limit_strict_and_back() -> None:
    """And nobody is refused meanwhile, or waits for nothing."""
    async with Origin(b"x") as origin, RedisServer() as server:
        limit = 'rate = "3000/s", burst = 3000'
        loose = shared(origin, server.address, limit)
        exact = shared(origin, server.address, f"{limit}, strict = true")
        async with Gateway(loose) as gateway:
            await reaches(gateway, gateways=1)
            async with under_load(gateway, 100) as statuses:
                for text in [exact, loose] * 3:
                    assert (await gateway.reload(text))[0] == 200
            assert set(statuses) == {200}
