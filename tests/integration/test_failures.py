"""Instances that refuse, stall or vanish, and clients that go away."""

import asyncio
import time

import pytest

from tests.helpers import Client, Gateway, Origin, Reply, configuration, eventually, vices

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("raw", [GET, POST], ids=["GET", "POST"])
async def test_a_refused_connect_goes_to_another_instance(raw: bytes) -> None:
    """What was never sent may go to another instance, whatever its method."""
    async with vices.RefusesConnect() as nobody, Origin(b"here") as origin:
        async with Gateway(configuration(nobody, origin)) as gateway, Client(gateway) as client:
            for _ in range(10):
                (response,) = await client.exchange(raw)
                assert (response.status, response.body.data) == (200, b"here")
            assert (await gateway.metrics()).sum("headgate_requests_total", code="200") == 10
    assert all(request.complete for request in origin.requests)


async def test_other_tries_use_kept_connections() -> None:
    """While an instance is down, the tries that go to another one do not pile up connections there."""
    async with vices.RefusesConnect() as nobody, Origin(b"here") as origin:
        text = configuration(nobody, origin, service="passive = false")
        async with Gateway(text) as gateway, Client(gateway) as client:
            for _ in range(40):
                assert (await client.exchange(GET))[0].status == 200
    assert len(origin.connections) == 1


async def test_further_tries_wait() -> None:
    """A single instance in trouble gets the second try after a back-off, and the third after a longer one."""
    async with vices.ClosesAtFirst(2) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(GET)
            assert (response.status, response.body.data) == (200, b"at last")
    first, second, third = origin.arrivals
    assert second - first > 0.012
    assert third - second > 0.024


async def test_a_client_that_leaves_during_a_back_off() -> None:
    """No try comes after the client has gone, and nothing is held for it."""
    attempts = "retry = { attempts = 10 }"
    async with vices.ClosesAtFirst(100) as origin, Gateway(configuration(origin, route=attempts)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: len(origin.arrivals) >= 2)
            client.reset()
        await eventually(gateway.empty)
        tries = len(origin.arrivals)
        assert tries < 11
        assert (await gateway.metrics()).sum("headgate_requests_total", code="499") == 1


async def test_nobody_there() -> None:
    """When every instance refuses, the client gets 502 or 503 with the reason, and the connection stays."""
    async with (
        vices.RefusesConnect() as nobody,
        Gateway(configuration(nobody)) as gateway,
        Client(gateway) as client,
    ):
        for response in await client.exchange(GET * 2, ("GET", "GET")):
            assert response.status in {502, 503}
            assert "connection_refused" in (response.fields.one("proxy-status") or "")


async def test_a_connect_that_hangs_goes_to_another_instance() -> None:
    """A connect that takes longer than its time-out counts as failed."""
    text = 'timeouts = { connect = "200ms" }'
    async with vices.NeverAccepts() as nobody, Origin(b"here") as origin:
        async with Gateway(configuration(nobody, origin, service=text)) as gateway, Client(gateway) as client:
            for _ in range(4):
                assert (await client.exchange(GET))[0].body.data == b"here"


async def test_a_connect_that_hangs_and_nobody_else() -> None:
    """Without another instance the client gets 504 (or 503) once the tries are used up."""
    text = 'timeouts = { connect = "200ms" }'
    async with vices.NeverAccepts() as nobody, Gateway(configuration(nobody, service=text)) as gateway:
        async with Client(gateway) as client:
            assert (await client.exchange(GET))[0].status in {502, 503, 504}
        await eventually(gateway.empty)


async def test_first_byte_timeout() -> None:
    """An instance that does not begin its answer in time costs the client a 504; a POST is sent once."""
    text = 'timeouts = { first_byte = "300ms" }'
    async with vices.StallsBeforeHead() as origin, Gateway(configuration(origin, service=text)) as gateway:
        async with Client(gateway) as client:
            started = time.monotonic()
            (response,) = await client.exchange(POST, "POST")
            assert 0.25 < time.monotonic() - started < 2
            assert response.status == 504
            assert "headgate" in (response.fields.one("proxy-status") or "")
        assert len(origin.requests) == 1
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)


async def test_idle_timeout_in_a_body() -> None:
    """An instance that falls silent in its body costs the client a visibly broken message."""
    text = 'timeouts = { idle = "300ms" }'
    async with vices.StallsAfterHead() as origin, Gateway(configuration(origin, service=text)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(GET)
            assert response.aborted is not None
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)


async def test_a_slow_body_within_its_idle_time() -> None:
    """A body that drips faster than the idle time-out arrives whole, however long it takes in all."""
    text = 'timeouts = { first_byte = "400ms", idle = "400ms" }'
    async with vices.DripsBody(b"x" * 10, interval=0.1) as origin:
        async with Gateway(configuration(origin, service=text)) as gateway, Client(gateway) as client:
            (response,) = await client.exchange(GET)
            assert (response.body.data, response.aborted) == (b"x" * 10, None)


@pytest.mark.parametrize(
    "origin", [vices.ClosesOnReuse(b"x"), vices.ClosesIdle(b"x")], ids=["on reuse", "when idle"]
)
async def test_an_instance_that_closes_kept_connections(origin: Origin) -> None:
    """A kept connection that turns out to be closed costs an idempotent request nothing."""
    async with origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        for _ in range(5):
            (response,) = await client.exchange(GET)
            assert (response.status, response.body.data) == (200, b"x")


async def test_a_post_is_never_sent_twice() -> None:
    """A POST that an instance has begun to read is not sent again when its connection closes."""
    async with vices.ClosesOnReuse() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            assert (await client.exchange(POST, "POST"))[0].status == 200
            (response,) = await client.exchange(POST, "POST")
            assert response.status == 502
        assert len(origin.requests) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_goes_away(how: str) -> None:
    """The exchange of a client that has gone is cancelled at the instance."""
    async with vices.Gated() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            assert await gateway.in_flight() == 1
            if how == "reset":
                client.reset()
        await eventually(lambda: origin.open_connections == 0, why="the instance sees the end")
        await eventually(gateway.empty)


async def test_a_client_that_goes_away_in_its_body() -> None:
    """A body that will never be complete is cancelled at the instance, which never takes it for complete."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)
            await eventually(lambda: origin.requests)
        await eventually(lambda: origin.open_connections == 0)
        assert not origin.requests[0].complete
        await eventually(gateway.empty)


async def test_a_client_that_goes_away_in_its_answer() -> None:
    """An answer that nobody reads any more is cancelled at the instance."""
    async with vices.StreamsBody(1 << 30) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            await client.reader.readuntil(b"\r\n\r\n")
            client.reset()
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)


async def test_a_client_that_only_half_closes() -> None:
    """A client that ends its sending side after its request still gets its answer."""
    async with Origin(b"x") as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        await client.send(GET)
        client.finish()
        assert (await client.response()).body.data == b"x"
        assert await client.at_end() == b""


async def test_a_client_that_never_finishes_its_head() -> None:
    """A head that does not come in time costs 408 and the connection; the time runs from the first byte."""
    text = 'timeouts = { header = "300ms" }'
    async with (
        Origin() as origin,
        Gateway(configuration(origin, listen=text)) as gateway,
        Client(gateway) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost:")
        assert (await client.response()).status == 408
        assert await client.at_end() == b""
        assert not origin.requests


async def test_an_idle_client_is_closed() -> None:
    """A kept connection on which nothing comes is closed without a word."""
    text = 'timeouts = { keepalive = "300ms" }'
    async with (
        Origin(b"x") as origin,
        Gateway(configuration(origin, listen=text)) as gateway,
        Client(gateway) as client,
    ):
        await client.exchange(GET)
        assert await client.at_end() == b""


async def test_every_end_gives_back_its_place() -> None:
    """After good answers, refusals, aborts and broken messages the gateway holds no exchange of any instance."""
    vicious: list[Origin] = [
        Origin(),
        Origin(Reply(503, b"busy")),
        vices.ClosesMidBody(),
        vices.ResetsMidBody(),
        vices.SpeaksGarbage(),
        vices.CloseDelimited(),
        vices.StallsAfterHead(),
        vices.StallsBeforeHead(),
        vices.AnswersEarly(200, close=True),
        vices.LiesAboutLength(),
    ]
    text = 'balance = "round_robin"\ntimeouts = { first_byte = "200ms", idle = "200ms" }'

    async def any_end(gateway: Gateway, raw: bytes) -> None:
        async with Client(gateway) as client:
            await client.send(raw.replace(b"Host: a", b"Host: a\r\nConnection: close"))
            await client.at_end()

    for origin in vicious:
        await origin.start()
    async with Gateway(configuration(*vicious, service=text)) as gateway:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(any_end(gateway, GET))
                group.create_task(any_end(gateway, POST))
        await eventually(gateway.empty)
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_requests_total") >= 40
    for origin in vicious:
        await origin.stop()
