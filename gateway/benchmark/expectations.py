"""Judges what was measured by the constraints that were asked for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.benchmark.objective import Constraint
from gateway.benchmark.report.words import quantity
from gateway.benchmark.result import Phase, figures


@dataclass(frozen=True, slots=True)
class Judgement:
    """One constraint and the figure that it was about."""

    constraint: Constraint
    value: float | None
    """None when nothing of the kind was measured."""

    @property
    def held(self) -> bool:
        """Whether the constraint was kept."""
        return self.constraint.holds(self.value)

    def __str__(self) -> str:
        measured = "not measured" if self.value is None else quantity(self.value, self.constraint.figure)
        return f"{'held' if self.held else 'BROKEN'}: {self.constraint} ({measured})"


def judge(phase: Phase, constraints: Sequence[Constraint]) -> list[Judgement]:
    """Each constraint by the figures of all requests, or of the kind that it names."""
    whole, kinds = phase.figures(), phase.kinds
    judged = []
    for constraint in constraints:
        found = whole
        if constraint.kind:
            tally = kinds.get(constraint.kind)
            found = figures(tally, phase.seconds, None) if tally is not None else {}
        judged.append(Judgement(constraint, found.get(constraint.figure.key)))
    return judged
