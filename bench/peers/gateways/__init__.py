"""What a run asks of a gateway under test: its name, the programs it needs, and how it is started for a job."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from bench.peers.job import Job, Workload
from bench.peers.process import Server


class Gateway(Protocol):
    """One peer. ``start`` configures it as its own expert would: tuned, everything the job asks for."""

    @property
    def name(self) -> str:
        """How the peer is called on the command line and in tables."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Programs it needs; ``bench.peers.packages`` knows where they come from."""

    @property
    def speaks_http(self) -> bool:
        """False for a peer that only moves bytes: nothing to verify in the forwarded head, and no fair rival."""

    @property
    def remark(self) -> str:
        """What of the job it cannot do, or does in another way; empty when nothing."""

    def version(self, programs: Mapping[str, str], /) -> str:
        """Its version, as it says itself."""

    def unfit(self, _workload: Workload, /) -> str:
        """Why it cannot take part in a workload; empty when it can, as most can."""
        return ""

    def start(
        self, job: Job, programs: Mapping[str, str], /, *, folder: Path, cores: Iterable[int]
    ) -> Server:
        """Starts it on its cores with its files in a folder; returns once it listens. The caller stops it."""
