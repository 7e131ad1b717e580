"""When the members of services are published, with a memory that only takes notes and a clock turned by hand."""

from collections.abc import Sequence

from gateway.clock import NANOSECONDS
from gateway.supervisor.banks import PAUSE_NS, PAUSE_PER_COST, Banks
from tests.helpers.patience import eventually


class World:
    """Two services, in rows 5 and 6, and the memory that they are published in."""

    def __init__(self) -> None:
        self.now = 7 * NANOSECONDS
        self.cost = 0
        """How long a publication takes."""
        self.held = 0
        """Publications that find every bank in use."""
        self.slots = {"api": [0, 1], "web": [2]}
        self.published: list[tuple[int, list[int]]] = []
        self.banks = Banks(self, self.slots.__getitem__, lambda: self.now)
        self.banks.add("api", 5)
        self.banks.add("web", 6)

    def publish_members(self, service: int, slots: Sequence[int]) -> int:
        """Notes the members, unless the banks are held."""
        self.now += self.cost
        if self.held:
            self.held -= 1
            raise MemoryError
        self.published.append((service, list(slots)))
        return len(self.published)


async def test_the_first_flip_is_published_at_once_and_those_of_the_next_moment_together() -> None:
    """With the members as they are at the end of that moment; another service has a moment of its own."""
    world = World()
    world.banks.refresh("api")
    assert world.published == [(5, [0, 1])]
    for _ in range(1_000):
        world.banks.refresh("api")
    world.banks.refresh("web")
    assert world.published[1:] == [(6, [2])]
    world.slots["api"] = [0]
    await eventually(lambda: len(world.published) == 3)
    assert world.published[2:] == [(5, [0])]


async def test_a_flip_after_a_moment_of_peace_is_published_at_once() -> None:
    """The moment begins when the publication has ended, and is longer where that took long."""
    world = World()
    world.cost = PAUSE_NS
    world.banks.refresh("api")
    world.now += PAUSE_PER_COST * PAUSE_NS - 1
    world.banks.refresh("api")
    assert len(world.published) == 1
    world.banks.close()
    world.now += 1
    world.banks.refresh("api")
    assert len(world.published) == 2


async def test_other_members_wait_for_nothing() -> None:
    """They are published with the flips that were to follow, which then need no publication of their own."""
    world = World()
    world.banks.refresh("api")
    world.banks.refresh("api")
    world.slots["api"] = [3]
    assert world.banks.publish("api") == 2
    assert world.published[1:] == [(5, [3])]
    world.now += PAUSE_NS
    world.banks.refresh("api")  # at once: nothing was scheduled any more
    assert len(world.published) == 3


async def test_a_publication_that_finds_every_bank_in_use_is_made_later() -> None:
    """Its epoch is the least it can have; a flip meanwhile does not try again by itself."""
    world = World()
    world.held = 1
    assert world.banks.publish("api") == 1
    world.slots["api"] = [0]
    world.banks.refresh("api")
    assert world.published == []
    await eventually(lambda: world.published == [(5, [0])])


async def test_after_close_nothing_is_published() -> None:
    """What was scheduled is forgotten."""
    world = World()
    world.banks.refresh("api")
    world.banks.refresh("api")
    world.banks.close()
    world.banks.refresh("web")
    world.banks.refresh("web")
    await eventually(lambda: len(world.published) == 3)
    assert [row for row, _ in world.published] == [5, 6, 6]
