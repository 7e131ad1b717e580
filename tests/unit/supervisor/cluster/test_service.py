"""Gateways that share limits through Redis admit together what one would alone."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import pytest

from gateway.model import Unreachable
from gateway.supervisor.cluster.bucket import Bucket, SharedLimit, Take, Taken
from gateway.supervisor.cluster.service import ClusterService, Tally
from tests.helpers import eventually
from tests.unit.supervisor.cluster.world import MOST, ROW, Clock, Workers, World


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rates", [[7000, 2000, 1000], [3000, 3000], [1200, 20, 0]])
async def test_together_they_admit_the_limit(rates: list[int], seed: int) -> None:
    """Under overload: burst and rate × time, never above by more than a token a gateway, never 2 % below."""
    world = World(len(rates), per_second=1000, burst=1000)
    await world.run(10, rates, random.Random(seed))
    assert 0.98 * 11_000 <= world.admitted <= 11_000 + len(rates)


@pytest.mark.parametrize("seed", range(3))
async def test_below_the_limit_nobody_is_refused(seed: int) -> None:
    """However the load is spread."""
    world = World(3, per_second=1000, burst=100)
    draw = random.Random(seed)
    await world.run(1, [500, 150, 50], draw)
    asked = before = 0
    before = world.admitted
    asked = sum(await world.run(5, [500, 150, 50], draw))
    assert world.admitted - before == asked >= 0.97 * 5 * 700


async def test_slow_limits_are_shared_as_well() -> None:
    """Ten tokens a second, and each gateway holds one at the most."""
    world = World(3, per_second=10, burst=5)
    await world.run(20, [70, 20, 10], random.Random(1))
    assert 0.95 * 205 <= world.admitted <= 205 + 3


async def test_many_keys_each_have_their_own() -> None:
    """A hundred of them, at three gateways."""
    world = World(3, per_second=20, burst=20)
    await world.run(5, [7000, 2000, 1000], random.Random(2), keys=100)
    assert 0.95 * 100 * 120 <= world.admitted <= 100 * (120 + 3)


async def test_the_load_that_moves_takes_the_tokens_with_it() -> None:
    """What one gateway does not use any more, the other has within a second."""
    world = World(2, per_second=1000, burst=1000)
    draw = random.Random(3)
    await world.run(3, [3000, 0], draw)
    await world.run(1, [0, 3000], draw)
    admitted = await world.run(5, [0, 3000], draw)
    assert admitted[1] >= 0.98 * 5000


async def test_what_is_not_used_is_given_back() -> None:
    """Nothing of it stays here, and Redis' bucket fills."""
    world = World(1, per_second=1000, burst=1000)
    await world.run(1, [500], random.Random(4))
    await world.run(3, [0], random.Random(4))
    assert (world.workers[0].stocks, world.services[0].leases) == ({}, 0)
    (tat,) = world.server.tats.values()
    assert tat <= world.clock.now / 1000
    trips = world.links[0].round_trips
    await world.run(2, [0], random.Random(4))
    assert world.links[0].round_trips == trips


@pytest.mark.parametrize("gateways", [1, 2, 3])
@pytest.mark.parametrize("burst", [5, 20, 200])
async def test_a_full_bucket_lets_a_handful_pass_at_once(gateways: int, burst: int) -> None:
    """Nobody is refused while there is enough: the requests of a page come together, and before anybody was asked."""
    world = World(gateways, per_second=10, burst=burst)
    await world.run(1, [0] * gateways, random.Random(7))
    together = max(1, burst // (2 * gateways))
    assert all(world.workers[0].request(1) for _ in range(together))
    await world.run(0.02, [0] * gateways, random.Random(7))
    assert world.workers[0].stocks[1].balance >= 0, "charged"


async def test_credit_is_paid_first() -> None:
    """A gateway that takes a bucket for full that others have emptied goes ahead once, and pays before more passes."""
    world = World(2, per_second=1, burst=10)
    draw = random.Random(8)
    await world.run(2, [1000, 0], draw)
    before = world.admitted
    assert 10 <= before <= 13
    await world.run(30, [0, 1000], draw)
    assert world.admitted - 10 <= 32 + 2


async def test_an_hourly_limit_is_not_forgotten() -> None:
    """A client that comes back every few seconds does not pass for a new one."""
    world = World(2, per_second=1 / 60, burst=2)
    draw = random.Random(9)
    for _ in range(60):
        for workers in world.workers:
            workers.request(1)
        await world.run(5, [0, 0], draw)
    assert world.admitted <= 2 + 300 / 60 + 2


async def test_a_slow_store_gets_larger_questions() -> None:
    """Where a round trip takes long, the stock suffices for several."""
    world = World(1, per_second=1000, burst=1000)
    link = world.links[0]
    take = link.take

    async def slow(takes: Sequence[Take]) -> list[Taken]:
        world.clock.now += 50_000_000
        return await take(takes)

    link.take = slow  # type: ignore[method-assign]
    await world.run(2, [800], random.Random(10))
    assert world.services[0]._cover >= 100_000_000


async def test_limits_come_go_and_change() -> None:
    """What is held of a limit that is gone is given back; another rate counts from the next question on."""
    world = World(1, per_second=1000, burst=1000)
    draw = random.Random(11)
    await world.run(2, [5000], draw)
    (service,) = world.services
    service.adopt({ROW: SharedLimit("limit", 10_000, 100, Unreachable.LOCAL)})
    await world.run(1, [5000], draw)
    assert (await world.run(10, [5000], draw))[0] == pytest.approx(1000, rel=0.02)
    service.adopt({})
    assert service.leases == 1, "workers may still decide by it"
    assert world.workers[0].credit == 50
    service.retire({})
    await world.run(1, [0], draw)
    assert (service.leases, world.workers[0].credit) == (0, 0)


class Slow:
    """A store that answers when it is told to, and remembers what it was asked."""

    def __init__(self, granted: int) -> None:
        self.asked: list[Take] = []
        self.answer = asyncio.Event()
        self.closed = False
        self._granted = granted

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """So many, late."""
        self.asked += takes
        await self.answer.wait()
        return [Taken(self._granted, 0, 1000) for _ in takes]

    async def members(self) -> int:
        """This one."""
        return 1

    async def close(self) -> None:
        """Asked no more."""
        self.closed = True


def asking(store: Slow, workers: Workers) -> tuple[ClusterService, SharedLimit]:
    """A service with one key that has owed one request since just now."""
    limit = SharedLimit("limit", 1000, 100, Unreachable.LOCAL)
    service = ClusterService(
        store, workers, {ROW: limit}, clock=lambda: workers.clock.now, most_in_stock=MOST, tally=Tally()
    )
    assert workers.request(7)
    return service, limit


async def test_what_is_granted_to_a_limit_that_is_gone_is_given_back() -> None:
    """And what was used is charged once: by the question that was under way, or else when the lease ended."""
    store, workers = Slow(10), Workers(Clock(), low=0)
    service, limit = asking(store, workers)
    turn = asyncio.create_task(service.turn())
    await eventually(lambda: store.asked)
    (question,) = store.asked
    assert (question.used, question.wanted) == (1, 10)
    service.retire({})
    store.answer.set()
    await turn
    await service.turn()
    bucket = Bucket(limit, 7)
    assert store.asked[1:] == [Take(bucket, 1, 0), Take(bucket, -11, 0)]
    assert sum(take.used for take in store.asked) + 10 == 1


async def test_a_turn_that_is_under_way_ends_before_the_store_is_closed() -> None:
    """So that what it is granted does not get lost; no further one begins, and no stock is touched any more."""
    store, workers = Slow(10), Workers(Clock(), low=0)
    service, _ = asking(store, workers)
    running = asyncio.create_task(service.run())
    await eventually(lambda: store.asked)
    service.end()
    assert workers.stocks == {}
    assert workers.credit > 0
    assert workers.request(8)
    store.answer.set()
    await running
    await service.close()
    assert sum(take.used for take in store.asked) + 10 == 1
    assert (store.closed, workers.announced) == (True, [8])


class Deaf(Slow):
    """A store whose client loses a cancellation that comes while the gateway greets."""

    greeted = False

    async def members(self) -> int:
        """When it is cancelled, and as if it were not."""
        self.greeted = True
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return 1


async def test_a_cancellation_that_gets_lost_does_not_keep_it() -> None:
    """It ends with the greeting that is under way."""
    store, workers = Deaf(10), Workers(Clock(), low=0)
    service, _ = asking(store, workers)
    running = asyncio.create_task(service.run())
    await eventually(lambda: store.greeted)
    service.end()
    store.answer.set()
    await eventually(running.done)
    await running


async def test_closing_gives_everything_back() -> None:
    """A gateway that stops leaves no token behind, and is no member any more."""
    world = World(2, per_second=1000, burst=1000)
    await world.run(1, [400, 400], random.Random(12))
    world.services[0].end()
    await world.services[0].close()
    assert (world.workers[0].stocks, world.server.gateways) == ({}, {"1"})


@pytest.mark.parametrize(
    ("unreachable", "least", "most"),
    [(Unreachable.LOCAL, 900, 1200), (Unreachable.OPEN, 2900, 3200), (Unreachable.CLOSED, 0, 200)],
)
async def test_a_second_without_redis(unreachable: Unreachable, least: int, most: int) -> None:
    """Each limit has its rule; afterwards the limit holds again."""
    world = World(2, per_second=1000, burst=100, unreachable=unreachable)
    draw = random.Random(5)
    rates = [1500, 1500]
    await world.run(3, rates, draw)
    world.server.is_up = False
    assert least <= sum(await world.run(1, rates, draw)) <= most
    world.server.is_up = True
    await world.run(1, rates, draw)
    assert sum(await world.run(5, rates, draw)) == pytest.approx(5000, rel=0.02)


@pytest.mark.parametrize("rates", [[1500, 1500], [2000, 400], [400, 300]])
@pytest.mark.parametrize("away", [0.5, 1, 2, 10])
async def test_what_passed_meanwhile_is_charged(away: float, rates: list[int]) -> None:
    """A gateway's share counts as if Redis had been there: over the whole time the limit holds, however much of the bucket
    had come back meanwhile, and nothing is charged twice: when Redis is back, the limit is there at once.
    """
    world = World(2, per_second=1000, burst=1000)
    draw = random.Random(13)
    await world.run(3, rates, draw)
    world.server.is_up = False
    meanwhile = await world.run(away, rates, draw)
    world.server.is_up = True
    afterwards = sum(await world.run(3, rates, draw))
    wanted = sum(rates)
    assert afterwards >= 0.95 * min(wanted, 1000) * 3
    assert world.admitted <= 1.01 * (1000 + 1000 * (6 + away))
    for admitted, rate in zip(meanwhile, rates, strict=True):
        assert admitted <= 500 + 500 * away + 20
        assert admitted >= 0.95 * min(rate, 500) * away - 20


async def test_redis_is_back_and_nobody_has_asked_it_yet() -> None:
    """Until it has answered a gateway goes on by its share, and then nothing of that is forgotten."""
    world = World(1, per_second=1000, burst=100)
    draw = random.Random(14)
    world.server.is_up = False
    await world.services[0].greet()
    await world.run(2, [500], draw)
    assert world.workers[0].request(0)
    world.server.is_up = True
    await world.services[0].greet()
    assert world.workers[0].request(0)
    passed = world.admitted
    await world.run(0.1, [0], draw)
    assert sum(await world.run(3, [3000], draw)) == pytest.approx(3000 + 100, rel=0.02)
    assert passed == pytest.approx(1000, rel=0.1)


async def test_redis_is_back_after_minutes() -> None:
    """What was used before is long forgotten, and nothing overflows for it."""
    world = World(1, per_second=1 / 6, burst=60)
    draw = random.Random(15)
    await world.run(3, [100], draw)
    world.server.is_up = False
    await world.run(240, [1], draw)
    world.server.is_up = True
    admitted = sum(await world.run(60, [10], draw))
    assert 9 <= admitted <= 12


async def test_a_gateway_that_starts_without_redis() -> None:
    """It is alone as far as it knows, and serves its limits by itself."""
    world = World(1, per_second=100, burst=10)
    world.server.is_up = False
    await world.run(1, [1000], random.Random(6))
    assert sum(await world.run(5, [1000], random.Random(6))) == pytest.approx(500, rel=0.05)
