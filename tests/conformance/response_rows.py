"""What instances send, and what the client gets of it: one row a stimulus, in our own words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
POST_1_0 = b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
KEPT_1_0 = POST_1_0.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
BEGUN = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\nExpect: 100-continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Relayed:
    """The client gets this answer, whole."""

    status: int = 200
    body: bytes = b""
    fields: Mapping[str, list[str]] = field(default_factory=dict)
    interim: tuple[int, ...] = ()
    kept: bool = True
    """The instance's connection is good for another exchange."""
    closes: bool = False
    """The client's connection ends with it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The client gets 502 and keeps its connection; the instance loses its own."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The client gets 502 or sees that its answer broke off, as far as it had begun; never a whole answer."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stimulus and how the instance's connection ends after it, if it does."""

    behaviour: str
    name: str
    raw: bytes
    expected: Relayed | Failed | Broken
    request: bytes = POST
    end: str | None = None


def ok(
    fields: bytes = b"", body: bytes = b"", status: bytes = b"200 OK", *, version: bytes = b"1.1"
) -> bytes:
    """An answer with these lines."""
    return b"HTTP/%b %b\r\n%b\r\n%b" % (version, status, fields, body)


CHUNKED = b"Transfer-Encoding: chunked\r\n"
FIVE = b"Content-Length: 5\r\n"


def rows() -> Iterator[Row]:
    """All rows."""
    yield from _bodies()
    yield from _framing()
    yield from _bodiless()
    yield from _interim()
    yield from _heads()
    yield from _fields()


def _failed(behaviour: str, name: str, *raws: bytes) -> Iterator[Row]:
    for number, raw in enumerate(raws):
        yield Row(behaviour, f"{name} {number}", raw, Failed())


def _bodies() -> Iterator[Row]:
    for end in ("fin", "reset"):
        yield Row("U01", f"a short body, {end}", ok(b"Content-Length: 10\r\n", b"hello"), Broken(), end=end)
        yield Row("U01", f"no last chunk, {end}", ok(CHUNKED, b"5\r\nhello\r\n"), Broken(), end=end)
        yield Row("U01", f"half a last chunk, {end}", ok(CHUNKED, b"5\r\nhello\r\n0\r\n"), Broken(), end=end)
        yield Row("U01", f"half a chunk, {end}", ok(CHUNKED, b"5\r\nhel"), Broken(), end=end)
        yield Row("U01", f"half a head, {end}", b"HTTP/1.1 200 OK\r\nContent-L", Failed(), end=end)
        yield Row("U01", f"nothing, {end}", b"", Failed(), end=end)
    yield Row("U02", "more than the length", ok(FIVE, b"hello!"), Relayed(body=b"hello", kept=False))
    yield Row(
        "U02", "another answer", ok(FIVE, b"hello" + ok(FIVE, b"stole")), Relayed(body=b"hello", kept=False)
    )
    yield Row(
        "U02",
        "more than the last chunk",
        ok(CHUNKED, b"5\r\nhello\r\n0\r\n\r\nX"),
        Relayed(body=b"hello", kept=False),
    )
    plain = ok(b"", b"hello")
    yield Row(
        "U05",
        "until the close",
        plain,
        Relayed(body=b"hello", fields={"transfer-encoding": ["chunked"]}, kept=False),
        end="fin",
    )
    yield Row("U05", "until a reset", plain, Broken(), end="reset")
    old = Relayed(
        body=b"hello", fields={"transfer-encoding": [], "connection": ["close"]}, kept=False, closes=True
    )
    yield Row("U05", "until the close, for 1.0", plain, old, KEPT_1_0, end="fin")
    yield Row(
        "U05",
        "chunks for 1.0",
        ok(CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
        Relayed(body=b"hello", fields={"transfer-encoding": []}, closes=True),
        KEPT_1_0,
    )
    yield Row(
        "U05", "from 1.0", ok(b"", b"hello", version=b"1.0"), Relayed(body=b"hello", kept=False), end="fin"
    )
    yield Row(
        "U05",
        "from 1.0 with a length",
        ok(FIVE, b"hello", version=b"1.0"),
        Relayed(body=b"hello", kept=False),
    )
    yield Row(
        "U09",
        "before the end of the request",
        ok(FIVE, b"hello", b"413 Too Much"),
        Relayed(413, b"hello", kept=False, closes=True),
        BEGUN,
    )
    yield Row(
        "L02",
        "the instance closes",
        ok(b"Connection: close\r\n" + FIVE, b"hello"),
        Relayed(body=b"hello", fields={"connection": []}, kept=False),
    )
    yield Row(
        "L02",
        "1.0 is told that it stays",
        ok(FIVE, b"hello"),
        Relayed(body=b"hello", fields={"connection": ["keep-alive"]}),
        KEPT_1_0,
    )
    yield Row(
        "L02",
        "1.0 is told that it ends",
        ok(FIVE, b"hello"),
        Relayed(body=b"hello", fields={"connection": ["close"]}, closes=True),
        POST_1_0,
    )


def _framing() -> Iterator[Row]:
    lengths = [
        b"5\r\nContent-Length: 6",
        b"5\r\nContent-Length: 5",
        b"5, 5",
        b"",
        b"-1",
        b"+5",
        b"5 5",
        b"0x5",
        b"five",
        b"9223372036854775808",
    ]
    yield from _failed("U03", "lengths", *(ok(b"Content-Length: %b\r\n" % it, b"hello") for it in lengths))
    codings = [
        b"gzip",
        b"chunked, chunked",
        b"gzip, chunked",
        b"",
        b"xchunked",
        b"chunked\r\nTransfer-Encoding: chunked",
        b"\x0bchunked",
    ]
    yield from _failed(
        "U03", "codings", *(ok(b"Transfer-Encoding: %b\r\n" % it, b"0\r\n\r\n") for it in codings)
    )
    yield from _failed(
        "U03",
        "both",
        ok(FIVE + CHUNKED, b"0\r\n\r\n"),
        ok(CHUNKED + FIVE, b"0\r\n\r\n"),
        ok(CHUNKED, b"0\r\n\r\n", version=b"1.0"),
    )
    chunks = [
        b"5\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello",
        b"5\r\nhello!!",
        b"g\r\n",
        b"5;\n",
        b"0\r\nno colon\r\n\r\n",
        b"8000000000000000\r\n",
    ]
    for number, body in enumerate(chunks):
        yield Row("U03", f"chunks {number}", ok(CHUNKED, body), Broken())


def _bodiless() -> Iterator[Row]:
    length = {"content-length": ["5"]}
    yield Row("U04", "to HEAD", ok(FIVE), Relayed(fields=length), HEAD)
    yield Row("U04", "to HEAD, chunked", ok(CHUNKED), Relayed(fields={"content-length": []}), HEAD)
    yield Row("U04", "to HEAD, with a body", ok(FIVE, b"hello"), Relayed(fields=length, kept=False), HEAD)
    yield Row(
        "U04",
        "204",
        ok(b"", b"", b"204 No Content"),
        Relayed(204, fields={"content-length": [], "transfer-encoding": []}),
    )
    yield Row(
        "U04",
        "204 with a length",
        ok(FIVE, b"", b"204 No Content"),
        Relayed(204, fields={"content-length": []}, kept=False),
    )
    yield Row(
        "U04",
        "204 with a body",
        ok(FIVE, b"hello", b"204 No Content"),
        Relayed(204, fields={"content-length": []}, kept=False),
    )
    yield Row("U04", "304", ok(FIVE, b"", b"304 Not Modified"), Relayed(304, fields=length))
    yield Row(
        "U04",
        "304 with a body",
        ok(FIVE, b"hello", b"304 Not Modified"),
        Relayed(304, fields=length, kept=False),
    )
    yield Row(
        "U04", "no body at all", ok(b"Content-Length: 0\r\n"), Relayed(fields={"content-length": ["0"]})
    )


def _interim() -> Iterator[Row]:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n"
    final = ok(FIVE, b"hello")
    yield Row("U06", "early hints", early + final, Relayed(body=b"hello", interim=(103,)))
    yield Row(
        "U06",
        "several",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + early + final,
        Relayed(body=b"hello", interim=(100, 102, 103)),
    )
    yield Row("U06", "not to 1.0", early + final, Relayed(body=b"hello", closes=True), POST_1_0)
    yield Row("U06", "sixteen", early * 16 + final, Relayed(body=b"hello", interim=(103,) * 16))
    yield Row("U06", "seventeen", early * 17 + final, Failed())
    for name, last in (
        ("the last one is said to be", early.replace(b": x", b": close")),
        ("1.0", early.replace(b"1.1", b"1.0")),
    ):
        yield Row("U06", name, last + final, Relayed(body=b"hello", interim=(103,), kept=False))
    switch = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    yield Row("U07", "unasked", switch, Failed())
    yield Row(
        "U07", "without a protocol", b"HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n", Failed(), UPGRADE
    )
    yield Row(
        "L07",
        "100 and 101",
        b"HTTP/1.1 100 Continue\r\n\r\n" + switch,
        Relayed(101, interim=(100,), fields={"upgrade": ["echo"], "connection": ["Upgrade"]}),
        UPGRADE,
    )


def _heads() -> Iterator[Row]:
    yield from _failed(
        "U08", "no status line", b"\x16\x03\x01 hello\r\n\r\n", b"<html>\r\n\r\n", ok(FIVE, b"hello", b"99"), ok(FIVE, b"hello", b"099 X"), ok(FIVE, b"hello", b"2000 X"),
        ok(FIVE, b"hello", b"abc X"), ok(FIVE, b"hello", version=b"2.0"), ok(FIVE, b"hello", version=b"1.2"), b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 200 O\x00K\r\n\r\n", b"HTTP/1.1 200 O\rK\r\n\r\n", b" HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1  200 OK\r\n\r\n",
    )  # fmt: skip
    lines = [
        b"X: y\r\n z\r\n",
        b"X : y\r\n",
        b"X\r\n",
        b": y\r\n",
        b"X: a\x00b\r\n",
        b"X: a\x07b\r\n",
        b"X: a\x7fb\r\n",
        b"X\xe4: y\r\n",
        b" X: y\r\n",
    ]
    yield from _failed("U08", "no field line", *(ok(line + FIVE, b"hello") for line in lines))
    yield from _failed(
        "U08",
        "too large",
        ok(b"X: %b\r\n" % (b"x" * 16384)),
        ok(b"X: y\r\n" * 201),
        ok((b"X: %b\r\n" % (b"x" * 16000)) * 5),
        ok(b"X: " + b"x" * 70000),
    )
    yield Row("U08", "200 fields", ok(b"X: y\r\n" * 199 + FIVE, b"hello"), Relayed(body=b"hello"))
    yield Row("U08", "no reason", ok(FIVE, b"hello", b"200"), Relayed(body=b"hello"))
    yield from _failed(
        "H11",
        "a line end in a value",
        ok(b"X: a\rSet-Cookie: b\r\n" + FIVE, b"hello"),
        ok(b"X: a\nSet-Cookie: b\r\n" + FIVE, b"hello"),
    )


def _fields() -> Iterator[Row]:
    hops = b"Connection: X-Foo, keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: x\r\nTE: x\r\nProxy-Authenticate: x\r\nX-Foo: 1\r\nX-Bar: 2\r\n"
    names = ["connection", "keep-alive", "proxy-connection", "upgrade", "te", "proxy-authenticate", "x-foo"]
    yield Row(
        "H01",
        "fields of one hop",
        ok(hops + FIVE, b"hello"),
        Relayed(body=b"hello", fields={name: [] for name in names} | {"x-bar": ["2"]}),
    )
    several = (
        b"Set-Cookie: a=1; Path=/\r\nX-Empty:\r\nset-cookie: b=2\r\nDate: d\r\nServer: s\r\nX-Bytes: \xe4\r\n"
    )
    fields = {
        "set-cookie": ["a=1; Path=/", "b=2"],
        "x-empty": [""],
        "date": ["d"],
        "server": ["s"],
        "x-bytes": ["\u00e4"],
    }
    yield Row("H08", "other fields", ok(several + FIVE, b"hello"), Relayed(body=b"hello", fields=fields))
