"""Selection of an instance by power of two choices, by number of instances."""

from itertools import repeat

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.conftest import MakeSide
from bench.micro.side import SERVICE, Side


@pytest.mark.parametrize("instances", [2, 100, 10_000])
def test_select(benchmark: BenchmarkFixture, make_side: MakeSide, instances: int) -> None:
    """A healthy instance is chosen, each in its turn, and an unhealthy one never."""
    side = make_side(instances, 1)
    _assert_answers(side)
    benchmark.group = f"select, {instances:,} instances"
    select = side.decisions.select

    def round_of_calls() -> None:
        for _ in repeat(None, 1_000):
            select(SERVICE)

    benchmark(round_of_calls)


def _assert_answers(side: Side) -> None:
    choices = 20 * len(side.instances)  # an instance is left out by all of them in 1 of e^20 runs
    select = side.decisions.select
    assert {select(SERVICE) for _ in repeat(None, choices)} >= set(side.instances[:2])
    side.set_healthy(0, healthy=False)
    chosen = {select(SERVICE) for _ in repeat(None, choices)}
    assert side.instances[0] not in chosen
    assert side.instances[1] in chosen
    side.set_healthy(0, healthy=True)
