"""What ``GET /v1/status`` and ``/ready`` say, as plain values: built from facts, without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.clock import NANOSECONDS, rfc3339
from gateway.supervisor.cluster.membership import Report
from gateway.supervisor.lifecycle import State


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One slot for a worker; ``pid`` and ``lane`` are None while nobody stands there.

    ``last_exit`` says in words how the last one that stood there ended, ``crash_loop`` whether they keep dying.
    """

    slot: int
    state: str
    restarts: int
    pid: int | None
    lane: int | None
    last_exit: str | None = None
    crash_loop: bool = False


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """What a worker has written into its lane: the snapshot it runs and its last heartbeat (0: none yet)."""

    epoch: int
    heartbeat: int


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance as operators see it; ``until`` is when its ejection ends, in nanoseconds of Unix time."""

    address: str
    state: str
    reason: str
    in_flight: int
    weight: int
    until: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One service; ``panic``: unfit instances are used because too few are fit."""

    instances: Sequence[InstanceFacts]
    panic: bool


def readiness(state: State, workers: Sequence[WorkerFacts]) -> list[str]:
    """The reasons why no traffic should come here now; none means ready.

    With fewer than half of its workers the gateway is better relieved than overrun.
    """
    if state is not State.READY:
        return [f"the gateway is {state}"]
    serving = sum(worker.state == "ready" for worker in workers)
    if serving and 2 * serving >= len(workers):
        return []
    return [
        f"only {serving} of {len(workers)} workers serve" if serving else "no worker serves",
        *_absent(workers),
    ]


def _absent(workers: Sequence[WorkerFacts]) -> list[str]:
    """What is the matter with each worker that does not serve."""
    return [
        f"worker {worker.slot} is {worker.state}"
        + (f": the last one {worker.last_exit}" if worker.last_exit else "")
        for worker in workers
        if worker.state != "ready"
    ]


def status_document(
    *,
    state: State,
    epoch: int,
    now: int,
    listeners: Mapping[str, str],
    workers: Sequence[WorkerFacts],
    lanes: Mapping[int, LaneFacts],
    services: Mapping[str, ServiceFacts],
    overrides: Sequence[Mapping[str, Any]],
    cluster: Report | None,
) -> dict[str, Any]:
    """The status document. ``now`` is monotonic nanoseconds, as the heartbeats are; ``listeners`` are URLs by name."""
    return {
        "state": state,
        "epoch": epoch,
        "listeners": [{"name": name, "url": url} for name, url in listeners.items()],
        "workers": [
            _worker(worker, lanes.get(-1 if worker.lane is None else worker.lane), now) for worker in workers
        ],
        "services": [
            {
                "name": name,
                "panic": service.panic,
                "instances": [_instance(instance) for instance in service.instances],
            }
            for name, service in services.items()
        ],
        "overrides": list(overrides),
        "cluster": _cluster(cluster) if cluster is not None else None,
    }


def _cluster(report: Report) -> dict[str, Any]:
    """The Redis through which limits are shared, and this gateway's part in it."""
    return {
        "redis": list(report.servers),
        "reachable": report.reachable,
        "unreachable_seconds": round(report.unreachable_seconds, 3),
        "gateways": report.gateways,
        "leases": report.leases,
    }


def _worker(worker: WorkerFacts, lane: LaneFacts | None, now: int) -> dict[str, Any]:
    beat = lane.heartbeat if lane is not None else 0
    return {
        "slot": worker.slot,
        "pid": worker.pid,
        "lane": worker.lane,
        "state": worker.state,
        "restarts": worker.restarts,
        "last_exit": worker.last_exit,
        "crash_loop": worker.crash_loop,
        "epoch": lane.epoch if lane is not None else None,
        "heartbeat_age_seconds": round(max(0, now - beat) / NANOSECONDS, 3) if beat else None,
    }


def _instance(instance: InstanceFacts) -> dict[str, Any]:
    return {
        "address": instance.address,
        "state": instance.state,
        "reason": instance.reason,
        "until": None if instance.until is None else rfc3339(instance.until),
        "in_flight": instance.in_flight,
        "weight": instance.weight,
    }
