"""The clocks that processes read once per event and pass on; everything below takes the time as an argument."""

from datetime import UTC, datetime
from time import monotonic_ns
from time import time_ns as wall_ns

__all__ = ["NANOSECONDS", "monotonic_ns", "rfc3339", "wall_ns"]

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second. ``monotonic_ns`` is CLOCK_MONOTONIC: the same clock in every process of the machine;
``wall_ns`` is Unix time, for Date fields and logs only."""


def rfc3339(wall: int) -> str:
    """Unix time in nanoseconds as the access log writes it: RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(wall / NANOSECONDS, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
