"""The schedule of the probes, with probes that answer from a list and a sleep that ends when it is told to."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, repeat

import pytest

from gateway.model import Health, InstanceAddress
from gateway.supervisor.health.policy import Outcome, Thresholds
from gateway.supervisor.health.prober import Check, Finding, Probe
from gateway.supervisor.health.service import MAX_CONCURRENT_PROBES, HealthService, Report, Target
from tests.helpers.patience import eventually

A = InstanceAddress.parse("10.0.0.1:80")
PASSED, FAILED = Finding(Outcome.PASSED, "status 200"), Finding(Outcome.FAILED, "status 500")


class World:
    """Stands in for instances, clock and supervisor."""

    def __init__(self, findings: Iterable[Finding | Exception] = (), draws: Iterable[float] = ()) -> None:
        self.findings = list(findings)
        self.probes = 0
        self.naps: list[float] = []
        self.wake = asyncio.Semaphore(0)
        self.flips: list[tuple[InstanceAddress, Report]] = []
        self.found: list[tuple[InstanceAddress, Finding]] = []
        drawn = chain(draws, repeat(1.0))
        self.service = HealthService(
            lambda target, report: self.flips.append((target.address, report)),
            found=lambda target, finding: self.found.append((target.address, finding)),
            probe=self.probe,
            draw=lambda: next(drawn),
            clock=lambda: 100_000_000_000,
            sleep=self.sleep,
        )

    async def probe(self, address: InstanceAddress, check: Check) -> Finding:
        """The next finding of the list; waits for ever at its end."""
        del address, check
        self.probes += 1
        if not self.findings:
            await asyncio.Event().wait()
        finding = self.findings.pop(0)
        if isinstance(finding, Exception):
            raise finding
        return finding

    async def sleep(self, seconds: float) -> None:
        """Lasts until ``wake`` is released."""
        self.naps.append(seconds)
        await self.wake.acquire()


def _target(address: InstanceAddress = A) -> Target:
    return Target("api", address, Check(Probe.HTTP, "/", 1.0), 5.0, Thresholds(fall=1, rise=1))


async def test_the_first_probe_comes_at_once_and_the_others_after_the_jittered_interval() -> None:
    """No sleep stands before the first result; the second comes within the interval, and then each is a spread one away."""
    world = World([PASSED, PASSED], draws=[0.2, 1.0])
    world.service.watch(_target())
    await eventually(lambda: world.naps)
    assert world.probes == 1
    assert world.naps == pytest.approx([1.0])
    world.wake.release()
    await eventually(lambda: len(world.naps) == 2)
    assert world.probes == 2
    assert world.naps == pytest.approx([1.0, 6.0])
    await world.service.close()


async def test_targets_that_come_together_are_not_probed_together_for_long() -> None:
    """Their second probes are anywhere in the first interval, and those that are due at nearly the same time come at once."""
    world = World([PASSED] * 4, draws=[0.1, 0.501, 0.509, 0.9])
    for port in range(1, 5):
        world.service.watch(_target(InstanceAddress.parse(f"10.0.0.1:{port}")))
    await eventually(lambda: len(world.naps) == 4)
    assert world.naps == pytest.approx([0.5, 2.6, 2.6, 4.5])
    await world.service.close()


async def test_only_changes_are_reported() -> None:
    """A flip is told once with its reason; the last reason can always be asked for."""
    world = World([FAILED, FAILED, PASSED])
    world.service.watch(_target())
    world.wake.release()
    world.wake.release()
    await eventually(lambda: len(world.naps) == 3)
    assert world.flips == [
        (A, Report(Health.UNHEALTHY, "status 500")),
        (A, Report(Health.HEALTHY, "status 200")),
    ]
    assert world.service.report("api", A) == Report(Health.HEALTHY, "status 200")
    assert world.found == [(A, FAILED), (A, FAILED), (A, PASSED)], "results are all told"
    await world.service.close()


async def test_a_fault_of_our_own_does_not_end_the_checks() -> None:
    """A probe that raises counts as no result, and the next one is made."""
    world = World([RuntimeError("a bug"), PASSED])
    world.service.watch(_target())
    world.wake.release()
    await eventually(lambda: world.flips)
    assert world.flips == [(A, Report(Health.HEALTHY, "status 200"))]
    await world.service.close()


async def test_a_forgotten_target_is_not_probed_any_more() -> None:
    """Its probe under way is cancelled, its report gone, and watching it again starts from nothing."""
    world = World([PASSED])
    world.service.watch(_target())
    await eventually(lambda: world.naps)
    world.service.forget("api", A)
    assert world.service.report("api", A) is None
    world.wake.release()
    world.findings = [FAILED]
    world.service.watch(_target())
    await eventually(lambda: len(world.flips) == 2)
    assert world.flips[-1] == (A, Report(Health.UNHEALTHY, "status 500"))
    await world.service.close()


async def test_the_number_of_probes_under_way_is_bounded() -> None:
    """However many instances do not answer, the control plane keeps its descriptors."""
    world = World()
    for port in range(1, MAX_CONCURRENT_PROBES + 50):
        world.service.watch(_target(InstanceAddress.parse(f"10.0.0.1:{port}")))
    await eventually(lambda: world.probes == MAX_CONCURRENT_PROBES)
    for _ in range(10):
        await asyncio.sleep(0)
    assert world.probes == MAX_CONCURRENT_PROBES
    await world.service.close()


async def test_another_check_goes_on_from_what_is_known() -> None:
    """It probes at once by the new rules; the standing stays, so a confirmed health is no flip."""
    world = World([FAILED, FAILED, PASSED])
    world.service.watch(_target())
    await eventually(lambda: world.naps)
    changed = replace(_target(), interval_s=10.0)
    world.service.watch(changed)
    await eventually(lambda: len(world.naps) == 2)
    assert world.naps[1] == pytest.approx(10.0)
    assert [report.health for _, report in world.flips] == [Health.UNHEALTHY]
    world.service.watch(changed)
    await asyncio.sleep(0)
    assert world.probes == 2, "the same check is left alone"
    await world.service.close()
