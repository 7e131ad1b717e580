"""What routes match."""

from collections.abc import Callable, Iterator

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.matching import MATCH_KEYS
from gateway.config.networks import contained
from gateway.config.schema import ListenPaths, Maintenance, match_of
from gateway.config.shadowing import Shadows, is_same
from gateway.config.suggest import did_you_mean


def _routes_can_match(draft: Draft) -> Iterator[Finding]:
    """No route is shadowed by others of the same host and path that are asked before it."""
    shadows = Shadows()
    for route in draft.routes:
        if not route.has(*MATCH_KEYS):
            continue
        match = match_of(route)
        takers = [(index, *taker) for index, taker in enumerate(shadows.add(match, route.path)) if taker]
        if takers and len(takers) == max(1, len(match.methods)):
            _, other, path = takers[0]
            reason = "has the same match" if is_same(match, other) else "is asked first and takes all of it"
            yield Finding(route.path, f"can never match: {draft.where(path)} {reason}")
            continue
        for index, _, path in takers:
            message = f"no effect: {draft.where(path)} takes this method of the same host and path"
            yield Finding((*route.path, "methods", index), message)


def _routes_name_listeners(draft: Draft) -> Iterator[Finding]:
    """A route is for listeners that there are, each once."""
    if not all(listen.has("address") for listen in draft.listen):
        return  # the one that cannot be read may be the one
    known = [listen["address"] for listen in draft.listen]
    for route in draft.routes:
        named = route["listeners"] if route.has("listeners") else ()
        for index, address in enumerate(named):
            if address not in known:
                hint = did_you_mean(str(address), map(str, known))
                yield Finding((*route.path, "listeners", index), "there is no listener of this address", hint)
            elif address in named[:index]:
                yield Finding(
                    (*route.path, "listeners", index), "no effect: the list has this listener already"
                )


def _clients_are_named_once(draft: Draft) -> Iterator[Finding]:
    """A network of clients that lies within another of the same list has no effect."""
    lists = [(route, "clients") for route in draft.routes]
    owners = (*draft.routes, *draft.services.values())
    lists += [(owner.table("maintenance", Maintenance), "allow") for owner in owners]
    for part, key in lists:
        if part.has(key):
            path = (*part.path, key)
            for inner, outer in contained(part[key]):
                yield Finding((*path, inner), f"no effect: {draft.where((*path, outer))} contains it")


def _methods_differ(draft: Draft) -> Iterator[Finding]:
    """A method stands once in a route."""
    for route in draft.routes:
        methods = route["methods"] if route.has("methods") else ()
        for index, method in enumerate(methods):
            if method in methods[:index]:
                yield Finding((*route.path, "methods", index), "no effect: the list has this method already")


def _spellings_differ(draft: Draft) -> Iterator[Finding]:
    """A spelling stands once in a listener's list."""
    for listen in draft.listen:
        paths = listen.table("paths", ListenPaths)
        kept = paths["keep"] if paths.has("keep") else ()
        for index, spelling in enumerate(kept):
            if spelling in kept[:index]:
                yield Finding((*paths.path, "keep", index), "no effect: the list has this spelling already")


def _route_names_differ(draft: Draft) -> Iterator[Finding]:
    """A name, given or made from the match, belongs to one route."""
    seen: dict[str, Part] = {}
    for route in draft.routes:
        if not route.has("name"):
            continue
        first = seen.setdefault(route["name"], route)
        # Two made names are the same when the matches are, which is another rule, or differ in what may be secret.
        if first is not route and (route.is_given("name") or first.is_given("name") or _differ(first, route)):
            hint = "" if route.is_given("name") else 'give it a name = "…"'
            yield Finding((*route.path, "name"), f"{draft.where(first.path)} has the same name", hint)


def _differ(route: Part, other: Part) -> bool:
    return not is_same(match_of(route), match_of(other))


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _routes_can_match,
    _routes_name_listeners,
    _clients_are_named_once,
    _methods_differ,
    _spellings_differ,
    _route_names_differ,
)
