"""What routes change in the messages that pass: fields both ways, paths and hosts of requests."""

from tests.helpers import Client, Gateway, Origin, Reply, configuration, vices

CHANGES = """
path = "/v1/*"
rewrite = { prefix = "/api", host = "inner:81" }
request_headers = { set = { "X-Client" = "{client_ip}" }, add = { "X-Of" = "{route} {service}" }, remove = ["Cookie"] }
response_headers = { set = { "X-Path" = "{path}", "X-Id" = "{request_id}" }, remove = ["Server"] }
name = "to api"
"""
REQUEST = (
    b"POST /v1/a%2eb/../c?d=/v1 HTTP/1.1\r\nHost: outer\r\nCookie: a=b\r\nX_Client: forged\r\nx-client: forged\r\n"
    b"Connection: X-Client\r\nContent-Length: 3\r\nX-Request-Id: r-1\r\n\r\nabc"
)


async def test_both_heads_are_changed_and_no_body() -> None:
    """The instance is asked for what the route says, whatever the client claims; the client gets what the route says."""
    reply = Reply(body=b"answer", fields=[("Server", "origin"), ("X-Path", "of the origin"), ("X-Kept", "1")])
    async with Origin(reply) as origin, Gateway(configuration(origin, route=CHANGES)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(REQUEST, "POST")
    (request,) = origin.requests
    assert (request.target, request.body.data) == ("/api/c?d=/v1", b"abc")
    assert request.fields.all("host") == ["inner:81"]
    assert request.fields.all("x-client") == ["127.0.0.1"]
    assert request.fields.all("x-of") == ["to api api"]
    assert request.fields.names().isdisjoint({"cookie", "x_client"})
    assert request.fields.one("x-forwarded-host") == "outer"
    assert (response.status, response.body.data) == (200, b"answer")
    assert response.fields.all("x-path") == ["/v1/c"]
    assert (response.fields.one("x-id"), response.fields.one("x-kept")) == ("r-1", "1")
    assert "server" not in response.fields.names()


async def test_a_reload_changes_what_is_changed() -> None:
    """Requests that begin after it go by the new rules, on the same connection."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=CHANGES)) as gateway:
        async with Client(gateway) as client:
            await client.exchange(b"GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n")
            text = configuration(origin, route='path = "/v1/*"\nrewrite = { path = "/fixed" }')
            assert (await gateway.reload(text))[0] == 200
            await client.exchange(b"GET /v1/x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [request.target for request in origin.requests] == ["/api", "/fixed?y"]
    assert origin.requests[1].fields.one("host") == "a"


async def test_every_try_carries_the_same() -> None:
    """The instance that a request gets to in the end gets what any other would have got."""
    async with vices.RefusesConnect() as nobody, Origin(b"x") as origin:
        text = configuration(nobody, origin, service="passive = false", route=CHANGES)
        async with Gateway(text) as gateway, Client(gateway) as client:
            for _ in range(10):
                (response,) = await client.exchange(REQUEST, "POST")
                assert response.fields.all("x-path") == ["/v1/c"]
    assert {request.target for request in origin.requests} == {"/api/c?d=/v1"}
    assert all(request.fields.all("x-client") == ["127.0.0.1"] for request in origin.requests)
