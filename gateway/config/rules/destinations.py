"""Where routes lead."""

from collections.abc import Callable, Iterator

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.paths import KeyPath
from gateway.config.schema import Fault, Instance, Mirror, Side, instance_table
from gateway.config.splits import WHOLE
from gateway.config.suggest import did_you_mean

DESTINATIONS = ("service", "split", "redirect", "respond")
"""Of these a route has one."""
ANSWERS = ("redirect", "respond")
OF_SERVICES = ("subset", "concurrency", "retry", "request_headers", "rewrite", "mirror", "fault")
"""What has to do with instances, which an answer of the route itself never reaches."""
OF_SPLITS = ("split_by", "split_sticky")


def services_of(route: Part) -> Iterator[tuple[str, KeyPath]]:
    """The services that a route leads to, as far as they can be read, each with its place."""
    if route.has("service") and route["service"] is not None:
        yield route["service"], (*route.path, "service")
    for side in route.tables("split", Side):
        if side.has("service"):
            yield side["service"], (*side.path, "service")


def _services_named_by(route: Part) -> Iterator[tuple[str, KeyPath]]:
    """Those, and the one that gets copies."""
    yield from services_of(route)
    mirror = route.table("mirror", Mirror)
    if route.is_given("mirror") and mirror.has("service"):
        yield mirror["service"], (*mirror.path, "service")


def _services_exist(draft: Draft) -> Iterator[Finding]:
    """A route leads to a service of this file."""
    for service, path in (found for route in draft.routes for found in _services_named_by(route)):
        if service not in draft.services:
            hint = did_you_mean(service, draft.services)
            yield Finding(path, "there is no service of this name", hint)


def _services_are_used(draft: Draft) -> Iterator[Finding]:
    """A service that no route leads to has no effect."""
    if not draft.routes or not all(map(_leads_somewhere, draft.routes)):
        return  # the route whose service cannot be read may be the one
    used = {service for route in draft.routes for service, _ in _services_named_by(route)}
    if not used <= draft.services.keys():
        return  # so may be the one whose service is misspelt
    for name, service in draft.services.items():
        if name not in used:
            yield Finding(service.path, "no effect: no route leads to this service")


def _leads_somewhere(route: Part) -> bool:
    sides_are_sound = all(side.has("service") for side in route.tables("split", Side))
    mirror_is_sound = not route.is_given("mirror") or route.table("mirror", Mirror).has("service")
    sound = route.has("service") and sides_are_sound and mirror_is_sound
    return sound and any(map(route.is_given, DESTINATIONS))


def _subsets_have_instances(draft: Draft) -> Iterator[Finding]:
    """Somebody has all the labels of a subset, and could get its requests."""
    for route in draft.routes:
        service = draft.services.get(route["service"]) if route.has("service") else None
        if service is None or not route.has("subset") or not route["subset"]:
            continue
        instances = service.tables("instances", Instance, instance_table)
        if not all(instance.has("labels", "weight") for instance in instances):
            continue  # one that cannot be read may be the one
        members = [one for one in instances if route["subset"].items() <= (one["labels"] or {}).items()]
        if not members:
            yield Finding(
                (*route.path, "subset"), f"no instance of {draft.where(service.path)} has these labels"
            )
        elif all(instance["weight"] == 0 for instance in members):
            yield Finding((*route.path, "subset"), "every instance with these labels has weight 0")


def _routes_have_one_destination(draft: Draft) -> Iterator[Finding]:
    """Requests go to a service, or the route answers them."""
    for route in draft.routes:
        given = [key for key in DESTINATIONS if route.is_given(key)]
        if not given:
            yield Finding(route.path, f"expected one of {', '.join(DESTINATIONS)} in it")
        for key in given[1:]:
            message = f"no effect: {draft.where((*route.path, given[0]))} has the requests"
            yield Finding((*route.path, key), message)


def _answers_need_no_instances(draft: Draft) -> Iterator[Finding]:
    """What has to do with instances has no effect where none is asked."""
    for route in draft.routes:
        if any(map(route.is_given, ("service", "split"))) or not any(map(route.is_given, ANSWERS)):
            continue
        for key in OF_SERVICES:
            if route.is_given(key):
                yield Finding((*route.path, key), "no effect: the route answers its requests itself")


def _splits_make_a_whole(draft: Draft) -> Iterator[Finding]:
    """The weights of a split make 100, and each of its services stands once."""
    for route in draft.routes:
        sides = route.tables("split", Side)
        seen: dict[str, KeyPath] = {}
        for side in sides:
            first = seen.setdefault(side["service"], side.path) if side.has("service") else side.path
            if first != side.path:
                yield Finding((*side.path, "service"), f"the same service as {draft.where(first)}")
        if len(sides) == 1:
            yield Finding((*route.path, "split"), "no effect: expected service in its place, or two sides")
        elif sides and all(side.has("weight") for side in sides):
            total = sum(side["weight"] for side in sides)
            if total != WHOLE:
                yield Finding((*route.path, "split"), f"the weights add up to {total}, expected {WHOLE}")


def _splits_have_what_is_said_of_them(draft: Draft) -> Iterator[Finding]:
    """What has to do with a split has no effect without one, and a subset is one of a single service."""
    for route in draft.routes:
        split = route.is_given("split")
        for key in OF_SPLITS:
            if route.is_given(key) and not split:
                yield Finding((*route.path, key), "no effect without split")
        if split and route.is_given("subset"):
            yield Finding((*route.path, "subset"), "no effect: a split leads to whole services")


def _faults_say_what(draft: Draft) -> Iterator[Finding]:
    """A fault is a delay, an answer, or both; and a share is one of something."""
    for route in draft.routes:
        fault = route.table("fault", Fault)
        if not route.is_given("fault"):
            continue
        if not fault.is_given("delay") and not fault.is_given("abort"):
            yield Finding(fault.path, "no effect: expected one of delay, abort in it")
        for kind in ("delay", "abort"):
            share = f"{kind}_percent"
            if fault.is_given(share) and not fault.is_given(kind):
                yield Finding((*fault.path, share), f"no effect without {kind}")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _services_exist,
    _services_are_used,
    _subsets_have_instances,
    _routes_have_one_destination,
    _answers_need_no_instances,
    _splits_make_a_whole,
    _splits_have_what_is_said_of_them,
    _faults_say_what,
)
