"""Host, path and method choose the service, with the precedence of the Kubernetes Gateway API."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.helpers import Client, Gateway, Origin, configuration

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = {
    "exact-host": 'host = "api.example.com"',
    "wildcard-host": 'host = "*.example.com"',
    "host-and-prefix": 'host = "api.example.com"\npath = "/v1/*"',
    "exact-path": 'path = "/v1"',
    "prefix": 'path = "/v1/*"',
    "longer-prefix": 'path = "/v1/deep/*"',
    "posts": 'path = "/v1/*"\nmethods = ["POST"]',
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway with one service per route, each of which answers with the route's name."""
    origins = {name: Origin(name.encode()) for name in [*ROUTES, "default"]}
    for origin in origins.values():
        await origin.start()
    services = "\n".join(f'[services.{name}]\ninstances = ["{origins[name].address}"]' for name in ROUTES)
    routes = [f'{match}\nservice = "{name}"' for name, match in ROUTES.items()]
    text = configuration(
        origins["default"], services=services, routes=routes, route='path = "/*"\nmethods = ["GET", "POST"]'
    )
    async with Gateway(text) as running:
        yield running
    for origin in origins.values():
        await origin.stop()


@pytest.mark.parametrize(
    ("method", "host", "target", "service"),
    [
        ("GET", "api.example.com", "/", "exact-host"),
        ("GET", "API.Example.COM", "/", "exact-host"),
        ("GET", "api.example.com:8080", "/other", "exact-host"),
        ("GET", "www.example.com", "/", "wildcard-host"),
        ("GET", "a.b.example.com", "/", "wildcard-host"),
        ("GET", "example.com", "/", "default"),
        ("GET", "api.example.com", "/v1/x", "host-and-prefix"),
        ("GET", "www.example.com", "/v1/x", "wildcard-host"),
        ("GET", "other", "/v1", "exact-path"),
        ("GET", "other", "/v1?q=1", "exact-path"),
        ("GET", "other", "/v1/", "prefix"),
        ("GET", "other", "/v1/x", "prefix"),
        ("GET", "other", "/v10", "default"),
        ("GET", "other", "/V1/x", "default"),
        ("GET", "other", "/v1/deep/er", "longer-prefix"),
        ("GET", "other", "/v1/deeper", "prefix"),
        ("POST", "other", "/v1/x", "posts"),
        ("POST", "other", "/", "default"),
        ("GET", "10.0.0.1", "/", "default"),
        ("GET", "[::1]:80", "/", "default"),
    ],
)
async def test_precedence(gateway: Gateway, method: str, host: str, target: str, service: str) -> None:
    """The more specific host wins, then the exact path, then the longer prefix, then the method."""
    async with Client(gateway) as client:
        (response,) = await client.exchange(
            f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), method
        )
        assert (response.status, response.body.data) == (200, service.encode())


async def test_no_route(gateway: Gateway) -> None:
    """A request that matches nothing gets a 404 of the gateway, which says so, and the connection stays."""
    async with Client(gateway) as client:
        raw = b"DELETE / HTTP/1.1\r\nHost: other\r\n\r\nGET / HTTP/1.1\r\nHost: other\r\n\r\n"
        missed, found = await client.exchange(raw, ("DELETE", "GET"))
        assert missed.status in {404, 405}
        assert (missed.fields.one("proxy-status") or "").startswith("headgate")
        assert found.status == 200
