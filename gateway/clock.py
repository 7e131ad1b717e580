"""The clocks that processes read once per event and pass on; everything below takes the time as an argument."""

from time import monotonic_ns, time_ns

__all__ = ["NANOSECONDS", "monotonic_ns", "wall_seconds"]

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second. ``monotonic_ns`` is CLOCK_MONOTONIC: the same clock in every process of the machine."""


def wall_seconds() -> int:
    """Unix time in whole seconds, for Date fields and logs only."""
    return time_ns() // NANOSECONDS
