"""What the supervisor does about instances that fail, with a memory that only takes notes and a clock turned by hand."""

import logging
from dataclasses import replace

import pytest

from gateway.clock import NANOSECONDS
from gateway.config.units import Share
from gateway.model import HEALTH_EJECTED_BIT, Health, InstanceAddress
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.health.ejection import Policy
from gateway.supervisor.health.ejections import Ejections
from gateway.supervisor.instances import Instances, Places
from gateway.supervisor.slots import AGE_NS
from tests.helpers.patience import eventually
from tests.unit.supervisor.test_instances import Memory

S = NANOSECONDS
POLICY = Policy(5, 10 * S, 300 * S, Share(50))
A, B, C = (Member(InstanceAddress.parse(f"10.0.0.{number}:80")) for number in (1, 2, 3))


class World:
    """A service of two instances."""

    def __init__(self) -> None:
        self.now = 1_000 * S
        self.memory = Memory()
        self.instances = Instances(self.memory, self.memory, 8, lambda: self.now)
        self.ejections = Ejections(self.instances, clock=lambda: self.now, draw=lambda: 0.5)
        self.instances.set("api", Places({(): 5}))
        self.ejections.set("api", POLICY)
        self.apply(A, B)

    def apply(self, *members: Member) -> None:
        """Discovery finds these."""
        came, _ = self.instances.apply("api", members)
        for instance in came:
            self.ejections.came(instance)

    def fail(self, slot: int = 0, failures: int = 5) -> None:
        """An instance has failed so often in a row."""
        self.memory.failures[slot] = failures
        self.ejections.look()

    def look(self, after_s: float = 0) -> None:
        """Some time later."""
        self.now += round(after_s * S)
        self.ejections.look()

    def out(self) -> list[int]:
        """The slots of the ejected."""
        return [slot for slot, word in self.memory.words.items() if word & HEALTH_EJECTED_BIT]

    def level(self) -> int | None:
        """How much longer the next ejection of A is; None when nothing is known of it."""
        record = self.ejections.record("api", A.address)
        return None if record is None else record.standing.level


def test_five_failures_in_a_row_and_the_way_back(caplog: pytest.LogCaptureFixture) -> None:
    """The instance is out for its time, comes back with a clean record, and each of both is one line of the log."""
    caplog.set_level(logging.INFO)
    world = World()
    world.fail(failures=4)
    assert world.out() == []
    world.fail()
    assert world.out() == [0]
    world.look(9.9)
    assert world.out() == [0]
    world.look(0.2)
    assert world.out() == []
    assert world.memory.failures == {}, "what it did before says nothing about what it does now"
    world.look(1)
    assert [record.getMessage() for record in caplog.records] == [
        "service api: 10.0.0.1:80 is ejected for 10.0 s: 5 failures in a row",
        "service api: 10.0.0.1:80 is not ejected any more: its time is over",
    ]
    record = world.ejections.record("api", A.address)
    assert record is not None
    assert record.count == 1


def test_the_last_one_stays() -> None:
    """Until another one can serve; it is ejected then if it goes on failing."""
    world = World()
    world.instances.set_health("api", B.address, Health.UNHEALTHY)
    world.fail(failures=500)
    assert world.out() == []
    world.instances.set_health("api", B.address, Health.HEALTHY)
    world.look(0.1)
    assert world.out() == [0]


def test_an_instance_that_is_out_already_is_not_ejected(caplog: pytest.LogCaptureFixture) -> None:
    """What an unhealthy one fails with its last requests is forgotten, and does not count when it is healthy again."""
    world = World()
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    world.fail(failures=50)
    world.instances.set_health("api", A.address, Health.HEALTHY)
    world.look(0.1)
    assert world.out() == []
    assert not caplog.records


def test_one_without_weight_serves_nobody() -> None:
    """It gets no requests, so the other one is the last."""
    world = World()
    world.apply(A, Member(B.address, weight=0))
    world.fail()
    assert world.out() == []


def test_one_that_an_operator_took_out_serves_nobody() -> None:
    """The other one is the last that could."""
    world = World()
    world.apply(replace(A, disabled=True), B)
    world.fail(1)
    assert world.out() == []


def test_health_goes_its_own_way_meanwhile() -> None:
    """An ejected instance that fails its checks is unhealthy after its ejection."""
    world = World()
    world.fail()
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    assert world.memory.words[0] == Health.UNHEALTHY | HEALTH_EJECTED_BIT
    world.look(11)
    assert world.memory.words[0] == Health.UNHEALTHY


def test_good_checks_end_an_ejection() -> None:
    """As many in a row as the policy says; checks of an instance that is not ejected change nothing."""
    world = World()
    world.ejections.set("api", Policy(5, 10 * S, 300 * S, Share(50), rise=2))
    world.ejections.checked("api", A.address, passed=True)
    world.fail()
    for passed, out in ((True, [0]), (False, [0]), (True, [0]), (True, [])):
        world.ejections.checked("api", A.address, passed=passed)
        world.look(0.1)
        assert world.out() == out


def test_the_next_one_is_longer_and_time_forgives() -> None:
    """An instance that fails again at once is out for twice as long; one that stays well starts from the beginning."""
    world = World()
    world.fail()
    world.look(10)
    world.fail()
    assert world.level() == 2
    world.look(19)
    assert world.out() == [0]
    world.look(1)
    assert (world.out(), world.level()) == ([], 2)
    world.look(30)
    assert world.level() == 0


def test_discovery_may_take_an_ejected_instance_away_and_bring_it_back() -> None:
    """Its clock goes on meanwhile; while it is away it is no part of the share."""
    world = World()
    world.fail()
    world.apply(B, C)
    world.fail(slot=2)
    assert world.out() == [0, 2]
    world.apply(A, B, C)
    world.look(0.1)
    assert len(world.out()) == 1, "of three instances one may be out"
    world.apply(B, C)
    world.now += 11 * S
    world.apply(A, B, C)
    assert 0 not in world.out(), "without another look"
    assert world.level() == 1


def test_what_is_known_of_an_instance_that_is_gone_ages_out() -> None:
    """As its slot does, so that instances that come and go do not fill the memory; one that is there is remembered."""
    world = World()
    world.fail()
    world.look(11)
    world.look(2 * AGE_NS / S)
    assert world.level() == 0
    world.apply(B)
    world.look(AGE_NS / S - 1)
    assert world.level() == 0
    world.look(1)
    assert world.level() is None


def test_a_record_that_is_lost_leaves_nobody_out() -> None:
    """An instance that returns ejected, and of which nothing is known, is given back."""
    world = World()
    world.fail()
    world.apply(B)
    world.look(AGE_NS / S)
    world.memory.held = 0
    world.apply(A, B)
    assert world.out() == []


def test_a_service_that_wants_no_ejections(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is out comes back at once, nobody is ejected any more, and the counter stays."""
    caplog.set_level(logging.INFO)
    world = World()
    world.fail()
    world.ejections.set("api", None)
    assert world.out() == []
    assert "10.0.0.1:80 is not ejected any more: passive checks are switched off" in caplog.text
    world.fail(failures=50)
    world.look(2 * AGE_NS / S)
    assert world.out() == []
    record = world.ejections.record("api", A.address)
    assert record is not None
    assert record.count == 1


def test_a_service_that_goes_and_returns() -> None:
    """Nobody looks at it meanwhile, and what is known of its instances is kept."""
    world = World()
    world.fail()
    world.instances.remove("api")
    world.ejections.remove("api")
    world.look(1)
    world.instances.set("api", Places({(): 5}))
    world.ejections.set("api", POLICY)
    world.apply(A, B)
    assert world.out() == [0]
    world.look(9)
    assert world.out() == []


def test_ejections_are_switched_off_while_an_instance_is_away() -> None:
    """It is not ejected when it comes back, and nobody has to look for that."""
    world = World()
    world.fail()
    world.apply(B)
    world.ejections.set("api", None)
    world.apply(A, B)
    assert world.out() == []
    record = world.ejections.record("api", A.address)
    assert record is not None
    assert record.standing.until is None


async def test_it_looks_by_itself() -> None:
    """From start to stop."""
    world = World()
    world.memory.failures[0] = 5
    world.ejections.start()
    await eventually(lambda: world.out() == [0])
    await world.ejections.stop()
    await world.ejections.stop()
