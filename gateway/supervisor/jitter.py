"""Spreads what happens at an interval, so that a thousand timers set together do not fire together, and has those fire
together that are due at nearly the same time.
"""

import math

SPREAD = 0.2  # of the interval, to either side
GRAIN = 0.02
"""Of the interval: what is due within so much of it happens at one moment. At 200 a second, each that wakes a process alone finds
nothing of it in the cache, and costs twice what one of twenty does."""


def jittered(interval_s: float, draw: float) -> float:
    """The interval ±20 % for a ``draw`` from [0, 1)."""
    return interval_s * (1 - SPREAD + 2 * SPREAD * draw)


def in_company(delay_s: float, interval_s: float, now_s: float) -> float:
    """The delay until the first moment for all at this interval that comes when the delay is over."""
    grain = interval_s * GRAIN
    return math.ceil((now_s + delay_s) / grain) * grain - now_s
