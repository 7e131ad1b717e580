"""How many connections a client may have at a listener, whichever worker they reach; and how many connects an instance has to bear."""

import asyncio
import contextlib
import os
import signal

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.proof import PROOF
from tests.helpers.vices import NeverAccepts

MOST = 10
TRIES = 20 if PROOF else 3
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LIMIT = f"max = {{ connections_per_client = {MOST} }}"


async def admitted(gateway: Gateway, clients: contextlib.AsyncExitStack, count: int) -> list[Client]:
    """Connects that often at once, and returns those that were let in; the others were told why they were not."""
    connected = [await clients.enter_async_context(Client(gateway)) for _ in range(count)]
    answers = await asyncio.gather(*(client.exchange(GET) for client in connected))
    inside = []
    for client, (response,) in zip(connected, answers, strict=True):
        if response.status == 200:
            inside.append(client)
        else:
            assert response.status == 429
            assert response.fields.one("connection") == "close"
            assert "too many connections" in (response.fields.one("proxy-status") or "")
            assert await client.at_end() == b""
    return inside


async def test_a_client_has_as_many_connections_as_it_may() -> None:
    """Exactly so many of those that come, over two workers; when one ends, another may come; others do not count."""
    async with (
        Origin(b"x") as origin,
        Gateway(configuration(origin, workers=2, listen=LIMIT)) as gateway,
        contextlib.AsyncExitStack() as clients,
    ):
        inside: list[Client] = []
        for _ in range(MOST):
            inside += await admitted(gateway, clients, 1)
        assert len(inside) == MOST
        assert not await admitted(gateway, clients, 10)
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=("127.0.0.2", 0))
        writer.write(GET)
        assert b"200" in await reader.readline()
        writer.close()
        await inside.pop().close()

        async def one_more() -> bool:
            return bool(await admitted(gateway, clients, 1))

        await eventually(one_more)
        assert not await admitted(gateway, clients, 1)
        metrics = await gateway.metrics()
        refused = metrics.sum("headgate_connections_rejected_total")
        assert refused >= 11
        assert metrics.sum("headgate_requests_total", code="429", route="") == refused


async def test_a_rush_lets_no_more_in() -> None:
    """However many come at once, and again and again, those that are inside are never more than may be."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, workers=2, listen=LIMIT)) as gateway:
        for _ in range(TRIES):
            async with contextlib.AsyncExitStack() as clients:
                inside = await admitted(gateway, clients, 5 * MOST)
                assert 0 < len(inside) <= MOST

            async def gone() -> bool:
                metrics = await gateway.metrics()
                accepted, ended = (
                    metrics.sum(f"headgate_connections_{name}_total") for name in ("accepted", "ended")
                )
                return accepted == ended

            await eventually(gone)


async def test_a_killed_worker_takes_its_share_along() -> None:
    """Its connections are over, so its clients may come again at once; those of the other worker still count."""
    async with (
        Origin(b"x") as origin,
        Gateway(configuration(origin, workers=2, listen=LIMIT)) as gateway,
        contextlib.AsyncExitStack() as clients,
    ):
        inside = await admitted(gateway, clients, 3 * MOST)
        while len(inside) < MOST:
            inside += await admitted(gateway, clients, 1)
        os.kill(gateway.workers[0], signal.SIGKILL)
        left: list[Client] = []
        for client in inside:
            with contextlib.suppress(AssertionError, ConnectionError, asyncio.IncompleteReadError):
                if (await client.exchange(GET))[0].status == 200:
                    left.append(client)
        while len(left) < MOST:
            with contextlib.suppress(AssertionError, ConnectionError, asyncio.IncompleteReadError):
                left += await admitted(gateway, clients, 1)
        assert not await admitted(gateway, clients, 1)


async def test_too_many_connects_go_elsewhere() -> None:
    """Of an instance that does not answer connects only so many requests suffer; the others are served by another one."""
    service = 'balance = "round_robin"\nmax_pending = 2\nmax_idle = 0\ntimeouts = { connect = "5s" }'
    async with Origin(b"x") as origin:
        with contextlib.closing(NeverAccepts()) as hole:
            file = configuration(hole, origin, service=service, route="retry = { attempts = 0 }")
            async with Gateway(file) as gateway, contextlib.AsyncExitStack() as clients:
                stuck = 0
                for _ in range(12):
                    client = await clients.enter_async_context(Client(gateway))
                    await client.send(GET)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.3):
                            assert (await client.response()).status == 200
                            continue
                    stuck += 1
                assert stuck == 2
                assert (await gateway.metrics()).sum("headgate_retries_total") == 0


async def test_when_all_are_pending_the_client_is_told() -> None:
    """With one instance there is no other: 503, and the connection goes on."""
    with contextlib.closing(NeverAccepts()) as hole:
        async with Gateway(configuration(hole, service="max_pending = 1")) as gateway:
            async with Client(gateway) as first, Client(gateway) as second:
                await first.send(GET)
                await eventually(gateway.in_flight)
                for _ in range(2):
                    (response,) = await second.exchange(GET)
                    assert response.status == 503
                    assert "connects pending" in (response.fields.one("proxy-status") or "")
