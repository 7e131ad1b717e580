"""Writes the instances of every service into shared memory, and keeps the list of those that stand there."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.clock import NANOSECONDS
from gateway.model import HEALTH_DISABLED_BIT, HEALTH_EJECTED_BIT, Health, InstanceAddress, Labels
from gateway.supervisor import rings
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.rings import Drawing, Ring, Rings
from gateway.supervisor.slots import NoSlotError, Slot, Slots

logger = logging.getLogger("headgate.discovery")

SMALL = 256
"""Members up to which every change is published at once."""
PAUSE_NS = 50_000_000
"""From one publication of a larger service to the next: 10,000 members take some milliseconds."""
RETRY_S = 0.1  # one tick of the workers: by then they have let go of an older bank


class Memory(rings.Memory, Protocol):
    """What is written and read here; ``gateway.state`` offers it."""

    def write_instance(
        self,
        slot: int,
        generation: int,
        address: str,
        *,
        weight: int,
        health: int,
        capacity: int | None,
        max_in_flight: int,
        backup: bool,
        elsewhere: bool,
        started: int,
    ) -> None:
        """Fills a slot."""

    def set_started(self, slot: int, started: int) -> None:
        """Notes when the occupant of a slot came back."""

    def set_health(self, slot: int, health: int) -> None:
        """Changes the health word of a slot."""

    def health(self, slot: int) -> int:
        """The health word of a slot."""

    def clear_failures(self, slot: int) -> None:
        """Ends the row of failures of a slot."""

    def publish_members(
        self, row: int, slots: Sequence[int], *, panic_percent: int, now: int
    ) -> tuple[int, bool]:
        """Swaps in the members of a row; returns the membership epoch, and whether all are used for want of fit ones.
        Raises MemoryError: later.
        """


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
    started: int = 0
    """When it came, or came back, in nanoseconds; 0: it was there from the start."""

    @property
    def word(self) -> int:
        """Its health word in shared memory."""
        ejected = HEALTH_EJECTED_BIT if self.ejected else 0
        return self.health | ejected | (HEALTH_DISABLED_BIT if self.member.disabled else 0)

    @property
    def fit(self) -> bool:
        """May it get requests, as far as its health goes?"""
        return self.health is not Health.UNHEALTHY and not self.ejected

    @property
    def address(self) -> InstanceAddress:
        """Where it listens."""
        return self.member.address


@dataclass(frozen=True, slots=True)
class Places:
    """Where and how the instances of a service are published."""

    rows: Mapping[Labels, int]
    """The row of the service, whose labels are (), and of each subset by its labels."""
    panic_percent: int = 0
    """Below which part of fit ones all are used."""
    zone: str | None = None
    """Where the gateway runs; None: zones do not matter."""
    ring: Ring | None = None
    """None: the service needs none."""
    idle: frozenset[Labels] = frozenset()
    """Those of the rows that no route leads to: exchanges may still go by them, but nobody is told of them."""


@dataclass(slots=True)
class _Service:
    places: Places
    present: list[Instance] = field(default_factory=list)
    """In the order of its sources."""
    by_address: dict[InstanceAddress, Instance] = field(default_factory=dict)
    by_member: dict[int, Instance] = field(default_factory=dict)
    """By ``id`` of the member, which the instance keeps alive: of ten thousand that sources name again most are the same
    objects, and found without a look at their fields."""
    panicking: set[Labels] = field(default_factory=set)
    """The subsets whose unfit members are used."""
    published: int = -PAUSE_NS
    """When it was published last, in nanoseconds."""
    stale: dict[Labels, None] = field(default_factory=dict)
    """The subsets whose rows are out of date, those that have waited longest first."""
    timer: asyncio.TimerHandle | None = None
    """The next publication, where one is due."""

    def take(self, instances: list[Instance]) -> list[Instance]:
        """These are present from now on; returns those that are not any more."""
        stay = set(map(id, instances))
        gone = [instance for instance in self.present if id(instance) not in stay]
        for instance in gone:
            del self.by_address[instance.address]
            del self.by_member[id(instance.member)]
        self.present = instances
        return gone

    def note(self, instance: Instance, member: Member) -> None:
        """An instance that is new, or as a source has it now."""
        self.by_member.pop(id(instance.member), None)
        instance.member = member
        self.by_member[id(member)] = self.by_address[member.address] = instance

    def cancel(self) -> None:
        """Forgets the publication that is due."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


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
        self._slots = Slots(capacity)
        self._clock = clock
        self._rings = Rings(memory, clock)
        self._services: dict[str, _Service] = {}
        self._by_slot: dict[int, Instance] = {}
        self._membership = 0

    def set(self, service: str, places: Places) -> None:
        """Makes room for the instances of a service, a new one or one that had other places."""
        known = self._services.get(service)
        if known is None:
            self._services[service] = _Service(places)
        elif known.places != places:
            known.places = places
            for instance in known.present:
                self._write(instance)
            self._publish(service)

    def remove(self, service: str) -> list[Instance]:
        """Takes a service out; returns the instances it had. Their state is kept for its return."""
        _, gone = self.apply(service, ())
        self._services.pop(service).cancel()
        return gone

    def services(self) -> list[str]:
        """The services, in the order in which they came."""
        return list(self._services)

    def of(self, service: str) -> list[Instance]:
        """The instances of a service, in the order of its configuration."""
        return list(self._services[service].present)

    def find(self, service: str, address: InstanceAddress) -> Instance | None:
        """An instance of a service, if it is a member now."""
        known = self._services.get(service)
        return known.by_address.get(address) if known is not None else None

    def panicking(self, service: str) -> bool:
        """Are unfit instances of the service, or of a subset of it, used because too few are fit?"""
        return bool(self._services[service].panicking)

    def failing(self) -> list[tuple[Instance, int]]:
        """The instances that have failed last, and how often in a row."""
        found = self._readings.failing(self._slots.used)
        return [(self._by_slot[slot], failures) for slot, failures in found if slot in self._by_slot]

    def apply(self, service: str, members: Sequence[Member]) -> tuple[list[Instance], list[Instance]]:
        """Makes these the members of a service; returns (those that came, those that went).

        One that stays keeps its slot and its state; another weight or cap is written in place, and so is the word of
        an operator. No address stands twice. What it costs beyond a few looks for each member goes by those that are new.
        """
        known = self._services[service]
        self._slots.reclaim(
            now=self._clock(),
            seen=min(self._readings.membership_epochs(), default=0),
            in_flight=self._readings.in_flight,
        )
        first = not known.present
        listed = list(map(known.by_member.get, map(id, members)))
        came: list[Instance] = []
        for place in [place for place, instance in enumerate(listed) if instance is None]:
            member = members[place]
            instance = known.by_address.get(member.address)
            if instance is None:
                instance = self._admit(service, member, first=first)
                if instance is None:
                    continue
                came.append(instance)
            changed = instance.member != member
            known.note(instance, member)
            if changed:
                self._write(instance)
            listed[place] = instance
        gone = known.take([instance for instance in listed if instance is not None])
        for instance in gone:  # banks may list it for a moment; its state is kept beside the bit
            self._memory.set_health(instance.slot.number, instance.word | HEALTH_DISABLED_BIT)
        membership = self._publish(service)
        for instance in gone:
            del self._by_slot[instance.slot.number]
            identity = (service, instance.address)
            self._slots.retire(identity, instance.slot, now=self._clock(), membership=membership)
        return came, gone

    def set_health(self, service: str, address: InstanceAddress, health: Health) -> None:
        """One store that every worker sees at once, then the banks without the instance, or with it again."""
        instance = self.find(service, address)
        if instance is None:
            return  # it left while its last probe was under way
        was_fit = instance.fit
        instance.health = health
        self._show(instance, was_fit)

    def set_ejected(self, instance: Instance, *, ejected: bool) -> None:
        """As ``set_health``, beside it: what an active check says of the instance stays as it is."""
        was_fit = instance.fit
        instance.ejected = ejected
        self._show(instance, was_fit)

    def clear_failures(self, instance: Instance) -> None:
        """Its next failure is the first of a row."""
        self._memory.clear_failures(instance.slot.number)

    def close(self) -> None:
        """Ends what is scheduled."""
        self._rings.close()
        for service in self._services.values():
            service.cancel()

    def _show(self, instance: Instance, was_fit: bool) -> None:
        if instance.fit and not was_fit:
            instance.started = self._clock()
            self._memory.set_started(instance.slot.number, instance.started)
        self._memory.set_health(instance.slot.number, instance.word)
        self._publish(instance.service)

    def _admit(self, service: str, member: Member, *, first: bool) -> Instance | None:
        """``first``: it is there when its service begins, and has nobody to start more slowly than."""
        try:
            slot, kept = self._slots.take((service, member.address))
        except NoSlotError as error:
            logger.error("service %s: instance %s is left out: %s", service, member.address, error)  # noqa: TRY400
            return None
        word = self._memory.health(slot.number) if kept else Health.UNKNOWN
        health = Health(word & ~(HEALTH_DISABLED_BIT | HEALTH_EJECTED_BIT))
        ejected, started = bool(word & HEALTH_EJECTED_BIT), 0 if first else self._clock()
        instance = Instance(service, member, slot, health, ejected, started)
        self._by_slot[slot.number] = instance
        self._write(instance)
        return instance

    def _write(self, instance: Instance) -> None:
        self._memory.write_instance(
            instance.slot.number,
            instance.slot.generation,
            str(instance.address),
            weight=instance.member.weight,
            capacity=instance.member.capacity,
            max_in_flight=instance.member.max_in_flight,
            backup=instance.member.backup,
            elsewhere=self._services[instance.service].places.zone not in (None, instance.member.zone),
            started=instance.started,
            health=instance.word,
        )

    def _publish(self, service: str) -> int:
        """Publishes the members and returns their epoch; where it happens later, the least it will have.

        A large service is published at intervals: what a change costs grows with the members, and the words of the instances
        say at once what matters.
        """
        known = self._services[service]
        rows = known.places.rows
        known.stale = dict.fromkeys([labels for labels in known.stale if labels in rows] + list(rows))
        pause = PAUSE_NS if len(known.present) > SMALL else 0
        wait = known.published + pause - self._clock()
        if wait > 0:
            self._publish_later(service, wait / NANOSECONDS)
            return self._membership + 1
        return self._publish_stale(service)

    def _publish_stale(self, service: str) -> int:
        """Publishes the rows that are out of date. The one that finds no room is the first the next time: those before it, published
        once more, would take that room again, for each holds that of two banks until the workers have let go of the old one.
        """
        known = self._services[service]
        known.cancel()
        known.published = self._clock()
        while known.stale:
            labels = next(iter(known.stale))
            try:
                self._publish_row(service, labels, known.places.rows[labels])
            except MemoryError:
                self._publish_later(service, RETRY_S)
                return self._membership + 1
            del known.stale[labels]
        return self._membership

    def settle(self, service: str) -> None:
        """Publishes now what was to be published later."""
        if self._services[service].timer is not None:
            self._publish_stale(service)

    def _publish_later(self, service: str, seconds: float) -> None:
        known = self._services[service]
        if known.timer is None:
            loop = asyncio.get_running_loop()
            known.timer = loop.call_later(seconds, self._publish_stale, service)

    def _publish_row(self, service: str, labels: Labels, row: int) -> None:
        known = self._services[service]
        members = known.present
        if labels:
            members = [one for one in members if set(labels) <= set(one.member.labels)]
        self._membership, panicking = self._memory.publish_members(
            row,
            [one.slot.number for one in members],
            panic_percent=known.places.panic_percent,
            now=self._clock(),
        )
        self._rings.set(row, service, _drawing(known.places.ring, members))
        is_used = labels not in known.places.idle
        if (panicking and is_used) == (labels in known.panicking):
            return
        subset = "".join(f" {name}={value}" for name, value in labels)
        if panicking and is_used:
            known.panicking.add(labels)
            fit = sum(one.fit and not one.member.disabled for one in members)
            logger.error(
                "service %s%s: panic: only %d of %d instances are fit, less than %d %%: all of them are used",
                service, subset, fit, len(members), known.places.panic_percent,
            )  # fmt: skip
        else:
            known.panicking.discard(labels)
            ended = "is over" if is_used else "concerns no route any more"
            logger.info("service %s%s: the panic %s", service, subset, ended)


def _drawing(ring: Ring | None, members: Sequence[Instance]) -> Drawing | None:
    """A backup has no keys of its own, but clients that have been with it come back to it."""
    if ring is None:
        return None
    stand = [one for one in members if ring is Ring.IDENTITIES or not one.member.backup]
    weights = tuple((one.slot, one.member.weight) for one in stand if one.member.weight)
    return Drawing(ring, weights) if weights else None
