"""The kinds of mirrors that are compared."""

from enum import StrEnum


class Kind(StrEnum):
    """What a gateway has for a mirror, as tables call it; in their order."""

    NONE = "none"
    """What the others are compared with."""
    CONTROL = "none again"
    """None either, in another gateway: what these two differ by is not what a mirror does."""
    ANSWERS = "answers"
    """At once."""
    SLOW = "slow"
    """Answers late."""
    DEAD = "dead"
    """Refuses connections."""
    SILENT = "silent"
    """Takes requests and never says a word, until the gateway gives up."""
