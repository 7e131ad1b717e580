"""Several gateways share a limit through one Redis, and go on as they are told while it is away."""

import signal
from contextlib import AsyncExitStack

import pytest

from tests.helpers import Gateway, Origin
from tests.helpers.cluster import drive, reaches, shared, under_load
from tests.helpers.gateway import run_with
from tests.helpers.patience import eventually
from tests.helpers.proof import PROOF
from tests.helpers.redis import RedisServer

RATE, BURST = 300, 30
ENOUGH = 0.98 if PROOF else 0.5
"""Of what may be admitted: a machine that others load too does not ask Redis in time for all."""


@pytest.mark.parametrize("load", [(700, 300), (700, 200, 100)], ids=["two", "three"])
async def test_together_they_admit_the_limit(load: tuple[int, ...]) -> None:
    """However the load is spread: burst and rate × time, within 2 %, and what each held in stock at the end."""
    seconds = 10.0 if PROOF else 2.0
    async with Origin(b"x") as origin, RedisServer() as server, AsyncExitStack() as stack:
        text = shared(origin, server.address, f'rate = "{RATE}/s", burst = {BURST}')
        gateways = [await stack.enter_async_context(Gateway(text)) for _ in load]
        for gateway in gateways:
            await reaches(gateway, gateways=len(load))
        statuses, took = await drive(gateways, load, seconds)
        allowed = BURST + RATE * took
        held = len(load) * 0.04 * RATE
        assert set(statuses) == {200, 429}
        assert ENOUGH * allowed - held <= statuses[200] <= 1.02 * allowed + len(load)
        assert len(origin.requests) == statuses[200]


async def test_below_the_limit_nobody_is_refused() -> None:
    """Not even when requests come in handfuls, and before anybody was asked. The stock may owe a quarter of the burst, so
    that a supervisor that gets no CPU for some 300 ms has nobody refused; without any question the burst would not do.
    """
    async with Origin(b"x") as origin, RedisServer() as server:
        text = shared(origin, server.address, 'rate = "400/s", burst = 400')
        async with Gateway(text) as one, Gateway(text) as other:
            statuses, _ = await drive([one, other], [200, 50], 1.5)
            assert set(statuses) == {200}
            metrics = await one.metrics()
            assert metrics.sum("headgate_cluster_reachable") == 1
            assert metrics.sum("headgate_cluster_round_trips_total") > 0
            assert metrics.sum("headgate_cluster_wants_total") > 0


@pytest.mark.parametrize(
    ("unreachable", "way"),
    [("local", "stopped"), ("local", "killed"), ("open", "killed"), ("closed", "stopped")],
)
async def test_a_second_without_redis(unreachable: str, way: str) -> None:
    """Each limit has its rule, nobody gets an error, and afterwards the limit holds again. The burst is a second of the
    rate: what a machine under load sends late comes all at once, and a smaller one would refuse it by right.
    """
    burst = RATE
    limit = f'rate = "{RATE}/s", burst = {burst}, unreachable = "{unreachable}"'
    async with Origin(b"x") as origin, RedisServer() as server:
        text = shared(origin, server.address, limit)
        async with Gateway(text) as one, Gateway(text) as other:
            gateways, load = [one, other], [2 * RATE, 2 * RATE]
            for gateway in gateways:
                await reaches(gateway, gateways=2)
            await drive(gateways, load, 0.5)
            if way == "stopped":
                server.signal(signal.SIGSTOP)
            else:
                await server.kill()
            for gateway in gateways:
                await reaches(gateway, reachable=False)
            without, took = await drive(gateways, load, 1.0)
            match unreachable:
                case "local":
                    assert (ENOUGH - 0.2) * RATE * took <= without[200] <= 1.02 * (burst + RATE * took) + 2
                case "open":
                    assert set(without) == {200}
                case _:
                    assert without[200] <= burst
            if way == "stopped":
                server.signal(signal.SIGCONT)
            else:
                await server.start()
            for gateway in gateways:
                await reaches(gateway)
            again, took = await drive(gateways, load, 2.0)
            assert (ENOUGH - 0.1) * RATE * took <= again[200] <= 1.02 * (2 * burst + RATE * took) + 2
            assert set(without) | set(again) <= {200, 429}
            assert "Redis is back after" in one.stderr()


async def test_a_wrong_address() -> None:
    """A gateway starts without Redis, says so, and serves the limit by itself."""
    async with Origin(b"x") as origin, Gateway(shared(origin, "127.0.0.1:1")) as gateway:
        await reaches(gateway, reachable=False)
        statuses, took = await drive([gateway], [2 * RATE], 1.0)
        assert set(statuses) == {200, 429}
        assert ENOUGH * RATE * took <= statuses[200] <= 1.1 * (BURST + RATE * took)
        await eventually(lambda: "Redis cannot be reached" in gateway.stderr())
        code, out, _ = await run_with("status", "--admin", gateway.admin)
        assert code == 0
        assert "127.0.0.1:1  unreachable" in out


async def test_passwords() -> None:
    """The right one is let in; the wrong one counts as unreachable, and neither is ever shown."""
    async with Origin(b"x") as origin, RedisServer("--requirepass", "open-sesame") as server:
        text = shared(origin, server.address, settings='password = "${env:REDIS_PASSWORD}"')
        async with Gateway(text, environment={"REDIS_PASSWORD": "open-sesame"}) as gateway:
            await reaches(gateway, gateways=1)
            assert "open-sesame" not in gateway.stderr() + str(await gateway.status())
        async with Gateway(text, environment={"REDIS_PASSWORD": "barley"}) as gateway:
            await reaches(gateway, reachable=False)
            assert "barley" not in gateway.stderr()
            assert "password" in gateway.stderr()


async def test_reloads_begin_change_and_end_sharing() -> None:
    """Each takes effect as a whole, and no request is refused meanwhile that the limit lets pass; a certificate that is not
    there refuses the reload, and nothing has changed.
    """
    limit = 'rate = "3000/s", burst = 3000'
    async with Origin(b"x") as origin, RedisServer() as first, RedisServer() as second:
        together, moved = shared(origin, first.address, limit), shared(origin, second.address, limit)
        alone = together.replace(', scope = "cluster"', "").partition("[cluster]")[0]
        async with Gateway(alone) as gateway, under_load(gateway, 100) as statuses:
            assert (await gateway.status())["cluster"] is None
            assert (await gateway.reload(together))[0] == 200
            await reaches(gateway, gateways=1)
            code, answer = await gateway.reload(
                shared(origin, second.address, limit, settings='tls = { ca = "/nowhere/ca.pem" }')
            )
            assert code == 409, answer
            assert "cluster.tls" in answer["reason"]
            assert (await gateway.status())["cluster"]["redis"] == [first.address]
            code, answer = await gateway.reload(moved)
            assert (code, answer["changes"]) == (200, ["cluster changed"])
            await first.kill()
            await reaches(gateway, gateways=1)
            for _ in range(5):
                assert (await gateway.reload(alone))[0] == 200
                assert (await gateway.status())["cluster"] is None
                assert (await gateway.reload(moved))[0] == 200
            assert (await gateway.reload(alone))[0] == 200
        assert set(statuses) == {200}
        assert len(origin.requests) == statuses[200]


@pytest.mark.parametrize("unreachable", ["local", "open"])
async def test_moving_off_a_redis_that_hangs(unreachable: str) -> None:
    """Nobody is refused while the old one is given up, and the other one is shown at once."""
    limit = f'rate = "3000/s", burst = 3000, unreachable = "{unreachable}"'
    async with Origin(b"x") as origin, RedisServer() as first, RedisServer() as second:
        async with Gateway(shared(origin, first.address, limit)) as gateway:
            await reaches(gateway, gateways=1)
            async with under_load(gateway, 100) as statuses:
                first.signal(signal.SIGSTOP)
                await reaches(gateway, reachable=False)
                assert (await gateway.reload(shared(origin, second.address, limit)))[0] == 200
                assert (await gateway.status())["cluster"]["redis"] == [second.address]
                await reaches(gateway, gateways=1)
            assert set(statuses) == {200}


async def test_a_rate_is_changed_while_it_runs() -> None:
    """By a reload: the next requests are counted by it. An override would change it for one gateway of several, and is
    refused.
    """
    async with Origin(b"x") as origin, RedisServer() as server:
        slow, fast = (
            shared(origin, server.address, limit).replace("limit =", 'name = "all"\nlimit =')
            for limit in ('rate = "1/h", burst = 4', 'rate = "10000/s", burst = 1000')
        )
        async with Gateway(slow) as gateway:
            await reaches(gateway)
            statuses, _ = await drive([gateway], [100], 0.5)
            assert statuses[200] == pytest.approx(4, abs=1)
            setting = ("routes.all.limit.rate", "10000/s", "--admin", gateway.admin)
            code, _, err = await run_with("set", *setting)
            assert code != 0
            assert "routes.all.limit.rate" in err
            assert "all gateways count by the same rate" in err
            assert (await gateway.reload(fast))[0] == 200

            async def passes() -> bool:
                return set((await drive([gateway], [100], 0.1))[0]) == {200}

            await eventually(passes)
