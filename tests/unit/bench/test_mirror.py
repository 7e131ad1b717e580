"""What the benchmark of mirrors states."""

from bench.mirror import page
from bench.peers.load.open_loop import Latencies


def _latencies(p99: int) -> Latencies:
    """A hundred requests: 98 in 100 µs, the last two in this many."""
    return Latencies([100_000] * 98 + [p99 * 1_000] * 2)


def test_percentiles_are_compared_within_a_round() -> None:
    """A round in which everything takes longer changes no ratio."""
    found = {
        "none": [_latencies(200), _latencies(2_000), _latencies(400)],
        "answers": [_latencies(400), _latencies(4_000), _latencies(800)],
        "dead": [_latencies(300), _latencies(3_000), _latencies(600)],
    }
    assert page(found, "10 % of 100 requests a second").splitlines() == [
        "| 10 % of 100 requests a second; mirror; µs | p50 | p99 | p99.9 | p99 ÷ none | p99 ÷ answers |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| none | 100 | 400 | 400 | 1.000 | 0.500 |",
        "| answers | 100 | 800 | 800 | 2.000 | 1.000 |",
        "| dead | 100 | 600 | 600 | 1.500 | 0.750 |",
    ]
