"""What ``GET /v1/status`` and ``/ready`` say, as plain values: built from facts, without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.clock import NANOSECONDS
from gateway.supervisor.lifecycle import State


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One slot for a worker; ``pid`` and ``lane`` are None while nobody stands there."""

    slot: int
    state: str
    restarts: int
    pid: int | None
    lane: int | None


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """What a worker has written into its lane: the snapshot it runs and its last heartbeat (0: none yet)."""

    epoch: int
    heartbeat: int


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance as operators see it."""

    address: str
    state: str
    reason: str
    in_flight: int
    weight: int


def readiness(state: State, workers: Sequence[WorkerFacts]) -> list[str]:
    """The reasons why no traffic should come here now; none means ready."""
    if state is not State.READY:
        return [f"the gateway is {state}"]
    if not any(worker.state == "ready" for worker in workers):
        return ["no worker is ready"]
    return []


def status_document(
    *,
    state: State,
    epoch: int,
    now: int,
    workers: Sequence[WorkerFacts],
    lanes: Mapping[int, LaneFacts],
    services: Mapping[str, Sequence[InstanceFacts]],
) -> dict[str, Any]:
    """The status document. ``now`` is monotonic nanoseconds, as the heartbeats are."""
    return {
        "state": state,
        "epoch": epoch,
        "workers": [
            _worker(worker, lanes.get(-1 if worker.lane is None else worker.lane), now) for worker in workers
        ],
        "services": [
            {"name": name, "instances": [_instance(instance) for instance in instances]}
            for name, instances in services.items()
        ],
    }


def _worker(worker: WorkerFacts, lane: LaneFacts | None, now: int) -> dict[str, Any]:
    beat = lane.heartbeat if lane is not None else 0
    return {
        "slot": worker.slot,
        "pid": worker.pid,
        "lane": worker.lane,
        "state": worker.state,
        "restarts": worker.restarts,
        "epoch": lane.epoch if lane is not None else None,
        "heartbeat_age_seconds": round(max(0, now - beat) / NANOSECONDS, 3) if beat else None,
    }


def _instance(instance: InstanceFacts) -> dict[str, Any]:
    return {
        "address": instance.address,
        "state": instance.state,
        "reason": instance.reason,
        "in_flight": instance.in_flight,
        "weight": instance.weight,
    }
