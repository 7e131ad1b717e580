"""Workers are killed under load, again and again: only what they held is lost, and the counters stay true."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from tests.helpers import Gateway, configuration, eventually
from tests.helpers.exposition import Metrics
from tests.helpers.instance import Instance
from tests.helpers.ledger import Callers, Ledger
from tests.helpers.proof import PROOF, promptly

WORKERS = 4
KILLS = 100 if PROOF else 4
KILLS_BETWEEN_RELOADS = 20 if PROOF else 3
KILLS_OF_A_SLOT_SECONDS = 5.5
"""Two deaths of a slot within ten seconds are replaced at once; a third would have to wait."""


async def has_replaced(gateway: Gateway, slot: int, victim: int) -> bool:
    """Is a worker ready in the slot, and another than the victim?"""
    worker = (await gateway.status())["workers"][slot]
    return worker["state"] == "ready" and worker["pid"] != victim


async def pid_of(gateway: Gateway, slot: int) -> int:
    """The pid of a slot's worker."""
    return int((await gateway.status())["workers"][slot]["pid"])


@dataclass(slots=True)
class Scrapes:
    """Every counter that was ever seen, and at what it stood last."""

    count: int = 0
    _last: dict[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)

    def take(self, metrics: Metrics) -> None:
        """A counter that goes back, or vanishes, fails."""
        self.count += 1
        now = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for sample in metrics
            if sample.name.endswith(("_total", "_count", "_sum", "_bucket"))
        }
        missing = self._last.keys() - now.keys()
        assert not missing, f"vanished: {missing}"
        back = {key: (value, now[key]) for key, value in self._last.items() if now[key] < value}
        assert not back, f"went back: {back}"
        self._last = now

    @contextlib.asynccontextmanager
    async def of(self, gateway: Gateway) -> AsyncIterator[None]:
        """Scrapes without a pause of more than 50 ms; a scrape that fails, fails the test."""

        async def scrape() -> None:
            while True:
                self.take(await gateway.metrics())
                await asyncio.sleep(0.05)

        task = asyncio.create_task(scrape())
        try:
            yield
        finally:
            if not task.done():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.mark.timeout(600)
async def test_kills_cost_what_was_under_way_and_the_counters_stay_true() -> None:
    """At half load: every failed request was under way at a kill, a successor serves within 1 s, nobody waits for
    more than 2 s, every scrape succeeds, no counter goes back, and in the end they agree with the clients' own books.
    """
    ledger, scrapes = Ledger(), Scrapes()
    async with (
        Instance(delay=0.005) as instance,
        Gateway(configuration(instance, workers=WORKERS)) as gateway,
    ):
        kept, new = Callers(gateway, ledger), Callers(gateway, ledger, new_connections=True)
        async with scrapes.of(gateway), kept.calling(12), new.calling(4):
            for slot in itertools.islice(itertools.cycle(range(WORKERS)), KILLS):
                began = time.monotonic()
                await answered(ledger, 100)
                victim = await pid_of(gateway, slot)
                await ledger.kill(victim)
                killed = time.monotonic()
                await eventually(partial(has_replaced, gateway, slot, victim), within=20.0)
                assert time.monotonic() - killed < promptly(1.0), "the successor took its time"
                await asyncio.sleep(max(0.0, KILLS_OF_A_SLOT_SECONDS / WORKERS - (time.monotonic() - began)))
        await eventually(gateway.empty)
        metrics = await gateway.metrics()
        scrapes.take(metrics)
    assert ledger.longest_wait < promptly(2.0)
    assert scrapes.count > 10 * KILLS
    _assert_books_agree(ledger, metrics, KILLS)


def edition(instance: Instance, number: int) -> str:
    """One of five configurations: the worker count changes, and a listener and a route come and go."""
    return configuration(
        instance,
        workers=WORKERS + number % 2,
        listen='[[listen]]\naddress = "127.0.0.2:0"' if number % 3 else "",
        routes=['path = "/never"\nservice = "api"'] if number % 5 else (),
        service=f"max_idle = {number % 5 + 8}",
    )


@pytest.mark.timeout(600)
async def test_counters_stay_true_over_kills_and_reloads() -> None:
    """Every kill is followed at once by a reload, which meets a worker that starts: no request fails but those that were
    under way at a kill, every scrape succeeds, no counter goes back, and in the end they agree with the clients' books.
    """
    ledger, scrapes = Ledger(), Scrapes()
    async with Instance(delay=0.005) as instance, Gateway(edition(instance, 0)) as gateway:
        kept, new = Callers(gateway, ledger), Callers(gateway, ledger, new_connections=True)
        async with scrapes.of(gateway), kept.calling(12), new.calling(4):
            for number in range(1, KILLS_BETWEEN_RELOADS + 1):
                began = time.monotonic()
                await answered(ledger, 100)
                slot = number % WORKERS
                victim = await pid_of(gateway, slot)
                await ledger.kill(victim)
                code, answer = await gateway.reload(edition(instance, number))
                assert (code, answer["epoch"]) == (200, number + 1), answer
                await eventually(partial(has_replaced, gateway, slot, victim), within=20.0)
                await asyncio.sleep(max(0.0, KILLS_OF_A_SLOT_SECONDS / WORKERS - (time.monotonic() - began)))
        await eventually(gateway.empty)
        metrics = await gateway.metrics()
        scrapes.take(metrics)
    assert scrapes.count > 10 * KILLS_BETWEEN_RELOADS
    assert metrics.sum("headgate_config_epoch") == KILLS_BETWEEN_RELOADS + 1
    _assert_books_agree(ledger, metrics, KILLS_BETWEEN_RELOADS)


def _assert_books_agree(ledger: Ledger, metrics: Metrics, kills: int) -> None:
    """The gateway counted what the clients did, but for what was under way at the kills; nothing else failed."""
    ledger.assert_only_kills_cost()
    assert len(ledger.kills) == kills
    assert metrics.sum("headgate_worker_restarts_total") == kills
    counted = metrics.sum("headgate_requests_total", code=200)
    # A request counts before its answer leaves: a kill between the two leaves a count without an answer.
    assert 0 <= counted - ledger.answers[200] <= ledger.under_way_at_kills
    histogram = metrics.sum("headgate_request_duration_seconds_count", service="api")
    assert 0 <= histogram - ledger.answers[200] <= ledger.under_way_at_kills


async def answered(ledger: Ledger, requests: int) -> None:
    """Waits for so many more answers."""
    wanted = ledger.answers[200] + requests
    await eventually(lambda: ledger.answers[200] >= wanted, within=20.0)
