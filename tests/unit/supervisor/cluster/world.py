"""Several gateways and one Redis in one process, with a clock turned by hand: what was admitted can be counted exactly."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import floor

from gateway.clock import NANOSECONDS
from gateway.model import Unreachable
from gateway.supervisor.cluster.bucket import SharedLimit, Take, Taken
from gateway.supervisor.cluster.lease import RETRY_NS
from gateway.supervisor.cluster.service import GREETING_S, ClusterService, Tally
from gateway.supervisor.cluster.store import StoreError

STEP_NS = 1_000_000
TURN_STEPS = 5
GREETING_STEPS = round(GREETING_S * NANOSECONDS / STEP_NS)
RETRY_STEPS = RETRY_NS // STEP_NS
UNANSWERED_NS = 2 * NANOSECONDS
MOST = 1 << 27
ROW = 3


@dataclass(slots=True)
class Clock:
    """Monotonic nanoseconds."""

    now: int = NANOSECONDS


class Server:
    """Redis with the script, written a second time as plainly as possible."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tats: dict[str, float] = {}
        self.gateways: set[str] = set()
        self.is_up = True
        self.slowness_ns = 0

    def take(self, take: Take) -> Taken:
        """As ``take.lua``, in microseconds."""
        limit, name, now = take.bucket.limit, take.bucket.name, self.clock.now / 1000
        interval = limit.interval_us
        latest = now + limit.burst * interval
        tat = max(max(self.tats.get(name, now), now) + take.used * interval, now)
        tat = min(tat, latest + limit.burst * interval)
        granted = max(0, min(take.wanted, floor((latest - tat) / interval + 1e-6)))
        tat += granted * interval
        self.tats[name] = tat
        wait = tat + interval - latest if take.wanted and not granted else 0
        return Taken(granted, max(0, round(wait)), max(0, floor((latest - tat) / interval + 1e-6)))


class Link:
    """One gateway's way to the server."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.round_trips = 0

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """All of them, or an error."""
        self._require()
        self.round_trips += 1
        return [self.server.take(take) for take in takes]

    async def members(self) -> int:
        """Those that were ever there."""
        self._require()
        self.server.gateways.add(self.name)
        return len(self.server.gateways)

    async def close(self) -> None:
        """Not counted any more."""
        self.server.gateways.discard(self.name)

    def _require(self) -> None:
        if not self.server.is_up:
            raise StoreError("away")


@dataclass(slots=True)
class Stock:
    """One bucket in shared memory."""

    until: int
    balance: int = 0
    credit: bool = True
    wanted: bool = False


@dataclass(slots=True)
class Waiter:
    """A request, and what it waits for."""

    keys: tuple[int, ...]
    since: int
    told: set[int] = field(default_factory=set)
    """Of these the keeper knows that it waits."""


@dataclass
class Workers:
    """The data path of one gateway, as the engine has it, written a second time. Implements ``Stocks``."""

    clock: Clock
    low: int
    stocks: dict[int, Stock] = field(default_factory=dict)
    credit: int = 0
    waits: bool = False
    admitted: int = 0
    refused: int = 0
    announced: list[int] = field(default_factory=list)
    waiting: list["Waiter"] = field(default_factory=list)
    """Requests that wait for an answer, in the order in which they came."""
    delays: list[int] = field(default_factory=list)
    """How long those had waited that got one."""

    def request(self, *keys: int) -> bool:
        """A request that costs a token of each; it may wait for them."""
        waiter = Waiter(keys, self.clock.now)
        answer = self._charge(waiter)
        if answer is None:
            self.waiting.append(waiter)
        return answer is True

    def _charge(self, waiter: "Waiter") -> bool | None:
        """Takes a token of each or none, in which case all are told of that are awaited. None: it is to wait."""
        looks = {key: self._look(self._stock(key)) for key in waiter.keys}
        if False in looks.values():
            self.refused += 1
            if len(waiter.keys) == 1:  # of several the engine writes to none
                self._tell(waiter.keys[0], when=False)
            return False
        awaited = {key for key, met in looks.items() if met is None}
        for key in awaited:
            self._tell(key, when=key not in waiter.told)
        waiter.told = awaited
        if awaited:
            return None
        for key in waiter.keys:
            self._stock(key).balance -= 1
            self._tell(key, when=False)
        self.admitted += 1
        return True

    def _stock(self, key: int) -> Stock:
        stock = self.stocks.get(key)
        if stock is None or stock.until <= self.clock.now:
            owed = min(0, stock.balance) if stock is not None else 0
            stock = self.stocks[key] = Stock(self.clock.now + UNANSWERED_NS, owed)
        return stock

    def _look(self, stock: Stock) -> bool | None:
        met = self.credit >= MOST or stock.balance > (-self.credit if stock.credit else 0)
        return None if not met and self.waits and stock.credit else met

    def _tell(self, key: int, *, when: bool) -> None:
        """The keeper hears of a stock at its mark once, and otherwise ``when`` it is said."""
        stock = self._stock(key)
        if stock.balance <= self.low and (when or not stock.wanted):
            stock.wanted = True
            self.announced.append(key)

    def wake(self) -> None:
        """Everybody asks again."""
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            if self._charge(waiter) is None:
                self.waiting.append(waiter)
            else:
                self.delays.append(self.clock.now - waiter.since)

    def wanted(self, most: int) -> Iterable[tuple[int, int]]:
        """Those at their mark."""
        heard, self.announced = self.announced[:most], self.announced[most:]
        return [(key, ROW) for key in heard]

    def balance(self, key: int, _now: int) -> int | None:
        """What is left."""
        return self.stocks[key].balance if key in self.stocks else None

    def settle(self, key: int, tokens: int, *, credit: bool, quiet: bool, until: int, now: int) -> int | None:
        """More."""
        stock = self.stocks.get(key)
        if stock is None:
            return None
        held = stock.balance if stock.until > now else min(0, stock.balance)
        self.stocks[key] = Stock(until, held + tokens, credit, quiet)
        return held + tokens

    def take_back(self, key: int, _now: int) -> int:
        """All."""
        stock = self.stocks.pop(key, None)
        return stock.balance if stock is not None else 0

    def set_credit(self, row: int, tokens: int, *, waits: bool) -> None:
        """For all of the one limit."""
        assert row == ROW
        self.credit, self.waits = tokens, waits


class World:
    """Gateways that share one limit, of many keys."""

    def __init__(
        self,
        gateways: int,
        per_second: float,
        burst: float,
        unreachable: Unreachable = Unreachable.LOCAL,
        *,
        strict: bool = False,
    ) -> None:
        self.clock = Clock()
        self.server = Server(self.clock)
        self.limit = SharedLimit("limit", 1_000_000 / per_second, burst, unreachable, strict)
        self.workers = [Workers(self.clock, int(per_second * 0.005)) for _ in range(gateways)]
        self.links = [Link(self.server, str(number)) for number in range(gateways)]
        self.services = [
            ClusterService(
                link,
                workers,
                {ROW: self.limit},
                clock=lambda: self.clock.now,
                most_in_stock=MOST,
                tally=Tally(),
            )
            for link, workers in zip(self.links, self.workers, strict=True)
        ]
        self._steps = 0

    @property
    def admitted(self) -> int:
        """By all gateways together."""
        return sum(workers.admitted for workers in self.workers)

    async def run(
        self, seconds: float, rates: Sequence[int], draw: random.Random, *, keys: int = 1
    ) -> list[int]:
        """Load of so many requests a second at each gateway; what each admitted meanwhile."""
        before = [workers.admitted for workers in self.workers]
        for _ in range(round(seconds * NANOSECONDS / STEP_NS)):
            for workers, rate in zip(self.workers, rates, strict=True):
                expected = rate * STEP_NS / NANOSECONDS
                for _ in range(int(expected) + (draw.random() < expected % 1)):
                    workers.request(draw.randrange(keys))
            for number, service in enumerate(self.services):
                pause = GREETING_STEPS if service.away_since is None else RETRY_STEPS
                if (self._steps + number) % pause == 0:
                    await service.greet()
                if (self._steps + number) % TURN_STEPS == 0 or self.workers[number].waiting:
                    await service.turn()
            self._steps += 1
            self.clock.now += STEP_NS
        return [workers.admitted - was for workers, was in zip(self.workers, before, strict=True)]
