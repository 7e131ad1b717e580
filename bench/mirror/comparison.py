"""How many times a percentile of one kind is that of another, with what the noise leaves open, and what may be said of it. Pure.

The requests of all rounds are pooled. The interval is a bootstrap over rounds (Efron & Tibshirani, An Introduction to the
Bootstrap, §§8.5, 13.3): requests of one slice resemble each other, and so do the slices of a round, so whole rounds are drawn, with all
their kinds, as often as there are.
"""

import math
import random
from collections.abc import Iterator, Sequence
from enum import StrEnum
from operator import mul

from gateway.benchmark.statistics import Interval

BOUND = 1.05
"""A mirror may cost clients so much of a percentile."""
LEAST_ROUNDS = 20
"""With fewer, one bad slice makes a percentile: a hundredth of the requests of so many rounds is a fifth of a slice."""
_CONFIDENCE = 0.95
_DRAWINGS = 2_000
"""So that fifty lie beyond each end of the interval."""

Drawing = Sequence[int]
"""How often each round was drawn."""


class Verdict(StrEnum):
    """What may be said of a mirror."""

    WITHIN = "within"
    BEYOND = "beyond"
    UNTOLD = "cannot be told"


class Pool:
    """All requests of a kind, to be drawn again round by round."""

    def __init__(self, rounds: Sequence[Sequence[int]]) -> None:
        """The latencies of each round, in any unit and order."""
        self._sizes = [len(one) for one in rounds]
        self._slowest_first = sorted(
            ((latency, number) for number, one in enumerate(rounds) for latency in one), reverse=True
        )

    def percentile(self, percent: float, drawing: Drawing | None = None) -> int:
        """Within which so many of 100 requests were answered (nearest rank), with each round as often as it was drawn, or once.

        Looks at the slower requests only, which are few where this is asked often. Raises ValueError when there are none.
        """
        times = drawing or [1] * len(self._sizes)
        total = sum(map(mul, times, self._sizes))
        slower = total - max(1, math.ceil(total * percent / 100))
        for latency, number in self._slowest_first:
            slower -= times[number]
            if slower < 0:
                return latency
        raise ValueError("there are no requests")


def drawings(rounds: int, seed: int, number: int = _DRAWINGS) -> Iterator[Drawing]:
    """As many rounds as there are, drawn with replacement, a number of times."""
    source = random.Random(seed)
    for _ in range(number):
        times = [0] * rounds
        for drawn in source.choices(range(rounds), k=rounds):
            times[drawn] += 1
        yield times


def ratio(of: Pool, to: Pool, percent: float, drawn: Sequence[Drawing]) -> Interval:
    """How many times the one percentile is the other, and the middle 95 % of what that is in the drawings."""
    ratios = sorted(of.percentile(percent, one) / to.percentile(percent, one) for one in drawn)
    beyond = round(len(ratios) * (1 - _CONFIDENCE) / 2)
    return Interval(of.percentile(percent) / to.percentile(percent), ratios[beyond], ratios[-1 - beyond])


def verdict(kind: Interval, control: Interval, rounds: int) -> Verdict:
    """Whether a kind costs no more than the bound, or surely more.

    Gateways that are alike differ by ``control``. What is no more than that tells nothing of a mirror, and when that is more
    than the bound itself, nothing is surely within it.
    """
    if rounds < LEAST_ROUNDS:
        return Verdict.UNTOLD
    resolved = max(BOUND, control.upper, 1 / control.lower)
    if kind.lower > resolved:
        return Verdict.BEYOND
    return Verdict.WITHIN if max(kind.upper, resolved) <= BOUND else Verdict.UNTOLD
