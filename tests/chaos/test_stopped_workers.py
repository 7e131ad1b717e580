"""A worker that is stopped (SIGSTOP) holds up nobody who comes later, and is replaced when it stays so."""

import asyncio
import contextlib
import time
from functools import partial
from typing import Any

import pytest

from tests.helpers import Gateway, configuration, eventually
from tests.helpers.instance import Instance
from tests.helpers.ledger import Callers, Ledger
from tests.helpers.processes import alive, stopped
from tests.helpers.proof import PROOF
from tests.helpers.witness import Witness

STOP_SECONDS = 30.0 if PROOF else 7.0
"""How long the worker stays stopped: longer than the 5 s after which it is lost."""
STANDSTILL_SECONDS = 10.0 if PROOF else 2.0
"""How long the whole gateway stands still: longer than a single worker could without being late."""


async def of_slot(gateway: Gateway, slot: int) -> dict[str, Any]:
    """What the status says of a worker."""
    worker: dict[str, Any] = (await gateway.status())["workers"][slot]
    return worker


async def slot_is(gateway: Gateway, slot: int, state: str) -> bool:
    """Is the slot's worker in that state?"""
    return bool((await of_slot(gateway, slot))["state"] == state)


async def test_a_worker_that_goes_on_in_time_gets_its_slot_back() -> None:
    """It keeps its process and its connections, new ones were answered meanwhile, and it serves again."""
    async with Instance() as instance, Gateway(configuration(instance, workers=2)) as gateway:
        victim = gateway.workers[0]
        ledger = Ledger()
        witness = Witness(ledger, gateway, instance)
        with stopped(victim):
            async with witness.watching(), Callers(gateway, ledger, new_connections=True).calling(8):
                await eventually(partial(slot_is, gateway, 0, "late"), within=2.0)
                await asyncio.sleep(1.0)  # what is watched is a span of time
        await eventually(partial(slot_is, gateway, 0, "ready"), within=2.0)
        async with Callers(gateway, ledger, new_connections=True).calling(8):
            await eventually(lambda: ledger.answers[200] > 500)
        assert (await of_slot(gateway, 0))["pid"] == victim
        assert (await of_slot(gateway, 0))["restarts"] == 0
        assert not ledger.failed
        assert ledger.longest_wait < 1.0, witness.account()
        assert (await gateway.metrics()).sum("headgate_requests_total", code=200) == ledger.answers[200]
        assert "worker 1: adopt slot 0" in gateway.stderr()
        assert "worker 1: release slot 0" in gateway.stderr()


@pytest.mark.timeout(120)
async def test_a_worker_that_stays_stopped_is_replaced() -> None:
    """No new connection hangs longer than 1 s, the worker is gone when it would go on, and nothing is counted twice."""
    async with Instance() as instance, Gateway(configuration(instance, workers=2)) as gateway:
        victim = gateway.workers[1]
        ledger = Ledger()
        witness = Witness(ledger, gateway, instance)
        began = time.monotonic()
        with stopped(victim):
            async with witness.watching(), Callers(gateway, ledger, new_connections=True).calling(8):
                await eventually(lambda: not alive(victim), within=6.5)
                await eventually(partial(slot_is, gateway, 1, "ready"), within=2.0)
                await asyncio.sleep(STOP_SECONDS - (time.monotonic() - began))
        worker = await of_slot(gateway, 1)
        assert (worker["restarts"], worker["last_exit"]) == (1, "was killed by SIGKILL")
        assert worker["pid"] != victim
        assert not ledger.failed
        assert ledger.longest_wait < 1.0, witness.account()
        assert (await gateway.metrics()).sum("headgate_requests_total", code=200) == ledger.answers[200]
        assert f"worker 1 (pid {victim}) is killed after 5." in gateway.stderr()


async def test_the_only_worker_is_replaced_as_well() -> None:
    """Without a neighbour clients wait for the successor, and are answered by it."""
    async with Instance() as instance, Gateway(configuration(instance)) as gateway:
        ledger = Ledger()
        with stopped(gateway.workers[0]):
            async with Callers(gateway, ledger, new_connections=True).calling(4):
                await eventually(lambda: ledger.answers[200] > 20, within=9.0)
                status, body = await gateway.get("/ready")
        assert (status, body) == (200, b'{"ready":true,"reasons":[]}\n')
        assert not ledger.failed


async def test_a_machine_that_stood_still_replaces_nobody() -> None:
    """When the supervisor stands still with all workers, nobody is late afterwards: the time counts for no silence."""
    async with Instance() as instance, Gateway(configuration(instance, workers=2)) as gateway:
        with contextlib.ExitStack() as stack:
            for pid in (gateway.pid, *gateway.workers):
                stack.enter_context(stopped(pid))
            await asyncio.sleep(STANDSTILL_SECONDS)
        ledger = Ledger()
        async with Callers(gateway, ledger, new_connections=True).calling(4):
            await eventually(lambda: ledger.answers[200] > 100)
        assert gateway.worker_pids() == sorted(gateway.workers)
        assert not ledger.failed
        assert "the supervisor was held up for" in gateway.stderr()
        assert "does not answer" not in gateway.stderr()
