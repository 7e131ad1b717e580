"""Requests go to an instance and answers come back, whatever the method, the version and the framing."""

import asyncio

import aiohttp
import pytest

from tests.helpers import Client, Gateway, Origin, Reply, Response, configuration, curl, eventually, vices
from tests.helpers.message import chunked


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_methods_with_curl(method: str) -> None:
    """Method, target and body reach the instance unchanged; its status, fields and body reach curl."""
    body = b"" if method in {"GET", "DELETE", "OPTIONS"} else b"the body"
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        data = ["--data-binary", "@-"] if body else []
        result = await curl("--request", method, *data, gateway.url + "/a%20b/c?q=1&r=%2F", stdin=body)
        assert (result.exit, result.status, result.version) == (0, 200, "HTTP/1.1")
        assert result.body == body
        assert result.fields.one("x-method") == method
        assert result.fields.one("x-target") == "/a%20b/c?q=1&r=%2F"
        assert origin.requests[0].version == "HTTP/1.1"


async def test_curl_in_http_10() -> None:
    """An HTTP/1.0 request is answered, and its connection closed; the instance still sees HTTP/1.1."""
    async with Origin(b"hello") as origin, Gateway(configuration(origin)) as gateway:
        result = await curl("--http1.0", gateway.url)
        assert (result.exit, result.status, result.body) == (0, 200, b"hello")
        assert origin.requests[0].version == "HTTP/1.1"


async def test_aiohttp_with_many_requests_at_once() -> None:
    """A hundred requests over twenty connections each get their own answer."""

    async def ask(session: aiohttp.ClientSession, number: int) -> bool:
        async with session.post(f"/{number}", data=f"body {number}") as response:
            return await response.text() == f"body {number}" and response.headers["X-Target"] == f"/{number}"

    async with Origin() as origin, Gateway(configuration(origin, workers=2)) as gateway:
        connector = aiohttp.TCPConnector(limit=20)
        async with aiohttp.ClientSession(gateway.url, connector=connector) as session:
            assert all(await asyncio.gather(*(ask(session, number) for number in range(100))))
    assert len(origin.requests) == 100


async def test_head_has_the_fields_and_no_body() -> None:
    """HEAD keeps Content-Length, has no body, and leaves the connection usable on both sides."""
    async with Origin(b"sized") as origin, Gateway(configuration(origin)) as gateway:
        assert (await curl("--head", gateway.url)).fields.one("content-length") == "5"
        async with Client(gateway) as client:
            head, get = await client.exchange(
                b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ("HEAD", "GET")
            )
        assert (head.status, head.fields.one("content-length"), get.body.data) == (200, "5", b"sized")
        assert len(origin.connections) == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(status: int) -> None:
    """204 and 304 end with their head, and the next exchange uses the same connections."""
    async with Origin(Reply(status)) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            responses = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2, ("GET", "GET"))
        assert [response.status for response in responses] == [status, status]
        assert len(origin.connections) == 1


async def test_keep_alive_on_both_sides() -> None:
    """Requests one after the other use one connection to the gateway and one to the instance."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            for _ in range(5):
                (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert response.fields.one("x-connection") == "0"
        async with Client(gateway) as client:
            (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert response.fields.one("x-connection") == "0"
        assert len(origin.connections) == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Three requests in one write, one with a body, get their three answers in order."""
    pipeline = (
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo"
        b"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    async with Origin() as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        responses = await client.exchange(pipeline, ("GET", "POST", "GET"))
        assert [response.fields.one("x-target") for response in responses] == ["/1", "/2", "/3"]
        assert responses[1].body.data == b"two"


async def test_a_long_pipeline_is_answered_whole() -> None:
    """Five hundred requests in one write are all answered, in order."""
    pipeline = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(500))
    async with Origin() as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        responses = await client.exchange(pipeline, ["GET"] * 500)
        assert [response.fields.one("x-target") for response in responses] == [f"/{n}" for n in range(500)]


@pytest.mark.parametrize("size", [1, 2, 7, 50])
async def test_requests_in_pieces(size: int) -> None:
    """A request cut anywhere is the same request."""
    raw = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"cdef")
    async with Origin() as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        await client.send_split(raw * 2, size)
        for _ in range(2):
            assert (await client.response("POST")).body.data == b"abcdef"


async def test_connection_close_is_kept() -> None:
    """A client that asks for close gets its answer, the field, and the end of the connection."""
    async with Origin(b"x") as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert response.fields.one("connection") == "close"
        assert await client.at_end() == b""
        await eventually(
            lambda: origin.open_connections == 1, why="the instance's connection stays in the pool"
        )


async def test_connections_end_by_count_and_by_age() -> None:
    """The last answer that ``max.requests`` or ``max.age`` allows announces the close, and nothing follows it."""
    ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    async with Origin(b"x") as origin:
        for limit, least in (("requests = 3", 3), ('age = "150ms"', 1)):
            async with Gateway(configuration(origin, listen=f"max = {{ {limit} }}")) as gateway:
                async with Client(gateway) as client:
                    answers = [await answer_to(ask, client)]
                    while answers[-1].fields.one("connection") is None:
                        answers.append(await answer_to(ask, client))
                    assert answers[-1].fields.one("connection") == "close"
                    assert len(answers) >= least
                    assert limit.startswith("age") or len(answers) == least
                    assert await client.at_end() == b""


async def answer_to(ask: bytes, client: Client) -> Response:
    """The answer to one request."""
    (response,) = await client.exchange(ask)
    return response


async def test_the_last_answer_survives_what_was_pipelined_behind_it() -> None:
    """The gateway ends a connection whose client goes on sending: the client still reads the whole answer, and a FIN."""
    get, body = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", bytes(100_000)
    async with (
        Origin(body) as origin,
        Gateway(configuration(origin, listen="max = { requests = 1 }")) as gateway,
    ):

        async def answered() -> bool:
            return (await gateway.metrics()).sum("headgate_requests_total", code="200") == 1

        async with Client(gateway, receive_buffer=4096, limit=1024) as client:
            await client.send(get + get)
            await eventually(answered)
            await client.send(get)  # while most of the answer is still in the gateway's kernel
            response = await client.response()
            assert (response.status, response.aborted, response.body.data) == (200, None, body)
            assert response.fields.one("connection") == "close"
            assert await client.reader.read(1) == b""
        assert len(origin.requests) == 1


async def test_http_10_keep_alive() -> None:
    """HTTP/1.0 with Connection: keep-alive keeps the connection; without it the connection ends."""
    ask = b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
    async with Origin(b"x") as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        for _ in range(2):
            (response,) = await client.exchange(ask)
            assert (response.body.data, response.fields.one("connection")) == (b"x", "keep-alive")
        await client.exchange(b"GET / HTTP/1.0\r\n\r\n")
        assert await client.at_end() == b""


async def test_close_delimited_answers() -> None:
    """An answer that only the end of the instance's connection delimits arrives whole, framed for the client."""
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for origin in (
        vices.CloseDelimited(b"until the end"),
        vices.SpeaksHttp10(b"until the end", with_length=False),
    ):
        async with origin, Gateway(configuration(origin)) as gateway:
            async with Client(gateway) as client:
                (response,) = await client.exchange(get)
                assert (response.body.data, response.aborted) == (b"until the end", None)
            assert (await curl("--http1.0", gateway.url)).body == b"until the end"


async def test_http_10_origin_with_length() -> None:
    """An HTTP/1.0 answer with a length keeps the client's connection."""
    async with vices.SpeaksHttp10(b"old") as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            for _ in range(2):
                (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (response.version, response.body.data) == ("HTTP/1.1", b"old")
        assert len(origin.connections) == 2


async def test_chunked_answers() -> None:
    """A chunked answer arrives whole, with its trailers, and the connection stays usable; HTTP/1.0 gets it plain."""
    origin = vices.ChunkedBody(b"one ", b"two ", b"three", trailers=[("X-Sum", "3")])
    async with origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            for _ in range(2):
                (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (response.body.data, response.aborted) == (b"one two three", None)
        assert len(origin.connections) == 1
        async with Client(gateway) as client:
            (response,) = await client.exchange(b"GET / HTTP/1.0\r\n\r\n")
            assert not response.head.is_chunked
            assert response.body.data == b"one two three"


async def test_chunked_requests() -> None:
    """A chunked request body arrives whole at the instance, whatever its extensions."""
    raw = b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n4;x="y"\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n'
    async with Origin() as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        (response,) = await client.exchange(raw, "POST")
        assert response.body.data == b"abcdef"
        assert origin.requests[0].head.is_chunked
        assert origin.requests[0].head.content_length is None


async def test_interim_responses_are_relayed() -> None:
    """103 comes through before the answer to HTTP/1.1, and not at all to HTTP/1.0."""
    async with vices.SendsInterim() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert [head.start[1] for head in response.interim] == ["103"]
            assert response.interim[0].fields.one("link") == "</style.css>; rel=preload"
        async with Client(gateway) as client:
            (response,) = await client.exchange(b"GET / HTTP/1.0\r\n\r\n")
            assert (response.status, response.interim) == (200, [])


async def test_expect_continue() -> None:
    """The 100 that the instance sends lets the client send its body."""
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    async with vices.Sends100Continue() as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            await client.send(head)
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            (response,) = await client.exchange(b"body", "PUT")
            assert (response.status, response.body.data) == (200, b"body")


async def test_early_answers() -> None:
    """An answer that comes before the body was sent is relayed, and the gateway asks for no more of the body."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    async with vices.AnswersEarly(413, close=True) as origin, Gateway(configuration(origin)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(head + b"x" * 1000, "POST")
            assert (response.status, response.body.data) == (413, b"early")
            assert await client.at_end() == b""
        await eventually(lambda: origin.open_connections == 0)


async def test_empty_line_before_a_request() -> None:
    """One empty line before the request line is passed over (RFC 9112 section 2.2)."""
    async with Origin(b"x") as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        assert (await client.exchange(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0].status == 200
