"""Health probes against servers with a vice."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.model import InstanceAddress
from gateway.supervisor.health.policy import Outcome
from gateway.supervisor.health.prober import MAX_HEAD_BYTES, Check, Finding, Probe, Prober
from tests.helpers.patience import eventually

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HTTP = Check(Probe.HTTP, "/healthz?deep=1", timeout_s=0.3)
PATIENT = Check(Probe.HTTP, "/", timeout_s=20.0)
TCP = Check(Probe.TCP, "/", timeout_s=0.3)


async def probe(address: InstanceAddress, check: Check) -> Finding:
    """What a prober that asks nobody else finds."""
    prober = Prober(asyncio.get_running_loop())
    try:
        return await prober.probe(address, check)
    finally:
        prober.close()


@contextlib.asynccontextmanager
async def _server(handler: Handler, path: Path | None = None) -> AsyncIterator[InstanceAddress]:
    """A server on loopback or on a socket file; at the end no connection to it is left."""
    open_connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_connections
        open_connections += 1
        try:
            with contextlib.suppress(ConnectionError):
                await handler(reader, writer)
                await reader.read()
        finally:
            open_connections -= 1
            writer.close()

    if path is None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server = await asyncio.start_unix_server(handle, path)
        address = f"unix:{path}"
    async with server:
        yield InstanceAddress.parse(address)
        await eventually(lambda: open_connections == 0, why="the probe closed its connection")


def _says(*pieces: bytes) -> Handler:
    """Reads a request head and writes the pieces one by one."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return handle


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], Outcome.PASSED, "status 200"),
        ([b"HTTP/1.0 204 No Content\r\n\r\n"], Outcome.PASSED, "status 204"),
        ([b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"], Outcome.PASSED, "status 302"),
        ([b"HTTP/1.1 404 Not Found\r\n\r\n"], Outcome.FAILED, "status 404"),
        ([b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsor"], Outcome.FAILED, "status 503"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], Outcome.PASSED, "status 200"),
        ([bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"], Outcome.PASSED, "status 200"),
        ([b"SSH-2.0-OpenSSH_9\r\n"], Outcome.FAILED, "the answer is not HTTP"),
        ([b"\x00" * 64], Outcome.FAILED, "the answer is not HTTP"),
    ],
)
async def test_an_answer(answer: list[bytes], outcome: Outcome, reason: str) -> None:
    """The final status decides, however it arrives; what is no HTTP is a failure."""
    async with _server(_says(*answer)) as address:
        assert await probe(address, PATIENT) == Finding(outcome, reason)


async def test_the_request() -> None:
    """A GET of the configured target, with the address as Host and the name of the prober."""
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with _server(handle) as address:
        await probe(address, HTTP)
    line, *fields = seen[0].decode().split("\r\n")
    assert line == "GET /healthz?deep=1 HTTP/1.1"
    assert {f"Host: {address}", "User-Agent: headgate-health", "Connection: close"} <= set(fields)


async def test_a_silent_server_fails_when_the_time_is_over() -> None:
    """Accepting a connection is no answer."""
    async with _server(_says()) as address:
        assert await probe(address, HTTP) == Finding(Outcome.FAILED, "no answer within 0.3 s")


async def test_one_time_out_covers_the_whole_probe() -> None:
    """Bytes that keep coming do not prolong it."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with _server(drip) as address:
        assert await probe(address, HTTP) == Finding(Outcome.FAILED, "no answer within 0.3 s")


@pytest.mark.parametrize("piece", [b"X: y\r\n" * 200, b"x" * 1000], ids=["endless fields", "an endless line"])
async def test_an_endless_head_is_cut_off(piece: bytes) -> None:
    """The prober stops reading soon after its bound, long before the time is over."""

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    async with _server(pour) as address:
        finding = await probe(address, PATIENT)
    assert finding == Finding(Outcome.FAILED, f"the answer's head is longer than {MAX_HEAD_BYTES} bytes")


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nX:"])
async def test_a_connection_that_is_closed_too_early(sent: bytes) -> None:
    """A FIN before the end of the head is a failure at once."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    async with _server(hang_up) as address:
        assert await probe(address, PATIENT) == Finding(
            Outcome.FAILED, "closed the connection without an answer"
        )


async def test_a_reset() -> None:
    """So is a reset."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with _server(reset) as address:
        assert await probe(address, PATIENT) == Finding(Outcome.FAILED, "reset the connection")


@pytest.mark.parametrize("check", [HTTP, TCP])
async def test_nobody_listens(check: Check) -> None:
    """A refused connection is a failure for both kinds of probe, and named."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = InstanceAddress.parse(f"127.0.0.1:{closed.getsockname()[1]}")
        finding = await probe(address, check)
    assert finding.outcome is Outcome.FAILED
    assert "refused" in finding.reason


async def test_a_tcp_probe_only_connects() -> None:
    """A server that never says a word passes it."""
    async with _server(_says()) as address:
        assert await probe(address, TCP) == Finding(Outcome.PASSED, "accepts connections")


async def test_a_unix_socket(tmp_path: Path) -> None:
    """Instances behind a socket file are probed as others are."""
    async with _server(_says(b"HTTP/1.1 200 OK\r\n\r\n"), tmp_path / "s") as address:
        assert await probe(address, HTTP) == Finding(Outcome.PASSED, "status 200")
