"""What the supervisor writes into shared memory about instances, with a memory that only takes notes."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.model import HEALTH_DISABLED_BIT, HEALTH_EJECTED_BIT, Health, InstanceAddress
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.instances import PAUSE_NS, SMALL, Instances, Places
from gateway.supervisor.slots import AGE_NS
from tests.helpers.patience import eventually

A, B, C = (Member(InstanceAddress.parse(f"10.0.0.{number}:80"), weight=number) for number in (1, 2, 3))


class Memory:
    """Control and view at once."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.starts: dict[int, int] = {}
        self.others: dict[int, dict[str, object]] = {}
        self.failures: dict[int, int] = {}
        self.written: list[tuple[int, int, str, int]] = []
        self.published: list[tuple[int, list[int]]] = []
        self.rings: list[tuple[int, list[int], bool]] = []
        self.rings_held = 0  # rings that are refused because there is no room
        self.held = 0  # publications that are refused because every bank is in use
        self.room = 1_000_000  # publications for which there is room

    def write_instance(
        self,
        slot: int,
        generation: int,
        address: str,
        *,
        weight: int,
        health: int,
        started: int,
        **others: object,
    ) -> None:
        """Notes slot, generation, address and weight, and what else is said."""
        self.words[slot] = health
        self.starts[slot] = started
        self.others[slot] = others
        self.written.append((slot, generation, address, weight))

    def set_health(self, slot: int, health: int) -> None:
        """Changes the word."""
        self.words[slot] = health

    def health(self, slot: int) -> int:
        """Reads the word."""
        return self.words[slot]

    def clear_failures(self, slot: int) -> None:
        """None in a row."""
        self.failures.pop(slot, None)

    def failing(self, slots: int) -> list[tuple[int, int]]:
        """Those that have any."""
        return [(slot, count) for slot, count in self.failures.items() if slot < slots]

    def set_started(self, slot: int, started: int) -> None:
        """Notes it."""
        self.starts[slot] = started

    def publish_members(
        self, row: int, slots: Sequence[int], *, panic_percent: int, now: int
    ) -> tuple[int, bool]:
        """Notes the members, unless the banks are held; panics as the engine would for equal members."""
        del now
        if self.held or not self.room:
            self.held = max(0, self.held - 1)
            raise MemoryError
        self.room -= 1
        self.published.append((row, list(slots)))
        fit = sum(self.words[slot] <= Health.HEALTHY for slot in slots)
        return len(self.published), 100 * fit < panic_percent * len(slots)

    def publish_ring(self, row: int, slots: Sequence[int], *, index: bool) -> int:
        """Notes the ring, unless there is no room; there always is for none."""
        if self.rings_held and slots:
            self.rings_held -= 1
            raise MemoryError
        self.rings.append((row, list(slots), index))
        return len(self.published)

    def membership_epochs(self) -> list[int]:
        """One worker, which has seen everything."""
        return [len(self.published)]

    def in_flight(self, slot: int) -> int:
        """Nothing."""
        del slot
        return 0


class World:
    """Instances of one service in row 5, on a clock turned by hand."""

    def __init__(self, capacity: int = 4) -> None:
        self.now = 0
        self.memory = Memory()
        self.instances = Instances(self.memory, self.memory, capacity, lambda: self.now)
        self.instances.set("api", Places({(): 5}))

    def apply(self, *members: Member) -> tuple[list[str], list[str]]:
        """The addresses that came and went."""
        came, gone = self.instances.apply("api", members)
        return [str(one.address) for one in came], [str(one.address) for one in gone]


def test_members_are_written_before_they_are_published() -> None:
    """Each newcomer gets a slot with its weight, unknown health, and then the service's row names the slots."""
    world = World()
    assert world.apply(A, B) == (["10.0.0.1:80", "10.0.0.2:80"], [])
    assert world.memory.written == [(0, 1, "10.0.0.1:80", 1), (1, 1, "10.0.0.2:80", 2)]
    assert world.memory.words == {0: Health.UNKNOWN, 1: Health.UNKNOWN}
    assert world.memory.published == [(5, [0, 1])]


def test_only_what_changed_is_written() -> None:
    """Who stays keeps slot and health; who goes is only taken out of the members."""
    world = World()
    world.apply(A, B)
    world.instances.set_health("api", B.address, Health.HEALTHY)
    assert world.apply(B, C) == (["10.0.0.3:80"], ["10.0.0.1:80"])
    assert world.memory.written[2:] == [(2, 1, "10.0.0.3:80", 3)]
    assert world.memory.published[-1] == (5, [1, 2])
    assert [one.health for one in world.instances.of("api")] == [Health.HEALTHY, Health.UNKNOWN]


def test_a_flip_is_stored_and_the_members_are_built_anew() -> None:
    """The word changes and the row is published; a flip of an instance that has left changes nothing."""
    world = World()
    world.apply(A)
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    assert (world.memory.words, len(world.memory.published)) == ({0: Health.UNHEALTHY}, 2)
    world.instances.set_health("api", C.address, Health.UNHEALTHY)
    assert (world.memory.words, len(world.memory.published)) == ({0: Health.UNHEALTHY}, 2)


def test_an_instance_that_comes_back_is_as_healthy_as_it_was() -> None:
    """Churn of discovery loses no state: same slot, same generation, same health."""
    world = World()
    world.apply(A, B)
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    world.apply(B)
    world.apply(A, B)
    assert world.memory.written[-1] == (0, 1, "10.0.0.1:80", 1)
    assert world.memory.words[0] == Health.UNHEALTHY


def test_a_slot_gets_another_occupant_when_the_last_one_has_aged_out() -> None:
    """Before that a service beyond the capacity goes without; the newcomer is another generation."""
    world = World(capacity=2)
    world.apply(A, B)
    world.apply(B)
    assert world.apply(B, C) == ([], [])
    world.now = AGE_NS
    assert world.apply(B, C) == (["10.0.0.3:80"], [])
    assert world.memory.written[-1] == (0, 2, "10.0.0.3:80", 3)


async def test_a_publication_that_finds_every_bank_in_use_is_made_later() -> None:
    """Once, with the members of that later time, and not at all after ``close``."""
    world = World()
    world.memory.held = 1
    world.apply(A)
    assert world.memory.published == []
    await eventually(lambda: world.memory.published == [(5, [0])])
    world.memory.held = 1
    world.apply(A, B)
    world.instances.close()
    world.apply(A, C)
    assert world.memory.published[1:] == [(5, [0, 2])]


async def test_a_publication_goes_on_where_there_was_no_room() -> None:
    """What is published already takes no room anew; a change meanwhile begins with what has waited."""
    world = World()
    rows = {(("number", str(number)),): number for number in range(6)}
    world.instances.set("api", Places(rows))
    world.memory.published.clear()
    world.memory.room = 4
    world.apply(A)
    assert [row for row, _ in world.memory.published] == [0, 1, 2, 3]
    world.memory.room = 1
    await eventually(lambda: len(world.memory.published) == 5)
    assert world.memory.published[-1][0] == 4
    world.memory.room = 6
    world.apply(A, B)
    assert [row for row, _ in world.memory.published[5:]] == [5, 0, 1, 2, 3, 4]
    world.instances.close()


def test_health_and_ejection_do_not_erase_each_other() -> None:
    """Each is written beside the other, another weight leaves both, and both outlive a leave."""
    world = World()
    world.apply(A)
    (one,) = world.instances.of("api")
    world.instances.set_health("api", A.address, Health.HEALTHY)
    world.instances.set_ejected(one, ejected=True)
    assert world.memory.words[0] == Health.HEALTHY | HEALTH_EJECTED_BIT
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    assert world.memory.words[0] == Health.UNHEALTHY | HEALTH_EJECTED_BIT
    world.apply(replace(A, weight=7))
    assert world.memory.words[0] == Health.UNHEALTHY | HEALTH_EJECTED_BIT
    world.apply()
    world.apply(A)
    (again,) = world.instances.of("api")
    assert (again.health, again.ejected) == (Health.UNHEALTHY, True)
    assert world.memory.words[0] == Health.UNHEALTHY | HEALTH_EJECTED_BIT
    published = len(world.memory.published)
    world.instances.set_ejected(again, ejected=False)
    assert world.memory.words[0] == Health.UNHEALTHY
    assert len(world.memory.published) == published + 1


def test_failures_are_read_where_instances_stand() -> None:
    """Of the slots that were given out, and no others; clearing ends the row."""
    world = World()
    world.apply(A, B)
    world.memory.failures = {1: 3, 2: 9}
    ((failing, times),) = world.instances.failing()
    assert (failing.address, times) == (B.address, 3)
    world.instances.clear_failures(failing)
    assert world.instances.failing() == []


def test_who_is_gone_fails_no_more() -> None:
    """What its last requests leave in its slot is nobody's, until it is back."""
    world = World()
    world.apply(A, B)
    world.apply(B)
    world.memory.failures = {0: 3}
    assert world.instances.failing() == []
    world.apply(A, B)
    ((failing, _),) = world.instances.failing()
    assert failing.address == A.address


def test_another_weight_is_written_in_place() -> None:
    """Slot, generation and health stay; the members are published with the new weight."""
    world = World()
    world.apply(A, B)
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    assert world.apply(replace(A, weight=7), B) == ([], [])
    assert world.memory.written[2:] == [(0, 1, "10.0.0.1:80", 7)]
    assert world.memory.words[0] == Health.UNHEALTHY
    assert world.memory.published[-1] == (5, [0, 1])
    assert world.instances.of("api")[0].member.weight == 7


def test_a_service_that_comes_back_finds_its_instances_as_they_were() -> None:
    """While it is gone it has no members, and no flip of its instances counts."""
    world = World()
    world.apply(A)
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    gone = world.instances.remove("api")
    assert [one.address for one in gone] == [A.address]
    assert world.instances.services() == []
    assert world.memory.published[-1] == (5, [])
    world.instances.set_health("api", A.address, Health.HEALTHY)
    assert world.memory.words[0] == Health.UNHEALTHY | HEALTH_DISABLED_BIT
    world.instances.set("api", Places({(): 5}))
    world.apply(A)
    assert world.memory.written[-1] == (0, 1, "10.0.0.1:80", 1)
    assert world.instances.of("api")[0].health is Health.UNHEALTHY


def test_members_that_come_later_start_slowly() -> None:
    """Those that a service begins with do not; one that comes, or comes back, notes the time."""
    world = World()
    world.now = 7
    world.apply(A, B)
    assert world.memory.starts == {0: 0, 1: 0}
    world.now = 8
    world.apply(A, B, C)
    world.now = 9
    world.apply(B, C)
    world.apply(A, B, C)
    assert world.memory.starts == {0: 9, 1: 0, 2: 8}
    world.apply(replace(A, weight=7), B, C)
    assert world.memory.starts == {0: 9, 1: 0, 2: 8}, "another weight is no start"


def test_a_restored_instance_starts_slowly() -> None:
    """When the last of what keeps it out is gone; becoming known to be healthy is no restoration."""
    world = World()
    world.apply(A)
    (one,) = world.instances.of("api")
    world.now = 1
    world.instances.set_health("api", A.address, Health.HEALTHY)
    assert world.memory.starts == {0: 0}
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    world.instances.set_ejected(one, ejected=True)
    world.now = 2
    world.instances.set_health("api", A.address, Health.HEALTHY)
    assert world.memory.starts == {0: 0}, "it is ejected still"
    world.now = 3
    world.instances.set_ejected(one, ejected=False)
    assert world.memory.starts == {0: 3}


def test_who_has_gone_is_disabled_at_once() -> None:
    """A bank may list it for a moment; when it comes back it is as it was."""
    world = World()
    world.apply(A, B)
    world.instances.set_health("api", A.address, Health.HEALTHY)
    world.apply(B)
    assert world.memory.words[0] == Health.HEALTHY | HEALTH_DISABLED_BIT
    world.apply(A, B)
    assert world.memory.words[0] == Health.HEALTHY


def test_subsets_are_published_beside_the_service() -> None:
    """Each row gets the members that have all its labels."""
    world = World()
    beta = replace(B, labels=(("team", "x"), ("version", "v2")))
    v2, v3 = (("version", "v2"),), (("version", "v3"),)
    world.instances.set("api", Places({(): 5, v2: 6, v3: 7}))
    world.apply(A, beta)
    assert world.memory.published[-3:] == [(5, [0, 1]), (6, [1]), (7, [])]


def test_other_places_are_published_at_once() -> None:
    """A subset that a reload adds has its members before a request can be led to it; the same places write nothing."""
    world = World()
    beta = replace(B, labels=(("version", "v2"),))
    world.apply(A, beta)
    places = Places({(): 5, (("version", "v2"),): 6})
    for _ in range(2):
        world.instances.set("api", places)
        assert world.memory.published == [(5, [0, 1]), (5, [0, 1]), (6, [1])]


def test_an_instance_of_another_zone_is_elsewhere() -> None:
    """Also one that says no zone; without a zone of the gateway nobody is. A reload may change that."""
    world = World()
    world.instances.set("api", Places({(): 5}, zone="east"))
    world.apply(replace(A, zone="east"), replace(B, zone="west"), C)
    assert [world.memory.others[slot]["elsewhere"] for slot in range(3)] == [False, True, True]
    world.instances.set("api", Places({(): 5}))
    assert [world.memory.others[slot]["elsewhere"] for slot in range(3)] == [False, False, False]


def test_panic_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """When it begins and when it is over, with the figures; each subset for itself."""
    world = World()
    v2 = (("version", "v2"),)
    world.instances.set("api", Places({(): 5, v2: 6}, panic_percent=60))
    world.apply(A, B, replace(C, labels=v2))
    assert not world.instances.panicking("api")
    with caplog.at_level("INFO", "headgate.discovery"):
        world.instances.set_health("api", A.address, Health.UNHEALTHY)
        assert not world.instances.panicking("api")
        world.instances.set_health("api", C.address, Health.UNHEALTHY)
        world.instances.set_health("api", C.address, Health.UNHEALTHY)
        assert world.instances.panicking("api")
        world.instances.set_health("api", C.address, Health.HEALTHY)
    assert not world.instances.panicking("api")
    assert [record.getMessage() for record in caplog.records] == [
        "service api: panic: only 1 of 3 instances are fit, less than 60 %: all of them are used",
        "service api version=v2: panic: only 0 of 1 instances are fit, less than 60 %: all of them are used",
        "service api: the panic is over",
        "service api version=v2: the panic is over",
    ]


def test_nobody_is_told_of_the_panic_of_a_subset_without_a_route(caplog: pytest.LogCaptureFixture) -> None:
    """Requests of an earlier configuration may still go by it, so that it is published; one that had been told of ends."""
    world = World()
    v2 = (("version", "v2"),)
    places = Places({(): 5, v2: 6}, panic_percent=60)
    world.instances.set("api", replace(places, idle=frozenset({v2})))
    world.apply(A, B, replace(C, labels=v2))
    with caplog.at_level("INFO", "headgate.discovery"):
        world.instances.set_health("api", C.address, Health.UNHEALTHY)
        assert not world.instances.panicking("api")
        world.instances.set("api", places)
        assert world.instances.panicking("api")
        world.instances.set("api", replace(places, idle=frozenset({v2})))
        assert not world.instances.panicking("api")
    assert world.memory.published[-1][0] == 6
    assert [record.getMessage() for record in caplog.records] == [
        "service api version=v2: panic: only 0 of 1 instances are fit, less than 60 %: all of them are used",
        "service api version=v2: the panic concerns no route any more",
    ]


async def test_a_large_service_is_published_at_intervals() -> None:
    """Many changes within an interval are one publication, after it; their words are written at once."""
    world = World(capacity=2 * SMALL)
    members = [Member(InstanceAddress.parse(f"10.0.{n // 256}.{n % 256}:80")) for n in range(SMALL + 1)]
    world.apply(*members)
    for member in members:
        world.instances.set_health("api", member.address, Health.UNHEALTHY)
    assert set(world.memory.words.values()) == {Health.UNHEALTHY}
    assert len(world.memory.published) == 1
    world.now = PAUSE_NS
    await eventually(lambda: len(world.memory.published) == 2)
    world.now = 2 * PAUSE_NS
    world.instances.set_health("api", members[0].address, Health.HEALTHY)
    assert len(world.memory.published) == 3, "after a pause a change is published at once"
    world.instances.set_health("api", members[1].address, Health.HEALTHY)
    world.instances.remove("api")
