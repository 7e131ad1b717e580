"""Several gateways and one Redis in one process, with a clock turned by hand: what was admitted can be counted exactly."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import floor

from gateway.clock import NANOSECONDS
from gateway.supervisor.cluster.bucket import Bucket, Take, Taken
from gateway.supervisor.cluster.lease import Unavailable
from gateway.supervisor.cluster.service import ClusterService, Wanted
from gateway.supervisor.cluster.store import StoreError

STEP_NS = 1_000_000
TURN_STEPS = 5


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

    def take(self, take: Take) -> Taken:
        """As ``take.lua``, in microseconds."""
        bucket, now = take.bucket, self.clock.now / 1000
        latest = now + bucket.burst * bucket.interval_us
        tat = max(self.tats.get(bucket.name, now) + take.used * bucket.interval_us, now)
        tat = min(tat, latest + bucket.burst * bucket.interval_us)
        granted = max(0, min(take.wanted, floor((latest - tat) / bucket.interval_us + 1e-6)))
        tat += granted * bucket.interval_us
        self.tats[bucket.name] = tat
        wait = tat + bucket.interval_us - latest if take.wanted and not granted else 0
        return Taken(granted, max(0, round(wait)))


class Link:
    """One gateway's way to the server."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.round_trips = 0

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """All of them, or an error."""
        self._require()
        return [self.server.take(take) for take in takes]

    async def members(self) -> int:
        """Those that were ever there."""
        self._require()
        self.server.gateways.add(self.name)
        return len(self.server.gateways)

    async def close(self) -> None:
        """Nothing to close."""

    def _require(self) -> None:
        if not self.server.is_up:
            raise StoreError("away")
        self.round_trips += 1


@dataclass(slots=True)
class Stock:
    """One bucket in shared memory."""

    tokens: int
    low_water: int = 0
    announced: bool = False


@dataclass
class Workers:
    """The data path of one gateway."""

    bucket: Bucket
    unavailable: Unavailable
    stocks: dict[int, Stock] = field(default_factory=dict)
    admitted: int = 0

    def request(self, key: int) -> bool:
        """A request that costs a token. The first one of a key does not wait for Redis."""
        stock = self.stocks.setdefault(key, Stock(0))
        first = stock.tokens == 0 and stock.low_water == 0 and not stock.announced
        if stock.tokens > 0 or first:
            stock.tokens -= 1
            self.admitted += 1
            return True
        return False

    def wanted(self) -> Iterable[Wanted]:
        """Those at their mark."""
        for key, stock in self.stocks.items():
            if stock.tokens <= stock.low_water and not stock.announced:
                stock.announced = True
                bucket = Bucket(f"{self.bucket.name}/{key}", self.bucket.interval_us, self.bucket.burst)
                yield Wanted(key, bucket, self.unavailable)

    def stock(self, key: int) -> int:
        """What is left."""
        return self.stocks[key].tokens

    def add(self, key: int, tokens: int, low_water: int) -> None:
        """More."""
        stock = self.stocks[key]
        stock.tokens += tokens
        stock.low_water = low_water
        stock.announced = stock.tokens <= low_water

    def take_back(self, key: int) -> int:
        """All."""
        return self.stocks.pop(key).tokens


class World:
    """Gateways that share one limit per key."""

    def __init__(
        self, gateways: int, per_second: int, burst: int, unavailable: Unavailable = Unavailable.LOCAL
    ) -> None:
        self.clock = Clock()
        self.server = Server(self.clock)
        bucket = Bucket("limit", 1_000_000 / per_second, burst)
        self.workers = [Workers(bucket, unavailable) for _ in range(gateways)]
        self.links = [Link(self.server, str(number)) for number in range(gateways)]
        self.services = [
            ClusterService(link, workers, lambda: self.clock.now)
            for link, workers in zip(self.links, self.workers, strict=True)
        ]

    @property
    def admitted(self) -> int:
        """By all gateways together."""
        return sum(workers.admitted for workers in self.workers)

    async def run(
        self, seconds: float, rates: Sequence[int], draw: random.Random, *, keys: int = 1
    ) -> list[int]:
        """Load of so many requests a second at each gateway; what each admitted meanwhile."""
        before = [workers.admitted for workers in self.workers]
        for step in range(round(seconds * NANOSECONDS / STEP_NS)):
            self.clock.now += STEP_NS
            for workers, rate in zip(self.workers, rates, strict=True):
                expected = rate * STEP_NS / NANOSECONDS
                for _ in range(int(expected) + (draw.random() < expected % 1)):
                    workers.request(draw.randrange(keys))
            for number, service in enumerate(self.services):
                if (step + number) % TURN_STEPS == 0:
                    await service.turn()
        return [workers.admitted - was for workers, was in zip(self.workers, before, strict=True)]
