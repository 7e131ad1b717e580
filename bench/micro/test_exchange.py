"""One whole exchange, from the client's bytes to the client's answer.

The engine's two calls parse, route, charge a limit, select, rewrite both heads and count. The plain reference does the
same; httptools and h11 only read both heads and write them anew, so all the rest would come on top of what they take.
"""

from collections.abc import Callable, Sequence

import h11
import httptools
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.messages import REQUEST_2_FIELDS, REQUEST_12_FIELDS, RESPONSE
from bench.micro.conftest import time_rounds
from bench.micro.headgate import HeadgateSide
from bench.micro.plain import PlainExchange, PlainRoutes, PlainSide
from gateway.state.lane import FINISH, FORWARD, REPLY, Connection

NOW = 1_000_000_000
CLIENT = "192.0.2.1"
REQUESTS = {"12 fields": REQUEST_12_FIELDS, "2 fields": REQUEST_2_FIELDS}
ROUTES = (10, 1_000, 100_000)

Exchange = Callable[[bytes], bytes]
"""A request, which is answered with ``RESPONSE``; returns the bytes for the instance."""


def headgate(other_routes: int = 0) -> Exchange:
    """Through the engine."""
    connection = Connection(HeadgateSide(other_routes=other_routes).decisions, 0, CLIENT, NOW)

    def exchange(request: bytes) -> bytes:
        _, _, forwarded = connection.receive(request, NOW)
        connection.respond(RESPONSE, NOW)
        return forwarded

    action, _, _ = connection.receive(REQUEST_12_FIELDS, NOW)
    assert action == FORWARD
    action, _, answer = connection.respond(RESPONSE, NOW)
    assert action == FINISH
    assert answer.endswith(RESPONSE[-64:])
    return exchange


def plain(other_routes: int = 0) -> Exchange:
    """With the methods of bytes."""
    gateway = PlainExchange(PlainSide().decisions, PlainRoutes(other_routes), CLIENT.encode())

    def exchange(request: bytes) -> bytes:
        decided = gateway.receive(request, NOW)
        assert decided is not None
        gateway.respond(RESPONSE)
        return decided[1]

    assert gateway.receive(REQUEST_12_FIELDS.replace(b"/some", b"/none"), NOW) is None
    assert gateway.respond(RESPONSE).endswith(RESPONSE[-64:])
    return exchange


class _Message:
    """Keeps what httptools finds."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        """The target, whole or in pieces."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field."""
        self.fields.append((name, value))


def with_httptools() -> Exchange:
    """Read by llhttp, written by joining."""

    def exchange(request: bytes) -> bytes:
        asked, answered = _Message(), _Message()
        httptools.HttpRequestParser(asked).feed_data(request)
        httptools.HttpResponseParser(answered).feed_data(RESPONSE)
        b"".join([b"HTTP/1.1 200 OK\r\n", *[b"%s: %s\r\n" % field for field in answered.fields], b"\r\n"])
        start = b"GET %s HTTP/1.1\r\n" % asked.url
        return b"".join([start, *[b"%s: %s\r\n" % field for field in asked.fields], b"\r\n"])

    return exchange


def with_h11() -> Exchange:
    """One connection object for the client, one for the instance."""
    client, instance = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)

    def passed_on(source: h11.Connection, target: h11.Connection) -> bytes:
        written = b""
        while True:
            event = source.next_event()
            assert isinstance(event, h11.Event), "the message is whole"
            written += target.send(event) or b""
            if isinstance(event, h11.EndOfMessage):
                return written

    def exchange(request: bytes) -> bytes:
        client.receive_data(request)
        forwarded = passed_on(client, instance)
        instance.receive_data(RESPONSE)
        passed_on(instance, client)
        client.start_next_cycle()
        instance.start_next_cycle()
        return forwarded

    return exchange


SIDES: dict[str, Callable[[], Exchange]] = {
    "headgate": headgate,
    "plain": plain,
    "httptools": with_httptools,
    "h11": with_h11,
}


@pytest.mark.parametrize("fields", REQUESTS)
@pytest.mark.parametrize("side", SIDES)
def test_exchange(benchmark: BenchmarkFixture, side: str, fields: str) -> None:
    """A small request on a kept connection and its small response."""
    _time(benchmark, f"exchange, {fields}", SIDES[side](), REQUESTS[fields])


@pytest.mark.parametrize("routes", ROUTES)
@pytest.mark.parametrize("side", [headgate, plain])
def test_routing(benchmark: BenchmarkFixture, side: Callable[[int], Exchange], routes: int) -> None:
    """The same among many routes, to 100 hosts."""
    _time(benchmark, f"exchange among {routes:,} routes", side(routes - 1), REQUEST_12_FIELDS)


@pytest.mark.parametrize(
    ("reason", "change"),
    [("no route", (b"Host: www", b"Host: ftp")), ("beyond the limit", (b"/some/path", b"/limited/path"))],
)
def test_refusal(benchmark: BenchmarkFixture, reason: str, change: tuple[bytes, bytes]) -> None:
    """What the gateway answers itself."""
    connection = Connection(HeadgateSide().decisions, 0, CLIENT, NOW)
    request = REQUEST_12_FIELDS.replace(*change)
    while connection.receive(request, NOW)[0] == FORWARD:  # until the limit is reached
        assert connection.respond(RESPONSE, NOW)[0] == FINISH
    assert connection.receive(request, NOW)[0] == REPLY

    def calls(requests: Sequence[bytes]) -> None:
        for request in requests:
            connection.receive(request, NOW)

    time_rounds(benchmark, f"refusal, {reason}", calls, [request])


def _time(benchmark: BenchmarkFixture, group: str, exchange: Exchange, asked: bytes) -> None:
    target = asked.split(b" ")[1]
    forwarded = exchange(asked)
    assert forwarded.startswith(b"GET %s HTTP/1.1\r\n" % target)
    assert b"\r\naccept: " in forwarded.lower()

    def calls(requests: Sequence[bytes]) -> None:
        for request in requests:
            exchange(request)

    time_rounds(benchmark, group, calls, [asked])
