"""What routes say for themselves: time-outs, the largest body, error pages."""

from tests.helpers import Client, Gateway, Origin, configuration, vices

PAGES = '[errors.504]\nbody = "everybody"\n[errors.404]\nbody = "nowhere"\n[errors.413]\nbody = "much"\n'
IMPATIENT = """
path = "/impatient"
service = "api"
timeouts = { first_byte = "50ms" }
max_body = "4B"
errors.504 = { body = "own", type = "text/x-own" }
"""
PLAIN = 'path = "/plain"'


def post(path: str, length: int) -> bytes:
    """A POST with so many bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + b"x" * length


async def test_a_route_has_its_own_time_out_and_page() -> None:
    """Where it has none, service and the whole file have their say."""
    service = 'timeouts = { first_byte = "500ms" }\npassive = false'
    async with vices.StallsBeforeHead() as origin:
        text = PAGES + configuration(origin, service=service, routes=[IMPATIENT], route=PLAIN)
        async with Gateway(text) as gateway:
            for path, page, kind in (
                ("/impatient", b"own", "text/x-own"),
                ("/plain", b"everybody", "text/html; charset=utf-8"),
            ):
                async with Client(gateway) as client:
                    (response,) = await client.exchange(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                seen = (response.status, response.body.data, response.fields.one("content-type"))
                assert seen == (504, page, kind), path
            async with Client(gateway) as client:
                (response,) = await client.exchange(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (response.status, response.body.data) == (404, b"nowhere")


async def test_a_name_that_nobody_has_has_the_page_of_its_route() -> None:
    """For the route has taken the request, and only the service is not there."""
    by_name = 'path = "/apps/{service}/*"\nerrors.404.body = "no such app"'
    async with Origin(b"ok") as origin:
        text = PAGES + configuration(origin, service="expose = true", routes=[by_name], route=PLAIN)
        async with Gateway(text) as gateway, Client(gateway) as client:
            for path, page in (
                ("/apps/none/x", b"no such app"),
                ("/none", b"nowhere"),
                ("/apps/api/x", b"ok"),
            ):
                (response,) = await client.exchange(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert response.body.data == page


async def test_a_route_has_its_own_body_limit() -> None:
    """Above or below that of the listener, and for its own requests alone."""
    large = 'path = "/large"\nservice = "api"\nmax_body = "20B"'
    small = 'path = "/small"\nservice = "api"\nmax_body = "4B"'
    async with Origin(b"ok") as origin:
        text = PAGES + configuration(
            origin, listen='max = { body = "10B" }', routes=[large, small], route=PLAIN
        )
        async with Gateway(text) as gateway:
            for path, most in (("/large", 20), ("/small", 4), ("/plain", 10)):
                for length, status in ((most, 200), (most + 1, 413)):
                    async with Client(gateway) as client:
                        (response,) = await client.exchange(post(path, length), "POST")
                    assert response.status == status, (path, length)
            assert [len(request.body.data) for request in origin.requests] == [20, 4, 10]
