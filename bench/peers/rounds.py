"""Rounds and statistics: the order of measurements, their spread, and comparisons made within a round. Pure."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import sub, truediv


@dataclass(frozen=True, slots=True)
class Contender:
    """A gateway in one of the workload's setups."""

    gateway: str
    setup: str = ""
    """Name of the setup; empty in a workload with one."""

    def __str__(self) -> str:
        return f"{self.gateway}, {self.setup}" if self.setup else self.gateway


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one contender in one round."""

    contender: Contender
    round: int
    figures: Mapping[str, float]
    """By their keys; what they are says the measure."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its quartiles."""

    median: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Change:
    """What a setup changes against the workload's first setup, the same gateway in the same rounds."""

    ratio: Spread
    difference: Spread


@dataclass(frozen=True, slots=True)
class Summary:
    """All rounds of one contender."""

    contender: Contender
    rounds: int
    """In how many rounds it was measured."""
    figures: dict[str, Spread]
    ratios: dict[str, dict[str, Spread]]
    """By figure and reference: this gateway's divided by the reference's, both in the same setup."""
    changes: dict[str, Change]
    """By figure; empty for the first setup."""


def order(contenders: Sequence[Contender], round_number: int) -> list[Contender]:
    """The order of one round: rotated by one each time, so that nobody always runs after the same neighbour."""
    start = round_number % max(1, len(contenders))
    return [*contenders[start:], *contenders[:start]]


def spread(values: Iterable[float]) -> Spread:
    """Median and quartiles (inclusive: the samples are all there is). Raises ValueError when there is no value."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a spread needs at least one value")
    if len(ordered) == 1:
        return Spread(ordered[0], ordered[0], ordered[0])
    lower, median, upper = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(median, lower, upper)


def ratio(samples: Iterable[Sample], figure: str, of: Contender, to: Contender) -> Spread | None:
    """One contender's figure in units of another's: a ratio per round, then the spread of the ratios.

    Within a round both ran under the same conditions, so a slow minute of the machine cancels out; the ratio of
    two medians would not have that. None when no round has both.
    """
    return _within_rounds(samples, figure, of, to, truediv)


def difference(samples: Iterable[Sample], figure: str, of: Contender, to: Contender) -> Spread | None:
    """By how much one contender's figure exceeds another's, taken within rounds as a ratio is."""
    return _within_rounds(samples, figure, of, to, sub)


def summarize(
    samples: Sequence[Sample],
    contenders: Sequence[Contender],
    *,
    compared: Sequence[str],
    references: Sequence[str],
) -> list[Summary]:
    """One summary for each contender that was measured, in the given order.

    ``compared`` are the figures to compare, ``references`` the gateways to compare with where they were measured.
    """
    measured = {sample.contender for sample in samples}
    present = [contender for contender in contenders if contender in measured]
    return [_summary(samples, contender, present, compared, references) for contender in present]


def _summary(
    samples: Sequence[Sample],
    contender: Contender,
    contenders: Sequence[Contender],
    compared: Sequence[str],
    references: Sequence[str],
) -> Summary:
    own = [sample.figures for sample in samples if sample.contender == contender]
    keys = dict.fromkeys(key for figures in own for key in figures)
    base = next(other for other in contenders if other.gateway == contender.gateway)
    return Summary(
        contender=contender,
        rounds=len(own),
        figures={key: spread(figures[key] for figures in own if key in figures) for key in keys},
        ratios={
            figure: {
                name: found
                for name in references
                if (found := ratio(samples, figure, contender, Contender(name, contender.setup))) is not None
            }
            for figure in compared
        },
        changes=_changes(samples, contender, base, compared) if base != contender else {},
    )


def _changes(
    samples: Sequence[Sample], contender: Contender, base: Contender, compared: Sequence[str]
) -> dict[str, Change]:
    found = {}
    for figure in compared:
        quotient = ratio(samples, figure, contender, base)
        distance = difference(samples, figure, contender, base)
        if quotient is not None and distance is not None:
            found[figure] = Change(quotient, distance)
    return found


def _within_rounds(
    samples: Iterable[Sample],
    figure: str,
    of: Contender,
    to: Contender,
    compare: Callable[[float, float], float],
) -> Spread | None:
    by_round: dict[int, dict[Contender, float]] = {}
    for sample in samples:
        if figure in sample.figures:
            by_round.setdefault(sample.round, {})[sample.contender] = sample.figures[figure]
    found = [compare(seen[of], seen[to]) for seen in by_round.values() if of in seen and to in seen]
    return spread(found) if found else None
