"""The gate of instruction counts."""

from json import dumps

from bench.instructions import baseline, engine
from bench.instructions.baseline import Baseline
from gateway.state.control import Snapshot


def test_a_count_may_differ_by_the_tolerance_and_no_more() -> None:
    """In either direction, and every case must be on both sides."""
    known = Baseline("a compiler", {"same": 10_000, "more": 10_000, "less": 10_000, "gone": 1})
    counts = {"same": 10_099.0, "more": 10_101.0, "less": 9_899.0, "new": 5.0}
    assert known.differences(counts) == [
        "more: 10,000 in the baseline, 10,101 now (+1.0%)",
        "less: 10,000 in the baseline, 9,899 now (-1.0%)",
        "new: not in the baseline",
        "gone: only in the baseline",
    ]
    assert Baseline("", {"same": 10_000}).differences({"same": 9_901}) == []


def test_the_file_reads_back_as_it_was_written() -> None:
    """Names of cases are free text."""
    written = Baseline("1.2.3 x86_64-unknown-linux-gnu", {"12 fields, 10,000 routes": 7, "404": 8})
    assert Baseline.parse(written.text()) == written


def test_the_committed_file_knows_every_case() -> None:
    """A new case comes with its count."""
    assert list(Baseline.parse(baseline.FILE.read_text()).instructions) == [
        case.name for case in engine.CASES
    ]


def test_every_scene_has_a_snapshot_that_the_engine_takes() -> None:
    """Cases follow the shape of the snapshot, whatever is added to it."""
    for case in engine.CASES:
        scene = case.scene()
        assert Snapshot.compile(dumps(scene["snapshot"]).encode()).epoch == 1, case.name
        assert scene["steps"], case.name
