"""The sides of every comparison: a worker's lane, its plain Python reference, and the libraries that people would use."""

from dataclasses import dataclass
from typing import Protocol

SECOND_NS = 1_000_000_000

SERVICES = ("p2c", "round_robin", "ewma")
"""The services, each named by how it is balanced; all have all instances."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket that refills at a steady rate."""

    tokens_per_second: int
    burst: int


WIDE = "api/wide"
NARROW = "limited/narrow"
LIMITS = {
    # A token a nanosecond, a billion at once: every charge of a benchmark conforms at one and the same time.
    WIDE: Limit(tokens_per_second=SECOND_NS, burst=SECOND_NS),
    # Ten a second, two at once: shows the verdicts.
    NARROW: Limit(tokens_per_second=10, burst=2),
}
"""The limits that all sides know, by the full name: that of their route, which is charged at that one alone, and their own."""

HOST = b"www.example.com"
PREFIXES = {WIDE: b"/some", NARROW: b"/limited"}
"""Where the route of a limit is."""


class Decisions(Protocol):
    """What is timed; ``gateway.state.lane.Lane`` says what each answer means."""

    def select(self, service: str, key: None = None, now: int | None = None, /) -> int | None:
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
        """What a health check would say about the instance at a position of ``instances``, and its consequences."""
