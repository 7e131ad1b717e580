"""Listeners that pass their connections through: where to, and what has no effect without requests."""

from collections.abc import Callable, Iterator, Mapping

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.keys import CLIENT_IP
from gateway.config.rules.destinations import passages, passes, services_of
from gateway.config.schema import (
    Hash,
    HealthCheck,
    ListenMax,
    ListenTimeouts,
    Passive,
    ServiceTimeouts,
    Table,
)
from gateway.config.suggest import did_you_mean
from gateway.model import Balance, ListenMode

OF_PASSAGES = ("service", "retry")
"""What a listener for requests leaves to its routes."""
OF_REQUESTS: Mapping[str, tuple[type[Table], tuple[str, ...]]] = {
    "timeouts": (ListenTimeouts, ("body_idle", "keepalive")),
    "max": (ListenMax, ("head", "line", "fields", "target", "body", "requests", "age")),
}
"""What of a listener's tables is about requests."""
OF_ANSWERS = ("first_byte", "idle", "keepalive")
"""The times of a service that only answers and kept connections have."""
COUNT_REQUESTS = ("limit", "concurrency")
"""What of a service counts requests, and would let everything pass that is none."""


def _passages_lead_somewhere(draft: Draft) -> Iterator[Finding]:
    """A listener of mode "tcp" has a service of this file."""
    for listen in draft.listen:
        if passes(listen) and not listen.is_given("service"):
            yield Finding((*listen.path, "mode"), 'expected service = "…" beside it')
    for service, listen in passages(draft):
        if service not in draft.services:
            hint = did_you_mean(service, draft.services)
            yield Finding((*listen.path, "service"), "there is no service of this name", hint)


def _requests_have_routes(draft: Draft) -> Iterator[Finding]:
    """Where some listener takes requests there are routes for them, and where none does there are none."""
    takes_requests = not draft.listen or any(
        listen.has("mode") and listen["mode"] is ListenMode.HTTP for listen in draft.listen
    )
    if takes_requests and not draft.has_routes:
        yield Finding(("routes",), "this key is required", "write [[routes]]")
    if draft.listen and all(map(passes, draft.listen)):
        for route in draft.routes:
            yield Finding(route.path, "can never match: every listener passes its connections through")


def _routes_are_for_requests(draft: Draft) -> Iterator[Finding]:
    """A route names no listener that passes its connections through."""
    passing = {
        listen["address"]: listen for listen in draft.listen if listen.has("address") and passes(listen)
    }
    for route in draft.routes:
        for index, address in enumerate(route["listeners"] if route.has("listeners") else ()):
            if address in passing:
                where = draft.where((*passing[address].path, "mode"))
                message = f"no effect: {where} has it pass its connections through"
                yield Finding((*route.path, "listeners", index), message)


def _keys_fit_the_mode(draft: Draft) -> Iterator[Finding]:
    """What a listener of the other mode goes by has no effect."""
    for listen in draft.listen:
        if not listen.has("mode"):
            continue
        if not passes(listen):
            for key in OF_PASSAGES:
                if listen.is_given(key):
                    yield Finding((*listen.path, key), 'no effect without mode = "tcp"')
            continue
        message = 'no effect with mode = "tcp": there are no requests'
        for key in ("min_rate", "paths"):
            if listen.is_given(key):
                yield Finding((*listen.path, key), message)
        for name, (model, keys) in OF_REQUESTS.items():
            table = listen.table(name, model)
            yield from (Finding((*table.path, key), message) for key in keys if table.is_given(key))
        timeouts = listen.table("timeouts", ListenTimeouts)
        expects_header = not listen.has("proxy_protocol") or listen["proxy_protocol"]
        if timeouts.is_given("header") and not expects_header:
            yield Finding(
                (*timeouts.path, "header"), 'no effect with mode = "tcp": expected proxy_protocol beside it'
            )


def _instances_are_chosen_without_requests(draft: Draft) -> Iterator[Finding]:
    """Of a connection nothing is known but its client."""
    for name, listen in passages(draft):
        service = draft.services.get(name)
        if service is None or not service.has("balance"):
            continue
        path, balance = (*listen.path, "service"), service["balance"]
        place = draft.where((*service.path, "balance"))
        if balance in (Balance.EWMA, Balance.STICKY):
            yield Finding(path, f'{place} is "{balance}", which goes by requests and their answers')
        hashed = service.table("hash", Hash)
        by_client = not hashed.has("key") or hashed["key"].startswith(CLIENT_IP)
        if balance is Balance.HASH and not by_client:
            place = draft.where((*hashed.path, "key"))
            yield Finding(path, f'{place} is a part of requests: expected "{CLIENT_IP}"')


def _services_count_no_requests(draft: Draft) -> Iterator[Finding]:
    """A limit on requests would let connections pass that it is meant to hold back."""
    for name, listen in passages(draft):
        service = draft.services.get(name)
        for key in COUNT_REQUESTS if service is not None else ():
            if service is not None and service.is_given(key):
                place = draft.where((*service.path, key))
                message = (
                    f"{place} counts requests only: expected max_in_flight of the instances in its place"
                )
                yield Finding((*listen.path, "service"), message)


def _services_are_about_connections(draft: Draft) -> Iterator[Finding]:
    """What is about answers has no effect at a service that only gets connections."""
    routed = {service for route in draft.routes for service in _named(draft, route)}
    for name in {service: None for service, _ in passages(draft)}:
        service = draft.services.get(name)
        if service is None or name in routed:
            continue
        message = "no effect: the service only gets connections that are passed through"
        timeouts, passive = service.table("timeouts", ServiceTimeouts), service.table("passive", Passive)
        for table, keys in ((timeouts, OF_ANSWERS), (passive, ("statuses",)), (service, ("max_idle",))):
            yield from (Finding((*table.path, key), message) for key in keys if table.is_given(key))


def _headers_are_sent_where_they_are_expected(draft: Draft) -> Iterator[Finding]:
    """Instances that expect a PROXY header get none from routes, nor from a probe that asks for something."""
    passed = {service for service, _ in passages(draft)}
    for name, service in draft.services.items():
        if not service.is_given("proxy_protocol"):
            continue
        path = (*service.path, "proxy_protocol")
        if name not in passed and all(map(_is_read, draft.listen)):
            yield Finding(path, 'no effect: no listener of mode "tcp" leads to this service')
        for route in draft.routes:
            if name in _named(draft, route):
                yield Finding(
                    path, f"{draft.where(route.path)} leads here too, and requests have no such header"
                )
        health = service.table("health", HealthCheck)
        if service.is_given("health") and health.has("type") and health["type"] == "http":
            yield Finding((*health.path,), 'an HTTP probe has no such header: expected type = "tcp"')


def _is_read(listen: Part) -> bool:
    return listen.has("mode", "service")


def _named(draft: Draft, route: Part) -> Iterator[str]:
    for service, _ in services_of(draft, route):
        yield service


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _passages_lead_somewhere,
    _requests_have_routes,
    _routes_are_for_requests,
    _keys_fit_the_mode,
    _instances_are_chosen_without_requests,
    _services_count_no_requests,
    _services_are_about_connections,
    _headers_are_sent_where_they_are_expected,
)
