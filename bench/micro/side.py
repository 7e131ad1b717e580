"""The two sides of every comparison: a worker's lane and its plain Python reference answer the same three questions."""

from dataclasses import dataclass
from typing import Protocol

SECOND_NS = 1_000_000_000

SERVICE = "api"
"""The service whose instances are selected, balanced by p2c."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket that refills at a steady rate."""

    tokens_per_second: int
    burst: int


LIMITS = {
    # A token a nanosecond, a billion at once: every charge of a benchmark conforms at one and the same time.
    "wide": Limit(tokens_per_second=SECOND_NS, burst=SECOND_NS),
    # Ten a second, two at once: shows the verdicts.
    "narrow": Limit(tokens_per_second=10, burst=2),
}
"""The limits of the route that both sides know."""

ROUTE = "api"
"""Name of that route; a limit's full name is ROUTE/NAME."""


class Decisions(Protocol):
    """What is timed; ``gateway.state.lane.Lane`` says what each answer means."""

    def select(self, service: str, /) -> int | None:
        """The key of the instance that the next request would get."""

    def charge(self, limit: str, key: bytes, cost: int, now: int, /) -> tuple[bool, int]:
        """(conforms, nanoseconds until it would)."""

    def health(self, instance: int, /) -> int:
        """The health word of an instance."""


class Side(Protocol):
    """One side, with instances that are all healthy at first."""

    @property
    def decisions(self) -> Decisions:
        """What is timed."""

    @property
    def instances(self) -> list[int]:
        """Keys of all instances."""

    def set_healthy(self, position: int, healthy: bool) -> None:
        """What a health check would say about the instance at a position of ``instances``."""
