"""Rounds and statistics: the order of measurements, their spread, and ratios taken within a round. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one gateway in one round. Times are seconds of CPU time for all its requests together."""

    gateway: str
    round: int
    requests: int
    wall_seconds: float
    user_seconds: float
    system_seconds: float
    leader_seconds: float
    """The share of the supervisor or master; the rest is the worker's."""
    foreign_seconds: float
    """Time that processes which do not belong to the gateway took on the gateway's core."""

    @property
    def microseconds_per_request(self) -> float:
        """CPU time of the whole process group, divided by what it did."""
        return (self.user_seconds + self.system_seconds) / self.requests * 1e6

    @property
    def user_per_request(self) -> float:
        """Microseconds in the program itself."""
        return self.user_seconds / self.requests * 1e6

    @property
    def system_per_request(self) -> float:
        """Microseconds in the kernel on the program's behalf."""
        return self.system_seconds / self.requests * 1e6

    @property
    def leader_per_request(self) -> float:
        """Microseconds of the supervisor or master."""
        return self.leader_seconds / self.requests * 1e6

    @property
    def requests_per_second(self) -> float:
        """For orientation: it depends on the load generator as much as on the gateway."""
        return self.requests / self.wall_seconds

    @property
    def busy(self) -> float:
        """Share of the core that the gateway used, 0 to 1."""
        return (self.user_seconds + self.system_seconds) / self.wall_seconds

    @property
    def foreign(self) -> float:
        """Share of the core that others used, 0 to 1."""
        return self.foreign_seconds / self.wall_seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its quartiles."""

    median: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Summary:
    """All rounds of one gateway."""

    gateway: str
    cost: Spread
    """Microseconds of CPU time per request."""
    user: float
    system: float
    leader: float
    """Medians of microseconds per request."""
    requests_per_second: float
    busy: float
    foreign: float
    """The worst round, because one disturbed round is what a reader must know about."""
    ratios: dict[str, Spread]
    """This gateway's cost divided by another's, by the other's name."""


def order(gateways: Sequence[str], round_number: int) -> list[str]:
    """The order of one round: rotated by one each time, so that nobody always runs after the same neighbour."""
    start = round_number % len(gateways)
    return [*gateways[start:], *gateways[:start]]


def spread(values: Iterable[float]) -> Spread:
    """Median and quartiles (inclusive: the samples are all there is). Raises ValueError when there is no value."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a spread needs at least one value")
    if len(ordered) == 1:
        return Spread(ordered[0], ordered[0], ordered[0])
    lower, median, upper = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(median, lower, upper)


def ratio(samples: Iterable[Sample], of: str, to: str) -> Spread:
    """Cost of one gateway in units of another: a ratio per round, then the spread of the ratios.

    Within a round both ran under the same conditions, so a slow minute of the machine cancels out; the ratio of
    two medians would not have that. Raises ValueError when no round has both.
    """
    by_round: dict[int, dict[str, float]] = {}
    for sample in samples:
        by_round.setdefault(sample.round, {})[sample.gateway] = sample.microseconds_per_request
    return spread(costs[of] / costs[to] for costs in by_round.values() if of in costs and to in costs)


def summarize(samples: Sequence[Sample], gateways: Sequence[str], references: Sequence[str]) -> list[Summary]:
    """One summary for each gateway, in the given order, with its ratio to every reference that was measured."""
    return [
        _summary(samples, gateway, [name for name in references if name in gateways]) for gateway in gateways
    ]


def _summary(samples: Sequence[Sample], gateway: str, references: Sequence[str]) -> Summary:
    own = [sample for sample in samples if sample.gateway == gateway]
    return Summary(
        gateway=gateway,
        cost=spread(sample.microseconds_per_request for sample in own),
        user=statistics.median(sample.user_per_request for sample in own),
        system=statistics.median(sample.system_per_request for sample in own),
        leader=statistics.median(sample.leader_per_request for sample in own),
        requests_per_second=statistics.median(sample.requests_per_second for sample in own),
        busy=statistics.median(sample.busy for sample in own),
        foreign=max(sample.foreign for sample in own),
        ratios={name: ratio(samples, gateway, name) for name in references},
    )
