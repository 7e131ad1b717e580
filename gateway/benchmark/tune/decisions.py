"""The decisions of a tuning run: what goes on, what is given up, what is confirmed, and what may be said. Pure.

A run has two halves. *Screening* tries every variation in a few interleaved rounds and claims nothing: with many
variations some look better by chance. *Confirmation* takes the few that look best, and all of them together, through
fresh rounds beside the user's own configuration; only these count for claims, and the confidence is shared among them.
Every round runs in an order of its own, drawn at random, so that the signed ranks of a round's differences are exact.
"""

import math
import random
import statistics as numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.benchmark import statistics
from gateway.benchmark.objective import Constraint, Objective
from gateway.benchmark.statistics import Interval, Verdict
from gateway.benchmark.tune.space import Variation, combined

HOPELESS = 0.25
"""Worse by so much in every one of the first rounds: no further round is spent on it."""
HOPELESS_ROUNDS = 2
PROMISING = 0.03
MOST_FINALISTS = 3
MOST_ROUNDS = 16
MORE_ERRORS = 0.2
"""Percentage points more than the user's own configuration: whatever is better for it is not, unless the user has said how
many may fail.
"""

Figures = Mapping[str, float]


@dataclass(slots=True)
class Contender:
    """A variation, or the user's own configuration, and what was measured of it."""

    variation: Variation | None
    rounds: dict[int, Figures] = field(default_factory=dict)
    """By the number of the round."""
    gave_up: str = ""
    """Why no further round is spent on it."""

    @property
    def name(self) -> str:
        """What it is called."""
        return "as it is" if self.variation is None else self.variation.name

    def median(self, key: str) -> float | None:
        """A figure over the rounds."""
        values = [figures[key] for figures in self.rounds.values() if key in figures]
        return numbers.median(values) if values else None


@dataclass(frozen=True, slots=True)
class Finding:
    """What may be said of one contender of the confirmation."""

    variation: Variation
    change: Interval | None
    """Ratio of its objective to that of the user's own configuration."""
    verdict: Verdict
    rounds: int
    before: float
    after: float
    others: dict[str, float]
    """Median ratios of the other figures, of which nothing is claimed."""
    against: str = ""
    """Why it is not taken although it is better."""


def shuffled(contenders: Sequence[Contender], source: random.Random) -> list[Contender]:
    """The order of one round."""
    return source.sample(list(contenders), len(contenders))


def differences(contender: Contender, base: Contender, objective: Objective) -> list[float]:
    """Of the scores, round by round; negative is better. A round that lacks either says nothing."""
    found = []
    for number, figures in contender.rounds.items():
        other = base.rounds.get(number)
        if other is None:
            continue
        own_score, base_score = objective.score(figures), objective.score(other)
        if own_score is not None and base_score is not None:
            found.append(own_score - base_score)
    return found


def hopeless(contender: Contender, base: Contender, objective: Objective) -> bool:
    """Whether it is clearly worse already."""
    found = differences(contender, base, objective)
    return len(found) >= HOPELESS_ROUNDS and min(found) > math.log1p(HOPELESS)


def objection(contender: Contender, base: Contender, constraints: Sequence[Constraint]) -> str:
    """What speaks against it whatever its objective; empty if nothing does."""
    for constraint in constraints:
        value = contender.median(constraint.figure.key)
        if not constraint.holds(value):
            return f"breaks {constraint}"
    if any(one.figure.key == "errors" and one.below and not one.kind for one in constraints):
        return ""
    errors, usual = contender.median("errors"), base.median("errors")
    if errors is not None and usual is not None and errors > usual + MORE_ERRORS:
        return f"{errors:.2g} % of the requests fail instead of {usual:.2g} %"
    return ""


def looks_better(contender: Contender, base: Contender, objective: Objective) -> bool:
    """Whether screening saw it so: typically, and in two rounds of three."""
    found = differences(contender, base, objective)
    if contender.gave_up or not found:
        return False
    return (
        numbers.median(found) < -math.log1p(PROMISING) and sum(one < 0 for one in found) * 3 >= len(found) * 2
    )


def finalists(
    contenders: Sequence[Contender],
    base: Contender,
    objective: Objective,
    constraints: Sequence[Constraint],
    most: int,
) -> list[Variation]:
    """What looks best after screening, one value for each place, the best first; and all of them together."""
    ranked = [
        (numbers.median(differences(contender, base, objective)), contender.variation)
        for contender in contenders
        if contender.variation is not None
        and looks_better(contender, base, objective)
        and not objection(contender, base, constraints)
    ]
    chosen: list[Variation] = []
    for _, variation in sorted(ranked, key=lambda item: item[0]):
        taken = {path for other in chosen for path in other.place}
        if taken.isdisjoint(variation.place) and len(chosen) < most:
            chosen.append(variation)
    return [*chosen, combined(chosen)] if len(chosen) > 1 else chosen


def most_finalists(seconds: float, seconds_each: float, confidence: float) -> int:
    """How many single variations can be confirmed in the time: each needs its rounds, and so do base and combination."""
    for count in range(MOST_FINALISTS, 1, -1):
        if seconds >= seconds_each * measurements_to_confirm(count, confidence):
            return count
    return 1


def measurements_to_confirm(singles: int, confidence: float) -> int:
    """The least number that claims about so many single variations, and all of them together, need."""
    entries = singles + 1 if singles > 1 else 1
    return (entries + 1) * _rounds_for(entries, confidence)


def rounds_to_confirm(seconds: float, seconds_each: float, entries: int, confidence: float) -> int:
    """How many rounds of so many entries beside the base fit, fixed in advance; never less than a claim needs."""
    fits = int(seconds / ((entries + 1) * seconds_each)) if seconds_each > 0 else MOST_ROUNDS
    return max(_rounds_for(entries, confidence), min(fits, MOST_ROUNDS))


def _rounds_for(entries: int, confidence: float) -> int:
    return statistics.rounds_needed(statistics.per_comparison(confidence, entries))


def confirm(
    contenders: Sequence[Contender],
    base: Contender,
    objective: Objective,
    constraints: Sequence[Constraint],
    confidence: float,
) -> list[Finding]:
    """What the fresh rounds say; all intervals together have the confidence."""
    each = statistics.per_comparison(confidence, len(contenders))
    return [_finding(contender, base, objective, constraints, each) for contender in contenders]


def _finding(
    contender: Contender,
    base: Contender,
    objective: Objective,
    constraints: Sequence[Constraint],
    confidence: float,
) -> Finding:
    assert contender.variation is not None
    found = differences(contender, base, objective)
    score = statistics.ratio(statistics.paired(found, confidence))
    verdict = statistics.verdict(score, less_is_better=True)
    key = objective.figure.key
    return Finding(
        contender.variation,
        score if score is None or objective.figure.less_is_better else _inverse(score),
        verdict,
        len(found),
        base.median(key) or 0.0,
        contender.median(key) or 0.0,
        _other_ratios(contender, base, key),
        objection(contender, base, constraints) if verdict is Verdict.BETTER else "",
    )


def adopted(findings: Sequence[Finding]) -> Finding | None:
    """What to write into the file: the best of what is surely better, the simpler one if the combination adds nothing."""
    good = [one for one in findings if one.verdict is Verdict.BETTER and not one.against]
    if not good:
        return None
    singles = [one for one in good if one.variation.knob != "together"]
    together = next((one for one in good if one.variation.knob == "together"), None)
    best = min(singles, key=_gain, default=None)
    if together is None or best is None:
        return best or together
    return together if _gain(together) < _gain(best) - math.log1p(PROMISING) else best


def _gain(finding: Finding) -> float:
    """The logarithm of the improvement; less is better for whatever figure."""
    assert finding.change is not None
    return -abs(math.log(finding.change.estimate))


def _inverse(interval: Interval) -> Interval:
    return Interval(1 / interval.estimate, 1 / interval.upper, 1 / interval.lower)


def _other_ratios(contender: Contender, base: Contender, key: str) -> dict[str, float]:
    ratios: dict[str, float] = {}
    keys = {name for figures in base.rounds.values() for name in figures} - {key, "errors"}
    for other in sorted(keys):
        found = [
            figures[other] / base.rounds[number][other]
            for number, figures in contender.rounds.items()
            if number in base.rounds and base.rounds[number].get(other) and other in figures
        ]
        if found:
            ratios[other] = numbers.median(found)
    return ratios
