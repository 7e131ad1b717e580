"""The scenarios that users copy, each at a small scale: the gateway does in it what the file expects."""

import io
from pathlib import Path

import pytest

from gateway.benchmark.bench import ScenarioBench
from gateway.benchmark.expectations import judge
from gateway.benchmark.load import LoadError
from gateway.benchmark.progress import Progress
from gateway.benchmark.simulation.scenario import parse_scenario, read_scenario
from tests.helpers.gateway import run_with
from tests.helpers.proof import PROOF

FOLDER = Path(__file__).parents[2] / "bench" / "scenarios"
FILES = sorted(FOLDER.glob("*.toml"))
SECONDS = None if PROOF else 2.0


def test_every_scenario_is_listed() -> None:
    """The README names the files that are there, and no other."""
    listed = {
        line.split("`")[1]
        for line in (FOLDER / "README.md").read_text().splitlines()
        if line.startswith("| `") and ".toml" in line
    }
    assert listed == {file.name for file in FILES}
    assert len(FILES) >= 7


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_what_a_scenario_expects_holds(file: Path) -> None:
    """Errors and their kinds always; how fast, only where a proof has the machine to itself."""
    scenario = read_scenario(file)
    assert scenario.about
    assert scenario.expect
    bench = ScenarioBench(scenario, file.name, Progress(io.StringIO()), SECONDS)
    await bench.run()
    (phase,) = bench.result.phases
    assert phase.whole.requests > 50
    judged = [one for one in judge(phase, scenario.expect) if PROOF or one.constraint.figure.key == "errors"]
    assert [str(one) for one in judged if not one.held] == []


async def test_instances_that_drop_and_fail() -> None:
    """Each as often as is said: what is dropped may be sent again, what has failed was answered."""
    document = {
        "configuration": {
            "listen": [{}],
            "services": {"s": {"instances": ["@a"], "passive": False, "retry_budget": False}},
            "routes": [{"service": "s", "retry": {"attempts": 0}}],
        },
        "instances": {"a": {"failures": "20%", "drops": "30%"}},
        "load": {"rate": "300/s", "duration": "2s"},
    }
    bench = ScenarioBench(
        parse_scenario(document, "mine.toml", Path()), "mine", Progress(io.StringIO()), None
    )
    await bench.run()
    (phase,) = bench.result.phases
    statuses = phase.whole.statuses
    assert statuses["502"] == pytest.approx(0.3 * statuses.total(), rel=0.3)
    assert statuses["503"] == pytest.approx(0.2 * statuses.total(), rel=0.3)


async def test_the_command_judges_a_scenario(tmp_path: Path) -> None:
    """A broken expectation is told, with exit code 1, and so is one from the command line."""
    text = (FOLDER / "slow-instance.toml").read_text().replace('"errors <= 0%"', '"errors > 50%"')
    file = tmp_path / "mine.toml"
    file.write_text(text)
    code, out, err = await run_with(
        "bench", str(file), "--duration", "1s", "--require", "p99 < 10s", within=50
    )
    assert code == 1, out + err
    assert "BROKEN: errors > 50.0 % (0 %)" in out
    assert "held: p99 < 10,000 ms" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"configuration": {}, "load": {}}, "expected a rate and a duration"),
        ({"configuration": {}, "load": {"rate": "5"}}, "rate"),
        ({"configuration": {}, "load": {"rate": "5/s", "speed": 1}}, "unknown key 'speed'"),
        ({"configuration": {}, "instances": {"a": {"latancy": "1ms"}}}, 'did you mean "latency"'),
        ({"configuration": {}, "instances": {"a": {"failures": "200%"}}}, "expected a share"),
        ({"configuration": {}, "instances": {"a": {"failures": "60%", "drops": "41%"}}}, "more than 100%"),
        ({"configuration": {}, "instances": {"a": {"count": 0}}}, "count: expected a whole number"),
        (
            {"configuration": {}, "instances": {"a": {"latency": "9ms", "p99": "1ms"}}},
            "p99 is the latency, or more",
        ),
        ({"configuration": {}, "instances": {"a": {"outages": {"every": "1s", "for": "2s"}}}}, "ends before"),
        (
            {"configuration": {"services": {"s": {"instances": ["@b"]}}}, "instances": {"a": {}}},
            "no group of instances '@b'",
        ),
        ({"configuration": {}, "load": {"rate": "5/s"}, "expect": ["fast"]}, "is no constraint"),
    ],
)
def test_mistakes_in_a_scenario(document: dict[str, object], said: str) -> None:
    """Each is told with its place, before anything starts."""
    with pytest.raises(LoadError) as caught:
        parse_scenario(document, "mine.toml", Path())
    assert said in str(caught.value)
