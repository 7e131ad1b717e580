"""Load generators, a file each: what sends a workload's requests, and what it saw."""

from dataclasses import dataclass

_OK = b"HTTP/1.1 200"


class LoadError(Exception):
    """The load saw errors, or did not report: the measurement counts for nothing."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a closed loop counted; every request was answered with 2xx or 3xx."""

    requests: int
    seconds: float

    @property
    def requests_per_second(self) -> float:
        """As fast as the slowest part of the set-up answered."""
        return self.requests / self.seconds


def is_whole(received: bytes, body_bytes: int) -> bool:
    """Whether an answer has arrived completely. Raises LoadError for one that is not the expected 200."""
    head_ends = received.find(b"\r\n\r\n")
    if not received.startswith(_OK[: len(received)]):
        raise LoadError(f"a request was answered with {received[: max(head_ends, 100)]!r}")
    missing = head_ends + 4 + body_bytes - len(received)
    if head_ends >= 0 and missing < 0:
        raise LoadError(f"an answer is {-missing} bytes too long")
    return head_ends >= 0 and missing == 0
