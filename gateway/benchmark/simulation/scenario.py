"""Scenarios: a file with a configuration, generated instances behind it, a load, and what is expected of the gateway."""

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.benchmark.load import LoadError, Request, Steady, Step
from gateway.benchmark.objective import Constraint
from gateway.benchmark.requests_file import parse_requests
from gateway.benchmark.simulation.behaviour import Behaviour, parse_behaviour
from gateway.benchmark.simulation.instances import generated
from gateway.benchmark.trial_gateway import ANY_PORT, Tables, Trial, started
from gateway.config.suggest import did_you_mean
from gateway.config.tables import read, tables
from gateway.config.units import Duration, Rate
from gateway.errors import ConfigErrors, InvalidValueError

CONFIGURATION = "configuration"
"""The table in which a scenario holds the configuration of its gateway."""
_KEYS = ("about", CONFIGURATION, "instances", "requests", "load", "expect")
_LOAD_KEYS = ("rate", "duration", "steps", "connections", "new_connections", "timeout")
_STEP_KEYS = ("rate", "duration")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario."""

    about: str
    configuration: Mapping[str, Any]
    """Its instances are names of groups, such as ``"@slow"``."""
    groups: Mapping[str, Behaviour]
    requests: tuple[Request, ...]
    shape: Steady
    connections: int | None
    keep_alive: bool
    timeout_seconds: float
    expect: tuple[Constraint, ...]

    def scaled(self, factor: float) -> "Steady":
        """Its load in another time, with the same rates."""
        return Steady(tuple(Step(step.rate, step.seconds * factor) for step in self.shape.steps))


def is_scenario(document: Mapping[str, Any]) -> bool:
    """Whether a file holds a scenario, and not a configuration."""
    return CONFIGURATION in document


def read_scenario(path: Path) -> Scenario:
    """Reads a file. Raises LoadError."""
    try:
        document = tables(read(path), str(path))
    except ConfigErrors as error:
        raise LoadError(str(error)) from None
    return parse_scenario(document, str(path), path.parent)


def parse_scenario(document: Mapping[str, Any], name: str, folder: Path) -> Scenario:
    """Reads the tables of a file. Raises LoadError."""
    _known(document, _KEYS, name)
    load = document.get("load", {})
    _known(load, _LOAD_KEYS, f"{name}: load")
    groups = {
        group: parse_behaviour(table, f"{name}: instances.{group}")
        for group, table in document.get("instances", {}).items()
    }
    configuration = document[CONFIGURATION]
    _expanded(configuration, {group: [] for group in groups}, name)
    requests = parse_requests(document.get("requests", [{}]), name, folder)
    try:
        shape = Steady(tuple(_steps(load, f"{name}: load")))
        timeout = Duration.parse(str(load.get("timeout", "5s"))).seconds
    except InvalidValueError as error:
        raise LoadError(f"{name}: load: {error}") from None
    return Scenario(
        str(document.get("about", "")).strip(),
        configuration,
        groups,
        requests,
        shape,
        load.get("connections"),
        not load.get("new_connections", False),
        timeout,
        tuple(Constraint.parse(text) for text in document.get("expect", [])),
    )


@asynccontextmanager
async def instances_of(scenario: Scenario, name: str = "the scenario") -> AsyncIterator[Tables]:
    """Its configuration with the addresses of its instances, which live as long as the context. Raises LoadError."""
    async with generated(scenario.groups) as addresses:
        yield _expanded(scenario.configuration, addresses, name)


@asynccontextmanager
async def gateway_of(scenario: Scenario) -> AsyncIterator[Trial]:
    """Its gateway in front of its instances. Raises LoadError."""
    async with instances_of(scenario) as configured, started(configured) as trial:
        yield trial


def simulated(configuration: Mapping[str, Any], addresses: Sequence[str]) -> Tables:
    """A user's configuration with these instances in place of each service's own."""
    changed = copy.deepcopy(dict(configuration))
    for service in changed.get("services", {}).values():
        service["instances"] = list(addresses)
    return changed


def _expanded(configuration: Mapping[str, Any], addresses: Mapping[str, list[str]], name: str) -> Tables:
    """With the addresses of each group where its name stands, and ports that are free. Raises LoadError."""
    changed: Tables = copy.deepcopy(dict(configuration))
    for service, table in changed.get("services", {}).items():
        expanded: list[Any] = []
        for instance in table.get("instances", []):
            named = instance.get("address", "") if isinstance(instance, dict) else instance
            group = str(named).removeprefix("@")
            if group not in addresses:
                hint = did_you_mean(group, addresses)
                raise LoadError(
                    f"{name}: services.{service}: no group of instances {named!r} {hint}".rstrip()
                )
            more = {**instance} if isinstance(instance, dict) else {}
            expanded += [{**more, "address": one} if more else one for one in addresses[group]]
        table["instances"] = expanded
    changed.setdefault("gateway", {}).setdefault("admin", ANY_PORT)
    for listen in changed.setdefault("listen", [{}]):
        listen.setdefault("address", ANY_PORT)
    return changed


def _steps(load: Mapping[str, Any], where: str) -> list[Step]:
    if ("steps" in load) == ("rate" in load):
        raise LoadError(f"{where}: expected a rate and a duration, or steps of them")
    found = []
    for step in load.get("steps", [load]):
        if step is not load:
            _known(step, _STEP_KEYS, f"{where}.steps")
        rate = Rate.parse(str(step.get("rate", "")))
        found.append(
            Step(rate.tokens / rate.period.seconds, Duration.parse(str(step.get("duration", "10s"))).seconds)
        )
    return found


def _known(table: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in table:
        if key not in keys:
            raise LoadError(f"{where}: unknown key {key!r} {did_you_mean(key, keys)}".rstrip())
