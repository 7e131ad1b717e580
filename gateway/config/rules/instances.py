"""The instances of a service, and how their health is told."""

from collections.abc import Callable, Iterator

from gateway.config.findings import Draft, Finding
from gateway.config.paths import KeyPath
from gateway.config.schema import HealthCheck, Instance, Passive, instance_table
from gateway.model import InstanceAddress


def _instances_differ(draft: Draft) -> Iterator[Finding]:
    """A service has no instance twice."""
    for service in draft.services.values():
        seen: dict[InstanceAddress, KeyPath] = {}
        for instance in service.tables("instances", Instance, instance_table):
            if instance.has("address"):
                first = seen.setdefault(instance["address"], instance.path)
                if first != instance.path:
                    yield Finding((*instance.path, "address"), f"the same address as {draft.where(first)}")


def _some_instance_has_weight(draft: Draft) -> Iterator[Finding]:
    """A service whose instances all have weight 0 could answer nothing."""
    for service in draft.services.values():
        instances = service.tables("instances", Instance, instance_table)
        if instances and all(instance.has("weight") and instance["weight"] == 0 for instance in instances):
            yield Finding(
                (*service.path, "instances"), "every instance has weight 0: none would get a request"
            )


def _some_instance_is_primary(draft: Draft) -> Iterator[Finding]:
    """Where every instance is a backup, none stands back for another."""
    for service in draft.services.values():
        instances = service.tables("instances", Instance, instance_table)
        if instances and all(instance.has("backup") and instance["backup"] for instance in instances):
            yield Finding((*service.path, "instances"), "no effect: every instance is a backup")


def _zones_meet(draft: Draft) -> Iterator[Finding]:
    """Zones have an effect where the gateway has one, and instances have."""
    instances = [
        instance
        for service in draft.services.values()
        for instance in service.tables("instances", Instance, instance_table)
        if instance.is_given("zone")
    ]
    if not draft.gateway.is_given("zone"):
        for instance in instances:
            yield Finding(
                (*instance.path, "zone"), "no effect: expected gateway.zone to say where this gateway runs"
            )
    elif not instances and draft.services:
        yield Finding(("gateway", "zone"), "no effect: no instance has a zone")


def _probes_use_their_path(draft: Draft) -> Iterator[Finding]:
    """A TCP probe asks for nothing."""
    for service in draft.services.values():
        health = service.table("health", HealthCheck)
        if health.is_given("path") and health.has("type") and health["type"] == "tcp":
            yield Finding((*health.path, "path"), 'no effect: a probe of type "tcp" sends no request')


def _ejections_fit(draft: Draft) -> Iterator[Finding]:
    """The first ejection is not longer than the longest."""
    for service in draft.services.values():
        passive = service.table("passive", Passive)
        if passive.has("ejection", "max_ejection") and passive["ejection"] > passive["max_ejection"]:
            key = "ejection" if passive.is_given("ejection") else "max_ejection"
            yield Finding((*passive.path, key), "the first ejection would be longer than max_ejection")


def _statuses_differ(draft: Draft) -> Iterator[Finding]:
    """A status stands once in a list."""
    for service in draft.services.values():
        passive = service.table("passive", Passive)
        statuses = passive["statuses"] if passive.has("statuses") else ()
        for index, status in enumerate(statuses):
            if status in statuses[:index]:
                yield Finding(
                    (*passive.path, "statuses", index), "no effect: the list has this status already"
                )


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _instances_differ,
    _some_instance_has_weight,
    _some_instance_is_primary,
    _zones_meet,
    _probes_use_their_path,
    _ejections_fit,
    _statuses_differ,
)
