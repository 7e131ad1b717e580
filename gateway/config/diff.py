"""Tells what a new configuration changes in a running one: pure, by the names of its parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gateway.config.findings import Finding
from gateway.config.paths import KeyPath, dotted
from gateway.config.schema import Config

T = TypeVar("T")

FIXED: tuple[KeyPath, ...] = (
    ("gateway", "admin"),
    ("gateway", "max_instances"),
    ("gateway", "max_limit_keys"),
)
"""What a gateway has for life: a socket that is served already, and the size of the shared memory."""
_SETTINGS = ("gateway", "log")


@dataclass(frozen=True, slots=True)
class Difference:
    """What happened to the parts of one kind, by name; each tuple in the order of its configuration."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that a new configuration changes."""

    listeners: Difference = Difference()
    services: Difference = Difference()
    routes: Difference = Difference()
    settings: tuple[str, ...] = ()
    """Dotted paths of single values that belong to the whole gateway."""

    def __iter__(self) -> Iterator[str]:
        """One line for each change, as people read it."""
        for kind, difference in (
            ("listener", self.listeners),
            ("service", self.services),
            ("route", self.routes),
        ):
            yield from (f"{kind} {name} added" for name in difference.added)
            yield from (f"{kind} {name} removed" for name in difference.removed)
            yield from (f"{kind} {name} changed" for name in difference.changed)
        yield from (f"{setting} changed" for setting in self.settings)


def diff(running: Config, new: Config) -> Changes:
    """The changes that lead from one configuration to the other."""
    return Changes(
        listeners=difference(
            {listen.name: listen for listen in running.listen}, {listen.name: listen for listen in new.listen}
        ),
        services=difference(running.services, new.services),
        routes=difference(
            {route.name: route for route in running.routes}, {route.name: route for route in new.routes}
        ),
        settings=tuple(_changed_settings(running, new)),
    )


def difference(before: Mapping[str, T], after: Mapping[str, T]) -> Difference:
    """What was added to, removed from and changed in a set of named parts."""
    return Difference(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name, part in after.items() if name in before and before[name] != part),
    )


def fixed_settings(running: Config, new: Config) -> Iterator[Finding]:
    """What the new configuration asks for that a running gateway cannot change."""
    for table, key in FIXED:
        before, after = (getattr(getattr(config, str(table)), str(key)) for config in (running, new))
        if before != after:
            message = f"a running gateway cannot change it: it is {before} until a restart"
            yield Finding((table, key), message)


def _changed_settings(running: Config, new: Config) -> Iterator[str]:
    for status in sorted(running.errors.keys() | new.errors.keys()):
        if running.errors.get(status) != new.errors.get(status):
            yield dotted(("errors", status))
    if running.cluster != new.cluster:
        yield "cluster"
    for name in _SETTINGS:
        before, after = getattr(running, name), getattr(new, name)
        for key in type(before).model_fields:
            if getattr(before, key) != getattr(after, key):
                yield dotted((name, key))
