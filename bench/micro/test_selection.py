"""Selection of an instance, by balance and by number of instances."""

from collections.abc import Sequence
from itertools import repeat

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.conftest import MakeSide, time_rounds
from bench.micro.libraries import consistent_hashing
from bench.micro.side import SERVICES, Side

INSTANCES = (2, 100, 10_000)
NOW = 1_000_000_000_000
"""What a connection's event would pass: the clock is read once for all of it."""


@pytest.mark.parametrize("instances", INSTANCES)
@pytest.mark.parametrize("service", SERVICES)
def test_select(benchmark: BenchmarkFixture, make_side: MakeSide, service: str, instances: int) -> None:
    """A healthy instance is chosen, each in its turn, and an unhealthy one never."""
    side = make_side(instances=instances)
    _assert_answers(side, service)
    select = side.decisions.select

    def calls(names: Sequence[str]) -> None:
        for name in names:
            select(name, None, NOW)

    time_rounds(benchmark, _group(service, instances), calls, [service])


@pytest.mark.parametrize("instances", INSTANCES)
def test_hash(benchmark: BenchmarkFixture, instances: int) -> None:
    """Every client keeps its instance; ten rounds of clients, so that their places on the ring are not all in the first caches."""
    from bench.micro.headgate import HASHED, HeadgateSide  # noqa: PLC0415

    select = HeadgateSide(instances=instances).decisions.select
    clients = [number.to_bytes(16) for number in range(10_000)]
    chosen = [select(HASHED, client) for client in clients[:1_000]]
    assert chosen == [select(HASHED, client) for client in clients[:1_000]]
    assert len(set(chosen)) > min(instances, 900) / 2

    def calls(clients: Sequence[bytes]) -> None:
        for client in clients:
            select(HASHED, client, NOW)

    time_rounds(benchmark, _group(HASHED, instances), calls, clients)


@pytest.mark.parametrize("instances", INSTANCES[:2])
def test_uhashring(benchmark: BenchmarkFixture, instances: int) -> None:
    """Every client keeps its instance. (10,000 instances would take this library half a minute to set up.)"""
    names = [f"127.0.0.1:{10_000 + number}" for number in range(instances)]
    choose = consistent_hashing(names)
    clients = [f"10.0.{number >> 8}.{number & 0xFF}" for number in range(1_000)]
    chosen = [choose(client) for client in clients]
    assert chosen == [choose(client) for client in clients]
    assert set(chosen) <= set(names)
    assert len(set(chosen)) > 1

    def calls(clients: Sequence[str]) -> None:
        for client in clients:
            choose(client)

    time_rounds(benchmark, _group("hash", instances), calls, clients)


def _group(service: str, instances: int) -> str:
    return f"select by {service}, {instances:,} instances"


def _assert_answers(side: Side, service: str) -> None:
    choices = 20 * len(side.instances)  # one of two is left out by all of them in 1 of e^20 runs
    select = side.decisions.select
    assert {select(service) for _ in repeat(None, choices)} >= set(side.instances[:2])
    side.set_healthy(0, healthy=False)
    chosen = {select(service) for _ in repeat(None, choices)}
    assert side.instances[0] not in chosen
    assert side.instances[1] in chosen
    side.set_healthy(0, healthy=True)
