"""A page of HTML that needs nothing from elsewhere: its frame and style, tables and figures. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from gateway.benchmark.report.plot import STYLE as PLOT_STYLE

_STYLE = """\
:root { color-scheme: light dark; --ink: #1f2328; --quiet: #59636e; --ground: #ffffff; --panel: #f6f8fa; --grid: #e3e7ec;
  --first: #0969da; --second: #bc4c00; --third: #1a7f37; --good: #1a7f37; --bad: #cf222e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9198a1; --ground: #0d1117; --panel: #151b23;
  --grid: #2a313c; --first: #4493f8; --second: #f0883e; --third: #3fb950; --good: #3fb950; --bad: #f85149 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 24px 16px 48px; max-width: 1060px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
h1 { font-size: 22px; margin: 0 0 4px } h2 { font-size: 17px; margin: 32px 0 8px } h3 { font-size: 14px; margin: 0 0 8px }
p, ul { margin: 6px 0; max-width: 76ch } ul { padding-left: 20px }
.quiet { color: var(--quiet) } .good { color: var(--good) } .bad { color: var(--bad) }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 8px; margin: 12px 0 }
.numbers div { background: var(--panel); border-radius: 8px; padding: 10px 12px }
.numbers b { display: block; font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap }
.numbers span { color: var(--quiet); font-size: 13px }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); gap: 12px; margin: 12px 0 }
figure { margin: 0; background: var(--panel); border-radius: 8px; padding: 12px }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--grid); white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 150px } th { font-weight: 600; font-size: 13px }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--panel); padding: 1px 4px;
  border-radius: 4px; overflow-wrap: anywhere }"""


def document(title: str, blocks: Iterable[str]) -> str:
    """The whole page."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}\n{PLOT_STYLE}</style></head><body>",
            *blocks,
            "</body></html>",
            "",
        ]
    )


def numbers(listed: Sequence[tuple[str, str]]) -> str:
    """Tiles of (value, what it is)."""
    tiles = "".join(f"<div><b>{escape(value)}</b><span>{escape(what)}</span></div>" for value, what in listed)
    return f'<div class="numbers">{tiles}</div>'


def figure(title: str, svg: str) -> str:
    """A plot with its title."""
    return f"<figure><h3>{escape(title)}</h3>{svg}</figure>"


def plots(figures: Iterable[str]) -> str:
    """Figures beside each other where there is room."""
    return f'<div class="plots">{"".join(figures)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str] = ()) -> str:
    """A table; ``kinds`` are the classes of the rows' second cells, where a phone still shows them."""
    lines = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>"]
    for index, row in enumerate(rows):
        kind = f' class="{escape(kinds[index])}"' if index < len(kinds) and kinds[index] else ""
        first, second, *others = (escape(cell) for cell in row)
        rest = "".join(f"<td>{cell}</td>" for cell in others)
        lines.append(f"<tr><td>{first}</td><td{kind}>{second}</td>{rest}</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def bullets(items: Iterable[str]) -> str:
    """A list; nothing of no items."""
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul>{lines}</ul>" if lines else ""


def heading(text: str) -> str:
    """A heading of a part."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, kind: str = "") -> str:
    """A sentence or two."""
    return f'<p class="{escape(kind)}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def title(text: str, below: str) -> str:
    """The head of the page."""
    return f'<h1>{escape(text)}</h1><p class="quiet">{escape(below)}</p>'
