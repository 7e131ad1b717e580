"""A gateway of our own for a measurement: the user's configuration on free ports of the loopback address."""

import asyncio
import copy
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.benchmark.load import LoadError, Target
from gateway.benchmark.processes import running
from gateway.config import toml

START_SECONDS = 30.0
ANY_PORT = "127.0.0.1:0"
Tables = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """A gateway that serves."""

    target: Target
    admin: str


def on_free_ports(tables: Mapping[str, Any]) -> tuple[Tables, list[str]]:
    """A configuration for a trial, and what is different in it, a sentence each.

    All load comes from one address and through one listener: what would refuse it for that is left out.
    """
    changed: Tables = copy.deepcopy(dict(tables))
    notes = _without_passages(changed)
    listeners = changed.get("listen") or [{}]
    chosen = next((one for one in listeners if not one.get("proxy_protocol")), listeners[0])
    notes += _at_one_listener(changed, chosen.get("address"))
    chosen["address"] = ANY_PORT
    if chosen.pop("proxy_protocol", False):
        notes.append("The trials speak no PROXY protocol.")
    if isinstance(chosen.get("max"), dict) and chosen["max"].pop("connections_per_client", None):
        notes.append("max.connections_per_client is left out of the trials: all load comes from one address.")
    changed["listen"] = [chosen]
    changed["gateway"] = {**changed.get("gateway", {}), "admin": ANY_PORT}
    if "access" in changed.get("log", {}):
        changed["log"] = {**changed["log"], "access": "off"}
        notes.append("The trials write no access log.")
    routes = [route for route in changed.get("routes", []) if isinstance(route, dict)]
    if any([route.pop("limit", None) for route in routes]):  # noqa: C419 - every route loses its limits
        notes.append("Limits of routes are left out of the trials: all load comes from one address.")
    return changed, notes


def _without_passages(changed: Tables) -> list[str]:
    """Leaves out what is no HTTP, listeners and services, and says so."""
    passing = [one for one in changed.get("listen", []) if one.get("mode") == "tcp"]
    if not passing:
        return []
    changed["listen"] = [one for one in changed["listen"] if one not in passing]
    routes = [route for route in changed.get("routes", []) if isinstance(route, dict)]
    routed = {side.get("service") for route in routes for side in (route, *route.get("split", ()))}
    for service in {one.get("service") for one in passing} - routed:
        changed.get("services", {}).pop(service, None)
    return ["Listeners that pass connections through are left out of the trials."]


def _at_one_listener(changed: Tables, address: object) -> list[str]:
    """Leaves the routes that this listener has, and says so."""
    routes = [route for route in changed.get("routes", []) if isinstance(route, dict)]
    if not any("listeners" in route for route in routes):
        return []
    changed["routes"] = [route for route in routes if address in route.pop("listeners", [address])]
    return ["Routes of other listeners are left out of the trials, which have one."]


@asynccontextmanager
async def started(tables: Mapping[str, Any]) -> AsyncIterator[Trial]:
    """Starts a gateway, which lives as long as the context. Raises LoadError with its log when it does not serve."""
    with tempfile.TemporaryDirectory(prefix="headgate-trial-") as folder:
        file, log = Path(folder) / "gateway.toml", Path(folder) / "log"
        file.write_text(toml.dumps(tables))
        command = [sys.executable, "-m", "gateway", "run", str(file)]
        with log.open("wb") as errors:
            async with running(command, stderr=errors, politely=False) as process:
                assert process.stdout is not None
                line = b""
                with suppress(TimeoutError):
                    line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
                if not line:
                    said = log.read_text(errors="replace").strip().splitlines()[-8:]
                    raise LoadError("\n  ".join(["a gateway of the trial does not start:", *said]))
                ready = orjson.loads(line)
                yield Trial(Target.parse(ready["listen"][0]), ready["admin"])
