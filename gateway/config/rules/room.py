"""What has to fit into the shared memory."""

from collections.abc import Callable, Iterator

from gateway.config.findings import Draft, Finding
from gateway.config.rules.destinations import services_of
from gateway.config.rules.limits import limited, limits_of_all_kinds
from gateway.config.schema import MAX_SERVICES, Instance, instance_table
from gateway.model import labels_of

MAX_ROWS = 500_000  # the shared memory has 2²⁰ of each kind, and leaves half of them for what reloads add


def _instances_fit(draft: Draft) -> Iterator[Finding]:
    """The instances that the file names have room in the shared memory."""
    count = sum(
        len(service.tables("instances", Instance, instance_table)) for service in draft.services.values()
    )
    if draft.gateway.has("max_instances") and count > draft.gateway["max_instances"]:
        yield Finding(("gateway", "max_instances"), f"too few: the services have {count} instances")


def _rows_fit(draft: Draft) -> Iterator[Finding]:
    """The counters of routes and limits have room in the shared memory."""
    preflights = sum(1 for route in draft.routes if route.is_given("cors"))
    series = len(draft.listen) * (
        1 + preflights + sum(max(1, len(list(services_of(draft, route)))) for route in draft.routes)
    )
    series += sum(1 for route in draft.routes if route.is_given("mirror"))
    if series > MAX_ROWS:
        message = f"too many: listeners × routes are {series}, at most {MAX_ROWS} can be counted"
        yield Finding(("routes",), message)
    subsets = {
        (route["service"], labels_of(route["subset"]))
        for route in draft.routes
        if route.has("service", "subset") and route["service"] is not None and route["subset"]
    }
    if len(draft.services) + len(subsets) > MAX_SERVICES:
        message = f"too many subsets: {len(subsets)}, at most {MAX_SERVICES} with the services"
        yield Finding(("routes",), message)
    limits = sum(1 for owner in limited(draft) for _ in limits_of_all_kinds(owner))
    if limits > MAX_ROWS:
        yield Finding(("routes",), f"too many limits: {limits}, at most {MAX_ROWS} can be counted")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _instances_fit,
    _rows_fit,
)
