"""A running gateway takes another configuration, or says why it does not; the real command with real workers."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiohttp

from tests.helpers import Client, Gateway, Origin, configuration, eventually, vices
from tests.helpers.configuration import HasAddress
from tests.helpers.gateway import named
from tests.helpers.load import Load

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OTHER = "127.0.0.2:0"
LIMIT = 'limit = { rate = "3/h", burst = 2 }'


def two_listeners(origin: HasAddress) -> str:
    """A configuration with a second listener."""
    return configuration(origin, workers=2, listen=f'[[listen]]\naddress = "{OTHER}"')


async def ask(url: str) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.read()


async def test_another_instance_and_another_route() -> None:
    """From the answer on every request is decided by the new file, on kept connections too; the epoch is shown."""
    async with Origin(b"one") as one, Origin(b"two") as two:
        async with Gateway(configuration(one, workers=2)) as gateway, Client(gateway) as client:
            assert (await client.exchange(GET))[0].body.data == b"one"
            code, answer = await gateway.reload(configuration(two, workers=2, route='path = "/v2/*"'))
            assert (code, answer["applied"], answer["epoch"]) == (200, True, 2)
            assert set(answer["changes"]) == {"service api changed", "route /v2/* added", "route * removed"}
            assert (await client.exchange(GET))[0].status == 404
            assert (await client.exchange(GET.replace(b" / ", b" /v2/a ")))[0].body.data == b"two"
            status = await gateway.status()
            assert status["epoch"] == 2
            assert {worker["epoch"] for worker in named(status, "workers")} == {2}
            assert (await gateway.metrics()).sum("headgate_config_epoch") == 2
            assert (await gateway.metrics()).sum("headgate_requests_total", route="*", code=200) == 1


async def test_a_wrong_file_changes_nothing() -> None:
    """All mistakes come back, each with its place; what runs goes on, and a right file is taken afterwards."""
    async with Origin(b"one") as origin, Gateway(configuration(origin)) as gateway:
        wrong = configuration(origin, service="balanc = 1", route='path = "x"')
        code, answer = await gateway.reload(wrong)
        assert (code, answer["applied"], answer["epoch"]) == (422, False, 1)
        assert [mistake["path"] for mistake in answer["mistakes"]] == [
            "services.api.balanc",
            "routes[0].path",
        ]
        line = wrong.splitlines().index("balanc = 1") + 1
        assert answer["mistakes"][0]["line"] == line
        assert (await ask(gateway.url))[1] == b"one"
        gateway.signal(signal.SIGHUP)
        await eventually(lambda: f"{line}:1: services.api.balanc: unknown key" in gateway.stderr())
        assert (await gateway.status())["epoch"] == 1
        assert (await gateway.reload(configuration(origin)))[1]["epoch"] == 2


async def test_a_wrong_file_of_any_name_is_reported() -> None:
    """Those that cannot be read, and those whose names are no text, are mistakes like others."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        (gateway.folder / "loop.toml").symlink_to("loop.toml")
        (gateway.folder / os.fsdecode(b"\xff.toml")).write_text("routes = 1\n")
        code, answer = await gateway.reload('include = ["*.toml"]\n' + configuration(origin))
        assert code == 422
        files = {mistake["file"]: mistake["message"] for mistake in answer["mistakes"]}
        assert files == {
            rf"{gateway.folder}/\xff.toml": "expected a list; write [[routes]]",
            f"{gateway.folder}/loop.toml": "Too many levels of symbolic links",
        }
        gateway.signal(signal.SIGHUP)
        await eventually(lambda: gateway.stderr().count("Too many levels of symbolic links") == 2)
        assert (await gateway.status())["epoch"] == 1


async def test_what_only_a_restart_can_change() -> None:
    """The key is named, and an address that is taken is a reason as well."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        code, answer = await gateway.reload(configuration(origin, gateway="max_instances = 5"))
        assert (code, answer["mistakes"][0]["path"]) == (422, "gateway.max_instances")
        taken = configuration(origin, listen=f'[[listen]]\naddress = "{origin.address}"')
        code, answer = await gateway.reload(taken)
        assert code == 409
        assert answer["reason"] == f"cannot listen on {origin.address}: the address is already in use"
        assert list(await gateway.listeners()) == ["127.0.0.1:0"]


async def test_an_access_log_comes_with_a_reload() -> None:
    """It is written from then on; one that cannot be written is a reason to change nothing."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        path = gateway.folder / "access.log"
        text = configuration(origin) + f'[log]\naccess = "{path}"\n'
        code, answer = await gateway.reload(text.replace("access.log", "nowhere/access.log"))
        assert (code, "cannot write the access log" in answer["reason"]) == (409, True)
        assert (await gateway.reload(text))[0] == 200
        await ask(gateway.url)
        await eventually(lambda: '"status":200' in path.read_text())


async def test_listeners_come_and_go() -> None:
    """A new one serves at once; a removed one refuses, and its connection lives on with its own rows."""
    async with Origin(b"one") as origin, Gateway(configuration(origin, workers=2)) as gateway:
        await gateway.reload(two_listeners(origin))
        url = (await gateway.listeners())[OTHER]
        assert await ask(url) == (200, b"one")
        host, port = urlsplit(url).hostname, urlsplit(url).port
        reader, writer = await asyncio.open_connection(host, port)
        await gateway.reload(configuration(origin, workers=2))
        try:
            await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            pass
        else:
            raise AssertionError("a removed listener accepts")
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_requests_total", listener=OTHER, code=200) == 2
        assert metrics.sum("headgate_requests_total", listener="127.0.0.1:0", code=200) == 0
        writer.close()


async def test_levels_of_limits_survive() -> None:
    """A bucket that is empty stays empty when the configuration around it changes."""
    async with Origin() as origin, Gateway(configuration(origin, route=LIMIT)) as gateway:
        assert [(await ask(gateway.url))[0] for _ in range(3)] == [200, 200, 429]
        await gateway.reload(configuration(origin, route=LIMIT, service="max_idle = 3"))
        assert (await ask(gateway.url))[0] == 429


async def test_health_survives() -> None:
    """An instance known to be down stays out, whatever else changes; without a check it is let in again."""
    check = 'health = { path = "/", interval = "200ms", fall = 1 }'
    async with Origin() as origin, vices.RefusesConnect() as dead:
        async with Gateway(configuration(origin, dead, service=check)) as gateway:

            async def is_out() -> bool:
                return (await gateway.instance(dead.address))["state"] == "unhealthy"

            await eventually(is_out)
            weighted = f'{{ address = "{dead.address}", weight = 5 }}'
            text = configuration(origin, dead, service=check).replace(f'"{dead.address}"', weighted)
            await gateway.reload(text)
            instance = await gateway.instance(dead.address)
            assert (instance["state"], instance["weight"]) == ("unhealthy", 5)
            await gateway.reload(configuration(origin, dead))
            assert (await gateway.instance(dead.address))["state"] == "unknown"


async def test_workers_that_leave_follow_as_well() -> None:
    """A service that is gone is gone for them too: the clients that they still have are led elsewhere."""
    async with Origin(b"one") as one, Origin(b"two") as two:
        async with Gateway(configuration(one, workers=3)) as gateway, AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(gateway)) for _ in range(12)]
            for client in clients:
                assert (await client.exchange(GET))[0].body.data == b"one"
            assert (await gateway.reload(configuration(one, workers=1)))[0] == 200
            assert (await gateway.reload(configuration(two, workers=1)))[0] == 200
            answers = [(await client.exchange(GET))[0] for client in clients]
        assert {(answer.status, answer.body.data) for answer in answers} == {(200, b"two")}


async def test_more_and_fewer_workers_fail_no_request() -> None:
    """Kept connections and new ones are answered all the time; with the answer there are as many as were asked for."""
    async with Origin() as origin, Gateway(configuration(origin, workers=1)) as gateway:
        async with (
            Load(gateway, clients=8) as kept,
            Load(gateway, clients=4, new_connections=True) as new,
        ):
            for count in (3, 1, 2, 1):
                code, _ = await gateway.reload(configuration(origin, workers=count))
                assert code == 200
                workers = named(await gateway.status(), "workers")
                assert [worker["state"] for worker in workers] == ["ready"] * count
                await kept.more(100)
                await new.more(50)
                await eventually(lambda count=count: len(gateway.worker_pids()) == count, within=10)
        assert kept.tally.failures == 0, kept.tally
        assert new.tally.failures == 0, new.tally
