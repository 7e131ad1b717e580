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
from gateway.supervisor.cluster.membership import Report
from gateway.supervisor.health.ejections import REASON, Ejections, Record
from gateway.supervisor.health.service import HealthService
from gateway.supervisor.instances import Instance, Instances
from gateway.supervisor.lifecycle import State
from gateway.supervisor.slices import in_slices
from gateway.supervisor.telemetry import metrics
from gateway.supervisor.workers import Slot, Workers

DISABLED = "disabled"
"""The state of an instance that an operator has taken out, whatever else is the matter with it."""
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
    vocabulary: metrics.Vocabulary
    """Those that never change."""


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
        overrides: Callable[[], Sequence[dict[str, Any]]],
        listeners: Callable[[], Mapping[str, str]],
        cluster: Callable[[], Report | None],
    ) -> None:
        """``listeners``: the URL of each by its name; ``overrides``: what is in force instead of the file; ``wall``: Unix time in nanoseconds."""
        self._state = state
        self._clock = clock
        self._wall = wall
        self._readings = readings
        self._dictionary = dictionary
        self._instances = instances
        self._health = health
        self._ejections = ejections
        self._workers = workers
        self._overrides = overrides
        self._listeners = listeners
        self._cluster = cluster

    def not_ready_because(self) -> list[str]:
        """Why no traffic should come; empty when it may."""
        return readiness(self._state(), self._worker_facts())

    async def status(self) -> Callable[[], dict[str, Any]]:
        """What makes the status document. The instances are those of now; what is said of each is looked up in slices, with
        the loop turning between them.
        """
        members = {name: self._instances.of(name) for name in self._instances.services()}
        services = {
            name: ServiceFacts(await in_slices(self._facts, some), panic=self._instances.panicking(name))
            for name, some in members.items()
        }
        return partial(
            status_document,
            state=self._state(),
            epoch=self._workers.publisher.epoch,
            now=self._clock(),
            listeners=self._listeners(),
            workers=self._worker_facts(),
            lanes={lane: LaneFacts(epoch, beat) for lane, _, epoch, beat in self._readings.lanes()},
            services=services,
            overrides=self.overrides(),
            cluster=self._cluster(),
        )

    def overrides(self) -> list[dict[str, Any]]:
        """What is in force instead of the file's values."""
        return list(self._overrides())

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
            cluster=self._cluster(),
        )
        return partial(
            metrics.render,
            self._readings,
            self._dictionary.legend(),
            instances,
            process,
            vocabulary=self._dictionary.vocabulary,
            now=self._clock(),
        )

    def _worker_facts(self) -> list[WorkerFacts]:
        now = self._clock()
        return [_worker(slot, now) for slot in self._workers.occupied()]

    def _facts(self, instance: Instance) -> InstanceFacts:
        report = self._health.report(instance.service, instance.address)
        state, reason = instance.health.name.lower(), report.reason if report is not None else "not probed"
        record, until = self._ejections.record(instance.service, instance.address), None
        if record is not None and record.standing.until is not None:
            until = record.standing.until + self._wall() - self._clock()
            if instance.health is not Health.UNHEALTHY:
                state, reason = EJECTED, record.reason
        if instance.member.disabled:
            state, reason, until = DISABLED, "by an operator", None
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
