"""Charts of a workload's section."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.render.chart import bars, chart

SVG = "{http://www.w3.org/2000/svg}"
COST = {"key": "cost", "title": "CPU µs/request", "decimals": 2, "compared": True, "shown": True}
P50 = {"key": "p50", "title": "p50 µs", "decimals": 0, "compared": True, "shown": True}
P99 = {"key": "p99", "title": "p99 µs", "decimals": 0, "compared": True, "shown": True}


def summary(gateway: str, setup: str = "", **figures: float) -> dict[str, Any]:
    """A summary whose quartiles are a tenth away from the median."""
    return {
        "gateway": gateway,
        "setup": setup,
        "figures": {
            key: {"median": value, "lower": value * 0.9, "upper": value * 1.1}
            for key, value in figures.items()
        },
    }


def section(*summaries: dict[str, Any], figures: tuple[dict[str, Any], ...] = (COST,)) -> dict[str, Any]:
    """A section with what a chart needs."""
    return {"title": "Requests & <answers>", "figures": list(figures), "summaries": list(summaries)}


def drawn(of: dict[str, Any]) -> list[ET.Element]:
    """The bars as they are in the document."""
    root = ET.fromstring(chart(of))  # noqa: S314  of our own making
    return [element for element in root.iter(f"{SVG}rect") if element.get("class") != "ground"]


def test_lengths_are_in_proportion() -> None:
    """A bar twice as long costs twice as much, and ours stands out."""
    ours, theirs = drawn(section(summary("headgate", cost=10.0), summary("nginx", cost=20.0)))
    assert float(theirs.get("width", 0)) == pytest.approx(2 * float(ours.get("width", 0)), abs=0.1)
    assert (ours.get("class"), theirs.get("class")) == ("ours", "theirs")


def test_everything_stays_inside() -> None:
    """The longest bar with its quartiles, and every row, are within the picture."""
    names = [f"a gateway of some name {number}" for number in range(12)]
    root = ET.fromstring(chart(section(*(summary(name, cost=1234.5) for name in names))))  # noqa: S314
    width, height = int(root.get("width", 0)), int(root.get("height", 0))
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("x", 0)) < width - 16
        assert 0 < float(text.get("y", 0)) < height
    for bar in root.iter(f"{SVG}rect"):
        assert float(bar.get("x", 0)) + float(bar.get("width", 0)) <= width
        assert float(bar.get("y", 0)) + float(bar.get("height", 0)) <= height


def test_rows_do_not_overlap() -> None:
    """Every bar begins below the one before."""
    places = [
        float(bar.get("y", 0))
        for bar in drawn(
            section(
                *(summary(name, p50=100.0, p99=400.0) for name in ("headgate", "nginx")), figures=(P50, P99)
            )
        )
    ]
    assert len(places) == 4
    assert all(later - earlier >= 24 for earlier, later in pairwise(places))


def test_titles_are_escaped() -> None:
    """A title may hold any characters."""
    assert "Requests &amp; &lt;answers&gt;" in chart(section(summary("headgate", cost=10.0)))


def test_setups_and_figures_have_bars_of_their_own() -> None:
    """A gateway's setups make a group; further figures are told apart by their names."""
    groups = bars(section(summary("headgate", "off", cost=10.0), summary("headgate", "on", cost=11.0)))
    assert [[bar.label for bar in group] for group in groups] == [["headgate, off", "headgate, on"]]
    ((first, second),) = bars(section(summary("nginx", p50=100.0, p99=400.0), figures=(P50, P99)))
    assert (first.label, first.further) == ("nginx p50", False)
    assert (second.label, second.further, second.text) == ("nginx p99", True, "400")


def test_nothing_was_measured() -> None:
    """A section without samples gives an empty picture, not an error."""
    assert drawn(section()) == []
