"""Headgate's own generator: a constant rate of weighted requests, steps, or a log with its timing; never a closed loop.

The well-kept generators wait for timers of milliseconds, take latencies from when a request left, or know no mix at a
rate. This one runs in processes of its own (``open_loop_process``), as many as the rate needs.
"""

import asyncio
import math
import os
import pickle
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version

import orjson

from gateway.benchmark.generators import Place
from gateway.benchmark.generators.open_loop_process import Job
from gateway.benchmark.load import Closed, Load, LoadError, Shape, Steady, Target, rate_of
from gateway.benchmark.processes import running
from gateway.benchmark.tally import Part

RATE_OF_A_PROCESS = 4000.0
"""Requests a second that one process sends without being late, on a core of which others leave it a half."""


class OpenLoop:
    """The generator of this package."""

    name = "headgate"
    install = ""
    can = "constant rates, steps and replayed logs, with every latency from when the request was due"

    async def version(self) -> str | None:
        """Always there."""
        return version("headgate")

    def objection(self, load: Load) -> str | None:
        """Others do closed loops well."""
        return "leaves closed loops to the others" if isinstance(load.shape, Closed) else None

    def threads(self, load: Load) -> int:
        """How many processes share the load."""
        needed = math.ceil(_highest_rate(load.shape) / RATE_OF_A_PROCESS)
        return max(1, min(needed, len(os.sched_getaffinity(0)), load.connections))

    async def parts(self, target: Target, place: Place, load: Load) -> AsyncGenerator[Part, None]:
        """Parts of a tenth of the time, but of half a second to two, unless the whole is shorter."""
        seconds = load.shape.seconds
        part_seconds = min(max(seconds / 10, 0.5), 2.0, max(seconds, 0.05))
        shards = self.threads(load)
        jobs = [
            Job(target, place.family, place.address, load, part_seconds, shard, shards)
            for shard in range(shards)
        ]
        async with AsyncExitStack() as stack:
            errors = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            command = [sys.executable, "-m", f"{__package__}.open_loop_process"]
            processes = [
                await stack.enter_async_context(running(command, stdin=pickle.dumps(job), stderr=errors))
                for job in jobs
            ]
            while parts := [
                part for part in await asyncio.gather(*map(_next, processes)) if part is not None
            ]:
                yield _merged(parts)
            codes = [await process.wait() for process in processes]
            if any(codes):
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip().splitlines() or ["without a word"]
                raise LoadError(f"the generator failed with code {max(codes, key=abs)}: {said[-1]}")


def _highest_rate(shape: Shape) -> float:
    return max(step.rate for step in shape.steps) if isinstance(shape, Steady) else rate_of(shape) or 0.0


async def _next(process: asyncio.subprocess.Process) -> Part | None:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        return None
    try:
        return Part.from_json(orjson.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise LoadError(f"this is not a report of the generator: {line[:200]!r}") from None


def _merged(parts: Sequence[Part]) -> Part:
    """One part of what several processes did in the same time."""
    whole = Part(max(part.seconds for part in parts), {})
    for part in parts:
        whole.merge(part)
    return whole
