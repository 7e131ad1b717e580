"""Decides how large the shared memory is: room for what the configuration has and for what a reload may add."""

from dataclasses import asdict, dataclass

from gateway.config.schema import Config

LEAST_ROWS = 256  # small configurations grow most
LEAST_SERIES = 1024  # pairs of listener and route: either one may grow
LEAST_WORKERS = 7  # a reload may ask for so many, however few the gateway was started with


@dataclass(frozen=True, slots=True)
class Capacities:
    """What ``Segment.create`` is asked for."""

    lanes: int
    instances: int
    services: int
    series: int
    limits: int
    limit_keys: int

    @property
    def workers(self) -> int:
        """The most workers that a reload may ask for: old and new ones overlap, and two lanes are in reserve."""
        return (self.lanes - 2) // 2

    def arguments(self) -> dict[str, int]:
        """As keyword arguments."""
        return asdict(self)


def capacities(config: Config, workers: int) -> Capacities:
    """Capacities for a configuration. Rows are never given back, so each table holds at least twice what it needs."""
    return Capacities(
        lanes=2 * max(workers, LEAST_WORKERS) + 2,
        instances=config.gateway.max_instances,
        services=_roomy(len(config.services) + len(config.subsets())),
        series=max(LEAST_SERIES, _roomy(config.series_count())),
        limits=_roomy(config.limit_count()),
        limit_keys=config.gateway.max_limit_keys,
    )


def _roomy(needed: int) -> int:
    """The next power of two above twice the need."""
    return max(LEAST_ROWS, 1 << (2 * needed).bit_length())
