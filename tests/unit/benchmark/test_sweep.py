"""Tuning runs on a simulated machine: what is better is found, and noise is not."""

import io
import math
import random
from collections.abc import Callable, Mapping

import pytest

from gateway.benchmark.load import LoadError
from gateway.benchmark.objective import Constraint, Objective
from gateway.benchmark.progress import Progress
from gateway.benchmark.statistics import Interval, Verdict
from gateway.benchmark.tune import page, text
from gateway.benchmark.tune.decisions import Finding
from gateway.benchmark.tune.outcome import Outcome
from gateway.benchmark.tune.space import Change, Variation
from gateway.benchmark.tune.sweep import Sweep
from tests.helpers.proof import PROOF

Effects = Mapping[str, float]
"""Factor on the latency by the value of the changed key."""


def variation(name: str) -> Variation:
    """A change of one key of that name."""
    return Variation("knob", (Change((name,), 1, 0),))


class SimulatedMachine:
    """Measures without a gateway: a latency with the effects of what is changed, in the noise of a shared machine."""

    load = "100 requests a second"

    def __init__(
        self, effects: Effects, seed: int, *, errors: Effects | None = None, noise: float = 0.15
    ) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self._effects = effects
        self._errors = errors or {}
        self._source = random.Random(seed)
        self._noise = noise
        self._level = 0.0

    async def look(self) -> list[str]:
        """Nothing remarkable."""
        return []

    async def figures(self, variation: Variation | None, seconds: float) -> dict[str, float]:
        """A level that wanders from measurement to measurement, and now and then a disturbance."""
        self.now += seconds + 3.0
        keys = [str(change.path[0]) for change in variation.changes] if variation else []
        self.asked.append(",".join(keys))
        if "broken" in keys:
            raise LoadError("a gateway of the trial does not start:\n  port in use")
        self._level = 0.8 * self._level + self._source.gauss(0, self._noise)
        spike = self._source.expovariate(2) if self._source.random() < 0.1 else 0.0
        factor = math.prod(self._effects.get(key, 1.0) for key in keys)
        latency = 10 * factor * math.exp(self._level + spike)
        return {
            "p99": latency,
            "p50": latency / 3,
            "throughput": 100.0,
            "errors": sum(self._errors.get(key, 0.0) for key in keys),
        }


async def tuned(
    effects: Effects,
    *,
    seed: int = 1,
    errors: Effects | None = None,
    require: tuple[str, ...] = (),
    budget: float = 300.0,
    noise: float = 0.15,
) -> tuple[Outcome, SimulatedMachine]:
    """A whole run over the keys of the effects."""
    machine = SimulatedMachine(effects, seed, errors=errors, noise=noise)
    outcome = Outcome(
        "gateway.toml", "2026-01-02T03:04:05Z", "2 CPUs", Objective.parse("p99"),
        [Constraint.parse(one) for one in require], 0.95, "", budget,
    )  # fmt: skip
    clock: Callable[[], float] = lambda: machine.now  # noqa: E731
    sweep = Sweep(
        machine, [variation(name) for name in effects], outcome, Progress(io.StringIO()),
        source=random.Random(seed), clock=clock,
    )  # fmt: skip
    await sweep.run()
    return outcome, machine


def names(outcome: Outcome) -> set[str]:
    """What was adopted."""
    return (
        set()
        if outcome.adopted is None
        else {str(change.path[0]) for change in outcome.adopted.variation.changes}
    )


async def test_a_planted_mistake_is_found() -> None:
    """The one key that makes it three times as fast is named with its interval; the others are not."""
    outcome, machine = await tuned({"a": 1.0, "good": 1 / 3, "b": 1.0, "bad": 3.0})
    assert names(outcome) == {"good"}
    assert outcome.adopted is not None
    assert outcome.adopted.change is not None
    assert outcome.adopted.change.lower <= 1 / 3 <= outcome.adopted.change.upper
    shown = text.render(outcome)
    assert "Found: good: 0 → 1" in shown
    assert "with 95% confidence" in shown
    assert machine.now <= 330


async def test_what_is_clearly_worse_is_given_up_early() -> None:
    """Its rounds are spent on others."""
    outcome, machine = await tuned({"a": 1.0, "bad": 5.0}, noise=0.02)
    assert machine.asked.count("bad") == 2
    assert outcome.screening[2].gave_up == "clearly worse, stopped early"


async def test_two_improvements_are_taken_together() -> None:
    """Both are confirmed, and so is that they add up."""
    outcome, _ = await tuned({"one": 0.5, "other": 0.5, "a": 1.0}, noise=0.05, budget=600)
    assert names(outcome) == {"one", "other"}


async def test_noise_is_not_an_improvement() -> None:
    """Of two hundred runs (fewer unless it is a proof) in which nothing makes a difference, at most 5 % say that something does."""
    runs = 200 if PROOF else 60
    adopted = [names((await tuned(dict.fromkeys("abcdef", 1.0), seed=seed))[0]) for seed in range(runs)]
    assert sum(map(bool, adopted)) <= 0.05 * runs


async def test_on_a_good_configuration_nothing_helps() -> None:
    """And the report says so in the first sentence."""
    outcome, _ = await tuned(dict.fromkeys("abc", 1.1), noise=0.02)
    assert outcome.adopted is None
    assert "Nothing helps" in text.render(outcome).splitlines()[2]
    assert "Nothing helps" in page.render(outcome)


async def test_what_only_looked_better_is_no_promise() -> None:
    """A finalist is named as a possibility only if its fresh rounds leave that open."""
    outcome, _ = await tuned({"a": 1.0, "b": 1.0}, noise=0.02)
    base = variation("lucky")
    for estimate, open_ in ((1.07, False), (0.8, True)):
        finding = Finding(base, Interval(estimate, 0.2, 3.5), Verdict.UNCLEAR, 9, 15.2, 15.0, {})
        outcome.findings = [finding]
        assert ("lucky = 1 may be" in text.render(outcome)) is open_


async def test_faster_by_failing_is_not_better() -> None:
    """What makes requests fail is not taken, however fast the rest becomes, and the report says why."""
    outcome, _ = await tuned({"drops": 0.3, "a": 1.0}, errors={"drops": 2.0})
    assert names(outcome) == set()
    shown = text.render(outcome)
    assert "drops = 1 looks better, but 2 % of the requests fail instead of 0 %." in shown
    assert shown.count("but 2 % of the requests fail") == 2
    assert outcome.to_json()["screening"][1]["against"]


async def test_how_many_may_fail_is_for_the_user_to_say() -> None:
    """As many may then, and no more."""
    effects, errors = {"drops": 0.3, "a": 1.0}, {"drops": 2.0}
    outcome, _ = await tuned(effects, errors=errors, require=("errors<=3%",))
    assert names(outcome) == {"drops"}
    for require in ("errors<=1%", "errors>=0%", "slow: errors<=3%"):
        outcome, _ = await tuned(effects, errors=errors, require=(require,))
        assert names(outcome) == set(), require


async def test_constraints_hold() -> None:
    """What breaks one is not taken, however much better."""
    outcome, _ = await tuned({"good": 0.5}, noise=0.02, require=("p50<1ms",))
    assert outcome.adopted is None


async def test_what_does_not_start_is_told() -> None:
    """A value with which the gateway does not start ends nothing but its own trial."""
    outcome, _ = await tuned({"broken": 1.0, "good": 0.3}, noise=0.05)
    assert outcome.screening[1].gave_up == "does not run: port in use"
    assert names(outcome) == {"good"}


async def test_a_small_budget_tries_what_comes_first() -> None:
    """What there was no time for is named."""
    outcome, machine = await tuned(dict.fromkeys("abcdefghij", 1.0), budget=120)
    assert outcome.left_out
    assert "There was no time for" in text.render(outcome)
    assert machine.now <= 150


async def test_an_interrupted_run_claims_nothing() -> None:
    """Whatever screening has seen."""
    outcome, _ = await tuned({"good": 0.3})
    outcome.confirmed, outcome.interrupted, outcome.findings, outcome.adopted = False, True, [], None
    assert "nothing can be claimed" in text.render(outcome)


async def test_reports_show_all_that_was_tried() -> None:
    """Text, page and JSON; the page holds a plot of the confirmed effects and one of screening."""
    outcome, _ = await tuned({"good": 0.3, "a": 1.0})
    shown, html = text.render(outcome), page.render(outcome)
    for name in ("as it is", "good = 1", "a = 1"):
        assert name in shown
        assert name in html
    assert html.count("<svg") == 2
    document = outcome.to_json()
    assert document["adopted"]["verdict"] == Verdict.BETTER
    assert len(document["screening"]) == 3


@pytest.mark.parametrize(
    "text_of", ["p99<", "p98<5ms", "p99<5", "errors<5ms", "cpu=5", "x: : p99<5ms<", "throughput<5ms"]
)
def test_wrong_constraints(text_of: str) -> None:
    """A figure, a sign, a bound with its unit."""
    with pytest.raises(LoadError):
        Constraint.parse(text_of)


def test_constraints() -> None:
    """Bounds in other units are converted; a kind of request may be named."""
    bound = Constraint.parse("p99 < 0.05s")
    assert (bound.holds(49.9), bound.holds(50.0), bound.holds(None)) == (True, False, False)
    assert Constraint.parse("errors<=1%").holds(1.0)
    assert Constraint.parse("throughput>100/s").holds(101)
    kind = Constraint.parse("GET small: p99<5ms")
    assert (kind.kind, str(kind)) == ("GET small", "GET small: p99 < 5.00 ms")
