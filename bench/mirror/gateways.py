"""The gateways of a run: one for each kind of mirror, all of them there from the first slice to the last, on one core."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.child import ChildError, serving
from bench.mirror.kinds import Kind
from bench.mirror.slices import Slice
from bench.peers.gateways.headgate import parse_ready_line
from bench.peers.job import Workload
from bench.peers.load.open_loop import OpenLoop, connected
from bench.peers.process import pinned_to
from gateway.benchmark.cpu import core_stolen_seconds
from gateway.benchmark.generators import Place
from gateway.benchmark.local_gateway import Local, find_local

SETTLING_SECONDS = 0.25
"""The beginning of a slice, which does not count. Until then the copies of the slice before are answered, and as many of its own
are under way as there will be."""
_LATE_SECONDS = 0.2
"""How late a slow mirror answers: it is to do so within the slice of its own gateway, or else in the settling of the next one."""
_CONNECTIONS = 100
"""Of the clients of each gateway."""
_BACKLOG = 4096
_WORKLOAD = Workload("mirror", "a mirror", (("Host", "mirror.example"), ("Accept", "*/*")))
_CONFIGURATION = """\
[gateway]
workers = 1
admin = "127.0.0.1:0"

[log]
level = "error"

[[listen]]
address = "127.0.0.1:0"

[services.api]
instances = ["127.0.0.1:{origin}"]
{service}
[[routes]]
service = "api"
{mirror}
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One that serves, and the connections of its clients."""

    load: OpenLoop
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
        _mirror(kind) as address,
        tempfile.TemporaryDirectory(prefix="headgate-mirror-") as folder,
        ExitStack() as stack,
    ):
        service = f'[services.shadow]\ninstances = ["{address}"]\n' if address else ""
        mirror = f'mirror = {{ service = "shadow", percent = {percent} }}' if address else ""
        file = Path(folder) / "gateway.toml"
        file.write_text(_CONFIGURATION.format(origin=origin, service=service, mirror=mirror))
        with pinned_to(cores[:1]):
            ready = stack.enter_context(serving("gateway", "run", str(file)))
        port = parse_ready_line(ready.encode())
        processes = find_local(Place(socket.AF_INET, ("127.0.0.1", port)))
        if processes is None:
            raise ChildError(f"the gateway with the mirror {kind} has ended")
        yield Gateway(stack.enter_context(connected(port, _WORKLOAD, _CONNECTIONS)), processes, cores)


@contextmanager
def _mirror(kind: Kind) -> Iterator[str]:
    """The address of a mirror of this kind; empty for none."""
    if kind in {Kind.NONE, Kind.CONTROL}:
        yield ""
    elif kind in {Kind.ANSWERS, Kind.SLOW}:
        with serving("bench.churn.origin", str(_LATE_SECONDS if kind is Kind.SLOW else 0.0)) as port:
            yield f"127.0.0.1:{int(port)}"
    else:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if kind is Kind.SILENT:
                listener.listen(_BACKLOG)  # the kernel connects, and nobody ever reads
            yield f"127.0.0.1:{listener.getsockname()[1]}"
