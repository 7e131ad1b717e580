"""The table of a benchmark run."""

from bench.peers.report import table, warnings
from bench.peers.rounds import Spread, Summary


def summary(
    gateway: str, cost: float, *, leader: float = 0.0, foreign: float = 0.0, busy: float = 0.994
) -> Summary:
    """A summary whose ratio to nginx is its cost in units of 20."""
    ratio = cost / 20
    return Summary(
        gateway=gateway,
        cost=Spread(cost, cost - 1, cost + 1),
        user=cost / 4,
        system=cost * 3 / 4,
        leader=leader,
        requests_per_second=61234.5,
        busy=busy,
        foreign=foreign,
        ratios={"nginx": Spread(ratio, ratio, ratio)},
    )


def test_table() -> None:
    """A row shows cost, spread, shares and ratios; a single process has no shares to show."""
    lines = table(
        [summary("headgate", 18.0, leader=0.25), summary("relay", 14.0, leader=14.0)],
        single_process=frozenset({"relay"}),
    ).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "ratio to nginx" in lines[0]
    assert lines[2].startswith(
        "| headgate | 18.00 | 17.00 to 19.00 | 4.50 | 13.50 | 17.75 | 0.25 | 99% | 61,234 |"
    )
    assert lines[2].endswith("| 0.900 (0.900 to 0.900) |")
    assert "| 10.50 |  |  | 99% |" in lines[3]


def test_disturbed_run_is_said() -> None:
    """A reader learns when the core was shared with others."""
    quiet, disturbed = summary("a", 18.0, foreign=0.01), summary("b", 18.0, foreign=0.25)
    assert [text.partition(":")[0] for text in warnings([quiet, disturbed])] == ["b"]
    assert "25%" in warnings([disturbed])[0]


def test_starved_gateway_is_said() -> None:
    """A reader learns when the load was the bottleneck."""
    (text,) = warnings([summary("a", 18.0), summary("b", 18.0, busy=0.4)])
    assert text.startswith("b:")
    assert "40% busy" in text
