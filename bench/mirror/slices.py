"""Slices of load, their order, and which of them count: by a rule that was there before the run and knows no latency. Pure."""

import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.mirror.kinds import Kind

MOST_DEVIATIONS = 5
"""Median deviations from the median, beyond which a value does not belong to the others (Hampel's identifier)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some load on one gateway, and by how much the machine disturbed it."""

    latencies_ns: Sequence[int]
    woke_late_seconds: float
    """The longest that the load generator overslept."""
    waited_seconds: float
    """Time in which the gateway wanted its core and others had it."""
    stolen_seconds: float
    """Time in which a core did not run at all, because the host of the machine ran something else."""


Round = Mapping[Kind, Slice]
"""A slice of each kind, one after the other."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What tells that the machine stood still in a slice, whatever the mirror did: neither origin nor mirrors run on the gateways' core."""

    name: str
    """With so many milliseconds behind it, a sentence."""
    seconds: Callable[[Slice], float]
    floor_seconds: float
    """What is no more than that above the median disturbs nobody."""


SIGNS = (
    # The requests that are due in 2 ms are too few to be the slowest hundredth of a slice.
    Sign("the load generator overslept", lambda one: one.woke_late_seconds, 0.002),
    # Every wake-up waits some microseconds, and kinds differ in how many there are: so the medians are those of kinds.
    Sign("the gateway waited for its core", lambda one: one.waited_seconds, 0.005),
    # From both cores together; the kernel counts by 10 ms.
    Sign("the cores were stolen for", lambda one: one.stolen_seconds, 0.025),
)


def rule() -> str:
    """What is left out, for a reader."""
    signs = " or ".join(f"{sign.name} {sign.floor_seconds * 1e3:.0f} ms" for sign in SIGNS)
    return f"{signs} longer than in the median slice of its kind, and by more than {MOST_DEVIATIONS} median deviations"


def orders(rounds: int, seed: int) -> Iterator[list[Kind]]:
    """The kinds in the order of each round, drawn anew: none always comes after the same neighbour, or early in a round."""
    source = random.Random(seed)
    for _ in range(rounds):
        yield source.sample(list(Kind), len(Kind))


def disturbed(rounds: Sequence[Round]) -> list[set[Kind]]:
    """Of each round the kinds in whose slice the machine stood still. A round counts if there are none.

    With a slice that was disturbed the others of its round go, or else kinds would be compared in different rounds.
    """
    found: list[set[Kind]] = [set() for _ in rounds]
    for kind in Kind:
        for sign in SIGNS:
            seconds = [sign.seconds(one[kind]) for one in rounds]
            most = _most(seconds, sign.floor_seconds)
            for kinds, value in zip(found, seconds, strict=True):
                if value > most:
                    kinds.add(kind)
    return found


def _most(seconds: Sequence[float], floor_seconds: float) -> float:
    """Up to where a slice is like the others of its kind."""
    median = statistics.median(seconds)
    deviation = statistics.median(abs(value - median) for value in seconds)
    return median + max(floor_seconds, MOST_DEVIATIONS * deviation)
