"""What people would use instead, each set up as its documentation says for many keys in one process."""

from collections.abc import Callable

import limits
import pyrate_limiter
import throttled
import uhashring

from bench.micro.side import Limit

Charge = Callable[[str], bool]
"""Takes a token of a client; does the request conform?"""
MakeCharge = Callable[[Limit, int], Charge]
"""From a limit and the number of clients."""


def _limits(limit: Limit, _clients: int) -> Charge:
    """``limits`` has no token bucket; its fixed window is the cheapest of its strategies and admits twice the rate."""
    limiter = limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
    rate = limits.RateLimitItemPerSecond(limit.burst)
    return lambda client: limiter.hit(rate, client)


class _BucketByClient(pyrate_limiter.BucketFactory):
    """A bucket for every name; the buckets of GCRA need nobody to empty them."""

    def __init__(self, limit: Limit) -> None:
        self._rates = [
            pyrate_limiter.Rate(limit.tokens_per_second, pyrate_limiter.Duration.SECOND, burst=limit.burst)
        ]
        self._clock = pyrate_limiter.MonotonicClock()
        self._buckets: dict[str, pyrate_limiter.StateBucket] = {}

    def wrap_item(self, name: str, weight: int = 1) -> pyrate_limiter.RateItem:
        return pyrate_limiter.RateItem(name, self._clock.now(), weight=weight)

    def get(self, item: pyrate_limiter.RateItem) -> pyrate_limiter.StateBucket:
        bucket = self._buckets.get(item.name)
        if bucket is None:
            bucket = self._buckets[item.name] = pyrate_limiter.StateBucket(self._rates, clock=self._clock)
        return bucket


def _pyrate_limiter(limit: Limit, _clients: int) -> Charge:
    limiter = pyrate_limiter.Limiter(_BucketByClient(limit))
    return lambda client: bool(limiter.try_acquire(client, blocking=False))


def _throttled(limit: Limit, clients: int) -> Charge:
    limiter = throttled.Throttled(
        using=throttled.RateLimiterType.GCRA.value,
        quota=throttled.per_sec(limit.tokens_per_second, burst=limit.burst),
        store=throttled.MemoryStore(options={"MAX_SIZE": 2 * clients}),
    )
    return lambda client: not limiter.limit(client).limited


LIMITERS: dict[str, MakeCharge] = {
    "limits": _limits,
    "pyrate-limiter": _pyrate_limiter,
    "throttled-py": _throttled,
}


def consistent_hashing(instances: list[str]) -> Callable[[str], str]:
    """``uhashring``: the instance of a client, whatever its load."""
    choose: Callable[[str], str] = uhashring.HashRing(nodes=instances).get_node
    return choose
