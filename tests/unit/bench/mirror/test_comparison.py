"""Ratios of pooled percentiles: exact, with intervals that err no more often than they say, and verdicts that are silent in doubt."""

import math
import random

import pytest

from bench.mirror.comparison import BOUND, LEAST_ROUNDS, Pool, Verdict, drawings, ratio, verdict
from bench.peers.load.open_loop import Latencies
from gateway.benchmark.statistics import Interval
from tests.helpers.proof import PROOF

RUNS = 400 if PROOF else 40
DRAWINGS = 400 if PROOF else 100
ROUNDS = 40
REQUESTS = 100
CALM = Interval(1.0, 0.98, 1.02)
"""Two gateways that are alike, on a machine that can tell."""


def latencies(source: random.Random, level: float, factor: float = 1.0) -> list[int]:
    """A slice: heavy tails around a level that belongs to its round."""
    return [
        int(factor * 1e5 * math.exp(level + source.gauss(0, 0.3)) * (1 + source.paretovariate(3)))
        for _ in range(REQUESTS)
    ]


def run(source: random.Random, factor: float) -> tuple[Pool, Pool]:
    """Two kinds in the same rounds of a machine that wanders; the first takes so many times as long."""
    levels = [source.gauss(0, 0.5) for _ in range(ROUNDS)]
    return (
        Pool([latencies(source, level, factor) for level in levels]),
        Pool([latencies(source, level) for level in levels]),
    )


@pytest.mark.parametrize("percent", [0, 1, 50, 99, 99.9, 100])
def test_the_percentile_of_a_pool_is_that_of_all_its_requests(percent: float) -> None:
    """As the load generator takes it of one run, of rounds of any length."""
    source = random.Random(1)
    rounds = [[source.randrange(1_000) for _ in range(source.randrange(1, 60))] for _ in range(30)]
    together = Latencies(sorted(latency for one in rounds for latency in one))
    assert Pool(rounds).percentile(percent) == together.percentile(percent) * 1_000


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_a_drawing_repeats_and_leaves_out_whole_rounds(percent: float) -> None:
    """The percentile is that of the rounds that were drawn, as often as they were."""
    source = random.Random(2)
    rounds = [[source.randrange(1_000) for _ in range(20)] for _ in range(10)]
    pool = Pool(rounds)
    for drawing in drawings(10, 3, 50):
        drawn = [one for one, times in zip(rounds, drawing, strict=True) for _ in range(times)]
        assert len(drawn) == 10
        assert pool.percentile(percent, drawing) == Pool(drawn).percentile(percent)


def test_no_requests_have_no_percentile() -> None:
    """Nothing was measured: a mistake of the caller, and not 0."""
    with pytest.raises(ValueError, match="no requests"):
        Pool([[], []]).percentile(99)


def test_what_moves_both_kinds_moves_no_ratio() -> None:
    """All kinds are drawn together: a kind that is always twice another one is so in every drawing, however rounds differ."""
    source = random.Random(4)
    levels = [source.gauss(0, 2) for _ in range(ROUNDS)]
    slices = [latencies(source, level) for level in levels]
    twice = [[2 * latency for latency in one] for one in slices]
    drawn = list(drawings(ROUNDS, 1, DRAWINGS))
    assert ratio(Pool(twice), Pool(slices), 99, drawn) == Interval(2.0, 2.0, 2.0)


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_the_interval_errs_no_more_often_than_it_says(factor: float) -> None:
    """Of runs with a known ratio at most one in twenty misses it, and what chance adds to that (three standard deviations)."""
    source = random.Random(5)
    missed = 0
    for number in range(RUNS):
        of, to = run(source, factor)
        missed += ratio(of, to, 99, list(drawings(ROUNDS, number, DRAWINGS))).excludes(factor)
    assert missed <= 0.05 * RUNS + 3 * math.sqrt(0.05 * 0.95 * RUNS)


def test_a_difference_is_found() -> None:
    """A half more is beyond the bound, and the interval is no wider than it has to be."""
    of, to = run(random.Random(6), 1.5)
    found = ratio(of, to, 99, list(drawings(ROUNDS, 1)))
    assert found.lower < 1.5 < found.upper < 2 * found.lower
    assert verdict(found, CALM, ROUNDS) is Verdict.BEYOND


@pytest.mark.parametrize(
    ("kind", "control", "rounds", "said"),
    [
        (Interval(1.01, 0.99, 1.05), CALM, LEAST_ROUNDS, Verdict.WITHIN),
        (Interval(0.90, 0.80, 0.95), CALM, LEAST_ROUNDS, Verdict.WITHIN),
        (Interval(1.10, 1.06, 1.20), CALM, LEAST_ROUNDS, Verdict.BEYOND),
        (Interval(1.04, 1.01, 1.06), CALM, LEAST_ROUNDS, Verdict.UNTOLD),
        (Interval(1.07, BOUND, 1.09), CALM, LEAST_ROUNDS, Verdict.UNTOLD),
        (Interval(1.01, 0.99, 1.05), CALM, LEAST_ROUNDS - 1, Verdict.UNTOLD),
        (Interval(1.50, 1.40, 1.60), CALM, LEAST_ROUNDS - 1, Verdict.UNTOLD),
        # The machine tells no 5 % apart, in either direction.
        (Interval(1.01, 0.99, 1.04), Interval(1.0, 0.99, 1.06), LEAST_ROUNDS, Verdict.UNTOLD),
        (Interval(1.01, 0.99, 1.04), Interval(1.0, 0.94, 1.01), LEAST_ROUNDS, Verdict.UNTOLD),
        (Interval(1.20, 1.10, 1.30), Interval(1.1, 1.00, 1.15), LEAST_ROUNDS, Verdict.UNTOLD),
        (Interval(1.20, 1.10, 1.30), Interval(0.9, 0.80, 1.00), LEAST_ROUNDS, Verdict.UNTOLD),
        # But a larger difference.
        (Interval(1.50, 1.40, 1.60), Interval(1.1, 1.00, 1.15), LEAST_ROUNDS, Verdict.BEYOND),
    ],
)
def test_verdicts(kind: Interval, control: Interval, rounds: int, said: Verdict) -> None:
    """Within or beyond is said when the whole interval is, and gateways that are alike do not differ by as much."""
    assert verdict(kind, control, rounds) is said
