"""The load of the latency workload: requests sent when they are due, whether or not earlier ones have been answered.

Every latency counts from when its request was due. The generator is ``native/load``, a process; this is how it is started and
asked.
"""

import subprocess
import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from bench.build import load_generator
from bench.peers.job import Workload
from bench.peers.load import LoadError


@dataclass(frozen=True, slots=True)
class Latencies:
    """Nanoseconds from when each request was due to the last byte of its answer, in ascending order."""

    ordered: Sequence[int]

    def percentile(self, percent: float) -> float:
        """Microseconds within which so many of 100 requests were answered (nearest rank)."""
        rank = max(1, -(-len(self.ordered) * percent // 100))
        return self.ordered[int(rank) - 1] / 1000


@dataclass(frozen=True, slots=True)
class Stretch:
    """What became of some time of load."""

    latencies: Sequence[int]
    """Nanoseconds, in the order in which the requests were due."""
    woke_late_ns: int
    """By how much the load generator overslept at the most: the machine gave its core to others, or did not run at all."""


class OpenLoop:
    """A client of one gateway, with its connections, in a process of its own. Of a stretch, request n is due ``n / rate`` seconds after
    its start.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def run(self, rate: float, total: int) -> Stretch:
        """So many requests, ``rate`` in a second; all of them are answered when it returns. Raises LoadError."""
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None
        assert answers is not None
        with suppress(BrokenPipeError):  # it has failed, and says so below
            orders.write(f"{rate} {total}\n".encode())
            orders.flush()
        woke_late_ns = int(_line(self._process))
        latencies = array("Q")
        data = answers.read(total * latencies.itemsize)
        if len(data) < total * latencies.itemsize:
            raise _failure(self._process)
        latencies.frombytes(data)
        if sys.byteorder == "big":
            latencies.byteswap()
        return Stretch(latencies, woke_late_ns)


def run(port: int, workload: Workload, rate: float, *, warm_up_seconds: float, seconds: float) -> Latencies:
    """Sends ``rate`` requests per second on the caller's cores; the latencies of the warm-up are left out."""
    skipped = int(rate * warm_up_seconds)
    with connected(port, workload) as load:
        stretch = load.run(rate, skipped + int(rate * seconds))
    return Latencies(sorted(stretch.latencies[skipped:]))


@contextmanager
def connected(port: int, workload: Workload) -> Iterator[OpenLoop]:
    """The connections of the workload, open until the end of the block. Raises LoadError.

    They are to be so many that a request finds one free unless the gateway is late by many milliseconds.
    """
    request = workload.head + b"x" * workload.request_bytes
    numbers = (port, workload.connections, workload.response_bytes, len(request))
    with (
        subprocess.Popen(
            [load_generator(), *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
        ExitStack() as stack,
    ):
        assert process.stdin is not None
        stack.enter_context(suppress(BrokenPipeError))  # what was not taken is lost with it
        stack.callback(process.stdin.close)
        stack.callback(process.kill)
        with suppress(BrokenPipeError):
            process.stdin.write(request)
            process.stdin.flush()
        _line(process)
        yield OpenLoop(process)


def _line(process: subprocess.Popen[bytes]) -> bytes:
    """What it says next. Raises LoadError with what it failed by."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise _failure(process)
    return line


def _failure(process: subprocess.Popen[bytes]) -> LoadError:
    """Of a generator that has ended."""
    assert process.stderr is not None
    return LoadError(process.stderr.read().decode().strip() or "the load generator has ended")
