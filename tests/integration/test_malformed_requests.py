"""A request that is not HTTP/1.1 to the letter gets its 4xx (or 501, 505) and never reaches an instance."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.helpers import Client, Gateway, Origin, configuration

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = 'max = { head = "4KiB", line = "2KiB", fields = 20, target = "1KiB", body = "1KiB" }'
A = b"Host: a\r\n"


def get(fields: bytes) -> bytes:
    """A GET with these lines after its request line."""
    return b"GET / HTTP/1.1\r\n" + fields + b"\r\n"


def post(fields: bytes, body: bytes = b"hello") -> bytes:
    """A POST with a Host, these lines and a body."""
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + body


ROWS: list[tuple[str, bytes, set[int]]] = [
    # the request line (RFC 9112 section 3)
    ("no version", b"GET /\r\n\r\n", {400}),
    ("a later major version", b"GET / HTTP/2.0\r\n" + A + b"\r\n", {400, 505}),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    ("a version in lower case", b"GET / http/1.1\r\n" + A + b"\r\n", {400}),
    ("a version with two digits", b"GET / HTTP/1.10\r\n" + A + b"\r\n", {400, 505}),
    ("another protocol", b"GET / ICY/1.1\r\n" + A + b"\r\n", {400}),
    ("two spaces after the method", b"GET  / HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("two spaces before the version", b"GET /  HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a space after the version", b"GET / HTTP/1.1 \r\n" + A + b"\r\n", {400}),
    ("a space before the method", b" GET / HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a tab between the parts", b"GET\t/ HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a method that is no token", b"G(T / HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a space in the target", b"GET /a b HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a control byte in the target", b"GET /\x01 HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a NUL in the target", b"GET /\x00 HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a target without a slash", b"GET foo HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("an asterisk for GET", b"GET * HTTP/1.1\r\n" + A + b"\r\n", {400}),
    ("a tunnel to elsewhere", b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", {400, 405, 501}),
    ("the hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", {400}),
    # field lines (RFC 9112 section 5)
    ("a line without a colon", get(A + b"nonsense\r\n"), {400}),
    ("a space before the colon", get(A + b"X : 1\r\n"), {400}),
    ("no field name", get(A + b": 1\r\n"), {400}),
    ("a field name that is no token", get(A + b"X@Y: 1\r\n"), {400}),
    ("a field name beyond ASCII", get(A + b"X\xc3\xa4: 1\r\n"), {400}),
    ("a folded line", get(A + b"X: 1\r\n 2\r\n"), {400}),
    ("a fold before the first field", b"GET / HTTP/1.1\r\n X: 1\r\n" + A + b"\r\n", {400}),
    ("a NUL in a value", get(A + b"X: a\x00b\r\n"), {400}),
    ("a control byte in a value", get(A + b"X: a\x07b\r\n"), {400}),
    ("a DEL in a value", get(A + b"X: a\x7fb\r\n"), {400}),
    ("a bare CR in a value", get(A + b"X: a\rb\r\n"), {400}),
    ("bare LF as line ends", b"GET / HTTP/1.1\nHost: a\n\n", {400}),
    ("one bare LF", b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", {400}),
    # Host (RFC 9112 section 3.2)
    ("no Host", get(b"X: 1\r\n"), {400}),
    ("two Hosts", get(A + b"Host: b\r\n"), {400}),
    ("the same Host twice", get(A + A), {400}),
    ("a Host with a space", get(b"Host: a b\r\n"), {400}),
    ("a Host with a path", get(b"Host: a/b\r\n"), {400}),
    ("a Host with a user", get(b"Host: u@a\r\n"), {400}),
    ("a Host with two ports", get(b"Host: a:1:2\r\n"), {400}),
    ("a Host with a port that is no number", get(b"Host: a:x\r\n"), {400}),
    # framing (RFC 9112 section 6)
    ("both framings", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), {400}),
    (
        "both framings, the other way",
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
        {400},
    ),
    ("two lengths", post(b"Content-Length: 5\r\nContent-Length: 6\r\n"), {400}),
    ("a list of lengths", post(b"Content-Length: 5, 6\r\n"), {400}),
    ("a negative length", post(b"Content-Length: -5\r\n"), {400}),
    ("a signed length", post(b"Content-Length: +5\r\n"), {400}),
    ("a hexadecimal length", post(b"Content-Length: 0x5\r\n"), {400}),
    ("a length with a tail", post(b"Content-Length: 5a\r\n"), {400}),
    ("a length with a space inside", post(b"Content-Length: 5 5\r\n"), {400}),
    ("an empty length", post(b"Content-Length: \r\n"), {400}),
    ("a length beyond 64 bits", post(b"Content-Length: 18446744073709551621\r\n"), {400, 413}),
    ("an unknown coding", post(b"Transfer-Encoding: gzip\r\n"), {400, 501}),
    (
        "an unknown coding before chunked",
        post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        {400, 501},
    ),
    ("chunked twice", post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), {400}),
    ("chunked in two fields", post(b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n"), {400}),
    ("chunked not last", post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), {400, 501}),
    ("almost chunked", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), {400, 501}),
    ("an empty coding", post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"), {400, 501}),
    ("chunked with a vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), {400}),
    (
        "chunks in HTTP/1.0",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    ("an unknown expectation", post(b"Expect: miracles\r\nContent-Length: 5\r\n"), {417}),
    # sizes
    ("a target that is too long", b"GET /" + b"a" * 1500 + b" HTTP/1.1\r\n" + A + b"\r\n", {414}),
    ("a request line without an end", b"GET /" + b"a" * 9000, {414, 431}),
    ("a line that is too long", get(A + b"X: " + b"a" * 3000 + b"\r\n"), {431}),
    ("too many fields", get(A + b"X: 1\r\n" * 30), {431}),
    ("a head that is too large", get(A + (b"X: " + b"a" * 1000 + b"\r\n") * 5), {431}),
    ("a head without an end", get(A + (b"X: " + b"a" * 1000 + b"\r\n") * 9)[:-2], {431}),
    ("a body that is too large", post(b"Content-Length: 2000\r\n", b"a" * 10), {413}),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def origin() -> AsyncIterator[Origin]:
    """The instance that must see nothing."""
    async with Origin() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(origin: Origin) -> AsyncIterator[Gateway]:
    """One gateway for all rows; a row that brings it down fails the following ones too."""
    async with Gateway(configuration(origin, listen=LIMITS)) as running:
        yield running


@pytest.mark.parametrize(("raw", "statuses"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
@pytest.mark.parametrize("split", [False, True], ids=["whole", "in pieces"])
async def test_malformed(
    gateway: Gateway, origin: Origin, raw: bytes, statuses: set[int], split: bool
) -> None:
    """The row's status comes back, the connection is closed, and the instance was not even connected to."""
    seen = len(origin.requests), len(origin.connections)
    async with Client(gateway) as client:
        if split:
            await client.send_split(raw, 5 if len(raw) < 500 else 400)
        else:
            await client.send(raw)
        response = await client.response()
        assert response.status in statuses
        assert (response.fields.one("proxy-status") or "").startswith("headgate")
        assert await client.at_end() == b""
    assert (len(origin.requests), len(origin.connections)) == seen


@pytest.mark.parametrize(
    "chunks",
    [
        b"g\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5;a=\x00\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        b"0\r\nContent-Length\r\n\r\n",
        b"0\r\n\x00: 1\r\n\r\n",
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["at once", "after the head"])
async def test_malformed_chunks(gateway: Gateway, origin: Origin, chunks: bytes, late: bool) -> None:
    """A broken chunk gets 400 or a visible abort; an instance that has the head already never sees the end."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Client(gateway) as client:
        await client.send_split(head + chunks, len(head)) if late else await client.send(head + chunks)
        answer = await client.at_end()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert not any(request.complete for request in origin.requests if request.method == "POST")


async def test_a_pipelined_malformed_request(gateway: Gateway, origin: Origin) -> None:
    """The good request before a malformed one is answered first; what follows the malformed one is not read."""
    raw = get(A).replace(b"/ ", b"/good ") + b"BAD\r\n\r\n" + get(A).replace(b"/ ", b"/after ")
    async with Client(gateway) as client:
        good, bad = await client.exchange(raw, ("GET", "GET"))
        assert (good.status, bad.status) == (200, 400)
        assert await client.at_end() == b""
    assert "/after" not in [request.target for request in origin.requests]
