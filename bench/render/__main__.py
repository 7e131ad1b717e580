"""The command ``python -m bench.render``: results of ``bench.peers`` become ``benchmarks.md`` and its charts."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.render.chart import chart
from bench.render.documents import DocumentError, merged, read
from bench.render.page import FOLDER, chart_name, page


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 done, 1 when a file is no result, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        document = merged([(path, read(path)) for path in options.results])
    except DocumentError as error:
        print(f"bench.render: {error}", file=sys.stderr)
        return 1
    charts: Path = options.into / FOLDER
    charts.mkdir(parents=True, exist_ok=True)
    for old in charts.glob("*.svg"):
        old.unlink()
    for section in document["workloads"]:
        if section["summaries"]:
            (charts / chart_name(section)).write_text(chart(section))
    (options.into / "benchmarks.md").write_text(page(document))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.render", description="Draws a page of the results of bench.peers."
    )
    parser.add_argument(
        "results",
        type=Path,
        nargs="+",
        metavar="RESULTS.json",
        help="what bench.peers --json wrote; of a workload in several files the last counts",
    )
    parser.add_argument(
        "--into", type=Path, default=Path("docs"), metavar="FOLDER", help="of the page (default docs)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
