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
        Figure("woke_late", "load overslept µs"),
        Figure("rate", "requests/s"),
        Figure("capacity", "capacity, requests/s"),
    )
    programs = ("wrk",)

    def warm_up(self, subject: Subject, seconds: int, /) -> None:
        """The load that capacity is measured with."""
        _closed_loop(subject, seconds)

    def take(self, subject: Subject, seconds: int, /) -> Taking:
        """Capacity under a closed loop, then latencies at half of it under an open one, slice by slice."""
        port, workload = subject.server.port, subject.job.workload
        capacity = _closed_loop(subject, seconds)
        rate = capacity * _SHARE
        yield  # connections that waited for the capacity of others might be closed
        slices: list[Latencies] = []
        woke_late_ns: list[int] = []
        with open_loop.connected(port, workload) as load:
            for _ in range(seconds * _SLICES_A_SECOND):
                yield
                settling = int(rate * _SETTLING_SECONDS)
                stretch = load.run(rate, settling + int(rate * _SLICE_SECONDS))
                slices.append(Latencies(sorted(stretch.latencies[settling:])))
                woke_late_ns.append(stretch.woke_late_ns)
        together = Latencies(sorted(chain.from_iterable(one.ordered for one in slices)))
        return {
            "p50": median(one.percentile(50) for one in slices),
            "p99": median(one.percentile(99) for one in slices),
            "p99_9": together.percentile(99.9),
            "woke_late": median(woke_late_ns) / 1000,
            "rate": rate,
            "capacity": capacity,
        }


def _closed_loop(subject: Subject, seconds: int) -> float:
    program, port = subject.programs["wrk"], subject.server.port
    return wrk.run(program, subject.job, port, seconds, folder=subject.folder).requests_per_second
