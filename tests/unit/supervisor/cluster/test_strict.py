"""Of a strict limit all gateways together never admit more than it says, and who waits for an answer gets one."""

import asyncio
import random

import pytest

from gateway.clock import NANOSECONDS
from gateway.model import Unreachable
from gateway.supervisor.cluster import service
from gateway.supervisor.cluster.service import ClusterService
from tests.helpers import eventually
from tests.helpers.proof import PROOF
from tests.unit.supervisor.cluster.world import World

SEEDS = range(20 if PROOF else 2)


async def run_exactly(
    world: World, seconds: float, rates: list[int], draw: random.Random, keys: int = 1
) -> None:
    """Load as ``World.run``; at no time have more been admitted, of any number of keys, than burst and rate × time."""
    start, before = world.clock.now, world.admitted
    while world.clock.now < start + seconds * 1e9:
        await world.run(0.01, rates, draw, keys=keys)
        elapsed_us = (world.clock.now - start) / 1000
        allowed = keys * (world.limit.burst + elapsed_us / world.limit.interval_us)
        assert world.admitted - before <= allowed


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rates", [[7000, 2000, 1000], [3000, 3000, 3000], [1200, 20, 0]])
async def test_never_above_the_limit(rates: list[int], seed: int) -> None:
    """Not by a single token, at any moment, and not 2 % below under overload."""
    world = World(3, per_second=1000, burst=1000, strict=True)
    await run_exactly(world, 5, rates, random.Random(seed))
    assert world.admitted >= 0.98 * min(6000, sum(rates) * 5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("per_second", "burst"), [(10, 5), (3, 1), (100, 1), (1000, 30)])
async def test_small_limits_are_never_exceeded_either(per_second: float, burst: float, seed: int) -> None:
    """Where every token counts, and gateways compete for each."""
    draw = random.Random(seed)
    world = World(3, per_second, burst, strict=True)
    rates = [draw.randrange(1, int(20 * per_second)) for _ in range(3)]
    await run_exactly(world, 10, rates, draw)
    assert world.admitted >= 0.5 * (burst + 10 * per_second)


async def test_many_keys_each_have_their_own() -> None:
    """A hundred of them, at three gateways."""
    world = World(3, per_second=20, burst=20, strict=True)
    await run_exactly(world, 3, [7000, 2000, 1000], random.Random(2), keys=100)
    assert world.admitted >= 0.95 * 100 * 80


async def test_load_that_comes_and_goes_is_never_above() -> None:
    """Nor when another gateway has it, or all of them at once after a pause."""
    world, draw = World(3, per_second=100, burst=50, strict=True), random.Random(5)
    for rates in ([1000, 0, 0], [0, 0, 0], [0, 500, 500], [10, 10, 10], [900, 900, 900]):
        before = world.admitted
        await world.run(3, rates, draw)
        assert world.admitted - before <= 50 + 3 * 100 + 3  # what a gateway holds of it was granted before


async def test_below_the_limit_nobody_is_refused() -> None:
    """Those who come together wait for one answer, and all of them pass."""
    world = World(2, per_second=1000, burst=100, strict=True)
    assert not any(world.workers[0].request(7) for _ in range(50))
    await world.run(0.002, [0, 0], random.Random(1))
    assert (world.workers[0].admitted, world.workers[0].refused, world.links[0].round_trips) == (50, 0, 1)
    await world.run(5, [500, 50], random.Random(1))
    assert sum(workers.refused for workers in world.workers) == 0


@pytest.mark.parametrize("gap", [0.05, 1.5])
@pytest.mark.parametrize("seconds_per_token", [4, 20])
async def test_a_refusal_is_remembered_until_the_next_token(seconds_per_token: int, gap: float) -> None:
    """However slow the limit is, and however seldom it is asked: whoever comes before that is refused without waiting, and the token
    is had when it is there. Nothing is kept of it when nobody asks any more.
    """
    world = World(1, per_second=1 / seconds_per_token, burst=1, strict=True)
    (workers,), (cluster,) = world.workers, world.services
    until_then = int((seconds_per_token - 1.2) / gap)
    for _ in range(until_then):
        workers.request(1)
        await world.run(gap, [0], random.Random(1))
    assert (workers.admitted, workers.refused, len(workers.delays)) == (1, until_then - 1, 1)
    for _ in range(int(3 / gap) + 2):
        workers.request(1)
        await world.run(gap, [0], random.Random(1))
    assert workers.admitted == 2
    await world.run(seconds_per_token, [0], random.Random(1))
    assert cluster.leases == 0


async def test_what_nobody_asks_for_is_soon_no_burden() -> None:
    """The lease ends long before its next token, and the refusal stays."""
    world = World(1, per_second=0.01, burst=1, strict=True)
    (workers,), (cluster,) = world.workers, world.services
    for _ in range(3):
        workers.request(1)
        await world.run(2, [0], random.Random(1))
        assert cluster.leases == 0
    assert (workers.admitted, workers.refused, len(workers.delays)) == (1, 2, 1)


async def test_whoever_waits_is_not_forgotten_at_the_end_of_a_lease() -> None:
    """Its use may have ended, while the supervisor was stopped, just when many come: one answer is for all."""
    world = World(1, per_second=10, burst=50, strict=True)
    (workers,), (link,) = world.workers, world.links
    for pause in (10, 0):
        before = link.round_trips
        for _ in range(50):
            workers.request(1)
        await world.run(0.001, [0], random.Random(1))
        assert (waiters(world), link.round_trips - before) == ([0], 1)
        await world.run(0.05, [0], random.Random(1))
        world.clock.now += pause * NANOSECONDS
    assert (workers.admitted, workers.refused) == (100, 0)


def waiters(world: World) -> list[int]:
    """How many wait at each gateway."""
    return [len(workers.waiting) for workers in world.workers]


async def test_two_limits_on_one_request_are_asked_together() -> None:
    """A crowd that waits for tokens of both has them with one question; what others took of the second one meanwhile is asked
    for with one more.
    """
    world = World(1, per_second=1000, burst=1000, strict=True)
    (workers,), (link,) = world.workers, world.links
    for _ in range(100):
        workers.request(1, 2)
    await world.run(0.001, [0], random.Random(1))
    assert (workers.admitted, waiters(world), link.round_trips) == (100, [0], 1)
    workers.stocks[2].balance = 100
    for _ in range(100):
        workers.request(3, 2)
    assert all(workers.request(2) for _ in range(100))
    before = link.round_trips
    await world.run(0.003, [0], random.Random(1))
    assert (workers.admitted, waiters(world)) == (300, [0])
    assert link.round_trips - before <= 2


async def test_all_pass_that_there_is_a_token_for() -> None:
    """However little is left in the bucket, and though an answer just before has left nothing in stock."""
    world = World(1, per_second=1, burst=100, strict=True)
    (workers,) = world.workers
    for together in (60, 30, 9):
        for _ in range(together):
            workers.request(1)
        await world.run(0.002, [0], random.Random(1))
    assert (workers.admitted, workers.refused) == (99, 0)


async def test_an_answer_is_given_at_once() -> None:
    """Nobody waits for a turn: the store is asked in the step in which somebody begins to wait."""
    world = World(3, per_second=10, burst=5, strict=True)
    await world.run(10, [70, 20, 10], random.Random(3), keys=4)
    for workers in world.workers:
        assert workers.delays
        assert max(workers.delays) <= 2_000_000
    assert waiters(world) == [0, 0, 0]


@pytest.mark.parametrize(
    ("unreachable", "least", "most"),
    [(Unreachable.LOCAL, 900, 1200), (Unreachable.OPEN, 2900, 3200), (Unreachable.CLOSED, 0, 100)],
)
async def test_a_second_without_redis(unreachable: Unreachable, least: int, most: int) -> None:
    """Nobody goes on waiting, each limit has its rule, and afterwards it is strict again."""
    world = World(2, 1000, 100, unreachable, strict=True)
    draw, rates = random.Random(4), [1500, 1500]
    await world.run(3, rates, draw)
    world.server.is_up = False
    assert not world.workers[0].request(99)
    passed = await world.run(1, rates, draw)
    assert waiters(world) == [0, 0]
    assert least <= sum(passed) <= most
    world.server.is_up = True
    await world.run(2, rates, draw)
    before, start = world.admitted, world.clock.now
    await world.run(5, rates, draw)
    assert 0.98 * 5000 <= world.admitted - before <= 5000 + 100
    assert world.clock.now - start == 5_000_000_000


async def test_the_end_of_sharing_leaves_nobody_waiting() -> None:
    """Whoever waits when a limit is taken away hears of it, and not by its time-out."""
    for end in (ClusterService.end, lambda service: service.retire({})):
        world = World(1, per_second=10, burst=5, strict=True)
        world.workers[0].request(1)
        await world.services[0].turn()
        world.workers[0].stocks[1].balance = 0
        world.workers[0].request(1)
        world.workers[0].waits = False
        end(world.services[0])
        assert waiters(world) == [0]


async def test_whoever_calls_is_heard_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service turns when it is called, and not at its next beat."""
    monkeypatch.setattr(service, "TURN_S", 3600)
    world = World(1, per_second=10, burst=5, strict=True)
    (workers,) = world.workers
    running = asyncio.create_task(world.services[0].run())
    await eventually(lambda: workers.waits and world.server.gateways)
    for key in (1, 2):
        assert not workers.request(key)
        world.services[0].call()
        await eventually(lambda: not workers.waiting)
    assert workers.admitted == 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
