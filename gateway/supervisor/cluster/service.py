"""Keeps the stocks of shared buckets filled: looks at those that may need it, asks the store for all of them at once, and
hands out what it grants.

Workers never wait for any of it; requests do where a strict limit has none in stock, and then the store is asked at once and
whoever waits is woken by what it says. While the store is away each limit goes on by its own rule, and what was used meanwhile
by a gateway's share is charged when the store is back.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from gateway.clock import NANOSECONDS
from gateway.model import Unreachable
from gateway.supervisor.cluster.bucket import Bucket, SharedLimit, Take
from gateway.supervisor.cluster.lease import COVER_NS, RETRY_NS, Lease, credit, credit_without_store
from gateway.supervisor.cluster.store import Store, StoreError

logger = logging.getLogger("headgate.cluster")

TURN_S = 0.005
"""Between two looks. The stock suffices for several of them."""
TURN_NS = int(TURN_S * NANOSECONDS)
GREETING_S = 0.5
"""Between two signs of life to the other gateways."""
MOST_WANTS = 256
"""Of one worker, that are heard in one turn."""
MOST_LOOKS = 512
"""Buckets of one turn: the supervisor has other duties, and the rest are first in the next one."""
TRIPS_COVERED = 4
"""Round trips for which a stock suffices, where they take long."""
TRIP_WEIGHT = 0.2
"""Of the last round trip in the average."""


class Stocks(Protocol):
    """What is in the workers' hands, in shared memory; ``gateway.state.control`` offers it."""

    def wanted(self, most: int) -> Iterable[tuple[int, int]]:
        """(key, row of its limit) of what has run low or is new, up to ``most`` of each worker."""

    def balance(self, key: int, now: int) -> int | None:
        """What is left, below 0 what is owed; None where it is gone."""

    def settle(self, key: int, tokens: int, *, credit: bool, quiet: bool, until: int, now: int) -> int | None:
        """Adds to a stock; returns what is there then, None where it is gone and nothing was added."""

    def take_back(self, key: int, now: int) -> int:
        """Ends a stock; returns what was left or owed."""

    def set_credit(self, row: int, tokens: int, *, waits: bool) -> None:
        """What the stocks of a limit may owe, and whether requests beyond that wait for an answer."""

    def wake(self) -> None:
        """Whoever waits for an answer asks its stock again."""


@dataclass(slots=True)
class Tally:
    """What the service has done since the start."""

    wants: int = 0
    """Times that workers said that they want more."""
    questions: int = 0
    """Buckets that the store was asked for."""
    trips: int = 0
    """Round trips that were answered."""
    trip_ns: int = 0
    """How long they took, all together."""
    failures: int = 0
    """Round trips that were not."""
    unreachable_ns: int = 0
    """How long the store was away, but for the time since it was last lost."""


class ClusterService:
    """The leases of this gateway."""

    def __init__(
        self,
        store: Store,
        stocks: Stocks,
        limits: Mapping[int, SharedLimit],
        *,
        clock: Callable[[], int],
        most_in_stock: int,
        tally: Tally,
        gateways: int = 1,
        away_since: int | None = None,
    ) -> None:
        """``limits``: those that gateways share, by their rows; ``gateways``, ``away_since``: what is taken for true until the
        store answers.
        """
        self._store = store
        self._stocks = stocks
        self._limits = limits
        self._clock = clock
        self._most = most_in_stock
        self.tally = tally
        self._leases: dict[int, Lease] = {}
        self._agenda: list[tuple[int, int]] = []
        self._returned: list[Take] = []
        self._trip_ns = 0.0
        self._called = asyncio.Event()
        self._answers = False
        """Something has changed that requests may be waiting for."""
        self.gateways = gateways
        self.away_since = away_since
        self.over = False
        self._set_credits()

    @property
    def leases(self) -> int:
        """Buckets in use."""
        return len(self._leases)

    def adopt(self, limits: Mapping[int, SharedLimit]) -> None:
        """Further limits, or the same with other rates, before workers decide by them; the others stay until ``retire``."""
        self._limits = {**self._limits, **limits}
        names = {limit.name: limit for limit in limits.values()}
        now = self._clock()
        for key, lease in self._leases.items():
            limit = names.get(lease.limit.name)
            if limit is not None and limit != lease.limit:
                lease.bucket = Bucket(limit, key)
                lease.not_before = 0  # at the former rate it was to wait, for an hour perhaps
                self._plan(key, lease, now)
        self._set_credits()

    def retire(self, limits: Mapping[int, SharedLimit]) -> None:
        """No worker decides by any but these any more: what is held of others is given back."""
        gone = self._limits.keys() - limits.keys()
        names = {limit.name for limit in limits.values()}
        self._limits = limits
        now = self._clock()
        for key, lease in list(self._leases.items()):
            if lease.limit.name not in names:
                self._end(key, lease, now)
        for row in gone:
            self._stocks.set_credit(row, 0, waits=False)
        self._wake()

    def succeeded(self, store: Store, limits: Mapping[int, SharedLimit]) -> "ClusterService":
        """The service that goes on in this one's place with another store, for these limits and those of this one. Workers
        notice nothing: no limit is without credit at any time, and while this store is away each goes by its rule until
        the other answers. This service is over.
        """
        now = self._clock()
        successor = ClusterService(
            store,
            self._stocks,
            {**self._limits, **limits},
            clock=self._clock,
            most_in_stock=self._most,
            tally=self.tally,
            gateways=self.gateways,
            away_since=None if self.away_since is None else now,
        )
        self.end()
        return successor

    def end(self) -> None:
        """Ends all stocks and touches none from here on, nor any credit; what is owed to the store is told by ``close``."""
        now = self._clock()
        for key, lease in list(self._leases.items()):
            self._end(key, lease, now)
        self._limits = {}
        self.over = True
        self._wake()
        if self.away_since is not None:
            self.tally.unreachable_ns += now - self.away_since

    async def run(self) -> None:
        """Turns and greets until it is over; whatever the store does, only limits that need it notice."""
        async with asyncio.TaskGroup() as group:
            greeting = group.create_task(self._keep_greeting())
            while not self.over:
                await self.turn()
                await self._pause()
            greeting.cancel()

    def call(self) -> None:
        """Ends the pause between two turns."""
        self._called.set()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TURN_S):
                await self._called.wait()

    async def _keep_greeting(self) -> None:
        """Until it is cancelled, or is over: a client that waits by ``asyncio.wait_for`` loses a cancellation, before
        Python 3.12, where it comes as what is waited for is done.
        """
        while not self.over:
            await self.greet()
            if not self.over:
                await asyncio.sleep(GREETING_S if self.away_since is None else RETRY_NS / NANOSECONDS)

    async def turn(self) -> None:
        """One look at what may need something, and at most one round trip."""
        now = self._clock()
        self._called.clear()
        self._hear(now)
        asking: list[tuple[int, Lease, Take]] = []
        for key, lease in self._due(now):
            held = self._stocks.balance(key, now)
            if held is None:
                self._forget(key, lease)
                continue
            lease.observe(held, now)
            if lease.is_idle(now) and (held >= 0 or self._forgives(lease)):
                self._end(key, lease, now)
            elif self.away_since is not None:
                self._do_without(key, lease, now)
            elif (take := lease.ask(now, self._cover)) is not None:
                asking.append((key, lease, take))
            else:
                self._hand_out(key, lease, 0, now)
            lease.waiting = 0
        self._wake()
        if self.away_since is None and (asking or self._returned):
            await self._ask(asking)
            self._wake()

    async def greet(self) -> None:
        """Tells the other gateways of this one, and finds out whether the store is there."""
        try:
            gateways = max(1, await self._store.members())
        except StoreError as error:
            self._lost(error)
            return
        if self.over:
            return
        if self.away_since is not None:
            self._found(self.away_since)
        if gateways != self.gateways:
            self.gateways = gateways
            self._set_credits()

    async def close(self) -> None:
        """After its last turn: gives everything back, as far as the store can be asked."""
        if self.away_since is None and self._returned:
            await self._ask([])
        await self._store.close()

    # What is wanted

    def _hear(self, now: int) -> None:
        for key, row in self._stocks.wanted(MOST_WANTS):
            self.tally.wants += 1
            limit = self._limits.get(row)
            if limit is None:
                continue
            lease = self._leases.get(key)
            if lease is None:
                lease = self._leases[key] = Lease(Bucket(limit, key), now)
            lease.waiting += limit.strict
            self._plan(key, lease, max(now, min(lease.not_before, now + COVER_NS)))

    def _plan(self, key: int, lease: Lease, due: int) -> None:
        lease.due = due
        heappush(self._agenda, (due, key))

    def _due(self, now: int) -> Iterable[tuple[int, Lease]]:
        """What is to be looked at now, each once; a lease that was planned anew has only its last time."""
        looks = 0
        while self._agenda and self._agenda[0][0] <= now and looks < MOST_LOOKS:
            due, key = heappop(self._agenda)
            lease = self._leases.get(key)
            if lease is not None and lease.due == due:
                lease.due = 0
                looks += 1
                yield key, lease

    # What the store says

    @property
    def _cover(self) -> int:
        return max(COVER_NS, int(TRIPS_COVERED * self._trip_ns))

    async def _ask(self, asking: list[tuple[int, Lease, Take]]) -> None:
        returned, self._returned = self._returned, []
        started = self._clock()
        try:
            answers = await self._store.take([*(take for _, _, take in asking), *returned])
        except StoreError as error:
            self._lost(error)
            now = self._clock()
            for key, lease, _ in asking:  # nobody knows whether it was heard: a debt is told again
                self._plan(key, lease, now)
            return
        now = self._clock()
        self._note_trip(now - started, len(answers))
        for (key, lease, take), taken in zip(asking, answers, strict=False):
            if self._leases.get(key) is lease:
                self._hand_out(key, lease, lease.answered(take, taken, now), now)
            elif back := taken.granted + take.used:  # ended meanwhile, and its debt was told by that
                self._returned.append(Take(take.bucket, -back, 0))

    def _note_trip(self, nanoseconds: int, questions: int) -> None:
        self.tally.trips += 1
        self.tally.trip_ns += nanoseconds
        self.tally.questions += questions
        weight = TRIP_WEIGHT if self._trip_ns else 1.0
        self._trip_ns += weight * (nanoseconds - self._trip_ns)

    def _hand_out(self, key: int, lease: Lease, tokens: int, now: int) -> None:
        """Adds to the stock, and says that it is good; one that is gone loses what was granted."""
        held = self._stocks.settle(
            key, tokens, credit=lease.plentiful, quiet=False, until=lease.good_until(now), now=now
        )
        self._answers |= lease.limit.strict
        if held is None:
            self._forget(key, lease)
        else:
            self._plan(key, lease, lease.look_at(now, TURN_NS, self._cover))

    def _forget(self, key: int, lease: Lease) -> None:
        """Its stock is gone: who waits asks anew."""
        del self._leases[key]
        self._answers |= lease.limit.strict

    def _wake(self) -> None:
        if self._answers:
            self._answers = False
            self._stocks.wake()

    def _end(self, key: int, lease: Lease, now: int) -> None:
        """Gives back what is held; a bucket that was short when it was asked last keeps its slot, without credit."""
        self._forget(key, lease)
        until = lease.short_until(now)
        if until <= now or self.away_since is not None:
            left = self._stocks.take_back(key, now)
        else:
            left = self._stocks.balance(key, now) or 0
            self._stocks.settle(key, -left, credit=False, quiet=False, until=until, now=now)
        granted = left - lease.lent
        if granted and self.away_since is None:
            self._returned.append(Take(lease.bucket, -granted, 0))

    # While the store is away

    def _lost(self, error: StoreError) -> None:
        self.tally.failures += 1
        if self.away_since is not None:
            return
        self.away_since = self._clock()
        if self.over:
            return
        logger.error("Redis cannot be reached, shared limits go on without it: %s", error)
        self._set_credits()
        for key, lease in self._leases.items():
            self._plan(key, lease, self.away_since)

    def _do_without(self, key: int, lease: Lease, now: int) -> None:
        tokens, quiet = 0, True
        if lease.limit.unreachable is Unreachable.LOCAL:
            tokens, quiet = lease.go_without(self.gateways, now), False
        held = self._stocks.settle(
            key, tokens, credit=True, quiet=quiet, until=lease.good_until(now), now=now
        )
        self._answers |= lease.limit.strict
        if held is None:
            del self._leases[key]
        else:
            self._plan(key, lease, now + COVER_NS)

    def _forgives(self, lease: Lease) -> bool:
        """Is nothing charged of what passes now?"""
        return self.away_since is not None and lease.limit.unreachable is not Unreachable.LOCAL

    def _found(self, away_since: int) -> None:
        now = self._clock()
        gone = now - away_since
        self.away_since = None
        self.tally.unreachable_ns += gone
        logger.info("Redis is back after %.1f s", gone / NANOSECONDS)
        self._set_credits()
        for key, lease in list(self._leases.items()):
            if lease.limit.unreachable is Unreachable.LOCAL:
                # By its share until the store has answered: it is asked in the next turn.
                self._plan(key, lease, now)
            else:
                self._stocks.take_back(key, now)
                self._forget(key, lease)

    def _set_credits(self) -> None:
        for row, limit in self._limits.items():
            if self.away_since is None:
                tokens, waits = credit(limit, self.gateways), limit.strict
            else:
                tokens, waits = credit_without_store(limit, self.gateways, self._most), False
            self._stocks.set_credit(row, min(tokens, self._most), waits=waits)
            self._answers |= limit.strict
