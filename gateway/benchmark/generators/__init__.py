"""What sends the load, a file for each program; a well-kept one wherever it can do what is asked."""

import shutil
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.benchmark.load import Load, Target
from gateway.benchmark.tally import Part


@dataclass(frozen=True, slots=True)
class Place:
    """Where the target's host is, as ``socket.connect`` takes it."""

    family: int
    address: tuple[object, ...]


class Generator(Protocol):
    """A program that can make some loads."""

    name: str
    install: str
    """What installs it, as a command; empty for what is part of Headgate."""
    can: str
    """What it is used for, in a line."""

    async def version(self) -> str | None:
        """What the installed program says it is; None when it is not there."""

    def objection(self, load: Load) -> str | None:
        """Why it cannot make this load; None if it can."""

    def threads(self, load: Load) -> int:
        """How many CPUs it can use at the most."""

    def parts(self, target: Target, place: Place, load: Load) -> AsyncGenerator[Part, None]:
        """Makes the load, and yields what it saw as soon as a part of it is over. Raises LoadError."""


def find(program: str) -> str | None:
    """Path of a program."""
    return shutil.which(program)


@dataclass(frozen=True, slots=True)
class Choice:
    """The generator for a load, or why there is none."""

    generator: Generator | None
    objections: tuple[tuple[Generator, str], ...]
    """Those that were passed over, with the reason."""


async def choose(load: Load, generators: Sequence[Generator]) -> Choice:
    """The first generator that is there and can make the load."""
    objections: list[tuple[Generator, str]] = []
    for generator in generators:
        objection = generator.objection(load)
        if objection is None and await generator.version() is None:
            objection = f"is not installed: {generator.install}"
        if objection is None:
            return Choice(generator, tuple(objections))
        objections.append((generator, objection))
    return Choice(None, tuple(objections))
