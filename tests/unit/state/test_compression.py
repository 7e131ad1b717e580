"""What the engine encodes is what other people's decoders decode, whatever the body and however it comes."""

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.model import Health
from gateway.state.control import Control, Segment
from gateway.state.lane import FINISH, FINISH_DROP, RELAY, WAIT, Connection, Lane, Snapshot
from gateway.supervisor.rows import Rows
from tests.helpers import configuration
from tests.helpers.message import chunked, parse_head
from tests.helpers.proof import PROOF

EXAMPLES = 2_000 if PROOF else 60
NOW = 1_000_000_000_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

pieces = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=50),
        st.text("ab", min_size=1).map(str.encode),
        st.integers(1, 70_000).map(bytes),
        st.integers(1, 5_000).map(lambda length: b"once and again " * length),
    ),
    max_size=6,
)


@dataclass(frozen=True)
class Received:
    """What a client has got of an answer."""

    coding: str | None
    content: bytes
    is_whole: bool
    """The last chunk has come."""


@pytest.fixture(scope="module")
def lane() -> Lane:
    """A worker's lane before one instance, whose answers are compressed."""
    config = parse(configuration("127.0.0.1:9", route='compress = { min_length = "1B" }'), "g", {})
    segment = Segment.create(lanes=1, instances=1, services=1, series=2, limits=1, limit_keys=16, hash_seed=1)
    control = Control(segment)
    control.open_lane(0, os.getpid())
    control.write_instance(0, 1, "127.0.0.1:9", weight=1, max_in_flight=0, health=Health.HEALTHY)
    control.publish_members(0, [0])
    lane = Lane(segment, 0, random_seed=1)
    lane.adopt(Snapshot.compile(compile_snapshot(config, 1, Rows.fresh(services=1, series=2, limits=1))[1]))
    return lane


def exchange(lane: Lane, coding: str, events: Iterator[bytes], *, closes: bool) -> Iterator[bytes]:
    """What the client has got after each event of the instance's connection, up to the end of the answer."""
    connection = Connection(lane, 0, "192.0.2.1", NOW)
    connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %b\r\n\r\n" % coding.encode(), NOW)
    got = b""
    for event in events:
        action, _, payload = connection.respond(event, NOW)
        assert action in {RELAY, WAIT, FINISH}
        got += payload
        yield got
    if closes:
        action, _, payload = connection.upstream_lost(True, True, False, NOW)
        assert action == FINISH_DROP
        yield got + payload
    connection.close(NOW)


def received(raw: bytes) -> Received:
    """Reads an answer as far as it has come."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    content, fields = b"", parse_head(head).fields
    assert fields.one("transfer-encoding") == "chunked"
    while (size := re.match(rb"([0-9a-f]+)\r\n", rest)) and int(size[1], 16):
        end = size.end() + int(size[1], 16)
        assert rest[end : end + 2] == b"\r\n"
        content, rest = content + rest[size.end() : end], rest[end + 2 :]
    assert rest in {b"", b"0\r\n\r\n"}
    return Received(fields.one("content-encoding"), content, rest != b"")


def ungzip(content: bytes) -> bytes:
    """What a stream of gzip holds as far as it goes."""
    return zlib.decompressobj(wbits=31).decompress(content)


def unzstd(content: bytes) -> bytes:
    """What a stream of zstd holds as far as it goes."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(content)


STREAMED: dict[str, Callable[[bytes], bytes]] = {"gzip": ungzip, "zstd": unzstd}
"""For what has come so far."""


def whole(coding: str, content: bytes) -> bytes:
    """What a complete body holds, by a decoder that refuses what is incomplete, and what follows an end."""
    if coding == "gzip":
        return gzip.decompress(content)
    decoder = zstandard.ZstdDecompressor().decompressobj()
    decoded = decoder.decompress(content)
    assert (decoder.eof, decoder.unused_data) == (True, b"")
    return decoded


FRAMINGS: dict[str, Callable[[list[bytes]], bytes]] = {
    "length": lambda parts: b"Content-Length: %d\r\n\r\n" % sum(map(len, parts)) + b"".join(parts),
    "chunked": lambda parts: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*parts),
    "close": lambda parts: b"\r\n" + b"".join(parts),
}


@settings(max_examples=EXAMPLES)
@given(
    body=pieces.filter(bool),
    coding=st.sampled_from(sorted(STREAMED)),
    framing=st.sampled_from(sorted(FRAMINGS)),
    cuts=st.lists(st.integers(0, 100_000), max_size=6),
)
def test_bodies_arrive_byte_for_byte(
    lane: Lane, body: list[bytes], coding: str, framing: str, cuts: list[int]
) -> None:
    """What came is with the client after each event; nothing is complete before its end, and then it is exact."""
    raw, text = HEAD + FRAMINGS[framing](body), b"".join(body)
    places = [0, *sorted(cut % len(raw) for cut in cuts), len(raw)]
    events = (raw[start:end] for start, end in pairwise(places) if start < end)
    states = [received(got) for got in exchange(lane, coding, events, closes=framing == "close") if got]
    assert all(state.coding == coding for state in states)
    for state in states:
        assert text.startswith(STREAMED[coding](state.content))
        assert state.is_whole == (state is states[-1])
    assert whole(coding, states[-1].content) == text


@pytest.mark.parametrize("coding", STREAMED)
def test_a_stream_is_as_far_as_its_instance(lane: Lane, coding: str) -> None:
    """After each piece that an instance sends the client can decode all of it."""
    parts = [b"event: %d\n\n" % number for number in range(200)]
    events = iter(
        [
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
            *(b"%x\r\n%b\r\n" % (len(part), part) for part in parts),
            b"0\r\n\r\n",
        ]
    )
    _, *states, last = [received(got) for got in exchange(lane, coding, events, closes=False)]
    for count, state in enumerate(states, 1):
        assert STREAMED[coding](state.content) == b"".join(parts[:count])
    assert whole(coding, last.content) == b"".join(parts)


def test_the_length_of_a_body_stands_in_its_zstd_frame(lane: Lane) -> None:
    """Where it is known beforehand, as decoders that make room in one step need it."""
    events = iter([HEAD + FRAMINGS["length"]([b"body " * 100])])
    (got,) = exchange(lane, "zstd", events, closes=False)
    content = received(got).content
    assert zstandard.frame_content_size(content) == 500
    assert zstandard.ZstdDecompressor().decompress(content) == b"body " * 100
