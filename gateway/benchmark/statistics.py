"""What figures of a noisy machine allow to be said: intervals by rank, and verdicts that are silent in doubt. Pure.

Latencies and throughputs have heavy tails, so nothing here assumes a distribution. The intervals turn exact rank tests
around: of two independent groups Mann and Whitney's, of pairs from the same round Wilcoxon's signed ranks (Hollander,
Wolfe & Chicken, Nonparametric Statistical Methods, 3rd ed., §§3.1–3.3, 4.1–4.3).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import combinations_with_replacement

LEAST_EFFECT = 0.03
"""A smaller change is not worth a word: the same program at other addresses differs by as much."""
NEGLIGIBLE = 0.05
"""When a change is surely smaller than this, it is called none."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and between what it lies with the confidence that was asked for."""

    estimate: float
    lower: float
    upper: float

    def excludes(self, value: float) -> bool:
        """Whether the value is out of the question."""
        return not self.lower <= value <= self.upper


class Verdict(StrEnum):
    """What may be said of a change."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    """Whatever the change is, it is smaller than anybody would notice."""
    UNCLEAR = "unclear"
    """The noise hides whether there is a change."""


def paired(differences: Sequence[float], confidence: float) -> Interval | None:
    """The typical difference of pairs; None when they are too few for that confidence.

    Exact when each difference is as likely to be positive as negative under "no change", which drawing the order within
    every round at random provides.
    """
    averages = sorted((one + other) / 2 for one, other in combinations_with_replacement(differences, 2))
    return _between(averages, _signed_rank_counts(len(differences)), confidence)


def independent(before: Sequence[float], after: Sequence[float], confidence: float) -> Interval | None:
    """By how much values of the second group exceed those of the first; None when they are too few."""
    differences = sorted(new - old for new in after for old in before)
    return _between(differences, _rank_sum_counts(len(before), len(after)), confidence)


def ratio(interval: Interval | None) -> Interval | None:
    """An interval of differences between logarithms as one of ratios."""
    if interval is None:
        return None
    return Interval(math.exp(interval.estimate), math.exp(interval.lower), math.exp(interval.upper))


def rounds_needed(confidence: float) -> int:
    """The least number of pairs of which ``paired`` gives an interval."""
    return math.ceil(1 - math.log2(1 - confidence))


def per_comparison(confidence: float, comparisons: int) -> float:
    """The confidence that each of several statements needs, so that all of them together have it (Bonferroni)."""
    return 1 - (1 - confidence) / max(1, comparisons)


def verdict(change: Interval | None, *, less_is_better: bool, least: float = LEAST_EFFECT) -> Verdict:
    """What a ratio of new to old says. A change counts when "no change" is excluded and it is larger than ``least``."""
    if change is None:
        return Verdict.UNCLEAR
    if change.excludes(1.0) and abs(math.log(change.estimate)) >= math.log1p(least):
        return Verdict.BETTER if (change.estimate < 1) is less_is_better else Verdict.WORSE
    if max(-math.log(change.lower), math.log(change.upper)) <= math.log1p(NEGLIGIBLE):
        return Verdict.SAME
    return Verdict.UNCLEAR


def drift(values: Sequence[float]) -> float:
    """By how much a figure wandered within its own run: the larger of its halves' medians by the smaller, minus 1.

    Neighbouring values of a run resemble each other, so that ranks alone would take a slow minute for a change.
    """
    middle = len(values) // 2
    if middle == 0:
        return 0.0
    halves = sorted((statistics.median(values[:middle]), statistics.median(values[-middle:])))
    return halves[1] / halves[0] - 1 if halves[0] > 0 else 0.0


def _between(ordered: Sequence[float], counts: Sequence[int], confidence: float) -> Interval | None:
    """The interval that a rank test leaves: as many values are cut off at each end as the test may reject."""
    cut = _rejected(counts, (1 - confidence) / 2)
    if cut is None or not ordered:
        return None
    return Interval(statistics.median(ordered), ordered[cut], ordered[-1 - cut])


def _rejected(counts: Sequence[int], tail: float) -> int | None:
    """The largest value of the statistic whose tail is no more probable than allowed; None when even the least is."""
    allowed = tail * sum(counts) * (1 + 1e-12)  # what is equal on paper must not differ by rounding
    upto, found = 0, None
    for value, count in enumerate(counts):
        upto += count
        if upto > allowed:
            break
        found = value
    return found


@cache
def _signed_rank_counts(pairs: int) -> tuple[int, ...]:
    """In how many ways the signs of so many pairs give each sum of positive ranks."""
    counts = [1]
    for rank in range(1, pairs + 1):
        counts = [
            low + high for low, high in zip([*counts, *[0] * rank], [*[0] * rank, *counts], strict=True)
        ]
    return tuple(counts)


@cache
def _rank_sum_counts(first: int, second: int) -> tuple[int, ...]:
    """In how many orders of two groups so many pairs stand the other way round: a Gaussian binomial coefficient."""
    counts = [1]
    for size in range(1, first + 1):
        counts = _divided(_times(counts, second + size), size)
    return tuple(counts)


def _times(counts: Sequence[int], power: int) -> list[int]:
    """The polynomial times 1 − x^power."""
    padded = [*counts, *[0] * power]
    return [own - (counts[index - power] if index >= power else 0) for index, own in enumerate(padded)]


def _divided(counts: Sequence[int], power: int) -> list[int]:
    """The polynomial by 1 − x^power, which divides it."""
    found: list[int] = []
    for index, own in enumerate(counts):
        found.append(own + (found[index - power] if index >= power else 0))
    return found[: len(found) - power]
