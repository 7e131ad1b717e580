"""Keeps the stocks of shared buckets filled: looks at those that run low, asks Redis for all of them at once, hands out."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.clock import NANOSECONDS
from gateway.supervisor.cluster.bucket import Bucket, Take
from gateway.supervisor.cluster.lease import Lease, Unavailable
from gateway.supervisor.cluster.store import Store, StoreError

logger = logging.getLogger("headgate.cluster")

TURN_S = 0.005
"""Between two looks. The stock suffices for several of them."""
HOUSEKEEPING_S = 0.5
"""Between two looks for use that has ended, and two signs of life to the other gateways."""
RETRY_S = 0.25
"""Between two attempts while Redis is away."""
OPEN_STOCK = 1 << 30
"""Tokens that nobody uses up in a turn."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bucket whose stock runs low, or that is used for the first time."""

    key: int
    bucket: Bucket
    unavailable: Unavailable


class Stocks(Protocol):
    """The tokens in the workers' hands, in shared memory."""

    def wanted(self) -> Iterable[Wanted]:
        """What has run low since the last call, each once."""

    def stock(self, key: int) -> int:
        """Tokens that are left; negative: used before any were granted."""

    def add(self, key: int, tokens: int, low_water: int) -> None:
        """Hands out more; at ``low_water`` the bucket is wanted again."""

    def take_back(self, key: int) -> int:
        """Ends the use of a bucket; returns what was left, or the debt."""


class ClusterService:
    """The leases of this gateway."""

    def __init__(self, store: Store, stocks: Stocks, clock: Callable[[], int]) -> None:
        self._store = store
        self._stocks = stocks
        self._clock = clock
        self._leases: dict[int, Lease] = {}
        self._low: set[int] = set()
        self._members = 1
        self._away_since: int | None = None
        self._housekept = 0

    @property
    def is_away(self) -> bool:
        """Could Redis not be asked when it was tried last?"""
        return self._away_since is not None

    async def run(self) -> None:
        """Turns until cancelled; whatever Redis does, only limits that need it notice."""
        while True:
            await self.turn()
            await asyncio.sleep(RETRY_S / 10 if self.is_away else TURN_S)

    async def turn(self) -> None:
        """One look at what runs low, and at most one round trip."""
        now = self._clock()
        self._look(now)
        if now - self._housekept >= HOUSEKEEPING_S * NANOSECONDS:
            self._housekept = now
            await self._keep_house(now)
        if self._away_since is None:
            await self._ask(now)
        else:
            self._do_without(now)

    def _look(self, now: int) -> None:
        for wanted in self._stocks.wanted():
            if wanted.key not in self._leases:
                self._leases[wanted.key] = Lease(wanted.bucket, wanted.unavailable, now)
            self._low.add(wanted.key)
        for key in self._low:
            self._leases[key].observe(self._stocks.stock(key), now)

    async def _ask(self, now: int) -> None:
        asking: list[tuple[int, Lease, Take]] = []
        for key in self._low:
            lease = self._leases[key]
            take = lease.ask(now)
            if take is not None:
                asking.append((key, lease, take))
        if not asking:
            return
        try:
            answers = await self._store.take([take for _, _, take in asking])
        except StoreError as error:
            for _, lease, _ in asking:
                lease.unanswered()
            self._lost(error)
            return
        now = self._clock()
        for (key, lease, take), taken in zip(asking, answers, strict=True):
            more = lease.answered(take, taken, now)
            self._stocks.add(key, more, lease.low_water)
            if lease.stock > lease.low_water:
                self._low.discard(key)

    def _do_without(self, now: int) -> None:
        for key in self._low:
            lease = self._leases[key]
            match lease.unavailable:
                case Unavailable.LOCAL:
                    more = lease.earn(1 / self._members, now)
                case Unavailable.OPEN:
                    more = max(0, OPEN_STOCK - lease.stock)
                    lease.stock += more
                case Unavailable.CLOSED:
                    more = 0
            if more:
                self._stocks.add(key, more, lease.low_water)

    async def _keep_house(self, now: int) -> None:
        """Gives back what is not used any more, and tells the other gateways of this one."""
        returned: list[Take] = []
        for key, lease in list(self._leases.items()):
            lease.observe(self._stocks.stock(key), now)
            if lease.is_idle(now):
                left = self._stocks.take_back(key)
                del self._leases[key]
                self._low.discard(key)
                returned += [take] if (take := lease.give_back(left)) is not None else []
        try:
            self._members = max(1, await self._store.members())
            if returned:
                await self._store.take(returned)
        except StoreError as error:
            self._lost(error)
        else:
            self._found(now)

    def _lost(self, error: StoreError) -> None:
        if self._away_since is None:
            self._away_since = self._clock()
            logger.error("Redis is away, shared limits go on without it: %s", error)

    def _found(self, now: int) -> None:
        if self._away_since is not None:
            logger.info("Redis is back after %.1f s", (now - self._away_since) / NANOSECONDS)
            self._away_since = None
            for key, lease in self._leases.items():
                self._take_surplus(key, lease)

    def _take_surplus(self, key: int, lease: Lease) -> None:
        """What was handed out on our own word is no stock of the others' tokens."""
        lease.observe(self._stocks.stock(key), self._clock())
        surplus = max(0, lease.stock)
        lease.stock -= surplus
        lease.not_before = 0
        self._stocks.add(key, -surplus, lease.low_water)
        self._low.add(key)
