"""The document of a benchmark run."""

import json

from bench.peers.job import Setup
from bench.peers.measure import Failure, Outcome, Plan
from bench.peers.report import section, warnings
from bench.peers.rounds import Contender, Sample
from bench.peers.workloads import KEEP_ALIVE

HEADGATE, NGINX = Contender("headgate"), Contender("nginx")


def sample(contender: Contender, cost: float, *, busy: float = 99.0, foreign: float = 1.0) -> Sample:
    """A measurement on a core that was busy and undisturbed, unless said otherwise."""
    return Sample(contender, 0, {"cost": cost, "busy": busy, "foreign": foreign})


def test_section() -> None:
    """A workload's section has samples, summaries with ratios, failures and absences, and is plain JSON."""
    outcome = Outcome(
        contenders=(HEADGATE, NGINX),
        samples=(sample(HEADGATE, 18.0), sample(NGINX, 20.0)),
        failures=(Failure(NGINX, 1, "ended by itself"),),
    )
    found = json.loads(json.dumps(section(KEEP_ALIVE, Plan(2, 3, 0, 1), outcome, {"relay": "knows no logs"})))
    ours, theirs = found["summaries"]
    assert (ours["gateway"], ours["setup"], ours["rounds"]) == ("headgate", Setup().name, 1)
    assert ours["ratios"]["cost"]["nginx"]["median"] == 0.9
    assert theirs["figures"]["cost"] == {"median": 20.0, "lower": 20.0, "upper": 20.0}
    assert found["failures"] == [{"gateway": "nginx", "setup": "", "round": 1, "reason": "ended by itself"}]
    assert found["unfit"] == {"relay": "knows no logs"}
    assert found["samples"][0]["figures"]["cost"] == 18.0
    assert found["warnings"] == []


def test_disturbed_run_is_said() -> None:
    """A reader learns when the core was shared with others."""
    (text,) = warnings([sample(HEADGATE, 18.0), sample(NGINX, 18.0, foreign=25.0)])
    assert text.startswith("nginx: other processes used up to 25 %")


def test_starved_gateway_is_said() -> None:
    """A reader learns when the load was the bottleneck."""
    (text,) = warnings([sample(HEADGATE, 18.0), sample(NGINX, 18.0, busy=40.0)])
    assert text.startswith("nginx: the load kept its core only 40 % busy")
