"""The gateways of a run: one for each kind of mirror, all of them there from the first slice to the last, on one core."""

import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.child import serving
from bench.configuration import plain
from bench.mirror.copies import copies
from bench.mirror.kinds import Kind
from bench.mirror.slices import Slice
from bench.peers.job import Workload
from bench.peers.load.open_loop import OpenLoop, connected
from bench.peers.process import pinned_to
from gateway.benchmark.cpu import core_stolen_seconds
from gateway.benchmark.local_gateway import Local

SETTLING_SECONDS = 0.3
"""The beginning of a slice, which does not count. In it the copies of the slice before come to their end, and those of its own become as
many as there will be: none waits longer for its mirror, a tick of the worker included."""
_MIRROR_ANSWERS_AFTER_SECONDS = {Kind.ANSWERS: 0.0, Kind.SLOW: 0.1, Kind.SILENT: 3600.0}
_WORKLOAD = Workload("mirror", "a mirror", (("Host", "mirror.example"), ("Accept", "*/*")), connections=100)
_MIRROR = """\
mirror = {{ service = "shadow", percent = {percent} }}

[services.shadow]
instances = ["127.0.0.1:{port}"]
timeouts = {{ first_byte = "200ms" }}
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One that serves, and the connections of its clients."""

    load: OpenLoop
    admin: str
    """URL of its admin API."""
    processes: Local
    cores: tuple[int, int]

    def warm_up(self, rate: int, seconds: float) -> None:
        """Load that nobody looks at."""
        self.load.run(rate, round(rate * seconds))

    def slice(self, rate: int, seconds: float) -> Slice:
        """Load for so long, after the settling. Raises LoadError when a request fails."""
        settling = round(rate * SETTLING_SECONDS)
        waited, stolen = self._waited(), self._stolen()
        stretch = self.load.run(rate, settling + round(rate * seconds))
        return Slice(
            latencies_ns=stretch.latencies[settling:],
            woke_late_seconds=stretch.woke_late_ns / 1e9,
            waited_seconds=self._waited() - waited,
            stolen_seconds=self._stolen() - stolen,
        )

    def copies(self) -> dict[str, int]:
        """What became of its copies since it started. Raises OSError."""
        return copies(self.admin)

    def _waited(self) -> float:
        return sum(usage.waited_seconds for usage in self.processes.usage().values())

    def _stolen(self) -> float:
        return sum(core_stolen_seconds(core) for core in self.cores)


@contextmanager
def standing(percent: int, cores: tuple[int, int]) -> Iterator[dict[Kind, Gateway]]:
    """All of them by their kind, until the end of the block; the caller runs on the second core, as do origin and mirrors.

    Raises ChildError when something does not start, and LoadError when it takes no connections.
    """
    with ExitStack() as stack:
        stack.enter_context(pinned_to(cores[1:]))
        origin = int(stack.enter_context(serving("bench.churn.origin")))
        yield {kind: stack.enter_context(_gateway(kind, percent, origin, cores)) for kind in Kind}


@contextmanager
def _gateway(kind: Kind, percent: int, origin: int, cores: tuple[int, int]) -> Iterator[Gateway]:
    with (
        _mirror(kind) as mirror,
        tempfile.TemporaryDirectory(prefix="headgate-mirror-") as folder,
        ExitStack() as stack,
    ):
        mirrored = "" if mirror is None else _MIRROR.format(percent=percent, port=mirror)
        file = Path(folder) / "gateway.toml"
        file.write_text(plain(f"127.0.0.1:{origin}") + mirrored)
        with pinned_to(cores[:1]):
            ready = stack.enter_context(serving("gateway", "run", str(file)))
        said = json.loads(ready)
        port = urlsplit(said["listen"][0]).port
        assert port is not None, "a TCP listener has a port"
        load = stack.enter_context(connected(port, _WORKLOAD))
        yield Gateway(load, said["admin"], Local((said["pid"], *said["workers"]), "headgate"), cores)


@contextmanager
def _mirror(kind: Kind) -> Iterator[int | None]:
    """The port of a mirror of this kind."""
    if kind in _MIRROR_ANSWERS_AFTER_SECONDS:
        with serving("bench.churn.origin", str(_MIRROR_ANSWERS_AFTER_SECONDS[kind])) as port:
            yield int(port)
    elif kind is Kind.DEAD:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
            yield taken.getsockname()[1]
    else:
        yield None
