"""Reads the Prometheus text format, so that tests compare metrics by name and labels."""

import re
from dataclasses import dataclass

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)')


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the exposition."""

    name: str
    labels: dict[str, str]
    value: float


class Metrics(list[Sample]):
    """All samples of one scrape."""

    @classmethod
    def parse(cls, text: str) -> "Metrics":
        """Parses a whole exposition; fails on a line that is neither comment nor sample."""
        samples = cls()
        for line in text.splitlines():
            if line and not line.startswith("#"):
                match = _SAMPLE.match(line)
                assert match, f"no sample: {line!r}"
                labels = dict(_LABEL.findall(match[2] or ""))
                samples.append(Sample(match[1], labels, float(match[3])))
        return samples

    def sum(self, name: str, **labels: str | int) -> float:
        """The sum over the samples of ``name`` that carry all the given labels; 0 without any."""
        wanted = {(label, str(value)) for label, value in labels.items()}
        return sum(sample.value for sample in self if sample.name == name and wanted <= sample.labels.items())

    def names(self) -> set[str]:
        """Every sample name that occurs."""
        return {sample.name for sample in self}
