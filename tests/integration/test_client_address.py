"""Whose request it is when proxies stand in front of the gateway: real connections, limits, the access log, instances."""

import signal

import orjson
import pytest

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.configuration import HasAddress
from tests.helpers.message import Fields

PROXY = "127.0.0.1"
STRANGER = "127.0.0.9"
LOGGED = '[log]\naccess = "stdout"\n\n'
TRUSTING = f'trusted_proxies = ["{PROXY}", "10.0.0.0/8", "fd00::/8"]\n'
LIMITED = 'limit = { rate = "1/h", burst = 1, key = "client_ip" }'
CLAIMS = "X-Forwarded-For: 192.0.2.9, 192.0.2.1, 10.0.0.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public.example\r\n"


def trusting(*origins: HasAddress, gateway: str = TRUSTING, **settings: str) -> str:
    """A configuration that trusts proxies, with an access log."""
    return LOGGED + configuration(*origins, gateway=gateway, **settings)


def get(fields: str = "") -> bytes:
    """A request with these fields."""
    return f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode()


def forwarding(fields: Fields) -> dict[str, str | None]:
    """What an instance was told about the client."""
    names = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded")
    return {name: fields.one(name) for name in names}


async def clients(gateway: Gateway) -> list[tuple[str, str | None]]:
    """Ends the gateway; client and peer of every line of the access log."""
    assert gateway.process is not None
    assert gateway.process.stdout is not None
    gateway.signal(signal.SIGTERM)
    lines = (await gateway.process.stdout.read()).splitlines()
    await gateway.wait()
    return [(line["client"], line["peer"]) for line in map(orjson.loads, lines)]


async def test_a_trusted_proxy_is_believed_and_a_stranger_is_not() -> None:
    """Row H03: the same claims from both; what instances, the access log and the next request see of them."""
    async with Origin(b"x") as origin, Gateway(trusting(origin)) as gateway:
        for source in (PROXY, STRANGER):
            async with Client(gateway, source=source) as client:
                (response,) = await client.exchange(get(CLAIMS))
                assert response.status == 200
        assert forwarding(origin.requests[0].fields) == {
            "x-forwarded-for": f"192.0.2.9, 192.0.2.1, 10.0.0.2, {PROXY}",
            "x-forwarded-proto": "https",
            "x-forwarded-host": "public.example",
            "forwarded": None,
        }
        assert forwarding(origin.requests[1].fields) == {
            "x-forwarded-for": STRANGER,
            "x-forwarded-proto": "http",
            "x-forwarded-host": "a",
            "forwarded": None,
        }
        assert await clients(gateway) == [("192.0.2.1", PROXY), (STRANGER, None)]


async def test_forwarded_is_believed_and_extended() -> None:
    """Row H03: RFC 7239 with IPv6 in brackets and quotes; an instance that only reads X-Forwarded-For learns it, too."""
    async with Origin(b"x") as origin, Gateway(trusting(origin)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(get('Forwarded: for="[2001:db8::1]:80";proto=https\r\n'))
            assert response.status == 200
        told = forwarding(origin.requests[0].fields)
        assert told["x-forwarded-for"] == f"2001:db8::1, {PROXY}"
        assert told["forwarded"] == f'for="[2001:db8::1]:80";proto=https, for={PROXY};proto=http'
        assert await clients(gateway) == [("2001:db8::1", PROXY)]


@pytest.mark.parametrize(
    "fields",
    [
        "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.2\r\n",
        'Forwarded: for="192.0.2.1, for=192.0.2.2\r\n',
    ],
)
async def test_contradictions_never_reach_an_instance(fields: str) -> None:
    """Row H03: 400 for a trusted proxy; from anybody else the same fields mean nothing."""
    async with Origin(b"x") as origin, Gateway(trusting(origin)) as gateway:
        async with Client(gateway) as client:
            (refused,) = await client.exchange(get(fields))
            (next_one,) = await client.exchange(get())
            assert (refused.status, next_one.status) == (400, 200)
        async with Client(gateway, source=STRANGER) as client:
            assert (await client.exchange(get(fields)))[0].status == 200
        assert len(origin.requests) == 2


async def test_limits_count_by_the_client_behind_the_proxy() -> None:
    """Each client has a bucket of its own whichever connection it comes through; a stranger has that of its address."""
    async with Origin(b"x") as origin, Gateway(trusting(origin, route=LIMITED)) as gateway:
        statuses = []
        async with Client(gateway) as client:
            for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1, 10.9.9.9", "[::ffff:192.0.2.2]:80"):
                statuses += await client.exchange(get(f"X-Forwarded-For: {address}\r\n"))
        for address in ("192.0.2.3", "192.0.2.4"):
            async with Client(gateway, source=STRANGER) as client:
                statuses += await client.exchange(get(f"X-Forwarded-For: {address}\r\n"))
        assert [response.status for response in statuses] == [200, 200, 429, 429, 200, 429]


async def test_ten_thousand_entries_are_one_client() -> None:
    """Row H03: what a client makes up is passed on and not believed; the entry of the trusted proxy counts."""
    room = 'max = { head = "256KiB", line = "128KiB" }'
    made_up = "10.0.0.9," * 10_000
    async with Origin(b"x") as origin, Gateway(trusting(origin, listen=room, route=LIMITED)) as gateway:
        async with Client(gateway) as client:
            (response,) = await client.exchange(get(f"X-Forwarded-For: {made_up}192.0.2.1\r\n"))
            (again,) = await client.exchange(get("X-Forwarded-For: 192.0.2.1\r\n"))
            assert (response.status, again.status) == (200, 429)
        told = origin.requests[0].fields.one("x-forwarded-for")
        assert told == f"{made_up}192.0.2.1, {PROXY}"
        assert await clients(gateway) == [("192.0.2.1", PROXY)] * 2


async def test_a_reload_withdraws_trust_from_open_connections() -> None:
    """The next request on the proxy's connection is the proxy's own."""
    async with Origin(b"x") as origin, Gateway(trusting(origin)) as gateway:
        async with Client(gateway) as client:
            await client.exchange(get(CLAIMS))
            assert (await gateway.reload(trusting(origin, gateway="")))[0] == 200
            await client.exchange(get(CLAIMS))
        assert await clients(gateway) == [("192.0.2.1", PROXY), (PROXY, None)]
