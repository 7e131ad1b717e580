"""Decides how large the shared memory is: room for what the configuration has and for what a reload may add."""

from dataclasses import asdict, dataclass

from gateway.config.schema import Config

LEAST_ROWS = 64  # small configurations grow most


@dataclass(frozen=True, slots=True)
class Capacities:
    """What ``Segment.create`` is asked for."""

    lanes: int
    instances: int
    services: int
    series: int
    limits: int
    limit_keys: int

    def arguments(self) -> dict[str, int]:
        """As keyword arguments."""
        return asdict(self)


def capacities(config: Config, workers: int) -> Capacities:
    """Capacities for a configuration. Rows are never given back, so each table holds at least twice what it needs."""
    listeners, routes = len(config.listen), len(config.routes)
    return Capacities(
        lanes=2 * workers + 2,  # old and new workers overlap at a reload or upgrade
        instances=config.gateway.max_instances,
        services=_roomy(len(config.services)),
        series=_roomy(listeners * (routes + 1)),
        limits=_roomy(sum(len(route.limit) for route in config.routes)),
        limit_keys=config.gateway.max_limit_keys,
    )


def _roomy(needed: int) -> int:
    """The next power of two above twice the need."""
    return max(LEAST_ROWS, 1 << (2 * needed).bit_length())
