"""The run: every gateway in every round started, verified, warmed up, loaded and stopped, one at a time."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers import load
from bench.peers.cpu import core_busy_seconds, group_time
from bench.peers.gateway import Gateway
from bench.peers.job import Job, Workload
from bench.peers.origin import start_origin
from bench.peers.process import Server, pinned_to
from bench.peers.rounds import Sample, order
from bench.peers.verify import VerifyError, verify

_WARM_UP_SECONDS = 2


class MeasurementError(Exception):
    """A gateway does not do its job, answers with errors, or loses a process; the message names the gateway."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, and where."""

    rounds: int
    seconds: int
    """Length of one measurement."""
    gateway_core: int
    load_core: int
    """Core of the load generator, the origin and the run itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """What all measurements of a run have in common."""

    plan: Plan
    job: Job
    programs: Mapping[str, str]
    """Paths of the programs by their names."""


def measure(
    gateways: Sequence[Gateway],
    workload: Workload,
    plan: Plan,
    programs: Mapping[str, str],
    progress: Callable[[str], None],
) -> list[Sample]:
    """All samples of the run, in the order in which they were taken.

    A gateway lives for one measurement only: nothing else stands on its core meanwhile, and what differs from one
    start to the next (where memory happens to lie) is part of the spread.
    """
    by_name = {gateway.name: gateway for gateway in gateways}
    samples: list[Sample] = []
    with pinned_to(plan.load_core), _job(workload, plan, programs) as job:
        run = Run(plan, job, programs)
        for number in range(plan.rounds):
            for name in order(list(by_name), number):
                sample = _measure_one(by_name[name], run, number)
                cost = f"{sample.microseconds_per_request:6.2f} µs/request"
                progress(f"round {number + 1}/{plan.rounds}  {name:<10} {cost}  {sample.busy:4.0%} busy")
                samples.append(sample)
    return samples


@contextmanager
def _job(workload: Workload, plan: Plan, programs: Mapping[str, str]) -> Iterator[Job]:
    """The job of the run, with its origin running."""
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder:
        origin = start_origin(programs["nginx"], workload, folder=Path(folder), core=plan.load_core)
        with origin.server:
            yield Job(workload, origin.instances)


def _measure_one(gateway: Gateway, run: Run, number: int) -> Sample:
    with (
        tempfile.TemporaryDirectory(prefix="bench-peers-") as folder,
        gateway.start(run.job, run.programs, folder=Path(folder), core=run.plan.gateway_core) as server,
    ):
        try:
            verify(server.port, run.job, speaks_http=gateway.speaks_http)
            load.run(run.programs["wrk"], run.job.workload, server.port, _WARM_UP_SECONDS)
            sample = _sample(gateway.name, server, run, number)
        except (VerifyError, load.LoadError) as error:
            raise MeasurementError(f"{gateway.name}: {error}") from error
        server.require_alive()
        return sample


def _sample(name: str, server: Server, run: Run, number: int) -> Sample:
    core = run.plan.gateway_core
    before, core_before = group_time(server.group), core_busy_seconds(core)
    report = load.run(run.programs["wrk"], run.job.workload, server.port, run.plan.seconds)
    after, core_after = group_time(server.group), core_busy_seconds(core)
    if before.pids != after.pids:
        raise MeasurementError(f"{name} had processes {sorted(before.pids)}, and then {sorted(after.pids)}")
    used = after.total - before.total
    return Sample(
        gateway=name,
        round=number,
        requests=report.requests,
        wall_seconds=report.seconds,
        user_seconds=used.user,
        system_seconds=used.system,
        leader_seconds=(after.leader - before.leader).total,
        # The kernel counts a core by ticks and a process by its run time: the difference may come out just below 0.
        foreign_seconds=max(0.0, core_after - core_before - used.total),
    )
