"""What a run leaves behind: one JSON document, from which every table and chart is drawn."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.peers.gateways import Gateway
from bench.peers.job import Workload
from bench.peers.measure import MEASURES, Outcome, Plan
from bench.peers.rounds import Contender, Sample, Summary, summarize

REFERENCES = ("nginx", "haproxy", "envoy", "caddy")
"""Gateways that ratios are taken to, where they were measured."""
_DISTURBED_PERCENT = 5.0
"""Share of the gateway's core in other hands from which on a reader is warned."""
_SATURATED_PERCENT = 80.0
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


def heading(plan: Plan, gateways: Sequence[Gateway], versions: Mapping[str, str]) -> dict[str, Any]:
    """What all workloads of a run have in common; ``workloads`` is empty yet."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "plan": asdict(plan),
        "versions": dict(versions),
        "remarks": {gateway.name: gateway.remark for gateway in gateways if gateway.remark},
        "workloads": [],
    }


def section(workload: Workload, plan: Plan, outcome: Outcome, unfit: Mapping[str, str]) -> dict[str, Any]:
    """One workload: everything that is needed to draw its table again or to doubt it."""
    figures = MEASURES[workload.measure].figures
    summaries = summarize(
        outcome.samples,
        outcome.contenders,
        compared=[figure.key for figure in figures if figure.compared],
        references=REFERENCES,
    )
    return {
        "name": workload.name,
        "title": workload.title,
        "note": workload.note,
        "connections": workload.connections,
        "rounds": plan.rounds,
        "figures": [asdict(figure) for figure in figures],
        "unfit": dict(unfit),
        "summaries": [_summary(summary) for summary in summaries],
        "warnings": warnings(outcome.samples),
        "failures": [
            {**asdict(failure.contender), "round": failure.round, "reason": failure.reason}
            for failure in outcome.failures
        ],
        "samples": [
            {**asdict(sample.contender), "round": sample.round, "figures": dict(sample.figures)}
            for sample in outcome.samples
        ],
    }


def warnings(samples: Sequence[Sample]) -> list[str]:
    """A sentence for everything that makes a contender's figures worse than they should be taken for."""
    found = []
    for contender in dict.fromkeys(sample.contender for sample in samples):
        foreign = _seen(samples, contender, "foreign")
        if foreign and foreign[-1] > _DISTURBED_PERCENT:
            found.append(
                f"{contender}: other processes used up to {foreign[-1]:.0f} % of its core; measure again undisturbed"
            )
        busy = _seen(samples, contender, "busy")
        if busy and busy[len(busy) // 2] < _SATURATED_PERCENT:
            found.append(
                f"{contender}: the load kept its core only {busy[len(busy) // 2]:.0f} % busy, "
                "and a request costs more then"
            )
    return found


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Writes the JSON document, making its folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _summary(summary: Summary) -> dict[str, Any]:
    found = asdict(summary)
    return {**found.pop("contender"), **found}


def _seen(samples: Sequence[Sample], contender: Contender, figure: str) -> list[float]:
    return sorted(
        sample.figures[figure]
        for sample in samples
        if sample.contender == contender and figure in sample.figures
    )
