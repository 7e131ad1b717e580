"""Order, spread and ratios of benchmark rounds."""

import pytest

from bench.peers.rounds import Sample, Spread, order, ratio, spread, summarize


def sample(gateway: str, round_number: int, microseconds: float, *, leader: float = 0.0) -> Sample:
    """A measurement of 1,000 requests, a quarter of whose cost is the program's own."""
    seconds = microseconds * 1000 / 1e6
    return Sample(
        gateway=gateway,
        round=round_number,
        requests=1000,
        wall_seconds=0.5,
        user_seconds=seconds / 4,
        system_seconds=seconds * 3 / 4,
        leader_seconds=leader * 1000 / 1e6,
        foreign_seconds=0.05 * (round_number + 1),
    )


def test_order_rotates() -> None:
    """Every gateway takes every place once in as many rounds as there are gateways."""
    rounds = [order(["a", "b", "c"], number) for number in range(4)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], Spread(3.0, 3.0, 3.0)),
        ([4.0, 2.0], Spread(3.0, 2.5, 3.5)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], Spread(3.0, 2.0, 4.0)),
    ],
)
def test_spread(values: list[float], expected: Spread) -> None:
    """The spread is the median with its inclusive quartiles, whatever the order of the values."""
    assert spread(values) == expected


def test_spread_of_nothing() -> None:
    """A spread of nothing is a mistake of the caller, not a zero."""
    with pytest.raises(ValueError, match="at least one value"):
        spread([])


def test_ratio_is_taken_within_rounds() -> None:
    """A round in which the machine was slow for both does not move the ratio; the ratio of medians would move."""
    samples = [
        sample("ours", 0, 10.0),
        sample("theirs", 0, 20.0),
        sample("ours", 1, 50.0),
        sample("theirs", 1, 100.0),
        sample("ours", 2, 12.0),
        sample("theirs", 2, 16.0),
    ]
    assert ratio(samples, "ours", "theirs").median == pytest.approx(0.5)


def test_ratio_skips_rounds_with_one_of_both() -> None:
    """A round that lacks one of the two gateways says nothing about their ratio."""
    samples = [sample("ours", 0, 10.0), sample("ours", 1, 30.0), sample("theirs", 1, 20.0)]
    assert ratio(samples, "ours", "theirs").lower == pytest.approx(1.5)


def test_summary() -> None:
    """A summary has the medians, the worst disturbance, and ratios to the measured references only."""
    samples = [sample("ours", number, cost, leader=1.0) for number, cost in enumerate([12.0, 10.0, 14.0])]
    samples += [sample("theirs", number, cost) for number, cost in enumerate([24.0, 20.0, 28.0])]
    ours, theirs = summarize(samples, ["ours", "theirs"], ["theirs", "absent"])
    assert ours.cost.median == pytest.approx(12.0)
    assert (ours.user, ours.system, ours.leader) == pytest.approx((3.0, 9.0, 1.0))
    assert ours.foreign == pytest.approx(0.3)
    assert ours.requests_per_second == pytest.approx(2000)
    assert ours.busy == pytest.approx(0.024)
    assert {name: found.median for name, found in ours.ratios.items()} == {"theirs": pytest.approx(0.5)}
    assert theirs.ratios["theirs"].median == pytest.approx(1.0)
