"""Routes that answer themselves: redirects and fixed answers, without any instance."""

import pytest

from tests.helpers import Client, Gateway, Origin, configuration

ROUTES = (
    'path = "/moved/*"\nredirect = { scheme = "https", host = "new.example", prefix = "/to", status = 308 }',
    """path = "/robots.txt"
respond = { body = "Disallow: /\\n" }
name = "robots"
response_headers = { set = { "X-For" = "{client_ip}" } }""",
    'path = "/empty"\nrespond = { status = 204 }',
    'path = "/limited"\nrespond = { body = "once" }\nlimit = { rate = "1/h", burst = 1 }',
)


@pytest.mark.parametrize(
    ("target", "host", "location"),
    [
        ("/moved/a%2Eb/../c?d=%2F&e", "old:8080", "https://new.example/to/c?d=%2F&e"),
        ("/moved", "old", "https://new.example/to"),
        ("http://other/moved/", "old", "https://new.example/to/"),
    ],
)
async def test_a_redirect_leads_on(target: str, host: str, location: str) -> None:
    """The client gets the whole place to ask at; the path is canonical and the query as it came."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, routes=ROUTES)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (response.status, response.fields.one("location")) == (308, location)
    assert response.body.data == b"308 Permanent Redirect\n"
    assert not origin.requests


async def test_answers_are_counted_and_keep_the_connection() -> None:
    """All on one connection, each whole, and by the row of its route without a service."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, routes=ROUTES)) as gateway:
        async with Client(gateway) as client:
            get = b"%s %s HTTP/1.1\r\nHost: a\r\n\r\n"
            (robots,) = await client.exchange(get % (b"GET", b"/robots.txt"))
            (head,) = await client.exchange(get % (b"HEAD", b"/robots.txt"), "HEAD")
            (empty,) = await client.exchange(get % (b"GET", b"/empty"))
            once = [(await client.exchange(get % (b"GET", b"/limited")))[0].status for _ in range(2)]
            (proxied,) = await client.exchange(get % (b"GET", b"/"))
        assert (robots.status, robots.body.data) == (200, b"Disallow: /\n")
        assert robots.fields.one("content-type") == "text/plain; charset=utf-8"
        assert (robots.fields.one("x-for"), robots.fields.one("proxy-status")) == ("127.0.0.1", None)
        assert (head.fields.one("content-length"), head.body.data) == ("12", b"")
        assert (empty.status, empty.fields.one("content-length")) == (204, None)
        assert (once, proxied.body.data) == ([200, 429], b"x")
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_requests_total", route="robots", service="", code="200") == 2


async def test_a_body_that_is_not_awaited_ends_the_connection() -> None:
    """The client gets its answer all the same."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, routes=ROUTES)) as gateway:
        async with Client(gateway) as client:
            await client.send(b"PUT /robots.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun")
            response = await client.response("PUT")
            assert (response.status, response.fields.one("connection")) == (200, "close")
