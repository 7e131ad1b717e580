"""Services that come, change and go, with a memory that only takes notes and probes that never answer."""

import asyncio

from gateway.config.load import parse
from gateway.config.schema import Service
from gateway.model import Health, InstanceAddress
from gateway.supervisor.health.prober import Check, Finding
from gateway.supervisor.instances import Instances
from gateway.supervisor.roster import SERVICES_A_TURN, Roster
from tests.helpers.patience import eventually
from tests.unit.supervisor.test_instances import Memory

A = InstanceAddress.parse("10.0.0.1:80")
ROWS = {"api": 0, "web": 1}


def _service(name: str = "api", more: str = "") -> dict[str, Service]:
    text = f'[[listen]]\naddress = "127.0.0.1:80"\n[services.{name}]\ninstances = ["{A}"]\n{more}\n'
    return parse(f'{text}[[routes]]\nservice = "{name}"\n', "test", {}).services


class World:
    """A roster without a network."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.memory = Memory()
        self.roster = Roster(
            Instances(self.memory, self.memory, 256, lambda: 0),
            probe=self.probe,
            watch=lambda *_: asyncio.sleep(0),
            draw=lambda: 0.5,
        )

    async def probe(self, address: InstanceAddress, check: Check) -> Finding:
        """Waits for ever."""
        assert address == A
        self.checks.append(check)
        await asyncio.Event().wait()
        raise AssertionError

    def health(self) -> Health:
        """What the memory holds for the first instance."""
        return Health(self.memory.words[0])


async def test_what_does_not_change_is_left_alone() -> None:
    """The same service twice is written once and checked by the same task."""
    world = World()
    for _ in range(2):
        await world.roster.set(_service(more='health = { path = "/a" }'), ROWS)
    await eventually(lambda: world.checks)
    await asyncio.sleep(0)
    assert [check.path for check in world.checks] == ["/a"]
    assert len(world.memory.written) == 1
    await world.roster.close()


async def test_a_check_comes_changes_and_goes() -> None:
    """Each change takes effect at once; without a check nobody is held to be unhealthy."""
    world = World()
    await world.roster.set(_service(), ROWS)
    await world.roster.set(_service(more='health = { path = "/a" }'), ROWS)
    await eventually(lambda: len(world.checks) == 1)
    await world.roster.set(_service(more='health = { path = "/b" }'), ROWS)
    await eventually(lambda: len(world.checks) == 2)
    assert [check.path for check in world.checks] == ["/a", "/b"]
    world.roster.instances.set_health("api", A, Health.UNHEALTHY)
    await world.roster.set(_service(), ROWS)
    assert world.health() is Health.UNKNOWN
    await world.roster.close()


async def test_a_service_goes_only_when_that_is_said() -> None:
    """Until then it stays beside the new one, for requests that were led to it before."""
    world = World()
    await world.roster.set(_service(), ROWS)
    await world.roster.set(_service("web"), ROWS)
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
    await world.roster.set(services, {name: number for number, name in enumerate(services)})
    assert turns >= 4
    before = turns
    await world.roster.remove_all_but({})
    assert turns >= before + 4
    task.cancel()
    await world.roster.close()
