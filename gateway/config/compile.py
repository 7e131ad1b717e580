"""Compiles a configuration into the snapshot that every worker gets: what Python needs, and a blob for the engine."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import orjson

from gateway.config.keys import Cost, ResponseCost
from gateway.config.matching import Pattern, Test, Tests
from gateway.config.naming import host_pattern, names_service, path_pattern
from gateway.config.schema import (
    Cluster,
    Compress,
    Concurrency,
    Config,
    Cors,
    ErrorPage,
    Fault,
    HeaderRules,
    Limit,
    Listen,
    Maintenance,
    Queue,
    Redirect,
    RetryBudget,
    Rewrite,
    Route,
    Service,
    Sticky,
)
from gateway.config.units import Duration
from gateway.model import ACCESS_LOG_OFF, CHOICES_ALL, Balance, Labels, ListenMode, labels_of
from gateway.tcp import user_timeout_ms

LOW_NS = 5_000_000
"""The stock of a shared limit that is used up in so long at its full rate is low: the supervisor looks as often."""
ALL_INSTANCES = (1 << 32) - 1  # more than there can be


class Rows(Protocol):
    """Gives out places in shared memory by identity, so that counters and levels survive a reload."""

    def service_slot(self, service: str) -> int:
        """The row of a service."""
        ...

    def subset_slot(self, service: str, labels: Labels) -> int:
        """The row of those instances of a service that have these labels."""
        ...

    def listener_number(self, listener: str) -> int:
        """The number of a listener, which its connections know it by; numbers count from 0 without gaps."""
        ...

    def request_row(self, listener: str, route: str | None, service: str) -> int:
        """The row that counts what came in at a listener for a route to a service; None is for no route."""
        ...

    def mirror_row(self, route: str, service: str) -> int:
        """The row that counts the copies of a route's requests that a service gets."""
        ...

    def limit_row(self, kind: str, owner: str, limit: str) -> int:
        """The row that counts the decisions of a limit; ``kind`` is that of its owner, ``routes`` or ``services``."""
        ...


def compile_snapshot(
    config: Config, epoch: int, rows: Rows, retired: Iterable[Listen] = ()
) -> tuple[dict[str, Any], bytes]:
    """The head of the snapshot message, and its attachment: the blob that ``Snapshot.compile`` of the engine reads.

    ``retired`` are the listeners of earlier configurations: their connections live on under the number they know. A
    listener's place in the blob is its number, so no number that was given out may be missing.
    """
    listeners = sorted((*config.listen, *retired), key=lambda listen: rows.listener_number(listen.name))
    access_log = config.log.access != ACCESS_LOG_OFF
    user_timeout = user_timeout_ms(max(config.write_timeouts_ms().values()))
    slots = {name: rows.service_slot(name) for name in config.services}
    indexes = {name: index for index, name in enumerate(config.services)}
    seed = cluster_seed(config.cluster) if config.cluster is not None else 0
    head = {
        "type": "snapshot",
        "epoch": epoch,
        "access_log": config.log.access if access_log else None,
        "log_level": config.log.level,
        "listeners": [
            {"name": listen.name, "number": rows.listener_number(listen.name)} for listen in config.listen
        ],
        "services": [
            _pool(name, slots[name], service, user_timeout) for name, service in config.services.items()
        ],
    }
    blob = {
        "epoch": epoch,
        "access_log": access_log,
        "trusted_proxies": [str(network) for network in config.gateway.trusted_proxies],
        "errors": _pages(config.errors),
        "listeners": [_listener(listen, indexes, rows) for listen in listeners],
        "services": [
            _service(name, slots[name], service, rows, seed) for name, service in config.services.items()
        ],
        "routes": [
            _route(route, config.services_of(route), indexes, listeners, rows, seed=seed)
            for route in config.routes
        ],
    }
    return head, orjson.dumps(blob)


def _pool(name: str, slot: int, service: Service, user_timeout: int) -> dict[str, Any]:
    """What a worker needs to know of a service for its connections to instances."""
    return {
        "name": name,
        "slot": slot,
        "connect_timeout_ms": service.timeouts.connect.milliseconds,
        "keepalive_timeout_ms": service.timeouts.keepalive.milliseconds,
        "max_idle": service.max_idle,
        "user_timeout_ms": user_timeout,
        "max_pending": service.max_pending,
    }


def _listener(listen: Listen, services: Mapping[str, int], rows: Rows) -> dict[str, Any]:
    """``services``: the index of each; that of a retired listener may be gone."""
    passed = listen.mode is ListenMode.TCP
    return {
        "name": listen.name,
        "scheme": listen.mode.value,
        "proxy_protocol": listen.proxy_protocol,
        "row": rows.request_row(listen.name, None, (listen.service or "") if passed else ""),
        "passage": {"service": services.get(listen.service or ""), "tries": listen.retry.attempts}
        if passed
        else None,
        "header_timeout_ms": listen.timeouts.header.milliseconds,
        "body_idle_timeout_ms": listen.timeouts.body_idle.milliseconds,
        "keepalive_timeout_ms": listen.timeouts.keepalive.milliseconds,
        "write_timeout_ms": listen.timeouts.write.milliseconds,
        "min_bytes_per_second": 0 if passed else listen.min_rate.bytes_per_second,
        "max_head_bytes": listen.max.head.bytes,
        "max_line_bytes": listen.max.line.bytes,
        "max_fields": listen.max.fields,
        "max_target_bytes": listen.max.target.bytes,
        "max_body_bytes": listen.max.body.bytes if listen.max.body is not None else None,
        "max_requests": listen.max.requests,
        "max_age_ms": listen.max.age.milliseconds if listen.max.age is not None else None,
        "keep_in_paths": [spelling.value for spelling in listen.paths.keep],
        "max_connections_per_client": listen.max.connections_per_client,
    }


def _service(name: str, slot: int, service: Service, rows: Rows, seed: int) -> dict[str, Any]:
    return {
        "name": name,
        "slot": slot,
        "balance": _balance(service),
        "key": service.hash.key if service.hash is not None else None,
        "cookie": _cookie(service.sticky) if service.sticky is not None else None,
        "slow_start_ms": service.slow_start.milliseconds,
        "connect_timeout_ms": service.timeouts.connect.milliseconds,
        "first_byte_timeout_ms": service.timeouts.first_byte.milliseconds,
        "idle_timeout_ms": service.timeouts.idle.milliseconds,
        "tunnel_timeout_ms": service.timeouts.tunnel.milliseconds,
        "proxy_protocol": service.proxy_protocol,
        "failure_statuses": service.passive.statuses if service.passive is not None else [],
        "retry_budget": _retry_budget(service.retry_budget),
        "maintenance": _maintenance(service.maintenance),
        "queue": _queue(service.queue) if service.queue is not None else None,
        "limits": [
            _limit(limit, rows.limit_row("services", name, limit.name), seed) for limit in service.limit
        ],
        "concurrency": [
            _concurrency(limit, "service", rows.limit_row("services", name, limit.name))
            for limit in service.concurrency
        ],
    }


def _balance(service: Service) -> str | dict[str, Any]:
    """The algorithm as the engine names it, with what belongs to it alone."""
    if service.balance is Balance.P2C:
        choices = ALL_INSTANCES if service.choices == CHOICES_ALL else service.choices
        return {service.balance.value: {"choices": choices}}
    if service.balance is Balance.HASH:
        bound = service.hash.bounded_load if service.hash is not None else None
        return {service.balance.value: {"bounded_load": bound.percent if bound is not None else None}}
    return service.balance.value


def _cookie(sticky: Sticky) -> dict[str, Any]:
    return {
        "name": sticky.cookie,
        "secret": str(sticky.secret),
        "path": sticky.path,
        "secure": sticky.secure,
        "same_site": sticky.same_site.value,
        "max_age_s": _whole_seconds(sticky.max_age),
    }


def _route(
    route: Route,
    led_to: Iterable[str],
    services: Mapping[str, int],
    listeners: Iterable[Listen],
    rows: Rows,
    *,
    seed: int,
) -> dict[str, Any]:
    """``led_to``: the services that get its requests; ``services``: the index of each that there is."""
    service = route.service or ""

    def request_rows(service: str) -> list[int]:
        return [rows.request_row(listen.name, route.name, service) for listen in listeners]

    return {
        "name": route.name,
        **_match(route, rows),
        "service": services.get(service),
        "split": _split(route, services, request_rows),
        "named": _named(route, {name: services[name] for name in led_to}, request_rows),
        "answer": _answer(route),
        "mirror": _mirror(route, services, rows),
        "fault": _fault(route.fault),
        "subset": rows.subset_slot(service, labels_of(route.subset)) if route.subset else None,
        "tries": route.retry.attempts,
        "timeouts": _timeouts(route),
        "terms": _terms(route, request_rows),
        "maintenance": _maintenance(route.maintenance),
        "limits": [
            _limit(limit, rows.limit_row("routes", route.name, limit.name), seed) for limit in route.limit
        ],
        "concurrency": [
            _concurrency(limit, "route", rows.limit_row("routes", route.name, limit.name))
            for limit in route.concurrency
        ],
        "rows": [] if route.split or route.selects_by_name else request_rows(service),
        "edits": _edits(route),
        "compression": _compression(route.compress) if route.compress is not None else None,
    }


def _timeouts(route: Route) -> dict[str, int]:
    """Those that the route has of its own."""
    own = dict(route.timeouts) if route.timeouts is not None else {}
    return {f"{name}_ms": timeout.milliseconds for name, timeout in own.items() if timeout is not None}


def _terms(route: Route, request_rows: Callable[[str], list[int]]) -> dict[str, Any]:
    """What the route says in place of its listener and of the whole file."""
    return {
        "max_body_bytes": route.max_body.bytes if route.max_body is not None else None,
        "errors": _pages(route.errors or {}),
        "cors": _cors(route.cors, route.methods, request_rows("")) if route.cors is not None else None,
    }


def _cors(cors: Cors, methods: tuple[str, ...], rows: list[int]) -> dict[str, Any]:
    """``methods``: those that the route takes; ``rows``: what counts preflights, which no service gets."""
    return {
        "origins": cors.origins,
        "methods": cors.methods or methods,
        "headers": cors.headers,
        "expose": cors.expose,
        "credentials": cors.credentials,
        "max_age_s": _whole_seconds(cors.max_age),
        "rows": rows,
    }


def _whole_seconds(duration: Duration | None) -> int | None:
    """Rounded up."""
    return -(-duration.milliseconds // 1000) if duration is not None else None


def _maintenance(maintenance: Maintenance | None) -> dict[str, Any] | None:
    if maintenance is None or not maintenance.on:
        return None
    page = maintenance.page
    return {
        "admitted": [str(network) for network in maintenance.allow],
        "retry_after_s": _whole_seconds(maintenance.retry_after),
        "page": {"content_type": page.type, "body": page.body} if page is not None else None,
    }


def _pages(errors: Mapping[str, ErrorPage]) -> list[dict[str, Any]]:
    return [
        {"status": int(status), "content_type": page.type, "body": page.body}
        for status, page in errors.items()
    ]


def _match(route: Route, rows: Rows) -> dict[str, Any]:
    """What a route asks of requests."""
    conditions = {
        "headers": _tests(route.headers),
        "cookies": _tests(route.cookies),
        "query": _tests(route.query),
        "clients": list(map(str, route.clients)) or None,
        "listeners": [rows.listener_number(str(address)) for address in route.listeners],
    }
    return {
        "host": host_pattern(route.host) if route.host is not None else None,
        "path": path_pattern(route.path) if isinstance(route.path, str) else None,
        "pattern": route.path.regex if isinstance(route.path, Pattern) else None,
        "methods": route.methods,
        "conditions": {kind: asked for kind, asked in conditions.items() if asked},
    }


def _tests(tests: Tests) -> list[dict[str, Any]]:
    return [{"name": name, "test": _test(test)} for name, test in (tests or {}).items()]


def _test(test: Test) -> str | dict[str, str]:
    match test:
        case bool():
            return "present" if test else "absent"
        case Pattern():
            return {"pattern": test.regex}
        case _:
            return {"exact": test}


def _split(
    route: Route, services: Mapping[str, int], request_rows: Callable[[str], list[int]]
) -> dict[str, Any] | None:
    """The services among which requests are split, each with rows of its own."""
    if not route.split:
        return None
    return {
        "sides": [
            {
                "service": services[side.service],
                "share": side.weight,
                "rows": request_rows(side.service),
            }
            for side in route.split
        ],
        "named_by": route.split_by,
        "sticky": route.split_sticky,
    }


def _named(
    route: Route, services: Mapping[str, int], request_rows: Callable[[str], list[int]]
) -> dict[str, Any] | None:
    """The services that requests name, each with rows of its own, and where they do."""
    if not route.selects_by_name:
        return None
    place = "segment" if names_service(route.path) else "host"
    return {
        "place": {"part": route.service_by} if route.service_by is not None else place,
        "services": [
            {"service": index, "rows": request_rows(service)} for service, index in services.items()
        ],
    }


def _mirror(route: Route, services: Mapping[str, int], rows: Rows) -> dict[str, Any] | None:
    """The service that gets copies, how many of a hundred, and what counts them."""
    mirror = route.mirror
    if mirror is None:
        return None
    row = rows.mirror_row(route.name, mirror.service)
    return {"service": services[mirror.service], "share": mirror.percent, "row": row}


def _fault(fault: Fault | None) -> dict[str, Any] | None:
    """What the route injects; what hits nobody is nothing."""
    if fault is None or not fault.hits:
        return None
    abort, delay = fault.abort, fault.delay
    abort_share, delay_share = fault.abort_percent, fault.delay_percent
    return {
        "abort": {"status": abort, "share": abort_share} if abort and abort_share else None,
        "delay": {"delay_ms": delay.milliseconds, "share": delay_share} if delay and delay_share else None,
    }


def _answer(route: Route) -> dict[str, Any] | None:
    """What the route answers itself."""
    if route.redirect is not None:
        redirect = route.redirect
        return {
            "redirect": {
                "status": redirect.status,
                "scheme": redirect.scheme,
                "host": redirect.host,
                "port": redirect.port,
                "path": _path(redirect),
            }
        }
    if route.respond is not None:
        respond = route.respond
        return {"fixed": {"status": respond.status, "content_type": respond.type, "body": respond.body}}
    return None


def _edits(route: Route) -> dict[str, Any]:
    """What the route changes in messages, without what it leaves alone: few routes change anything."""
    edits = {
        "request": _fields(route.request_headers),
        "response": _fields(route.response_headers),
        "rewrite": _rewrite(route),
    }
    return {key: changes for key, changes in edits.items() if changes}


def _compression(compress: Compress) -> dict[str, Any]:
    return {
        "codings": [{"coding": coding, "level": compress.level_of(coding)} for coding in compress.codings],
        "types": compress.types,
        "min_length": compress.min_length.bytes,
        "with_credentials": compress.with_credentials,
    }


def _fields(rules: HeaderRules | None) -> dict[str, Any]:
    """Names with values as pairs: the engine writes them in the order of the file."""
    if rules is None:
        return {}
    return {
        "set": list((rules.set or {}).items()),
        "add": list((rules.add or {}).items()),
        "remove": rules.remove,
    }


def _rewrite(route: Route) -> dict[str, Any]:
    rewrite = route.rewrite or Rewrite()
    # Where the path names the service, the name is no part of what is asked of it.
    path = _path(rewrite) or ({"prefix": "/"} if names_service(route.path) else None)
    return {"host": rewrite.host, "path": path} if rewrite.host or path else {}


def _path(rewrite: Rewrite | Redirect) -> dict[str, str] | None:
    if rewrite.path is not None:
        return {"whole": rewrite.path}
    return {"prefix": rewrite.prefix} if rewrite.prefix is not None else None


def cluster_seed(cluster: Cluster) -> int:
    """What all gateways that share limits hash clients' keys with. Without a secret anybody can tell it from the prefix."""
    secret = str(cluster.secret).encode() if cluster.secret is not None else b""
    digest = hashlib.blake2b(cluster.prefix.encode(), digest_size=8, key=hashlib.sha256(secret).digest())
    return int.from_bytes(digest.digest(), "big")


def _limit(limit: Limit, row: int, seed: int) -> dict[str, Any]:
    return {
        "name": limit.name,
        "row": row,
        "tokens": limit.rate.tokens,
        "period_ns": limit.rate.period.nanoseconds,
        "burst": limit.burst,
        "key": limit.key,
        "missing": limit.missing,
        "cost": _cost(limit.cost),
        "overflow": limit.overflow,
        "mode": limit.mode,
        "fields": limit.fields,
        "shared": {"seed": seed, "low": _low(limit)} if limit.scope == "cluster" else None,
    }


def _low(limit: Limit) -> int:
    """The stock at which workers say that they want more, in what one request takes."""
    return limit.rate.tokens * LOW_NS // (limit.rate.period.nanoseconds * limit.tokens_each)


def _concurrency(limit: Concurrency, everything: str, row: int) -> dict[str, Any]:
    """``everything``: the part of a key that all requests of its owner have in common."""
    return {
        "name": limit.name,
        "row": row,
        "most": limit.max,
        "key": limit.key or (everything,),
        "missing": limit.missing,
        "overflow": limit.overflow,
        "mode": limit.mode,
    }


def _retry_budget(budget: RetryBudget | None) -> dict[str, int] | None:
    if budget is None:
        return None
    floor = budget.floor
    return {"percent": budget.share.percent, "tokens": floor.tokens, "period_ms": floor.period.milliseconds}


def _queue(queue: Queue) -> dict[str, int]:
    return {"size": queue.size, "timeout_ms": queue.timeout.milliseconds}


def _cost(cost: Cost) -> dict[str, Any]:
    return {"response_header": cost.header} if isinstance(cost, ResponseCost) else {"constant": cost}
