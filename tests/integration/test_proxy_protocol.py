"""Listeners that ask for a PROXY header, met by hand-made headers, by strangers, and by HAProxy where it is installed."""

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.configuration import HasAddress
from tests.helpers.processes import die_with_parent

STRANGER = "127.0.0.9"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 80\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"


def v2(source: str = "2001:db8::1", *values: tuple[int, bytes]) -> bytes:
    """A header of version 2 with type-length-values."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    block = address * 2 + (4711).to_bytes(2) + (80).to_bytes(2)
    block += b"".join(bytes([kind]) + len(value).to_bytes(2) + value for kind, value in values)
    return SIGNATURE + (b"\x21\x21" if ":" in source else b"\x21\x11") + len(block).to_bytes(2) + block


def asking(*origins: HasAddress, listen: str = "", route: str = "") -> str:
    """A configuration whose listener asks for PROXY headers of 127.0.0.1, with an access log."""
    text = configuration(
        *origins,
        gateway='trusted_proxies = ["127.0.0.1"]',
        listen=f"proxy_protocol = true\n{listen}",
        route=route,
    )
    return f'[log]\naccess = "stdout"\n\n{text}'


async def refused(gateway: Gateway) -> float:
    """Connections that were closed because of their header."""
    return (await gateway.metrics()).sum("headgate_proxy_headers_refused_total")


async def clients(gateway: Gateway) -> list[tuple[str, str | None]]:
    """Ends the gateway; client and peer of every line of the access log."""
    assert gateway.process is not None
    assert gateway.process.stdout is not None
    gateway.signal(signal.SIGTERM)
    lines = (await gateway.process.stdout.read()).splitlines()
    await gateway.wait()
    return [(line["client"], line["peer"]) for line in map(orjson.loads, lines)]


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (V1, "192.0.2.1"),
        (v2(), "2001:db8::1"),
        (v2("192.0.2.1", (0x20, b"\1\0\0\0\0"), (2, b"a.example")), "192.0.2.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (LOCAL, "127.0.0.1"),
    ],
    ids=["v1", "v2", "v2-values", "unknown", "local"],
)
async def test_a_header_names_the_client_of_every_request(header: bytes, client: str) -> None:
    """Row A05: glued to the first request, and byte by byte; instances and the access log get to know the client."""
    async with Origin(b"x") as origin, Gateway(asking(origin)) as gateway:
        async with Client(gateway) as connection:
            responses = await connection.exchange(header + GET)
            responses += await connection.exchange(GET)
        async with Client(gateway) as connection:
            await connection.send_split(header + GET)
            responses.append(await connection.response())
        assert [response.status for response in responses] == [200] * 3
        assert [request.fields.one("x-forwarded-for") for request in origin.requests] == [client] * 3
        assert await refused(gateway) == 0
        peer = None if client == "127.0.0.1" else "127.0.0.1"
        assert await clients(gateway) == [(client, peer)] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        GET,
        V1.replace(b"TCP4", b"TCP5"),
        V1.replace(b"\r", b""),
        v2("192.0.2.1", (4, b""))[:-1] + b"\1",  # a value that runs over the end of its header
        v2()[:12] + b"\x11" + v2()[13:],
    ],
    ids=["request", "family", "line-end", "overflow", "version"],
)
async def test_anything_else_is_closed_without_an_answer(wrong: bytes) -> None:
    """Row A05: nothing of it, nor behind it, reaches an instance, and the next connection is served."""
    async with Origin(b"x") as origin, Gateway(asking(origin)) as gateway:
        async with Client(gateway) as connection:
            await connection.send(wrong + GET)
            assert await connection.at_end() == b""
        async with Client(gateway) as connection:
            assert (await connection.exchange(V1 + GET))[0].status == 200
        assert len(origin.requests) == 1
        assert await refused(gateway) == 1


async def test_strangers_are_not_listened_to() -> None:
    """Row A05: a good header of an untrusted peer ends its connection, and so does silence."""
    async with Origin(b"x") as origin, Gateway(asking(origin)) as gateway:
        for data in (V1 + GET, b""):
            async with Client(gateway, source=STRANGER) as connection:
                await connection.send(data)
                assert await connection.at_end() == b""
        assert origin.requests == []
        assert await refused(gateway) == 2


async def test_a_header_must_come_in_time_and_a_check_of_the_port_is_quiet() -> None:
    """Row A05: an incomplete header has timeouts.header; a connection that ends before it began is no fault."""
    timely = 'timeouts = { header = "300ms" }'
    async with Origin(b"x") as origin, Gateway(asking(origin, listen=timely)) as gateway:
        for beginning in (b"", V1[:20]):
            async with Client(gateway) as connection:
                await connection.send(beginning)
        assert await refused(gateway) == 0
        async with Client(gateway) as connection:
            await connection.send(V1[:20])
            assert await connection.at_end() == b""
        assert await refused(gateway) == 1
        assert await clients(gateway) == []


async def test_limits_count_by_the_client_of_the_header() -> None:
    """Each has a bucket of its own, over all connections of the balancer."""
    limit = 'limit = { rate = "1/h", burst = 1, key = "client_ip" }'
    async with Origin(b"x") as origin, Gateway(asking(origin, route=limit)) as gateway:
        statuses = []
        for header in (V1, v2(), v2("192.0.2.1"), v2("192.0.2.2")):
            async with Client(gateway) as connection:
                statuses.append((await connection.exchange(header + GET))[0].status)
        assert statuses == [200, 200, 429, 200]


async def test_a_header_that_nobody_asked_for_is_a_bad_request() -> None:
    """Row A05: also from a trusted proxy; no instance hears of it."""
    text = configuration("127.0.0.1:1", gateway='trusted_proxies = ["127.0.0.1"]')
    async with Gateway(text) as gateway:
        for header in (V1, v2(), LOCAL):
            async with Client(gateway) as connection:
                assert (await connection.exchange(header + GET))[0].status == 400


@dataclass(frozen=True)
class Balancer:
    """A port of HAProxy."""

    port: int


@asynccontextmanager
async def haproxy(gateway: Gateway, folder: Path, send: str) -> AsyncIterator[Balancer]:
    """HAProxy in front of the gateway as a TCP balancer, which also checks the gateway's port all the while."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        file = folder / "haproxy.cfg"
        file.write_text(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
            f"listen edge\n bind fd@{listening.fileno()}\n server g 127.0.0.1:{gateway.port} {send} check inter 100ms\n"
        )
        process = await asyncio.create_subprocess_exec(
            "haproxy", "-db", "-f", str(file), pass_fds=[listening.fileno()], preexec_fn=die_with_parent,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Balancer(listening.getsockname()[1])
        finally:
            process.terminate()
            await process.wait()


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="HAProxy is not installed")
@pytest.mark.parametrize(
    "send",
    [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id",
        "send-proxy-v2 check-send-proxy",
    ],
)
async def test_haproxy_is_understood(send: str, tmp_path: Path) -> None:
    """Its headers of both versions, with a checksum, too; its checks of the port are quiet, with and without a header."""
    async with (
        Origin(b"x") as origin,
        Gateway(asking(origin)) as gateway,
        haproxy(gateway, tmp_path, send) as edge,
    ):

        async def checked() -> bool:
            return (await gateway.metrics()).sum("headgate_connections_accepted_total") >= 3

        await eventually(checked)
        async with Client(edge, source=STRANGER) as client:
            responses = [*await client.exchange(GET), *await client.exchange(GET)]
        assert [response.status for response in responses] == [200, 200]
        assert [request.fields.one("x-forwarded-for") for request in origin.requests] == [STRANGER] * 2
        assert await refused(gateway) == 0
