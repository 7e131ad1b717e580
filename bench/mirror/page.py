"""What a run says, in Markdown: the figures of the rounds that count, and what may be said of each kind of mirror. Pure."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from bench.instructions.report import table
from bench.mirror.comparison import BOUND, LEAST_ROUNDS, Pool, Verdict, drawings, ratio, verdict
from bench.mirror.copies import shown
from bench.mirror.kinds import Kind
from bench.mirror.slices import SIGNS, Round, disturbed, rule
from gateway.benchmark.statistics import Interval

_COMPARED = 99.0
_REFERENCES = (Kind.NONE, Kind.ANSWERS)
"""The verdicts are about the first. A mirror that answers costs the making of copies, and beside it the others show what they add."""
_SHOWN = (50.0, 99.0, 99.9)
_HEADER = [
    "mirror; µs",
    *(f"p{percent:g}" for percent in _SHOWN),
    *(f"p{_COMPARED:g} ÷ {reference} (95 %)" for reference in _REFERENCES),
    "disturbed slices",
    "copies",
]


def page(rounds: Sequence[Round], copies: Mapping[Kind, Mapping[str, int]], seed: int) -> str:
    """How many of the rounds count, their figures, and the verdicts.

    ``copies`` are those of the whole run, by what became of them; the seed is that of the drawings.
    """
    disturbances = disturbed(rounds)
    kept = [one for one, kinds in zip(rounds, disturbances, strict=True) if not kinds]
    parts = [
        f"{len(kept)} of {len(rounds)} rounds count. Left out is a round with a slice in which {rule()}.",
        _machine(rounds),
    ]
    if kept:
        pools = {kind: Pool([one[kind].latencies_ns for one in kept]) for kind in Kind}
        drawn = list(drawings(len(kept), seed))
        ratios = {
            kind: [ratio(pool, pools[reference], _COMPARED, drawn) for reference in _REFERENCES]
            for kind, pool in pools.items()
        }
        counts = Counter(chain.from_iterable(disturbances))
        remarks = {kind: [f"{counts[kind]}", shown(copies[kind])] for kind in Kind}
        parts.append(_table(pools, ratios, remarks))
        parts.append(_verdicts({kind: of_kind[0] for kind, of_kind in ratios.items()}, len(kept)))
    return "\n\n".join(parts)


def _machine(rounds: Sequence[Round]) -> str:
    told = []
    for sign in SIGNS:
        milliseconds = [sign.seconds(one) * 1e3 for round_ in rounds for one in round_.values()]
        told.append(f"{sign.name} {statistics.median(milliseconds):.1f}, {max(milliseconds):.1f}")
    return f"In a slice, median and maximum in ms: {'; '.join(told)}."


def _table(
    pools: Mapping[Kind, Pool],
    ratios: Mapping[Kind, Sequence[Interval]],
    remarks: Mapping[Kind, Sequence[str]],
) -> str:
    rows = [
        [
            kind,
            *(f"{pool.percentile(percent) / 1e3:,.0f}" for percent in _SHOWN),
            *(_between(interval) for interval in ratios[kind]),
            *remarks[kind],
        ]
        for kind, pool in pools.items()
    ]
    return table(_HEADER, rows)


def _verdicts(to_none: Mapping[Kind, Interval], rounds: int) -> str:
    control = to_none[Kind.CONTROL]
    lines = [f"* control: gateways that are alike differ by {_between(control)}"]
    lines += [
        f"* {kind}: {_said(verdict(interval, control, rounds))}"
        for kind, interval in to_none.items()
        if kind not in {Kind.NONE, Kind.CONTROL}
    ]
    if rounds < LEAST_ROUNDS:
        lines.append(f"* less than {LEAST_ROUNDS} rounds are too few to say anything")
    return "\n".join(lines)


def _said(found: Verdict) -> str:
    return found if found is Verdict.UNTOLD else f"{found} {BOUND}"


def _between(interval: Interval) -> str:
    return f"{interval.estimate:.3f} ({interval.lower:.3f} – {interval.upper:.3f})"
