"""A result and a comparison as plain text for a terminal. Pure."""

from collections.abc import Iterator, Sequence

from gateway.benchmark.comparison import Change
from gateway.benchmark.diagnosis import remarks
from gateway.benchmark.report.words import aligned, between, megabytes, printable, quantity, significant
from gateway.benchmark.result import FIGURES, PERCENTILES, Phase, Result
from gateway.benchmark.statistics import Verdict
from gateway.benchmark.tally import Tally

MOST_KINDS = 12
HEARTBEAT_SECONDS = 0.05
TOO_FEW = "too few parts to tell"
VERDICTS = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.SAME: "no change",
    Verdict.UNCLEAR: "not beyond the noise",
}


def render(result: Result) -> str:
    """The whole result."""
    lines = [f"{printable(result.target)} on {result.machine}"]
    for phase in result.phases:
        lines += ["", *_phase(phase)]
    lines += ["", *(f"* {printable(note)}" for note in result.notes)] if result.notes else []
    if result.interrupted:
        lines += ["", "Interrupted: what was measured until then."]
    return "\n".join(lines)


def render_comparison(changes: Sequence[Change], objections: Sequence[str], earlier: str) -> str:
    """What changed since the earlier result."""
    lines = [f"Compared with {printable(earlier)}", *(f"* {objection}" for objection in objections), ""]
    rows = [["", "before", "now", "change (99 %)", ""], *map(_row, changes)]
    if not changes:
        return "\n".join([*lines, "The two have no phase in common."])
    clear = [change for change in changes if change.verdict in (Verdict.BETTER, Verdict.WORSE)]
    end = "Nothing changed beyond the noise." if not clear else _sum_up(clear)
    hint = "One run each: to decide between two configurations use headgate tune, which runs them in turns."
    return "\n".join([*lines, *aligned(rows, right=(1, 2)), "", end, hint])


def _row(change: Change) -> list[str]:
    return [
        f"{change.phase}: {change.figure.title}",
        quantity(change.before, change.figure),
        quantity(change.after, change.figure),
        between(change.ratio) if change.ratio is not None else TOO_FEW,
        VERDICTS[change.verdict],
    ]


def _sum_up(clear: Sequence[Change]) -> str:
    better = sum(change.verdict is Verdict.BETTER for change in clear)
    return f"Beyond the noise: {better} better, {len(clear) - better} worse."


def _phase(phase: Phase) -> Iterator[str]:
    yield f"{phase.name}: {phase.seconds:.0f} s, {_connections(phase)}, {phase.generator}"
    whole = phase.whole
    if not whole.requests:
        yield "  nothing was measured"
        return
    figures = phase.figures()
    yield f"  {significant(figures['throughput'])} answers a second, {whole.requests:,} requests"
    yield f"  {_latencies(whole)}"
    if phase.rate is None:
        yield "  (a closed loop waits for slow answers and so sees fewer of them: judge latencies at a rate)"
    yield f"  {failures(whole)}"
    if "cpu" in figures:
        yield f"  {_gateway(phase, figures['cpu'])}"
    kinds = {name: tally for name, tally in phase.kinds.items() if tally.requests}
    if len(kinds) > 1:
        yield from ("  " + line for line in _kinds(kinds))
    for remark in remarks(phase):
        yield f"  * {remark}"


def _connections(phase: Phase) -> str:
    most = "" if phase.rate is None else "at most "
    return f"{most}{phase.connections} connection{'' if phase.connections == 1 else 's'}"


def _latencies(tally: Tally) -> str:
    figures = [
        f"{key.replace('p999', 'p99.9')} {quantity(tally.latencies.percentile(percent) / 1000, FIGURES[key])}"
        for key, percent in PERCENTILES.items()
    ]
    return f"{', '.join(figures)}, longest {significant(tally.latencies.longest / 1000)} ms"


def failures(tally: Tally) -> str:
    """Which requests failed, by kind, the most frequent first."""
    statuses = {status: count for status, count in tally.statuses.items() if status[0] not in "123"}
    kinds = {**{f"status {status}": count for status, count in statuses.items()}, **tally.errors}
    if not kinds:
        return "no request failed"
    share = 100 * tally.failed / tally.requests
    listed = ", ".join(
        f"{count:,} × {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1])
    )
    return f"{significant(share, 2)} % of the requests failed: {listed}"


def _gateway(phase: Phase, cpu: float) -> str:
    memory = max(observation.memory_bytes for observation in phase.observations)
    cores = sum(observation.cpu_seconds for observation in phase.observations) / phase.seconds
    said = f"gateway: {significant(cpu)} µs of CPU per request ({cores:.2f} cores), {megabytes(memory)} of memory"
    ages = [one.heartbeat_age_seconds for one in phase.observations if one.heartbeat_age_seconds is not None]
    if ages:
        late = max(0.0, max(ages) - HEARTBEAT_SECONDS) * 1000
        said += f", event loops at most {late:.0f} ms late" if late >= 1 else ", event loops on time"
    return said


def _kinds(kinds: dict[str, Tally]) -> list[str]:
    rows = [["", "requests", "failed", "p50 ms", "p99 ms"]]
    listed = sorted(kinds.items(), key=lambda item: -item[1].requests)
    for name, tally in listed[:MOST_KINDS]:
        latencies = (significant(tally.latencies.percentile(share) / 1000) for share in (50, 99))
        rows.append([printable(name)[:60], f"{tally.requests:,}", f"{tally.failed:,}", *latencies])
    lines = aligned(rows, right=(1, 2, 3, 4))
    return [*lines, f"and {len(listed) - MOST_KINDS} further kinds"] if len(listed) > MOST_KINDS else lines
