"""Runs the rounds of a tuning: for each measurement a gateway is started anew, warmed up, loaded and stopped."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.benchmark.diagnosis import Limit, limit
from gateway.benchmark.load import Closed, Load, LoadError, Request, Steady, Step
from gateway.benchmark.local_gateway import find_local
from gateway.benchmark.measure import measure
from gateway.benchmark.preflight import greet
from gateway.benchmark.progress import Progress
from gateway.benchmark.report.text import failures
from gateway.benchmark.report.words import duration, quantity, significant
from gateway.benchmark.result import Phase, peak
from gateway.benchmark.trial_gateway import started
from gateway.benchmark.tune import decisions
from gateway.benchmark.tune.decisions import Contender
from gateway.benchmark.tune.outcome import Outcome
from gateway.benchmark.tune.space import Variation

WARM_UP_SECONDS = 1.0
SHORTEST_SECONDS = 2.0
LONGEST_SECONDS = 10.0
SCREENING_SHARE = 0.45
"""Of the budget; the rest is for fresh rounds."""
SCREENING_ROUNDS = 4
LEAST_SCREENING_ROUNDS = 2
"""Fewer do not tell what is better from what was lucky."""
LOAD_SHARE = 0.4
"""Of a capacity that CPUs set: little enough that the figures of a shared machine repeat themselves."""
LOAD_SHARE_BEHIND = 0.7
"""Of a capacity that the instances set: enough to see their queues."""
MOST_FAILING = 0.5
"""Of the requests: with more there is nothing to tune."""
CAPACITY_SECONDS = 3
CLOSED_CONNECTIONS = 32
OPEN_CONNECTIONS = 256
START_SECONDS = 2.0
"""For which a gateway starts and stops, until it is known."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to do."""

    tables: Mapping[str, Any]
    """The configuration for the trials."""
    requests: tuple[Request, ...]
    variations: Sequence[Variation]
    rate: float | None
    """Requests a second; None for a share of the capacity."""
    connections: int | None = None
    keep_alive: bool = True
    timeout_seconds: float = 5.0
    seed: int = field(default=1)


class Sweep:
    """One tuning run. ``outcome`` holds what was found, also when ``run`` fails or is cancelled."""

    def __init__(self, task: Task, outcome: Outcome, progress: Progress) -> None:
        self.outcome = outcome
        self._task = task
        self._progress = progress
        self._source = random.Random(task.seed)
        self._began = time.monotonic()
        self._rate = task.rate
        self._seconds = SHORTEST_SECONDS
        self._costs: list[float] = []
        """Seconds that each measurement took, start and stop included."""

    async def run(self) -> None:
        """Screens, confirms and decides. Raises LoadError."""
        self._began = time.monotonic()
        await self._first_look()
        screening = await self._screen()
        final = self._finalists(screening)
        if final:
            await self._confirm(final)
        else:
            self.outcome.confirmed = True
        self.outcome.adopted = decisions.adopted(self.outcome.findings)

    # --- the load ---

    async def _first_look(self) -> None:
        """Starts the configuration as it is, and finds the rate unless it is given. Raises LoadError."""
        throughput = self.outcome.objective.figure.key == "throughput"
        self._progress.say("starting the configuration as it is ...")
        async with started(self._task.tables) as trial:
            greeting = await asyncio.to_thread(greet, trial.target, self._task.requests)
            self.outcome.notes += [
                f"{name} is answered with status {status}." for name, status in greeting.refused.items()
            ]
            if self._rate is None and not throughput:
                closed = self._load(Closed(CAPACITY_SECONDS))
                local = await asyncio.to_thread(find_local, greeting.place, trial.admin)
                phase = await measure(
                    "capacity",
                    trial.target,
                    greeting.place,
                    closed,
                    local=local,
                    warm_up_seconds=WARM_UP_SECONDS,
                )
                self._rate = _share_of_capacity(phase)
        shown = "as fast as it can" if throughput else f"{significant(self._rate or 0.0)} requests a second"
        self.outcome.load = f"{shown}, {len(self._task.requests)} kind{'s' if len(self._task.requests) > 1 else ''} of request"
        self._progress.say(f"load: {self.outcome.load}")

    def _load(self, shape: Closed | Steady) -> Load:
        usual = CLOSED_CONNECTIONS if isinstance(shape, Closed) else OPEN_CONNECTIONS
        connections = self._task.connections or usual
        return Load(
            self._task.requests, shape, connections, self._task.keep_alive, self._task.timeout_seconds
        )

    def _shape(self) -> Closed | Steady:
        if self.outcome.objective.figure.key == "throughput":
            return Closed(max(1, round(self._seconds)))
        assert self._rate is not None
        return Steady((Step(self._rate, self._seconds),))

    # --- the rounds ---

    async def _screen(self) -> list[Contender]:
        budget = self._screening_ends()
        variations = self._affordable(budget)
        entries = len(variations) + 1
        each = budget / (entries * SCREENING_ROUNDS) - START_SECONDS - WARM_UP_SECONDS
        self._seconds = min(max(each, SHORTEST_SECONDS), LONGEST_SECONDS)
        contenders = [Contender(None), *map(Contender, variations)]
        self.outcome.screening = contenders
        for number in range(SCREENING_ROUNDS):
            live = [contender for contender in contenders if not contender.gave_up]
            late = self._passed() + len(live) * self._cost() > self._screening_ends()
            if number >= LEAST_SCREENING_ROUNDS and late:
                break
            await self._round(f"screening, round {number + 1} of up to {SCREENING_ROUNDS}", live, number)
            for contender in live[1:]:
                if decisions.hopeless(contender, contenders[0], self.outcome.objective):
                    contender.gave_up = "clearly worse, stopped early"
        return contenders

    def _affordable(self, budget: float) -> list[Variation]:
        """As many variations as two rounds can try; the rest is told."""
        each = START_SECONDS + WARM_UP_SECONDS + SHORTEST_SECONDS
        most = max(1, int(budget / (LEAST_SCREENING_ROUNDS * each)) - 1)
        self.outcome.left_out = [variation.name for variation in self._task.variations[most:]]
        return list(self._task.variations[:most])

    def _finalists(self, contenders: Sequence[Contender]) -> list[Variation]:
        left = self.outcome.budget_seconds - self._passed()
        most = decisions.most_finalists(left, self._cost(), self.outcome.confidence)
        return decisions.finalists(
            contenders[1:], contenders[0], self.outcome.objective, self.outcome.constraints, most
        )

    async def _confirm(self, final: Sequence[Variation]) -> None:
        base, contenders = Contender(None), [Contender(variation) for variation in final]
        left = self.outcome.budget_seconds - self._passed()
        rounds = decisions.rounds_to_confirm(left, self._cost(), len(final), self.outcome.confidence)
        names = ", ".join(variation.name for variation in final if variation.knob != "together")
        self._progress.say(f"promising: {names}; {rounds} fresh rounds to be sure")
        for number in range(rounds):
            await self._round(f"confirming, round {number + 1} of {rounds}", [base, *contenders], number)
        outcome = self.outcome
        outcome.findings = decisions.confirm(
            contenders, base, outcome.objective, outcome.constraints, outcome.confidence
        )
        outcome.confirmed = True

    async def _round(self, what: str, contenders: Sequence[Contender], number: int) -> None:
        for contender in decisions.shuffled(contenders, self._source):
            self._show(what, contender)
            began = time.monotonic()
            try:
                phase = await self._measure(contender)
            except LoadError as error:
                if contender.variation is None:
                    raise
                contender.gave_up = f"does not run: {str(error).splitlines()[-1].strip()}"
                continue
            figures = phase.figures()
            if contender.variation is None and figures.get("errors", 100.0) > 100 * MOST_FAILING:
                raise LoadError(f"nothing to tune yet: as it is, {failures(phase.whole)}")
            contender.rounds[number] = figures
            self._costs.append(time.monotonic() - began)

    async def _measure(self, contender: Contender) -> Phase:
        tables = self._task.tables
        async with started(
            tables if contender.variation is None else contender.variation.apply(tables)
        ) as trial:
            greeting = await asyncio.to_thread(greet, trial.target, self._task.requests[:1])
            local = await asyncio.to_thread(find_local, greeting.place, trial.admin)
            return await measure(
                contender.name, trial.target, greeting.place, self._load(self._shape()),
                local=local, warm_up_seconds=WARM_UP_SECONDS,
            )  # fmt: skip

    # --- time ---

    def _screening_ends(self) -> float:
        """At its share of the budget, or when the rest is just enough for a claim."""
        rounds = decisions.rounds_to_confirm(0.0, self._cost(), 1, self.outcome.confidence)
        needed = 2 * rounds * self._cost()
        return min(SCREENING_SHARE * self.outcome.budget_seconds, self.outcome.budget_seconds - needed)

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _cost(self) -> float:
        """Seconds that a measurement takes."""
        if not self._costs:
            return START_SECONDS + WARM_UP_SECONDS + self._seconds
        return sum(self._costs) / len(self._costs)

    def _show(self, what: str, contender: Contender) -> None:
        left = duration(self.outcome.budget_seconds - self._passed())
        figure = self.outcome.objective.figure
        known = contender.median(figure.key)
        so_far = f" ({quantity(known, figure)} so far)" if known is not None else ""
        self._progress.show(f"{what}: {contender.name}{so_far}; {left} left")


def _share_of_capacity(phase: Phase) -> float:
    """The rate to tune at, from a closed loop. Raises LoadError."""
    capacity = peak(phase.series("throughput"))
    if capacity <= 0:
        raise LoadError(f"nothing to tune yet: as it is, {failures(phase.whole)}")
    share = LOAD_SHARE_BEHIND if limit(phase) is Limit.BEHIND else LOAD_SHARE
    return max(1.0, share * capacity)
