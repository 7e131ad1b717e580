"""The page, and the documents that it is drawn from."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.peers import report
from bench.peers.job import Workload
from bench.peers.measure import Failure, Outcome, Plan
from bench.peers.rounds import Contender, Sample
from bench.peers.workloads import WORKLOADS
from bench.render.__main__ import main
from bench.render.documents import DocumentError, merged, read
from bench.render.page import page

PLAN = Plan(rounds=2, seconds=3, gateway_core=0, load_core=1)
COST = {"headgate": 18.0, "nginx": 20.0}


def outcome(workload: Workload) -> Outcome:
    """Two rounds of two gateways; every setup after the first costs 1 µs more."""
    contenders = [Contender(name, setup.name) for name in COST for setup in workload.setups]
    samples = [
        Sample(contender, number, {"cost": COST[contender.gateway] + (contender.setup == "on")})
        for number in range(2)
        for contender in contenders
    ]
    failure = Failure(Contender("caddy"), 1, "caddy ended by itself\n  with a log")
    return Outcome(tuple(contenders), tuple(samples), (failure,))


def document(*names: str, **changes: Any) -> dict[str, Any]:
    """A result of ``bench.peers`` with some workloads."""
    heading = report.heading(PLAN, [], {"headgate": "headgate/0.1.0", "nginx": "nginx/1.22.1"})
    sections = [
        report.section(WORKLOADS[name], PLAN, outcome(WORKLOADS[name]), {"relay": "knows no logs"})
        for name in names
    ]
    machine = {"cpu": "a processor", "cores": "2", "kernel": "6.1", "python": "3.11.2"}
    remarks = {"nginx": "no active health checks"}
    return {**heading, "machine": machine, "remarks": remarks, "workloads": sections, **changes}


def test_page() -> None:
    """A reader finds the machine, the versions, the ratios, the spread, and what a peer could not do."""
    text = page(document("keepalive", "access-log"))
    assert "a processor, 2 cores, Linux 6.1" in text
    assert "| nginx | nginx/1.22.1 | no active health checks |" in text
    assert "| --- | --- | --- |" in text, "words are read from the left"
    assert "| Keep-alive GET, 12 header fields, 64-byte body | 0.900 |" in text
    assert "| Access log, on | 1.056 (1.056 to 1.056) |" in text
    assert "| headgate | 18.00 (18.00 to 18.00) |" in text
    assert "(benchmarks/access-log.svg)" in text
    assert "* relay takes no part: knows no logs." in text
    assert "* FAILED caddy in round 2: caddy ended by itself with a log" in text


def test_command(tmp_path: Path) -> None:
    """The page and a chart for each workload are written, and charts of an earlier page are gone."""
    results = tmp_path / "results.json"
    results.write_text(json.dumps(document("keepalive", "access-log")))
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "old.svg").write_text("")
    assert main([str(results), "--into", str(tmp_path)]) == 0
    assert sorted(path.name for path in (tmp_path / "benchmarks").iterdir()) == [
        "access-log.svg",
        "keepalive.svg",
    ]
    assert (tmp_path / "benchmarks.md").read_text() == page(document("keepalive", "access-log"))


def test_no_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no result is named, and nothing is written."""
    (tmp_path / "other.json").write_text("{}")
    assert main([str(tmp_path / "other.json"), "--into", str(tmp_path)]) == 1
    assert "other.json: not a result of bench.peers" in capsys.readouterr().err
    assert not (tmp_path / "benchmarks.md").exists()


def test_missing_file(tmp_path: Path) -> None:
    """So is a file that is not there."""
    with pytest.raises(DocumentError, match=r"missing\.json"):
        read(tmp_path / "missing.json")


def test_later_runs_replace_workloads() -> None:
    """Two runs make one page; what both have measured is taken from the later."""
    later = document("access-log")
    later["workloads"][0]["title"] = "measured again"
    both = merged([(Path("a"), document("keepalive", "access-log")), (Path("b"), later)])
    assert [section["title"] for section in both["workloads"]][1] == "measured again"
    assert len(both["workloads"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine": {"cpu": "another"}}, "another machine"),
        ({"versions": {"nginx": "nginx/1.27.0"}}, r"nginx is nginx/1\.27\.0"),
    ],
)
def test_runs_that_do_not_belong_together(changes: dict[str, Any], message: str) -> None:
    """Figures of different machines or versions do not stand side by side."""
    with pytest.raises(DocumentError, match=message):
        merged([(Path("a"), document("keepalive")), (Path("b"), document("access-log", **changes))])
