"""Results: figures, their way through JSON, what limited them, how they are compared and shown."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest

from gateway.benchmark import comparison, result
from gateway.benchmark.diagnosis import Limit, limit, remarks
from gateway.benchmark.histogram import Histogram
from gateway.benchmark.load import LoadError
from gateway.benchmark.observer import Observation
from gateway.benchmark.report import page, text
from gateway.benchmark.report.words import percent, significant
from gateway.benchmark.result import Phase, Result
from gateway.benchmark.statistics import Verdict
from gateway.benchmark.tally import Pace, Part, Tally


def part(
    latency_us: int = 1000,
    *,
    requests: int = 100,
    cpu: float = 0.1,
    late_us: int = 0,
    waited: int = 0,
    errors: int = 0,
    kind: str = "GET /",
) -> Part:
    """A second of a load."""
    latencies = Histogram.of([latency_us] * requests)
    tally = Tally(
        latencies, Counter({"200": requests - errors}), Counter({"timed out": errors} if errors else {})
    )
    return Part(1.0, {kind: tally}, Pace(cpu, Histogram.of([late_us] * requests), waited))


def observation(
    *, busiest: float = 0.5, waited: float = 0.0, machine: float = 0.5, cpu: float = 0.01
) -> Observation:
    """What was seen in a second."""
    return Observation(cpu, busiest, waited, 50_000_000, 0.06, machine)


def phase(*parts: Part, rate: float | None = 100.0, seen: Observation | None = None) -> Phase:
    """A phase of these parts."""
    return Phase("at 100/s", "wrk 4.1", 1, 32, rate, list(parts), [seen] * len(parts) if seen else [])


def benchmark(*phases: Phase) -> Result:
    """A result on one machine."""
    return Result("http://a/", "2026-01-02T03:04:05Z", "2 CPUs", ["a <note>"], list(phases))


def test_figures() -> None:
    """Good answers a second, percentiles in ms, failures in percent, CPU in µs."""
    found = phase(part(), part(3000, errors=10), seen=observation()).figures()
    assert found["throughput"] == 95
    assert found["p50"] == pytest.approx(1.0, rel=0.01)
    assert found["p99"] == pytest.approx(3.0, rel=0.01)
    assert found["errors"] == 5
    assert found["cpu"] == pytest.approx(100)
    assert "cpu" not in phase(part()).figures()


def test_through_json(tmp_path: Path) -> None:
    """What is written is read again, whole."""
    before = benchmark(phase(part(), part(2000, errors=3), seen=observation()), phase(part(), rate=None))
    file = tmp_path / "result.json"
    file.write_bytes(orjson.dumps(before.to_json()))
    assert result.read(file) == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"1",
        b"{}",
        b'{"bench_format":1}',
        b'{"bench_format":1,"phases":[1]}',
        b'{"bench_format":9}',
    ],
)
def test_what_is_no_result(tmp_path: Path, content: bytes) -> None:
    """A file of something else is told in a sentence."""
    file = tmp_path / "other.json"
    file.write_bytes(content)
    with pytest.raises(LoadError, match=r"other\.json"):
        result.read(file)
    with pytest.raises(LoadError, match="no such file"):
        result.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (phase(part(cpu=0.95), rate=None), Limit.GENERATOR),
        (phase(part(), rate=None), Limit.UNKNOWN),
        (phase(part(), rate=None, seen=observation(busiest=0.97)), Limit.GATEWAY),
        (phase(part(), rate=None, seen=observation(busiest=0.97, machine=0.99)), Limit.MACHINE),
        (phase(part(), rate=None, seen=observation()), Limit.BEHIND),
    ],
)
def test_what_was_the_limit(measured: Phase, said: Limit) -> None:
    """The generator's end comes first: with it nothing is known of the others."""
    assert limit(measured) is said


@pytest.mark.parametrize(
    ("measured", "word"),
    [
        (phase(part(cpu=0.95), rate=None), "generator, not the gateway, was the limit"),
        (phase(part(requests=80)), "it sent 80 of 100"),
        (phase(part(waited=50)), "The gateway was late: 50%"),
        (phase(part(late_us=5000)), "left 5.0 ms late"),
        (phase(part(), seen=observation(waited=0.05)), "waited 5.0 s for a CPU"),
        (phase(), "Nothing was measured"),
    ],
)
def test_remarks(measured: Phase, word: str) -> None:
    """What the figures are worth is said in words."""
    assert any(word in remark for remark in remarks(measured)), remarks(measured)


def test_a_good_run_needs_no_remark() -> None:
    """No warning that is always there."""
    assert remarks(phase(part(), seen=observation())) == []


def runs(*latencies: int, seen: Observation | None = None) -> Result:
    """A benchmark with a part for each latency."""
    return benchmark(phase(*(part(latency) for latency in latencies), seen=seen))


QUIET = (1000, 1010, 990, 1005, 995, 1003, 997, 1001, 1004, 996)


def verdicts(before: Result, after: Result) -> dict[str, Verdict]:
    """By figure."""
    return {change.figure.key: change.verdict for change in comparison.compare(before, after)}


def test_comparison() -> None:
    """Twice as slow is worse, the same is no change, and errors count from a tenth of a percent."""
    twice = tuple(2 * latency for latency in QUIET)
    assert verdicts(runs(*QUIET), runs(*twice))["p99"] is Verdict.WORSE
    assert verdicts(runs(*twice), runs(*QUIET))["p99"] is Verdict.BETTER
    assert verdicts(runs(*QUIET), runs(*QUIET))["p99"] is Verdict.SAME
    assert verdicts(runs(*QUIET), benchmark(phase(part(errors=5))))["errors"] is Verdict.WORSE


def test_nothing_is_claimed_of_a_disturbed_machine() -> None:
    """However different the figures: others had the CPUs."""
    twice = tuple(2 * latency for latency in QUIET)
    after = runs(*twice, seen=observation(waited=0.05))
    assert verdicts(runs(*QUIET), after)["p99"] is Verdict.UNCLEAR
    assert any(
        "no change is claimed" in objection for objection in comparison.objections(runs(*QUIET), after)
    )


def test_what_cannot_be_compared_is_said() -> None:
    """Other machines, targets, rates and generators."""
    before, after = runs(*QUIET), runs(*QUIET)
    assert comparison.objections(before, after) == []
    after.machine, after.target = "64 CPUs", "http://b/"
    after.phases[0].rate, after.phases[0].generator = 200.0, "other"
    assert len(comparison.objections(before, after)) == 4


def test_text_and_page_say_the_same() -> None:
    """Both hold the figures, the notes and the comparison; the page is well-formed and loads nothing."""
    found = benchmark(
        phase(part(), part(1500, errors=7, kind="POST <x>"), seen=observation()), phase(part(), rate=None)
    )
    found.interrupted = True
    changes = comparison.compare(found, found)
    shown = text.render(found)
    html = page.render(found, changes, ["an & objection"])
    for word in ("3.5 % of the requests failed", "POST", "Interrupted"):
        assert word in shown
        assert word in html
    body = html.partition("<body>")[2].partition("</body>")[0]
    ET.fromstring(f"<body>{body}</body>")  # noqa: S314 - our own page
    assert "POST &lt;x&gt;" in body
    assert "http://a/" in body
    assert not any(loaded in html for loaded in ("<script", "<link", "src=", "@import", "url("))


def test_a_page_of_nothing() -> None:
    """An interrupted run without a part is shown, too."""
    assert "<h1>" in page.render(benchmark(phase()), [], [])
    assert "nothing was measured" in text.render(benchmark(phase()))


def test_nothing_steers_the_terminal() -> None:
    """Names come from files and logs."""
    found = benchmark(phase(part(kind="\x1b[2J evil"), part(kind="b")))
    assert "\x1b" not in text.render(found)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (1.5, "1.50"),
        (99.96, "100"),
        (123.4, "123"),
        (12345, "12,300"),
        (float("inf"), "∞"),
    ],
)
def test_numbers(number: float, words: str) -> None:
    """Three digits are what a measurement carries."""
    assert significant(number) in (words, f"{words}.0")


def test_ratios() -> None:
    """Changes are percents until they are factors."""
    assert [percent(ratio) for ratio in (0.5, 1.0, 1.07, 2.5)] == ["−50 %", "+0 %", "+7 %", "× 2.5"]
