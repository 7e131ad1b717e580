"""``headgate tune`` with real gateways: planted mistakes are found (a proof), and mistakes of the user told."""

import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.helpers import configuration
from tests.helpers.gateway import interrupt, run_with
from tests.helpers.proof import PROOF

GOOD = ("count=3,latency=5ms,p99=15ms",)
BESIDE_A_SLOW_ONE = (*GOOD, "latency=50ms,p99=120ms,capacity=4")
DROPPING = ("count=3,latency=20ms,capacity=4,drops=50%",)
"""They serve 600 requests a second, and are asked for 700 where each that they drop may be sent again."""
FOR_DROPPING = ("--rate", "400/s", "--require", "errors<=50%")
"""Fewer fail with all those retries, but all wait."""
NOBODY = "127.0.0.1:1"
"""Replaced by generated instances."""


async def tune(
    tmp_path: Path, service: str, simulate: tuple[str, ...], *arguments: str
) -> tuple[dict[str, Any], str, Path]:
    """Tunes a configuration in front of generated instances: what was found as JSON, what was printed, the file."""
    file, found = tmp_path / "edge.toml", tmp_path / "found.json"
    file.write_text(configuration(NOBODY, service=service))
    generated = [word for one in simulate for word in ("--simulate", one)]
    code, out, err = await run_with(
        "tune", str(file), "--json", str(found), *generated, *arguments, within=900
    )
    assert code == 0, out + err
    assert "Traceback" not in err
    return orjson.loads(found.read_bytes()), out + err, tmp_path / "edge.tuned.toml"


@pytest.mark.skipif(
    not PROOF, reason="takes five minutes for each; its decisions are tested on a simulated machine"
)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("service", "simulate", "arguments", "better"),
    [
        (
            'balance = "round_robin"',
            BESIDE_A_SLOW_ONE,
            ("--objective", "latency"),
            [{"balance": "p2c"}, {"balance": "ewma"}],
        ),
        ("max_idle = 1", GOOD, ("--objective", "cpu"), [{"max_idle": 64}, {"max_idle": 512}]),
        (
            'passive = false\nretry_budget = { share = "100%" }',
            DROPPING,
            ("--objective", "latency", *FOR_DROPPING),
            [{"retry_budget": {"share": "20%"}}],
        ),
    ],
    ids=["goes round over a slow instance", "keeps one connection", "retries without an end"],
)
async def test_a_planted_mistake_is_found(
    tmp_path: Path,
    service: str,
    simulate: tuple[str, ...],
    arguments: tuple[str, ...],
    better: list[dict[str, Any]],
) -> None:
    """It is named with its interval, and written into a copy of the file that is otherwise the user's: with any value that does
    away with it.
    """
    found, said, tuned = await tune(
        tmp_path, service, simulate, "--budget", "5m", "--only", "balance,pool,budget", *arguments
    )
    assert found["adopted"] is not None, said
    written = tomllib.loads(tuned.read_text())["services"]["api"]
    assert any(one.items() <= written.items() for one in better), said
    assert "# headgate tune" in tuned.read_text()


@pytest.mark.skipif(
    not PROOF, reason="takes five minutes; the same on a simulated machine is tested two hundred times"
)
@pytest.mark.timeout(900)
async def test_a_good_configuration_is_left_alone(tmp_path: Path) -> None:
    """Nothing helps, and no file is written."""
    found, said, tuned = await tune(tmp_path, "", GOOD, "--budget", "5m", "--only", "balance,pool,retries")
    assert found["adopted"] is None, said
    assert not tuned.exists()


async def test_a_small_run(tmp_path: Path) -> None:
    """In 20 s: gateways are started and loaded in turns, progress shows what is left, everything is told in the end."""
    found, said, _ = await tune(
        tmp_path, "", GOOD, "--budget", "20s", "--only", "retries", "--rate", "50/s", "--confidence", "60%"
    )
    assert "screening, round 1" in said
    assert " left" in said
    assert [entry["name"] for entry in found["screening"]][:2] == ["as it is", "routes[0].retry.attempts = 0"]
    assert all(entry["rounds"][0]["errors"] == 0 for entry in found["screening"] if entry["rounds"])
    assert "Generated instances: count=3" in said


async def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C: nothing is claimed, nothing is written, nothing is left running."""
    file = tmp_path / "edge.toml"
    file.write_text(configuration(NOBODY))
    code, out = await interrupt(
        "tune", str(file), "--simulate", "latency=1ms", "--rate", "20/s", when=b"screening"
    )
    assert code == 1
    assert "nothing can be claimed" in out
    assert not (tmp_path / "edge.tuned.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--objective", "p98"), 1, "there is no figure 'p98'"),
        (("--require", "fast"), 1, "is no constraint"),
        (("--only", "balence"), 1, 'did you mean "balance"'),
        (("--simulate", "latancy=5ms"), 1, 'did you mean "latency"'),
        (("--simulate", "fast"), 1, "expected KEY=VALUE"),
        (("--budget", "5s"), 2, "at least 20s"),
        (("--confidence", "100%"), 2, "at most 99%"),
        (("--rate", "5"), 2, 'add "/s"'),
    ],
)
async def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """A sentence, before any gateway is started."""
    file = tmp_path / "edge.toml"
    file.write_text(configuration(NOBODY))
    got, out, err = await run_with("tune", str(file), *arguments)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


async def test_instances_that_are_down(tmp_path: Path) -> None:
    """There is nothing to tune where every request fails."""
    file = tmp_path / "edge.toml"
    file.write_text(configuration(NOBODY, service="passive = false"))
    code, _, err = await run_with("tune", str(file), "--rate", "20/s", "--budget", "20s", within=60)
    assert code == 1
    assert "nothing to tune yet: as it is, 100 % of the requests failed" in err


async def test_a_wrong_file(tmp_path: Path) -> None:
    """Its mistakes with their places, exit code 2."""
    file = tmp_path / "edge.toml"
    file.write_text(configuration(NOBODY, service='balance = "p3c"'))
    code, _, err = await run_with("tune", str(file))
    assert code == 2
    assert 'did you mean "p2c"' in err
