"""The run of a workload: every contender in every round started, verified, warmed up, measured and stopped, each alone or, where a
measure wants it, all of a round together and in turns.
"""

import random
import resource
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.gateways import Gateway
from bench.peers.job import Job, MeasureName, Setup, Workload
from bench.peers.load import LoadError
from bench.peers.measures import Measure, Subject, Taking
from bench.peers.measures.cost import Cost
from bench.peers.measures.idle_memory import IdleMemory
from bench.peers.measures.latency import Latency
from bench.peers.origin import start_origin
from bench.peers.process import ServerError, pinned_to
from bench.peers.rounds import Contender, Sample, order
from bench.peers.verify import VerifyError, verify, wait_until_forwarding

MEASURES: dict[MeasureName, Measure] = {"cost": Cost(), "latency": Latency(), "idle memory": IdleMemory()}
_WARM_UP_SECONDS = 1


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
class Failure:
    """A measurement that counts for nothing: the gateway does not do its job, answers with errors, or ends."""

    contender: Contender
    round: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the run of a workload gave."""

    contenders: tuple[Contender, ...]
    samples: tuple[Sample, ...]
    """In the order in which they were taken."""
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    workload: Workload
    plan: Plan
    programs: Mapping[str, str]
    jobs: Mapping[str, Job]
    """By the name of their setup."""

    def cores(self, setup: Setup) -> tuple[int, ...]:
        """Where the gateway runs: alone on its core, or with more workers on the load's core as well."""
        plan = self.plan
        return (plan.gateway_core,) if setup.workers == 1 else (plan.gateway_core, plan.load_core)


def measure(
    workload: Workload,
    gateways: Sequence[Gateway],
    plan: Plan,
    programs: Mapping[str, str],
    progress: Callable[[str], None],
) -> Outcome:
    """All rounds of a workload; a measurement that fails is told and left out, and the others go on.

    A gateway lives for one measurement only: what differs from one start to the next (where memory happens to lie) is part of
    the spread. Nothing else stands on its core meanwhile, but for the others of its company.
    """
    by_name = {gateway.name: gateway for gateway in gateways}
    contenders = [Contender(name, setup.name) for name in by_name for setup in workload.setups]
    samples: list[Sample] = []
    failures: list[Failure] = []
    with pinned_to((plan.load_core,)), _descriptors(), _jobs(workload, plan, programs) as jobs:
        run = _Run(workload, plan, programs, jobs)
        for number in range(plan.rounds):
            for company in _companies(order(contenders, number), workload):
                takings = {one: _taking(by_name[one.gateway], jobs[one.setup], run) for one in company}
                for contender, ended in in_turns(takings, _drawn(number)):
                    place = f"{workload.name} {number + 1}/{plan.rounds}  {contender!s:<28}"
                    if isinstance(ended, Exception):
                        failures.append(Failure(contender, number, str(ended)))
                        progress(f"{place} FAILED: {ended}")
                    else:
                        samples.append(Sample(contender, number, ended))
                        progress(f"{place} {_shown(workload, ended)}")
    return Outcome(tuple(contenders), tuple(samples), tuple(failures))


def _companies(contenders: Sequence[Contender], workload: Workload) -> list[Sequence[Contender]]:
    """Those that stand together."""
    if MEASURES[workload.measure].in_company:
        return [contenders]
    return [[contender] for contender in contenders]


Rearrange = Callable[[list[Contender]], list[Contender]]
"""The order of a turn, of those that take part in it."""


def _drawn(seed: int) -> Rearrange:
    """Each turn in another order, so that nobody always comes after the same neighbour."""
    source = random.Random(seed)
    return lambda contenders: source.sample(contenders, len(contenders))


def in_turns(
    takings: Mapping[Contender, Taking], rearrange: Rearrange
) -> Iterator[tuple[Contender, dict[str, float] | Exception]]:
    """Goes on with each sample in turn, and gives out those that are ready, and why there is none of the others."""
    with ExitStack() as stack:
        for taking in takings.values():
            stack.callback(taking.close)
        under_way = dict(takings)
        while under_way:
            for contender in rearrange(list(under_way)):
                try:
                    next(under_way[contender])
                except StopIteration as ready:
                    del under_way[contender]
                    yield contender, ready.value
                except (VerifyError, LoadError, ServerError) as error:
                    del under_way[contender]
                    yield contender, error


@contextmanager
def _jobs(workload: Workload, plan: Plan, programs: Mapping[str, str]) -> Iterator[dict[str, Job]]:
    """The job of every setup by the setup's name, with the origin of each running."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-peers-")))
        instances = {}
        for number in {setup.instances for setup in workload.setups}:
            origin = start_origin(programs["nginx"], workload, number, folder=folder, cores=(plan.load_core,))
            stack.enter_context(origin.server)
            instances[number] = origin.instances
        yield {setup.name: Job(workload, setup, instances[setup.instances]) for setup in workload.setups}


def _taking(gateway: Gateway, job: Job, run: _Run) -> Taking:
    """The sample of a gateway, which starts with it and ends with it; in company nobody is measured before all stand."""
    measure = MEASURES[job.workload.measure]
    cores = run.cores(job.setup)
    with (
        tempfile.TemporaryDirectory(prefix="bench-peers-") as temporary,
        gateway.start(job, run.programs, folder=Path(temporary), cores=cores) as server,
    ):
        core = run.plan.gateway_core if len(cores) == 1 else None
        subject = Subject(server, job, core, run.programs, Path(temporary))
        wait_until_forwarding(server.port, job.workload)
        measure.warm_up(subject, _WARM_UP_SECONDS)
        verify(server.port, job, speaks_http=gateway.speaks_http)
        yield
        figures = yield from measure.take(subject, run.plan.seconds)
        server.require_alive()
    return figures


@contextmanager
def _descriptors() -> Iterator[None]:
    """As many file descriptors as may be had, for the harness and for every process that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _shown(workload: Workload, figures: Mapping[str, float]) -> str:
    compared = [figure for figure in MEASURES[workload.measure].figures if figure.compared]
    return "  ".join(f"{figures[figure.key]:8.{figure.decimals}f} {figure.title}" for figure in compared)
