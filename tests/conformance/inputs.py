"""Bytes that a client or an instance may send, many of them: the corpora of the fuzz targets, the rows, mutations of both, and requests that
are put together from what requests are made of.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st

from tests.conformance.request_rows import rows as request_rows
from tests.conformance.response_rows import rows as response_rows

CORPUS = Path(__file__).parents[2] / "native" / "fuzz" / "corpus"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
MAX_SEED_BYTES = 2_000
"""Longer ones are about bounds, and few of their mutations would be."""

TOKENS = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b"\x0b", b"\0", b"\xff", b":", b",", b";", b"=", b'"', b"/", b"+",
    b"0", b"-1", b"0x1", b"HTTP/1.1", b"HTTP/1.0", b"HEAD ", b"PUT", b"OPTIONS", b"chunked", b"close", b"gzip, ",
    b"Connection: ", b"Connection: upgrade\r\n", b"Upgrade: x\r\n", b"Content-Length: 5\r\n", b"Content_Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n", b"X: y\r\n", b"0\r\n\r\n", b"/../", b"//", b"%2e", b"%2F", b"?",
    b"http://b", b"[::1]:80", b"*", b"Max-Forwards: 1\r\n", b"Expect: 100-continue\r\n", b"TE: trailers\r\n",
    b"Connection: te, x\r\n", b"Via: 1.1 headgate\r\n", b"X-Forwarded-For: a\r\n", b"Trailer: x\r\n", b"X-Request-Id: 1\r\n",
)  # fmt: skip


def request_seeds() -> list[list[bytes]]:
    """What mutations begin with, those of one kind together: requests of the fuzz targets, bodies of theirs, rows."""
    return _kinds(
        *((row.behaviour, row.raw) for row in request_rows()),
        *((file.name, file.read_bytes()) for file in sorted((CORPUS / "request").iterdir())),
        *(("chunked", CHUNKED + file.read_bytes()) for file in sorted((CORPUS / "chunked").iterdir())),
    )


def response_seeds() -> list[list[bytes]]:
    """The same of responses."""
    return _kinds(
        *((row.behaviour, row.raw) for row in response_rows()),
        *((file.name, file.read_bytes()) for file in sorted((CORPUS / "response").iterdir())),
    )


def _kinds(*seeds: tuple[str, bytes]) -> list[list[bytes]]:
    kinds: dict[str, list[bytes]] = defaultdict(list)
    for kind, raw in seeds:
        if len(raw) <= MAX_SEED_BYTES:
            kinds[kind].append(raw)
    return list(kinds.values())


def mutations(kinds: list[list[bytes]], seed: int, count: int) -> Iterator[bytes]:
    """Every seed, then ``count`` of them with one to three places changed."""
    generator = random.Random(seed)
    yield from (raw for kind in kinds for raw in kind)
    for _ in range(count):
        data = bytearray(generator.choice(generator.choice(kinds)))
        for _ in range(generator.randint(1, 3)):
            mutate(data, generator)
        yield bytes(data)


def mutate(data: bytearray, generator: random.Random) -> None:
    """Changes one place."""
    at = generator.randint(0, len(data))
    end = min(len(data), at + generator.randint(0, 12))
    match generator.randrange(5):
        case 0:
            data[at:at] = generator.choice(TOKENS)
        case 1:
            data[at:end] = generator.choice(TOKENS)
        case 2:
            data[at:end] = bytes(byte ^ 1 << generator.randrange(8) for byte in data[at:end])
        case 3:
            data[at:end] *= 2
        case _:
            del data[at:end]


LINES = (
    b"Accept: a", b"accept:b", b"Connection: close", b"Connection: keep-alive, x", b"Connection: te, X-Request-Id, host",
    b"Connection: Upgrade", b"Content_Length: 5", b"Date: x", b"Expect: 100-Continue", b"Forwarded: for=a", b"Keep-Alive: 5",
    b"Max-Forwards: 0", b"Max-Forwards: 07", b"Max-Forwards: x", b"Proxy: x", b"TE: gzip, trailers", b"Trailer: x",
    b"Transfer_Encoding: chunked", b"Upgrade: h2c", b"Upgrade: foo/1, bar", b"Upgrade:", b"Via: 1.0 x, 1.1 headgate",
    b"X: 1", b"x:\t two words \t", b"x_y:", b"X-Bytes: \xe4\xff", b"X-Forwarded-For: a", b"x-forwarded_host: b",
    b"X-Original-URL: /b", b"X-Real-IP: a", b"X-Request-Id: 1", b"X-Request-Id: two words",
)  # fmt: skip
FAULTS = (
    b"Connection", b": a", b"a : b", b" a: b", b"\xff: a", b"a: \0", b"a: b\n", b"Host: a", b"Host: a b", b"Content-Length: 5",
    b"Content-Length: +5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Expect: tea", b"",
)  # fmt: skip
TARGETS = (b"/", b"//", b"a", b".", b"..", b";v=1", b"%2e", b"%2E.", b"%41", b"%c3", b"%25", b"~", b"|", b":")
AMBIGUOUS = (b"%2f", b"%5C", b"%00", b"%", b"%zz", b"\\", b"#", b"\xff", b"..;")
CHUNK_ENDS = (b"", b";a", b' ; a=b;c = "d\\"\t"', b';a=""')
CHUNK_FAULTS = (b" ", b";", b";=a", b';a="', b";a b", b"\n", b"x")


def _mostly(good: tuple[bytes, ...], other: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """One of the good ones, or seldom another."""
    return st.sampled_from(good * 30 + other * (1 + len(good) // len(other)))


def _joined(parts: st.SearchStrategy[bytes], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(parts, max_size=most).map(b"".join)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, most often a legal one, with a body in the way that it may state."""
    method = draw(st.sampled_from([b"GET", b"POST", b"OPTIONS", b"HEAD", b"TRACE", b"X"]))
    path = (
        b"/" + draw(_joined(_mostly(TARGETS, AMBIGUOUS), 6)) + draw(st.sampled_from([b"", b"?", b"?/../%2f"]))
    )
    target = draw(st.sampled_from([path, path, path, b"*", b"http://b:8" + path, b"HTTPS://b?q", path[1:]]))
    version = draw(_mostly((b"1.1", b"1.1", b"1.0"), (b"2.0",)))
    host = draw(_mostly((b"Host: a\r\n", b"Host: A.b:80\r\n", b"Host:\r\n"), (b"", b"Host: [::g]\r\n")))
    lines = draw(_joined(_mostly(LINES, FAULTS).map(lambda line: line + b"\r\n"), 5))
    match draw(st.sampled_from(["none", "length", "chunks", "chunks"])):
        case "none":
            body = b"\r\n"
        case "length":
            content, more = draw(st.binary(max_size=9)), draw(st.sampled_from([0, 0, 0, 1]))
            body = b"Content-Length: %d\r\n\r\n%b" % (len(content) + more, content)
        case _:
            body = b"Transfer-Encoding: chunked\r\n\r\n" + draw(_chunks())
    return b"%b %b HTTP/%b\r\n%b%b%b" % (method, target, version, host, lines, body)


@st.composite
def _chunks(draw: st.DrawFn) -> bytes:
    body = b""
    for data in [*draw(st.lists(st.binary(min_size=1, max_size=20), max_size=3)), b""]:
        size = draw(st.sampled_from([b"%x", b"%X", b"00%x"])) % len(data)
        body += size + draw(_mostly(CHUNK_ENDS, CHUNK_FAULTS)) + b"\r\n" + data + (b"\r\n" if data else b"")
    return body + draw(_joined(_mostly(LINES, FAULTS).map(lambda line: line + b"\r\n"), 3)) + b"\r\n"
