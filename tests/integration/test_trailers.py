"""Trailers pass both ways where both sides speak chunks, without what must stand in a head."""

import pytest

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.message import chunked
from tests.helpers.origin import OriginConnection, Request
from tests.helpers.vices import ChunkedBody, Scripted

GOOD = [("X-Sum", "3"), ("grpc-status", "0"), ("X-Sum", "4"), ("Empty", "")]
BAD = [
    ("Content-Length", "9"), ("Transfer-Encoding", "chunked"), ("Host", "evil"), ("Authorization", "Basic eA=="),
    ("Connection", "close"), ("X-Forwarded-For", "192.0.2.9"), ("Set-Cookie", "a=b"), ("TE", "gzip"),
]  # fmt: skip
MIXED = [pair for both in zip(GOOD, BAD, strict=False) for pair in both] + BAD[len(GOOD) :]
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 3, 1000])
async def test_trailers_of_requests_reach_the_instance(pieces: int) -> None:
    """In their order, announced by ``Trailer``; the connection goes on behind them."""
    raw = HEAD + chunked(b"one", b"two", trailers=MIXED)
    async with Origin() as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        for _ in range(2):
            await client.send_split(raw, pieces)
            assert (await client.response("POST")).body.data == b"onetwo"
        for seen in origin.requests:
            assert seen.body.trailers == GOOD
            assert seen.fields.all("trailer") == ["X-Sum"]
        assert len(origin.connections) == 1


async def test_trailers_of_answers_reach_clients_of_http_11() -> None:
    """In their order, announced by ``Trailer``; a client of HTTP/1.0 gets the body alone."""
    body = chunked(b"one", b"two", trailers=MIXED)
    origin = Scripted(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    async with origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            for _ in range(2):
                (answer,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (answer.body.data, answer.body.trailers) == (b"onetwo", GOOD)
                assert answer.fields.all("trailer") == ["X-Sum"]
        async with Client(gateway) as client:
            (answer,) = await client.exchange(b"GET / HTTP/1.0\r\n\r\n")
            assert (answer.body.data, answer.body.trailers) == (b"onetwo", [])
            assert answer.fields.all("trailer") == []
        assert len(origin.connections) == 1


async def test_trailers_that_connection_nominates_end_here() -> None:
    """In both directions, whatever their case; the others pass."""
    mixed = [("X-Hop", "1"), ("X-Sum", "3"), ("x-hop", "2")]
    nominating = b"Connection: x-HOP\r\nTransfer-Encoding: chunked\r\n\r\n"
    script = b"HTTP/1.1 200 OK\r\n" + nominating + chunked(b"two", trailers=mixed)
    request = b"POST / HTTP/1.1\r\nHost: a\r\n" + nominating + chunked(b"one", trailers=mixed)
    async with Scripted(script) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            (answer,) = await client.exchange(request, "POST")
        assert (answer.body.data, answer.body.trailers) == (b"two", [("X-Sum", "3")])
        assert origin.requests[0].body.trailers == [("X-Sum", "3")]


class SendsTrailersIfWanted(ChunkedBody):
    """As servers that go by RFC 9110 §10.1.4: trailers only for those that say ``TE: trailers``."""

    def __init__(self) -> None:
        super().__init__(b"x", trailers=GOOD)

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """With trailers, or the same without."""
        if request.fields.all("te") == ["trailers"] and request.fields.all("connection") == ["TE"]:
            await super().answer(request, connection)
        else:
            await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")


async def test_the_wish_for_trailers_is_passed_on() -> None:
    """``TE: trailers`` with its ``Connection: TE`` reaches the instance; without that, or any other TE, does not."""
    wished = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers, deflate;q=0.5\r\n\r\n"
    alone = b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"
    async with SendsTrailersIfWanted() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            (answer,) = await client.exchange(wished)
            assert answer.body.trailers == GOOD
            (answer,) = await client.exchange(alone)
            assert answer.body.trailers == []
            assert origin.requests[1].fields.names().isdisjoint({"te", "connection"})


async def test_endless_trailers_are_refused() -> None:
    """Beyond 8 KiB a request is answered 400, and an answer that has begun breaks off."""
    trailers = [("X-Filler", "x" * 1000)] * 9
    async with Origin() as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        (answer,) = await client.exchange(HEAD + chunked(b"x", trailers=trailers), "POST")
        assert answer.status == 400
    vain = Scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")

    async def drip(request: Request, connection: OriginConnection) -> None:
        await Scripted.answer(vain, request, connection)
        await connection.send(chunked(trailers=trailers))

    vain.answer = drip  # type: ignore[method-assign]
    async with vain, Gateway(configuration(vain)) as gateway, Client(gateway) as client:
        (answer,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (answer.status, answer.aborted) in {(200, "reset"), (502, None)}
