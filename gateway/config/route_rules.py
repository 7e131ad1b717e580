"""The rules of what routes do with their requests: changes of messages that contradict each other, or could have no effect."""

from collections.abc import Callable, Iterator

from gateway.config.draft import Part
from gateway.config.edits import folded, is_managed
from gateway.config.findings import Draft, Finding
from gateway.config.paths import KeyPath, dotted
from gateway.config.schema import HeaderRules, Rewrite, Table

DIRECTIONS = ("request_headers", "response_headers")


def _header_rules(draft: Draft) -> Iterator[Part]:
    """The rules of every route, for requests and for answers."""
    for route in draft.routes:
        for direction in DIRECTIONS:
            if route.is_given(direction):
                yield route.table(direction, HeaderRules)


def _named(rules: Part, key: str) -> Iterator[tuple[str, KeyPath]]:
    """The fields that a key speaks of, each with its place."""
    fields = (rules[key] if rules.has(key) else None) or ()
    for index, name in enumerate(fields):
        yield name, (*rules.path, key, index if key == "remove" else name)


def _fields_are_the_routes_to_change(draft: Draft) -> Iterator[Finding]:
    """The gateway sets some fields itself."""
    for rules in _header_rules(draft):
        of_request = rules.path[-1] == "request_headers"
        for key in HeaderRules.model_fields:
            for name, path in _named(rules, key):
                if is_managed(name, of_request=of_request):
                    hint = "rewrite.host changes it" if of_request and folded(name) == "host" else ""
                    yield Finding(path, "a field that the gateway sets itself, or takes out", hint)


def _fields_have_one_rule(draft: Draft) -> Iterator[Finding]:
    """A field stands once in a table, however it is spelled, and is not removed where it is set."""
    for rules in _header_rules(draft):
        for key in HeaderRules.model_fields:
            seen: dict[str, KeyPath] = {}
            for name, path in _named(rules, key):
                first = seen.setdefault(folded(name), path)
                if first != path:
                    yield Finding(path, f"the same field as {dotted(first)}")
        replaced = {folded(name) for name, _ in _named(rules, "set")}
        for name, path in _named(rules, "remove"):
            if folded(name) in replaced:
                yield Finding(path, "no effect: the field is set, which replaces it")


def _changes_change_something(draft: Draft) -> Iterator[Finding]:
    """An empty table of rules changes nothing."""
    tables: dict[str, type[Table]] = {**dict.fromkeys(DIRECTIONS, HeaderRules), "rewrite": Rewrite}
    for route in draft.routes:
        for key, model in tables.items():
            if route.is_given(key) and (table := route.table(key, model)).is_empty:
                listed = ", ".join(model.model_fields)
                yield Finding(table.path, f"no effect: expected one of {listed} in it")


def _rewrites_have_one_path(draft: Draft) -> Iterator[Finding]:
    """A rewrite replaces the whole path, or the prefix that the route matches."""
    for route in draft.routes:
        rewrite = route.table("rewrite", Rewrite)
        if not rewrite.is_given("prefix"):
            continue
        path = (*rewrite.path, "prefix")
        if rewrite.is_given("path"):
            yield Finding(path, f"no effect: {dotted((*rewrite.path, 'path'))} replaces the whole path")
        if route.has("path") and not (route["path"] or "/*").endswith("/*"):
            yield Finding(
                path, "the route matches one path and no prefix: expected rewrite.path in its place"
            )


ROUTE_RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _fields_are_the_routes_to_change,
    _fields_have_one_rule,
    _changes_change_something,
    _rewrites_have_one_path,
)
