"""What a tuning run has found, as a value and as JSON. Pure."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.benchmark.objective import Constraint, Objective
from gateway.benchmark.tune.decisions import Contender, Finding, differences, looks_better, objection


@dataclass(slots=True)
class Outcome:
    """Everything a report tells."""

    file: str
    started: str
    machine: str
    objective: Objective
    constraints: Sequence[Constraint]
    confidence: float
    load: str
    """In words."""
    budget_seconds: float
    notes: list[str] = field(default_factory=list)
    screening: list[Contender] = field(default_factory=list)
    """The user's own configuration first; empty until then."""
    left_out: list[str] = field(default_factory=list)
    """Variations for which there was no time."""
    findings: list[Finding] = field(default_factory=list)
    confirmed: bool = False
    """Whether the confirmation came to its end; before that nothing is claimed."""
    adopted: Finding | None = None
    interrupted: bool = False

    def ratios(self, contender: Contender) -> list[float]:
        """Of the objective's figure to that of the user's own configuration, in each round of screening, ascending."""
        sign = 1 if self.objective.figure.less_is_better else -1
        found = differences(contender, self.screening[0], self.objective)
        return sorted(math.exp(sign * difference) for difference in found)

    def objection(self, contender: Contender) -> str:
        """Why it went no further although screening saw it better; empty if that is not so."""
        base = self.screening[0]
        if contender is base or not looks_better(contender, base, self.objective):
            return ""
        return objection(contender, base, self.constraints)

    def resolution(self) -> float:
        """By how much the rounds of one comparison typically differ among themselves: smaller effects are not seen."""
        spreads = [
            math.sqrt(found[-1] / found[0]) for one in self.screening[1:] if (found := self.ratios(one))
        ]
        return statistics.median(spreads) - 1 if spreads else 0.0

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "tune_format": 1,
            "file": self.file,
            "started": self.started,
            "machine": self.machine,
            "objective": self.objective.figure.key,
            "constraints": [str(constraint) for constraint in self.constraints],
            "confidence": self.confidence,
            "load": self.load,
            "notes": self.notes,
            "interrupted": self.interrupted,
            "screening": [
                {
                    "name": contender.name,
                    "gave_up": contender.gave_up,
                    "against": self.objection(contender),
                    "rounds": [dict(figures) for figures in contender.rounds.values()],
                }
                for contender in self.screening
            ],
            "left_out": self.left_out,
            "findings": [_finding(one) for one in self.findings],
            "adopted": None if self.adopted is None else _finding(self.adopted),
        }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.variation.name,
        "changes": [
            {"path": list(change.path), "before": change.before, "value": change.value}
            for change in finding.variation.changes
        ],
        "ratio": None if finding.change is None else asdict(finding.change),
        "verdict": str(finding.verdict),
        "rounds": finding.rounds,
        "before": finding.before,
        "after": finding.after,
        "others": finding.others,
        "against": finding.against,
    }
