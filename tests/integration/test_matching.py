"""Which route a request takes: each kind of match over real connections, and what does not lead around it."""

from contextlib import AsyncExitStack

from tests.helpers import Client, Gateway, Origin, configuration, curl

MATCHES = {
    "method": 'path = "/m"\nmethods = ["PUT", "DELETE"]',
    "header": 'path = "/h"\nheaders = { X-Version = "two" }',
    "headers": 'path = "/h"\nheaders = { X-Version = "two", X-Beta = true }',
    "pattern-of-header": 'path = "/h"\nheaders = { User-Agent = { regex = ".*(?i:mobile).*" } }\nmethods = ["GET"]',
    "query": 'path = "/q"\nquery = { debug = "1" }',
    "cookie": 'path = "/q"\ncookies = { tester = "yes" }',
    "client": 'path = "/c"\nclients = ["127.0.0.8/30"]',
    "listener": 'path = "/l"\nlisteners = ["127.0.0.2:0"]',
    "pattern": 'path = { regex = "/items/[0-9]+" }',
    "prefix": 'path = "/items/*"',
}
REST = "api"
REQUESTS = [
    ("PUT /m", "", "method"),
    ("GET /m", "", REST),
    ("put /m", "", REST),
    ("POST /h", "x-version: two\r\n", "header"),
    ("POST /h", "X_Version: two\r\n", "header"),
    ("POST /h", "X-Version: one\r\nX-Version: two\r\n", "header"),
    ("POST /h", "X-Version: two\r\nX-Beta:\r\n", "headers"),
    ("POST /h", "X-Version: two\r\nX-Beta: 1\r\nConnection: x-beta\r\n", "header"),
    ("POST /h", "X-Version: TWO\r\n", REST),
    ("GET /h", "X-Version: two\r\nUser-Agent: a Mobile\r\n", "pattern-of-header"),
    ("GET /h", "X-Version: two\r\n", "header"),
    ("GET /q?debug=1", "Cookie: a=b; tester=yes\r\n", "cookie"),
    ("GET /q?debug=1", "", "query"),
    ("GET /q?%64ebug=%31", "", "query"),
    ("GET /q?debug=0&debug=1", "", "query"),
    ("GET /x/..//%71?a&debug=1", "", "query"),
    ("GET http://b.example:81/q?debug=1", "", "query"),
    ("GET /q?debug=0", "", REST),
    ("GET /c", "", REST),
    ("GET /l", "", REST),
    ("GET /items/42", "", "pattern"),
    ("GET /items/%34%32", "", "pattern"),
    ("GET /items/42/x", "", "prefix"),
]


async def test_each_kind_of_match() -> None:
    """Every request gets to the service of its route, however it is spelled, and other routes see nothing of it."""
    async with AsyncExitStack() as stack:
        origins = {name: await stack.enter_async_context(Origin(name.encode())) for name in (*MATCHES, REST)}
        text = configuration(
            origins[REST],
            listen='\n[[listen]]\naddress = "127.0.0.2:0"\n',
            services="\n\n".join(
                f'[services.{name}]\ninstances = ["{origins[name].address}"]' for name in MATCHES
            ),
            routes=[f'{match}\nservice = "{name}"' for name, match in MATCHES.items()],
        )
        gateway = await stack.enter_async_context(Gateway(text))
        client = await stack.enter_async_context(Client(gateway))
        for line, fields, service in REQUESTS:
            (response,) = await client.exchange(
                f"{line} HTTP/1.1\r\nHost: A.Example.:80\r\nContent-Length: 0\r\n{fields}\r\n".encode()
            )
            assert (response.status, response.body.data.decode()) == (200, service), (line, fields)
        neighbour = await stack.enter_async_context(Client(gateway, source="127.0.0.9"))
        (response,) = await neighbour.exchange(b"GET /c HTTP/1.1\r\nHost: a\r\n\r\n")
        assert response.body.data == b"client"
        assert (await curl(gateway.ready["listen"][1] + "/l")).body == b"listener"


async def test_a_reload_changes_what_is_asked() -> None:
    """A kept connection finds the route of the new configuration with its next request."""
    async with Origin(b"one") as one, Origin(b"two") as two:
        other = f'[services.two]\ninstances = ["{two.address}"]'
        asking = 'headers = {{ X-Version = "{}" }}\nservice = "two"\nname = "asking"'
        before, after = (
            configuration(one, services=other, routes=[asking.format(version)]) for version in ("a", "b")
        )
        async with Gateway(before) as gateway, Client(gateway) as client:
            asked = b"GET / HTTP/1.1\r\nHost: a\r\nX-Version: a\r\n\r\n"
            assert (await client.exchange(asked))[0].body.data == b"two"
            status, _ = await gateway.reload(after)
            assert status == 200
            assert (await client.exchange(asked))[0].body.data == b"one"
