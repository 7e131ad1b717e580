"""Plots as SVG: lines over an axis, and dots with their intervals. Pure; colours come from the page's style."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 480
"""Narrow enough that its text can be read on a phone, where the whole is made to fit."""
_HEIGHT = 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 28, 40
_CHARACTER = 7.4
"""Width of a character of the labels, at the most."""

STYLE = """\
svg { width: 100%; height: auto; display: block }
svg text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--quiet) }
svg .line { fill: none; stroke-width: 1.8; stroke-linejoin: round }
svg .grid { stroke: var(--grid); stroke-width: 1 }
svg .zero { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 3 3 }
svg .s0 { stroke: var(--first) } svg .s1 { stroke: var(--second) } svg .s2 { stroke: var(--third) }
svg text.s0, svg circle.s0 { fill: var(--first); stroke: none }
svg text.s1, svg circle.s1 { fill: var(--second); stroke: none }
svg text.s2, svg circle.s2 { fill: var(--third); stroke: none }
svg .label { fill: var(--ink) }
svg .better { stroke: var(--good) } svg circle.better { fill: var(--good); stroke: none }
svg .worse { stroke: var(--bad) } svg circle.worse { fill: var(--bad); stroke: none }
svg .none { stroke: var(--quiet) } svg circle.none { fill: var(--quiet); stroke: none }
svg .whisker { stroke-width: 2 }"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One series."""

    label: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Dot:
    """One estimate with its interval, on a logarithmic axis of ratios."""

    label: str
    text: str
    estimate: float
    lower: float
    upper: float
    kind: str
    """``better``, ``worse`` or ``none``."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to places."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        low, high, value = (
            map(math.log, (self.low, self.high, max(value, self.low)))
            if self.logarithmic
            else (self.low, self.high, value)
        )
        return self.start + (self.end - self.start) * (value - low) / (high - low)


def lines(
    title: str,
    series: Sequence[Line],
    *,
    x_title: str,
    logarithmic: bool = False,
    x_ticks: Sequence[tuple[float, str]] = (),
) -> str:
    """A plot of lines; the y axis begins at 0 unless it is logarithmic. Without ``x_ticks`` the x axis has round numbers."""
    drawn = [line for line in series if line.points]
    xs = [x for line in drawn for x, _ in line.points] or [0.0, 1.0]
    ys = [y for line in drawn for _, y in line.points if y > 0 or not logarithmic] or [1.0]
    high = max(*ys, 1e-9)
    low = min(*ys, high / 10) if logarithmic else 0.0
    y = _Axis(low * 0.9, high * 1.1, _HEIGHT - _BOTTOM, _TOP, logarithmic)
    x = _Axis(min(xs), max(*xs, min(xs) + 1e-9), _LEFT, WIDTH - _RIGHT)
    y_ticks = _decades(y.low, y.high) if logarithmic else [*_round_numbers(0.0, y.high)]
    parts = [
        *_horizontal(y, y_ticks),
        *_vertical(x, x_ticks or [(tick, _tick(tick)) for tick in _round_numbers(x.low, x.high)]),
        *(_path(line, index, x, y) for index, line in enumerate(drawn)),
        *_legend(drawn),
        f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 4}" text-anchor="middle">{escape(x_title)}</text>',
    ]
    return _svg(title, _HEIGHT, parts)


def dots(title: str, rows: Sequence[Dot], *, left: str, right: str) -> str:
    """Estimates with their intervals around "no change"; ``left`` and ``right`` say what the sides mean."""
    spacing = 40
    height = _TOP + 14 + spacing * len(rows) + 8
    bounds = [bound for row in rows for bound in (row.lower, row.upper)]
    reach = max([math.log(1.1), *(abs(math.log(bound)) for bound in bounds if 0 < bound < math.inf)]) * 1.05
    axis = _Axis(math.exp(-reach), math.exp(reach), 16, WIDTH - 16, logarithmic=True)
    zero = axis.place(1.0)
    parts = [
        f'<path class="zero" d="M{zero:.1f} {_TOP}V{height - 4}"/>',
        f'<text x="{zero - 8:.1f}" y="14" text-anchor="end">← {escape(left)}</text>',
        f'<text x="{zero + 8:.1f}" y="14">{escape(right)} →</text>',
    ]
    for index, row in enumerate(rows):
        parts += _dot(row, _TOP + 20 + spacing * index, axis)
    return _svg(title, height, parts)


def _dot(row: Dot, top: int, axis: _Axis) -> Iterator[str]:
    lower, upper, middle = (axis.place(value) for value in (row.lower, row.upper, row.estimate))
    kind = escape(row.kind)
    room = int((WIDTH - 24) / _CHARACTER) - len(row.text)
    label = row.label if len(row.label) <= room else f"{row.label[: room - 1]}…"
    yield f'<text class="label" x="8" y="{top}">{escape(label)}</text>'
    yield f'<text x="{WIDTH - 8}" y="{top}" text-anchor="end">{escape(row.text)}</text>'
    yield f'<path class="whisker {kind}" d="M{lower:.1f} {top + 12}H{upper:.1f}M{lower:.1f} {top + 8}v8M{upper:.1f} {top + 8}v8"/>'
    yield f'<circle class="{kind}" cx="{middle:.1f}" cy="{top + 12}" r="4.5"/>'


def _svg(title: str, height: float, parts: Iterable[str]) -> str:
    box = f'viewBox="0 0 {WIDTH} {height:.0f}"'
    return "\n".join([f'<svg {box} role="img"><title>{escape(title)}</title>', *parts, "</svg>"])


def _path(line: Line, index: int, x: _Axis, y: _Axis) -> str:
    places = " ".join(f"{x.place(a):.1f},{y.place(b):.1f}" for a, b in line.points)
    if len(line.points) == 1:
        (a, b) = line.points[0]
        return f'<circle class="s{index % 3}" cx="{x.place(a):.1f}" cy="{y.place(b):.1f}" r="3"/>'
    return f'<polyline class="line s{index % 3}" points="{places}"/>'


def _legend(series: Sequence[Line]) -> Iterator[str]:
    """The labels above the plot, each in the colour of its line."""
    place = float(_LEFT)
    for index, line in enumerate(series):
        yield f'<text class="s{index % 3}" x="{place:.0f}" y="14">{escape(line.label)}</text>'
        place += len(line.label) * _CHARACTER + 14


def _horizontal(y: _Axis, ticks: Sequence[float]) -> Iterator[str]:
    for tick in ticks:
        place = y.place(tick)
        yield f'<path class="grid" d="M{_LEFT} {place:.1f}H{WIDTH - _RIGHT}"/>'
        yield f'<text x="{_LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{escape(_tick(tick))}</text>'


def _vertical(x: _Axis, ticks: Sequence[tuple[float, str]]) -> Iterator[str]:
    for tick, label in ticks:
        place = x.place(tick)
        yield f'<path class="grid" d="M{place:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
        yield f'<text x="{place:.1f}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle">{escape(label)}</text>'


def _tick(value: float) -> str:
    """A round number without digits that say nothing."""
    if value >= 10000:
        return f"{value / 1000:,.10g}k"
    return f"{value:,.10g}"


def _round_numbers(low: float, high: float) -> Iterator[float]:
    """About five numbers that people like, from low to high."""
    span = high - low
    unit = 10.0 ** math.floor(math.log10(span / 4)) if span > 0 else 1.0
    step = next((unit * factor for factor in (1, 2, 5, 10) if span / (unit * factor) <= 6), unit * 10)
    number = math.ceil(low / step)
    while number * step <= high:
        yield round(number * step, 12)
        number += 1


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten; the powers alone when these are many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(exponents) > 4 else (1, 2, 5)
    marks = (factor * 10.0**exponent for exponent in exponents for factor in factors)
    return [round(mark, 12) for mark in marks if low <= mark <= high]
