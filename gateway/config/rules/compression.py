"""What routes compress."""

from collections.abc import Callable, Iterator

from gateway.config.compression import CODINGS, is_compressed, kind_of
from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.matching import folded
from gateway.config.paths import KeyPath
from gateway.config.rules.messages import named_fields
from gateway.config.schema import Compress, HeaderRules


def _tables(draft: Draft) -> Iterator[Part]:
    """``compress`` of every route that has a table there."""
    for route in draft.routes:
        if route.is_given("compress"):
            yield route.table("compress", Compress)


def _each_stands_once(draft: Draft) -> Iterator[Finding]:
    """A coding or type that stands twice has no effect the second time, nor has a type beside its kind."""
    for table in _tables(draft):
        for key in ("codings", "types"):
            values = table[key] if table.is_given(key) and table.has(key) else ()
            places: dict[str, KeyPath] = {}
            for index, value in enumerate(values):
                places.setdefault(value, (*table.path, key, index))
            for index, value in enumerate(values):
                path = (*table.path, key, index)
                first = places[value] if places[value] != path else places.get(kind_of(value))
                if first is not None and first != path:
                    yield Finding(path, f"no effect: {draft.where(first)} stands for it")


def _types_are_worth_it(draft: Draft) -> Iterator[Finding]:
    """What is compressed in itself becomes no smaller."""
    for table in _tables(draft):
        for index, value in enumerate(table["types"] if table.has("types") else ()):
            if is_compressed(value):
                yield Finding(
                    (*table.path, "types", index), "no effect: what has this type is compressed already"
                )


def _levels_have_their_coding(draft: Draft) -> Iterator[Finding]:
    """A level of a coding that is not used has no effect."""
    for table in _tables(draft):
        for coding in CODINGS:
            key = f"{coding}_level"
            if table.is_given(key) and table.has("codings") and coding not in table["codings"]:
                yield Finding((*table.path, key), f"no effect: codings does not name {coding}")


def _codings_are_told_once(draft: Draft) -> Iterator[Finding]:
    """How an answer is encoded is said by what encodes it."""
    for route in draft.routes:
        if not route.is_given("compress"):
            continue
        rules = route.table("response_headers", HeaderRules)
        for key in HeaderRules.model_fields:
            for name, path in named_fields(rules, key):
                if folded(name) == "content-encoding":
                    yield Finding(path, f"{draft.where((*route.path, 'compress'))} says it")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _each_stands_once,
    _types_are_worth_it,
    _levels_have_their_coding,
    _codings_are_told_once,
)
