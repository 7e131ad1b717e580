"""What routes change in messages, and what they answer themselves."""

from collections.abc import Callable, Iterator

from gateway.config.cors import is_about_origins
from gateway.config.draft import Part
from gateway.config.edits import is_managed
from gateway.config.findings import Draft, Finding
from gateway.config.matching import Pattern, folded
from gateway.config.paths import KeyPath
from gateway.config.rules.destinations import naming_of
from gateway.config.schema import ErrorPage, HeaderRules, Redirect, Respond, Rewrite, RouteTimeouts, Table

DIRECTIONS = ("request_headers", "response_headers")
BEFORE_ROUTES = ("404", "414", "417", "431", "501", "505")
"""Statuses of the gateway's own answers to requests that no route has taken yet; a name that nobody has is a 404 as well."""
SAID_BY: dict[str, tuple[Callable[[str], bool], str]] = {
    "redirect": ("location".__eq__, "where to go"),
    "compress": ("content-encoding".__eq__, "it"),
    "cors": (is_about_origins, "it"),
}
"""By the key of a table: the fields of answers that it says, by their lower-case names, and what that is."""
BODILESS = (204, 205, 304)  # RFC 9110 §15.3.5, §15.3.6, §15.4.5


def _header_rules(draft: Draft) -> Iterator[Part]:
    """The rules of every route, for requests and for answers."""
    for route in draft.routes:
        for direction in DIRECTIONS:
            if route.is_given(direction):
                yield route.table(direction, HeaderRules)


def named_fields(rules: Part, key: str) -> Iterator[tuple[str, KeyPath]]:
    """The fields that a key speaks of, each with its place."""
    fields = (rules[key] if rules.has(key) else None) or ()
    for index, name in enumerate(fields):
        yield name, (*rules.path, key, index if key == "remove" else name)


def _fields_are_the_routes_to_change(draft: Draft) -> Iterator[Finding]:
    """The gateway sets some fields itself."""
    for rules in _header_rules(draft):
        of_request = rules.path[-1] == "request_headers"
        for key in HeaderRules.model_fields:
            for name, path in named_fields(rules, key):
                if is_managed(name, of_request=of_request):
                    hint = "rewrite.host changes it" if of_request and folded(name) == "host" else ""
                    yield Finding(path, "a field that the gateway sets itself, or takes out", hint)


def _fields_have_one_rule(draft: Draft) -> Iterator[Finding]:
    """A field stands once in a table, however it is spelled, and is not removed where it is set."""
    for rules in _header_rules(draft):
        for key in HeaderRules.model_fields:
            seen: dict[str, KeyPath] = {}
            for name, path in named_fields(rules, key):
                first = seen.setdefault(folded(name), path)
                if first != path:
                    yield Finding(path, f"the same field as {draft.where(first)}")
        replaced = {folded(name) for name, _ in named_fields(rules, "set")}
        for name, path in named_fields(rules, "remove"):
            if folded(name) in replaced:
                yield Finding(path, "no effect: the field is set, which replaces it")


def _changes_change_something(draft: Draft) -> Iterator[Finding]:
    """An empty table of rules changes nothing."""
    tables: dict[str, type[Table]] = {
        **dict.fromkeys(DIRECTIONS, HeaderRules),
        "rewrite": Rewrite,
        "timeouts": RouteTimeouts,
    }
    for route in draft.routes:
        for key, model in tables.items():
            if route.is_given(key) and (table := route.table(key, model)).is_empty:
                listed = ", ".join(model.model_fields)
                yield Finding(table.path, f"no effect: expected one of {listed} in it")


def _paths_are_replaced_once(draft: Draft) -> Iterator[Finding]:
    """The whole path is replaced, or the prefix that the route matches."""
    for route in draft.routes:
        for table in (route.table("rewrite", Rewrite), route.table("redirect", Redirect)):
            if not table.is_given("prefix"):
                continue
            path = (*table.path, "prefix")
            if table.is_given("path"):
                yield Finding(
                    path, f"no effect: {draft.where((*table.path, 'path'))} replaces the whole path"
                )
            matched = route["path"] if route.has("path") else None
            if isinstance(matched, Pattern) or not (matched or "/*").endswith("/*"):
                one = "an expression" if isinstance(matched, Pattern) else "one path"
                yield Finding(path, f"the route matches {one} and no prefix: expected path in its place")


def _redirects_lead_elsewhere(draft: Draft) -> Iterator[Finding]:
    """A client that is sent to where it asked would ask for ever."""
    places = [key for key in Redirect.model_fields if key != "status"]
    for route in draft.routes:
        redirect = route.table("redirect", Redirect)
        sent_on = route.is_given("redirect") and redirect.has("status")
        if sent_on and not any(map(redirect.is_given, places)):
            message = f"leads to where it came from: expected one of {', '.join(places)} in it"
            yield Finding(redirect.path, message)


def _fields_are_said_once(draft: Draft) -> Iterator[Finding]:
    """What another table of the route says in an answer, its header rules cannot say as well."""
    for route in draft.routes:
        rules = route.table("response_headers", HeaderRules)
        for name, path in (field for key in HeaderRules.model_fields for field in named_fields(rules, key)):
            for table, (says, what) in SAID_BY.items():
                if route.is_given(table) and says(folded(name)):
                    yield Finding(path, f"{draft.where((*route.path, table))} says {what}")


def _answers_have_the_body_that_they_say(draft: Draft) -> Iterator[Finding]:
    """Some answers never have a body, and only a body has a type."""
    for route in draft.routes:
        respond = route.table("respond", Respond)
        if respond.has("status", "body") and respond["status"] in BODILESS and respond["body"]:
            yield Finding((*respond.path, "body"), "an answer with this status has no body (RFC 9110 §15)")
        if respond.is_given("type") and respond.has("body") and not respond["body"]:
            yield Finding((*respond.path, "type"), "no effect: there is no body")


def _pages_can_be_seen(draft: Draft) -> Iterator[Finding]:
    """The pages of a route are for answers to its requests."""
    for route in draft.routes:
        for status, page in route.named_tables("errors", ErrorPage).items():
            if status in BEFORE_ROUTES and not (status == "404" and naming_of(route)):
                yield Finding(page.path, "no effect: answered before a route is found; write it in [errors]")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _fields_are_the_routes_to_change,
    _fields_have_one_rule,
    _changes_change_something,
    _pages_can_be_seen,
    _paths_are_replaced_once,
    _redirects_lead_elsewhere,
    _fields_are_said_once,
    _answers_have_the_body_that_they_say,
)
