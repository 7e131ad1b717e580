"""The committed counts, and how far a new one may lie from them.

A count that moves is a decision: the file changes only in a commit whose message says why.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TOLERANCE = 0.01
"""Share by which a count may differ: more than the chance of where code comes to lie makes of it, less than any change of the
request path that is worth a word."""
FILE = Path(__file__).with_name("baseline.toml")
_HEADING = """\
# Instructions of one exchange in the engine, as `make bench-instructions` counts them. Changes only by
# `python -m bench.instructions engine --accept`, in a commit whose message says why.
"""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Instructions by case, and the toolchain that they were counted with."""

    toolchain: str
    instructions: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> "Baseline":
        """From the file's text."""
        return cls(**tomllib.loads(text))

    def text(self) -> str:
        """The file's text."""
        lines = [f'"{case}" = {count}' for case, count in self.instructions.items()]
        return "\n".join([f'{_HEADING}toolchain = "{self.toolchain}"\n\n[instructions]', *lines, ""])

    def differences(self, counts: Mapping[str, float]) -> list[str]:
        """A sentence for each case that has moved, appeared or gone."""
        found = [
            f"{case}: {self.instructions[case]:,} in the baseline, {count:,.0f} now ({change:+.1%})"
            for case, count in counts.items()
            if case in self.instructions and abs(change := count / self.instructions[case] - 1) > TOLERANCE
        ]
        found += [f"{case}: not in the baseline" for case in counts if case not in self.instructions]
        return found + [f"{case}: only in the baseline" for case in self.instructions if case not in counts]
