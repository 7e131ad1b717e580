"""The byte relay on uvloop as a peer: the floor that the same run gives for orientation."""

import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from bench.peers.gateways import Gateway
from bench.peers.job import Job, Setup, Workload
from bench.peers.process import Server, free_port, start_listening


class Relay(Gateway):
    """One process that moves bytes and does nothing else of the job."""

    name = "relay"
    programs = ()
    speaks_http = False
    remark = "moves bytes only: no HTTP, no routing, no limit, no health; the floor, not a rival"

    def version(self, _programs: Mapping[str, str], /) -> str:
        """The version of uvloop; the relay itself is part of this suite."""
        return f"uvloop {version('uvloop')}"

    def unfit(self, workload: Workload, /) -> str:
        """What it knows nothing of cannot be compared."""
        if workload.setups != (Setup(),):
            return "knows no routes, limits, workers and logs"
        return ""

    def start(
        self, job: Job, _programs: Mapping[str, str], /, *, folder: Path, cores: Iterable[int]
    ) -> Server:
        """Starts the relay with the ports of the instances."""
        port = free_port()
        origins = [f"{host}:{at}" for host, at in job.instances]
        return start_listening(
            [sys.executable, "-m", "bench.peers.gateways.byte_relay", str(port), *origins],
            cores=cores,
            port=port,
            log=folder / "relay.log",
        )
