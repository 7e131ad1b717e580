"""Ejects instances that fail requests, and gives them back: looks at their failures ten times a second.

What is known of an instance belongs to its service and address: it outlives reloads, workers and discovery.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import NANOSECONDS
from gateway.model import Health, InstanceAddress
from gateway.supervisor.health import ejection
from gateway.supervisor.health.ejection import Candidate, Cause, Policy, Standing
from gateway.supervisor.instances import Instance, Instances
from gateway.supervisor.repeating import Repeating
from gateway.supervisor.slots import AGE_NS

logger = logging.getLogger("headgate.health")

LOOK_S = 0.1

REASON = "consecutive_failures"
"""Why an instance is ejected, as metrics name it."""

Key = tuple[str, InstanceAddress]


@dataclass(slots=True)
class Record:
    """What is known of an instance that was ejected at some time."""

    standing: Standing
    count: int = 0
    """Ejections in all."""
    seen: int = 0
    """When it was last a member of its service, in nanoseconds."""

    @property
    def changes_with_time(self) -> bool:
        """It is ejected, or not forgiven yet."""
        return self.standing.until is not None or self.standing.level > 0

    @property
    def reason(self) -> str:
        """Why it is ejected, in words."""
        return f"{self.standing.failures} failures in a row"


class Ejections:
    """Decides for all services by ``ejection`` and writes what is decided into the health of the instances."""

    def __init__(self, instances: Instances, *, clock: Callable[[], int], draw: Callable[[], float]) -> None:
        """``draw`` is a random number from 0 to 1."""
        self._instances = instances
        self._clock = clock
        self._draw = draw
        self._policies: dict[str, Policy] = {}
        self._records: dict[Key, Record] = {}
        self._looks = Repeating(self.look, LOOK_S, logger, "a look at the failures of instances failed")

    def start(self) -> None:
        """Begins to look."""
        self._looks.start()

    async def stop(self) -> None:
        """Ends the looks. Idempotent."""
        await self._looks.stop()

    def set(self, service: str, policy: Policy | None) -> None:
        """Goes by this policy from now on; without one nobody of the service is ejected."""
        if policy is not None:
            self._policies[service] = policy
            return
        self._policies.pop(service, None)
        now = self._clock()
        for (name, address), record in self._records.items():
            if name == service and record.standing.until is not None:
                self._give_back(service, address, record, Cause.SWITCHED_OFF, now)

    def remove(self, service: str) -> None:
        """The service is gone; what is known of its instances is kept for its return."""
        self._policies.pop(service, None)

    def came(self, instance: Instance) -> None:
        """An instance is there, perhaps again: it is ejected if its ejection is not over."""
        record, now = self.record(instance.service, instance.address), self._clock()
        until = record.standing.until if record is not None else None
        if record is not None and until is not None and until <= now:
            self._give_back(instance.service, instance.address, record, Cause.OVER, now)
        elif instance.ejected != (until is not None):
            self._instances.set_ejected(instance, ejected=until is not None)

    def checked(self, service: str, address: InstanceAddress, *, passed: bool) -> None:
        """An active check of an instance has a result."""
        record = self.record(service, address)
        if record is not None and record.standing.until is not None:
            record.standing = ejection.checked(record.standing, passed=passed)

    def record(self, service: str, address: InstanceAddress) -> Record | None:
        """What is known of an instance; None if it was not ejected for a long time."""
        return self._records.get((service, address))

    def look(self) -> None:
        """One look at every instance that has failed, or did."""
        failing = self._instances.failing()
        if not failing and not self._records:
            return
        now = self._clock()
        failures = {instance.slot.number: count for instance, count in failing}
        concerned = {instance.service for instance, _ in failing}
        concerned |= {service for (service, _), record in self._records.items() if record.changes_with_time}
        for service in sorted(concerned & self._policies.keys()):
            self._look_at(service, self._policies[service], failures, now)
        self._forget(now)

    def _look_at(self, service: str, policy: Policy, failures: dict[int, int], now: int) -> None:
        candidates = []
        members = self._instances.of(service)
        for instance in members:
            record = self.record(service, instance.address)
            if record is not None and record.standing.until is None:
                record.standing = ejection.forgiven(record.standing, policy, now)
            standing = record.standing if record is not None else Standing()
            failed = failures.get(instance.slot.number, 0)
            serves = instance.member.weight > 0 and not instance.member.disabled
            fit = serves and instance.health is not Health.UNHEALTHY
            candidates.append(Candidate(standing, failed, fit=fit))
            if failed and not fit:
                self._instances.clear_failures(instance)  # when it is fit again it begins anew
        decision = ejection.decide(candidates, policy, now)
        for place, cause in decision.returned:
            address = members[place].address
            self._give_back(service, address, self._records[service, address], cause, now)
        for place in decision.ejected:
            self._eject(members[place], candidates[place].failures, policy, now)

    def _eject(self, instance: Instance, failures: int, policy: Policy, now: int) -> None:
        record = self._records.setdefault((instance.service, instance.address), Record(Standing()))
        record.standing = ejection.ejected(record.standing, failures, policy, now, self._draw())
        record.count += 1
        record.seen = now
        self._instances.set_ejected(instance, ejected=True)
        seconds = ((record.standing.until or now) - now) / NANOSECONDS
        logger.warning(
            "service %s: %s is ejected for %.1f s: %s",
            instance.service, instance.address, seconds, record.reason,
        )  # fmt: skip

    def _give_back(
        self, service: str, address: InstanceAddress, record: Record, cause: Cause, now: int
    ) -> None:
        record.standing = ejection.given_back(record.standing, now)
        instance = self._instances.find(service, address)
        if instance is not None:  # or it hears of it when it comes back
            self._instances.clear_failures(instance)
            self._instances.set_ejected(instance, ejected=False)
        logger.info("service %s: %s is not ejected any more: %s", service, address, cause.value)

    def _forget(self, now: int) -> None:
        """What is gone is kept as long as its slot in shared memory."""
        for (service, address), record in list(self._records.items()):
            if self._instances.find(service, address) is not None:
                record.seen = now
            elif now - record.seen >= AGE_NS:
                del self._records[service, address]
