"""When the rings of hashed and sticky services are drawn, and of whom."""

from dataclasses import replace

import pytest

from gateway.model import Health, InstanceAddress
from gateway.supervisor import rings
from gateway.supervisor.instances import Places
from gateway.supervisor.rings import NO_ROOM_NS, PAUSE_NS, PAUSE_PER_MEMBER_NS, Ring
from tests.helpers.patience import eventually
from tests.unit.supervisor.test_instances import A, B, C, World

ROW = 5
HASHED = Places({(): ROW}, ring=Ring.KEYS)
STICKY = Places({(): ROW}, ring=Ring.IDENTITIES)


class Ringed(World):
    """A service with a ring; each change comes when its pause is over."""

    def __init__(self, places: Places = HASHED) -> None:
        super().__init__(capacity=1000)
        self.set(places)

    def pass_pause(self) -> None:
        """Turns the clock so far that the next change is published at once."""
        self.now += PAUSE_NS

    def set(self, places: Places) -> None:
        """Other places for the service."""
        self.pass_pause()
        self.instances.set("api", places)
        self.pass_pause()


def test_a_ring_is_drawn_of_members_and_not_of_health() -> None:
    """At the first member, and whenever another comes, goes or weighs more."""
    world = Ringed()
    world.apply(A, B)
    assert world.memory.rings == [(ROW, [0, 1], False)]
    world.pass_pause()
    published = len(world.memory.published)
    world.instances.set_health("api", A.address, Health.UNHEALTHY)
    assert (len(world.memory.published), len(world.memory.rings)) == (published + 1, 1)
    world.pass_pause()
    world.apply(A, B, C)
    world.pass_pause()
    world.apply(replace(A, weight=7), B, C)
    world.pass_pause()
    world.apply(A, C)
    assert world.memory.rings[1:] == [(ROW, [0, 1, 2], False), (ROW, [0, 1, 2], False), (ROW, [0, 2], False)]
    world.pass_pause()
    world.apply(replace(A, max_in_flight=3), C)
    assert len(world.memory.rings) == 4, "a cap is nothing to a ring"


@pytest.mark.parametrize(("places", "standing"), [(HASHED, [0]), (STICKY, [0, 1])])
def test_backups_have_no_keys_and_keep_their_clients(places: Places, standing: list[int]) -> None:
    """A backup is on no ring of keys, but it is found by its identity; who has no weight is on neither."""
    world = Ringed(places)
    world.apply(A, replace(B, backup=True), replace(C, weight=0))
    assert world.memory.rings == [(ROW, standing, places is STICKY)]


def test_a_ring_follows_what_the_service_is() -> None:
    """It is drawn anew for another purpose, and withdrawn without one or without members."""
    world = Ringed(Places({(): ROW}))
    world.apply(A)
    assert world.memory.rings == []
    world.set(HASHED)
    world.set(STICKY)
    world.set(Places({(): ROW}))
    world.set(HASHED)
    world.instances.remove("api")
    assert world.memory.rings == [
        (ROW, [0], False),
        (ROW, [0], True),
        (ROW, [], False),
        (ROW, [0], False),
        (ROW, [], False),
    ]


def test_each_subset_has_a_ring_of_its_own() -> None:
    """Those who have its labels stand there, and change it alone."""
    new = (("version", "v2"),)
    world = Ringed(Places({(): ROW, new: ROW + 1}, ring=Ring.KEYS))
    world.apply(A, replace(B, labels=new))
    assert world.memory.rings == [(ROW, [0, 1], False), (ROW + 1, [1], False)]
    world.pass_pause()
    world.apply(A, replace(B, labels=new), C)
    assert world.memory.rings[2:] == [(ROW, [0, 1, 2], False)]


async def test_rings_are_drawn_at_intervals() -> None:
    """Many changes within an interval are one ring, after it."""
    world = Ringed()
    world.apply(A)
    world.apply(A, B)
    world.apply(B)
    world.apply(B, C)
    assert world.memory.rings == [(ROW, [0], False)]
    world.pass_pause()
    await eventually(lambda: len(world.memory.rings) == 2)
    assert world.memory.rings[1] == (ROW, [1, 2], False)
    assert len(world.memory.published) >= 5, "the members are published with every change"
    world.apply(A, B, C)
    world.instances.close()
    world.pass_pause()
    world.apply(B)
    assert world.memory.rings[2:] == [(ROW, [1], False)], "what was due is not drawn after the end"


async def test_large_rings_take_their_time() -> None:
    """The pause grows with the members, so that drawing stays a small part of the time."""
    world = Ringed()
    members = [
        replace(A, address=InstanceAddress.parse(f"10.1.{n // 256}.{n % 256}:80")) for n in range(1000)
    ]
    world.apply(*members[:-1])
    world.now += PAUSE_NS
    world.apply(*members)
    assert len(world.memory.rings) == 1
    world.now += 1000 * PAUSE_PER_MEMBER_NS
    await eventually(lambda: len(world.memory.rings) == 2)


async def test_a_ring_without_room_is_drawn_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one stays for a while, and is withdrawn before it could name a slot with another occupant."""
    monkeypatch.setattr(rings, "RETRY_S", 0.0001)
    world = Ringed()
    world.apply(A)
    monkeypatch.setattr(rings, "PAUSE_PER_MEMBER_NS", 0)
    monkeypatch.setattr(rings, "PAUSE_NS", 0)  # the clock stands still while it is tried again
    world.memory.rings_held = 3
    world.apply(A, B)
    published = len(world.memory.published)
    await eventually(lambda: len(world.memory.rings) == 2)
    assert len(world.memory.published) == published, (
        "the members wait for no ring, and are not published with each try"
    )
    assert world.memory.rings[1:] == [(ROW, [0, 1], False)]
    world.memory.rings_held = 1000
    world.apply(A, B, C)
    await eventually(lambda: world.memory.rings_held < 990)
    world.now += NO_ROOM_NS - 1
    await eventually(lambda: world.memory.rings_held < 980)
    assert len(world.memory.rings) == 2
    world.now += 1
    world.memory.rings_held = 3
    await eventually(lambda: len(world.memory.rings) == 4)
    assert world.memory.rings[2:] == [(ROW, [], False), (ROW, [0, 1, 2], False)]
