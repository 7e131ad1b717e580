"""The Redis through which gateways share limits."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from gateway.config.findings import Draft, Finding
from gateway.config.rules.destinations import ANSWERS
from gateway.config.rules.limits import rate_limits
from gateway.config.schema import ClusterTls, Limit
from gateway.model import AddressKind

TOPOLOGY_OF = {"master": "sentinel", "sentinel_username": "sentinel", "sentinel_password": "sentinel"}
"""The way to reach Redis that a key of the cluster belongs to."""


def _shared_limits_have_a_redis(draft: Draft) -> Iterator[Finding]:
    """Gateways share limits through something, and what they share them through has a purpose."""
    shared = [limit for limit in rate_limits(draft) if limit.has("scope") and limit["scope"] == "cluster"]
    for limit in shared:
        if not draft.has_cluster:
            message = 'expected a table [cluster] with redis = "HOST:PORT", through which gateways share it'
            yield Finding((*limit.path, "scope"), message)
        if limit.has("fields") and limit["fields"] == "all":
            message = 'no gateway knows the level of a shared bucket: expected "refused" or "none"'
            yield Finding((*limit.path, "fields"), message)
    for limit in rate_limits(draft):
        for key in ("unreachable", "strict"):
            if limit.is_given(key) and limit.has("scope") and limit["scope"] != "cluster":
                yield Finding((*limit.path, key), 'no effect without scope = "cluster"')
    if draft.has_cluster and not shared and all(limit.has("scope") for limit in rate_limits(draft)):
        yield Finding(("cluster",), 'no effect: no limit has scope = "cluster"')


def _strict_limits_can_be_waited_for(draft: Draft) -> Iterator[Finding]:
    """A strict limit refuses, knows before what a request costs, and has its requests wait on their way to a service."""
    for limit in rate_limits(draft):
        if not (limit.has("strict", "scope") and limit["strict"] and limit["scope"] == "cluster"):
            continue
        path = (*limit.path, "strict")
        if limit.has("mode") and limit["mode"] == "shadow":
            yield Finding(path, 'no effect with mode = "shadow"')
        if limit.has("cost") and not isinstance(limit["cost"], int):
            yield Finding(path, "expected a cost that is known before the answer: a number of tokens")
    for route in draft.routes:
        for limit in route.tables("limit", Limit) if any(map(route.is_given, ANSWERS)) else ():
            if limit.has("strict") and limit["strict"]:
                message = "expected a route to a service: what the route answers itself waits for nobody"
                yield Finding((*limit.path, "strict"), message)


def _redis_can_be_asked(draft: Draft) -> Iterator[Finding]:
    """The client is installed, and what is said of Redis fits together."""
    cluster = draft.cluster
    if not draft.has_cluster:
        return
    if find_spec("redis") is None:
        yield Finding(("cluster",), "the Redis client is not installed", "pip install 'headgate[redis]'")
    if not cluster.has("topology"):
        return
    topology = cluster["topology"]
    for key, user in TOPOLOGY_OF.items():
        if cluster.is_given(key) and topology != user:
            yield Finding((*cluster.path, key), f'no effect: topology = "{topology}" does not use it')
    if topology == "sentinel" and not cluster.is_given("master"):
        yield Finding(
            (*cluster.path, "topology"), 'expected master = "…" beside it, as the sentinels call it'
        )
    if topology == "cluster" and cluster.is_given("database"):
        yield Finding((*cluster.path, "database"), "no effect: Redis Cluster has one database")
    servers = cluster["redis"] if cluster.has("redis") else ()
    if topology == "single" and len(servers) > 1:
        yield Finding((*cluster.path, "redis"), 'expected one server, or topology = "sentinel" or "cluster"')
    if topology != "single" and any(server.kind is AddressKind.UNIX for server in servers):
        yield Finding((*cluster.path, "redis"), f'expected "HOST:PORT" for topology = "{topology}"')
    for name, password in (("username", "password"), ("sentinel_username", "sentinel_password")):
        if cluster.is_given(name) and not cluster.is_given(password):
            yield Finding((*cluster.path, name), f"no effect without {password}")
    tls = cluster.table("tls", ClusterTls)
    if tls.is_given("key") and not tls.is_given("cert"):
        yield Finding((*tls.path, "key"), "no effect without cert")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _shared_limits_have_a_redis,
    _strict_limits_can_be_waited_for,
    _redis_can_be_asked,
)
