"""The plain Python reference: the same decisions with lists and dicts, in one process.

Written to be fast, and does less than the engine: nothing is shared between processes, a crash loses it all, and what
is no HTTP passes unnoticed.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass
from math import exp

from bench.micro.side import HOST, LIMITS, PREFIXES, SECOND_NS, SERVICES, WIDE, Limit
from gateway.model import Health

_ENDS_HERE = frozenset(
    {b"host", b"connection", b"keep-alive", b"te", b"upgrade", b"x-forwarded-for", b"proxy"}
)
_TAU_NS = 10e9
"""The time in which an observed latency falls to 1/e."""


@dataclass(slots=True)
class Member:
    """One instance of a service."""

    key: int
    weight: int = 1
    in_flight: int = 0
    latency_ns: float = 1_000_000.0
    observed_ns: int = 0
    """When that was, on the clock of ``time.monotonic_ns``."""
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
        self._buckets = {name: TokenBucket(limit) for name, limit in LIMITS.items()}
        self._eligible: list[Member] = []
        self._turn = 0
        ways = (self._less_loaded_of_two, self._next_in_turn, self._faster_of_two)
        self._select = dict(zip(SERVICES, ways, strict=True))
        self.refresh()

    def refresh(self) -> None:
        """Lists the eligible members again after a health change."""
        self._eligible = [member for member in self._members.values() if member.health == Health.HEALTHY]

    def select(self, service: str, _key: None = None, _now: int | None = None, /) -> int | None:
        """As the service is balanced; all have the same members."""
        return self._select[service]()

    def _less_loaded_of_two(self) -> int | None:
        """Of two members drawn at random, the one with less in flight for its weight (Mitzenmacher 2001)."""
        drawn = self._two()
        if drawn is None:
            return self._only()
        one, other = drawn
        return one.key if one.in_flight * other.weight <= other.in_flight * one.weight else other.key

    def _faster_of_two(self) -> int | None:
        """Of two members drawn at random, the one that would be through first by its faded latency."""
        drawn = self._two()
        if drawn is None:
            return self._only()
        one, other = drawn
        now = time.monotonic_ns()
        first = one.latency_ns * exp((one.observed_ns - now) / _TAU_NS) * (one.in_flight + 1) / one.weight
        second = (
            other.latency_ns * exp((other.observed_ns - now) / _TAU_NS) * (other.in_flight + 1) / other.weight
        )
        return one.key if first <= second else other.key

    def _two(self) -> tuple[Member, Member] | None:
        """Two different members: the second is drawn from one fewer and steps over the first. None: there are no two."""
        eligible = self._eligible
        count = len(eligible)
        if count < 2:
            return None
        first = int(self._random() * count)
        second = int(self._random() * (count - 1))
        second += second >= first
        return eligible[first], eligible[second]

    def _only(self) -> int | None:
        return self._eligible[0].key if self._eligible else None

    def _next_in_turn(self) -> int | None:
        eligible = self._eligible
        if not eligible:
            return None
        self._turn = turn = (self._turn + 1) % len(eligible)
        return eligible[turn].key

    def charge(self, limit: str, key: bytes, cost: int, now: int, /) -> tuple[bool, int]:
        """Charges the bucket of the key."""
        return self._buckets[limit].charge(key, cost, now)

    def health(self, instance: int, /) -> int:
        """What was found last; an instance that is not there is not healthy."""
        member = self._members.get(instance)
        return Health.UNHEALTHY if member is None else member.health


class PlainSide:
    """The reference as a side of the comparison."""

    def __init__(self, *, instances: int = 2) -> None:
        self._members = [Member(key=1 << 32 | slot) for slot in range(instances)]
        self.decisions = PlainDecisions(self._members, random.Random(42))
        self.instances = [member.key for member in self._members]

    def set_healthy(self, position: int, healthy: bool) -> None:
        """Sets it and lists the eligible members again."""
        self._members[position].health = Health.HEALTHY if healthy else Health.UNHEALTHY
        self.decisions.refresh()


class PlainRoutes:
    """Routes by host and path prefix."""

    def __init__(self, other_routes: int) -> None:
        self._hosts = {HOST: {PREFIXES[WIDE]: 0}}
        for number in range(other_routes):
            host = self._hosts.setdefault(b"%d.example.net" % (number % 100), {})
            host[b"/%d" % (number // 100)] = number + 1

    def find(self, host: bytes, path: bytes) -> int | None:
        """The route with the longest prefix."""
        prefixes = self._hosts.get(host.lower())
        while prefixes is not None and path:
            route = prefixes.get(path)
            if route is not None:
                return route
            path = path.rpartition(b"/")[0]
        return None


class PlainExchange:
    """One whole exchange: both heads taken apart by their line ends and written anew."""

    def __init__(self, decisions: PlainDecisions, routes: PlainRoutes, client: bytes) -> None:
        self._decisions = decisions
        self._routes = routes
        self._client = client
        self._counts: Counter[bytes] = Counter()

    def receive(self, data: bytes, now: int) -> tuple[int, bytes] | None:
        """The instance and the bytes for it; None when no route matches, or the request is beyond the limit."""
        head, _, body = data.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        method, target, _ = line.split(b" ")
        fields = [line.partition(b": ")[::2] for line in lines]
        host = next(value for name, value in fields if name.lower() == b"host")
        if self._routes.find(host, target.partition(b"?")[0]) is None:
            return None
        conforms, _ = self._decisions.charge(WIDE, self._client, 1, now)
        instance = self._decisions.select(SERVICES[0])
        if not conforms or instance is None:
            return None
        kept = [b"%s: %s\r\n" % field for field in fields if field[0].lower() not in _ENDS_HERE]
        ours = b"X-Forwarded-For: %s\r\nX-Forwarded-Proto: http\r\n\r\n" % self._client
        start = b"%s %s HTTP/1.1\r\nHost: %s\r\n" % (method, target, host)
        return instance, b"".join([start, *kept, ours, body])

    def respond(self, data: bytes) -> bytes:
        """The bytes for the client."""
        head, _, body = data.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        fields = [line.partition(b": ")[::2] for line in lines]
        kept = [b"%s: %s\r\n" % field for field in fields if field[0].lower() not in _ENDS_HERE]
        self._counts[line.split(b" ")[1]] += 1
        return b"".join([line, b"\r\n", *kept, b"\r\n", body])
