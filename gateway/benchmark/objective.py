"""What is to become better, and what must hold meanwhile: ``p99``, ``p99<50ms``, ``errors<=1%``. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.benchmark.load import LoadError
from gateway.benchmark.report.words import quantity
from gateway.benchmark.result import FIGURES, Figure
from gateway.config.suggest import did_you_mean

_CONSTRAINT = re.compile(
    r"(?:(?P<kind>[^<>=]{1,128}?)\s*:\s*)?(?P<figure>[a-z0-9]+)\s*(?P<sign><=?|>=?)\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>\S*)"
)
_UNITS = {
    "ms": {"ms": 1.0, "s": 1000.0, "us": 0.001, "µs": 0.001},
    "%": {"%": 1.0},
    "/s": {"/s": 1.0},
    "µs": {"µs": 1.0, "us": 1.0, "ms": 1000.0},
}
"""By the unit of a figure: what may be written, and how much of it that is."""
_ERRORS_OFFSET = 0.05
"""Percentage points: errors may be none, of which there is no ratio."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The figure to improve."""

    figure: Figure

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Reads its name. Raises LoadError."""
        return cls(_figure(text))

    def score(self, figures: Mapping[str, float]) -> float | None:
        """Its logarithm, of which differences are compared, negated where more is better: less is better. None if unknown."""
        value = figures.get(self.figure.key)
        if value is None:
            return None
        value += _ERRORS_OFFSET if self.figure.key == "errors" else 0.0
        if value <= 0:
            return None
        return math.log(value) if self.figure.less_is_better else -math.log(value)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound of a figure, of all requests or of one kind."""

    figure: Figure
    bound: float
    below: bool
    """Whether the figure is to stay below the bound, or above."""
    inclusive: bool
    kind: str = ""

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Reads ``p99<50ms`` or, for one kind of request, ``small: p99<50ms``. Raises LoadError."""
        match = _CONSTRAINT.fullmatch(text.strip())
        if match is None:
            raise LoadError(f"{text!r} is no constraint: expected one such as p99<50ms or errors<=1%")
        figure = _figure(match["figure"])
        factor = _UNITS[figure.unit].get(match["unit"])
        if factor is None:
            raise LoadError(f"{text!r}: expected a bound in {' or '.join(_UNITS[figure.unit])}")
        sign = match["sign"]
        return cls(
            figure,
            float(match["number"]) * factor,
            sign[0] == "<",
            sign.endswith("="),
            (match["kind"] or "").strip(),
        )

    def holds(self, value: float | None) -> bool:
        """Whether a figure keeps it; one that is not known does not."""
        if value is None:
            return False
        if self.inclusive and value == self.bound:
            return True
        return value < self.bound if self.below else value > self.bound

    def __str__(self) -> str:
        sign = ("<" if self.below else ">") + ("=" if self.inclusive else "")
        return f"{f'{self.kind}: ' if self.kind else ''}{self.figure.key} {sign} {quantity(self.bound, self.figure)}"


def _figure(name: str) -> Figure:
    figure = FIGURES.get(name)
    if figure is None:
        hint = did_you_mean(name, FIGURES)
        raise LoadError(f"there is no figure {name!r} {hint}".rstrip() + f" (known: {', '.join(FIGURES)})")
    return figure
