"""Upgrades and tunnels through the real command: what becomes of every kind of request and answer, and of time."""

import asyncio
import signal

import aiohttp
from aiohttp import web

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.message import render
from tests.helpers.origin import OriginConnection
from tests.helpers.processes import private_bytes
from tests.helpers.websocket import (
    HANDSHAKE,
    TEXT,
    Frame,
    RefusesUpgrade,
    SwitchesUnasked,
    WebSocket,
    WebSocketEcho,
)

MIB = 1 << 20


def request(*fields: tuple[str, str], method: str = "GET", body: bytes = b"") -> bytes:
    """A request to host ``a``."""
    return render(f"{method} / HTTP/1.1", [("Host", "a"), *fields], body)


async def test_the_handshake_reaches_the_instance_with_our_own_connection_field() -> None:
    """``Connection`` is the gateway's, ``Upgrade`` and the fields of the protocol are the client's."""
    async with WebSocketEcho() as echo, Gateway(configuration(echo)) as gateway, Client(gateway) as client:
        socket = WebSocket(client)
        await socket.open()
        (seen,) = echo.requests
        assert seen.fields.all("connection") == ["Upgrade"]
        assert seen.fields.all("upgrade") == ["websocket"]
        assert seen.fields.all("sec-websocket-key") == [dict(HANDSHAKE)["Sec-WebSocket-Key"]]
        assert socket.head is not None
        assert socket.head.fields.all("connection") == ["Upgrade"]
        assert socket.head.fields.all("upgrade") == ["websocket"]


async def test_bytes_before_and_behind_the_101_arrive() -> None:
    """A client that does not wait, and a server that speaks first, lose nothing."""
    greeting = Frame(TEXT, b"welcome")
    async with WebSocketEcho(greeting=[greeting]) as echo, Gateway(configuration(echo)) as gateway:
        async with Client(gateway) as client:
            socket = WebSocket(client)
            await socket.open(early=Frame(TEXT, b"early").encode(b"mask"))
            assert await socket.receive(2) == [greeting, Frame(TEXT, b"early")]


async def test_without_a_101_the_answer_is_an_ordinary_one() -> None:
    """The connection then carries further requests, an accepted upgrade among them."""
    async with (
        RefusesUpgrade() as origin,
        Gateway(configuration(origin)) as gateway,
        Client(gateway) as client,
    ):
        for _ in range(2):
            (refused,) = await client.exchange(render("GET / HTTP/1.1", HANDSHAKE))
            assert (refused.status, refused.body.data) == (403, b"no")
            assert refused.fields.one("upgrade") is None
        assert len(origin.connections) == 1


async def test_a_101_that_nobody_asked_for_is_502() -> None:
    """Neither for an ordinary request nor for one whose upgrade ended at the gateway."""
    async with SwitchesUnasked() as origin, Gateway(configuration(origin)) as gateway:
        h2c = request(("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "x"))
        for raw in (request(), h2c):
            async with Client(gateway) as client:
                (answer,) = await client.exchange(raw)
                assert answer.status == 502
        assert all(
            seen.fields.names().isdisjoint({"upgrade", "connection", "http2-settings"})
            for seen in origin.requests
        )


async def test_an_upgrade_with_a_body_is_400_and_connect_is_405() -> None:
    """Neither reaches an instance."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        for raw, status in (
            (request(("Connection", "Upgrade"), ("Upgrade", "x"), ("Content-Length", "2"), body=b"ab"), 400),
            (request(("Connection", "Upgrade"), ("Upgrade", "x"), ("Transfer-Encoding", "chunked")), 400),
            (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
        ):
            async with Client(gateway) as client:
                (answer,) = await client.exchange(raw)
                assert answer.status == status
        assert origin.requests == []


async def test_a_tunnel_is_in_flight_until_it_ends() -> None:
    """The instance's count holds it, and ``max_in_flight`` counts it."""
    async with WebSocketEcho() as echo:
        instance = f'instances = [{{ address = "{echo.address}", max_in_flight = 1 }}]'
        text = configuration(echo).replace(f'instances = ["{echo.address}"]', instance)
        async with Gateway(text) as gateway, Client(gateway) as client, Client(gateway) as other:
            await WebSocket(client).open()
            assert await gateway.in_flight() == 1
            (refused,) = await other.exchange(request())
            assert refused.status == 503
            client.reset()
            await eventually(gateway.empty)
            (answered,) = await other.exchange(request())
            assert answered.status == 200


async def test_an_idle_tunnel_is_closed_and_a_lively_one_is_not() -> None:
    """``timeouts.tunnel`` counts from the last byte either way; the other time-outs do not count in a tunnel."""
    service = 'timeouts = { tunnel = "1s", idle = "50ms", first_byte = "300ms" }'
    listen = 'timeouts = { body_idle = "50ms", keepalive = "50ms", write = "50ms", header = "50ms" }'
    async with WebSocketEcho() as echo:
        async with Gateway(configuration(echo, service=service, listen=listen)) as gateway:
            async with Client(gateway) as client:
                socket = WebSocket(client)
                await socket.open()
                until = asyncio.get_running_loop().time() + 1.5
                while asyncio.get_running_loop().time() < until:
                    assert await socket.echo(Frame(TEXT, b"alive")) == [Frame(TEXT, b"alive")]
                    await asyncio.sleep(0.2)  # the pace of a lively peer is what this is about
                assert (await socket.ended()).end == "eof"
            assert echo.streams[0].end in {"eof", ""}
            await eventually(gateway.empty)


async def test_a_drain_leaves_tunnels_their_own_time() -> None:
    """A tunnel works through the drain, and ends with it at ``tunnel_drain_timeout``; the exit code is 0."""
    bounds = 'drain_timeout = "100ms"\ntunnel_drain_timeout = "1500ms"'
    async with WebSocketEcho() as echo:
        async with Gateway(configuration(echo, gateway=bounds)) as gateway, Client(gateway) as client:
            socket = WebSocket(client)
            await socket.open()
            gateway.signal(signal.SIGTERM)
            begun = asyncio.get_running_loop().time()
            await eventually(lambda: _passed(begun, 0.5), why="the bound of the exchanges is over")
            assert await socket.echo(Frame(TEXT, b"still here")) == [Frame(TEXT, b"still here")]
            assert (await socket.ended()).end == "eof"
            assert _passed(begun, 1.2)
            assert await gateway.wait() == 0


def _passed(since: float, seconds: float) -> bool:
    return asyncio.get_running_loop().time() - since > seconds


async def test_a_drain_ends_with_its_last_tunnel() -> None:
    """Nobody waits for the bound when the tunnels have ended."""
    async with WebSocketEcho() as echo:
        async with Gateway(configuration(echo, gateway='tunnel_drain_timeout = "1h"')) as gateway:
            async with Client(gateway) as client:
                await WebSocket(client).open()
                gateway.signal(signal.SIGTERM)
            assert await gateway.wait() == 0


class Floods(WebSocketEcho):
    """Sends without end once the tunnel stands, and reads nothing; ``sent`` counts."""

    sent = 0

    async def _converse(self, connection: OriginConnection, _: object) -> None:
        while not connection.writer.is_closing():
            await connection.send(b"x" * 65_536)
            self.sent += 65_536


async def test_a_peer_that_reads_nothing_costs_bounded_memory_both_ways() -> None:
    """Both sides send and neither reads: what waits in the gateway is bounded, and the flow stops."""
    async with Floods() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway, receive_buffer=4096) as client:
            await WebSocket(client).open()
            (worker,) = gateway.workers
            before = private_bytes(worker)
            sending = asyncio.ensure_future(client.send(b"y" * 64 * MIB))
            seen = -1
            while seen != origin.sent:
                seen = origin.sent
                await asyncio.sleep(0.3)  # long enough to send some, if anything moved
            assert private_bytes(worker) - before < 2 * MIB
            assert not sending.done()
            sending.cancel()
            client.reset()
        await eventually(gateway.empty)


async def test_aiohttp_speaks_websocket_through_the_gateway() -> None:
    """A real client and a real server: text, binary, JSON, ping, a large message, and the close code."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0, heartbeat=0.2)
        await socket.prepare(request)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4001, message=b"as you wish")
            elif message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            else:
                await socket.send_str(message.data)
        return socket

    application = web.Application()
    application.router.add_get("/chat", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with Gateway(configuration(f"127.0.0.1:{runner.addresses[0][1]}")) as gateway:
            async with aiohttp.ClientSession() as session:
                async with session.ws_connect(
                    f"{gateway.url}/chat", max_msg_size=0, heartbeat=0.1, compress=15
                ) as socket:
                    await socket.send_str("grüß")
                    assert await socket.receive_str() == "grüß"
                    await socket.send_bytes(large := bytes(range(256)) * 4096)
                    assert await socket.receive_bytes() == large
                    await socket.ping(b"are you there")
                    await socket.send_str("bye")
                    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
                    assert socket.close_code == 4001
    finally:
        await runner.cleanup()
