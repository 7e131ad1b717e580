"""``headgate bench`` without its command line: a plan of phases, run one after the other, into a result."""

import asyncio
import math
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.benchmark.generators import Place
from gateway.benchmark.generators.open_loop import RATE_OF_A_PROCESS, OpenLoop
from gateway.benchmark.load import Closed, Load, LoadError, Replay, Request, Shape, Steady, Step, Target
from gateway.benchmark.local_gateway import Local, find_local
from gateway.benchmark.machine import describe
from gateway.benchmark.measure import Watch, measure
from gateway.benchmark.preflight import greet
from gateway.benchmark.progress import Progress
from gateway.benchmark.report.words import printable, quantity, significant
from gateway.benchmark.result import FIGURES, Phase, Result, figures, peak
from gateway.benchmark.simulation.scenario import Scenario, gateway_of

CLOSED_SECONDS = 4
"""Of the closed loop that finds out what half of the capacity is."""
START_SECONDS = 1.0
"""For a look at the target and the start of the generators, so that the whole takes the time that was asked for."""
WARM_UP_SECONDS = 1.0
CLOSED_CONNECTIONS = 32
OPEN_CONNECTIONS = 256
"""Enough that a request finds one free unless the target is late by much."""
LOAD_SHARE = 0.5
"""Of the capacity: where a gateway that is sized well runs at its busiest."""
GONE = 0.5
"""Of the requests: when more than so many of the last part failed to get an answer, the target is gone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    target: Target
    requests: tuple[Request, ...]
    shape: Shape | None
    """None for both: as fast as it can, then at half of that."""
    seconds: float = 15.0
    connections: int | None = None
    keep_alive: bool = True
    timeout_seconds: float = 10.0
    admin: str | None = None
    notes: list[str] = field(default_factory=list)

    def load(self, shape: Shape) -> Load:
        """One load of this plan."""
        usual = CLOSED_CONNECTIONS if isinstance(shape, Closed) else OPEN_CONNECTIONS
        connections = self.connections or usual
        return Load(self.requests, shape, connections, self.keep_alive, self.timeout_seconds)


class Bench:
    """One benchmark. ``result`` holds what was measured, also when ``run`` fails or is cancelled."""

    def __init__(self, plan: Plan, progress: Progress, result: Result | None = None) -> None:
        self.result = result or empty_result(f"{plan.target.url}{plan.target.path}")
        self.result.notes += plan.notes
        self._plan = plan
        self._progress = progress
        self._place: Place | None = None
        self._local: Local | None = None

    async def run(self) -> None:
        """Runs every phase. Raises LoadError, also when the target has gone meanwhile."""
        await self._look()
        if self._plan.shape is None:
            await self._both()
        else:
            await self._phase(self._plan.shape)
        _require_alive(self.result)

    async def _look(self) -> None:
        plan = self._plan
        greeting = await asyncio.to_thread(greet, plan.target, plan.requests)
        self._place = greeting.place
        self.result.notes += [
            f"{name} is answered with status {status}." for name, status in greeting.refused.items()
        ]
        self._local = await asyncio.to_thread(find_local, greeting.place, plan.admin)
        where = "its processes are not to be seen from here"
        if self._local is not None:
            count = len(self._local.pids)
            where = (
                f"{printable(self._local.name)}, {count} process{'' if count == 1 else 'es'} of this machine"
            )
        self._progress.say(f"{plan.target.url} answers: {where}")

    async def _both(self) -> None:
        """A closed loop finds the capacity; then half of it, at a constant rate."""
        await self._phase(Closed(CLOSED_SECONDS))
        closed = self.result.phases[0]
        capacity = peak(closed.series("throughput"))
        rate = _two_digits(LOAD_SHARE * capacity)
        most = RATE_OF_A_PROCESS * len(os.sched_getaffinity(0))
        if not rate:
            raise LoadError("the target answered nothing well: there is no capacity of which to take a half")
        if rate > most:
            rate = most
            self.result.notes.append(
                f"The constant rate is what {OpenLoop.name} can send here, not half of the capacity."
            )
        _require_alive(self.result)
        await self._phase(
            Steady((Step(rate, max(1.0, self._plan.seconds - CLOSED_SECONDS - START_SECONDS)),))
        )

    async def _phase(self, shape: Shape) -> None:
        assert self._place is not None
        shape, warm_up = _with_warm_up(shape)
        name = _name(shape)
        await measure(
            name, self._plan.target, self._place, self._plan.load(shape), local=self._local,
            warm_up_seconds=warm_up, watch=self._shown(shape.seconds + warm_up), into=self.result.phases,
        )  # fmt: skip

    def _shown(self, seconds: float) -> Watch:
        def watch(phase: Phase, passed: float) -> None:
            self._progress.show(f"{phase.name}  {passed:3.0f} of {seconds:.0f} s  {_so_far(phase)}")

        return watch


class ScenarioBench:
    """The benchmark of a scenario, whose gateway and instances live as long as it runs; otherwise as ``Bench``."""

    def __init__(
        self, scenario: Scenario, name: str, progress: Progress, seconds: float | None = None
    ) -> None:
        self.result = empty_result(name)
        self._scenario = scenario
        self._progress = progress
        self._shape = scenario.shape if seconds is None else scenario.scaled(seconds / scenario.shape.seconds)

    async def run(self) -> None:
        """Runs it. Raises LoadError."""
        scenario = self._scenario
        async with gateway_of(scenario) as trial:
            plan = Plan(
                trial.target,
                scenario.requests,
                self._shape,
                connections=scenario.connections,
                keep_alive=scenario.keep_alive,
                timeout_seconds=scenario.timeout_seconds,
                admin=trial.admin,
            )
            await Bench(plan, self._progress, self.result).run()


def empty_result(name: str) -> Result:
    """A result of now and here, to be filled."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Result(name, now, describe())


def _so_far(phase: Phase) -> str:
    part = phase.parts[-1]
    found = figures(part.whole, part.seconds, None)
    latency = f"  p99 {quantity(found['p99'], FIGURES['p99'])}" if "p99" in found else ""
    failed = phase.whole.failed
    return f"{significant(found.get('throughput', 0.0))}/s{latency}  {f'{failed:,}' if failed else 'none'} failed"


def _with_warm_up(shape: Shape) -> tuple[Shape, float]:
    """What remains of a load after its warm-up, and how long that is: nothing of a log or of steps."""
    match shape:
        case Closed(seconds) if seconds > WARM_UP_SECONDS:
            return Closed(seconds - round(WARM_UP_SECONDS)), WARM_UP_SECONDS
        case Steady((step,)):
            warm_up = min(WARM_UP_SECONDS, step.seconds / 5)
            return Steady((Step(step.rate, step.seconds - warm_up),)), warm_up
        case _:
            return shape, 0.0


def _name(shape: Shape) -> str:
    match shape:
        case Closed():
            return "as fast as it can"
        case Steady((step,)):
            return f"at {significant(step.rate)}/s"
        case Steady():
            return f"in {len(shape.steps)} steps"
        case Replay():
            return "replayed"


def _two_digits(value: float) -> float:
    """Rounded down, so that it can be said and given again."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return max(1.0, math.floor(value / unit) * unit)


def _require_alive(result: Result) -> None:
    """Raises LoadError when the target does not answer any more."""
    phase = result.phases[-1]
    last = phase.parts[-1].whole if phase.parts else phase.whole
    if last.requests and last.errors.total() > GONE * last.requests:
        kind, count = last.errors.most_common(1)[0]
        raise LoadError(
            f"the target stopped answering: in the end {count:,} of {last.requests:,} requests failed ({kind})"
        )
    if not phase.whole.requests:
        raise LoadError("no request ended within the time: nothing was measured")
