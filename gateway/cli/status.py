"""``headgate status``: what a running gateway is doing, as a table for people or JSON for programs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.cli.admin import AdminError, find, of_a_running_gateway

OK = 200
NOTHING = "-"


@click.command()
@of_a_running_gateway
@click.option("--json", "as_json", is_flag=True, help="The document of the admin API, as JSON.")
def status(file: Path, admin: str | None, as_json: bool) -> None:
    """Show workers and instances of the gateway that serves FILE (by default gateway.toml)."""
    api = find(file, admin)
    answer = api.get("/v1/status")
    if answer.status != OK:
        raise AdminError(f"the gateway at {api.url} answers with status {answer.status}")
    if as_json:
        click.echo(orjson.dumps(answer.document, option=orjson.OPT_INDENT_2))
    else:
        click.echo(render(answer.document))


def render(document: dict[str, Any]) -> str:
    """The status document as people read it."""
    listeners = [("LISTENER", "URL"), *((one["name"], one["url"]) for one in document["listeners"])]
    workers = [
        ("WORKER", "STATE", "PID", "EPOCH", "RESTARTS", "LAST EXIT"),
        *map(_worker, document["workers"]),
    ]
    columns = ("SERVICE", "INSTANCE", "STATE", "UNTIL", "IN FLIGHT", "WEIGHT", "REASON")
    instances = [columns, *_instances(document)]
    overrides = [("OVERRIDE", "VALUE", "SINCE", "BY"), *map(_override, document["overrides"])]
    head = f"{document['state']}, epoch {document['epoch']}"
    tables: Sequence[Sequence[Sequence[object]]]
    tables = (
        listeners,
        workers,
        instances,
        *([_cluster(document["cluster"])] if document["cluster"] else []),
        *([overrides] if document["overrides"] else []),
    )
    return "\n\n".join([head, *("\n".join(_table(rows)) for rows in tables)])


def _worker(worker: dict[str, Any]) -> Sequence[object]:
    loop = " (crash loop)" if worker["crash_loop"] else ""
    return (
        worker["slot"],
        worker["state"],
        worker["pid"],
        worker["epoch"],
        worker["restarts"],
        f"{worker['last_exit'] or NOTHING}{loop}",
    )


def _cluster(cluster: dict[str, Any]) -> Sequence[Sequence[object]]:
    state = "reachable" if cluster["reachable"] else "unreachable"
    servers = ", ".join(cluster["redis"])
    return [
        ("REDIS", "STATE", "UNREACHABLE", "GATEWAYS", "LEASES"),
        (servers, state, f"{cluster['unreachable_seconds']:g} s", cluster["gateways"], cluster["leases"]),
    ]


def _override(override: dict[str, Any]) -> Sequence[object]:
    return tuple(override[key] for key in ("key", "value", "since", "by"))


def _instances(document: dict[str, Any]) -> Iterator[Sequence[object]]:
    """A row for each; the service is named in its first."""
    for service in document["services"]:
        name = service["name"]
        for one in service["instances"] or [{}]:
            yield name, *map(one.get, ("address", "state", "until", "in_flight", "weight", "reason"))
            name = ""


def _table(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Aligned columns, two spaces apart; nothing in a cell can reach the terminal but what is printable."""
    cells = [[_printable(NOTHING if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
