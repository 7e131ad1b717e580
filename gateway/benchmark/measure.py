"""Runs one phase of a benchmark: the load, and beside it the look at the target."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from gateway.benchmark.generators import Generator, Place, choose
from gateway.benchmark.generators.h2load import H2load
from gateway.benchmark.generators.open_loop import OpenLoop
from gateway.benchmark.generators.wrk import Wrk
from gateway.benchmark.load import Closed, Load, LoadError, Steady, Step, Target, rate_of
from gateway.benchmark.local_gateway import Local
from gateway.benchmark.observer import Observation, Observer
from gateway.benchmark.result import Phase
from gateway.benchmark.tally import Part

GENERATORS: tuple[Generator, ...] = (Wrk(), H2load(), OpenLoop())
"""The first that can make a load makes it."""
_SHORT = 0.5
"""A part that lasted less than this share of the others is what was left at the end, and belongs to its neighbour."""

Watch = Callable[[Phase, float], None]
"""Told after each part: the phase so far, and seconds that have passed, warm-up included."""


def unwatched(_: Phase, __: float) -> None:
    """For those who show no progress."""


async def measure(
    name: str,
    target: Target,
    place: Place,
    load: Load,
    *,
    local: Local | None = None,
    warm_up_seconds: float = 0.0,
    watch: Watch = unwatched,
    generators: Sequence[Generator] = GENERATORS,
    into: list[Phase] | None = None,
) -> Phase:
    """Makes a load after a warm-up of about so many seconds, which counts for nothing.

    The phase is put ``into`` a list at once, so that what was measured is there when the rest is cancelled. Raises
    LoadError, also when no generator can make the load.
    """
    generator = await _generator(load, generators)
    phase = Phase(
        name,
        f"{generator.name} {await generator.version()}",
        generator.threads(load),
        load.connections,
        rate_of(load.shape),
    )
    if into is not None:
        into.append(phase)
    observer = Observer(local)
    passed = 0.0
    async with (
        observer.watching(),
        aclosing(generator.parts(target, place, _longer(load, warm_up_seconds))) as parts,
    ):
        async for part in parts:
            passed += part.seconds
            observation = observer.look()
            if passed <= warm_up_seconds + part.seconds / 2 and warm_up_seconds > 0:
                continue
            _add(phase, part, observation)
            watch(phase, passed)
    return phase


async def _generator(load: Load, generators: Sequence[Generator]) -> Generator:
    choice = await choose(load, generators)
    if choice.generator is None:
        reasons = "".join(f"\n  {generator.name} {why}" for generator, why in choice.objections)
        raise LoadError(
            f"no generator can make this load:{reasons}\n"
            "Install one, or give a --rate, for which none is needed. See headgate bench --doctor."
        )
    return choice.generator


def _longer(load: Load, warm_up_seconds: float) -> Load:
    """The load with its warm-up in front; a log and steps have none, for they would be others."""
    match load.shape:
        case Closed(seconds):
            return replace(load, shape=Closed(seconds + round(warm_up_seconds)))
        case Steady((step,)):
            return replace(load, shape=Steady((Step(step.rate, step.seconds + warm_up_seconds),)))
        case _:
            assert warm_up_seconds == 0, "nothing to warm up with"
            return load


def _add(phase: Phase, part: Part, observation: Observation | None) -> None:
    last = phase.parts[-1] if phase.parts else None
    if last is None or part.seconds >= _SHORT * last.seconds:
        phase.parts.append(part)
        if observation is not None:
            phase.observations.append(observation)
        return
    last.add(part)
    if observation is not None and phase.observations:
        phase.observations[-1] = phase.observations[-1].and_then(observation)
