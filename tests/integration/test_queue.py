"""Queues: requests wait for a place at an instance, at whatever worker it comes free, and leave nothing behind."""

import asyncio
import contextlib
import os
import signal
from functools import partial

import pytest

from tests.helpers import Client, Gateway, configuration, eventually
from tests.helpers.proof import PROOF
from tests.helpers.vices import Gated

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ROUNDS = 20 if PROOF else 2
REQUESTS = 12


def throttled(origin: Gated, workers: int = 2, most: int = 1, queue: str = 'timeout = "20s"') -> str:
    """A service whose one instance takes so many requests at once."""
    instance = f'instances = [{{ address = "{origin.address}", max_in_flight = {most} }}]'
    text = configuration(workers=workers, service=f"queue = {{ {queue} }}")
    return text.replace("instances = []", instance)


async def come(gateway: Gateway, clients: contextlib.AsyncExitStack, count: int) -> list[Client]:
    """So many clients come and ask."""
    come = [await clients.enter_async_context(Client(gateway)) for _ in range(count)]
    for client in come:
        await client.send(GET)
    return come


async def depth(gateway: Gateway) -> int:
    """Requests that wait."""
    return int((await gateway.metrics()).sum("headgate_queue_depth"))


async def waits(gateway: Gateway, count: int) -> bool:
    """Do so many wait?"""
    return await depth(gateway) == count


async def ends(gateway: Gateway, end: str) -> int:
    """How many that wanted to wait ended so."""
    return int((await gateway.metrics()).sum("headgate_queue_ends_total", end=end))


async def is_idle(gateway: Gateway) -> bool:
    """Is nothing under way, and does nobody wait?"""
    return await gateway.empty() and await depth(gateway) == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_requests_wait_for_each_other(workers: int) -> None:
    """Twelve come at once where two may be under way: all are answered, never more than two at a time."""
    async with Gated() as origin, Gateway(throttled(origin, workers, most=2)) as gateway:
        for turn in range(1, ROUNDS + 1):
            origin.gate.clear()
            async with contextlib.AsyncExitStack() as clients:
                asking = await come(gateway, clients, REQUESTS)
                await eventually(partial(waits, gateway, REQUESTS - 2))
                assert len(origin.requests) == REQUESTS * (turn - 1) + 2
                origin.gate.set()
                statuses = [(await client.response()).status for client in asking]
            assert statuses == [200] * REQUESTS
        await eventually(partial(is_idle, gateway))
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_queue_wait_seconds_count") == ROUNDS * (REQUESTS - 2)
        assert metrics.sum("headgate_queue_wait_seconds_sum") > 0


async def test_requests_wait_for_a_service_with_a_bound_of_its_own() -> None:
    """The same holds for its ``concurrency``, however much its instances would take."""
    bounds = 'concurrency = 3\nqueue = { timeout = "20s" }'
    async with (
        Gated() as one,
        Gated() as two,
        Gateway(configuration(one, two, workers=2, service=bounds)) as gateway,
    ):
        async with contextlib.AsyncExitStack() as clients:
            asking = await come(gateway, clients, REQUESTS)
            await eventually(partial(waits, gateway, REQUESTS - 3))
            assert len(one.requests) + len(two.requests) == 3
            one.gate.set()
            two.gate.set()
            assert [(await client.response()).status for client in asking] == [200] * REQUESTS
        await eventually(partial(is_idle, gateway))
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_limit_decisions_total", decision="allowed") == REQUESTS
        assert metrics.sum("headgate_limit_decisions_total", decision="refused") == 0


async def test_who_waits_too_long_comes_again() -> None:
    """503 with Retry-After and the reason, once its time is over."""
    async with (
        Gated() as origin,
        Gateway(throttled(origin, queue='size = 1, timeout = "100ms"')) as gateway,
        contextlib.AsyncExitStack() as clients,
    ):
        (first,) = await come(gateway, clients, 1)
        await eventually(lambda: len(origin.requests) == 1)
        (late,) = await come(gateway, clients, 1)
        response = await late.response()
        assert (response.status, response.fields.one("retry-after")) == (503, "1")
        assert "too long in the queue" in (response.fields.one("proxy-status") or "")
        origin.gate.set()
        assert (await first.response()).status == 200
        await eventually(partial(is_idle, gateway))
        assert await ends(gateway, "late") == 1


async def test_a_full_queue_refuses() -> None:
    """As many wait as may, at both workers together; the next ones are told so at once."""
    async with (
        Gated() as origin,
        Gateway(throttled(origin, queue='size = 3, timeout = "20s"')) as gateway,
        contextlib.AsyncExitStack() as clients,
    ):
        asking = await come(gateway, clients, 4)
        await eventually(partial(waits, gateway, 3))
        for refused in await come(gateway, clients, 6):
            response = await refused.response()
            assert (response.status, response.fields.one("retry-after")) == (503, "1")
            assert "queue full" in (response.fields.one("proxy-status") or "")
        origin.gate.set()
        assert [(await client.response()).status for client in asking] == [200] * 4
        await eventually(partial(is_idle, gateway))
        assert await ends(gateway, "full") == 6


async def test_clients_that_leave_wait_no_more() -> None:
    """Whether they reset or half-close: the queue is empty at once, and who stays is served."""
    async with Gated() as origin, Gateway(throttled(origin)) as gateway:
        async with contextlib.AsyncExitStack() as clients:
            (first,) = await come(gateway, clients, 1)
            await eventually(lambda: len(origin.requests) == 1)
            leaving = await come(gateway, clients, 6)
            (staying,) = await come(gateway, clients, 1)
            await eventually(partial(waits, gateway, 7))
            for client in leaving[:3]:
                client.reset()
            for client in leaving[3:]:
                client.finish()
            await eventually(partial(waits, gateway, 1))
            origin.gate.set()
            assert [(await client.response()).status for client in (first, staying)] == [200, 200]
        await eventually(partial(is_idle, gateway))
        assert len(origin.requests) == 2
        assert await ends(gateway, "left") == 6


async def test_a_reload_leaves_those_who_wait() -> None:
    """Whoever waits in a queue that a reload takes away is served all the same; who comes then is refused."""
    async with (
        Gated() as origin,
        Gateway(throttled(origin)) as gateway,
        contextlib.AsyncExitStack() as clients,
    ):
        asking = await come(gateway, clients, 4)
        await eventually(partial(waits, gateway, 3))
        without = throttled(origin).replace('queue = { timeout = "20s" }', "")
        status, _ = await gateway.reload(without)
        assert status == 200
        (refused,) = await come(gateway, clients, 1)
        assert (await refused.response()).status == 503
        origin.gate.set()
        assert [(await client.response()).status for client in asking] == [200] * 4
        await eventually(partial(is_idle, gateway))


async def test_a_killed_worker_holds_nobody_up() -> None:
    """Its places and its part of the queue are free again, and who waits at the other worker is served."""
    async with Gated() as origin, Gateway(throttled(origin, most=2)) as gateway:
        async with contextlib.AsyncExitStack() as clients:
            asking = await come(gateway, clients, 16)
            await eventually(partial(waits, gateway, 14))
            os.kill(gateway.workers[0], signal.SIGKILL)
            outcomes = asyncio.gather(*(client.outcome() for client in asking))
            await asyncio.sleep(0)
            origin.gate.set()
            statuses = await outcomes
        assert set(statuses) <= {200, None}
        assert 200 in statuses
        await eventually(partial(is_idle, gateway))


async def test_a_drain_serves_those_who_wait() -> None:
    """A gateway that stops answers everybody first, within its time."""
    async with (
        Gated() as origin,
        Gateway(throttled(origin)) as gateway,
        contextlib.AsyncExitStack() as clients,
    ):
        asking = await come(gateway, clients, 4)
        await eventually(partial(waits, gateway, 3))
        gateway.signal(signal.SIGTERM)
        origin.gate.set()
        responses = [await client.response() for client in asking]
        assert [response.status for response in responses] == [200] * 4
