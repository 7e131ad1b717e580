"""Latency at half of a gateway's capacity, both found on the same running gateway one after the other."""

from bench.peers.load import open_loop, wrk
from bench.peers.measures import Figure, Subject

_SHARE = 0.5
_WARM_UP_SECONDS = 0.5


class Latency:
    """Microseconds from when a request is due to its complete answer."""

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

    def take(self, subject: Subject, seconds: int, /) -> dict[str, float]:
        """Capacity under a closed loop, then latencies at half of it under an open one."""
        capacity = _closed_loop(subject, seconds)
        rate = capacity * _SHARE
        latencies = open_loop.run(
            subject.server.port, subject.job.workload, rate, warm_up_seconds=_WARM_UP_SECONDS, seconds=seconds
        )
        return {
            "p50": latencies.percentile(50),
            "p99": latencies.percentile(99),
            "p99_9": latencies.percentile(99.9),
            "rate": rate,
            "capacity": capacity,
        }


def _closed_loop(subject: Subject, seconds: int) -> float:
    program, port = subject.programs["wrk"], subject.server.port
    return wrk.run(program, subject.job, port, seconds, folder=subject.folder).requests_per_second
