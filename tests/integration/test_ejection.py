"""Instances that fail requests are out for a while, in the real gateway."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.helpers import Client, Gateway, Origin, Reply, configuration, eventually, vices
from tests.helpers.load import Load

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
SHORT = 'balance = "round_robin"\nslow_start = "0s"\npassive = { ejection = "700ms" }'
LONG = 'balance = "round_robin"\npassive = { ejection = "1h", max_ejection = "1h" }'


async def ask(gateway: Gateway, count: int, raw: bytes = GET) -> list[int]:
    """The statuses of that many requests, each on a connection of its own."""
    statuses = []
    for _ in range(count):
        async with Client(gateway) as client:
            statuses += [response.status for response in await client.exchange(raw, raw[:4].decode().strip())]
    return statuses


async def state(gateway: Gateway, address: str) -> str:
    """What the status says of an instance."""
    return str((await gateway.instance(address))["state"])


def is_ejected(gateway: Gateway, address: str, *, ejected: bool = True) -> Callable[[], object]:
    """A condition to wait for."""

    async def condition() -> bool:
        return (await state(gateway, address) == "ejected") == ejected

    return condition


@pytest.mark.parametrize("vice", ["refuses", "resets"])
async def test_five_failures_in_a_row(vice: str) -> None:
    """Four are not enough; the fifth takes the instance out, and status, metrics and log say so."""
    async with vices.ResetsRequests() as bad, Origin(b"good") as good:
        if vice == "refuses":
            await bad.stop()
        async with Gateway(configuration(bad, good, service=LONG)) as gateway:

            async def has_failed(times: int) -> bool:
                assert await ask(gateway, 1) == [200]
                return (await gateway.metrics()).sum("headgate_retries_total") == times

            await eventually(lambda: has_failed(4))
            await asyncio.sleep(0.3)  # three looks of the supervisor find nothing
            assert await state(gateway, bad.address) == "unknown"
            await eventually(lambda: has_failed(5))
            await eventually(is_ejected(gateway, bad.address))
            shown = await gateway.instance(bad.address)
            assert shown["reason"] == "5 failures in a row"
            left = datetime.fromisoformat(shown["until"]) - datetime.now(UTC)
            assert timedelta(minutes=45) < left <= timedelta(hours=1)
            assert (await gateway.instance(good.address))["until"] is None
            metrics = await gateway.metrics()
            ejected = {"instance": bad.address, "service": "api"}
            assert metrics.sum("headgate_instance_ejected", **ejected) == 1
            assert metrics.sum("headgate_instance_ejected") == 1
            total = "headgate_instance_ejections_total"
            assert metrics.sum(total, **ejected, reason="consecutive_failures") == metrics.sum(total) == 1
            assert metrics.sum("headgate_instance_healthy") == 2, "which is what checks say"
            assert gateway.stderr().count(f"{bad.address} is ejected for ") == 1


async def test_an_instance_returns_after_its_time() -> None:
    """It is tried again, and serves if it is well; if it is not, its next ejection is longer."""
    async with vices.ResetsRequests() as bad, Origin(b"good") as good:
        async with Gateway(configuration(bad, good, service=SHORT)) as gateway:

            async def is_ejected_for(seconds: str) -> bool:
                assert set(await ask(gateway, 10)) == {200}
                return f"{bad.address} is ejected for {seconds}" in gateway.stderr()

            await eventually(lambda: is_ejected_for("0."))
            await eventually(lambda: is_ejected_for("1."), within=20.0)
            bad.broken = False
            await eventually(is_ejected(gateway, bad.address, ejected=False))
            assert f"{bad.address} is not ejected any more: its time is over" in gateway.stderr()
            before = len(bad.requests)
            assert set(await ask(gateway, 4)) == {200}
            assert len(bad.requests) == before + 2


async def test_traffic_avoids_an_ejected_instance() -> None:
    """Requests that must not be sent twice fail five times, and then no more."""
    async with vices.ResetsRequests() as bad, Origin(b"good") as good:
        async with Gateway(configuration(bad, good, service=LONG)) as gateway:
            assert sorted(await ask(gateway, 10, POST)) == [200] * 5 + [502] * 5
            await eventually(is_ejected(gateway, bad.address))
            assert await ask(gateway, 20, POST) == [200] * 20
        assert len(bad.requests) == 5


async def test_the_last_instance_is_never_ejected() -> None:
    """A service of one goes on asking it, and so does a service whose other instances are out."""
    async with vices.ResetsRequests() as only, Gateway(configuration(only)) as gateway:
        assert set(await ask(gateway, 12, POST)) == {502}
        only.broken = False
        assert set(await ask(gateway, 3, POST)) == {200}
        assert await state(gateway, only.address) == "unknown"
    async with vices.ResetsRequests() as one, vices.ResetsRequests() as two:
        all_of_them = LONG.replace("}", ', max_share = "100%" }')
        async with Gateway(configuration(one, two, service=all_of_them)) as gateway:
            await ask(gateway, 20, POST)
            addresses = (one.address, two.address)
            await eventually(lambda: "is ejected" in gateway.stderr())
            await ask(gateway, 20, POST)
            states = [await state(gateway, address) for address in addresses]
            assert sorted(states) == ["ejected", "unknown"]
            one.broken = two.broken = False
            assert set(await ask(gateway, 3, POST)) == {200}


async def test_a_good_answer_ends_the_row() -> None:
    """Four failures, an answer, and four failures are no five in a row; an answer of any status is one."""

    def fails(request: object) -> Reply:
        del request
        return Reply(503)

    async with vices.ResetsRequests() as bad, Origin(fails) as busy:
        async with Gateway(configuration(bad, busy, service=LONG)) as gateway:
            for _ in range(3):
                bad.broken = True
                await ask(gateway, 8, POST)
                bad.broken = False
                await ask(gateway, 2, POST)
            await asyncio.sleep(0.3)  # three looks of the supervisor find nothing
            assert [await state(gateway, one.address) for one in (bad, busy)] == ["unknown"] * 2


async def test_statuses_that_a_service_takes_for_failures() -> None:
    """The client gets the answer as it is; five of them in a row eject the instance."""
    text = 'balance = "round_robin"\npassive = { statuses = [503], ejection = "1h", max_ejection = "1h" }'
    async with Origin(Reply(503, b"busy")) as busy, Origin(Reply(500, b"oh")) as odd:
        async with Gateway(configuration(busy, odd, service=text)) as gateway:
            assert sorted(await ask(gateway, 10)) == [500] * 5 + [503] * 5
            await eventually(is_ejected(gateway, busy.address))
            assert await ask(gateway, 4) == [500] * 4


async def test_two_workers_count_together() -> None:
    """However the requests fall on the workers, the sixth that fails finds the instance ejected."""
    async with vices.ResetsRequests() as bad, Origin(b"good") as good:
        async with Gateway(configuration(bad, good, workers=2, service=LONG)) as gateway:
            statuses: list[int] = []

            async def five_failed() -> bool:
                statuses.extend(await ask(gateway, 1, POST))
                return statuses.count(502) == 5

            await eventually(five_failed)
            await eventually(is_ejected(gateway, bad.address))
            assert await ask(gateway, 40, POST) == [200] * 40
        assert len(bad.requests) == 5


async def test_an_ejection_survives_reloads_and_workers() -> None:
    """Its clock and its counter belong to the instance; what the file says of it may change meanwhile."""
    async with vices.ResetsRequests() as bad, Origin(b"good") as good, Origin(b"more") as more:
        text = configuration(bad, good, service=LONG)
        async with Gateway(text) as gateway:
            await ask(gateway, 10)
            await eventually(is_ejected(gateway, bad.address))
            until = (await gateway.instance(bad.address))["until"]
            weighted = text.replace(f'"{bad.address}"', f'{{ address = "{bad.address}", weight = 5 }}')
            for changed in (text, weighted, configuration(bad, good, more, service=LONG)):
                assert (await gateway.reload(changed))[0] == 200
                shown = await gateway.instance(bad.address)
                assert (shown["state"], shown["until"][:18]) == ("ejected", until[:18])
            os.kill(gateway.workers[0], signal.SIGKILL)
            await eventually(lambda: gateway.worker_pids() not in ([], gateway.workers))
            assert set(await ask(gateway, 10, POST)) == {200}
            assert (await gateway.reload(configuration(good, more, service=LONG)))[0] == 200
            assert (await gateway.reload(configuration(bad, good, more, service=LONG)))[0] == 200
            assert await state(gateway, bad.address) == "ejected", "it went and came back"
            off = configuration(bad, good, more, service="passive = false")
            assert (await gateway.reload(off))[0] == 200
            assert await state(gateway, bad.address) == "unknown"
            assert (await gateway.metrics()).sum("headgate_instance_ejections_total") == 1


async def test_good_checks_end_an_ejection_early() -> None:
    """An instance that was ejected and passes its checks ``rise`` times comes back long before its time."""
    check = '\nhealth = { interval = "100ms", timeout = "1s", fall = 100, rise = 2 }'
    async with vices.ResetsRequests() as bad, Origin(b"good") as good:
        async with Gateway(configuration(bad, good, service=LONG + check)) as gateway:

            async def is_unhealthy() -> bool:
                return await state(gateway, bad.address) == "unhealthy"

            await eventually(is_unhealthy)
            bad.broken = False
            await eventually(lambda: good.requests)

            async def is_healthy() -> bool:
                return await state(gateway, bad.address) == "healthy"

            await eventually(is_healthy)
            async with Load(gateway, clients=4, idempotent=True) as load:
                await load.more(20)
                bad.broken = True
                await eventually(lambda: f"{bad.address} is ejected for " in gateway.stderr())
                bad.broken = False
                await eventually(is_healthy)
                before = len(bad.requests)
                await eventually(lambda: len(bad.requests) > before + 10)
            assert load.tally.failures == 0, load.tally
            assert f"{bad.address} is not ejected any more: its checks pass" in gateway.stderr()


async def test_clients_that_leave_are_no_failures() -> None:
    """Ten clients that give up waiting say nothing about the instance."""
    async with vices.Gated() as slow, Origin(b"good") as good:
        async with Gateway(configuration(slow, good, service=LONG)) as gateway:
            for _ in range(20):
                async with Client(gateway) as client:
                    arrived = len(slow.requests) + len(good.requests)
                    await client.send(GET)
                    await eventually(lambda before=arrived: len(slow.requests) + len(good.requests) > before)
                    client.reset()
            await eventually(gateway.empty)
            await asyncio.sleep(0.3)  # three looks of the supervisor find nothing
            assert await state(gateway, slow.address) == "unknown"
