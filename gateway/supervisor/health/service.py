"""Keeps the schedule of the probes and reports each change of an instance's health."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.clock import NANOSECONDS
from gateway.model import Health, InstanceAddress
from gateway.supervisor.health.policy import Standing, Thresholds, judge
from gateway.supervisor.health.prober import Check, Finding
from gateway.supervisor.jitter import in_company, jittered

logger = logging.getLogger("headgate.health")

MAX_CONCURRENT_PROBES = 256  # a thousand dead instances must not take the descriptors of the control plane


@dataclass(frozen=True, slots=True)
class Target:
    """One instance of one service, and how it is checked. The interval is in seconds."""

    service: str
    address: InstanceAddress
    check: Check
    interval_s: float
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a target: its health, and the reason its last probe gave."""

    health: Health
    reason: str

    @property
    def healthy(self) -> bool:
        """Not known to be unhealthy."""
        return self.health is not Health.UNHEALTHY


Key = tuple[str, InstanceAddress]


class HealthService:
    """One task per target: it probes at once, a second time at some moment of the first interval, so that targets that came together
    are spread over it, and from then on at the jittered interval, for as long as the target is watched.
    """

    def __init__(
        self,
        flipped: Callable[[Target, Report], None],
        *,
        found: Callable[[Target, Finding], None],
        probe: Callable[[InstanceAddress, Check], Awaitable[Finding]],
        draw: Callable[[], float],
        clock: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``flipped`` is told each change of a health, ``found`` the result of every probe; ``clock`` is in nanoseconds."""
        self._flipped = flipped
        self._found = found
        self._probe = probe
        self._draw = draw
        self._clock = clock
        self._sleep = sleep
        self._permits = asyncio.Semaphore(MAX_CONCURRENT_PROBES)
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._targets: dict[Key, Target] = {}
        self._standings: dict[Key, Standing] = {}
        self._reports: dict[Key, Report] = {}

    def watch(self, target: Target) -> None:
        """Begins to check a target; one that is watched already is left alone, or checked as it now says.

        What earlier checks found goes on to count.
        """
        key = (target.service, target.address)
        if self._targets.get(key) == target:
            return
        if (task := self._tasks.get(key)) is not None:
            task.cancel()
        self._targets[key] = target
        self._tasks[key] = asyncio.get_running_loop().create_task(self._watch(key, target))

    def forget(self, service: str, address: InstanceAddress) -> None:
        """Ends the checks of a target that is gone. Idempotent."""
        if (task := self._tasks.pop((service, address), None)) is not None:
            task.cancel()
        self._targets.pop((service, address), None)
        self._standings.pop((service, address), None)
        self._reports.pop((service, address), None)

    def report(self, service: str, address: InstanceAddress) -> Report | None:
        """What is known of an instance; None when it is not checked or has no result yet."""
        return self._reports.get((service, address))

    async def close(self) -> None:
        """Ends all checks; no probe is under way when it returns."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, key: Key, target: Target) -> None:
        interval = target.interval_s
        delay = interval * self._draw()
        while True:
            try:
                async with self._permits:
                    finding = await self._probe(target.address, target.check)
                self._take(key, target, finding)
            except Exception:
                logger.exception(
                    "the check of %s %s failed by a fault of our own", target.service, target.address
                )
            await self._sleep(in_company(delay, interval, self._clock() / NANOSECONDS))
            delay = jittered(interval, self._draw())

    def _take(self, key: Key, target: Target, finding: Finding) -> None:
        before = self._standings.get(key, Standing())
        standing = self._standings[key] = judge(before, finding.outcome, target.thresholds)
        report = Report(standing.health, finding.reason)
        self._reports[key] = report
        self._found(target, finding)
        if standing.health is not before.health:
            self._flipped(target, report)
