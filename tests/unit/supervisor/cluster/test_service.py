"""Gateways that share limits through Redis admit together what one would alone."""

import random

import pytest

from gateway.supervisor.cluster.lease import Unavailable
from tests.unit.supervisor.cluster.world import World


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
    assert world.workers[0].stocks == {}
    (tat,) = world.server.tats.values()
    assert tat <= world.clock.now / 1000
    trips = world.links[0].round_trips
    await world.run(2, [0], random.Random(4))
    assert world.links[0].round_trips - trips <= 5, "only signs of life"


@pytest.mark.parametrize(
    ("unavailable", "least", "most"),
    [(Unavailable.LOCAL, 900, 1200), (Unavailable.OPEN, 2900, 3200), (Unavailable.CLOSED, 0, 200)],
)
async def test_a_second_without_redis(unavailable: Unavailable, least: int, most: int) -> None:
    """Each limit has its rule; afterwards the limit holds again."""
    world = World(2, per_second=1000, burst=100, unavailable=unavailable)
    draw = random.Random(5)
    rates = [1500, 1500]
    await world.run(3, rates, draw)
    world.server.is_up = False
    assert least <= sum(await world.run(1, rates, draw)) <= most
    world.server.is_up = True
    await world.run(1, rates, draw)
    assert sum(await world.run(5, rates, draw)) == pytest.approx(5000, rel=0.02)


async def test_a_gateway_that_starts_without_redis() -> None:
    """It is alone as far as it knows, and serves its limits by itself."""
    world = World(1, per_second=100, burst=10)
    world.server.is_up = False
    await world.run(1, [1000], random.Random(6))
    assert sum(await world.run(5, [1000], random.Random(6))) == pytest.approx(500, rel=0.05)
