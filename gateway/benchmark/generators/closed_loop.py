"""What programs that make closed loops have in common: runs of about a second, each of which is a part."""

import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.benchmark.generators import find
from gateway.benchmark.load import Closed, Load, LoadError
from gateway.benchmark.processes import Ended, run
from gateway.benchmark.tally import Part

GRACE_SECONDS = 20.0
"""How much longer than asked for a program may run before it is given up."""
_MOST_RUNS = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One of the runs."""

    program: str
    """Its path."""
    number: int
    seconds: int
    folder: Path
    """For the files of this load."""

    async def ended(self, arguments: list[str]) -> Ended:
        """Runs the program to its end. Raises LoadError when that does not come, or is a failure."""
        name = Path(self.program).name
        try:
            ended = await run([self.program, *arguments], within=self.seconds + GRACE_SECONDS)
        except TimeoutError:
            raise LoadError(f"{name} did not end {GRACE_SECONDS:.0f} s after its time") from None
        if ended.code != 0:
            said = (ended.errors.strip() or ended.output.strip() or "without a word").splitlines()[-1]
            raise LoadError(f"{name} failed with code {ended.code}: {said[:200]}")
        return ended


async def runs(
    program: str, load: Load, once: Callable[[Run], Awaitable[Part]]
) -> AsyncGenerator[Part, None]:
    """The load as runs of whole seconds. Raises LoadError."""
    path = find(program)
    if path is None:
        raise LoadError(f"{program} is not installed")
    assert isinstance(load.shape, Closed)
    length = max(1, load.shape.seconds // _MOST_RUNS)
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        for number in range(max(1, load.shape.seconds // length)):
            yield await once(Run(path, number, length, Path(folder)))


def threads(load: Load) -> int:
    """Half of the machine is for what is measured."""
    return max(1, min((os.cpu_count() or 1) // 2, load.connections))


async def said_by(program: str, argument: str) -> str | None:
    """What a program says of itself; None when it is not there."""
    path = find(program)
    if path is None:
        return None
    ended = await run([path, argument], within=GRACE_SECONDS)
    return ended.output + ended.errors
