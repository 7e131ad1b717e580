"""Proof: what llhttp, strict, refuses to read as a request, the engine refuses; where both accept, they read the same."""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httptools
import pytest

from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.model import Health
from gateway.state.control import Control, Segment
from gateway.state.lane import FORWARD, Connection, Lane, Snapshot
from gateway.supervisor.rows import Rows
from tests.helpers import configuration
from tests.helpers.proof import PROOF

INPUTS = 1_000_000 if PROOF else 50_000
CORPUS = Path(__file__).parents[2] / "native" / "fuzz" / "corpus"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKENS = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b"\x0b", b"\0", b"\xff", b":", b",", b";", b"=", b'"', b"/", b"+",
    b"0", b"-1", b"0x1", b"HTTP/1.1", b"HTTP/1.0", b"HEAD ", b"PUT", b"chunked", b"close", b"gzip, ", b"Connection: ",
    b"Connection: upgrade\r\n", b"Upgrade: x\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n", b"X: y\r\n", b"0\r\n\r\n",
)  # fmt: skip
OWN = {
    "connection", "content-length", "expect", "forwarded", "host", "keep-alive", "max-forwards", "proxy", "te", "trailer",
    "transfer-encoding", "upgrade", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id",
    "proxy-connection",
}  # fmt: skip
"""Fields that the gateway writes itself, or that end at it, in every spelling."""
PLAIN_TARGET = re.compile(rb"/[A-Za-z0-9]*(\?[A-Za-z0-9=]*)?")
"""A target that is forwarded as it came: nothing in it has another spelling."""


@dataclass
class Reading:
    """The first message in some bytes as llhttp reads it."""

    method: bytes = b""
    target: bytes = b""
    fields: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytes = b""
    in_body: bool = False
    complete: bool = False
    error: httptools.HttpParserError | None = None
    parser: httptools.HttpRequestParser | None = None

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if not self.complete:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field, of the head or of the trailers."""
        if not self.in_body:
            self.fields.append((name.decode("latin-1").lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if not self.in_body:
            assert self.parser is not None
            self.in_body, self.method = True, self.parser.get_method()

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        if not self.complete:
            self.body += data

    def on_message_complete(self) -> None:
        """What follows is another message."""
        self.complete = True

    def values(self, name: str) -> list[bytes]:
        """Every value of a field."""
        return [value for other, value in self.fields if other == name]

    def end_to_end(self) -> list[tuple[str, bytes]]:
        """The fields that are no hop's own."""
        nominated = {
            option.strip().lower() for value in self.values("connection") for option in value.split(b",")
        }
        return [
            (name, value)
            for name, value in self.fields
            if not is_own(name) and name.encode("latin-1") not in nominated
        ]


def is_own(name: str) -> bool:
    """Does no field of this name pass as it came?"""
    dashed = name.replace("_", "-")
    return dashed in OWN or dashed.startswith("x-forwarded-")


def read(data: bytes) -> Reading:
    """What llhttp makes of the first message."""
    reading = Reading()
    reading.parser = httptools.HttpRequestParser(reading)
    try:
        reading.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # the message was whole
    except httptools.HttpParserError as error:
        reading.error = None if reading.complete else error
    reading.parser = None
    return reading


def forwarded(lane: Lane, data: bytes, now: int) -> Reading | None:
    """The request that the engine sends to an instance when a client sends these bytes at once, as llhttp reads it."""
    connection = Connection(lane, 0, "192.0.2.1", now)
    action, _, payload = connection.receive(data, now)
    connection.close(now)
    if action != FORWARD:
        return None
    reading = read(payload)
    assert reading.error is None or is_extension(reading.error), (data, payload, reading.error)
    return reading


def is_extension(error: httptools.HttpParserError) -> bool:
    """llhttp knows a list of methods; to the gateway any token is one (RFC 9110 section 9.1)."""
    return isinstance(error, httptools.HttpParserInvalidMethodError)


def is_dropped_trailer(reading: Reading) -> bool:
    """llhttp refuses trailers that frame a message; the gateway drops them (RFC 9110 section 6.5.1)."""
    words = ("Content-Length", "Transfer-Encoding")
    return reading.in_body and any(word in str(reading.error) for word in words)


def is_whitespace(reading: Reading, data: bytes) -> bool:
    """llhttp refuses what may stand around the ";" and "=" of chunk extensions (RFC 9112 section 7.1.1), and only that."""
    head, blank, body = data.partition(b"\r\n\r\n")
    tightened = head + blank + re.sub(rb"[ \t]*([;=])[ \t]*", rb"\1", body)
    return "chunk" in str(reading.error) and read(tightened).error is None


def corpus() -> list[bytes]:
    """The inputs of the fuzz targets that are requests, or bodies of requests."""
    requests = [file.read_bytes() for file in sorted((CORPUS / "request").iterdir())]
    return requests + [CHUNKED + file.read_bytes() for file in sorted((CORPUS / "chunked").iterdir())]


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """Inputs with one to three places changed."""
    generator, inputs = random.Random(seed), corpus()
    for _ in range(count):
        data = bytearray(generator.choice(inputs))
        for _ in range(generator.randint(1, 3)):
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
        yield bytes(data)


@pytest.fixture
def lane() -> Lane:
    """A lane with a healthy instance that gets every request."""
    segment = Segment.create(
        lanes=4, instances=1, services=1, series=4, limits=4, limit_keys=16, hash_seed=42
    )
    control = Control(segment)
    control.open_lane(0, os.getpid())
    control.write_instance(0, 1, "127.0.0.1:9", weight=1, max_in_flight=0, health=Health.HEALTHY)
    control.publish_members(0, [0])
    _, blob = compile_snapshot(
        parse(configuration("127.0.0.1:9"), "differential", {}), 1, Rows.fresh(services=1, series=4, limits=4)
    )
    lane = Lane(segment, 0, random_seed=42)
    lane.adopt(Snapshot.compile(blob))
    return lane


@pytest.mark.timeout(1200)
def test_the_engine_is_as_strict_as_llhttp_and_reads_the_same(lane: Lane) -> None:
    """Over the corpora and mutations of them; what may differ is said by a function above, each a rule of the gateway."""
    seen: Counter[str] = Counter()
    now = 1
    for data in (*corpus(), *mutations(1, INPUTS)):
        theirs, ours = read(data), forwarded(lane, data, now)
        if ours is None:
            seen["refused by the engine" if theirs.complete else "refused by both"] += 1
        elif theirs.error is not None:
            excused = is_extension(theirs.error) or is_dropped_trailer(theirs) or is_whitespace(theirs, data)
            assert excused or not ours.complete, (data, theirs.error)
            seen["excused" if excused else "not whole yet"] += 1
        elif theirs.complete:
            assert ours.complete, data
            assert (ours.method, ours.body) == (theirs.method, theirs.body), data
            assert ours.end_to_end() == theirs.end_to_end(), data
            if PLAIN_TARGET.fullmatch(theirs.target):
                assert (ours.target, ours.values("host")) == (
                    theirs.target,
                    theirs.values("host") or [b""],
                ), data
            seen["the same"] += 1
        else:
            assert not ours.complete, data
            seen["not whole yet"] += 1
    assert seen["the same"] > INPUTS / 10
    assert seen["refused by both"] > INPUTS / 2
    assert seen["excused"] < INPUTS / 20
