"""Where a peer of a single process lives during a measurement: a folder of its own, and a free port."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.peers.process import Server, free_port, start_listening


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that is named after the peer, and the port that it is to listen on."""

    folder: Path
    port: int

    @classmethod
    def of(cls, peer: str, folder: Path) -> Self:
        """Makes the folder within the run's."""
        own = folder / peer
        own.mkdir()
        return cls(own, free_port())

    def write(self, name: str, text: str) -> Path:
        """Writes one of its files."""
        file = self.folder / name
        file.write_text(text)
        return file

    def start(
        self, command: Sequence[str], *, cores: Iterable[int], environment: Mapping[str, str] | None = None
    ) -> Server:
        """Starts the peer and returns once it listens; what it says goes to a log in its folder."""
        log = self.folder / f"{self.folder.name}.log"
        return start_listening(command, cores=cores, port=self.port, log=log, environment=environment)
