"""An answer that is not HTTP gives 502, or a visibly aborted message once bytes have gone out."""

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually, vices

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"

ROWS: list[tuple[str, bytes]] = [
    ("no status line", b"\x16\x03\x01 this is not HTTP\r\n\r\n"),
    ("HTTP/0.9", b"<html>hello</html>\r\n\r\n"),
    ("a later major version", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status with two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status with four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status that is no number", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status below 100", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a NUL in a value", OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n"),
    ("a bare CR in a value", OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n"),
    ("a line without a colon", OK + b"nonsense\r\nContent-Length: 0\r\n\r\n"),
    ("both framings", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("a negative length", OK + b"Content-Length: -1\r\n\r\n"),
    ("a length that is no number", OK + b"Content-Length: five\r\n\r\nhello"),
    ("chunked twice", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        "switching without being asked",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ),
]


@pytest.mark.parametrize("script", [row[1] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_malformed_heads(script: bytes) -> None:
    """A head that cannot be understood gives 502, the instance's connection is closed, the client's stays."""
    async with vices.SpeaksGarbage(script) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            for _ in range(2):
                (response,) = await client.exchange(GET)
                assert response.status == 502
                assert (response.fields.one("proxy-status") or "").startswith("headgate")
        await eventually(lambda: origin.open_connections == 0)
        assert await gateway.in_flight() == 0


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_an_end_instead_of_an_answer(then: str) -> None:
    """An instance that ends the connection inside its head gives 502."""
    async with vices.Scripted(b"HTTP/1.1 200 OK\r\nX-Ha", then=then) as origin:
        async with Gateway(configuration(origin)) as gateway, Client(gateway) as client:
            (response,) = await client.exchange(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST"
            )
            assert response.status == 502
            assert len(origin.requests) == 1, "a POST is never sent twice"


async def test_an_endless_head() -> None:
    """A head without end gives 502 and the instance's connection is closed."""
    async with vices.SendsEndlessHead() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            assert (await client.exchange(GET))[0].status == 502
        await eventually(lambda: origin.open_connections == 0)


@pytest.mark.parametrize(
    "origin",
    [
        vices.ClosesMidBody(),
        vices.ResetsMidBody(),
        vices.ClosesMidChunk(),
        vices.CloseDelimited(b"part", then="reset"),
        vices.Scripted(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nzz\r\nbad\r\n"),
        vices.Scripted(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\ngoodBAD"),
    ],
    ids=[
        "closes",
        "resets",
        "closes in a chunk",
        "resets instead of the end",
        "bad chunk size",
        "bad chunk end",
    ],
)
async def test_broken_bodies(origin: Origin) -> None:
    """A body that breaks off never looks complete to the client."""
    async with origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            raw = await client.at_end()
        assert not raw.startswith(b"HTTP/1.1 200") or not complete(raw)
        await eventually(lambda: origin.open_connections == 0)
        await eventually(gateway.empty)


async def test_more_bytes_than_promised() -> None:
    """What an instance sends beyond its length reaches nobody, and its connection is not used again."""
    async with vices.LiesAboutLength(says=5, sends=50) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            for _ in range(3):
                (response,) = await client.exchange(GET)
                assert (response.status, response.body.data) == (200, b"xxxxx")
        assert len(origin.connections) == 3


def complete(raw: bytes) -> bool:
    """Would a client take this for a whole message? A message that only the close delimits must not close cleanly."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    return b"content-length: 100" not in head.lower()
