"""Gathers what the admin plane shows from the services that know it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from gateway.model import Health
from gateway.supervisor import restart_policy
from gateway.supervisor.admin.status import (
    InstanceFacts,
    LaneFacts,
    ServiceFacts,
    WorkerFacts,
    readiness,
    status_document,
)
from gateway.supervisor.health.ejections import REASON, Ejections, Record
from gateway.supervisor.health.service import HealthService
from gateway.supervisor.instances import Instance, Instances
from gateway.supervisor.lifecycle import State
from gateway.supervisor.telemetry import metrics
from gateway.supervisor.workers import Slot, Workers

EJECTED = "ejected"
"""The state of an instance that is out for its failures, and not for its checks as well."""


class Readings(metrics.Readings, Protocol):
    """What is read from the shared memory; ``gateway.state.view`` offers it."""

    def lanes(self) -> list[tuple[int, int, int, int]]:
        """Live lanes as (lane, pid, snapshot epoch seen, heartbeat)."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The names of what the shared memory counts by number."""

    legend: Callable[[], metrics.Legend]
    """That of the running configuration."""
    counters: Sequence[str]
    bounds: Sequence[float]


class Overview:
    """Implements ``admin.app.Gateway``: every answer is made from what is true at that moment."""

    def __init__(
        self,
        *,
        state: Callable[[], State],
        clock: Callable[[], int],
        wall: Callable[[], int],
        readings: Readings,
        dictionary: Dictionary,
        instances: Instances,
        health: HealthService,
        ejections: Ejections,
        workers: Workers,
        listeners: Callable[[], Mapping[str, str]],
    ) -> None:
        """``listeners``: the URL of each by its name; ``wall``: Unix time in nanoseconds."""
        self._state = state
        self._clock = clock
        self._wall = wall
        self._readings = readings
        self._dictionary = dictionary
        self._instances = instances
        self._health = health
        self._ejections = ejections
        self._workers = workers
        self._listeners = listeners

    def not_ready_because(self) -> list[str]:
        """Why no traffic should come; empty when it may."""
        return readiness(self._state(), self._worker_facts())

    def status(self) -> dict[str, Any]:
        """The status document."""
        return status_document(
            state=self._state(),
            epoch=self._workers.publisher.epoch,
            now=self._clock(),
            listeners=self._listeners(),
            workers=self._worker_facts(),
            lanes={lane: LaneFacts(epoch, beat) for lane, _, epoch, beat in self._readings.lanes()},
            services={name: self._service_facts(name) for name in self._instances.services()},
        )

    def metrics(self) -> Callable[[], str]:
        """What writes the metrics page: names and workers as they are now, counters as they are when it is called."""
        instances = [
            _gauge(instance, self._ejections.record(name, instance.address))
            for name in self._instances.services()
            for instance in self._instances.of(name)
        ]
        process = metrics.ProcessGauges(
            epoch=self._workers.publisher.epoch,
            workers_ready=len(self._workers.ready()),
            restarts=[slot.restarts for slot in self._workers.slots],
            panics={name: self._instances.panicking(name) for name in self._instances.services()},
        )
        return partial(
            metrics.render,
            self._readings,
            self._dictionary.legend(),
            instances,
            process,
            counters=self._dictionary.counters,
            bounds=self._dictionary.bounds,
        )

    def _worker_facts(self) -> list[WorkerFacts]:
        now = self._clock()
        return [_worker(slot, now) for slot in self._workers.occupied()]

    def _service_facts(self, service: str) -> ServiceFacts:
        instances = [self._facts(instance) for instance in self._instances.of(service)]
        return ServiceFacts(instances, panic=self._instances.panicking(service))

    def _facts(self, instance: Instance) -> InstanceFacts:
        report = self._health.report(instance.service, instance.address)
        state, reason = instance.health.name.lower(), report.reason if report is not None else "not probed"
        record, until = self._ejections.record(instance.service, instance.address), None
        if record is not None and record.standing.until is not None:
            until = record.standing.until + self._wall() - self._clock()
            if instance.health is not Health.UNHEALTHY:
                state, reason = EJECTED, record.reason
        return InstanceFacts(
            address=str(instance.address),
            state=state,
            reason=reason,
            until=until,
            in_flight=self._readings.in_flight(instance.slot.number),
            weight=instance.member.weight,
        )


def _worker(slot: Slot, now: int) -> WorkerFacts:
    worker = slot.worker
    return WorkerFacts(
        slot=slot.number,
        state=slot.state,
        restarts=slot.restarts,
        pid=worker.pid if worker is not None else None,
        lane=worker.lane if worker is not None else None,
        last_exit=slot.last_exit,
        crash_loop=restart_policy.is_crash_loop(slot.history, now),
    )


def _gauge(instance: Instance, record: Record | None) -> metrics.InstanceGauge:
    return metrics.InstanceGauge(
        instance.service,
        str(instance.address),
        instance.slot.number,
        instance.health,
        ejected=instance.ejected,
        ejections={REASON: record.count if record is not None else 0},
    )
