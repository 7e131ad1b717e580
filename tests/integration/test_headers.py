"""What the gateway removes from heads, what it sets, and what it leaves alone."""

import re

import pytest

from tests.helpers import Client, Gateway, Origin, Reply, Request, configuration

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "upgrade", "trailer", "transfer-encoding"}


async def forward(raw: bytes, to: str = "GET") -> Request:
    """What an instance gets for the given request."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        (response,) = await client.exchange(raw, to)
        assert response.status == 200
        return origin.requests[0]


async def test_hop_by_hop_fields_of_requests_are_removed() -> None:
    """Fields about the client's own connection, and those that Connection nominates, stop at the gateway."""
    request = await forward(
        b"GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n"
        b"Connection: keep-alive, X-Private\r\nx-private: 1\r\nConnection: X-Second\r\nX-Second: 2\r\nX-Public: 3\r\n\r\n"
    )
    assert request.fields.names().isdisjoint({"x-private", "x-second", "keep-alive", "proxy-connection"})
    assert all(value.lower() != "keep-alive, x-private" for value in request.fields.all("connection"))
    assert request.fields.one("x-public") == "3"


async def test_hop_by_hop_fields_of_responses_are_removed() -> None:
    """The same for answers; the gateway frames its own connection itself."""
    reply = Reply(
        body=b"x",
        fields=[
            ("Connection", "X-Private, keep-alive"),
            ("X-Private", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("X-Public", "2"),
        ],
    )
    async with Origin(reply) as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        (response,) = await client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert response.fields.names().isdisjoint({"x-private", "keep-alive", "proxy-connection"})
        assert response.fields.one("x-public") == "2"
        assert response.body.data == b"x"


@pytest.mark.parametrize("field", ["Host", "Content-Length", "X-Forwarded-For", "Via"])
async def test_connection_cannot_nominate_what_the_gateway_needs(field: str) -> None:
    """Nominating a field that frames, routes or identifies the message does not remove what the gateway sends."""
    request = await forward(
        f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: {field}\r\n\r\nabc".encode(), "POST"
    )
    assert request.body.data == b"abc"
    assert request.fields.one("host") == "a"
    assert request.fields.one("x-forwarded-for") == "127.0.0.1"
    assert request.fields.one("via") is not None


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ("X-Request-ID: 7b0d-A.b_c~d+e/f=\r\n", "7b0d-A.b_c~d+e/f="),
        ("Connection: X-Request-Id\r\nX-Request-Id: a\r\n", "a"),
        ("", None),
        ("X-Request-Id: a\r\nX-Request-Id: b\r\n", None),
        ("X-Request-Id: a b\r\n", None),
        (f"X-Request-Id: {'a' * 129}\r\n", None),
    ],
)
async def test_every_request_has_one_identity(fields: str, kept: str | None) -> None:
    """The client's only well-formed one is kept; anything else is replaced by 32 hexadecimal digits."""
    request = await forward(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
    (identity,) = request.fields.all("x-request-id")
    assert identity == kept if kept else re.fullmatch("[0-9a-f]{32}", identity)


async def test_forwarding_fields_are_set() -> None:
    """The instance learns the client's address, scheme and host, and that a gateway stands between."""
    request = await forward(b"GET / HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n")
    assert request.fields.one("host") == "shop.example:8080"
    assert request.fields.one("x-forwarded-for") == "127.0.0.1"
    assert request.fields.one("x-forwarded-proto") == "http"
    assert request.fields.one("x-forwarded-host") == "shop.example:8080"
    assert (request.fields.one("via") or "").startswith("1.1 ")


async def test_forwarding_fields_of_clients_are_replaced() -> None:
    """A client cannot pretend to be another: what it says about forwarding is replaced."""
    request = await forward(
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\r\n"
    )
    assert request.fields.one("x-forwarded-for") == "127.0.0.1"
    assert request.fields.one("x-forwarded-proto") == "http"
    assert request.fields.one("x-forwarded-host") == "a"


async def test_other_fields_keep_order_case_and_repetition() -> None:
    """What is none of the gateway's business passes as it is, in both directions."""
    reply = Reply(
        body=b"", fields=[("Set-Cookie", "a=1"), ("X-MiXed", "Case "), ("Set-Cookie", "b=2"), ("Date", "d")]
    )
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: 1\r\nCookie: x\r\nACCEPT: 2\r\nX-Empty:\r\n\r\n"
    async with Origin(reply) as origin, Gateway(configuration(origin)) as gateway, Client(gateway) as client:
        (response,) = await client.exchange(raw)
        assert response.fields.all("set-cookie") == ["a=1", "b=2"]
        assert response.fields.all("date") == ["d"]
        assert "X-MiXed" in {name for name, _ in response.fields}
        fields = origin.requests[0].fields
        assert fields.all("accept") == ["1", "2"]
        assert fields.one("x-empty") == ""
        assert {"Accept", "Cookie", "ACCEPT"} <= {name for name, _ in fields}


async def test_absolute_targets_become_origin_targets() -> None:
    """A request in absolute form is routed and forwarded by the authority in its target (RFC 9112 section 3.2.2)."""
    request = await forward(b"GET http://real.example/path?q HTTP/1.1\r\nHost: other.example\r\n\r\n")
    assert (request.target, request.fields.one("host")) == ("/path?q", "real.example")
