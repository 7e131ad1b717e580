"""Compares a result with an earlier one, and says what has changed beyond the noise. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from gateway.benchmark import statistics
from gateway.benchmark.diagnosis import disturbed
from gateway.benchmark.result import FIGURES, Figure, Phase, Result, logarithms
from gateway.benchmark.statistics import Interval, Verdict

CONFIDENCE = 0.99
LEAST_EFFECT = 0.05
"""Two runs of the same thing some minutes apart differ by as much on a quiet machine."""
MOST_BLOCKS = 20
LEAST_ERRORS = 0.1
"""Percent of the requests."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one phase, then and now."""

    phase: str
    figure: Figure
    before: float
    after: float
    ratio: Interval | None
    """None when there were too few parts to tell."""
    verdict: Verdict


def compare(before: Result, after: Result) -> list[Change]:
    """Every figure that both have; phases are the same when they have the same place in the plan and the same shape."""
    return [
        change
        for old, new in zip(before.phases, after.phases, strict=False)
        if (old.rate is None) is (new.rate is None)
        for change in _phase(old, new)
    ]


def objections(before: Result, after: Result) -> list[str]:
    """Why the two results may not be comparable at all."""
    found = []
    if before.machine != after.machine:
        found.append(f"The earlier result is from another machine: {before.machine}.")
    if before.target.partition("?")[0] != after.target.partition("?")[0]:
        found.append(f"The earlier result is of another target: {before.target}.")
    if before.interrupted or after.interrupted:
        found.append("One of the two was interrupted.")
    if any(disturbed(phase) for phase in (*before.phases, *after.phases)):
        found.append(
            "Other programs had the machine for much of the time: two such runs differ by themselves, so that no change "
            "is claimed."
        )
    for old, new in zip(before.phases, after.phases, strict=False):
        if old.generator != new.generator:
            found.append(f"Another generator made the load: {old.generator}, now {new.generator}.")
        if old.rate is not None and new.rate is not None and abs(math.log(new.rate / old.rate)) > 0.02:
            found.append(
                f"The rates differ: {old.rate:,.0f}/s, now {new.rate:,.0f}/s. Latencies depend on it: use --rate."
            )
    return list(dict.fromkeys(found))


def _phase(old: Phase, new: Phase) -> Iterator[Change]:
    before, after = old.figures(), new.figures()
    for key, figure in FIGURES.items():
        if key not in before or key not in after or (key == "throughput" and new.rate is not None):
            continue  # at a given rate the throughput is the rate
        if key == "errors":
            verdict = _of_errors(before[key], after[key])
            yield Change(new.name, figure, before[key], after[key], None, verdict)
            continue
        ratio, verdict = change(old.series(key), new.series(key), less_is_better=figure.less_is_better)
        if disturbed(old) or disturbed(new):
            verdict = Verdict.UNCLEAR
        yield Change(new.name, figure, before[key], after[key], ratio, verdict)


def change(
    before: Sequence[float], after: Sequence[float], *, less_is_better: bool
) -> tuple[Interval | None, Verdict]:
    """The ratio of two runs' parts, and what may be said of it.

    The parts of a run resemble each other more than those of two runs, so that the ranks alone would see changes in two
    runs of the same thing. So the interval is widened by what the figure wandered within each run.
    """
    before, after = _blocks(before), _blocks(after)
    ratio = statistics.ratio(statistics.independent(logarithms(before), logarithms(after), CONFIDENCE))
    if ratio is None:
        return None, Verdict.UNCLEAR
    wandered = (1 + statistics.drift(before)) * (1 + statistics.drift(after))
    ratio = Interval(ratio.estimate, ratio.lower / wandered, ratio.upper * wandered)
    return ratio, statistics.verdict(ratio, less_is_better=less_is_better, least=LEAST_EFFECT)


def _blocks(values: Sequence[float]) -> list[float]:
    """Medians of neighbours, so that there are not too many: more would pretend to know more."""
    size = -(-len(values) // MOST_BLOCKS) or 1
    return [median(values[start : start + size]) for start in range(0, len(values), size)]


def _of_errors(before: float, after: float) -> Verdict:
    if abs(after - before) < LEAST_ERRORS:
        return Verdict.SAME
    return Verdict.BETTER if after < before else Verdict.WORSE
