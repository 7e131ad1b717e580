"""Values of lists that have no effect beside others."""

from collections.abc import Callable, Iterator, Mapping

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.paths import KeyPath

Places = Mapping[str, KeyPath]
"""Where each value stands for the first time, by the value in lower case."""


def listed(table: Part, key: str) -> list[tuple[str, KeyPath]]:
    """The values of a list that is given and sound, each with its place."""
    values = table[key] if table.is_given(key) and table.has(key) else ()
    return [(value, (*table.path, key, index)) for index, value in enumerate(values)]


def without_effect(
    draft: Draft, table: Part, key: str, wider: Callable[[str, Places], KeyPath | None]
) -> Iterator[Finding]:
    """What stands twice, whatever its case, and what stands beside something ``wider``, which tells the place of that."""
    values = listed(table, key)
    places: dict[str, KeyPath] = {}
    for value, path in values:
        places.setdefault(value.lower(), path)
    for value, path in values:
        first = places[value.lower()]
        other = first if first != path else wider(value, places)
        if other is not None and other != path:
            yield Finding(path, f"no effect: {draft.where(other)} stands for it")
