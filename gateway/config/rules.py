"""The rules between the parts of a configuration: what contradicts another part, or could have no effect."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from gateway.config.draft import Part
from gateway.config.findings import Draft, Finding
from gateway.config.keys import WHOLE, may_be_missing
from gateway.config.matching import MATCH_KEYS, ambiguous_spellings
from gateway.config.networks import contained
from gateway.config.paths import KeyPath, dotted
from gateway.config.route_rules import DESTINATIONS, ROUTE_RULES, services_of
from gateway.config.schema import (
    MAX_CONCURRENCY_LIMITS,
    MAX_LIMITS,
    MAX_SERVICES,
    ClusterTls,
    Concurrency,
    Hash,
    HealthCheck,
    Instance,
    Limit,
    ListenMax,
    ListenPaths,
    Passive,
    Side,
    Sticky,
    concurrency_table,
    instance_table,
    match_of,
)
from gateway.config.shadowing import Shadows, is_same
from gateway.config.suggest import did_you_mean
from gateway.model import AddressKind, Balance, InstanceAddress, ListenAddress, SameSite, labels_of

MAX_ROWS = 500_000  # the shared memory has 2²⁰ of each kind, and leaves half of them for what reloads add
NOT_BY_LOAD = (Balance.ROUND_ROBIN, Balance.RANDOM)
BALANCE_OF = {"choices": Balance.P2C, "hash": Balance.HASH, "sticky": Balance.STICKY}
"""The way to choose that a key of a service belongs to."""
NEEDED = {"hash": 'hash = { key = "client_ip" }', "sticky": 'sticky = { cookie = "…", secret = "${env:…}" }'}
"""Those without which their way to choose is none."""
HOST_PREFIX, SECURE_PREFIX = "__host-", "__secure-"  # RFC 6265bis §5.4
TOPOLOGY_OF = {"master": "sentinel", "sentinel_username": "sentinel", "sentinel_password": "sentinel"}
"""The way to reach Redis that a key of the cluster belongs to."""
MAX_REFILL_SECONDS = 365 * 86_400  # the bucket's clock is in 64-bit nanoseconds, and nobody waits longer


def broken_rules(data: dict[str, object], where: Callable[[KeyPath], str] = dotted) -> Iterator[Finding]:
    """Every broken rule, whatever else is wrong with the data."""
    draft = Draft(data, where)
    for rule in (*RULES, *ROUTE_RULES):
        yield from rule(draft)


def broken_rules_of_limit(limit: Part) -> Iterator[Finding]:
    """Every broken rule between rate, burst and cost of one limit, wherever they are from."""
    yield from _burst_comes_back(limit)
    yield from _cost_fits_in_burst(limit)


def _proxies_are_trusted_once(draft: Draft) -> Iterator[Finding]:
    """A network of trusted proxies that lies within another has no effect."""
    if not draft.gateway.has("trusted_proxies"):
        return
    path = ("gateway", "trusted_proxies")
    for inner, outer in contained(draft.gateway["trusted_proxies"]):
        yield Finding((*path, inner), f"no effect: {draft.where((*path, outer))} contains it")


def _somebody_may_send_proxy_headers(draft: Draft) -> Iterator[Finding]:
    """A listener that takes connections of trusted proxies only needs some."""
    if draft.gateway.is_given("trusted_proxies"):
        return
    for listen in draft.listen:
        if listen.has("proxy_protocol") and listen["proxy_protocol"]:
            message = "nobody could connect: expected gateway.trusted_proxies to say who may"
            yield Finding((*listen.path, "proxy_protocol"), message)


def _listeners_differ(draft: Draft) -> Iterator[Finding]:
    """No two listeners have one address, and none has that of the admin API."""
    seen: dict[ListenAddress, KeyPath] = {}
    for listen in draft.listen:
        if not listen.has("address"):
            continue
        address, path = listen["address"], (*listen.path, "address")
        if address in seen:
            yield Finding(path, f"the same address as {draft.where(seen[address])}")
        elif draft.gateway.has("admin") and address == draft.gateway["admin"] and address.port:
            yield Finding(path, "the same address as gateway.admin")
        seen.setdefault(address, path)


def _parts_of_a_head_fit_in_it(draft: Draft) -> Iterator[Finding]:
    """A part of a request head that may be larger than the head has no limit of its own."""
    for listen in draft.listen:
        limits = listen.table("max", ListenMax)
        for name in ("line", "target"):
            if limits.is_given(name) and limits.has(name, "head") and limits[name] > limits["head"]:
                yield Finding((*limits.path, name), f"no effect: it is more than max.head, {limits['head']}")


def _instances_differ(draft: Draft) -> Iterator[Finding]:
    """A service has no instance twice."""
    for service in draft.services.values():
        seen: dict[InstanceAddress, KeyPath] = {}
        for instance in service.tables("instances", Instance, instance_table):
            if instance.has("address"):
                first = seen.setdefault(instance["address"], instance.path)
                if first != instance.path:
                    yield Finding((*instance.path, "address"), f"the same address as {draft.where(first)}")


def _some_instance_has_weight(draft: Draft) -> Iterator[Finding]:
    """A service whose instances all have weight 0 could answer nothing."""
    for service in draft.services.values():
        instances = service.tables("instances", Instance, instance_table)
        if instances and all(instance.has("weight") and instance["weight"] == 0 for instance in instances):
            yield Finding(
                (*service.path, "instances"), "every instance has weight 0: none would get a request"
            )


def _some_instance_is_primary(draft: Draft) -> Iterator[Finding]:
    """Where every instance is a backup, none stands back for another."""
    for service in draft.services.values():
        instances = service.tables("instances", Instance, instance_table)
        if instances and all(instance.has("backup") and instance["backup"] for instance in instances):
            yield Finding((*service.path, "instances"), "no effect: every instance is a backup")


def _zones_meet(draft: Draft) -> Iterator[Finding]:
    """Zones have an effect where the gateway has one, and instances have."""
    instances = [
        instance
        for service in draft.services.values()
        for instance in service.tables("instances", Instance, instance_table)
        if instance.is_given("zone")
    ]
    if not draft.gateway.is_given("zone"):
        for instance in instances:
            yield Finding(
                (*instance.path, "zone"), "no effect: expected gateway.zone to say where this gateway runs"
            )
    elif not instances and draft.services:
        yield Finding(("gateway", "zone"), "no effect: no instance has a zone")


def _queues_have_an_effect(draft: Draft) -> Iterator[Finding]:
    """Requests wait for an instance that holds as many as it may, or a service that does, so one must have a bound."""
    for service in draft.services.values():
        instances = service.tables("instances", Instance, instance_table)
        gates = (
            not limit.is_given("key") and (not limit.has("mode") or limit["mode"] == "enforce")
            for limit in service.tables("concurrency", Concurrency, concurrency_table)
        )
        bounded = any(one.is_given("max_in_flight") for one in instances) or any(gates)
        if service.is_given("queue") and not bounded:
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


def _subsets_have_instances(draft: Draft) -> Iterator[Finding]:
    """Somebody has all the labels of a subset, and could get its requests."""
    for route in draft.routes:
        service = draft.services.get(route["service"]) if route.has("service") else None
        if service is None or not route.has("subset") or not route["subset"]:
            continue
        instances = service.tables("instances", Instance, instance_table)
        if not all(instance.has("labels", "weight") for instance in instances):
            continue  # one that cannot be read may be the one
        members = [one for one in instances if route["subset"].items() <= (one["labels"] or {}).items()]
        if not members:
            yield Finding(
                (*route.path, "subset"), f"no instance of {draft.where(service.path)} has these labels"
            )
        elif all(instance["weight"] == 0 for instance in members):
            yield Finding((*route.path, "subset"), "every instance with these labels has weight 0")


def _instances_fit(draft: Draft) -> Iterator[Finding]:
    """The instances that the file names have room in the shared memory."""
    count = sum(
        len(service.tables("instances", Instance, instance_table)) for service in draft.services.values()
    )
    if draft.gateway.has("max_instances") and count > draft.gateway["max_instances"]:
        yield Finding(("gateway", "max_instances"), f"too few: the services have {count} instances")


def _rows_fit(draft: Draft) -> Iterator[Finding]:
    """The counters of routes and limits have room in the shared memory."""
    series = len(draft.listen) * (1 + sum(max(1, len(list(services_of(route)))) for route in draft.routes))
    if series > MAX_ROWS:
        message = f"too many: listeners × routes are {series}, at most {MAX_ROWS} can be counted"
        yield Finding(("routes",), message)
    subsets = {
        (route["service"], labels_of(route["subset"]))
        for route in draft.routes
        if route.has("service", "subset") and route["service"] is not None and route["subset"]
    }
    if len(draft.services) + len(subsets) > MAX_SERVICES:
        message = f"too many subsets: {len(subsets)}, at most {MAX_SERVICES} with the services"
        yield Finding(("routes",), message)
    limits = sum(1 for owner in _limited(draft) for _ in _limits_of_all_kinds(owner))
    if limits > MAX_ROWS:
        yield Finding(("routes",), f"too many limits: {limits}, at most {MAX_ROWS} can be counted")


def _probes_use_their_path(draft: Draft) -> Iterator[Finding]:
    """A TCP probe asks for nothing."""
    for service in draft.services.values():
        health = service.table("health", HealthCheck)
        if health.is_given("path") and health.has("type") and health["type"] == "tcp":
            yield Finding((*health.path, "path"), 'no effect: a probe of type "tcp" sends no request')


def _ejections_fit(draft: Draft) -> Iterator[Finding]:
    """The first ejection is not longer than the longest."""
    for service in draft.services.values():
        passive = service.table("passive", Passive)
        if passive.has("ejection", "max_ejection") and passive["ejection"] > passive["max_ejection"]:
            key = "ejection" if passive.is_given("ejection") else "max_ejection"
            yield Finding((*passive.path, key), "the first ejection would be longer than max_ejection")


def _statuses_differ(draft: Draft) -> Iterator[Finding]:
    """A status stands once in a list."""
    for service in draft.services.values():
        passive = service.table("passive", Passive)
        statuses = passive["statuses"] if passive.has("statuses") else ()
        for index, status in enumerate(statuses):
            if status in statuses[:index]:
                yield Finding(
                    (*passive.path, "statuses", index), "no effect: the list has this status already"
                )


def _services_exist(draft: Draft) -> Iterator[Finding]:
    """A route leads to a service of this file."""
    for service, path in (found for route in draft.routes for found in services_of(route)):
        if service not in draft.services:
            hint = did_you_mean(service, draft.services)
            yield Finding(path, "there is no service of this name", hint)


def _services_are_used(draft: Draft) -> Iterator[Finding]:
    """A service that no route leads to has no effect."""
    if not draft.routes or not all(map(_leads_somewhere, draft.routes)):
        return  # the route whose service cannot be read may be the one
    used = {service for route in draft.routes for service, _ in services_of(route)}
    if not used <= draft.services.keys():
        return  # so may be the one whose service is misspelt
    for name, service in draft.services.items():
        if name not in used:
            yield Finding(service.path, "no effect: no route leads to this service")


def _leads_somewhere(route: Part) -> bool:
    sides_are_sound = all(side.has("service") for side in route.tables("split", Side))
    return route.has("service") and sides_are_sound and any(map(route.is_given, DESTINATIONS))


def _routes_can_match(draft: Draft) -> Iterator[Finding]:
    """No route is shadowed by others of the same host and path that are asked before it."""
    shadows = Shadows()
    for route in draft.routes:
        if not route.has(*MATCH_KEYS):
            continue
        match = match_of(route)
        takers = [(index, *taker) for index, taker in enumerate(shadows.add(match, route.path)) if taker]
        if takers and len(takers) == max(1, len(match.methods)):
            _, other, path = takers[0]
            reason = "has the same match" if is_same(match, other) else "is asked first and takes all of it"
            yield Finding(route.path, f"can never match: {draft.where(path)} {reason}")
            continue
        for index, _, path in takers:
            message = f"no effect: {draft.where(path)} takes this method of the same host and path"
            yield Finding((*route.path, "methods", index), message)


def _routes_name_listeners(draft: Draft) -> Iterator[Finding]:
    """A route is for listeners that there are, each once."""
    if not all(listen.has("address") for listen in draft.listen):
        return  # the one that cannot be read may be the one
    known = [listen["address"] for listen in draft.listen]
    for route in draft.routes:
        named = route["listeners"] if route.has("listeners") else ()
        for index, address in enumerate(named):
            if address not in known:
                hint = did_you_mean(str(address), map(str, known))
                yield Finding((*route.path, "listeners", index), "there is no listener of this address", hint)
            elif address in named[:index]:
                yield Finding(
                    (*route.path, "listeners", index), "no effect: the list has this listener already"
                )


def _clients_are_named_once(draft: Draft) -> Iterator[Finding]:
    """A network of a route's clients that lies within another has no effect."""
    for route in draft.routes:
        if route.has("clients"):
            path = (*route.path, "clients")
            for inner, outer in contained(route["clients"]):
                yield Finding((*path, inner), f"no effect: {draft.where((*path, outer))} contains it")


def _listeners_take_paths_of_routes(draft: Draft) -> Iterator[Finding]:
    """Some listener keeps the spellings that a route's path has; all others answer such requests with 400."""
    listeners = [listen.table("paths", ListenPaths) for listen in draft.listen]
    if not listeners or not all(paths.has("keep") for paths in listeners):
        return
    for route in draft.routes:
        path = route["path"] if route.has("path") else None
        spellings = ambiguous_spellings(path) if isinstance(path, str) else ()
        if not any(set(paths["keep"]).issuperset(spellings) for paths in listeners):
            listed = ", ".join(f'"{spelling}"' for spelling in spellings)
            message = "can never match: no listener takes paths with this spelling"
            yield Finding((*route.path, "path"), message, f"write paths.keep = [{listed}] in one of them")


def _methods_differ(draft: Draft) -> Iterator[Finding]:
    """A method stands once in a route."""
    for route in draft.routes:
        methods = route["methods"] if route.has("methods") else ()
        for index, method in enumerate(methods):
            if method in methods[:index]:
                yield Finding((*route.path, "methods", index), "no effect: the list has this method already")


def _spellings_differ(draft: Draft) -> Iterator[Finding]:
    """A spelling stands once in a listener's list."""
    for listen in draft.listen:
        paths = listen.table("paths", ListenPaths)
        kept = paths["keep"] if paths.has("keep") else ()
        for index, spelling in enumerate(kept):
            if spelling in kept[:index]:
                yield Finding((*paths.path, "keep", index), "no effect: the list has this spelling already")


def _route_names_differ(draft: Draft) -> Iterator[Finding]:
    """A name, given or made from the match, belongs to one route."""
    seen: dict[str, Part] = {}
    for route in draft.routes:
        if not route.has("name"):
            continue
        first = seen.setdefault(route["name"], route)
        # Two made names are the same when the matches are, which is another rule, or differ in what may be secret.
        if first is not route and (route.is_given("name") or first.is_given("name") or _differ(first, route)):
            hint = "" if route.is_given("name") else 'give it a name = "…"'
            yield Finding((*route.path, "name"), f"{draft.where(first.path)} has the same name", hint)


def _differ(route: Part, other: Part) -> bool:
    return not is_same(match_of(route), match_of(other))


def _limited(draft: Draft) -> Iterator[Part]:
    """Everything that has limits."""
    yield from draft.routes
    yield from draft.services.values()


def _limits(draft: Draft) -> Iterator[Part]:
    """Every limit on a rate."""
    for owner in _limited(draft):
        yield from owner.tables("limit", Limit)


def _limits_of_all_kinds(owner: Part) -> Iterator[Part]:
    """Limits on rates, and then on concurrency."""
    yield from owner.tables("limit", Limit)
    yield from owner.tables("concurrency", Concurrency, concurrency_table)


def _limit_names_differ(draft: Draft) -> Iterator[Finding]:
    """A name belongs to one limit of a route or service."""
    for owner in _limited(draft):
        seen: dict[str, KeyPath] = {}
        for limit in _limits_of_all_kinds(owner):
            if not limit.has("name"):
                continue
            first = seen.setdefault(limit["name"], limit.path)
            if first != limit.path:
                hint = "" if limit.is_given("name") else f'give each limit of the {_kind(owner)} a name = "…"'
                yield Finding((*limit.path, "name"), f"{draft.where(first)} has the same name", hint)


def _limits_fit(draft: Draft) -> Iterator[Finding]:
    """A request passes at most so many limits, those of its route and those of the route's service."""
    pairs = ((route, name) for route in draft.routes for name, _ in services_of(route))
    for owner, service in ((route, draft.services[name]) for route, name in pairs if name in draft.services):
        for key, of_service, of_route, most in (
            ("limit", service.tables("limit", Limit), owner.tables("limit", Limit), MAX_LIMITS),
            (
                "concurrency",
                service.tables("concurrency", Concurrency, concurrency_table),
                owner.tables("concurrency", Concurrency, concurrency_table),
                MAX_CONCURRENCY_LIMITS,
            ),
        ):
            total = len(of_service) + len(of_route)
            if of_service and of_route and total > most:
                message = (
                    f"too many: with the {len(of_service)} of its service there are {total}, at most {most}"
                )
                yield Finding((*owner.path, key), message)


def _bursts_come_back(draft: Draft) -> Iterator[Finding]:
    for limit in _limits(draft):
        yield from _burst_comes_back(limit)


def _burst_comes_back(limit: Part) -> Iterator[Finding]:
    """A spent burst is back within a year."""
    if not limit.has("burst", "rate"):
        return
    rate = limit["rate"]
    if limit["burst"] * rate.period.seconds > MAX_REFILL_SECONDS * rate.tokens:
        yield Finding((*limit.path, "burst"), "expected a burst that comes back within a year at this rate")


def _costs_fit_in_bursts(draft: Draft) -> Iterator[Finding]:
    for limit in _limits(draft):
        yield from _cost_fits_in_burst(limit)


def _cost_fits_in_burst(limit: Part) -> Iterator[Finding]:
    """A full bucket has what one request takes."""
    if limit.has("burst", "cost") and isinstance(limit["cost"], int) and limit["cost"] > limit["burst"]:
        yield Finding((*limit.path, "cost"), "more than the burst: no request could ever pass")


def _same_for_all(owner: Part) -> tuple[str, ...]:
    """The parts that all requests of a route or a service have in common; the sides of a split are several services."""
    route, service = WHOLE
    if owner.path[0] == "services":
        return (service,)
    return (route,) if owner.is_given("split") else (route, service)


def _parts_of_keys_count(draft: Draft) -> Iterator[Finding]:
    """Every part of a key tells some requests apart."""
    for owner in _limited(draft):
        same = _same_for_all(owner)
        for limit in _limits_of_all_kinds(owner):
            key = limit["key"] if limit.has("key") else ()
            for index, part in enumerate(key):
                path = (*limit.path, "key", index) if len(key) > 1 else (*limit.path, "key")
                if part in key[:index]:
                    yield Finding(path, "no effect: the key has this part already")
                elif part in same and len(key) > 1:
                    yield Finding(path, f"no effect: it is the same for all requests of the {_kind(owner)}")


def _rules_of_limits_have_effect(draft: Draft) -> Iterator[Finding]:
    """What a limit says about a case can happen."""
    for limit in (limit for owner in _limited(draft) for limit in _limits_of_all_kinds(owner)):
        if limit.is_given("missing") and limit.has("key") and not any(map(may_be_missing, limit["key"])):
            yield Finding((*limit.path, "missing"), "no effect: every request has all parts of the key")
        if limit.has("mode") and limit["mode"] == "shadow":
            for key in ("overflow", "fields"):
                if limit.is_given(key):
                    yield Finding((*limit.path, key), 'no effect with mode = "shadow"')


def _shared_limits_have_a_redis(draft: Draft) -> Iterator[Finding]:
    """Gateways share limits through something, and what they share them through has a purpose."""
    shared = [limit for limit in _limits(draft) if limit.has("scope") and limit["scope"] == "cluster"]
    for limit in shared:
        if not draft.has_cluster:
            message = 'expected a table [cluster] with redis = "HOST:PORT", through which gateways share it'
            yield Finding((*limit.path, "scope"), message)
        if limit.has("fields") and limit["fields"] == "all":
            message = 'no gateway knows the level of a shared bucket: expected "refused" or "none"'
            yield Finding((*limit.path, "fields"), message)
    for limit in _limits(draft):
        if limit.is_given("unreachable") and limit.has("scope") and limit["scope"] != "cluster":
            yield Finding((*limit.path, "unreachable"), 'no effect without scope = "cluster"')
    if draft.has_cluster and not shared and all(limit.has("scope") for limit in _limits(draft)):
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


def _kind(owner: Part) -> str:
    return str(owner.path[0]).removesuffix("s")


RULES: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _proxies_are_trusted_once,
    _somebody_may_send_proxy_headers,
    _listeners_differ,
    _parts_of_a_head_fit_in_it,
    _instances_differ,
    _some_instance_has_weight,
    _some_instance_is_primary,
    _zones_meet,
    _queues_have_an_effect,
    _queues_are_for_all_instances,
    _balances_use_their_keys,
    _keys_leave_something_to_load,
    _balances_have_what_they_go_by,
    _cookies_can_be_set,
    _subsets_have_instances,
    _instances_fit,
    _rows_fit,
    _probes_use_their_path,
    _ejections_fit,
    _statuses_differ,
    _services_exist,
    _services_are_used,
    _routes_can_match,
    _routes_name_listeners,
    _clients_are_named_once,
    _listeners_take_paths_of_routes,
    _methods_differ,
    _spellings_differ,
    _route_names_differ,
    _limit_names_differ,
    _limits_fit,
    _bursts_come_back,
    _costs_fit_in_bursts,
    _parts_of_keys_count,
    _rules_of_limits_have_effect,
    _shared_limits_have_a_redis,
    _redis_can_be_asked,
)
