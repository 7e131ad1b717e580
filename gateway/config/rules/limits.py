"""Limits of routes and services."""

from collections.abc import Callable, Iterator

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.keys import WHOLE, may_be_missing
from gateway.config.paths import KeyPath
from gateway.config.rules.destinations import naming_of, services_of
from gateway.config.schema import MAX_CONCURRENCY_LIMITS, MAX_LIMITS, Concurrency, Limit, concurrency_table

MAX_REFILL_SECONDS = 365 * 86_400  # the bucket's clock is in 64-bit nanoseconds, and nobody waits longer


def broken_rules_of_limit(limit: Part) -> Iterator[Finding]:
    """Every broken rule between rate, burst and cost of one limit, wherever they are from."""
    yield from _burst_comes_back(limit)
    yield from _cost_fits_in_burst(limit)


def limited(draft: Draft) -> Iterator[Part]:
    """Everything that has limits."""
    yield from draft.routes
    yield from draft.services.values()


def rate_limits(draft: Draft) -> Iterator[Part]:
    """Every limit on a rate."""
    for owner in limited(draft):
        yield from owner.tables("limit", Limit)


def limits_of_all_kinds(owner: Part) -> Iterator[Part]:
    """Limits on rates, and then on concurrency."""
    yield from owner.tables("limit", Limit)
    yield from owner.tables("concurrency", Concurrency, concurrency_table)


def _limit_names_differ(draft: Draft) -> Iterator[Finding]:
    """A name belongs to one limit of a route or service."""
    for owner in limited(draft):
        seen: dict[str, KeyPath] = {}
        for limit in limits_of_all_kinds(owner):
            if not limit.has("name"):
                continue
            first = seen.setdefault(limit["name"], limit.path)
            if first != limit.path:
                hint = "" if limit.is_given("name") else f'give each limit of the {_kind(owner)} a name = "…"'
                yield Finding((*limit.path, "name"), f"{draft.where(first)} has the same name", hint)


def _limits_fit(draft: Draft) -> Iterator[Finding]:
    """A request passes at most so many limits, those of its route and those of the route's service."""
    pairs = ((route, name) for route in draft.routes for name, _ in services_of(draft, route))
    for owner, service in ((route, draft.services[name]) for route, name in pairs if name in draft.services):
        for key, of_service, of_route, most in (
            ("limit", service.tables("limit", Limit), owner.tables("limit", Limit), MAX_LIMITS),
            (
                "concurrency",
                service.tables("concurrency", Concurrency, concurrency_table),
                owner.tables("concurrency", Concurrency, concurrency_table),
                MAX_CONCURRENCY_LIMITS,
            ),
        ):
            total = len(of_service) + len(of_route)
            if of_service and of_route and total > most:
                message = (
                    f"too many: with the {len(of_service)} of its service there are {total}, at most {most}"
                )
                yield Finding((*owner.path, key), message)


def _bursts_come_back(draft: Draft) -> Iterator[Finding]:
    for limit in rate_limits(draft):
        yield from _burst_comes_back(limit)


def _burst_comes_back(limit: Part) -> Iterator[Finding]:
    """A spent burst is back within a year."""
    if not limit.has("burst", "rate"):
        return
    rate = limit["rate"]
    if limit["burst"] * rate.period.seconds > MAX_REFILL_SECONDS * rate.tokens:
        yield Finding((*limit.path, "burst"), "expected a burst that comes back within a year at this rate")


def _costs_fit_in_bursts(draft: Draft) -> Iterator[Finding]:
    for limit in rate_limits(draft):
        yield from _cost_fits_in_burst(limit)


def _cost_fits_in_burst(limit: Part) -> Iterator[Finding]:
    """A full bucket has what one request takes."""
    if limit.has("burst", "cost") and isinstance(limit["cost"], int) and limit["cost"] > limit["burst"]:
        yield Finding((*limit.path, "cost"), "more than the burst: no request could ever pass")


def _same_for_all(owner: Part) -> tuple[str, ...]:
    """The parts that all requests of a route or a service have in common; the sides of a split are several services."""
    route, service = WHOLE
    if owner.path[0] == "services":
        return (service,)
    return (route,) if owner.is_given("split") or naming_of(owner) else (route, service)


def _parts_of_keys_count(draft: Draft) -> Iterator[Finding]:
    """Every part of a key tells some requests apart."""
    for owner in limited(draft):
        same = _same_for_all(owner)
        for limit in limits_of_all_kinds(owner):
            key = limit["key"] if limit.has("key") else ()
            for index, part in enumerate(key):
                path = (*limit.path, "key", index) if len(key) > 1 else (*limit.path, "key")
                if part in key[:index]:
                    yield Finding(path, "no effect: the key has this part already")
                elif part in same and len(key) > 1:
                    yield Finding(path, f"no effect: it is the same for all requests of the {_kind(owner)}")


def _rules_of_limits_have_effect(draft: Draft) -> Iterator[Finding]:
    """What a limit says about a case can happen."""
    for limit in (limit for owner in limited(draft) for limit in limits_of_all_kinds(owner)):
        if limit.is_given("missing") and limit.has("key") and not any(map(may_be_missing, limit["key"])):
            yield Finding((*limit.path, "missing"), "no effect: every request has all parts of the key")
        if limit.has("mode") and limit["mode"] == "shadow":
            for key in ("overflow", "fields"):
                if limit.is_given(key):
                    yield Finding((*limit.path, key), 'no effect with mode = "shadow"')


def _kind(owner: Part) -> str:
    return str(owner.path[0]).removesuffix("s")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _limit_names_differ,
    _limits_fit,
    _bursts_come_back,
    _costs_fit_in_bursts,
    _parts_of_keys_count,
    _rules_of_limits_have_effect,
)
