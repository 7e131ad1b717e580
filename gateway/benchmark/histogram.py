"""Latencies in buckets less than 1 % wide, of any length and in bounded memory, which can be added and stored."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Self

_BITS = 7
_PER_OCTAVE = 1 << _BITS
"""Buckets from one power of two to the next: each at most 1/128 of its values wide."""


class Histogram:
    """Counts of latencies in whole microseconds."""

    __slots__ = ("_buckets", "longest")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.longest = 0
        """Microseconds, exact."""

    @classmethod
    def of(cls, latencies: Iterable[int]) -> Self:
        """A histogram of these latencies."""
        histogram = cls()
        for latency in latencies:
            histogram.record(latency)
        return histogram

    def record(self, latency: int, count: int = 1) -> None:
        """Counts a latency; less than none counts as none."""
        latency = max(latency, 0)
        shift = max(latency.bit_length() - _BITS - 1, 0)
        bucket = (shift << _BITS) + (latency >> shift)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.longest = max(self.longest, latency)

    def add(self, other: "Histogram") -> None:
        """Counts all that another one has counted."""
        for bucket, count in other._buckets.items():  # noqa: SLF001 - of its own kind
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.longest = max(self.longest, other.longest)

    @property
    def count(self) -> int:
        """How many latencies it holds."""
        return sum(self._buckets.values())

    def percentile(self, percent: float) -> float:
        """Microseconds within which so many of 100 requests were answered (nearest rank); 0 of none."""
        rank = max(1, -(-self.count * percent // 100))
        for bucket, upto in self._upto():
            if upto >= rank:
                return min(_middle(bucket), self.longest)
        return 0.0

    def shares(self) -> Iterator[tuple[float, float]]:
        """(share of the requests, microseconds within which they were answered), a point for each bucket in use."""
        total = self.count
        for bucket, upto in self._upto():
            yield upto / total, min(_middle(bucket), self.longest)

    def to_json(self) -> dict[str, object]:
        """What ``from_json`` reads."""
        return {"longest_us": self.longest, "buckets": sorted(self._buckets.items())}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Self:
        """Reads what ``to_json`` wrote. Raises TypeError or ValueError for anything else."""
        histogram = cls()
        buckets, longest = document.get("buckets"), document.get("longest_us")
        if not isinstance(buckets, list) or not isinstance(longest, int):
            raise TypeError("no histogram")
        for bucket, count in buckets:
            if not (isinstance(bucket, int) and isinstance(count, int) and bucket >= 0 and count > 0):
                raise ValueError("a histogram has whole buckets and counts")
            histogram._buckets[bucket] = count
        histogram.longest = longest
        return histogram

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and (self._buckets, self.longest) == (
            other._buckets,
            other.longest,
        )

    def _upto(self) -> Iterator[tuple[int, int]]:
        """Each bucket in use with the number of latencies in it and in all smaller ones."""
        buckets = sorted(self._buckets)
        return zip(buckets, accumulate(self._buckets[bucket] for bucket in buckets), strict=True)


def _middle(bucket: int) -> float:
    """Microseconds in the middle of a bucket."""
    shift = max((bucket >> _BITS) - 1, 0)
    first = (bucket - (shift << _BITS)) << shift
    return first + ((1 << shift) - 1) / 2
