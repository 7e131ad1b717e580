"""Renders the metrics in the Prometheus text format (version 0.0.4) from what the shared memory holds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from gateway.clock import NANOSECONDS
from gateway.model import Health
from gateway.supervisor.cluster.membership import Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DROPPED_COPIES = "mirrors_dropped_"
"""What the names of counters begin with that end with a reason for it."""
Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


class Readings(Protocol):
    """What is read; ``gateway.state.view`` offers it."""

    def requests(self, row: int) -> list[tuple[int, int]]:
        """(status code, count) of a row."""

    def passed(self, row: int) -> tuple[int, int, int, list[int]]:
        """Of a row of connections: (how many, bytes of clients, bytes for clients, ends in the order of ``Vocabulary.pass_ends``)."""

    def durations(self, service: int) -> tuple[list[int], int]:
        """(count per bucket, sum in nanoseconds)."""

    def limit_decisions(self, row: int) -> list[int]:
        """Counts in the order of ``Vocabulary.decisions``."""

    def queue(self, service: int) -> tuple[int, list[int], int]:
        """(requests that wait, counts in the order of ``Vocabulary.wait_ends``, nanoseconds waited for places)."""

    def limit_table(self, now: int) -> tuple[int, int, int]:
        """(slots of the table of buckets, slots with a key, slots whose key cannot be replaced)."""

    def counters(self) -> list[int]:
        """A worker's own counters, summed."""

    def connections(self) -> int:
        """Client connections that are open."""

    def in_flight(self, slot: int) -> int:
        """Exchanges on an instance."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """What a row of the request table counts; route and service are empty where no route matched. Without a route, but with a
    service, it counts connections that a listener passes through.
    """

    row: int
    listener: str
    route: str
    service: str

    @property
    def is_of_connections(self) -> bool:
        """Does it count connections that are passed through, and no requests?"""
        return not self.route and bool(self.service)


@dataclass(frozen=True, slots=True)
class MirrorRow:
    """What a row of the request table counts that is about copies for a mirror."""

    row: int
    route: str
    service: str
    """The mirror."""


@dataclass(frozen=True, slots=True)
class LimitRow:
    """What a row of the limit table counts."""

    row: int
    route: str
    """Empty for a limit of a service."""
    service: str
    """Empty for a limit of a route."""
    limit: str


@dataclass(frozen=True, slots=True)
class Legend:
    """The meaning of the rows of the shared memory, as the running configuration gives it."""

    requests: Sequence[RequestRow]
    mirrors: Sequence[MirrorRow]
    limits: Sequence[LimitRow]
    services: Mapping[str, int]
    queued: frozenset[str]
    """The services that have a queue."""


@dataclass(frozen=True, slots=True)
class InstanceGauge:
    """One instance as the metrics name it."""

    service: str
    instance: str
    slot: int
    health: Health
    ejected: bool
    ejections: Mapping[str, int]
    """How often by reason."""


@dataclass(frozen=True, slots=True)
class ProcessGauges:
    """What the supervisor itself knows: its snapshot, its workers (restarts per slot), and which services panic."""

    epoch: int
    workers_ready: int
    restarts: Sequence[int]
    panics: Mapping[str, bool]
    cluster: Report | None = None
    """What is known of sharing limits, where they are shared."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the shared memory counts by number, in the order of the numbers."""

    counters: Sequence[str]
    """The workers' own counters."""
    decisions: Sequence[str]
    """What becomes of a request at a limit."""
    wait_ends: Sequence[str]
    """How those end that want to wait in a queue; the first of them got a place."""
    pass_ends: Sequence[str]
    """How connections end that are passed through."""
    bounds: Sequence[float]
    """The histogram's buckets in seconds."""


def render(
    readings: Readings,
    legend: Legend,
    instances: Iterable[InstanceGauge],
    process: ProcessGauges,
    *,
    vocabulary: Vocabulary,
    now: int,
) -> str:
    """The whole page, at the time ``now``."""
    families = [
        *_traffic(readings, legend, vocabulary.bounds),
        *_passed(readings, legend, vocabulary.pass_ends),
        *_instances(readings, list(instances)),
        _family(
            "headgate_limit_decisions_total",
            "counter",
            "Requests judged by a limit.",
            _decisions(readings, legend, vocabulary.decisions),
        ),
        *_limit_table(readings.limit_table(now)),
        *_queues(readings, legend, vocabulary.wait_ends),
        _family(
            "headgate_mirror_requests_total",
            "counter",
            "Copies sent to mirrors, by what they were answered.",
            _copies(readings, legend),
        ),
        *_process(process),
        *(_cluster(process.cluster) if process.cluster is not None else ()),
        *_counters(dict(zip(vocabulary.counters, readings.counters(), strict=True))),
    ]
    return "".join(families)


def _traffic(readings: Readings, legend: Legend, bounds: Sequence[float]) -> list[str]:
    connections: Sample = ("", {}, readings.connections())
    return [
        _family("headgate_requests_total", "counter", "Requests answered.", _requests(readings, legend)),
        _family(
            "headgate_request_duration_seconds",
            "histogram",
            "Time from a request's first byte to its answer's last.",
            _durations(readings, legend, bounds),
        ),
        _family("headgate_connections", "gauge", "Client connections that are open.", [connections]),
    ]


def _instances(readings: Readings, instances: Sequence[InstanceGauge]) -> list[str]:
    return [
        _family(
            "headgate_instance_healthy",
            "gauge",
            "1 unless the instance is known to be unhealthy.",
            (("", _instance(one), float(one.health is not Health.UNHEALTHY)) for one in instances),
        ),
        _family(
            "headgate_instance_ejected",
            "gauge",
            "1 while the instance is out because it failed requests.",
            (("", _instance(one), float(one.ejected)) for one in instances),
        ),
        _family(
            "headgate_instance_ejections_total",
            "counter",
            "Times that the instance was ejected.",
            _ejections(instances),
        ),
        _family(
            "headgate_instance_in_flight",
            "gauge",
            "Exchanges that all workers hold on the instance.",
            (("", _instance(one), readings.in_flight(one.slot)) for one in instances),
        ),
    ]


def _requests(readings: Readings, legend: Legend) -> Iterator[Sample]:
    for row in (row for row in legend.requests if not row.is_of_connections):
        labels = {"listener": row.listener, "route": row.route, "service": row.service}
        for code, count in readings.requests(row.row):
            yield "", {**labels, "code": str(code)}, count


def _copies(readings: Readings, legend: Legend) -> Iterator[Sample]:
    for row in legend.mirrors:
        for code, count in readings.requests(row.row):
            yield "", {"route": row.route, "service": row.service, "code": str(code)}, count


def _counters(counts: Mapping[str, int]) -> Iterator[str]:
    """The workers' own counters; those of copies that were dropped are one family, by reason."""
    drops: list[Sample] = []
    for name, count in counts.items():
        reason = name.removeprefix(DROPPED_COPIES)
        if reason != name:
            drops.append(("", {"reason": reason}, count))
        else:
            yield _family(f"headgate_{name}_total", "counter", _words(name), [("", {}, count)])
    text = "Copies for mirrors that were not made, or were cut off."
    yield _family("headgate_mirror_drops_total", "counter", text, drops)


def _passed(readings: Readings, legend: Legend, ends: Sequence[str]) -> list[str]:
    """Connections that are passed through, where a listener does that."""
    connections: list[Sample] = []
    transferred: list[Sample] = []
    ended: list[Sample] = []
    for row in (row for row in legend.requests if row.is_of_connections):
        labels = {"listener": row.listener, "service": row.service}
        count, received, sent, counts = readings.passed(row.row)
        connections.append(("", labels, count))
        transferred += [
            ("", {**labels, "direction": "received"}, received),
            ("", {**labels, "direction": "sent"}, sent),
        ]
        ended += [("", {**labels, "end": end}, number) for end, number in zip(ends, counts, strict=True)]
    if not connections:
        return []
    return [
        _family("headgate_passed_connections_total", "counter", "Connections to pass through.", connections),
        _family("headgate_passed_bytes_total", "counter", "Bytes from and to their clients.", transferred),
        _family("headgate_passed_ends_total", "counter", "How those ended that have.", ended),
    ]


def _durations(readings: Readings, legend: Legend, bounds: Sequence[float]) -> Iterator[Sample]:
    limits = [*(_number(bound) for bound in bounds), "+Inf"]
    for service, slot in legend.services.items():
        buckets, total_ns = readings.durations(slot)
        counts = list(accumulate(buckets))
        for limit, count in zip(limits, counts, strict=True):
            yield "_bucket", {"service": service, "le": limit}, count
        yield "_sum", {"service": service}, total_ns / NANOSECONDS
        yield "_count", {"service": service}, counts[-1]


def _decisions(readings: Readings, legend: Legend, decisions: Sequence[str]) -> Iterator[Sample]:
    for row in legend.limits:
        for decision, count in zip(decisions, readings.limit_decisions(row.row), strict=True):
            labels = {"route": row.route, "service": row.service, "limit": row.limit, "decision": decision}
            yield "", labels, count


def _limit_table(table: tuple[int, int, int]) -> list[str]:
    texts = {
        "slots": "Slots of the table of buckets.",
        "keys": "Slots that hold a key.",
        "busy": "Slots whose key cannot be replaced by another yet.",
    }
    return [
        _family(f"headgate_limit_table_{name}", "gauge", text, [("", {}, count)])
        for (name, text), count in zip(texts.items(), table, strict=True)
    ]


def _queues(readings: Readings, legend: Legend, wait_ends: Sequence[str]) -> list[str]:
    every = ((service, readings.queue(slot)) for service, slot in legend.services.items())
    # A queue that is gone goes on to be told of: its counters must not begin again when it comes back.
    queues = {
        service: queue for service, queue in every if service in legend.queued or queue[0] or any(queue[1])
    }
    waited = [
        sample
        for service, (_, counts, waited_ns) in queues.items()
        for sample in (
            ("_sum", {"service": service}, waited_ns / NANOSECONDS),
            ("_count", {"service": service}, counts[0]),
        )
    ]
    ends = [
        ("", {"service": service, "end": end}, count)
        for service, (_, counts, _) in queues.items()
        for end, count in zip(wait_ends, counts, strict=True)
    ]
    depths = [("", {"service": service}, waiting) for service, (waiting, _, _) in queues.items()]
    return [
        _family("headgate_queue_depth", "gauge", "Requests that wait for a place on an instance.", depths),
        _family("headgate_queue_ends_total", "counter", "How those ended that wanted to wait.", ends),
        _family("headgate_queue_wait_seconds", "summary", "Time until those got a place that did.", waited),
    ]


def _ejections(instances: Iterable[InstanceGauge]) -> Iterator[Sample]:
    for one in instances:
        for reason, count in one.ejections.items():
            yield "", {**_instance(one), "reason": reason}, count


def _process(process: ProcessGauges) -> list[str]:
    panics = (("", {"service": service}, panic) for service, panic in process.panics.items())
    restarts = (("", {"worker": str(slot)}, count) for slot, count in enumerate(process.restarts))
    return [
        _family(
            "headgate_service_panic",
            "gauge",
            "1 while unhealthy instances are used because too few are healthy.",
            panics,
        ),
        _family("headgate_worker_restarts_total", "counter", "Workers replaced after a death.", restarts),
        _family("headgate_workers_ready", "gauge", "Workers that serve.", [("", {}, process.workers_ready)]),
        _family(
            "headgate_config_epoch", "gauge", "Number of the running snapshot.", [("", {}, process.epoch)]
        ),
    ]


def _cluster(report: Report) -> Iterator[str]:
    tally = report.tally
    for name, kind, text, value in (
        ("reachable", "gauge", "1 while Redis can be asked.", float(report.reachable)),
        ("unreachable_seconds_total", "counter", "How long it could not.", report.unreachable_seconds),
        ("gateways", "gauge", "Gateways that share limits, this one included.", report.gateways),
        ("leases", "gauge", "Buckets of which this gateway holds a stock.", report.leases),
        ("wants_total", "counter", "Times that workers wanted more of a bucket.", tally.wants),
        ("questions_total", "counter", "Buckets that Redis was asked for.", tally.questions),
        ("round_trips_total", "counter", "Questions and answers, for many buckets at once.", tally.trips),
        ("round_trip_seconds_total", "counter", "How long they took.", tally.trip_ns / NANOSECONDS),
        ("failures_total", "counter", "Attempts to ask Redis that failed.", tally.failures),
    ):
        yield _family(f"headgate_cluster_{name}", kind, text, [("", {}, value)])


def _instance(gauge: InstanceGauge) -> Labels:
    return {"service": gauge.service, "instance": gauge.instance}


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize() + "."


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += (f"{name}{suffix}{_labels(labels)} {_number(value)}" for suffix, labels, value in samples)
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    """Escapes what the format gives a meaning to in a label's value; the back-slash first."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """Shortest form that reads back as the same number; whole numbers without a point, as counters are."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
