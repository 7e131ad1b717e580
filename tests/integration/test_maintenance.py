"""Routes and services under maintenance: who is kept out, who is let in, and how it is switched while the gateway runs."""

import pytest

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.gateway import run_with
from tests.helpers.passage import Echo, passing

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n"
PREPARED = (
    'maintenance = { on = false, retry_after = "90s", page = { body = "soon" }, allow = ["192.0.2.0/24"] }'
)
TRUSTED = 'trusted_proxies = ["127.0.0.1"]'


async def ask(client: Client, sender: str = "198.51.100.1") -> tuple[int, bytes, str | None]:
    """Status, body and Retry-After of the answer to a client."""
    (response,) = await client.exchange(GET + f"X-Forwarded-For: {sender}\r\n\r\n".encode())
    return response.status, response.body.data, response.fields.one("retry-after")


@pytest.mark.parametrize("key", ["routes.all", "services.api"])
async def test_maintenance_is_switched_while_the_gateway_runs(key: str) -> None:
    """All but some clients get the prepared answer at every worker, on connections that were there before; and then it is over."""
    place = {"route": PREPARED} if key == "routes.all" else {"service": PREPARED}
    place["route"] = 'name = "all"\n' + place.get("route", "")
    async with Origin(b"x") as origin:
        text = configuration(origin, workers=2, gateway=TRUSTED, **place)
        async with Gateway(text) as gateway, Client(gateway) as client:
            served = (200, b"x", None)
            assert await ask(client) == served
            code, out, err = await run_with("set", f"{key}.maintenance", "on", "--admin", gateway.admin)
            assert (code, err) == (0, ""), out
            assert await ask(client) == (503, b"soon", "90")
            assert await ask(client, "192.0.2.7") == served
            assert len(origin.requests) == 2
            await gateway.reload(text)
            assert (await ask(client))[0] == 503
            for command, words in (("set", ["off"]), ("set", ["on"]), ("unset", [])):
                code, _, _ = await run_with(command, f"{key}.maintenance", *words, "--admin", gateway.admin)
                assert code == 0
                assert (await ask(client))[0] == (503 if words == ["on"] else 200), words


async def test_connections_that_are_passed_through_are_kept_out() -> None:
    """Those that come are reset and reach no instance, but for clients that are let in; those that are there go on."""
    service = 'maintenance = { on = false, allow = ["127.0.0.2"] }'
    async with Echo() as echo, Gateway(passing(echo, workers=2, service=service)) as gateway:

        async def switch(word: str) -> None:
            code, out, err = await run_with("set", "services.db.maintenance", word, "--admin", gateway.admin)
            assert (code, err) == (0, ""), out

        async def is_served(client: Client) -> bool:
            try:
                await client.send(b"x")
                return await client.reader.read(1) == b"x"
            except ConnectionResetError:
                return False

        async def comes(source: str) -> bool:
            try:
                async with Client(gateway, source=source) as client:
                    return await is_served(client)
            except ConnectionResetError:
                return False

        async with Client(gateway) as there:
            assert await is_served(there)
            await switch("on")
            assert [await comes("127.0.0.1"), await comes("127.0.0.2"), await is_served(there)] == [
                False,
                True,
                True,
            ]
            assert echo.count == 2
            await switch("off")
            assert await comes("127.0.0.1")
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_passed_ends_total", end="destination_unavailable") == 1


async def test_maintenance_of_the_file_is_for_everybody() -> None:
    """`true` is enough: the answer is the page for 503."""
    async with Origin(b"x") as origin:
        text = '[errors.503]\nbody = "later"\n' + configuration(origin, route="maintenance = true")
        async with Gateway(text) as gateway, Client(gateway) as client:
            assert await ask(client) == (503, b"later", None)
            assert origin.requests == []


async def test_a_word_that_is_no_switch_is_refused() -> None:
    """With what it may be, and nothing changes."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, route='name = "all"')) as gateway:
        code, _, err = await run_with("set", "routes.all.maintenance", "yes", "--admin", gateway.admin)
        assert (code, 'expected "on" or "off"' in err) == (1, True), err
        async with Client(gateway) as client:
            assert (await ask(client))[0] == 200
