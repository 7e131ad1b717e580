"""Slices of load, their order, and which of them count: by a rule that was there before the run and knows no latency. Pure."""

import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.mirror.kinds import Kind

MOST_LATE_SECONDS = 0.002
"""Of a wake-up of the load generator. The requests that were due meanwhile are too few to be the slowest hundredth of a slice."""
MOST_WAITED_SECONDS = 0.005
"""Of the gateway for its core, beyond the median of its kind: every wake-up waits some microseconds, more on some machines, and
mirrors differ in how many there are."""
MOST_STOLEN_SECONDS = 0.025
"""From both cores together; the kernel counts by 10 ms."""
RULE = (
    f"the load generator woke more than {MOST_LATE_SECONDS * 1e3:.0f} ms late, the gateway waited for its core "
    f"{MOST_WAITED_SECONDS * 1e3:.0f} ms longer than in the median slice of its kind, or more than "
    f"{MOST_STOLEN_SECONDS * 1e3:.0f} ms were stolen from the cores"
)


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


def orders(rounds: int, seed: int) -> Iterator[list[Kind]]:
    """The kinds in the order of each round, drawn anew: none always comes after the same neighbour, or early in a round."""
    source = random.Random(seed)
    for _ in range(rounds):
        yield source.sample(list(Kind), len(Kind))


def disturbed(rounds: Sequence[Round]) -> list[set[Kind]]:
    """Of each round the kinds in whose slice the machine stood still, whatever the mirror did.

    Neither origin nor mirrors run on the gateways' core. A round counts if there are none: with a slice that was disturbed the others
    of its round go.
    """
    waited = {kind: statistics.median(one[kind].waited_seconds for one in rounds) for kind in Kind}
    return [{kind for kind in Kind if _is_disturbed(one[kind], waited[kind])} for one in rounds]


def _is_disturbed(one: Slice, usually_waited: float) -> bool:
    return (
        one.woke_late_seconds > MOST_LATE_SECONDS
        or one.waited_seconds - usually_waited > MOST_WAITED_SECONDS
        or one.stolen_seconds > MOST_STOLEN_SECONDS
    )
