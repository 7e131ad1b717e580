"""One whole exchange, from the client's bytes to the client's answer, beside reading the same bytes with httptools.

The engine's two calls parse, route, charge two limits, select, rewrite both heads and count. httptools (llhttp, with
callbacks that keep what a gateway would need) only parses; what it takes is what the rest would come on top of.
"""

from collections.abc import Callable
from itertools import repeat

import httptools
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.messages import REQUEST_12_FIELDS, RESPONSE
from bench.micro.headgate import HeadgateSide
from gateway.state.lane import FINISH, FORWARD, Connection

NOW = 1_000_000_000


class Message:
    """Keeps what httptools finds: the shape a gateway on it would start from."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        """The target, whole or in pieces."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field."""
        self.headers.append((name, value))

    def on_message_complete(self) -> None:
        """The end."""
        self.complete = True


def headgate() -> Callable[[], None]:
    """An exchange through the engine."""
    connection = Connection(HeadgateSide(instances=2, keys=1).decisions, 0, "192.0.2.1", NOW)

    def exchange() -> None:
        connection.receive(REQUEST_12_FIELDS, NOW)
        connection.respond(RESPONSE, NOW)

    action, _, forwarded = connection.receive(REQUEST_12_FIELDS, NOW)
    assert action == FORWARD
    assert b"X-Forwarded-For: 192.0.2.1\r\n" in forwarded
    assert connection.respond(RESPONSE, NOW)[0] == FINISH
    return exchange


def parsing_alone() -> Callable[[], None]:
    """Both messages read by httptools, and nothing done with them."""

    def read() -> tuple[Message, Message]:
        request, response = Message(), Message()
        httptools.HttpRequestParser(request).feed_data(REQUEST_12_FIELDS)
        httptools.HttpResponseParser(response).feed_data(RESPONSE)
        return request, response

    request, response = read()
    assert request.complete
    assert response.complete
    assert len(request.headers) == REQUEST_12_FIELDS.count(b"\r\n") - 2

    def exchange() -> None:
        read()

    return exchange


@pytest.mark.parametrize("side", [headgate, parsing_alone], ids=["headgate", "httptools"])
def test_exchange(benchmark: BenchmarkFixture, side: Callable[[], Callable[[], None]]) -> None:
    """A small request on a kept connection and its small response."""
    exchange = side()
    benchmark.group = "exchange, 12 header fields"

    def round_of_calls() -> None:
        for _ in repeat(None, 1_000):
            exchange()

    benchmark(round_of_calls)
