"""What routes allow pages of other origins."""

from collections.abc import Callable, Iterator
from functools import partial

from gateway.config.cors import ALL, UNCOVERED, is_below
from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.paths import KeyPath
from gateway.config.rules.lists import Places, listed, without_effect
from gateway.config.schema import Cors

LISTS = ("origins", "methods", "headers", "expose")


def _tables(draft: Draft) -> Iterator[tuple[Part, Part]]:
    """Every route that has a table there, with the table."""
    for route in draft.routes:
        if route.is_given("cors"):
            yield route, route.table("cors", Cors)


def _credentials_are_for_some(draft: Draft) -> Iterator[Finding]:
    """Browsers take ``*`` for all where requests have no credentials, and otherwise for itself."""
    for _, table in _tables(draft):
        if not table.has("credentials") or not table["credentials"]:
            continue
        for key in LISTS:
            for value, path in listed(table, key):
                if value == ALL:
                    yield Finding(
                        path,
                        f'"{ALL}" does not hold with {draft.where((*table.path, "credentials"))}: name each',
                    )


def _each_stands_once(draft: Draft) -> Iterator[Finding]:
    """What stands twice, or beside what stands for it, has no effect."""
    for _, table in _tables(draft):
        for key in LISTS:
            yield from without_effect(draft, table, key, partial(_wider, key))


def _wider(key: str, value: str, places: Places) -> KeyPath | None:
    """The place of what stands for this one as well."""
    if value == ALL:
        return None
    if ALL in places and not (key == "headers" and value.lower() == UNCOVERED):
        return places[ALL]
    patterns = (pattern for pattern in places if key == "origins" and is_below(value, pattern))
    return next((places[pattern] for pattern in patterns), None)


def _methods_are_taken(draft: Draft) -> Iterator[Finding]:
    """What a route does not take, it need not allow; and no page can send TRACE (Fetch standard, forbidden method)."""
    for route, table in _tables(draft):
        taken = route["methods"] if route.has("methods") else ()
        for method, path in listed(table, "methods"):
            if method == "TRACE":
                yield Finding(path, "no effect: no browser lets a page send TRACE")
            elif taken and method not in {ALL, *taken}:
                yield Finding(path, f"no effect: {draft.where((*route.path, 'methods'))} does not name it")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _credentials_are_for_some,
    _each_stands_once,
    _methods_are_taken,
)
