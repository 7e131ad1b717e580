"""Decides by their failures in a row which instances are ejected, for how long, and when they are given back: pure.

The laws, whatever the instances do: never more than a share of a service is ejected, and never the last one that could
serve; where others leave or fall ill meanwhile, ejected ones are given back before their time. Each ejection is twice as
long as the one before, and an instance that stays well is forgiven one after the other.

All times are in nanoseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.config.units import Share
from gateway.supervisor.jitter import jittered


@dataclass(frozen=True, slots=True)
class Policy:
    """What a service asks for."""

    failures: int
    """In a row, after which an instance is ejected; at least 1."""
    ejection_ns: int
    """The first ejection; each further one lasts twice as long."""
    max_ejection_ns: int
    max_share: Share
    """Of the service's instances, ejected at the same time."""
    rise: int | None = None
    """Good checks in a row that end an ejection before its time; None where nobody checks."""

    def length(self, level: int) -> int:
        """How long an ejection is before jitter, after so many that are not forgiven yet."""
        return min(self.ejection_ns << level, self.max_ejection_ns)


class Cause(StrEnum):
    """Why an instance is given back."""

    OVER = "its time is over"
    CHECKED = "its checks pass"
    NEEDED = "too few others are left"
    SWITCHED_OFF = "passive checks are switched off"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an instance's ejections."""

    level: int = 0
    """Ejections that are not forgiven yet, as far as they make the next one longer."""
    since: int = 0
    """When the present ejection began, or the last one ended, or was forgiven."""
    until: int | None = None
    """When the present ejection ends; None: the instance is not ejected."""
    failures: int = 0
    """In a row, that led to the present ejection."""
    passed: int = 0
    """Good checks in a row since it began."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instance as a decision sees it."""

    standing: Standing
    failures: int
    """In a row, by now."""
    fit: bool
    """But for an ejection it could serve."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen to some of the instances of a service, by their places in its list."""

    ejected: tuple[int, ...] = ()
    returned: tuple[tuple[int, Cause], ...] = ()


def decide(instances: Sequence[Candidate], policy: Policy, now: int) -> Decision:
    """Who is given back and who is ejected now."""
    returned: dict[int, Cause] = {}
    out: list[tuple[int, int]] = []
    for place, instance in enumerate(instances):
        if instance.standing.until is None:
            continue
        if (cause := _ended_by(instance.standing, policy, now)) is not None:
            returned[place] = cause
        else:
            out.append((instance.standing.until, place))
    serving = {
        place
        for place, instance in enumerate(instances)
        if instance.fit and (instance.standing.until is None or place in returned)
    }
    most = policy.max_share.of(len(instances))
    for until, place in sorted(out):  # those that have the least time left are missed first
        fit = instances[place].fit
        if len(out) > most or (fit and not serving):
            out.remove((until, place))
            returned[place] = Cause.NEEDED
            serving |= {place} if fit else set()
    failing = [place for place in serving - returned.keys() if instances[place].failures >= policy.failures]
    room = max(0, min(most - len(out), len(serving) - 1))
    worst_first = sorted(failing, key=lambda place: (-instances[place].failures, place))
    return Decision(tuple(worst_first[:room]), tuple(returned.items()))


def ejected(standing: Standing, failures: int, policy: Policy, now: int, draw: float) -> Standing:
    """The standing of an instance that is ejected now; ``draw`` from [0, 1) spreads those that fail together."""
    length = policy.length(standing.level)
    time = min(round(jittered(length, draw)), policy.max_ejection_ns)
    longest = length == policy.max_ejection_ns
    level = standing.level + (not longest)
    return Standing(level=level, since=now, until=now + time, failures=failures)


def given_back(standing: Standing, now: int) -> Standing:
    """The standing of an instance whose ejection ends now."""
    return Standing(level=standing.level, since=now)


def checked(standing: Standing, *, passed: bool) -> Standing:
    """The standing of an ejected instance after another check."""
    return replace(standing, passed=standing.passed + 1 if passed else 0)


def forgiven(standing: Standing, policy: Policy, now: int) -> Standing:
    """The standing of an instance that is not ejected: each ejection is forgiven after as long a time without one."""
    level, since = standing.level, standing.since
    while level > 0 and now - since >= policy.length(level - 1):
        level, since = level - 1, since + policy.length(level - 1)
    return replace(standing, level=level, since=since)


def _ended_by(standing: Standing, policy: Policy, now: int) -> Cause | None:
    if policy.rise is not None and standing.passed >= policy.rise:
        return Cause.CHECKED
    return Cause.OVER if standing.until is not None and now >= standing.until else None
