"""Markdown tables of a workload's section."""

from typing import Any

from bench.render.tables import changes_table, figures_table, ratios_table, remarks

FIGURES = [
    {"key": "cost", "title": "CPU µs/request", "decimals": 2, "compared": True, "shown": True},
    {"key": "supervisor", "title": "supervisor", "decimals": 2, "compared": False, "shown": True},
    {"key": "busy", "title": "core busy %", "decimals": 0, "compared": False, "shown": True},
    {"key": "requests", "title": "requests", "decimals": 0, "compared": False, "shown": False},
]


def spread(median: float, distance: float = 0.0) -> dict[str, float]:
    """A median with quartiles at a distance."""
    return {"median": median, "lower": median - distance, "upper": median + distance}


def summary(gateway: str, cost: float, setup: str = "", **figures: float) -> dict[str, Any]:
    """A summary whose ratio to nginx is its cost in units of 20."""
    return {
        "gateway": gateway,
        "setup": setup,
        "rounds": 5,
        "figures": {"cost": spread(cost, 1.0), **{key: spread(value) for key, value in figures.items()}},
        "ratios": {"cost": {"nginx": spread(cost / 20)}},
        "changes": {},
    }


def section(*summaries: dict[str, Any], **others: Any) -> dict[str, Any]:
    """A section without remarks, unless they are given."""
    empty = {"note": "", "unfit": {}, "warnings": [], "failures": []}
    return {"figures": FIGURES, "summaries": list(summaries), **empty, **others}


def test_figures() -> None:
    """What is compared has its quartiles, the rest its median; what a gateway has not stays empty."""
    lines = figures_table(
        section(summary("headgate", 18.0, supervisor=0.25, busy=99.4), summary("relay", 14.0, busy=98.0))
    ).splitlines()
    assert lines[0] == "| gateway | CPU µs/request | supervisor | core busy % |"
    assert lines[2] == "| headgate | 18.00 (17.00 to 19.00) | 0.25 | 99 |"
    assert lines[3] == "| relay | 14.00 (13.00 to 15.00) |  | 98 |"


def test_figures_that_nobody_has_are_left_out() -> None:
    """A column without a number is no column."""
    assert "supervisor" not in figures_table(section(summary("haproxy", 20.0)))


def test_ratios() -> None:
    """A row of ratios for each contender; one that never shared a round with the reference has none."""
    lonely = {**summary("caddy", 50.0), "ratios": {"cost": {}}}
    lines = ratios_table(section(summary("headgate", 18.0), lonely, summary("nginx", 20.0))).splitlines()
    assert lines[0] == "| ratio | to nginx |"
    assert lines[2] == "| headgate | 0.900 (0.900 to 0.900) |"
    assert lines[3] == "| caddy |  |"
    assert lines[4] == "| nginx | 1 |", "itself"


def test_no_reference() -> None:
    """Without a reference there is no table of ratios."""
    assert ratios_table(section({**summary("headgate", 18.0), "ratios": {}})) == ""


def test_changes() -> None:
    """A setup stands beside the first one, as ratio and as difference with its sign."""
    off, on = summary("headgate", 18.0, "off"), summary("headgate", 18.5, "on")
    on["changes"] = {"cost": {"ratio": spread(1.028), "difference": spread(0.5, 0.1)}}
    lines = changes_table(section(off, on)).splitlines()
    assert lines[0] == "| change | ratio to off | more than off, µs/request |"
    assert lines[2] == "| headgate, on | 1.028 (1.028 to 1.028) | +0.50 (+0.40 to +0.60) |"
    assert changes_table(section(off)) == ""


def test_remarks() -> None:
    """Everything that qualifies the figures is said."""
    found = remarks(
        section(
            note="the load shares the cores",
            unfit={"relay": "knows no logs"},
            warnings=["nginx: disturbed"],
            failures=[{"gateway": "caddy", "setup": "on", "round": 1, "reason": "ended"}],
        )
    )
    assert found == [
        "The load shares the cores.",
        "relay takes no part: knows no logs.",
        "WARNING nginx: disturbed.",
        "FAILED caddy, on in round 2: ended",
    ]
