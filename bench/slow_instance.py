"""The command ``python -m bench.slow_instance``: draws what clients notice of a slow instance, by balance, for ``docs/selection.md``.

The figures are those of ``native/engine/examples/slow_instance.rs``: the gateway's own selection, instances that are queues.
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CHART = ROOT / "docs" / "selection" / "slow-instance.svg"

_WIDTH, _HEIGHT = 760, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 60, 40
_TICKS_MS = (10, 100, 1_000, 10_000, 100_000)
_SECONDS_A_TICK = 10
_STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.unit { fill: #59636e }
.ground { fill: #ffffff }
.slow { fill: #d29922; fill-opacity: 0.15 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
polyline { fill: none; stroke-width: 2 }
.ewma { stroke: #2f81f7 } .p2c { stroke: #8250df } .round_robin { stroke: #a8b3bf }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .unit { fill: #9198a1 }
  .ground { fill: #0d1117 }
  .grid { stroke: #30363d }
}"""


def main() -> int:
    """Runs the simulation and writes the chart."""
    command = ["cargo", "run", "--release", "--quiet", "-p", "headgate-engine", "--example", "slow_instance"]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(chart(json.loads(result.stdout)), encoding="utf-8")
    return 0


def chart(figures: Mapping[str, Any]) -> str:
    """The chart of ``p99_ms``, a value a second by balance, and of the seconds between which the instance is ``slow``."""
    lines: Mapping[str, Sequence[float]] = figures["p99_ms"]
    seconds = max(map(len, lines.values()))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}"/>',
            '<text class="title" x="16" y="24">One of three instances is ten times slower</text>',
            '<text class="unit" x="16" y="43">99th percentile of each second, in milliseconds</text>',
            *_frame(figures["slow"], seconds),
            *_lines(lines, seconds),
            "</svg>\n",
        ]
    )


def _frame(slow: Sequence[int], seconds: int) -> Iterator[str]:
    start, end = (_x(second, seconds) for second in slow)
    top, bottom = _y(_TICKS_MS[-1]), _y(_TICKS_MS[0])
    yield f'<rect class="slow" x="{start:.1f}" y="{top:.1f}" width="{end - start:.1f}" height="{bottom - top:.1f}"/>'
    yield f'<text class="unit" x="{start + 6:.1f}" y="{top + 16:.1f}">slow</text>'
    for tick in _TICKS_MS:
        y = _y(tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,}</text>'
    for second in range(0, seconds + 1, _SECONDS_A_TICK):
        x = _x(second, seconds)
        yield f'<text class="unit" x="{x:.1f}" y="{bottom + 20:.1f}" text-anchor="middle">{second} s</text>'


def _lines(lines: Mapping[str, Sequence[float]], seconds: int) -> Iterator[str]:
    middle = seconds // 3  # where the three lie apart
    for name, values in lines.items():
        points = " ".join(f"{_x(second, seconds):.1f},{_y(value):.1f}" for second, value in enumerate(values))
        yield f'<polyline class="{name}" points="{points}"/>'
        x, y = _x(middle, seconds), _y(values[middle]) - 8
        yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{name}</text>'


def _x(second: float, seconds: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * second / seconds


def _y(milliseconds: float) -> float:
    lowest, highest = math.log10(_TICKS_MS[0]), math.log10(_TICKS_MS[-1])
    share = (math.log10(max(milliseconds, _TICKS_MS[0])) - lowest) / (highest - lowest)
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * share


if __name__ == "__main__":
    sys.exit(main())
