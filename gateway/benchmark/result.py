"""The result of a benchmark: phases made of parts, each with what was seen of the target; as a value and as JSON."""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.benchmark.load import LoadError
from gateway.benchmark.observer import Observation
from gateway.benchmark.tally import Part, Tally, together

FORMAT = 1
MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a part of a phase has."""

    key: str
    title: str
    unit: str
    less_is_better: bool


FIGURES = {
    figure.key: figure
    for figure in (
        Figure("throughput", "answers a second", "/s", less_is_better=False),
        Figure("latency", "typical latency (geometric mean of p50, p90 and p99)", "ms", less_is_better=True),
        Figure("p50", "half of the requests within", "ms", less_is_better=True),
        Figure("p90", "90 % within", "ms", less_is_better=True),
        Figure("p99", "99 % within", "ms", less_is_better=True),
        Figure("p999", "99.9 % within", "ms", less_is_better=True),
        Figure("cpu", "CPU time of the gateway per request", "µs", less_is_better=True),
        Figure("errors", "requests that failed", "%", less_is_better=True),
    )
}
TYPICAL = ("p50", "p90", "p99")
"""Of which ``latency`` is the mean: it moves whether few requests wait long or many a little."""
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


@dataclass(slots=True)
class Phase:
    """One load, and what came of it."""

    name: str
    generator: str
    """Name and version."""
    threads: int
    """Of the generator."""
    connections: int
    rate: float | None
    """Requests a second that were to be sent; None in a closed loop."""
    parts: list[Part] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    """One for each part when the target is on this machine; otherwise none."""

    @property
    def seconds(self) -> float:
        """How long it was measured."""
        return sum(part.seconds for part in self.parts)

    @property
    def kinds(self) -> dict[str, Tally]:
        """Everything that was counted, by the name of the request."""
        names = dict.fromkeys(name for part in self.parts for name in part.kinds)
        return {
            name: together(part.kinds[name] for part in self.parts if name in part.kinds) for name in names
        }

    @property
    def whole(self) -> Tally:
        """Everything that was counted."""
        return together(part.whole for part in self.parts)

    def figures(self) -> dict[str, float]:
        """The figures of the whole phase."""
        cpu = sum(observation.cpu_seconds for observation in self.observations)
        return figures(self.whole, self.seconds, cpu if self.observations else None)

    def series(self, key: str) -> list[float]:
        """A figure of each part that has it."""
        return [found[key] for found in self._of_parts() if key in found]

    def _of_parts(self) -> Iterator[dict[str, float]]:
        for index, part in enumerate(self.parts):
            cpu = self.observations[index].cpu_seconds if index < len(self.observations) else None
            yield figures(part.whole, part.seconds, cpu)

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` reads, with the figures for other readers."""
        return {
            "name": self.name,
            "generator": self.generator,
            "threads": self.threads,
            "connections": self.connections,
            "rate": self.rate,
            "seconds": self.seconds,
            "figures": self.figures(),
            "parts": [part.to_json() for part in self.parts],
            "observations": [observation.to_json() for observation in self.observations],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Phase":
        """Reads what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            str(document["name"]),
            str(document["generator"]),
            int(document["threads"]),
            int(document["connections"]),
            None if document["rate"] is None else float(document["rate"]),
            [Part.from_json(part) for part in document["parts"]],
            [Observation.from_json(observation) for observation in document["observations"]],
        )


@dataclass(slots=True)
class Result:
    """A whole benchmark."""

    target: str
    started: str
    """RFC 3339, UTC."""
    machine: str
    notes: list[str] = field(default_factory=list)
    """What a reader must know to judge the figures."""
    phases: list[Phase] = field(default_factory=list)
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        """What ``read`` reads."""
        return {
            "bench_format": FORMAT,
            "target": self.target,
            "started": self.started,
            "machine": self.machine,
            "notes": self.notes,
            "interrupted": self.interrupted,
            "phases": [phase.to_json() for phase in self.phases],
        }


def read(path: Path) -> Result:
    """A result that was written as JSON. Raises LoadError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LoadError(f"{path} is larger than any result")
        document = orjson.loads(path.read_bytes())
        if document["bench_format"] != FORMAT:
            raise LoadError(f"{path} was written by another version of headgate bench")
        phases = [Phase.from_json(phase) for phase in document["phases"]]
        return Result(
            str(document["target"]),
            str(document["started"]),
            str(document["machine"]),
            [str(note) for note in document["notes"]],
            phases,
            bool(document["interrupted"]),
        )
    except OSError as error:
        raise LoadError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise LoadError(f"{path} is no result of headgate bench") from None


def figures(tally: Tally, seconds: float, cpu_seconds: float | None) -> dict[str, float]:
    """The figures of what was counted in a time; one that cannot be told is left out."""
    found: dict[str, float] = {}
    requests = tally.requests
    if seconds > 0:
        found["throughput"] = (requests - tally.failed) / seconds
    if tally.latencies.count:
        found |= {key: tally.latencies.percentile(percent) / 1000 for key, percent in PERCENTILES.items()}
        if all(found[key] > 0 for key in TYPICAL):
            found["latency"] = math.exp(statistics.fmean(math.log(found[key]) for key in TYPICAL))
    if requests:
        found["errors"] = 100 * tally.failed / requests
    if requests and cpu_seconds is not None:
        found["cpu"] = cpu_seconds / requests * 1e6
    return found


def logarithms(values: list[float]) -> list[float]:
    """Of the values that have one."""
    return [math.log(value) for value in values if value > 0]


def peak(values: list[float]) -> float:
    """The median of the upper half: what the target did when nothing disturbed it. 0 of no values."""
    ordered = sorted(values)
    return statistics.median(ordered[len(ordered) // 2 :]) if ordered else 0.0
