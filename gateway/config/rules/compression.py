"""What routes compress."""

from collections.abc import Callable, Iterator

from gateway.config.compression import CODINGS, is_compressed, kind_of
from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.rules.lists import listed, without_effect
from gateway.config.schema import Compress


def _tables(draft: Draft) -> Iterator[Part]:
    """``compress`` of every route that has a table there."""
    for route in draft.routes:
        if route.is_given("compress"):
            yield route.table("compress", Compress)


def _each_stands_once(draft: Draft) -> Iterator[Finding]:
    """A coding or type that stands twice has no effect the second time, nor has a type beside its kind."""
    for table in _tables(draft):
        for key in ("codings", "types"):
            yield from without_effect(draft, table, key, lambda value, places: places.get(kind_of(value)))


def _types_are_worth_it(draft: Draft) -> Iterator[Finding]:
    """What is compressed in itself becomes no smaller."""
    for table in _tables(draft):
        for value, path in listed(table, "types"):
            if is_compressed(value):
                yield Finding(path, "no effect: what has this type is compressed already")


def _levels_have_their_coding(draft: Draft) -> Iterator[Finding]:
    """A level of a coding that is not used has no effect."""
    for table in _tables(draft):
        for coding in CODINGS:
            key = f"{coding}_level"
            if table.is_given(key) and table.has("codings") and coding not in table["codings"]:
                yield Finding((*table.path, key), f"no effect: codings does not name {coding}")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _each_stands_once,
    _types_are_worth_it,
    _levels_have_their_coding,
)
