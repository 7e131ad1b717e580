"""Listeners, and who may connect."""

from collections.abc import Callable, Iterator

from gateway.config.findings import Draft, Finding
from gateway.config.matching import ambiguous_spellings
from gateway.config.networks import contained
from gateway.config.paths import KeyPath
from gateway.config.rules.destinations import passes
from gateway.config.schema import ListenMax, ListenPaths
from gateway.model import ListenAddress


def _proxies_are_trusted_once(draft: Draft) -> Iterator[Finding]:
    """A network of trusted proxies that lies within another has no effect."""
    if not draft.gateway.has("trusted_proxies"):
        return
    path = ("gateway", "trusted_proxies")
    for inner, outer in contained(draft.gateway["trusted_proxies"]):
        yield Finding((*path, inner), f"no effect: {draft.where((*path, outer))} contains it")


def _somebody_may_send_proxy_headers(draft: Draft) -> Iterator[Finding]:
    """A listener that takes connections of trusted proxies only needs some."""
    if draft.gateway.is_given("trusted_proxies"):
        return
    for listen in draft.listen:
        if listen.has("proxy_protocol") and listen["proxy_protocol"]:
            message = "nobody could connect: expected gateway.trusted_proxies to say who may"
            yield Finding((*listen.path, "proxy_protocol"), message)


def _listeners_differ(draft: Draft) -> Iterator[Finding]:
    """No two listeners have one address, and none has that of the admin API."""
    seen: dict[ListenAddress, KeyPath] = {}
    for listen in draft.listen:
        if not listen.has("address"):
            continue
        address, path = listen["address"], (*listen.path, "address")
        if address in seen:
            yield Finding(path, f"the same address as {draft.where(seen[address])}")
        elif draft.gateway.has("admin") and address == draft.gateway["admin"] and address.port:
            yield Finding(path, "the same address as gateway.admin")
        seen.setdefault(address, path)


def _parts_of_a_head_fit_in_it(draft: Draft) -> Iterator[Finding]:
    """A part of a request head that may be larger than the head has no limit of its own."""
    for listen in draft.listen:
        limits = listen.table("max", ListenMax)
        for name in ("line", "target"):
            if limits.is_given(name) and limits.has(name, "head") and limits[name] > limits["head"]:
                yield Finding((*limits.path, name), f"no effect: it is more than max.head, {limits['head']}")


def _listeners_take_paths_of_routes(draft: Draft) -> Iterator[Finding]:
    """Some listener keeps the spellings that a route's path has; all others answer such requests with 400."""
    listeners = [listen.table("paths", ListenPaths) for listen in draft.listen if not passes(listen)]
    if not listeners or not all(paths.has("keep") for paths in listeners):
        return
    for route in draft.routes:
        path = route["path"] if route.has("path") else None
        spellings = ambiguous_spellings(path) if isinstance(path, str) else ()
        if not any(set(paths["keep"]).issuperset(spellings) for paths in listeners):
            listed = ", ".join(f'"{spelling}"' for spelling in spellings)
            message = "can never match: no listener takes paths with this spelling"
            yield Finding((*route.path, "path"), message, f"write paths.keep = [{listed}] in one of them")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _proxies_are_trusted_once,
    _somebody_may_send_proxy_headers,
    _listeners_differ,
    _parts_of_a_head_fit_in_it,
    _listeners_take_paths_of_routes,
)
