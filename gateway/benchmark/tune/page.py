"""The page of a tuning run: the answer, the effects with their intervals, and everything that was tried. Pure."""

import statistics
from collections.abc import Iterator

from gateway.benchmark.report import document, plot
from gateway.benchmark.report.page import KINDS
from gateway.benchmark.report.plot import Dot
from gateway.benchmark.report.words import between, duration, percent, quantity
from gateway.benchmark.result import FIGURES
from gateway.benchmark.statistics import Verdict
from gateway.benchmark.tune.decisions import Finding
from gateway.benchmark.tune.outcome import Outcome
from gateway.benchmark.tune.text import said, screened, screened_and_judged, summary, typical

_DOT_KINDS = {Verdict.BETTER: "better", Verdict.WORSE: "worse"}


def render(outcome: Outcome) -> str:
    """The whole page."""
    return document.document(f"headgate tune {outcome.file}", _blocks(outcome))


def _blocks(outcome: Outcome) -> Iterator[str]:
    yield document.title(
        outcome.file,
        f"headgate tune, {outcome.started}, {duration(outcome.budget_seconds)}, on {outcome.machine}; "
        f"objective {outcome.objective.figure.title}; {outcome.load}",
    )
    for number, sentence in enumerate(summary(outcome)):
        yield document.heading(sentence) if number == 0 else document.paragraph(sentence)
    figures = []
    if any(finding.change is not None for finding in outcome.findings):
        figures.append(_confirmed(outcome))
    if any(outcome.ratios(one) for one in outcome.screening[1:]):
        figures.append(_screened(outcome))
    yield document.plots(figures)
    if outcome.findings:
        yield from _findings(outcome)
    if outcome.screening:
        yield document.heading("All that was tried")
        yield document.paragraph(
            "A few rounds each, of which nothing is claimed: with many values some look better by chance.",
            "quiet",
        )
        yield _everything(outcome)
    left = [f"There was no time for {name}." for name in outcome.left_out]
    constraints = [f"What must hold: {constraint}." for constraint in outcome.constraints]
    yield document.bullets([*constraints, *outcome.notes, *left])


def _everything(outcome: Outcome) -> str:
    figure = outcome.objective.figure
    rows = []
    for contender in outcome.screening:
        seen = screened_and_judged(contender, outcome)
        rows.append([contender.name, seen, typical(contender, outcome)])
    return document.table(["", "change, and its range", figure.key], rows)


def _findings(outcome: Outcome) -> Iterator[str]:
    figure = outcome.objective.figure
    yield document.heading("Confirmed in fresh rounds")
    rows = [
        [
            finding.variation.name, said(finding),
            between(finding.change) if finding.change is not None else "too few rounds",
            quantity(finding.before, figure), quantity(finding.after, figure), _others(finding),
        ]
        for finding in outcome.findings
    ]  # fmt: skip
    head = [
        "",
        "",
        f"{figure.key} ({outcome.confidence:.0%})",
        "as it is",
        "changed",
        "beside it, not claimed",
    ]
    yield document.table(head, rows, [KINDS[finding.verdict] for finding in outcome.findings])


def _others(finding: Finding) -> str:
    return ", ".join(f"{key} {percent(ratio)}" for key, ratio in finding.others.items() if key in FIGURES)


def _confirmed(outcome: Outcome) -> str:
    rows = [
        Dot(
            finding.variation.name, between(finding.change), finding.change.estimate, finding.change.lower,
            finding.change.upper, _DOT_KINDS.get(finding.verdict, "none"),
        )
        for finding in outcome.findings
        if finding.change is not None
    ]  # fmt: skip
    return _dots(f"Confirmed effect on {outcome.objective.figure.key}", rows, outcome)


def _screened(outcome: Outcome) -> str:
    rows = [
        Dot(
            contender.name,
            screened(contender, outcome),
            statistics.median(ratios),
            ratios[0],
            ratios[-1],
            "none",
        )
        for contender in outcome.screening[1:]
        if (ratios := outcome.ratios(contender))
    ]
    return _dots("Screening: the range over a few rounds", rows, outcome)


def _dots(title: str, rows: list[Dot], outcome: Outcome) -> str:
    less = outcome.objective.figure.less_is_better
    left, right = ("better", "worse") if less else ("worse", "better")
    return document.figure(title, plot.dots(title, rows, left=left, right=right))
