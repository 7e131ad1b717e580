"""Runs the rounds of a tuning within its budget: screening, then confirmation; what is decided stands in ``decisions``."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.benchmark.load import LoadError
from gateway.benchmark.progress import Progress
from gateway.benchmark.report.words import duration, quantity
from gateway.benchmark.tune import decisions
from gateway.benchmark.tune.decisions import Contender, Figures
from gateway.benchmark.tune.outcome import Outcome
from gateway.benchmark.tune.space import Variation

SHORTEST_SECONDS = 2.0
LONGEST_SECONDS = 10.0
SCREENING_SHARE = 0.45
"""Of the budget; the rest is for fresh rounds."""
SCREENING_ROUNDS = 4
"""For which the time is laid out."""
MOST_SCREENING_ROUNDS = 12
LEAST_SCREENING_ROUNDS = 2
"""Fewer do not tell what is better from what was lucky."""
AROUND_SECONDS = 3.0
"""For which a gateway starts, warms up and stops, until it is known."""


class Measures(Protocol):
    """What makes the measurements; ``trials.Trials`` does."""

    @property
    def load(self) -> str:
        """The load in words; known after ``look``."""

    async def look(self) -> list[str]:
        """Whether there is anything to measure, and what is remarkable. Raises LoadError."""

    async def figures(self, variation: Variation | None, seconds: float) -> Figures:
        """One measurement of a variation, or of the configuration as it is. Raises LoadError."""


class Sweep:
    """One tuning run. ``outcome`` holds what was found, also when ``run`` fails or is cancelled."""

    def __init__(
        self,
        measures: Measures,
        variations: Sequence[Variation],
        outcome: Outcome,
        progress: Progress,
        *,
        source: random.Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.outcome = outcome
        self._measures = measures
        self._variations = variations
        self._progress = progress
        self._source = source
        self._clock = clock
        self._began = clock()
        self._seconds = SHORTEST_SECONDS
        self._costs: list[float] = []
        """Seconds that each measurement took, start and stop included."""

    async def run(self) -> None:
        """Screens, confirms and decides. Raises LoadError."""
        self._began = self._clock()
        self._progress.say("starting the configuration as it is ...")
        self.outcome.notes += await self._measures.look()
        self.outcome.load = self._measures.load
        self._progress.say(f"load: {self.outcome.load}")
        final = self._finalists(await self._screen())
        if final:
            await self._confirm(final)
        self.outcome.confirmed = True
        self.outcome.adopted = decisions.adopted(self.outcome.findings)

    async def _screen(self) -> list[Contender]:
        left = self._screening_ends(SCREENING_SHARE) - self._passed()
        tried = self._affordable(left)
        measurements = (len(tried) + 1) * SCREENING_ROUNDS
        later = decisions.measurements_to_confirm(decisions.MOST_FINALISTS, self.outcome.confidence)
        each = min(left / measurements, (self.outcome.budget_seconds - left) / later) - AROUND_SECONDS
        self._seconds = min(max(each, SHORTEST_SECONDS), LONGEST_SECONDS)
        contenders = [Contender(None), *map(Contender, tried)]
        self.outcome.screening = contenders
        for number in range(MOST_SCREENING_ROUNDS):
            live = [contender for contender in contenders if not contender.gave_up]
            if not self._goes_on(number, len(live) * self._cost()):
                break
            await self._round(f"screening, round {number + 1}", live, number)
            for contender in live[1:]:
                if decisions.hopeless(contender, contenders[0], self.outcome.objective):
                    contender.gave_up = "clearly worse, stopped early"
        return contenders

    def _goes_on(self, number: int, seconds: float) -> bool:
        """Whether there is another round of screening; as long as nothing looks better it takes all but a claim's time."""
        if number < LEAST_SCREENING_ROUNDS:
            return True
        share = SCREENING_SHARE if self._finalists(self.outcome.screening) else 1.0
        return self._passed() + seconds <= self._screening_ends(share)

    def _affordable(self, seconds: float) -> list[Variation]:
        """As many variations as the least number of rounds can try; the rest is told."""
        most = max(1, int(seconds / (LEAST_SCREENING_ROUNDS * self._cost())) - 1)
        self.outcome.left_out = [variation.name for variation in self._variations[most:]]
        return list(self._variations[:most])

    def _finalists(self, contenders: Sequence[Contender]) -> list[Variation]:
        left = self.outcome.budget_seconds - self._passed()
        most = decisions.most_finalists(left, self._cost(), self.outcome.confidence)
        return decisions.finalists(
            contenders[1:], contenders[0], self.outcome.objective, self.outcome.constraints, most
        )

    async def _confirm(self, final: Sequence[Variation]) -> None:
        outcome = self.outcome
        base, contenders = Contender(None), [Contender(variation) for variation in final]
        left = outcome.budget_seconds - self._passed()
        rounds = decisions.rounds_to_confirm(left, self._cost(), len(final), outcome.confidence)
        names = ", ".join(variation.name for variation in final if variation.knob != "together")
        self._progress.say(f"promising: {names}; {rounds} fresh rounds to be sure")
        for number in range(rounds):
            await self._round(f"confirming, round {number + 1} of {rounds}", [base, *contenders], number)
        outcome.findings = decisions.confirm(
            contenders, base, outcome.objective, outcome.constraints, outcome.confidence
        )

    async def _round(self, what: str, contenders: Sequence[Contender], number: int) -> None:
        for contender in decisions.shuffled(contenders, self._source):
            self._show(what, contender)
            began = self._clock()
            try:
                contender.rounds[number] = await self._measures.figures(contender.variation, self._seconds)
            except LoadError as error:
                if contender.variation is None:
                    raise
                contender.gave_up = f"does not run: {str(error).splitlines()[-1].strip()}"
            self._costs.append(self._clock() - began)

    def _screening_ends(self, share: float) -> float:
        """At a share of the budget, or when the rest is just enough for a claim."""
        rounds = decisions.rounds_to_confirm(0.0, self._cost(), 1, self.outcome.confidence)
        needed = 2 * rounds * self._cost()
        return min(share * self.outcome.budget_seconds, self.outcome.budget_seconds - needed)

    def _passed(self) -> float:
        return self._clock() - self._began

    def _cost(self) -> float:
        """Seconds that a measurement takes."""
        if not self._costs:
            return AROUND_SECONDS + self._seconds
        return sum(self._costs) / len(self._costs)

    def _show(self, what: str, contender: Contender) -> None:
        left = duration(self.outcome.budget_seconds - self._passed())
        figure = self.outcome.objective.figure
        known = contender.median(figure.key)
        so_far = f" ({quantity(known, figure)} so far)" if known is not None else ""
        self._progress.show(f"{what}: {contender.name}{so_far}; {left} left")
