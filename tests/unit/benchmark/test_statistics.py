"""Intervals by rank: exact where theory says so, and silent about noise."""

import math
import random
from itertools import combinations, product

import pytest

from gateway.benchmark.comparison import change
from gateway.benchmark.statistics import (
    Interval,
    Verdict,
    drift,
    independent,
    paired,
    per_comparison,
    ratio,
    rounds_needed,
    verdict,
)
from tests.helpers.proof import PROOF

RUNS = 1000 if PROOF else 200
SLACK = 2 * math.sqrt(0.05 * 0.95 * RUNS)
"""Two standard deviations of how many of so many runs are wrong by chance when one in twenty may be."""


def noisy(source: random.Random, length: int, *, persistence: float) -> list[float]:
    """A figure of a shared machine: a level that wanders slowly, and now and then a much worse value."""
    level, values = 0.0, []
    for _ in range(length):
        level = persistence * level + source.gauss(0, 0.1)
        spike = source.expovariate(2) if source.random() < 0.15 else 0.0
        values.append(math.exp(level + spike))
    return values


@pytest.mark.parametrize("pairs", range(6, 11))
def test_the_paired_interval_errs_no_more_often_than_asked(pairs: int) -> None:
    """Over all signs of differences without ties, at most 5 % of the intervals leave out 0: the exact coverage."""
    magnitudes = [1.0 + rank**1.7 for rank in range(pairs)]
    missed = 0
    for signs in product((1, -1), repeat=pairs):
        interval = paired([sign * size for sign, size in zip(signs, magnitudes, strict=True)], 0.95)
        assert interval is not None
        missed += interval.excludes(0.0)
    assert 0 < missed / 2**pairs <= 0.05


def test_the_independent_interval_errs_no_more_often_than_asked() -> None:
    """Over all ways to split ten values without ties into two groups."""
    values = [1.1**rank + rank for rank in range(10)]
    missed = total = 0
    for chosen in combinations(range(10), 5):
        first = [values[index] for index in chosen]
        second = [values[index] for index in range(10) if index not in chosen]
        interval = independent(first, second, 0.95)
        assert interval is not None
        missed += interval.excludes(0.0)
        total += 1
    assert 0 < missed / total <= 0.05


def test_too_few_say_nothing() -> None:
    """Five pairs cannot give 95 %, six can; the same is said in advance."""
    assert paired([1.0] * 5, 0.95) is None
    assert paired([1.0] * 6, 0.95) == Interval(1.0, 1.0, 1.0)
    assert [rounds_needed(confidence) for confidence in (0.9, 0.95, 0.99)] == [5, 6, 8]
    assert independent([1.0, 2.0], [3.0, 4.0], 0.95) is None


def test_a_shift_is_found_with_its_size() -> None:
    """Twice as slow comes out as a factor of about 2 whose interval holds 2."""
    source = random.Random(1)
    before = [math.log(value) for value in noisy(source, 10, persistence=0)]
    after = [math.log(2 * value) for value in noisy(source, 10, persistence=0)]
    found = ratio(independent(before, after, 0.95))
    assert found is not None
    assert found.lower <= 2 <= found.upper
    assert verdict(found, less_is_better=True) is Verdict.WORSE


def test_two_runs_of_the_same_thing_are_not_called_different() -> None:
    """Of pairs of runs on a wandering machine, where ranks alone are wrong in many, at most one in twenty is claimed changed."""
    source = random.Random(7)
    alone = claimed = 0
    for _ in range(RUNS):
        before, after = (noisy(source, 10, persistence=0.8) for _ in range(2))
        _, said = change(before, after, less_is_better=True)
        by_ranks = independent(
            [math.log(value) for value in before], [math.log(value) for value in after], 0.99
        )
        alone += by_ranks is not None and by_ranks.excludes(0.0)
        claimed += said in (Verdict.BETTER, Verdict.WORSE)
    assert alone > 0.15 * RUNS, "the runs resemble each other too much to test anything"
    assert claimed <= 0.05 * RUNS + SLACK


def test_interleaving_makes_the_claims_exact() -> None:
    """Pairs of the same wandering machine, taken in turns in random order, are claimed different no oftener than asked."""
    source = random.Random(3)
    wrong = 0
    for _ in range(RUNS):
        machine = noisy(source, 20, persistence=0.9)
        differences = []
        for one, other in zip(machine[::2], machine[1::2], strict=True):
            first, second = source.sample((one, other), 2)
            differences.append(math.log(second / first))
        interval = ratio(paired(differences, 0.95))
        wrong += verdict(interval, less_is_better=True) is not Verdict.UNCLEAR and interval.excludes(1.0)  # type: ignore[union-attr]
    assert wrong <= 0.05 * RUNS + SLACK


@pytest.mark.parametrize(
    ("interval", "less_is_better", "said"),
    [
        (Interval(0.5, 0.4, 0.7), True, Verdict.BETTER),
        (Interval(0.5, 0.4, 0.7), False, Verdict.WORSE),
        (Interval(2.0, 1.5, 3.0), True, Verdict.WORSE),
        (Interval(1.02, 1.01, 1.03), True, Verdict.SAME),
        (Interval(1.0, 0.96, 1.04), True, Verdict.SAME),
        (Interval(1.5, 0.9, 2.0), True, Verdict.UNCLEAR),
        (None, True, Verdict.UNCLEAR),
    ],
)
def test_verdicts(interval: Interval | None, less_is_better: bool, said: Verdict) -> None:
    """A change is claimed when its interval leaves out "none" and it is worth a word; "none" when it surely is small."""
    assert verdict(interval, less_is_better=less_is_better) is said


def test_drift_is_what_the_halves_differ_by() -> None:
    """A slow minute shows as the ratio of the halves, whichever is the slower."""
    assert drift([1, 1, 2, 2]) == drift([2, 2, 1, 1]) == 1.0
    assert drift([5.0]) == drift([]) == 0.0


def test_several_statements_share_the_error() -> None:
    """Bonferroni: five statements of 99 % hold together with 95 %."""
    assert per_comparison(0.95, 5) == pytest.approx(0.99)
    assert per_comparison(0.95, 0) == 0.95
