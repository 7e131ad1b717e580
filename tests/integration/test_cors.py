"""Pages of other origins: a browser lets those do and read what the route allows, and no others, whoever answers."""

import pytest

from tests.helpers import Client, Gateway, Origin, Reply, configuration
from tests.helpers.page import BlockedError, Page

APP = "https://app.example.com"
EVIL = "https://app.example.com.evil.org"
CORS = (
    'cors = { origins = ["HTTPS://App.Example.com:443", "http://*.example.dev:3000"], methods = ["PUT"], '
    'headers = ["X-Token"], expose = ["Retry-After", "X-Total"] }'
)
CAREFREE = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Allow-Methods", "PUT, DELETE"),
    ("X-Total", "7"),
    ("X-Secret", "8"),
]
"""What an instance says that allows everything to everybody."""


async def blocked(page: Page, method: str, target: str, **fields: str) -> str:
    """Why the browser does not let the page do it."""
    with pytest.raises(BlockedError) as caught:
        await page.fetch(method, target, **fields)
    return str(caught.value)


async def test_a_page_does_and_reads_what_its_origin_may() -> None:
    """By exact origin and by pattern; what instances say of it counts for nothing, and they see no preflight."""
    async with Origin(Reply(body=b"x", fields=CAREFREE)) as origin:
        async with Gateway(configuration(origin, route=CORS)) as gateway, Client(gateway) as client:
            for name in (APP, "http://a.b.example.dev:3000"):
                page = Page(client, name)
                seen = await page.fetch("PUT", "/", X_Token="1")
                assert (seen.status, seen.body) == (200, b"x")
                assert (await page.fetch("GET", "/")).fields.keys() == {"content-length", "x-total"}
                assert await blocked(page, "DELETE", "/") == "DELETE is not allowed"
                assert await blocked(page, "GET", "/", X_Other="1") == "x-other is not allowed"
                assert (
                    await blocked(Page(client, name, credentials=True), "GET", "/")
                    == "credentials are not allowed"
                )
            assert {request.method for request in origin.requests} == {"PUT", "GET"}


async def test_a_page_of_another_origin_does_and_reads_nothing() -> None:
    """Its simple requests go on, as those of any client do, and it does not see their answers."""
    others = (
        EVIL,
        "null",
        "https://app.example.com:8443",
        "http://app.example.com",
        "http://example.dev:3000",
    )
    async with Origin(Reply(fields=CAREFREE)) as origin:
        async with Gateway(configuration(origin, route=CORS)) as gateway, Client(gateway) as client:
            for name in others:
                assert await blocked(Page(client, name), "PUT", "/") == "no origin is allowed"
            assert origin.requests == []
            for name in others:
                assert await blocked(Page(client, name), "GET", "/") == "no origin is allowed"
            assert len(origin.requests) == len(others)


async def test_a_page_reads_why_it_is_refused() -> None:
    """The page of a limit with when to come again, maintenance, a route's own answer; and preflights take no token of the limit."""
    limited = f'{CORS}\nlimit = {{ rate = "1/h", burst = 1 }}\nerrors.429 = {{ body = "slowly" }}'
    routes = (
        f'path = "/closed"\nservice = "api"\nmaintenance = true\n{CORS}',
        f'path = "/moved"\nredirect = {{ path = "/" }}\n{CORS}',
    )
    async with Origin(b"x") as origin:
        text = configuration(origin, route=limited, routes=routes)
        async with Gateway(text) as gateway, Client(gateway) as client:
            page = Page(client, APP)
            assert (await page.fetch("PUT", "/")).status == 200
            for _ in range(2):
                seen = await page.fetch("PUT", "/")
                assert (seen.status, seen.body) == (429, b"slowly")
                assert 0 < int(seen.fields["retry-after"]) <= 3600
            assert (await page.fetch("PUT", "/closed")).status == 503
            assert (await page.fetch("GET", "/moved")).status == 302
            assert await blocked(Page(client, EVIL), "GET", "/") == "no origin is allowed"
            metrics = await gateway.metrics()
    assert len(origin.requests) == 1
    total = "headgate_requests_total"
    assert metrics.sum(total, route="*", service="", code="204") == 3
    assert metrics.sum(total, route="/closed", service="", code="204") == 1
    assert metrics.sum("headgate_limit_decisions_total", decision="allowed") == 1


async def test_what_all_origins_may_is_the_same_for_all() -> None:
    """A cache may keep one answer for everybody then; credentials are for named origins."""
    everybody = 'cors = { origins = ["*"], methods = ["*"], headers = ["*"], expose = ["*"] }'
    ours = f'path = "/ours"\nservice = "api"\ncors = {{ origins = ["{APP}"], methods = ["DELETE"], credentials = true }}'
    async with Origin(Reply(fields=CAREFREE)) as origin:
        text = configuration(origin, route=everybody, routes=(ours,))
        async with Gateway(text) as gateway, Client(gateway) as client:
            for name in (APP, EVIL, "null"):
                page = Page(client, name)
                assert (await page.fetch("DELETE", "/", X_Any="1")).fields["x-secret"] == "8"
                assert await blocked(page, "GET", "/", Authorization="a") == "authorization is not allowed"
                with_cookies = Page(client, name, credentials=True)
                assert await blocked(with_cookies, "GET", "/") == "another origin is allowed"
            assert (await Page(client, APP, credentials=True).fetch("DELETE", "/ours")).status == 200
            for target, fields, vary in (
                ("/", "", None),
                ("/ours", "", "Origin"),
                ("/ours", f"Origin: {EVIL}\r\n", "Origin"),
            ):
                (response,) = await client.exchange(
                    f"GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode()
                )
                assert response.fields.one("vary") == vary


async def test_a_preflight_is_for_the_route_of_what_it_announces() -> None:
    """A route for PUT alone gets the preflights for PUT; where it has no cors its instances are asked, and no other route allows."""
    routes = (
        f'path = "/put"\nmethods = ["PUT"]\nservice = "api"\ncors = {{ origins = ["{APP}"] }}',
        'path = "/own"\nmethods = ["PUT"]\nservice = "api"',
    )
    async with Origin(Reply(fields=CAREFREE)) as origin:
        text = configuration(
            origin, route=f'cors = {{ origins = ["{APP}"], methods = ["DELETE"] }}', routes=routes
        )
        async with Gateway(text) as gateway, Client(gateway) as client:
            page = Page(client, APP)
            assert (await page.fetch("PUT", "/put")).status == 200
            assert (await page.fetch("DELETE", "/put")).status == 200
            assert [request.method for request in origin.requests] == ["PUT", "DELETE"]
            assert await blocked(page, "PUT", "/own") == "PUT is not allowed"
            assert origin.requests[-1].method == "OPTIONS"


async def test_a_reload_changes_who_may() -> None:
    """On connections that are open; what is hardly meant is told at the start and by the reload, with its place."""
    route = 'cors = {{ origins = ["{}"] }}'
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=route.format("null"))) as gateway:
        assert "routes[0].cors.origins[0]: every page" in gateway.stderr()
        async with Client(gateway) as client:
            assert (await Page(client, "null").fetch("GET", "/")).status == 200
            status, answer = await gateway.reload(configuration(origin, route=route.format(APP)))
            assert (status, answer["warnings"]) == (200, [])
            assert (await Page(client, APP).fetch("GET", "/")).status == 200
            assert await blocked(Page(client, "null"), "GET", "/") == "no origin is allowed"
            status, answer = await gateway.reload(configuration(origin, route=route.format("null")))
            assert status == 200
            (warning,) = answer["warnings"]
            assert "routes[0].cors.origins[0]: every page" in warning
