"""The open loop of ``bench``: stretches of load on connections that stay, and what of them was the load generator's own delay."""

import asyncio
import select
import time
from collections.abc import Sequence

import pytest

from bench.peers.job import Workload
from bench.peers.load import LoadError
from bench.peers.load.open_loop import Stretch, connected, precise_timers
from tests.helpers import Origin
from tests.helpers.vices import ClosesIdle

WORKLOAD = Workload("stretches", "", (("Host", "stretches.example"),))
BODY = b"x" * WORKLOAD.response_bytes
CONNECTIONS = 4
OVERSLEPT_SECONDS = 0.03
RATE = 1_000


def loaded(port: int, totals: Sequence[int]) -> list[Stretch]:
    """What became of stretches of so many requests."""
    with precise_timers(), connected(port, WORKLOAD, CONNECTIONS) as load:
        return [load.run(RATE, total) for total in totals]


async def test_stretches_follow_each_other_on_the_same_connections() -> None:
    """Every request of each is answered once and has its latency; nobody connects anew."""
    async with Origin(BODY) as origin:
        found = await asyncio.to_thread(loaded, origin.port, [20, 30])
    assert [len(one.latencies) for one in found] == [20, 30]
    assert all(latency > 0 for one in found for latency in one.latencies)
    assert [len(origin.requests), len({request.connection for request in origin.requests})] == [50, 4]


async def test_what_the_generator_overslept_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own delay is part of latencies, which count from when requests were due, and does not pass for the gateway's."""
    wait = select.select

    def oversleeping(*arguments: object) -> object:
        time.sleep(OVERSLEPT_SECONDS)
        return wait(*arguments)  # type: ignore[arg-type]

    async with Origin(BODY) as origin:
        monkeypatch.setattr("bench.peers.load.open_loop.select.select", oversleeping)
        (late,) = await asyncio.to_thread(loaded, origin.port, [10])
    assert late.woke_late_ns >= OVERSLEPT_SECONDS * 1e9 - 1e9 / RATE


async def test_a_connection_that_is_closed_after_an_answer_is_an_error() -> None:
    """No request is sent again or left out: the measurement counts for nothing."""
    async with ClosesIdle(BODY) as origin:
        with pytest.raises(LoadError, match="connection"):
            await asyncio.to_thread(loaded, origin.port, [CONNECTIONS, CONNECTIONS])
