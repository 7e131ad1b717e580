"""The Redis through which gateways share limits."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from gateway.config.findings import Draft, Finding
from gateway.config.rules.limits import rate_limits
from gateway.config.schema import ClusterTls
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
        if limit.is_given("unreachable") and limit.has("scope") and limit["scope"] != "cluster":
            yield Finding((*limit.path, "unreachable"), 'no effect without scope = "cluster"')
    if draft.has_cluster and not shared and all(limit.has("scope") for limit in rate_limits(draft)):
        yield Finding(("cluster",), 'no effect: no limit has scope = "cluster"')


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
    _redis_can_be_asked,
)
