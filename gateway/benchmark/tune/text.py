"""What a tuning run has found, as plain text. Pure."""

import statistics
from collections.abc import Iterator

from gateway.benchmark.report.words import aligned, between, percent, printable, quantity
from gateway.benchmark.result import FIGURES
from gateway.benchmark.statistics import Verdict
from gateway.benchmark.tune.decisions import PROMISING, Contender, Finding
from gateway.benchmark.tune.outcome import Outcome

TOO_NOISY = 0.25
"""When rounds of the same thing differ by more, seeing nothing means little."""


def render(outcome: Outcome) -> str:
    """The whole outcome: what helped first, then what made no difference, then what was not tried."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"{printable(outcome.file)}: {outcome.objective.figure.title}, at {outcome.load} on {outcome.machine}"
    yield ""
    yield from summary(outcome)
    if outcome.findings:
        yield ""
        for finding in outcome.findings:
            yield from _finding(finding, outcome)
    if outcome.screening:
        yield ""
        yield "All that was tried, in the rounds that claim nothing:"
        yield from (
            f"  {line}" for line in aligned([_row(one, outcome) for one in outcome.screening], right=(1,))
        )
    if outcome.left_out:
        yield f"There was no time for: {', '.join(outcome.left_out)}. Give a larger --budget, or name knobs with --only."
    if outcome.notes:
        yield ""
        yield from (f"* {printable(note)}" for note in outcome.notes)


def summary(outcome: Outcome) -> list[str]:
    """The answer, in a few sentences."""
    figure = outcome.objective.figure
    if outcome.interrupted or not outcome.confirmed:
        return ["Interrupted before the rounds of confirmation had ended: nothing can be claimed."]
    if outcome.adopted is None:
        refused = [
            f"{one.name} looks better, but {why}."
            for one in outcome.screening
            if (why := outcome.objection(one))
        ]
        unclear = [one.variation.name for one in outcome.findings if _may_be_better(one, outcome)]
        if unclear:
            named = ", ".join(unclear)
            hint = "try again with a larger --budget, or on a quieter machine."
            return [
                f"Nothing is surely better. {named} may be, but the noise of this machine hides it: {hint}",
                *refused,
            ]
        if refused:
            return ["Nothing that was tried is better and as safe.", *refused]
        resolution = outcome.resolution()
        if resolution > TOO_NOISY:
            return [
                "Nothing was found: no value that was tried looks better.",
                f"But this machine was too noisy to see effects below some {resolution:.0%}: try again when it is quieter.",
            ]
        return [
            "Nothing helps: no value that was tried is better than the configuration as it is.",
            f"Effects below some {resolution:.0%} would not have been seen.",
        ]
    adopted = outcome.adopted
    assert adopted.change is not None
    stories = "; ".join(change_story(adopted))
    was, now = quantity(adopted.before, figure), quantity(adopted.after, figure)
    surely = f"with {outcome.confidence:.0%} confidence in {adopted.rounds} rounds"
    return [f"Found: {stories}", f"{figure.title}: {was} → {now}, {between(adopted.change)} {surely}"]


def _may_be_better(finding: Finding, outcome: Outcome) -> bool:
    """Whether the fresh rounds leave it open; most of what only looked better in screening does not any more in these."""
    if finding.verdict is not Verdict.UNCLEAR or finding.change is None:
        return False
    change = (
        finding.change.estimate if outcome.objective.figure.less_is_better else 1 / finding.change.estimate
    )
    return change <= 1 / (1 + PROMISING)


def change_story(finding: Finding) -> list[str]:
    """From what to what, for each changed key."""
    return [
        type(finding.variation)(finding.variation.knob, (change,)).story
        for change in finding.variation.changes
    ]


def said(finding: Finding) -> str:
    """What may be said of a confirmed variation, in a few words."""
    match finding.verdict:
        case Verdict.BETTER:
            return f"better, but {finding.against}" if finding.against else "better"
        case Verdict.WORSE:
            return "worse"
        case Verdict.SAME:
            return "makes no difference"
        case Verdict.UNCLEAR:
            return "not beyond the noise"


def _finding(finding: Finding, outcome: Outcome) -> Iterator[str]:
    figure = outcome.objective.figure
    change = between(finding.change) if finding.change is not None else "too few rounds"
    yield f"{finding.variation.name}: {said(finding)}"
    yield (
        f"  {figure.key} {quantity(finding.before, figure)} → {quantity(finding.after, figure)}, {change}, "
        f"{finding.rounds} rounds"
    )
    others = ", ".join(f"{key} {percent(ratio)}" for key, ratio in finding.others.items() if key in FIGURES)
    if others:
        yield f"  beside it (not claimed): {others}"


def _row(contender: Contender, outcome: Outcome) -> list[str]:
    """One line of screening."""
    return [contender.name, typical(contender, outcome), screened_and_judged(contender, outcome)]


def typical(contender: Contender, outcome: Outcome) -> str:
    """The objective's figure, over its rounds."""
    figure = outcome.objective.figure
    median = contender.median(figure.key)
    return quantity(median, figure) if median is not None else "-"


def screened(contender: Contender, outcome: Outcome) -> str:
    """What screening saw of it: typical change, and the range over the rounds."""
    if contender.variation is None or contender.gave_up:
        return contender.gave_up
    ratios = outcome.ratios(contender)
    if not ratios:
        return "not measured"
    return f"{percent(statistics.median(ratios))} ({percent(ratios[0])} to {percent(ratios[-1])})"


def screened_and_judged(contender: Contender, outcome: Outcome) -> str:
    """The same, and why it went no further although it looked better."""
    seen, against = screened(contender, outcome), outcome.objection(contender)
    return f"{seen}, but {against}" if against else seen
