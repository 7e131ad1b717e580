"""What a generator has seen in a part of a run: answers by status, errors by kind, latencies, and how it kept its pace."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.benchmark.histogram import Histogram


@dataclass(slots=True)
class Tally:
    """Requests of one kind, or of all."""

    latencies: Histogram = field(default_factory=Histogram)
    """Of the answered requests, and of those that were given up, which lasted at least so long."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Answers by status: ``200``, or ``2xx or 3xx`` where a generator does not tell."""
    errors: Counter[str] = field(default_factory=Counter)
    """Requests without a whole answer, by kind."""

    @property
    def requests(self) -> int:
        """Ended, well or not."""
        return self.statuses.total() + self.errors.total()

    @property
    def failed(self) -> int:
        """Without an answer, or answered with a status from 400."""
        return self.errors.total() + sum(
            count for status, count in self.statuses.items() if status[0] not in "123"
        )

    def add(self, other: "Tally") -> None:
        """Counts what another one has counted."""
        self.latencies.add(other.latencies)
        self.statuses.update(other.statuses)
        self.errors.update(other.errors)

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return {
            "latencies": self.latencies.to_json(), "statuses": dict(self.statuses), "errors": dict(self.errors)
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Tally":
        """Reads what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            Histogram.from_json(document["latencies"]),
            _counts(document["statuses"]),
            _counts(document["errors"]),
        )


@dataclass(slots=True)
class Pace:
    """How a generator itself did: whether it, and not the target, was the limit."""

    cpu_seconds: float = 0.0
    lateness: Histogram = field(default_factory=Histogram)
    """By how much requests left after they were due although a connection was free; empty of closed loops."""
    waited: int = 0
    """Requests that found no free connection, because the target had not answered yet."""

    def add(self, other: "Pace") -> None:
        """Counts what another one has counted."""
        self.cpu_seconds += other.cpu_seconds
        self.lateness.add(other.lateness)
        self.waited += other.waited

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return {"cpu_seconds": self.cpu_seconds, "lateness": self.lateness.to_json(), "waited": self.waited}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Pace":
        """Reads what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        lateness = Histogram.from_json(document["lateness"])
        return cls(float(document["cpu_seconds"]), lateness, int(document["waited"]))


@dataclass(slots=True)
class Part:
    """A stretch of a run, long enough for figures of its own."""

    seconds: float
    kinds: dict[str, Tally]
    """By the name of the request; one without a name where a generator does not tell them apart."""
    pace: Pace = field(default_factory=Pace)

    @property
    def whole(self) -> Tally:
        """All kinds together."""
        return together(self.kinds.values())

    def add(self, later: "Part") -> None:
        """Is longer by what came right after it."""
        self.seconds += later.seconds
        self.merge(later)

    def merge(self, other: "Part") -> None:
        """Counts what another generator has seen in the same time."""
        self.pace.add(other.pace)
        for name, tally in other.kinds.items():
            self.kinds.setdefault(name, Tally()).add(tally)

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        kinds = {name: tally.to_json() for name, tally in self.kinds.items()}
        return {"seconds": self.seconds, "kinds": kinds, "pace": self.pace.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Part":
        """Reads what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        kinds = {str(name): Tally.from_json(tally) for name, tally in document["kinds"].items()}
        return cls(float(document["seconds"]), kinds, Pace.from_json(document["pace"]))


def together(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def _counts(document: Mapping[str, Any]) -> Counter[str]:
    if not all(isinstance(count, int) and count >= 0 for count in document.values()):
        raise ValueError("counts are whole numbers")
    return Counter({str(key): count for key, count in document.items()})
