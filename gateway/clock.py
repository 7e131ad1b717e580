"""The clocks that processes read once per event and pass on; everything below takes the time as an argument."""

from time import CLOCK_MONOTONIC, clock_gettime_ns, time_ns

NANOSECONDS = 1_000_000_000


def monotonic_ns() -> int:
    """Nanoseconds of CLOCK_MONOTONIC: the same clock in every process of the machine."""
    return clock_gettime_ns(CLOCK_MONOTONIC)


def wall_seconds() -> int:
    """Unix time in whole seconds, for Date fields and logs only."""
    return time_ns() // NANOSECONDS
