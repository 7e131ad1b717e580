"""Routes whose requests name their service: in the path, in the host, in a field."""

from pathlib import Path

import pytest

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.gateway import run_with


def naming(api: Origin, web: Origin, hidden: Origin) -> str:
    """`api` and `web` may be named, `hidden` may not; every kind of name has a route."""
    services = "\n".join(
        f'[services.{name}]\ninstances = ["{origin.address}"]\n{expose}'
        for name, origin, expose in (("web", web, "expose = true"), ("hidden", hidden, ""))
    )
    routes = [
        'host = "{service}.internal"\nname = "host"',
        'host = "field"\nservice_by = "header:X-Service"\nname = "field"',
        'path = "/api/admin/*"\nservice = "hidden"\nname = "admin"',
        'path = "/kept/{service}/*"\nrewrite = { prefix = "/v1" }\nname = "kept"',
    ]
    text = configuration(
        api,
        service="expose = true",
        services=services,
        routes=routes,
        route='path = "/{service}/*"\nname = "path"',
    )
    return text.replace('[[routes]]\nservice = "api"\npath', "[[routes]]\npath")


CASES = [
    ("/api/users?q=1", "h", "", (b"api", "/users?q=1")),
    ("/web", "h", "", (b"web", "/")),
    ("/%77eb/x/../y", "h", "", (b"web", "/y")),
    ("/kept/web/x", "h", "", (b"web", "/v1/x")),
    ("/api/admin/x", "h", "", (b"hidden", "/api/admin/x")),
    ("/%61pi/./admin/x", "h", "", (b"hidden", "/api/admin/x")),
    ("/x/y", "API.internal.:80", "", (b"api", "/x/y")),
    ("/x", "field", "X-Service: web\r\n", (b"web", "/x")),
    ("http://web.internal/z", "api.internal", "", (b"web", "/z")),
]
NOBODY = [
    ("/hidden/x", "h", ""),
    ("/Web/x", "h", ""),
    ("/web./x", "h", ""),
    ("/web%2e/x", "h", ""),
    ("/web;a=b/x", "h", ""),
    ("/", "h", ""),
    ("/x", "hidden.internal", ""),
    ("/api/x", "none.internal", ""),
    ("/x", "x.api.internal", ""),
    ("/x", "field", "X-Service: WEB\r\n"),
    ("/api/x", "field", ""),
]


def request(target: str, host: str, fields: str) -> bytes:
    """A GET."""
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


async def test_each_request_gets_to_the_service_that_it_names() -> None:
    """With the path below the name; nobody else is reached, however the name is spelled, and all of it is counted."""
    async with Origin(b"api") as api, Origin(b"web") as web, Origin(b"hidden") as hidden:
        origins = {b"api": api, b"web": web, b"hidden": hidden}
        async with Gateway(naming(api, web, hidden)) as gateway, Client(gateway) as client:
            for target, host, fields, (name, asked) in CASES:
                (response,) = await client.exchange(request(target, host, fields))
                seen = [one.target for one in origins[name].requests]
                assert (response.status, response.body.data, seen[-1]) == (200, name, asked), (
                    target,
                    host,
                )
            for case in NOBODY:
                (response,) = await client.exchange(request(*case))
                assert response.status == 404, case
                assert 'details="no service of this name"' in str(response.fields.one("proxy-status")), case
            assert sum(len(origin.requests) for origin in origins.values()) == len(CASES)
            metrics = await gateway.metrics()
            for route, service, count in (
                ("path", "web", 2),
                ("kept", "web", 1),
                ("host", "api", 1),
                ("host", "web", 1),
            ):
                counted = metrics.sum("headgate_requests_total", route=route, service=service, code="200")
                assert counted == count, (route, service)
            assert metrics.sum("headgate_requests_total", route="", code="404") == len(NOBODY)


@pytest.mark.parametrize(
    ("target", "host", "service"), [("/web/x", "h", "web"), ("/", "web.internal", "web")]
)
async def test_explain_tells_the_service_that_is_named(
    target: str, host: str, service: str, tmp_path: Path
) -> None:
    """As the data path has it; who names nobody is told so."""
    async with Origin(b"api") as api, Origin(b"web") as web, Origin(b"hidden") as hidden:
        text = naming(api, web, hidden)
        file = tmp_path / "gateway.toml"
        file.write_text(text, encoding="utf-8")
        code, out, _ = await run_with("explain", str(file), "GET", target, "-H", f"Host:{host}")
        assert (code, [line for line in out.splitlines() if line.startswith("service ")]) == (
            0,
            [f"service   {service}, by p2c, 2 more tries"],
        )
        code, out, _ = await run_with("explain", str(file), "GET", "/none/x")
        assert (code, "answer    404: no service of this name" in out) == (0, True)


async def test_a_service_is_published_by_a_reload() -> None:
    """And taken back by the next one, on the same connection."""
    async with Origin(b"api") as api, Origin(b"web") as web, Origin(b"hidden") as hidden:
        before = naming(api, web, hidden)
        after = before.replace("[services.hidden]", "[services.hidden]\nexpose = true")
        async with Gateway(before) as gateway, Client(gateway) as client:
            for text, status in ((before, 404), (after, 200), (before, 404)):
                await gateway.reload(text)
                (response,) = await client.exchange(request("/hidden/x", "h", ""))
                assert response.status == status
