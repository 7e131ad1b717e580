"""What is measured of a running gateway: each measure is a file, with the figures that it gives."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.peers.job import Job
from bench.peers.process import Server


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of every sample, and how a reader sees it."""

    key: str
    """Its name in samples."""
    title: str
    """Its column, with the unit."""
    decimals: int = 0
    compared: bool = False
    """Ratios are taken of it, and its quartiles are shown. Less is better."""
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Subject:
    """A gateway at work, as a measure finds it: verified and warm."""

    server: Server
    job: Job
    core: int | None
    """The core that only the gateway has; None when it shares its cores with the load."""
    programs: Mapping[str, str]
    """Paths of the programs by their names."""
    folder: Path
    """For files of the measurement."""


Taking = Generator[None, None, dict[str, float]]
"""A sample that is being taken, by the keys of its figures; where it yields, the others of its company have their turn."""


class Measure(Protocol):
    """How one sample is taken."""

    @property
    def in_company(self) -> bool:
        """Whether all gateways of a round stand, and are measured in turns; else each stands alone for its sample."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures of a sample; one may be absent from samples to which it does not apply."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Programs that it needs."""

    def warm_up(self, subject: Subject, seconds: int, /) -> None:
        """Brings the gateway into the state that is measured. Raises LoadError when requests fail."""

    def take(self, subject: Subject, seconds: int, /) -> Taking:
        """One sample. Raises LoadError when requests fail."""
