"""How a service chooses among its instances, and who waits for one."""

from collections.abc import Callable, Iterator

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.keys import may_be_missing
from gateway.config.rules.destinations import services_of
from gateway.config.schema import (
    Concurrency,
    Hash,
    Instance,
    Limit,
    Sticky,
    concurrency_table,
    instance_table,
)
from gateway.model import Balance, SameSite

NOT_BY_LOAD = (Balance.ROUND_ROBIN, Balance.RANDOM)
BALANCE_OF = {"choices": Balance.P2C, "hash": Balance.HASH, "sticky": Balance.STICKY}
"""The way to choose that a key of a service belongs to."""
NEEDED = {"hash": 'hash = { key = "client_ip" }', "sticky": 'sticky = { cookie = "…", secret = "${env:…}" }'}
"""Those without which their way to choose is none."""
HOST_PREFIX, SECURE_PREFIX = "__host-", "__secure-"  # RFC 6265bis §5.4


def _has_strict_limit(owner: Part) -> bool:
    limits = owner.tables("limit", Limit)
    return any(limit.has("strict") and limit["strict"] for limit in limits)


def _queues_have_an_effect(draft: Draft) -> Iterator[Finding]:
    """Requests wait for an instance that holds as many as it may, or a service that does, so one must have a bound; or for a
    token of a strict limit.
    """
    asking = {
        name for route in draft.routes if _has_strict_limit(route) for name, _ in services_of(draft, route)
    }
    for name, service in draft.services.items():
        instances = service.tables("instances", Instance, instance_table)
        gates = (
            not limit.is_given("key") and (not limit.has("mode") or limit["mode"] == "enforce")
            for limit in service.tables("concurrency", Concurrency, concurrency_table)
        )
        bounded = any(one.is_given("max_in_flight") for one in instances) or any(gates)
        asks = name in asking or _has_strict_limit(service)
        if service.is_given("queue") and not (bounded or asks):
            message = "no effect: expected max_in_flight of an instance, or concurrency, to say what requests wait for"
            yield Finding((*service.path, "queue"), message)


def _queues_are_for_all_instances(draft: Draft) -> Iterator[Finding]:
    """Who waits for one instance of a service would keep those waiting behind it who may have another."""
    for route in draft.routes:
        service = draft.services.get(route["service"]) if route.has("service") else None
        if service is not None and service.is_given("queue") and route.is_given("subset"):
            queue = draft.where((*service.path, "queue"))
            message = f"{queue} is for all instances: expected a service of their own for these"
            yield Finding((*route.path, "subset"), message)


def _balances_use_their_keys(draft: Draft) -> Iterator[Finding]:
    """What belongs to another way to choose has no effect."""
    for service in draft.services.values():
        if not service.has("balance"):
            continue
        balance = service["balance"]
        for key, user in BALANCE_OF.items():
            if service.is_given(key) and balance is not user:
                yield Finding((*service.path, key), f'no effect: balance = "{balance}" does not use it')
        for instance in service.tables("instances", Instance, instance_table):
            if instance.is_given("capacity") and balance in NOT_BY_LOAD:
                message = f'no effect: balance = "{balance}" does not go by load'
                yield Finding((*instance.path, "capacity"), message)


def _keys_leave_something_to_load(draft: Draft) -> Iterator[Finding]:
    """Where every request has the key that it is hashed by, only those that other zones and backups get go by load."""
    for service in draft.services.values():
        key = service.table("hash", Hash)
        is_hashed = service.has("balance") and service["balance"] is Balance.HASH
        if not is_hashed or not key.has("key") or may_be_missing(key["key"]):
            continue
        instances = service.tables("instances", Instance, instance_table)
        if any(instance.is_given("backup") or instance.is_given("zone") for instance in instances):
            continue
        message = f"no effect: every request has a value of {draft.where((*key.path, 'key'))} and goes by that alone"
        if service.is_given("slow_start"):
            yield Finding((*service.path, "slow_start"), message)
        for instance in instances:
            if instance.is_given("capacity"):
                yield Finding((*instance.path, "capacity"), message)


def _balances_have_what_they_go_by(draft: Draft) -> Iterator[Finding]:
    """A service that hashes says what, and one that is sticky has a cookie."""
    for service in draft.services.values():
        for key, example in NEEDED.items():
            asked = service.has("balance") and service["balance"] is BALANCE_OF[key]
            if asked and not service.is_given(key):
                yield Finding((*service.path, "balance"), f"expected {example} beside it")


def _cookies_can_be_set(draft: Draft) -> Iterator[Finding]:
    """Clients refuse cookies whose name or attributes ask for more."""
    for service in draft.services.values():
        if not service.is_given("sticky"):
            continue
        sticky = service.table("sticky", Sticky)
        name = sticky["cookie"].lower() if sticky.has("cookie") else ""
        if name.startswith(HOST_PREFIX) and sticky.has("path") and sticky["path"] != "/":
            yield Finding(
                (*sticky.path, "path"), 'clients refuse a cookie of this name unless its path is "/"'
            )
        if not sticky.has("secure") or sticky["secure"]:
            continue
        if sticky.has("same_site") and sticky["same_site"] is SameSite.NONE:
            yield Finding((*sticky.path, "same_site"), 'clients refuse "none" without secure = true')
        if name.startswith((HOST_PREFIX, SECURE_PREFIX)):
            yield Finding((*sticky.path, "cookie"), "clients refuse this name without secure = true")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _queues_have_an_effect,
    _queues_are_for_all_instances,
    _balances_use_their_keys,
    _keys_leave_something_to_load,
    _balances_have_what_they_go_by,
    _cookies_can_be_set,
)
