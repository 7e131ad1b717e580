"""Who is ejected, for how long, and who is given back: tables, and what holds whatever happens."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import NANOSECONDS
from gateway.config.units import Share
from gateway.supervisor.health import ejection
from gateway.supervisor.health.ejection import Candidate, Cause, Decision, Policy, Standing, decide
from tests.helpers.proof import PROOF

S = NANOSECONDS
POLICY = Policy(5, 10 * S, 300 * S, Share(50))
NOW = 1_000 * S


def instances(*words: str, until: int = NOW + S) -> list[Candidate]:
    """``5``: so many failures in a row; ``out``, ``out+2s``: ejected, for so much longer; ``ill`` before one: unfit."""
    made = []
    for word in words:
        ill, text = word.startswith("ill"), word.removeprefix("ill").strip()
        out, _, more = text.partition("+")
        left = int(more.removesuffix("s")) * S if more else 0
        standing = Standing(1, NOW - S, until + left) if out == "out" else Standing()
        made.append(Candidate(standing, int(text) if text.isdecimal() else 0, fit=not ill))
    return made


@pytest.mark.parametrize(
    ("words", "ejected"),
    [
        (["5"], []),
        (["4", "0"], []),
        (["5", "0"], [0]),
        (["0", "500"], [1]),
        (["5", "5"], [0]),
        (["5", "6"], [1]),
        (["5", "0", "0"], [0]),
        (["5", "5", "0"], [0]),
        (["6", "5", "7", "0"], [2, 0]),
        (["9", "9", "9", "9"], [0, 1]),
        (["ill 5", "0"], []),
        (["5", "ill"], []),
        (["5", "5", "ill", "ill"], [0]),
        (["out", "5", "0"], []),
        (["out", "5", "0", "0"], [1]),
        (["out", "5", "ill", "ill"], []),
        (["out", "out", "5", "0", "0"], []),
        ([], []),
    ],
)
def test_who_is_ejected(words: list[str], ejected: list[int]) -> None:
    """The worst first, as long as the share allows it and somebody is left to serve."""
    assert decide(instances(*words), POLICY, NOW) == Decision(tuple(ejected))


@pytest.mark.parametrize(
    ("percent", "count"), [(1, 0), (19, 0), (20, 1), (50, 2), (79, 3), (80, 4), (100, 4)]
)
def test_the_share_is_rounded_down(percent: int, count: int) -> None:
    """Of five instances that all fail; the last one stays at 100 % too."""
    decision = decide(instances(*["5"] * 5), replace(POLICY, max_share=Share(percent)), NOW)
    assert len(decision.ejected) == count


@pytest.mark.parametrize(
    ("words", "returned"),
    [
        (["out", "0"], []),
        (["out"], [(0, Cause.NEEDED)]),
        (["out", "ill"], [(0, Cause.NEEDED)]),
        (["ill out", "ill"], []),
        (["out+2s", "out+1s", "0"], [(1, Cause.NEEDED)]),
        (["out+2s", "ill out+1s", "ill", "ill"], [(0, Cause.NEEDED)]),
        (["out+2s", "out+1s", "out+3s", "0", "0", "0"], []),
        (["out", "out", "ill", "ill"], [(0, Cause.NEEDED)]),
    ],
)
def test_who_is_missed(words: list[str], returned: list[tuple[int, Cause]]) -> None:
    """Where others have left or fallen ill, those with the least time left come back, no more than needed."""
    assert decide(instances(*words), POLICY, NOW).returned == tuple(returned)


def test_an_ejection_ends_with_its_time() -> None:
    """Not a moment earlier; its old failures do not eject the instance again, and make room for another's."""
    words = ["out", "5", "0"]
    assert decide(instances(*words, until=NOW + 1), POLICY, NOW) == Decision()
    over = instances(*words, until=NOW)
    over[0] = Candidate(over[0].standing, 50, fit=True)
    assert decide(over, POLICY, NOW) == Decision((1,), ((0, Cause.OVER),))


@pytest.mark.parametrize(
    ("rise", "checks", "ends"),
    [
        (2, "++", True),
        (2, "+", False),
        (2, "+-+", False),
        (2, "-+-++", True),
        (1, "+", True),
        (None, "+++", False),
    ],
)
def test_good_checks_end_an_ejection(rise: int | None, checks: str, ends: bool) -> None:
    """As many in a row as make an unhealthy instance healthy; none do where the service has no check."""
    standing = Standing(1, NOW, NOW + 10 * S)
    for check in checks:
        standing = ejection.checked(standing, passed=check == "+")
    candidates = [Candidate(standing, 0, fit=True), Candidate(Standing(), 0, fit=True)]
    decision = decide(candidates, replace(POLICY, rise=rise), NOW)
    assert decision.returned == (((0, Cause.CHECKED),) if ends else ())


def test_each_ejection_is_twice_as_long_as_the_one_before() -> None:
    """Up to the longest; jitter spreads each by a fifth and never goes beyond the longest."""
    standing, middle, spread = Standing(), [], []
    for _ in range(7):
        ends = [ejection.ejected(standing, 5, POLICY, NOW, draw).until for draw in (0.0, 0.5, 0.999999)]
        least, half, most = ((end or 0) - NOW for end in ends)
        middle.append(half / S)
        spread.append((least / S, round(most / S)))
        standing = ejection.given_back(ejection.ejected(standing, 5, POLICY, NOW, 0.5), NOW)
    assert middle == [10, 20, 40, 80, 160, 300, 300]
    assert spread == [(8, 12), (16, 24), (32, 48), (64, 96), (128, 192), (240, 300), (240, 300)]


def test_what_is_told_of_an_ejection() -> None:
    """When it began, and how many failures led to it; its end keeps neither."""
    out = ejection.ejected(Standing(), 7, POLICY, NOW, 0.5)
    assert out == Standing(level=1, since=NOW, until=NOW + 10 * S, failures=7)
    assert ejection.given_back(ejection.checked(out, passed=True), NOW + S) == Standing(1, NOW + S)


@pytest.mark.parametrize(
    ("level", "well_s", "left"),
    [
        (0, 1000, 0),
        (1, 9, 1),
        (1, 10, 0),
        (3, 39, 3),
        (3, 40, 2),
        (3, 59, 2),
        (3, 60, 1),
        (3, 70, 0),
        (5, 160, 4),
    ],
)
def test_an_instance_that_stays_well_is_forgiven(level: int, well_s: int, left: int) -> None:
    """One ejection after the other, the longest first, each after the time it took; in one look or in many."""
    start = Standing(level, NOW)
    assert ejection.forgiven(start, POLICY, NOW + well_s * S).level == left
    standing = start
    for second in range(well_s + 1):
        standing = ejection.forgiven(standing, POLICY, NOW + second * S)
    assert standing.level == left


@dataclass
class Service:
    """Instances of one service that live through whatever a case brings, and a supervisor that looks at them."""

    policy: Policy
    now: int = NOW
    members: dict[int, Candidate] = field(default_factory=dict)
    """By name: what the supervisor knows of a member outlives its leaving."""
    present: list[int] = field(default_factory=list)

    def look(self, draw: float) -> None:
        """Does what is decided and checks the laws."""
        before = [self.members[name] for name in self.present]
        decision = decide(before, self.policy, self.now)
        for place in decision.ejected:
            one = before[place]
            assert one.fit
            assert one.failures >= self.policy.failures
            assert one.standing.until is None
            out = ejection.ejected(one.standing, one.failures, self.policy, self.now, draw)
            self.members[self.present[place]] = Candidate(out, one.failures, fit=one.fit)
        for place, _ in decision.returned:
            one = before[place]
            assert one.standing.until is not None
            back = ejection.given_back(one.standing, self.now)
            self.members[self.present[place]] = Candidate(back, 0, fit=one.fit)
        self._check([self.members[name] for name in self.present])

    def _check(self, members: list[Candidate]) -> None:
        out = [one for one in members if one.standing.until is not None]
        assert 100 * len(out) <= len(members) * self.policy.max_share.percent, "more than the share"
        if any(one.fit for one in members):
            assert any(one.fit and one.standing.until is None for one in members), "the last one"
        for one in out:
            assert one.standing.until is not None
            assert 0 < one.standing.until - self.now <= self.policy.max_ejection_ns


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["fails", "answers", "falls ill", "recovers", "comes", "goes", "passes", "time"]),
        st.integers(0, 7),
        st.floats(0, 1, exclude_max=True),
    ),
    max_size=60,
)
POLICIES = st.builds(
    Policy,
    failures=st.integers(1, 5),
    ejection_ns=st.integers(1, 20).map(lambda seconds: seconds * S),
    max_ejection_ns=st.integers(20, 300).map(lambda seconds: seconds * S),
    max_share=st.integers(1, 100).map(Share),
    rise=st.none() | st.integers(1, 3),
)


@settings(max_examples=5_000 if PROOF else 300)
@given(policy=POLICIES, events=EVENTS)
def test_never_more_than_the_share_and_never_the_last(
    policy: Policy, events: list[tuple[str, int, float]]
) -> None:
    """After every look, in every history of failures, checks, discovery and time."""
    service = Service(policy)
    for event, name, draw in events:
        one = service.members.get(name, Candidate(Standing(), 0, fit=True))
        match event:
            case "fails":
                one = Candidate(one.standing, one.failures + 3, fit=one.fit)
            case "answers":
                one = Candidate(one.standing, 0, fit=one.fit)
            case "falls ill" | "recovers":
                one = Candidate(one.standing, one.failures, fit=event == "recovers")
            case "passes":
                one = Candidate(ejection.checked(one.standing, passed=True), one.failures, fit=one.fit)
            case "comes":
                service.present += [] if name in service.present else [name]
            case "goes":
                service.present = [other for other in service.present if other != name]
            case _:
                service.now += round(draw * 100 * S)
        service.members[name] = one
        service.look(draw)
