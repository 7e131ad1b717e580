"""Keeps instances, health checks, ejections and discovery in step with the services that are configured."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from gateway.config.overrides import Adjustment
from gateway.config.schema import HealthCheck, Passive, Service
from gateway.model import Balance, Health, InstanceAddress, Labels, labels_of
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.discovery.service import DiscoveryService, Watch
from gateway.supervisor.health.ejection import Policy
from gateway.supervisor.health.ejections import Ejections
from gateway.supervisor.health.policy import Outcome, Thresholds
from gateway.supervisor.health.prober import Check, Finding, Probe
from gateway.supervisor.health.service import HealthService, Report, Target
from gateway.supervisor.instances import Instance, Instances, Places
from gateway.supervisor.rings import Ring

logger = logging.getLogger("headgate.supervisor")

SERVICES_A_TURN = (
    50  # some 2 ms: a configuration of thousands must not hold up probes, heartbeats and the admin API
)

EVERY_SUBSET_IS_USED: Mapping[str, frozenset[Labels]] = MappingProxyType({})

Adjustments = Mapping[str, Mapping[InstanceAddress, Adjustment]]
"""What operators want otherwise, by service and address."""


class Roster:
    """The configured services, and the arrows between what finds, judges and writes their instances."""

    def __init__(
        self,
        instances: Instances,
        *,
        probe: Callable[..., Awaitable[Finding]],
        watch: Watch,
        clock: Callable[[], int],
        draw: Callable[[], float],
    ) -> None:
        """``probe`` asks an instance, ``watch`` follows a name, ``draw`` is a random number from 0 to 1."""
        self.instances = instances
        self.health = HealthService(self._flipped, found=self._checked, probe=probe, draw=draw, clock=clock)
        self.ejections = Ejections(instances, clock=clock, draw=draw)
        self._discovery = DiscoveryService(self._changed, watch)
        self._checks: dict[str, HealthCheck | None] = {}
        self._found: dict[str, Sequence[Member]] = {}
        """The members of each service as its sources have them."""
        self._adjustments: Adjustments = {}

    def start(self) -> None:
        """Begins to look at the failures of instances."""
        self.ejections.start()

    async def set(
        self,
        services: Mapping[str, Service],
        banks: Mapping[str, Mapping[Labels, int]],
        zone: str | None,
        idle: Mapping[str, frozenset[Labels]] = EVERY_SUBSET_IS_USED,
    ) -> None:
        """Takes these services, new ones and ones that are known; ``banks`` are the rows of their subsets in shared memory,
        ``idle`` the subsets that no route leads to, ``zone`` is where the gateway runs.

        What does not change goes on undisturbed, and what is known of an instance outlives every change.
        """
        async for name in _in_turns(services):
            service = services[name]
            ring, unused = RINGS.get(service.balance), idle.get(name, frozenset())
            self.instances.set(name, Places(banks[name], service.panic.percent, zone, ring, unused))
            before = self._checks.get(name)
            self._checks[name] = service.health
            self.ejections.set(name, _ejection_policy(service.passive, service.health))
            self._discovery.set(name, _members(service))
            self.instances.settle(name)  # the next snapshot may lead requests to what is new
            if before != service.health:
                self._check_anew(name)

    def adjust(self, adjustments: Adjustments) -> None:
        """From now on these instances are as an operator says, those that come later included; every other is as found."""
        before, self._adjustments = self._adjustments, adjustments
        for service in before.keys() | adjustments.keys():
            if before.get(service) != adjustments.get(service) and service in self._found:
                self._changed(service, self._found[service])

    async def remove_all_but(self, services: Mapping[str, Service]) -> None:
        """Ends every other service, once no request can be led to it any more."""
        async for name in _in_turns(self._checks.keys() - services.keys()):
            self._discovery.remove(name)
            self.ejections.remove(name)
            for instance in self.instances.remove(name):
                self.health.forget(name, instance.address)
            del self._checks[name]
            self._found.pop(name, None)

    async def close(self) -> None:
        """Ends all sources and checks."""
        await self._discovery.close()
        await self.health.close()
        await self.ejections.stop()
        self.instances.close()

    def _check_anew(self, service: str) -> None:
        for instance in self.instances.of(service):
            if not self._watch(instance):
                self.health.forget(service, instance.address)
                self.instances.set_health(service, instance.address, Health.UNKNOWN)  # nobody looks any more

    def _watch(self, instance: Instance) -> bool:
        """Checks an instance as its service says; False: not at all."""
        check = self._checks[instance.service]
        if check is not None:
            self.health.watch(_target(instance.service, instance.member, check))
        return check is not None

    def _changed(self, service: str, members: Sequence[Member]) -> None:
        """Discovery found other members, or an operator wants them otherwise."""
        self._found[service] = members
        adjustments = self._adjustments.get(service, {})
        if adjustments:
            members = [_adjusted(member, adjustments.get(member.address)) for member in members]
        came, gone = self.instances.apply(service, members)
        for instance in gone:
            self.health.forget(service, instance.address)
        for instance in came:
            self.ejections.came(instance)
            self._watch(instance)

    def _checked(self, target: Target, finding: Finding) -> None:
        """A health check has a result."""
        passed = finding.outcome is Outcome.PASSED
        self.ejections.checked(target.service, target.address, passed=passed)

    def _flipped(self, target: Target, report: Report) -> None:
        """A health check changed its mind."""
        level = logging.INFO if report.healthy else logging.WARNING
        logger.log(
            level,
            "service %s: %s is %s: %s",
            target.service,
            target.address,
            report.health.name.lower(),
            report.reason,
        )
        self.instances.set_health(target.service, target.address, report.health)


def _adjusted(member: Member, adjustment: Adjustment | None) -> Member:
    if adjustment is None:
        return member
    weight = member.weight if adjustment.weight is None else adjustment.weight
    return replace(member, weight=weight, disabled=adjustment.disabled)


RINGS = {Balance.HASH: Ring.KEYS, Balance.STICKY: Ring.IDENTITIES}
"""What the ways to choose need a ring for; the others need none."""


async def _in_turns(names: Iterable[str]) -> AsyncIterator[str]:
    """The names, with a chance for the loop's other work now and then."""
    for number, name in enumerate(names, start=1):
        yield name
        if number % SERVICES_A_TURN == 0:
            await asyncio.sleep(0)


def _members(service: Service) -> list[Member]:
    return [
        Member(
            instance.address,
            instance.weight,
            instance.capacity,
            instance.max_in_flight or 0,
            instance.zone,
            labels_of(instance.labels or {}),
            instance.backup,
        )
        for instance in service.instances
    ]


def _target(service: str, member: Member, check: HealthCheck) -> Target:
    return Target(
        service,
        member.address,
        Check(Probe(check.type), check.path, check.timeout.seconds),
        check.interval.seconds,
        Thresholds(check.fall, check.rise),
    )


def _ejection_policy(passive: Passive | None, check: HealthCheck | None) -> Policy | None:
    if passive is None:
        return None
    return Policy(
        failures=passive.failures,
        ejection_ns=passive.ejection.nanoseconds,
        max_ejection_ns=passive.max_ejection.nanoseconds,
        max_share=passive.max_share,
        rise=check.rise if check is not None else None,
    )
