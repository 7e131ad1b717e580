"""Latency at half of a gateway's capacity, both found on the same running gateway one after the other.

The load goes from gateway to gateway in short slices, and p50 and p99 are the medians of those of the slices. Where a machine has
its cores from others, some milliseconds that they take now and then are all that the slowest hundredth of many seconds
shows: so they fall on all gateways alike, and the worst of them on no figure but p99.9, which is that of all slices together.
"""

from itertools import chain
from statistics import median

from bench.peers.load import open_loop, wrk
from bench.peers.load.open_loop import Latencies
from bench.peers.measures import Figure, Subject, Taking

_SHARE = 0.5
_SLICE_SECONDS = 0.25
_SLICES_A_SECOND = 8
"""For each second of the measurement: twice its time, for a 99th percentile is made of few requests."""
_SETTLING_SECONDS = 0.05
"""The beginning of a slice, which does not count: the gateway's core has served another meanwhile."""


class Latency:
    """Microseconds from when a request is due to its complete answer."""

    in_company = True
    figures = (
        Figure("p50", "p50 µs", compared=True),
        Figure("p99", "p99 µs", compared=True),
        Figure("p99_9", "p99.9 µs"),
        Figure("rate", "requests/s"),
        Figure("capacity", "capacity, requests/s"),
    )
    programs = ("wrk",)

    def warm_up(self, subject: Subject, seconds: int, /) -> None:
        """The load that capacity is measured with."""
        _closed_loop(subject, seconds)

    def take(self, subject: Subject, seconds: int, /) -> Taking:
        """Capacity under a closed loop, then latencies at half of it under an open one, slice by slice."""
        capacity = _closed_loop(subject, seconds)
        rate = capacity * _SHARE
        slices: list[Latencies] = []
        with open_loop.connected(subject.server.port, subject.job.workload) as load:
            for _ in range(seconds * _SLICES_A_SECOND):
                yield
                slices.append(_slice(load, rate))
        together = Latencies(sorted(chain.from_iterable(one.ordered for one in slices)))
        return {
            "p50": median(one.percentile(50) for one in slices),
            "p99": median(one.percentile(99) for one in slices),
            "p99_9": together.percentile(99.9),
            "rate": rate,
            "capacity": capacity,
        }


def _slice(load: open_loop.OpenLoop, rate: float) -> Latencies:
    settling = int(rate * _SETTLING_SECONDS)
    stretch = load.run(rate, settling + int(rate * _SLICE_SECONDS))
    return Latencies(sorted(stretch.latencies[settling:]))


def _closed_loop(subject: Subject, seconds: int) -> float:
    program, port = subject.programs["wrk"], subject.server.port
    return wrk.run(program, subject.job, port, seconds, folder=subject.folder).requests_per_second
