"""The open loop of ``bench``: stretches of load on connections that stay, and what of them was the load generator's own delay."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence

import pytest

from bench.peers.job import Workload
from bench.peers.load import LoadError
from bench.peers.load.open_loop import Stretch, connected
from tests.helpers import Origin, eventually
from tests.helpers.vices import ClosesIdle

CONNECTIONS = 4
WORKLOAD = Workload("stretches", "", (("Host", "stretches.example"),), connections=CONNECTIONS)
BODY = b"x" * WORKLOAD.response_bytes
OVERSLEPT_SECONDS = 0.2
RATE = 1_000
SLOW_RATE = 0.5


def loaded(port: int, totals: Sequence[int]) -> list[Stretch]:
    """What became of stretches of so many requests."""
    with connected(port, WORKLOAD) as load:
        return [load.run(RATE, total) for total in totals]


async def test_stretches_follow_each_other_on_the_same_connections() -> None:
    """Every request of each is answered once and has its latency; nobody connects anew."""
    async with Origin(BODY) as origin:
        found = await asyncio.to_thread(loaded, origin.port, [20, 30])
    assert [len(one.latencies) for one in found] == [20, 30]
    assert all(latency > 0 for one in found for latency in one.latencies)
    assert [len(origin.requests), len({request.connection for request in origin.requests})] == [50, 4]


async def test_what_the_generator_overslept_is_told() -> None:
    """Its own delay is part of latencies, which count from when requests were due, and does not pass for the gateway's."""
    async with Origin(BODY) as origin:
        with connected(origin.port, WORKLOAD) as load:
            stretch = asyncio.create_task(asyncio.to_thread(load.run, SLOW_RATE, 2))
            await eventually(lambda: origin.requests)
            os.kill(load.pid, signal.SIGSTOP)
            await asyncio.sleep(1 / SLOW_RATE + OVERSLEPT_SECONDS)  # the second is due meanwhile
            os.kill(load.pid, signal.SIGCONT)
            late = await stretch
    assert late.woke_late_ns >= OVERSLEPT_SECONDS * 1e9 / 2
    assert late.latencies[1] >= late.woke_late_ns


async def test_an_answer_that_is_none_is_an_error() -> None:
    """It is told, and ends the load."""
    async with Origin(BODY + b"more") as origin:
        with pytest.raises(LoadError, match="too long"):
            await asyncio.to_thread(loaded, origin.port, [1])


async def test_nobody_listens() -> None:
    """The load does not begin."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(LoadError, match="refused"), connected(taken.getsockname()[1], WORKLOAD):
            pass


async def test_a_connection_that_is_closed_after_an_answer_is_an_error() -> None:
    """No request is sent again or left out: the measurement counts for nothing."""
    async with ClosesIdle(BODY) as origin:
        with pytest.raises(LoadError, match="connection"):
            await asyncio.to_thread(loaded, origin.port, [CONNECTIONS, CONNECTIONS])
