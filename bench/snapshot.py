"""A configuration as the supervisor would publish it to the workers."""

import json

from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.supervisor.rows import Rows

SERIES = 16
"""Rows of the request table: more than the pairs of listener and route that a configuration here has."""
LIMITS = 16


def published(configuration: str, *, other_routes: int = 0) -> bytes:
    """The blob for a TOML text, with so many routes more that match nothing.

    They are copies of the last route at other places, because to check 100,000 routes for mistakes takes a while.
    """
    rows = Rows.fresh(services=8, series=SERIES, limits=LIMITS)
    _, blob = compile_snapshot(parse(configuration, "bench", {}), 1, rows)
    if not other_routes:
        return blob
    snapshot = json.loads(blob)
    model = {**snapshot["routes"][-1], "limits": []}
    snapshot["routes"] += [
        model
        | {"name": f"other-{number}", "host": f"{number % 100}.example.net", "path": f"/{number // 100}/*"}
        for number in range(other_routes)
    ]
    return json.dumps(snapshot).encode()
