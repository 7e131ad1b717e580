"""Judges an instance by the results of its probes: thresholds to fall and to rise, as a table."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.model import Health


class Outcome(StrEnum):
    """What one probe found."""

    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Consecutive results, each at least 1, that turn a healthy instance unhealthy (``fall``) and back (``rise``)."""

    fall: int = 3
    rise: int = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """The health of an instance and how many results in a row have spoken against it since."""

    health: Health = Health.UNKNOWN
    against: int = 0


# (health, outcome) → (health if enough results say so, name of the threshold). What is not here confirms the health.
# The first result of all decides alone: waiting for more would send traffic to an instance known to be dead.
_TURNS: dict[tuple[Health, Outcome], tuple[Health, str | None]] = {
    (Health.UNKNOWN, Outcome.PASSED): (Health.HEALTHY, None),
    (Health.UNKNOWN, Outcome.FAILED): (Health.UNHEALTHY, None),
    (Health.HEALTHY, Outcome.FAILED): (Health.UNHEALTHY, "fall"),
    (Health.UNHEALTHY, Outcome.PASSED): (Health.HEALTHY, "rise"),
}


def judge(standing: Standing, outcome: Outcome, thresholds: Thresholds) -> Standing:
    """The standing after one more result."""
    turn = _TURNS.get((standing.health, outcome))
    if turn is None:
        return Standing(standing.health)
    health, threshold = turn
    needed = 1 if threshold is None else getattr(thresholds, threshold)
    against = standing.against + 1
    return Standing(health) if against >= needed else Standing(standing.health, against)
