"""What a run of mirrors says."""

from bench.mirror.comparison import LEAST_ROUNDS
from bench.mirror.kinds import Kind
from bench.mirror.page import page
from bench.mirror.slices import Round, Slice

P99 = {Kind.SLOW: 800, Kind.DEAD: 408, Kind.SILENT: 408}
"""Microseconds; 400 of the others."""

COPIES: dict[Kind, dict[str, int]] = {**{kind: {} for kind in Kind}, Kind.SILENT: {"504": 30, "full": 2}}


def of_round(scale: int = 1, *, woke_late_seconds: float = 0.0, in_kind: Kind = Kind.NONE) -> Round:
    """A hundred requests of each kind: 98 in 100 µs, the last two in its 99th percentile; perhaps everything takes longer."""
    return {
        kind: Slice(
            [scale * 100_000] * 98 + [scale * P99.get(kind, 400) * 1_000] * 2,
            woke_late_seconds if kind is in_kind else 0.0,
            0.0,
            0.0,
        )
        for kind in reversed(Kind)
    }


def test_a_run_says_its_figures_and_a_verdict_of_each_kind() -> None:
    """Kinds stand in their own order, whatever that of the rounds was; what was disturbed is counted, and is not in the figures."""
    disturbed = of_round(50, woke_late_seconds=1.0, in_kind=Kind.DEAD)
    counted, _, machine, _, *lines = page([of_round()] * LEAST_ROUNDS + [disturbed], COPIES, 1).splitlines()
    assert counted.startswith(f"{LEAST_ROUNDS} of {LEAST_ROUNDS + 1} rounds count. Left out is ")
    assert machine == (
        "In a slice, median and maximum in ms: the load generator overslept 0.0, 1000.0; "
        "the gateway waited for its core 0.0, 0.0; the cores were stolen for 0.0, 0.0."
    )
    assert lines == [
        "| mirror; µs | p50 | p99 | p99.9 | p99 ÷ none (95 %) | p99 ÷ answers (95 %) | disturbed slices | copies |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| none | 100 | 400 | 400 | 1.000 (1.000 – 1.000) | 1.000 (1.000 – 1.000) | 0 | none |",
        "| none again | 100 | 400 | 400 | 1.000 (1.000 – 1.000) | 1.000 (1.000 – 1.000) | 0 | none |",
        "| answers | 100 | 400 | 400 | 1.000 (1.000 – 1.000) | 1.000 (1.000 – 1.000) | 0 | none |",
        "| slow | 100 | 800 | 800 | 2.000 (2.000 – 2.000) | 2.000 (2.000 – 2.000) | 0 | none |",
        "| dead | 100 | 408 | 408 | 1.020 (1.020 – 1.020) | 1.020 (1.020 – 1.020) | 1 | none |",
        "| silent | 100 | 408 | 408 | 1.020 (1.020 – 1.020) | 1.020 (1.020 – 1.020) | 0 | 504: 30, full: 2 |",
        "",
        "* control: gateways that are alike differ by 1.000 (1.000 – 1.000)",
        "* answers: within 1.05",
        "* slow: beyond 1.05",
        "* dead: within 1.05",
        "* silent: within 1.05",
    ]


def test_few_rounds_say_nothing() -> None:
    """The figures are shown, and that they are too few."""
    lines = page([of_round()] * (LEAST_ROUNDS - 1), COPIES, 1).splitlines()
    assert "* slow: cannot be told" in lines
    assert lines[-1] == f"* less than {LEAST_ROUNDS} rounds are too few to say anything"


def test_no_round_counts() -> None:
    """When each has a slice that was disturbed there are no figures, and the reader learns why."""
    rounds = [of_round(woke_late_seconds=1.0, in_kind=kind) for kind in Kind]
    found = page(rounds, COPIES, 1)
    assert found.startswith(f"0 of {len(rounds)} rounds count. ")
    assert "overslept 0.0, 1000.0" in found
    assert "|" not in found
