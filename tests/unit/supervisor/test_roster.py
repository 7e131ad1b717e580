"""Services that come, change and go, with a memory that only takes notes and probes that answer as they are told."""

import asyncio

from gateway.clock import NANOSECONDS
from gateway.config.load import parse
from gateway.config.schema import Service
from gateway.model import HEALTH_EJECTED_BIT, Health, InstanceAddress
from gateway.supervisor.health.policy import Outcome
from gateway.supervisor.health.prober import Check, Finding
from gateway.supervisor.instances import Instances
from gateway.supervisor.roster import SERVICES_A_TURN, Roster
from tests.helpers.patience import eventually
from tests.unit.supervisor.test_instances import Memory

A, B = (InstanceAddress.parse(f"10.0.0.{number}:80") for number in (1, 2))
BANKS = {"api": {(): 0}, "web": {(): 1}}


def _service(name: str = "api", more: str = "", *, other: bool = False) -> dict[str, Service]:
    instances = f'["{A}", "{B}"]' if other else f'["{A}"]'
    text = f'[[listen]]\naddress = "127.0.0.1:80"\n[services.{name}]\ninstances = {instances}\n{more}\n'
    return parse(f'{text}[[routes]]\nservice = "{name}"\n', "test", {}).services


class World:
    """A roster without a network."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.memory = Memory()
        self.now = 0
        self.findings: list[Finding] = []
        self.roster = Roster(
            Instances(self.memory, self.memory, 256, lambda: 0),
            probe=self.probe,
            watch=lambda *_: asyncio.sleep(0),
            clock=lambda: self.now,
            draw=lambda: 0.5,
        )

    async def probe(self, address: InstanceAddress, check: Check) -> Finding:
        """The next finding of the list; waits for ever at its end."""
        assert address in {A, B}
        self.checks.append(check)
        if not self.findings:
            await asyncio.Event().wait()
        return self.findings.pop(0)

    def health(self) -> Health:
        """What the memory holds for the first instance."""
        return Health(self.memory.words[0])


async def test_what_does_not_change_is_left_alone() -> None:
    """The same service twice is written once and checked by the same task."""
    world = World()
    for _ in range(2):
        await world.roster.set(_service(more='health = { path = "/a" }'), BANKS, None)
    await eventually(lambda: world.checks)
    await asyncio.sleep(0)
    assert [check.path for check in world.checks] == ["/a"]
    assert len(world.memory.written) == 1
    await world.roster.close()


async def test_a_check_comes_changes_and_goes() -> None:
    """Each change takes effect at once; without a check nobody is held to be unhealthy."""
    world = World()
    await world.roster.set(_service(), BANKS, None)
    await world.roster.set(_service(more='health = { path = "/a" }'), BANKS, None)
    await eventually(lambda: len(world.checks) == 1)
    await world.roster.set(_service(more='health = { path = "/b" }'), BANKS, None)
    await eventually(lambda: len(world.checks) == 2)
    assert [check.path for check in world.checks] == ["/a", "/b"]
    world.roster.instances.set_health("api", A, Health.UNHEALTHY)
    await world.roster.set(_service(), BANKS, None)
    assert world.health() is Health.UNKNOWN
    await world.roster.close()


async def test_a_service_goes_only_when_that_is_said() -> None:
    """Until then it stays beside the new one, for requests that were led to it before."""
    world = World()
    await world.roster.set(_service(), BANKS, None)
    await world.roster.set(_service("web"), BANKS, None)
    assert world.roster.instances.services() == ["api", "web"]
    await world.roster.remove_all_but(_service("web"))
    assert world.roster.instances.services() == ["web"]
    assert world.memory.published[-1] == (0, [])
    await world.roster.close()


async def test_many_services_do_not_hold_up_the_loop() -> None:
    """Whatever else there is to do gets its turn while they are taken and while they are removed."""
    world = World()
    services = {f"s{number}": _service()["api"] for number in range(4 * SERVICES_A_TURN)}
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await world.roster.set(services, {name: {(): number} for number, name in enumerate(services)}, None)
    assert turns >= 4
    before = turns
    await world.roster.remove_all_but({})
    assert turns >= before + 4
    task.cancel()
    await world.roster.close()


def _ejected(world: World, failures: int = 5) -> None:
    """The first of two instances fails so often, and the supervisor looks."""
    world.memory.failures[0] = failures
    world.roster.ejections.look()
    assert world.memory.words[0] == Health.UNKNOWN | HEALTH_EJECTED_BIT


async def test_an_instance_that_fails_is_ejected_as_the_service_says() -> None:
    """By the defaults unless the service has others; a service that wants none gives back who is out."""
    world = World()
    await world.roster.set(_service(other=True), BANKS, None)
    _ejected(world)
    await world.roster.set(_service(more="passive = false", other=True), BANKS, None)
    assert world.memory.words[0] == Health.UNKNOWN
    await world.roster.set(_service(more="passive = { failures = 2 }", other=True), BANKS, None)
    _ejected(world, failures=2)
    await world.roster.close()


async def test_good_checks_end_an_ejection() -> None:
    """As many in a row as let an unhealthy instance in again."""
    world = World()
    check = 'health = { interval = "100ms", rise = 2 }'
    await world.roster.set(_service(more=check, other=True), BANKS, None)
    await eventually(lambda: len(world.checks) == 2)
    _ejected(world)
    passed = Finding(Outcome.PASSED, "status 200")
    for findings, is_out in (([passed], True), ([passed, passed], False)):
        await world.roster.set(_service(other=True), BANKS, None)
        world.findings = [*findings, *findings]
        await world.roster.set(_service(more=check, other=True), BANKS, None)
        await eventually(lambda: not world.findings)
        await asyncio.sleep(0)
        world.roster.ejections.look()
        assert bool(world.memory.words[0] & HEALTH_EJECTED_BIT) == is_out
    await world.roster.close()


async def test_an_ejected_instance_that_leaves_and_returns_is_ejected() -> None:
    """Until its time is over, whether it is there or not."""
    world = World()
    await world.roster.set(_service(other=True), BANKS, None)
    _ejected(world)
    for _ in range(2):
        await world.roster.remove_all_but({})
        await world.roster.set(_service(other=True), BANKS, None)
        assert world.memory.words[0] & HEALTH_EJECTED_BIT
    world.now = 11 * NANOSECONDS
    world.roster.ejections.look()
    assert world.memory.words[0] == Health.UNKNOWN
    await world.roster.close()
