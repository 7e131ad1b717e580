"""Measures one variation: a gateway is started anew with it, warmed up, loaded and stopped."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.benchmark.diagnosis import Limit, limit
from gateway.benchmark.load import Closed, Load, LoadError, Request, Steady, Step
from gateway.benchmark.local_gateway import find_local
from gateway.benchmark.measure import measure
from gateway.benchmark.preflight import greet
from gateway.benchmark.report.text import failures
from gateway.benchmark.report.words import printable, significant
from gateway.benchmark.result import Phase, peak
from gateway.benchmark.trial_gateway import Trial, started
from gateway.benchmark.tune.decisions import Figures
from gateway.benchmark.tune.space import Variation

WARM_UP_SECONDS = 1.0
CAPACITY_SECONDS = 3
LOAD_SHARE = 0.4
"""Of a capacity that CPUs set: little enough that the figures of a shared machine repeat themselves."""
LOAD_SHARE_BEHIND = 0.7
"""Of a capacity that the instances set: enough to see their queues."""
MOST_FAILING = 0.5
"""Of the requests: with more there is nothing to tune."""
CLOSED_CONNECTIONS = 32
OPEN_CONNECTIONS = 256


@dataclass(slots=True)
class Trials:
    """What all measurements have in common."""

    tables: Mapping[str, Any]
    """The configuration as it is, on free ports."""
    requests: tuple[Request, ...]
    rate: float | None
    """Requests a second; None for a share of the capacity, which ``look`` finds out."""
    closed: bool
    """Whether throughput is what counts: then there is no rate."""
    connections: int | None = None
    timeout_seconds: float = 5.0

    async def look(self) -> list[str]:
        """Starts the configuration as it is, finds the rate unless it is given, and returns what is remarkable.

        Raises LoadError when it does not start, or answers nothing well.
        """
        async with started(self.tables) as trial:
            greeting = await asyncio.to_thread(greet, trial.target, self.requests)
            if self.rate is None and not self.closed:
                self.rate = _share_of_capacity(await self._loaded(trial, Closed(CAPACITY_SECONDS)))
        return [
            f"{printable(name)} is answered with status {status}."
            for name, status in greeting.refused.items()
        ]

    @property
    def load(self) -> str:
        """In words."""
        shown = "as fast as it can" if self.closed else f"{significant(self.rate or 0.0)} requests a second"
        kinds = len(self.requests)
        return f"{shown}, {kinds} kind{'' if kinds == 1 else 's'} of request"

    async def figures(self, variation: Variation | None, seconds: float) -> Figures:
        """One measurement. Raises LoadError when the gateway does not start, and when it fails most requests as it is."""
        shape = Closed(max(1, round(seconds))) if self.closed else Steady((Step(self.rate or 1.0, seconds),))
        async with started(self.tables if variation is None else variation.apply(self.tables)) as trial:
            phase = await self._loaded(trial, shape)
        found = phase.figures()
        if variation is None and found.get("errors", 100.0) > 100 * MOST_FAILING:
            raise LoadError(f"nothing to tune yet: as it is, {failures(phase.whole)}")
        return found

    async def _loaded(self, trial: Trial, shape: Closed | Steady) -> Phase:
        greeting = await asyncio.to_thread(greet, trial.target, self.requests[:1])
        local = await asyncio.to_thread(find_local, greeting.place, trial.admin)
        usual = CLOSED_CONNECTIONS if isinstance(shape, Closed) else OPEN_CONNECTIONS
        load = Load(self.requests, shape, self.connections or usual, timeout_seconds=self.timeout_seconds)
        return await measure(
            "trial", trial.target, greeting.place, load, local=local, warm_up_seconds=WARM_UP_SECONDS
        )


def _share_of_capacity(phase: Phase) -> float:
    """The rate to tune at, from a closed loop. Raises LoadError."""
    capacity = peak(phase.series("throughput"))
    if capacity <= 0:
        raise LoadError(f"nothing to tune yet: as it is, {failures(phase.whole)}")
    share = LOAD_SHARE_BEHIND if limit(phase) is Limit.BEHIND else LOAD_SHARE
    return max(1.0, share * capacity)
