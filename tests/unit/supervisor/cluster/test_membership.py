"""Sharing limits begins, changes and ends with the configuration."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.config.load import parse
from gateway.config.schema import Cluster, Config
from gateway.model import Unreachable
from gateway.supervisor.cluster.bucket import SharedLimit, Take, Taken
from gateway.supervisor.cluster.membership import Membership, shared_limits
from gateway.supervisor.cluster.store import StoreError
from tests.helpers import eventually
from tests.unit.supervisor.cluster.world import MOST, ROW, Clock, Workers

LIMITS = {ROW: SharedLimit("limit", 1000, 10, Unreachable.OPEN)}


@dataclass
class Watched(Workers):
    """Workers that remember what credit they had."""

    credits: list[int] = field(default_factory=list)

    def set_credit(self, row: int, tokens: int, *, waits: bool) -> None:
        """One more."""
        super().set_credit(row, tokens, waits=waits)
        self.credits.append(tokens)


class Store:
    """One that is not there, and says when it is closed."""

    def __init__(self, *, spoiled: bool = False) -> None:
        self.closed = False
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.asked = 0
        self._spoiled = spoiled

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """Nothing."""
        raise StoreError("away")

    async def members(self) -> int:
        """Nobody; the first time, where it is spoiled, in a way that nobody expects."""
        self.asked += 1
        if self._spoiled and self.asked == 1:
            raise ZeroDivisionError
        raise StoreError("away")

    async def close(self) -> None:
        """Done, when it may."""
        await self.may_close.wait()
        self.closed = True


def settings(port: int) -> Cluster:
    """A Redis at this port."""
    return Cluster.model_validate({"redis": f"127.0.0.1:{port}"})


def configured() -> Config:
    """Limits of all kinds, of a route and a service."""
    return parse(
        """
        [cluster]
        redis = "127.0.0.1:6379"
        [[listen]]
        address = "127.0.0.1:0"
        [services.api]
        instances = ["127.0.0.1:1"]
        limit = { rate = "60/m", burst = 10, cost = 4, scope = "cluster", unreachable = "closed" }
        [[routes]]
        name = "all"
        service = "api"
        limit = [
          { name = "own", rate = "1/s" },
          { name = "said", rate = "1000/s", cost = { response_header = "X-Cost" }, scope = "cluster" },
        ]
        """,
        "file",
        {},
    )


def test_shared_limits_are_counted_in_requests() -> None:
    """One that takes four tokens is four times slower; where answers tell, tokens count. Others are nobody else's business."""
    rows = {("routes", "all", "said"): 1, ("services", "api", "default"): 2}
    assert shared_limits(configured(), lambda *limit: rows[limit]) == {
        1: SharedLimit("routes/all/said", 1000, 1000, Unreachable.LOCAL),
        2: SharedLimit("services/api/default", 4_000_000, 2.5, Unreachable.CLOSED),
    }


async def test_it_begins_changes_and_ends() -> None:
    """A store is made only for settings that differ, and each is closed when the next takes its place."""
    made: list[Store] = []

    def connect(_: Cluster) -> Store:
        made.append(Store())
        return made[-1]

    workers = Workers(Clock(), low=0)
    membership = Membership(workers, connect, clock=lambda: 1, most_in_stock=MOST)
    assert membership.report() is None
    first, second = settings(1), settings(2)
    membership.adopt(first, membership.prepare(first), LIMITS)
    await eventually(lambda: made[0].asked)
    report = membership.report()
    assert report is not None
    assert (report.servers, report.reachable) == (("127.0.0.1:1",), False)
    assert workers.credit == MOST
    assert membership.prepare(first) is None
    membership.adopt(first, None, LIMITS)
    assert (len(made), made[0].closed) == (1, False)
    membership.adopt(second, membership.prepare(second), LIMITS)
    await eventually(lambda: made[0].closed)
    assert not made[1].closed
    membership.adopt(None, membership.prepare(None), {})
    assert (made[1].closed, membership.report() is None, workers.credit) == (False, False, MOST)
    membership.retire(None, {})
    assert (membership.report(), workers.credit) == (None, 0)
    await membership.close()
    assert made[1].closed


async def test_moving_off_a_store_that_is_away_leaves_nobody_without_credit() -> None:
    """Its limits go by their rule until the other store answers, however long the end of the first takes."""
    made = [Store(), Store()]
    waiting = iter(made)
    workers = Watched(Clock(), low=0)
    membership = Membership(workers, lambda _: next(waiting), clock=lambda: 1, most_in_stock=MOST)
    first, second = settings(1), settings(2)
    membership.adopt(first, membership.prepare(first), LIMITS)
    await eventually(lambda: workers.credit == MOST)
    made[0].may_close.clear()
    workers.credits.clear()
    membership.adopt(second, membership.prepare(second), {})
    report = membership.report()
    assert report is not None
    assert report.servers == ("127.0.0.1:2",)
    await eventually(lambda: made[1].asked)
    assert set(workers.credits) == {MOST}
    assert not made[0].closed
    membership.retire(second, {})
    assert workers.credits.pop() == 0
    stopping = asyncio.create_task(membership.close())
    await eventually(lambda: made[1].closed)
    assert not stopping.done()
    made[0].may_close.set()
    await stopping
    assert made[0].closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_bug_ends_no_gateway() -> None:
    """It is logged, and the service begins anew."""
    store = Store(spoiled=True)
    membership = Membership(Workers(Clock(), low=0), lambda _: store, clock=lambda: 1, most_in_stock=MOST)
    first = settings(1)
    membership.adopt(first, membership.prepare(first), LIMITS)
    await eventually(lambda: store.asked >= 2)
    await membership.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
