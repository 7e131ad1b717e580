"""Discovery as a whole, with names that are followed by the test."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.model import InstanceAddress
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.discovery.service import DiscoveryService
from tests.helpers.patience import eventually

FIXED = Member(InstanceAddress.parse("10.0.0.9:80"))
NAME = Member(InstanceAddress.parse("api.internal:80"))
FOUND = Member(InstanceAddress.parse("10.0.0.1:80"))


async def test_fixed_addresses_do_not_wait_for_names() -> None:
    """What stands in the file is reported at once; a name adds its members when it answers, and ends with close."""
    changes: list[tuple[str, tuple[Member, ...]]] = []
    report: list[Callable[[Sequence[Member]], None]] = []
    ended = asyncio.Event()

    async def watch(name: Member, found: Callable[[Sequence[Member]], None]) -> None:
        assert name == NAME
        report.append(found)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    service = DiscoveryService(lambda name, members: changes.append((name, members)), watch)
    service.set("api", [NAME, FIXED])
    assert changes == [("api", (FIXED,))]
    await eventually(lambda: report)
    report[0]([FOUND])
    report[0]([FOUND])
    assert changes[1:] == [("api", (FIXED, FOUND))]
    await service.close()
    assert ended.is_set()


class World:
    """Names that are resolved by the test."""

    def __init__(self) -> None:
        self.changes: list[tuple[Member, ...]] = []
        self.followed: dict[Member, Callable[[Sequence[Member]], None]] = {}
        self.service = DiscoveryService(lambda _, members: self.changes.append(members), self.watch)

    async def watch(self, name: Member, found: Callable[[Sequence[Member]], None]) -> None:
        """Follows a name until it is cancelled."""
        self.followed[name] = found
        try:
            await asyncio.Event().wait()
        finally:
            del self.followed[name]


async def test_a_name_keeps_what_it_led_to_when_its_service_changes() -> None:
    """The members behind it get the new weight at once, and the name is followed anew; twice in a row loses nothing."""
    world = World()
    world.service.set("api", [NAME])
    await eventually(lambda: NAME in world.followed)
    world.followed[NAME]([FOUND])
    for weight in (2, 3):
        name = replace(NAME, weight=weight)
        world.service.set("api", [FIXED, name])
        assert world.changes[-1] == (FIXED, replace(FOUND, weight=weight))
    await eventually(lambda: list(world.followed) == [name])
    await world.service.close()
    assert world.followed == {}


async def test_the_same_members_are_no_change() -> None:
    """Nothing is reported, and the names are followed by the same tasks."""
    world = World()
    world.service.set("api", [NAME, FIXED])
    await eventually(lambda: world.followed)
    followed = dict(world.followed)
    world.service.set("api", [NAME, FIXED])
    await asyncio.sleep(0)
    assert world.changes == [(FIXED,)]
    assert world.followed == followed
    await world.service.close()


async def test_a_removed_service_is_followed_no_more() -> None:
    """Its names are let go, and nothing is reported of it."""
    world = World()
    world.service.set("api", [NAME])
    await eventually(lambda: world.followed)
    world.service.remove("api")
    await eventually(lambda: not world.followed)
    assert world.changes == []
    await world.service.close()
