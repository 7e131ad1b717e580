"""Order, spread and comparisons of benchmark rounds."""

import pytest

from bench.peers.rounds import Contender, Sample, Spread, difference, order, ratio, spread, summarize

OURS, THEIRS = Contender("ours"), Contender("theirs")


def sample(contender: Contender, round_number: int, cost: float, **others: float) -> Sample:
    """A measurement whose figure of interest is the cost."""
    return Sample(contender, round_number, {"cost": cost, **others})


def test_order_rotates() -> None:
    """Every contender takes every place once in as many rounds as there are contenders."""
    a, b, c = (Contender(name) for name in "abc")
    rounds = [order([a, b, c], number) for number in range(4)]
    assert rounds == [[a, b, c], [b, c, a], [c, a, b], [a, b, c]]


def test_order_of_nobody() -> None:
    """A workload that no chosen gateway can take part in has empty rounds."""
    assert order([], 1) == []


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
        sample(OURS, 0, 10.0),
        sample(THEIRS, 0, 20.0),
        sample(OURS, 1, 50.0),
        sample(THEIRS, 1, 100.0),
        sample(OURS, 2, 12.0),
        sample(THEIRS, 2, 16.0),
    ]
    found = ratio(samples, "cost", OURS, THEIRS)
    assert found is not None
    assert found.median == pytest.approx(0.5)


def test_comparisons_skip_rounds_with_one_of_both() -> None:
    """A round in which a measurement failed says nothing about the other's."""
    samples = [sample(OURS, 0, 10.0), sample(OURS, 1, 30.0), sample(THEIRS, 1, 20.0)]
    assert ratio(samples, "cost", OURS, THEIRS) == Spread(1.5, 1.5, 1.5)
    assert difference(samples, "cost", OURS, THEIRS) == Spread(10.0, 10.0, 10.0)


def test_no_common_round() -> None:
    """Without a round that has both there is no ratio."""
    assert ratio([sample(OURS, 0, 10.0), sample(THEIRS, 1, 20.0)], "cost", OURS, THEIRS) is None


def test_summary() -> None:
    """A summary has the spreads of all figures, and ratios to the measured references only."""
    samples = [sample(OURS, number, cost, busy=99.0) for number, cost in enumerate([12.0, 10.0, 14.0])]
    samples += [sample(THEIRS, number, cost) for number, cost in enumerate([24.0, 20.0, 28.0])]
    ours, theirs = summarize(
        samples, [OURS, THEIRS, Contender("failed")], compared=["cost"], references=["theirs", "absent"]
    )
    assert ours.rounds == 3
    assert ours.figures["cost"].median == pytest.approx(12.0)
    assert ours.figures["busy"].median == pytest.approx(99.0)
    assert {name: found.median for name, found in ours.ratios["cost"].items()} == {
        "theirs": pytest.approx(0.5)
    }
    assert theirs.ratios["cost"]["theirs"].median == pytest.approx(1.0)
    assert "busy" not in theirs.figures
    assert ours.changes == {}


def test_setups_are_compared_with_the_first() -> None:
    """Ratios stay within a setup; a change is that of one gateway between setups, as ratio and as difference."""
    off, on = Contender("ours", "off"), Contender("ours", "on")
    their_off, their_on = Contender("theirs", "off"), Contender("theirs", "on")
    samples = [
        sample(contender, number, cost * (number + 1))
        for number in range(3)
        for contender, cost in ((off, 10.0), (on, 11.0), (their_off, 20.0), (their_on, 44.0))
    ]
    summaries = summarize(samples, [off, on, their_off, their_on], compared=["cost"], references=["theirs"])
    changes = {str(found.contender): found.changes for found in summaries}
    assert changes["ours, off"] == changes["theirs, off"] == {}
    assert changes["ours, on"]["cost"].ratio.median == pytest.approx(1.1)
    assert changes["ours, on"]["cost"].difference.median == pytest.approx(2.0)
    assert changes["theirs, on"]["cost"].ratio.median == pytest.approx(2.2)
    assert summaries[1].ratios["cost"]["theirs"].median == pytest.approx(0.25)
