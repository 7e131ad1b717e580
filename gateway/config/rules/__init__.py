"""The rules between the parts of a configuration: what contradicts another part, or could have no effect."""

from collections.abc import Callable, Iterator

from gateway.config.findings import Draft, Finding
from gateway.config.paths import KeyPath, dotted
from gateway.config.rules import (
    balances,
    cluster,
    compression,
    cors,
    destinations,
    instances,
    limits,
    listeners,
    matches,
    messages,
    pass_through,
    room,
)
from gateway.config.rules.limits import broken_rules_of_limit

__all__ = ["broken_rules", "broken_rules_of_limit"]

PARTS = (
    listeners,
    instances,
    balances,
    matches,
    destinations,
    pass_through,
    messages,
    compression,
    cors,
    limits,
    cluster,
    room,
)


def broken_rules(data: dict[str, object], where: Callable[[KeyPath], str] = dotted) -> Iterator[Finding]:
    """Every broken rule, whatever else is wrong with the data."""
    draft = Draft(data, where)
    for part in PARTS:
        for rule in part.RULES:
            yield from rule(draft)
