"""What a run leaves behind: a table in Markdown for people and a JSON document for programs."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.peers.gateway import Gateway
from bench.peers.job import Workload
from bench.peers.measure import Plan
from bench.peers.rounds import Sample, Spread, Summary

_DISTURBED = 0.05
"""Share of the gateway's core in other hands from which on a reader is warned."""
_SATURATED = 0.80
"""Share of the core that a gateway must use: with less to do it finds fewer events per wake-up to share its cost."""


def machine() -> dict[str, str]:
    """What the numbers depend on most."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def table(summaries: Sequence[Summary], *, single_process: frozenset[str]) -> str:
    """The Markdown table. ``single_process``: gateways without a supervisor or master to show separately."""
    references = list(summaries[0].ratios) if summaries else []
    header = ["gateway", "CPU µs/request", "quartiles", "user", "system", "worker", "supervisor"]
    header += ["core busy", "requests/s", *(f"ratio to {name}" for name in references)]
    rows = [_row(summary, references, summary.gateway in single_process) for summary in summaries]
    return "\n".join(_line(cells) for cells in [header, ["---", *["---:"] * (len(header) - 1)], *rows])


def warnings(summaries: Sequence[Summary]) -> list[str]:
    """A sentence for everything that makes a gateway's figures worse than they should be taken for."""
    found = [
        f"{summary.gateway}: other processes used up to {summary.foreign:.0%} of its core; measure again undisturbed"
        for summary in summaries
        if summary.foreign > _DISTURBED
    ]
    found += [
        f"{summary.gateway}: the load kept its core only {summary.busy:.0%} busy, and a request costs more then"
        for summary in summaries
        if summary.busy < _SATURATED
    ]
    return found


def document(
    *,
    plan: Plan,
    workload: Workload,
    gateways: Sequence[Gateway],
    versions: Mapping[str, str],
    samples: Sequence[Sample],
    summaries: Sequence[Summary],
) -> dict[str, Any]:
    """Everything that is needed to draw the table again or to doubt it."""
    return {
        "machine": machine(),
        "plan": asdict(plan),
        "workload": {
            "name": workload.name,
            "head_bytes": len(workload.head),
            "response_bytes": workload.response_bytes,
            "connections": workload.connections,
        },
        "versions": dict(versions),
        "remarks": {gateway.name: gateway.remark for gateway in gateways if gateway.remark},
        "summaries": [asdict(summary) for summary in summaries],
        "samples": [asdict(sample) for sample in samples],
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes the JSON document, making its folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _row(summary: Summary, references: Sequence[str], single_process: bool) -> list[str]:
    worker = summary.cost.median - summary.leader
    shares = ["", ""] if single_process else [f"{worker:.2f}", f"{summary.leader:.2f}"]
    return [
        summary.gateway,
        f"{summary.cost.median:.2f}",
        f"{summary.cost.lower:.2f} to {summary.cost.upper:.2f}",
        f"{summary.user:.2f}",
        f"{summary.system:.2f}",
        *shares,
        f"{summary.busy:.0%}",
        f"{summary.requests_per_second:,.0f}",
        *(_ratio(summary.ratios[name]) for name in references),
    ]


def _ratio(spread: Spread) -> str:
    return f"{spread.median:.3f} ({spread.lower:.3f} to {spread.upper:.3f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
