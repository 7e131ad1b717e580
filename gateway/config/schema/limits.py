"""``limit`` and ``concurrency``, which routes and services have alike."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from gateway.config.fields import Counted, KeyPart, LimitRate, Name, RequestCost, choice, whole
from gateway.config.interpolate import Interpolated
from gateway.config.keys import CLIENT_IP, MAX_KEY_PARTS
from gateway.config.schema.table import Table, one_or_list
from gateway.config.units import Rate
from gateway.model import Unreachable

# Of a route and its service: the engine charges them all for every request, from a fixed array.
MAX_LIMITS = 8
MAX_CONCURRENCY_LIMITS = 4  # of a route and its service: a connection remembers where each counts it
MAX_AT_ONCE = 65_535  # what a word of the shared memory can count
_KeyParts = Annotated[tuple[KeyPart, ...], Counted("part", MAX_KEY_PARTS)]


def _default_burst(data: dict[str, Any]) -> int:
    """An omitted burst is one second of rate."""
    rate: Rate = data["rate"]
    return rate.per_second


class Limit(Table):
    """A token bucket per key; a request that finds it empty is answered with 429."""

    name: Name = "default"
    """Unique within the route or service; a bucket's level survives a reload as long as both keep their names."""
    rate: LimitRate
    """Requests per second, minute or hour."""
    burst: Annotated[int, whole(1, 1_000_000_000)] = Field(default_factory=_default_burst)
    """Requests that may come at once after a pause. Without it, one second of rate (at least 1)."""
    key: Annotated[_KeyParts, BeforeValidator(one_or_list, json_schema_input_type=KeyPart | _KeyParts)] = (
        CLIENT_IP,
    )
    """What has a bucket of its own: one part of requests, or a list of parts that all count."""
    missing: Annotated[Literal["own", "skip", "refuse"], choice("own", "skip", "refuse")] = "own"
    """Requests without a part of the key: "own", they share a bucket; "skip", they are not limited; "refuse", 400."""
    cost: RequestCost = 1
    """Tokens that a request takes, at most the burst; or the header field by which its answer says how many it took."""
    overflow: Annotated[Literal["allow", "refuse"], choice("allow", "refuse")] = "allow"
    """Requests whose key has no place in the shared memory: "allow", they pass; "refuse", 503."""
    mode: Annotated[Literal["enforce", "shadow"], choice("enforce", "shadow")] = "enforce"
    """"enforce": what is beyond the limit is refused; "shadow": it is counted only."""
    fields: Annotated[Literal["refused", "all", "none"], choice("refused", "all", "none")] = "refused"
    """Answers with RateLimit fields: those of the limit's refusals, all, or none."""
    scope: Annotated[Literal["gateway", "cluster"], choice("gateway", "cluster")] = "gateway"
    """Who shares the buckets: "gateway", the workers of this gateway; "cluster", all gateways with the same Redis."""
    strict: bool = False
    """Of a limit that gateways share: a request waits for its token where none is in stock, so that nothing passes beyond it."""
    unreachable: Annotated[Unreachable, choice(*Unreachable)] = Unreachable.LOCAL
    """While Redis cannot be reached: "local", this gateway's share of the limit holds; "open", all pass; "closed", none does."""

    @property
    def tokens_each(self) -> int:
        """What a request takes before its answer is known; 1 where only that tells."""
        return self.cost if isinstance(self.cost, int) else 1


Limits = Annotated[tuple[Limit, ...], Counted("limit", MAX_LIMITS)]


class Concurrency(Table):
    """How many requests of a key may be under way at the same time; one more is answered with 429 or 503."""

    name: Name = "concurrency"
    """Unique within the route or service, among its limits of all kinds."""
    max: Annotated[int, whole(1, MAX_AT_ONCE)]
    """Requests under way at the same time, at all workers together."""
    key: Annotated[_KeyParts, BeforeValidator(one_or_list, json_schema_input_type=KeyPart | _KeyParts)] = ()
    """What is counted apart. Without it nothing: all requests of the route or service count together."""
    missing: Annotated[Literal["own", "skip", "refuse"], choice("own", "skip", "refuse")] = "own"
    """Requests without a part of the key: "own", they count together; "skip", they are not limited; "refuse", 400."""
    overflow: Annotated[Literal["allow", "refuse"], choice("allow", "refuse")] = "allow"
    """Requests whose key has no place in the shared memory: "allow", they pass; "refuse", 503."""
    mode: Annotated[Literal["enforce", "shadow"], choice("enforce", "shadow")] = "enforce"
    """"enforce": what is beyond the limit is refused; "shadow": it is counted only."""


def concurrency_table(value: object) -> object:
    """A number alone is a limit for everything together."""
    return {"max": value} if isinstance(value, int | Interpolated) else value


ConcurrencyLimits = Annotated[
    tuple[
        Annotated[Concurrency, BeforeValidator(concurrency_table, json_schema_input_type=int | Concurrency)],
        ...,
    ],
    Counted("concurrency limit", MAX_CONCURRENCY_LIMITS),
]
