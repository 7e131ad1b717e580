"""Writes the instances of every service into shared memory, and keeps the list of those that stand there."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model import HEALTH_DISABLED_BIT, HEALTH_EJECTED_BIT, Health, InstanceAddress
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.slots import NoSlotError, Slot, Slots

logger = logging.getLogger("headgate.discovery")

RETRY_S = 0.1  # one tick of the workers: by then they have let go of an older bank


class Memory(Protocol):
    """What is written and read here; ``gateway.state`` offers it."""

    def write_instance(
        self, slot: int, generation: int, address: str, *, weight: int, max_in_flight: int, health: int
    ) -> None:
        """Fills a slot."""

    def set_health(self, slot: int, health: int) -> None:
        """Changes the health word of a slot."""

    def health(self, slot: int) -> int:
        """The health word of a slot."""

    def clear_failures(self, slot: int) -> None:
        """Ends the row of failures of a slot."""

    def publish_members(self, service: int, slots: Sequence[int]) -> int:
        """Swaps in the members of a service; returns the membership epoch. Raises MemoryError: later."""


class Readings(Protocol):
    """What the workers tell about slots."""

    def membership_epochs(self) -> list[int]:
        """The membership epoch that each live lane has seen."""

    def in_flight(self, slot: int) -> int:
        """Exchanges on the instance, over all lanes."""

    def failing(self, slots: int) -> list[tuple[int, int]]:
        """(slot, failures in a row) of those among the first slots that have failed last."""


@dataclass(slots=True)
class Instance:
    """One occupied slot."""

    service: str
    member: Member
    slot: Slot
    health: Health
    ejected: bool = False
    """Beside its health: it has failed too many requests in a row."""

    @property
    def word(self) -> int:
        """Its health word in shared memory."""
        ejected = HEALTH_EJECTED_BIT if self.ejected else 0
        return self.health | ejected | (HEALTH_DISABLED_BIT if self.member.disabled else 0)

    @property
    def address(self) -> InstanceAddress:
        """Where it listens."""
        return self.member.address


class Instances:
    """The supervisor's only hand on instances: membership and health go through here."""

    def __init__(
        self,
        memory: Memory,
        readings: Readings,
        capacity: int,
        clock: Callable[[], int],
    ) -> None:
        """``capacity``: the slots for instances in shared memory."""
        self._memory = memory
        self._readings = readings
        self._rows: dict[str, int] = {}
        self._slots = Slots(capacity)
        self._clock = clock
        self._present: dict[str, dict[InstanceAddress, Instance]] = {}
        self._by_slot: dict[int, Instance] = {}
        self._membership = 0
        self._retries: dict[str, asyncio.TimerHandle] = {}

    def add(self, service: str, row: int) -> None:
        """Makes room for the instances of a service, whose members stand in this row. Idempotent."""
        self._rows[service] = row
        self._present.setdefault(service, {})

    def remove(self, service: str) -> list[Instance]:
        """Takes a service out; returns the instances it had. Their state is kept for its return."""
        _, gone = self.apply(service, ())
        del self._present[service]
        return gone

    def services(self) -> list[str]:
        """The services, in the order in which they came."""
        return list(self._present)

    def of(self, service: str) -> list[Instance]:
        """The instances of a service, in the order of its configuration."""
        return list(self._present[service].values())

    def find(self, service: str, address: InstanceAddress) -> Instance | None:
        """An instance of a service, if it is a member now."""
        return self._present.get(service, {}).get(address)

    def failing(self) -> list[tuple[Instance, int]]:
        """The instances that have failed last, and how often in a row."""
        found = self._readings.failing(self._slots.used)
        return [(self._by_slot[slot], failures) for slot, failures in found if slot in self._by_slot]

    def apply(self, service: str, members: Sequence[Member]) -> tuple[list[Instance], list[Instance]]:
        """Makes these the members of a service; returns (those that came, those that went).

        One that stays keeps its slot and its state; another weight or cap is written in place, and so is the word of
        an operator.
        """
        before = self._present[service]
        self._slots.reclaim(
            now=self._clock(),
            seen=min(self._readings.membership_epochs(), default=0),
            in_flight=self._readings.in_flight,
        )
        after: dict[InstanceAddress, Instance] = {}
        for member in members:
            instance = before.get(member.address) or self._admit(service, member)
            if instance is None:
                continue
            if instance.member != member:
                instance.member = member
                self._write(instance)
            after[member.address] = instance
        self._present[service] = after
        membership = self._publish(service)
        gone = [instance for address, instance in before.items() if address not in after]
        for instance in gone:
            del self._by_slot[instance.slot.number]
            identity = (service, instance.address)
            self._slots.retire(identity, instance.slot, now=self._clock(), membership=membership)
        return [instance for address, instance in after.items() if address not in before], gone

    def set_health(self, service: str, address: InstanceAddress, health: Health) -> None:
        """One store that every worker sees at once, then the banks without the instance, or with it again."""
        instance = self.find(service, address)
        if instance is None:
            return  # it left while its last probe was under way
        instance.health = health
        self._show(instance)

    def set_ejected(self, instance: Instance, *, ejected: bool) -> None:
        """As ``set_health``, beside it: what an active check says of the instance stays as it is."""
        instance.ejected = ejected
        self._show(instance)

    def clear_failures(self, instance: Instance) -> None:
        """Its next failure is the first of a row."""
        self._memory.clear_failures(instance.slot.number)

    def close(self) -> None:
        """Ends what is scheduled."""
        for timer in self._retries.values():
            timer.cancel()
        self._retries.clear()

    def _show(self, instance: Instance) -> None:
        self._memory.set_health(instance.slot.number, instance.word)
        self._publish(instance.service)

    def _admit(self, service: str, member: Member) -> Instance | None:
        try:
            slot, kept = self._slots.take((service, member.address))
        except NoSlotError as error:
            logger.error("service %s: instance %s is left out: %s", service, member.address, error)  # noqa: TRY400
            return None
        word = self._memory.health(slot.number) if kept else Health.UNKNOWN
        health = Health(word & ~(HEALTH_DISABLED_BIT | HEALTH_EJECTED_BIT))
        instance = Instance(service, member, slot, health, ejected=bool(word & HEALTH_EJECTED_BIT))
        self._by_slot[slot.number] = instance
        self._write(instance)
        return instance

    def _write(self, instance: Instance) -> None:
        self._memory.write_instance(
            instance.slot.number,
            instance.slot.generation,
            str(instance.address),
            weight=instance.member.weight,
            max_in_flight=instance.member.max_in_flight,
            health=instance.word,
        )

    def _publish(self, service: str) -> int:
        """Publishes the members and returns their epoch; where every bank is still held, the least it will have."""
        if (timer := self._retries.pop(service, None)) is not None:
            timer.cancel()
        numbers = [instance.slot.number for instance in self._present.get(service, {}).values()]
        try:
            self._membership = self._memory.publish_members(self._rows[service], numbers)
        except MemoryError:
            loop = asyncio.get_running_loop()
            self._retries[service] = loop.call_later(RETRY_S, self._publish, service)
            return self._membership + 1
        return self._membership
