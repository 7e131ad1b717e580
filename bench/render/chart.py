"""Bar charts as SVG: a bar for each contender and compared figure, with its quartiles and its value. Less is better.

A chart brings its own background, and colours for readers who prefer a dark one, so that it can be read on any page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from bench.render.tables import Section, label

_WIDTH = 760
_MARGIN = 16
_TITLE_HEIGHT = 48
_BAR_HEIGHT = 20
_BAR_GAP = 4
_GROUP_GAP = 10
_CHARACTER_WIDTH = 7.4
"""Of the widest usual sans-serif font at the size of the labels; wider is only more room."""

_STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.unit { fill: #59636e }
.ground { fill: #ffffff }
.ours { fill: #2f81f7 }
.theirs { fill: #a8b3bf }
.further { fill-opacity: 0.6 }
.quartiles { stroke: #1f2328; stroke-width: 1.5; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .unit { fill: #9198a1 }
  .ground { fill: #0d1117 }
  .ours { fill: #2f81f7 }
  .theirs { fill: #59636e }
  .quartiles { stroke: #e6edf3 }
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, as a reader sees it."""

    label: str
    text: str
    """The value."""
    median: float
    lower: float
    upper: float
    ours: bool
    further: bool
    """Not of the section's first compared figure: drawn lighter."""


def bars(section: Section) -> list[list[Bar]]:
    """The bars of a section in groups, one for each gateway."""
    compared = [figure for figure in section["figures"] if figure["compared"]]
    groups: dict[str, list[Bar]] = {}
    for summary in section["summaries"]:
        groups.setdefault(summary["gateway"], []).extend(
            _bar(summary, figure, several=len(compared) > 1, further=number > 0)
            for number, figure in enumerate(compared)
            if figure["key"] in summary["figures"]
        )
    return list(groups.values())


def chart(section: Section) -> str:
    """The SVG document of a section."""
    groups = [group for group in bars(section) if group]
    every = [bar for group in groups for bar in group]
    units = [figure["title"] for figure in section["figures"] if figure["compared"]]
    label_width = max((len(bar.label) for bar in every), default=0) * _CHARACTER_WIDTH
    text_width = max((len(bar.text) for bar in every), default=0) * _CHARACTER_WIDTH
    left = _MARGIN + label_width + 8
    room = _WIDTH - left - text_width - 8 - _MARGIN
    scale = room / max((bar.upper for bar in every), default=1.0)
    placed = list(_placed(groups))
    height = (placed[-1][0] + _BAR_HEIGHT if placed else _TITLE_HEIGHT) + _MARGIN
    title = escape(section["title"])
    drawn = (line for top, bar in placed for line in _drawn(bar, top, left, scale))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {_box(height)} role="img">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{_WIDTH}" height="{height}" rx="6"/>',
            f'<text class="title" x="{_MARGIN}" y="22">{title}</text>',
            f'<text class="unit" x="{_MARGIN}" y="40">{escape(_legend(units))}</text>',
            *drawn,
            "</svg>",
            "",
        ]
    )


def _bar(summary: Mapping[str, Any], figure: Mapping[str, Any], *, several: bool, further: bool) -> Bar:
    spread = summary["figures"][figure["key"]]
    name = label(summary)
    return Bar(
        label=f"{name} {figure['key']}" if several else name,
        text=f"{spread['median']:,.{figure['decimals']}f}",
        median=spread["median"],
        lower=spread["lower"],
        upper=spread["upper"],
        ours=summary["gateway"] == "headgate",
        further=further,
    )


def _legend(units: Sequence[str]) -> str:
    return f"{', '.join(units)}: median and quartiles, less is better"


def _box(height: int) -> str:
    return f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'


def _placed(groups: Iterable[Iterable[Bar]]) -> Iterator[tuple[int, Bar]]:
    """Every bar with the place of its upper edge."""
    top = _TITLE_HEIGHT + 4
    for group in groups:
        for bar in group:
            yield top, bar
            top += _BAR_HEIGHT + _BAR_GAP
        top += _GROUP_GAP - _BAR_GAP


def _drawn(bar: Bar, top: int, left: float, scale: float) -> Iterator[str]:
    middle = top + _BAR_HEIGHT / 2
    kind = f"{'ours' if bar.ours else 'theirs'}{' further' if bar.further else ''}"
    lower, upper = (left + value * scale for value in (bar.lower, bar.upper))
    end = max(left + bar.median * scale, upper)
    baseline = middle + 4.5
    yield f'<text x="{left - 8:.1f}" y="{baseline}" text-anchor="end">{escape(bar.label)}</text>'
    yield (
        f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{bar.median * scale:.1f}" '
        f'height="{_BAR_HEIGHT}" rx="2"/>'
    )
    if bar.upper > bar.lower:
        yield (
            f'<path class="quartiles" d="M{lower:.1f} {middle - 4}v8M{lower:.1f} {middle}H{upper:.1f}'
            f'M{upper:.1f} {middle - 4}v8"/>'
        )
    yield f'<text x="{end + 8:.1f}" y="{baseline}">{escape(bar.text)}</text>'
