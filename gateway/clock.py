"""The clocks that processes read once per event and pass on; everything below takes the time as an argument."""

from time import monotonic_ns
from time import time_ns as wall_ns

__all__ = ["NANOSECONDS", "monotonic_ns", "wall_ns"]

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second. ``monotonic_ns`` is CLOCK_MONOTONIC: the same clock in every process of the machine;
``wall_ns`` is Unix time, for Date fields and logs only."""
