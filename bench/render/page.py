"""The page of a run's results: machine and versions, an overview of ratios, and a section for each workload."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.render import tables
from bench.render.documents import Document
from bench.render.tables import Section

FOLDER = "benchmarks"
"""Where the charts are, beside the page."""

_INTRODUCTION = """\
# Benchmarks

Headgate beside other gateways that were configured for the same job and tuned as their own experts would. This page is
drawn by `python -m bench.render` from the results of `python -m bench.peers`; [bench/README.md](../bench/README.md) says
how everything is measured, and the configuration of every gateway is in `bench/peers/gateways/`.

**CPU µs/request** is user and system time of the gateway's whole process group, divided by the requests that were
answered. It is what a request costs whoever pays for the core, and less is better. Figures are medians over the rounds,
with their quartiles in parentheses. Ratios are computed within each round, and their medians are given: below 1 Headgate
is the cheaper one. Absolute figures are the machine's; ratios travel."""


def chart_name(section: Section) -> str:
    """File name of a section's chart."""
    return f"{section['name']}.svg"


def page(document: Document) -> str:
    """The whole page in Markdown."""
    return "\n\n".join([*_parts(document)]) + "\n"


def _parts(document: Document) -> Iterator[str]:
    yield _INTRODUCTION
    yield _circumstances(document)
    sections = document["workloads"]
    if overview := tables.overview_table(sections):
        yield f"## Headgate in units of the others\n\n{overview}"
    if growth := tables.growth_table(sections):
        yield f"## Headgate in units of itself\n\n{growth}"
    for section in sections:
        yield from _section(section)
    yield _peers(document)


def _circumstances(document: Document) -> str:
    machine, plan = document["machine"], document["plan"]
    return (
        f"Measured on {document['date']}: {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
        f"Python {machine['python']}; {plan['rounds']} interleaved rounds of {plan['seconds']} s; "
        "the gateway on one core, alone unless its section says otherwise, load and origin on another."
    )


def _section(section: Section) -> Iterator[str]:
    yield f"## {section['title']}"
    if section["summaries"]:
        yield f"![{section['title']}: median and quartiles]({FOLDER}/{chart_name(section)})"
    for table in (tables.figures_table, tables.ratios_table, tables.changes_table):
        if text := table(section):
            yield text
    remarks = [_extent(section), *tables.remarks(section)]
    yield "\n".join(f"* {_one_line(remark)}" for remark in remarks)


def _extent(section: Section) -> str:
    return f"{section['connections']:,} client connections, {section['rounds']} rounds."


def _one_line(text: str) -> str:
    """A list's item; what a server has logged may have many lines."""
    return " ".join(text.split())


def _peers(document: Mapping[str, Any]) -> str:
    rows = [
        [name, version, document["remarks"].get(name, "")] for name, version in document["versions"].items()
    ]
    header = ["", "version", "what it cannot do of the job, or does in another way"]
    table = tables.table(header, rows, words=len(header))
    return f"## The gateways and the load\n\n{table}"
