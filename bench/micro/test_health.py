"""Lookup of an instance's health, by number of instances."""

import random
from collections.abc import Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.conftest import MakeSide, time_rounds
from bench.micro.side import Side


@pytest.mark.parametrize("instances", [2, 100, 10_000])
def test_health(benchmark: BenchmarkFixture, make_side: MakeSide, instances: int) -> None:
    """A lookup sees a change at once, for that instance only, and its end."""
    side = make_side(instances=instances)
    _assert_answers(side)
    health = side.decisions.health
    lookups = random.Random(42).choices(side.instances, k=10_000)

    def calls(instances: Sequence[int]) -> None:
        for instance in instances:
            health(instance)

    time_rounds(benchmark, f"health, {instances:,} instances", calls, lookups)


def _assert_answers(side: Side) -> None:
    health, (first, second) = side.decisions.health, side.instances[:2]
    healthy = health(first)
    side.set_healthy(0, healthy=False)
    assert health(first) != healthy
    assert health(second) == healthy
    side.set_healthy(0, healthy=True)
    assert health(first) == healthy
