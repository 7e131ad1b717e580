"""Who gets the requests of a service: backups, zones, subsets, panic, slow start, caps and slow instances, by the real command."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial

from tests.helpers import Client, Gateway, Origin, Reply, Request, configuration, eventually
from tests.helpers.load import Load
from tests.helpers.origin import OriginConnection
from tests.helpers.proof import PROOF

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHECK = 'health = { path = "/healthz", interval = "100ms", timeout = "500ms", fall = 1, rise = 1 }'
CAPPED_REQUESTS = 20_000 if PROOF else 600
KILLS = 20 if PROOF else 2


def table(origin: Origin, more: str) -> str:
    """An instance as a table."""
    return f'{{ address = "{origin.address}", {more} }}'


def service(*instances: str, gateway: str = "", service: str = "", routes: str = "", workers: int = 2) -> str:
    """A configuration with these instances; a route to all of them comes last."""
    return (
        f'[gateway]\nworkers = {workers}\nadmin = "127.0.0.1:0"\n{gateway}\n[[listen]]\naddress = "127.0.0.1:0"\n'
        f'[services.api]\ninstances = [{", ".join(instances)}]\n{service}\n{routes}\n[[routes]]\nservice = "api"\n'
    )


async def seen(gateway: Gateway, requests: int = 40, target: str = "/") -> Counter[bytes]:
    """Which origins answer so many requests on a connection of their own each; a failed one counts by its status."""
    bodies: Counter[bytes] = Counter()
    request = f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    for _ in range(requests):
        async with Client(gateway) as client:
            (response,) = await client.exchange(request)
            bodies[response.body.data if response.status == 200 else b"%d" % response.status] += 1
    return bodies


async def origins(stack: AsyncExitStack, *names: bytes) -> list[Origin]:
    """Origins that answer with their names."""
    return [await stack.enter_async_context(Origin(name)) for name in names]


async def test_a_backup_serves_while_no_primary_can() -> None:
    """Nothing before, every request when the primaries are gone, without an error between; nothing when they are back."""
    async with AsyncExitStack() as stack:
        one, two, backup = await origins(stack, b"one", b"two", b"backup")
        text = service(table(one, "weight = 1"), table(two, "weight = 1"), table(backup, "backup = true"))
        gateway = await stack.enter_async_context(Gateway(text))
        assert set(await seen(gateway)) == {b"one", b"two"}
        await one.stop()
        await two.stop()
        assert set(await seen(gateway)) == {b"backup"}
        await one.start()
        await two.start()
        await eventually(lambda: came_back(gateway))
        assert b"backup" not in await seen(gateway)


async def came_back(gateway: Gateway) -> bool:
    """Does a primary answer again? It may be ejected for a while."""
    return b"backup" not in await seen(gateway, 2)


async def test_the_own_zone_serves_until_too_few_are_left() -> None:
    """Instances elsewhere get nothing while half of the own zone is there, and their share when less is."""
    async with AsyncExitStack() as stack:
        here = await origins(stack, b"here-0", b"here-1", b"here-2")
        (away,) = await origins(stack, b"away")
        text = service(
            *(table(one, 'zone = "east"') for one in here),
            table(away, 'zone = "west"'),
            gateway='zone = "east"',
            service=f'{CHECK}\nslow_start = "0s"',
        )
        gateway = await stack.enter_async_context(Gateway(text))
        assert set(await seen(gateway)) == {b"here-0", b"here-1", b"here-2"}
        await here[0].stop()
        await eventually(lambda: is_out(gateway, here[0]))
        assert set(await seen(gateway)) == {b"here-1", b"here-2"}
        await here[1].stop()
        await eventually(lambda: is_out(gateway, here[1]))
        assert set(await seen(gateway)) == {b"here-2", b"away"}


async def is_out(gateway: Gateway, origin: Origin) -> bool:
    """Is the instance unhealthy?"""
    return bool((await gateway.instance(origin.address))["state"] == "unhealthy")


async def test_a_subset_gets_what_its_route_matches() -> None:
    """And a reload that moves a label moves the requests."""
    async with AsyncExitStack() as stack:
        one, two, three = await origins(stack, b"one", b"two", b"three")
        routes = '[[routes]]\npath = "/next/*"\nservice = "api"\nsubset = { version = "v2" }'

        def labelled(*versions: str) -> str:
            instances = zip((one, two, three), versions, strict=True)
            tables = (
                table(one, f'labels = {{ version = "{version}", team = "x" }}') for one, version in instances
            )
            return service(*tables, routes=routes, service='slow_start = "0s"')

        gateway = await stack.enter_async_context(Gateway(labelled("v1", "v1", "v2")))
        assert set(await seen(gateway, target="/next/x")) == {b"three"}
        assert set(await seen(gateway)) == {b"one", b"two", b"three"}
        status, answer = await gateway.reload(labelled("v1", "v2", "v2"))
        assert status == 200, answer
        assert set(await seen(gateway, target="/next/x")) == {b"two", b"three"}


async def test_weight_0_lets_exchanges_end_and_gives_no_new_ones() -> None:
    """A reload to weight 0: what is under way is answered, and nothing more comes."""
    release = asyncio.Event()

    class Slow(Origin):
        async def answer(self, request: Request, connection: OriginConnection) -> None:
            await release.wait()
            await super().answer(request, connection)

    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(Slow(b"slow"))
        (other,) = await origins(stack, b"other")
        gateway = await stack.enter_async_context(Gateway(service(table(slow, "weight = 1"))))
        client = await stack.enter_async_context(Client(gateway))
        answer = asyncio.create_task(client.exchange(GET))
        await eventually(lambda: slow.requests)
        drained = service(table(slow, "weight = 0"), table(other, "weight = 1"))
        status, outcome = await gateway.reload(drained)
        assert status == 200, outcome
        assert set(await seen(gateway)) == {b"other"}
        release.set()
        assert (await answer)[0].body.data == b"slow"
        assert len(slow.requests) == 1


async def test_a_panic_is_loud_and_uses_all() -> None:
    """Below half of the instances fit, the unhealthy get requests as well; log, metric and status say so, and when it is over."""
    ill = {b"one": False, b"two": False}

    def reply(name: bytes) -> Origin:
        return Origin(lambda request: Reply(500 if ill[name] and request.target == "/healthz" else 200, name))

    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(reply(b"one"))
        two = await stack.enter_async_context(reply(b"two"))
        (three,) = await origins(stack, b"three")
        text = configuration(one, two, three, service=f'{CHECK}\nslow_start = "0s"')
        gateway = await stack.enter_async_context(Gateway(text))

        async def panics(expected: bool) -> bool:
            (status,) = (await gateway.status())["services"]
            metric = (await gateway.metrics()).sum("headgate_service_panic", service="api")
            return bool(status["panic"] == expected and metric == expected)

        assert await panics(False)
        ill[b"one"] = True
        await eventually(lambda: is_out(gateway, one))
        assert set(await seen(gateway)) == {b"two", b"three"}
        assert await panics(False)
        ill[b"two"] = True
        await eventually(lambda: panics(True))
        assert set(await seen(gateway)) == {b"one", b"two", b"three"}
        assert "service api: panic: only 1 of 3 instances are fit, less than 50 %" in gateway.stderr()
        ill[b"one"] = False
        await eventually(lambda: panics(False))
        assert set(await seen(gateway)) == {b"one", b"three"}


async def test_without_panic_nobody_unhealthy_is_asked() -> None:
    """With ``panic = "0%"`` a service that is all ill answers 503."""
    async with (
        Origin(Reply(500)) as origin,
        Gateway(configuration(origin, service=f'{CHECK}\npanic = "0%"')) as gateway,
    ):
        await eventually(lambda: is_out(gateway, origin))
        assert set(await seen(gateway, 5)) == {b"503"}
        assert {request.target for request in origin.requests} == {"/healthz"}


async def test_an_instance_that_comes_back_starts_slowly() -> None:
    """Right after, it gets a small part of its share."""
    async with AsyncExitStack() as stack:
        one, two = await origins(stack, b"one", b"two")
        gateway = await stack.enter_async_context(
            Gateway(configuration(one, two, service=f'{CHECK}\nslow_start = "5m"\npassive = false'))
        )
        assert min((await seen(gateway, 100)).values()) > 20
        await two.stop()
        await eventually(lambda: is_out(gateway, two))
        await two.start()

        async def is_back() -> bool:
            return not await is_out(gateway, two)

        await eventually(is_back)
        # A share of 1 in 20 is expected, and 1 in 2 without a slow start.
        assert (await seen(gateway, 200))[b"two"] < 40


class Counting(Origin):
    """Counts the requests that it has on connections which the gateway holds open."""

    def __init__(self) -> None:
        super().__init__(b"counted")
        self.under_way: set[OriginConnection] = set()
        self.most = 0

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """Takes a moment."""
        self.under_way.add(connection)
        held = sum(not one.reader.at_eof() for one in self.under_way)  # a killed worker's end at its death
        self.most = max(self.most, held)
        await asyncio.sleep(0.004)
        self.under_way.discard(connection)
        await super().answer(request, connection)


async def test_caps_hold_over_workers_that_are_killed() -> None:
    """Four workers, clients beyond the caps: no instance ever has more requests than it may, and in the end nothing is held."""
    async with AsyncExitStack() as stack:
        capped = [await stack.enter_async_context(Counting()) for _ in range(3)]
        instances = [table(one, f"max_in_flight = {cap}") for one, cap in zip(capped, (1, 2, 3), strict=True)]
        gateway = await stack.enter_async_context(Gateway(service(*instances, workers=4)))
        async with Load(gateway, clients=10, idempotent=True) as load:
            for kill in range(KILLS):
                await eventually(partial(has_answered, load, kill * CAPPED_REQUESTS // KILLS), within=120.0)
                os.kill(gateway.worker_pids()[kill % 4], signal.SIGKILL)
            await eventually(partial(has_answered, load, CAPPED_REQUESTS), within=120.0)
        await eventually(gateway.empty)
        assert [one.most for one in capped] == [1, 2, 3], "reached, and never exceeded"
        assert set(load.tally.answers) <= {200, 503, 502}


def has_answered(load: Load, requests: int) -> bool:
    """Did so many requests succeed?"""
    return load.tally.answers[200] >= requests


class Dawdling(Origin):
    """Takes its time for every answer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(b"at last", keep_bodies=False)
        self._seconds = seconds

    async def answer(self, request: Request, connection: OriginConnection) -> None:
        """After a while."""
        await asyncio.sleep(self._seconds)
        await super().answer(request, connection)


async def share_of_the_slow_one(balance: str) -> float:
    """Of the requests to three instances, one of which is ten times slower; the first ones, which nobody knew, left out."""
    async with AsyncExitStack() as stack:
        fast = [await stack.enter_async_context(Dawdling(0.02)) for _ in range(2)]
        slow = await stack.enter_async_context(Dawdling(0.2))
        text = configuration(*fast, slow, workers=2, service=f'balance = "{balance}"')
        gateway = await stack.enter_async_context(Gateway(text))
        async with Load(gateway, clients=4, idempotent=True) as load:
            await load.more(60)
            before = [len(one.requests) for one in (*fast, slow)]
            await load.more(500)
            after = [len(one.requests) for one in (*fast, slow)]
        counts = [late - early for early, late in zip(before, after, strict=True)]
        return counts[2] / sum(counts)


async def test_ewma_leaves_a_slow_instance_almost_alone() -> None:
    """Only now and then a request tries whether it is slow still. A busy machine makes the others look slow at times."""
    assert await share_of_the_slow_one("ewma") < (0.02 if PROOF else 0.1)


async def test_p2c_gives_a_slow_instance_little() -> None:
    """What it holds is what the others hold, so it gets about a tenth of what they get: no third, as in turn."""
    assert await share_of_the_slow_one("p2c") < 0.12
