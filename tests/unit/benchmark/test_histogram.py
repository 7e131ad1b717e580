"""Latencies in buckets: exact enough, additive, and of bounded size."""

import random

import pytest

from gateway.benchmark.histogram import Histogram

SAMPLE = [int(random.Random(4).lognormvariate(8, 2)) for _ in range(20_000)]


@pytest.mark.parametrize("percent", [0.1, 25, 50, 90, 99, 99.9, 99.99, 100])
def test_percentiles_are_those_of_the_sorted_sample(percent: float) -> None:
    """Within 1 % of the nearest rank."""
    ordered = sorted(SAMPLE)
    exact = ordered[max(0, int(-(-len(ordered) * percent // 100)) - 1)]
    assert Histogram.of(SAMPLE).percentile(percent) == pytest.approx(exact, rel=0.01, abs=0.5)


def test_small_values_are_exact() -> None:
    """Microseconds below 256 have a bucket each."""
    assert [Histogram.of([value]).percentile(50) for value in range(256)] == list(range(256))


def test_sum_is_the_histogram_of_both() -> None:
    """It does not matter which process has counted."""
    left, right = Histogram.of(SAMPLE[:777]), Histogram.of(SAMPLE[777:])
    left.add(right)
    assert left == Histogram.of(SAMPLE)


def test_an_hour_takes_no_more_room_than_a_day() -> None:
    """The number of buckets is bounded by the number of octaves."""
    many = Histogram.of(range(0, 10**8, 9973))
    assert len(many.to_json()["buckets"]) < 128 * 21  # type: ignore[arg-type]


def test_json_brings_it_back() -> None:
    """What was written is read."""
    histogram = Histogram.of(SAMPLE)
    assert Histogram.from_json(histogram.to_json()) == histogram


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"buckets": 1, "longest_us": 0},
        {"buckets": [[1, -1]], "longest_us": 1},
        {"buckets": [[0.5, 1]], "longest_us": 1},
    ],
)
def test_nonsense_is_no_histogram(document: dict[str, object]) -> None:
    """Neither shape nor counts are believed."""
    with pytest.raises((TypeError, ValueError)):
        Histogram.from_json(document)


def test_of_nothing() -> None:
    """No latency, no percentile."""
    assert Histogram().percentile(99) == 0
    assert list(Histogram().shares()) == []
