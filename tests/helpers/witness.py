"""Looks at what takes long while it does, so that a wait that nobody can repeat still tells where it was spent.

A connection may wait in front of the gateway (its handshake, the queue of a listening socket), within it, at the instance,
or because a process of the test got no processor, the test itself included. Afterwards these look alike.
"""

import asyncio
import contextlib
import os
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from gateway.benchmark.cpu import core_stolen_seconds
from tests.helpers.gateway import Gateway
from tests.helpers.instance import Instance
from tests.helpers.ledger import Exchange, Ledger
from tests.helpers.processes import page_ins_of, starved_ms_of
from tests.helpers.tcp_sockets import holders_of, sockets_of, tcp_counters

LOOK_SECONDS = 0.05
TRAFFIC = {
    "TcpActiveOpens", "TcpPassiveOpens", "TcpInSegs", "TcpOutSegs", "TcpExtTW", "TcpExtDelayedACKs", "TcpExtTCPHPHits",
    "TcpExtTCPPureAcks", "TcpExtTCPHPAcks", "TcpExtTCPOrigDataSent", "TcpExtTCPDelivered", "TcpExtTCPRcvCoalesce",
}  # fmt: skip
"""What is counted where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What stood at one time."""

    at: float
    counters: Counter[str]
    starved_ms: Counter[str]
    """Milliseconds for which each process was ready to run and got no processor, from its beginning."""
    page_ins: Counter[str]
    """How often each process has waited for a page from disk."""
    stolen: float
    """Seconds that the host gave to others, all processors that we may use together."""


class Witness:
    """Watches a gateway with its instance and the clients of a ledger."""

    def __init__(self, ledger: Ledger, gateway: Gateway, instance: Instance) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._instance = instance
        self._samples: list[Sample] = []
        self._sights: dict[Exchange, str] = {}

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """From entering to leaving."""
        over = asyncio.Event()
        task = asyncio.create_task(self._watch(over))
        try:
            yield
        finally:
            over.set()
            await task  # a look that has begun is worth waiting for
            self._take_sample()

    def account(self) -> str:
        """What is known of each exchange that was slow."""
        return "\n".join(map(self._account_of, self._ledger.slow)) or "no exchange was slow"

    async def _watch(self, over: asyncio.Event) -> None:
        while not over.is_set():
            self._take_sample()
            slow = [one for one in self._ledger.under_way if one.is_slow and one not in self._sights]
            if slow:  # on a thread: with the thousands of rows that ended connections leave it would hold up all others
                self._sights |= dict.fromkeys(slow, await asyncio.to_thread(self._look))
            await asyncio.sleep(LOOK_SECONDS)

    def _take_sample(self) -> None:
        starved_ms: Counter[str] = Counter()
        page_ins: Counter[str] = Counter()
        for name, pid in self._processes().items():
            with contextlib.suppress(OSError):  # it is gone
                starved_ms[name] = starved_ms_of(pid)
                page_ins[name] = page_ins_of(pid)
        self._samples.append(
            Sample(time.monotonic(), tcp_counters(), starved_ms, page_ins, _stolen_seconds())
        )

    def _processes(self) -> dict[str, int]:
        """By name. A worker's is its pid: the log of the gateway says the rest."""
        workers = {f"worker {pid}": pid for pid in self._gateway.worker_pids()}
        ours = {
            "the test": os.getpid(),
            "the instance": self._instance.pid,
            "the supervisor": self._gateway.pid,
        }
        return ours | workers

    def _look(self) -> str:
        holders = holders_of(self._processes())
        sockets = sockets_of({self._gateway.port, self._instance.port})
        return "".join(f"\n    {one.describe(holders)}" for one in sockets)

    def _account_of(self, slow: Exchange) -> str:
        assert slow.ended is not None
        before, after = self._samples_around(slow.begun, slow.ended)
        counted = after.counters - before.counters
        return (
            f"{slow.describe()}\n"
            f"  counted meanwhile: {_listed({name: counted[name] for name in sorted(counted.keys() - TRAFFIC)})}\n"
            f"  milliseconds without a processor: {_listed(after.starved_ms - before.starved_ms)}; "
            f"seconds that the host took: {after.stolen - before.stolen:.2f}\n"
            f"  waits for a page from disk: {_listed(after.page_ins - before.page_ins)}\n"
            f"  longest time between two looks of the test: {self._longest_gap(slow.begun, slow.ended):.3f} s\n"
            f"  the sockets while it was under way: {self._sights.get(slow, 'not looked at')}"
        )

    def _samples_around(self, since: float, until: float) -> tuple[Sample, Sample]:
        first = bisect_right(self._samples, since, key=lambda sample: sample.at) - 1
        last = bisect_left(self._samples, until, key=lambda sample: sample.at)
        return self._samples[max(0, first)], self._samples[min(last, len(self._samples) - 1)]

    def _longest_gap(self, since: float, until: float) -> float:
        """A test whose own loop stands still looks seldom."""
        before, after = self._samples_around(since, until)
        times = [sample.at for sample in self._samples if before.at <= sample.at <= after.at]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def _stolen_seconds() -> float:
    return sum(map(core_stolen_seconds, os.sched_getaffinity(0)))


def _listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "nothing"
