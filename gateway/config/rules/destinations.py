"""Where routes lead."""

from collections.abc import Callable, Iterator

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.naming import names_service
from gateway.config.paths import KeyPath
from gateway.config.schema import Fault, Instance, Mirror, Side, instance_table
from gateway.config.splits import WHOLE
from gateway.config.suggest import did_you_mean
from gateway.model import ListenMode

DESTINATIONS = ("service", "service_by", "split", "redirect", "respond")
"""Of these a route has one, unless its path or host says where requests name their service."""
ANSWERS = ("redirect", "respond")
OF_SERVICES = (
    "subset",
    "concurrency",
    "retry",
    "timeouts",
    "request_headers",
    "rewrite",
    "mirror",
    "fault",
    "compress",
)
"""What has to do with instances, which an answer of the route itself never reaches."""
OF_SPLITS = ("split_by", "split_sticky")


def naming_of(route: Part) -> list[str]:
    """The keys of a route that say where requests name their service."""
    in_match = [key for key in ("path", "host") if route.has(key) and names_service(route[key])]
    return [*in_match, *(key for key in ("service_by",) if route.is_given(key))]


def _exposed(draft: Draft) -> dict[str, Part]:
    """The services that requests may name."""
    return {
        name: service
        for name, service in draft.services.items()
        if service.has("expose") and service["expose"]
    }


def services_of(draft: Draft, route: Part) -> Iterator[tuple[str, KeyPath]]:
    """The services that a route leads to, as far as they can be read, each with its place."""
    if route.has("service") and route["service"] is not None:
        yield route["service"], (*route.path, "service")
    for key in naming_of(route)[:1]:
        yield from ((name, (*route.path, key)) for name in _exposed(draft))
    for side in route.tables("split", Side):
        if side.has("service"):
            yield side["service"], (*side.path, "service")


def _services_named_by(draft: Draft, route: Part) -> Iterator[tuple[str, KeyPath]]:
    """Those, and the one that gets copies."""
    yield from services_of(draft, route)
    mirror = route.table("mirror", Mirror)
    if route.is_given("mirror") and mirror.has("service"):
        yield mirror["service"], (*mirror.path, "service")


def passes(listen: Part) -> bool:
    """Does the listener pass its connections through, as far as that can be read?"""
    return listen.has("mode") and listen["mode"] is ListenMode.TCP


def passages(draft: Draft) -> Iterator[tuple[str, Part]]:
    """The services that listeners pass their connections through to, each with its listener."""
    for listen in draft.listen:
        if passes(listen) and listen.has("service") and listen["service"] is not None:
            yield listen["service"], listen


def _services_exist(draft: Draft) -> Iterator[Finding]:
    """A route leads to a service of this file."""
    for service, path in (found for route in draft.routes for found in _services_named_by(draft, route)):
        if service not in draft.services:
            hint = did_you_mean(service, draft.services)
            yield Finding(path, "there is no service of this name", hint)


def _services_are_used(draft: Draft) -> Iterator[Finding]:
    """A service that nothing leads to has no effect."""
    if not all(map(_leads_somewhere, draft.routes)) or not all(map(_passes_somewhere, draft.listen)):
        return  # what cannot be read may lead there
    used = {service for route in draft.routes for service, _ in _services_named_by(draft, route)}
    used |= {service for service, _ in passages(draft)}
    if not used:
        return
    if not used <= draft.services.keys():
        return  # so may be the one whose service is misspelt
    for name, service in draft.services.items():
        if name not in used and service.has("expose"):
            yield Finding(service.path, "no effect: no route leads to this service")


def _passes_somewhere(listen: Part) -> bool:
    return listen.has("mode", "service") and (not passes(listen) or listen["service"] is not None)


def _leads_somewhere(route: Part) -> bool:
    sides_are_sound = all(side.has("service") for side in route.tables("split", Side))
    mirror_is_sound = not route.is_given("mirror") or route.table("mirror", Mirror).has("service")
    leads = any(map(route.is_given, DESTINATIONS)) or any(naming_of(route))
    return route.has("service") and sides_are_sound and mirror_is_sound and leads


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
        naming = naming_of(route)
        given = naming + [key for key in DESTINATIONS if route.is_given(key) and key not in naming]
        if not given:
            yield Finding(route.path, f"expected one of {', '.join(DESTINATIONS)} in it")
        for key in given[1:]:
            first = draft.where((*route.path, given[0]))
            reason = (
                f"{first} says where requests name their service" if naming else f"{first} has the requests"
            )
            yield Finding((*route.path, key), f"no effect: {reason}")


def _names_lead_to_services(draft: Draft) -> Iterator[Finding]:
    """Where requests name their service some may be named, and who may be named can be."""
    if not all(service.has("expose") for service in draft.services.values()):
        return  # the one that cannot be read may be the one
    exposed = _exposed(draft)
    naming = [(route, key) for route in draft.routes for key in naming_of(route)[:1]]
    for route, key in () if exposed else naming:
        message = "nobody may be named: expected expose = true in a service"
        yield Finding((*route.path, key), message)
    if not naming and all(route.has("path", "host") for route in draft.routes):
        for service in exposed.values():
            message = "no effect: no route has requests name their service"
            yield Finding((*service.path, "expose"), message, 'write path = "/{service}/*" in one')


def _hosts_tell_services_apart(draft: Draft) -> Iterator[Finding]:
    """Hosts are the same in any case, so names in them must differ in more."""
    if not any("host" in naming_of(route) for route in draft.routes):
        return
    seen: dict[str, Part] = {}
    for name, service in _exposed(draft).items():
        first = seen.setdefault(name.lower(), service)
        if first is not service:
            message = f"{draft.where(first.path)} has the same name in a host, where case makes no difference"
            yield Finding((*service.path, "expose"), message)


def _answers_need_no_instances(draft: Draft) -> Iterator[Finding]:
    """What has to do with instances has no effect where none is asked."""
    for route in draft.routes:
        leads = any(map(route.is_given, ("service", "split"))) or any(naming_of(route))
        if leads or not any(map(route.is_given, ANSWERS)):
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
        if route.is_given("subset") and (split or naming_of(route)):
            whole = "a split" if split else "a name"
            yield Finding((*route.path, "subset"), f"no effect: {whole} leads to whole services")


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
    _names_lead_to_services,
    _hosts_tell_services_apart,
    _answers_need_no_instances,
    _splits_make_a_whole,
    _splits_have_what_is_said_of_them,
    _faults_say_what,
)
