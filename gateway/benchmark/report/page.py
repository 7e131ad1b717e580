"""The page of a benchmark: figures, plots and what they are worth, and the comparison with an earlier run. Pure."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

from gateway.benchmark.comparison import Change
from gateway.benchmark.diagnosis import remarks
from gateway.benchmark.histogram import Histogram
from gateway.benchmark.report import document, plot
from gateway.benchmark.report.plot import Line, Point
from gateway.benchmark.report.text import TOO_FEW, VERDICTS, failures
from gateway.benchmark.report.words import between, megabytes, quantity, significant
from gateway.benchmark.result import FIGURES, Phase, Result
from gateway.benchmark.statistics import Verdict

_NINES = ((50.0, "50 %"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %"))
KINDS = {Verdict.BETTER: "good", Verdict.WORSE: "bad", Verdict.SAME: "quiet", Verdict.UNCLEAR: "quiet"}


def render(result: Result, changes: Sequence[Change], objections: Sequence[str]) -> str:
    """The whole page."""
    return document.document(f"headgate bench {result.target}", _blocks(result, changes, objections))


def _blocks(result: Result, changes: Sequence[Change], objections: Sequence[str]) -> Iterator[str]:
    yield document.title(result.target, f"headgate bench, {result.started}, on {result.machine}")
    if result.interrupted:
        yield document.paragraph("Interrupted: what was measured until then.", "bad")
    yield document.bullets(result.notes)
    measured = [phase for phase in result.phases if phase.whole.requests]
    if changes:
        yield from _comparison(changes, objections)
    if measured:
        yield document.plots([_by_percentile(measured)])
    for phase in measured:
        yield from _phase(phase)


def _comparison(changes: Sequence[Change], objections: Sequence[str]) -> Iterator[str]:
    yield document.heading("What changed")
    yield document.bullets(objections)
    rows = [
        [
            f"{change.phase}: {change.figure.title}",
            VERDICTS[change.verdict],
            quantity(change.before, change.figure),
            quantity(change.after, change.figure),
            between(change.ratio) if change.ratio is not None else TOO_FEW,
        ]
        for change in changes
    ]
    kinds = [KINDS[change.verdict] for change in changes]
    yield document.table(["", "", "before", "now", "change (99 %)"], rows, kinds)


def _phase(phase: Phase) -> Iterator[str]:
    figures = phase.figures()
    yield document.heading(phase.name[:1].upper() + phase.name[1:])
    yield document.paragraph(
        f"{phase.whole.requests:,} requests in {phase.seconds:.0f} s by {phase.generator}, "
        f"{phase.connections} connections; {failures(phase.whole)}.",
        "quiet",
    )
    yield document.numbers([(quantity(figures[key], FIGURES[key]), FIGURES[key].title) for key in figures])
    yield document.bullets(remarks(phase))
    yield document.plots(_over_time(phase))
    kinds = {name: tally for name, tally in phase.kinds.items() if tally.requests}
    if len(kinds) > 1:
        rows = [
            [
                name, f"{tally.requests:,}", f"{tally.failed:,}",
                *(significant(tally.latencies.percentile(share) / 1000) for share in (50, 99)),
            ]
            for name, tally in kinds.items()
        ]  # fmt: skip
        yield document.table(["request", "sent", "failed", "p50 ms", "p99 ms"], rows)


def _by_percentile(phases: Sequence[Phase]) -> str:
    """Latency by how many requests were faster; each nine takes the same room."""
    series = [Line(phase.name, _tail(phase.whole.latencies)) for phase in phases]
    furthest = max(x for line in series for x, _ in line.points)
    ticks = [
        (_nines(share / 100), label) for share, label in _NINES if _nines(share / 100) <= furthest + 0.01
    ]
    drawn = plot.lines(
        "Latency by percentile", series, x_title="requests answered within", logarithmic=True, x_ticks=ticks
    )
    return document.figure("Latency by percentile, ms", drawn)


def _tail(latencies: Histogram) -> list[Point]:
    """Up to the share that the number of requests can tell of."""
    known = 1 - 1 / max(latencies.count, 2)
    points = [(_nines(min(share, known)), microseconds / 1000) for share, microseconds in latencies.shares()]
    return [(0.0, points[0][1]), *points] if points else []


def _nines(share: float) -> float:
    return -math.log10(max(1 - share, 1e-9))


def _over_time(phase: Phase) -> Iterator[str]:
    ends = list(accumulate(part.seconds for part in phase.parts))
    latencies = [
        Line(label, [(at, part.whole.latencies.percentile(percent) / 1000) for at, part in zip(ends, phase.parts, strict=True)])
        for label, percent in (("p99", 99.0), ("p90", 90.0), ("p50", 50.0))
    ]  # fmt: skip
    yield document.figure("Latency over time, ms", plot.lines("Latency", latencies, x_title="seconds"))
    answers = [(at, value) for at, value in zip(ends, phase.series("throughput"), strict=False)]
    failed = [(at, part.whole.failed / part.seconds) for at, part in zip(ends, phase.parts, strict=True)]
    rates = [Line("answered", answers), *([Line("failed", failed)] if phase.whole.failed else [])]
    yield document.figure("Requests a second", plot.lines("Requests", rates, x_title="seconds"))
    if phase.observations:
        cpu = [(at, value) for at, value in zip(ends, phase.series("cpu"), strict=False)]
        yield document.figure(
            "CPU time of the gateway per request, µs", plot.lines("CPU", [Line("", cpu)], x_title="seconds")
        )
        memory = max(observation.memory_bytes for observation in phase.observations)
        late = max((one.heartbeat_age_seconds or 0.0 for one in phase.observations), default=0.0)
        yield document.figure(
            "The gateway's processes",
            document.numbers([(megabytes(memory), "memory (PSS)"), (f"{late * 1000:.0f} ms", "oldest heartbeat, beats are 50 ms apart")]),
        )  # fmt: skip
