"""Spreads what happens at an interval, so that a thousand timers set together do not fire together."""

SPREAD = 0.2  # of the interval, to either side


def jittered(interval_s: float, draw: float) -> float:
    """The interval ±20 % for a ``draw`` from [0, 1)."""
    return interval_s * (1 - SPREAD + 2 * SPREAD * draw)
