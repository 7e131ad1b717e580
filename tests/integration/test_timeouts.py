"""Peers that pause, drip or do not read: what each time-out that is not in test_failures does through the real command."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually, vices

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
MEGABYTE = 1 << 20
LARGE = 100 * MEGABYTE


def post(length: int) -> bytes:
    """The head of a request with a body."""
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener that is not the gateway's first."""

    port: int

    @classmethod
    async def of(cls, gateway: Gateway, name: str) -> "Listener":
        """By its name, which is its configured address."""
        return cls(urlsplit((await gateway.listeners())[name]).port or 0)


async def drip(client: Client, piece: bytes, seconds: float) -> bytes:
    """Sends the same bytes four times a second until something comes back, or the time is over; its beginning."""
    answer = asyncio.create_task(client.reader.read(12))
    for _ in range(round(seconds * 4)):
        await client.send(piece)
        await asyncio.wait({answer}, timeout=0.25)
        if answer.done():
            return answer.result()
    answer.cancel()
    return b""


async def test_a_body_that_stops() -> None:
    """A client that pauses for too long within its body gets 408 and the end; the instance sees its part end as well."""
    listen = 'timeouts = { body_idle = "300ms" }'
    async with Origin() as origin, Gateway(configuration(origin, listen=listen)) as gateway:
        async with Client(gateway) as client:
            await client.send(post(100) + b"half of it")
            response = await client.response("POST")
            assert response.status == 408
            assert response.fields.all("connection") == ["close"]
            assert await client.at_end() == b""
        await eventually(lambda: origin.requests and origin.open_connections == 0)
        assert not origin.requests[0].complete
        await eventually(gateway.empty)


@pytest.mark.slow
async def test_a_body_that_is_too_slow() -> None:
    """After ten seconds a body that came too slowly is refused, although it never stops; one that keeps the rate goes on,
    and so does any where no rate is asked for.
    """
    listen = 'min_rate = "1KB/s"\n[[listen]]\naddress = "0.0.0.0:0"\nmin_rate = "off"'
    async with Origin() as origin, Gateway(configuration(origin, listen=listen)) as gateway:
        lenient = await Listener.of(gateway, "0.0.0.0:0")
        async with Client(gateway) as slow, Client(gateway) as fast, Client(lenient) as unhurried:
            for client in (slow, fast, unhurried):
                await client.send(post(LARGE))
            start = asyncio.get_running_loop().time()
            answers = await asyncio.gather(
                drip(slow, b"x" * 100, 15), drip(fast, b"x" * 600, 11), drip(unhurried, b"x", 11)
            )
            assert asyncio.get_running_loop().time() - start >= 10
        assert answers == [b"HTTP/1.1 408", b"", b""]
        await eventually(gateway.empty)


async def test_a_client_that_does_not_read() -> None:
    """Its answer is broken off after the time for a write, and the instance is free."""
    listen = 'timeouts = { write = "500ms" }'
    async with vices.StreamsBody(LARGE) as origin, Gateway(configuration(origin, listen=listen)) as gateway:
        async with Client(gateway, receive_buffer=65536) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.send(GET)
            await eventually(lambda: origin.sent > 0)
            await eventually(lambda: origin.open_connections == 0, why="the instance sees the end")
            await eventually(gateway.empty)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert (await client.response(keep=False)).aborted == "reset"


@pytest.mark.parametrize(("rate", "cut"), [("off", False), ("1MB/s", True)])
async def test_a_client_that_reads_slowly(rate: str, *, cut: bool) -> None:
    """It has time as long as it takes something; where a rate is asked for, as long as it keeps that.

    It takes longer than the time-out for what waits for it at once, or nobody would look.
    """
    listen = f'timeouts = {{ write = "500ms" }}\nmin_rate = "{rate}"'
    async with vices.StreamsBody(LARGE) as origin, Gateway(configuration(origin, listen=listen)) as gateway:
        async with Client(gateway, receive_buffer=65536, limit=1024) as client:
            await client.send(GET)
            await eventually(lambda: origin.sent > 0)
            for _ in range(20):
                await asyncio.sleep(0.1)  # two seconds are four times the time-out
                if origin.open_connections == 0:
                    break
                await client.reader.read(24 * 1024)
            assert (origin.open_connections == 0) == cut
            client.reset()
        await eventually(gateway.empty)


async def test_an_instance_that_does_not_read() -> None:
    """504 once it has taken nothing for the time for a write, and the client is read to see it."""
    listen = 'timeouts = { write = "500ms" }'
    async with vices.ReadsBodyLate() as origin, Gateway(configuration(origin, listen=listen)) as gateway:
        async with Client(gateway) as client:
            sending = asyncio.create_task(client.send(post(LARGE) + bytes(LARGE)))
            response = await client.response("POST")
            assert response.status == 504
            assert "connection_write_timeout" in (response.fields.one("proxy-status") or "")
            await asyncio.gather(sending, return_exceptions=True)
        await eventually(gateway.empty)


async def test_an_idle_connection_to_an_instance_is_closed() -> None:
    """After its time a kept connection is closed by the gateway, before the instance may do it."""
    service = 'timeouts = { keepalive = "300ms" }'
    async with Origin(b"x") as origin, Gateway(configuration(origin, service=service)) as gateway:
        async with Client(gateway) as client:
            assert (await client.exchange(GET))[0].status == 200
            assert origin.open_connections == 1
            await eventually(lambda: origin.open_connections == 0)
            assert (await client.exchange(GET))[0].status == 200
    assert len(origin.connections) == 2


async def test_a_half_closed_client_waits_for_a_second() -> None:
    """A client that ends its sending side gets what begins within a second; after that it has left, and is counted so."""
    async with vices.StallsBeforeHead() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(GET)
            client.finish()
            assert await client.at_end() == b""
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)
        assert (await gateway.metrics()).sum("headgate_requests_total", code="499") == 1
