"""The plain Python reference: selection, token bucket and health lookup with lists and dicts, in one process.

Written to be fast, and does less than the engine: nothing is shared between processes, and a crash loses it all.
"""

import random
from dataclasses import dataclass

from bench.micro.side import LIMITS, ROUTE, SECOND_NS, SERVICE, Limit
from gateway.model import Health


@dataclass(slots=True)
class Member:
    """One instance of a service."""

    key: int
    weight: int = 1
    in_flight: int = 0
    health: int = Health.HEALTHY


class TokenBucket:
    """GCRA over a dict: for every key the time at which its bucket is full again (ITU-T I.371)."""

    def __init__(self, limit: Limit) -> None:
        self._interval_ns = -(
            -SECOND_NS // limit.tokens_per_second
        )  # rounded up: never faster than the limit
        self._tolerance_ns = self._interval_ns * limit.burst
        self._full_at: dict[bytes, int] = {}

    def charge(self, key: bytes, cost: int, now: int) -> tuple[bool, int]:
        """(conforms, nanoseconds until it would); takes the tokens when it conforms."""
        full_at = self._full_at.get(key, 0)
        full_at = (full_at if full_at > now else now) + cost * self._interval_ns  # noqa: FURB136  max() costs more
        wait = full_at - now - self._tolerance_ns
        if wait > 0:
            return False, wait
        self._full_at[key] = full_at
        return True, 0


class PlainDecisions:
    """The three decisions over plain objects."""

    def __init__(self, members: list[Member], source: random.Random) -> None:
        self._members = {member.key: member for member in members}
        self._random = source.random
        self._buckets = {f"{ROUTE}/{name}": TokenBucket(limit) for name, limit in LIMITS.items()}
        self._eligible: dict[str, list[Member]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Lists the eligible members again after a health change."""
        self._eligible[SERVICE] = [
            member for member in self._members.values() if member.health == Health.HEALTHY
        ]

    def select(self, service: str, /) -> int | None:
        """Of two members drawn at random, the one with less in flight for its weight (Mitzenmacher 2001)."""
        eligible = self._eligible[service]
        count = len(eligible)
        if count < 2:
            return eligible[0].key if eligible else None
        # Two different ones: the second is drawn from one fewer and steps over the first.
        first = int(self._random() * count)
        second = int(self._random() * (count - 1))
        second += second >= first
        one, other = eligible[first], eligible[second]
        return one.key if one.in_flight * other.weight <= other.in_flight * one.weight else other.key

    def charge(self, limit: str, key: bytes, cost: int, now: int, /) -> tuple[bool, int]:
        """Charges the bucket of the key."""
        return self._buckets[limit].charge(key, cost, now)

    def health(self, instance: int, /) -> int:
        """What was found last; an instance that is not there is not healthy."""
        member = self._members.get(instance)
        return Health.UNHEALTHY if member is None else member.health


class PlainSide:
    """The reference as a side of the comparison."""

    def __init__(self, *, instances: int) -> None:
        self._members = [Member(key=1 << 32 | slot) for slot in range(instances)]
        self.decisions = PlainDecisions(self._members, random.Random(42))
        self.instances = [member.key for member in self._members]

    def set_healthy(self, position: int, healthy: bool) -> None:
        """Sets it and lists the eligible members again."""
        self._members[position].health = Health.HEALTHY if healthy else Health.UNHEALTHY
        self.decisions.refresh()
