"""Manifests of the Gateway API as our configuration: what a controller would do, for the part of it that requests show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]
GROUP = "gateway-conformance-infra"
"""The namespace of what names none."""
IMPLIED = "same-namespace"
"""The gateway that the suite has besides those of its manifests: one listener at port 80."""


class UnsupportedError(Exception):
    """A manifest asks for what we do not have; the message says what."""


@dataclass(frozen=True)
class Listener:
    """A listener of a gateway, its own or one of a ListenerSet."""

    owner: tuple[str, str, str]
    """Kind, namespace and name of what it belongs to."""
    gateway: str
    name: str
    port: int
    hostname: str | None
    namespaces: Manifest
    """Where routes may come from."""

    @property
    def address(self) -> str:
        """As our configuration has it. Listeners of one port are one: their hosts tell them apart."""
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Gateway:
    """One gateway as tables of our configuration."""

    name: str
    ports: tuple[int, ...]
    """None for a gateway that the manifests do not have: the suite has it elsewhere."""
    tables: dict[str, Any]


def translate(manifests: Iterable[Manifest]) -> list[Gateway]:
    """Every gateway that routes attach to, the implied one first, those that are not here last. Raises UnsupportedError."""
    listed = list(manifests)
    listeners = list(_listeners(listed))
    labels = {
        _name(namespace): dict(namespace["metadata"].get("labels", {}))
        for namespace in listed
        if namespace["kind"] == "Namespace"
    }
    routes: dict[str, list[dict[str, Any]]] = {}
    for route in listed:
        if route["kind"] == "HTTPRoute":
            for gateway, table in _routes(route, listeners, labels):
                routes.setdefault(gateway, []).append(table)
    names = dict.fromkeys(listener.gateway for listener in listeners)
    here = [_gateway(name, listeners, routes[name]) for name in names if name in routes]
    parents = dict.fromkeys(
        parent["name"]
        for route in listed
        if route["kind"] == "HTTPRoute"
        for parent in route["spec"].get("parentRefs", [])
        if parent.get("kind", "Gateway") == "Gateway"
    )
    return [*here, *(Gateway(name, (), {}) for name in parents if name not in names)]


def _gateway(name: str, listeners: list[Listener], routes: list[dict[str, Any]]) -> Gateway:
    own = [listener for listener in listeners if listener.gateway == name]
    ports = tuple(dict.fromkeys(listener.port for listener in own))
    served = [
        one["service"] for route in routes for one in (route, route.get("mirror", {})) if "service" in one
    ]
    services = dict.fromkeys(served)
    tables = {
        "listen": [{"address": address} for address in dict.fromkeys(listener.address for listener in own)],
        "services": {
            service: {"instances": [f"127.0.0.1:{9000 + number}"]} for number, service in enumerate(services)
        }
        or {"none": {"instances": ["127.0.0.1:9000"]}},
        "routes": routes if services else [*routes, {"host": "none.invalid", "service": "none"}],
    }
    return Gateway(name, ports, tables)


def _listeners(manifests: list[Manifest]) -> Iterator[Listener]:
    anywhere: Manifest = {"from": "Same"}
    yield Listener(("Gateway", GROUP, IMPLIED), IMPLIED, "http", 80, None, anywhere)
    allowed = {
        _name(it): it["spec"].get("allowedListeners", {}).get("namespaces", {}).get("from", "None")
        for it in manifests
        if it["kind"] == "Gateway"
    }
    for owner in manifests:
        if owner["kind"] not in {"Gateway", "ListenerSet"}:
            continue
        gateway = owner["spec"].get("parentRef", {}).get("name", _name(owner))
        same = owner["spec"].get("parentRef", {}).get("namespace", GROUP) == _namespace(owner)
        if owner["kind"] == "ListenerSet" and not (
            allowed[gateway] == "All" or (allowed[gateway] == "Same" and same)
        ):
            continue
        for listener in owner["spec"]["listeners"]:
            if listener["protocol"] != "HTTP":
                raise UnsupportedError(f"a listener for {listener['protocol']}")
            yield Listener(
                (owner["kind"], _namespace(owner), _name(owner)),
                gateway,
                listener["name"],
                listener["port"],
                listener.get("hostname"),
                listener.get("allowedRoutes", {}).get("namespaces", {"from": "Same"}),
            )


def _routes(
    route: Manifest, listeners: list[Listener], labels: Mapping[str, dict[str, str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The gateways that a route attaches to, each with one of its tables."""
    attached: dict[tuple[str, str | None], list[str]] = {}
    for listener in listeners:
        if not any(
            _refers(parent, listener, _namespace(route)) for parent in route["spec"].get("parentRefs", [])
        ):
            continue
        if not _is_let_in(_namespace(route), listener, labels):
            continue
        for host in route["spec"].get("hostnames") or [None]:
            meets, both = _intersection(listener.hostname, host)
            if meets:
                attached.setdefault((listener.gateway, both), []).append(listener.address)
    for (gateway, host), addresses in attached.items():
        for number, rule in enumerate(route["spec"]["rules"]):
            for place, match in enumerate(rule.get("matches") or [{}]):
                name = f"{_name(route)}.{number}.{place} {host or '*'}"
                yield (
                    gateway,
                    {
                        "name": name,
                        **({"host": host} if host else {}),
                        **_match(match),
                        "listeners": list(dict.fromkeys(addresses)),
                        **_action(rule),
                    },
                )


def _refers(parent: Manifest, listener: Listener, namespace: str) -> bool:
    owner = (parent.get("kind", "Gateway"), parent.get("namespace", namespace), parent["name"])
    return (
        owner == listener.owner
        and parent.get("sectionName", listener.name) == listener.name
        and parent.get("port", listener.port) == listener.port
    )


def _is_let_in(namespace: str, listener: Listener, labels: Mapping[str, dict[str, str]]) -> bool:
    match listener.namespaces.get("from", "Same"):
        case "All":
            return True
        case "Selector":
            wanted = listener.namespaces["selector"]["matchLabels"]
            return bool(wanted.items() <= labels.get(namespace, {}).items())
        case _:
            return namespace == listener.owner[1]


def _intersection(listener: str | None, route: str | None) -> tuple[bool, str | None]:
    """Do the two have hosts in common, and which?"""
    for one, other in ((listener, route), (route, listener)):
        if one is None or one == other:
            return True, other
        if one.startswith("*.") and other is not None and other.endswith(one[1:]):
            return True, other
    return False, None


def _match(match: Manifest) -> dict[str, Any]:
    path = match.get("path", {})
    table: dict[str, Any] = {"path": _path(path.get("type", "PathPrefix"), path.get("value", "/"))}
    if "method" in match:
        table["methods"] = [match["method"]]
    for key, ours in (("headers", "headers"), ("queryParams", "query")):
        if key in match:
            table[ours] = {one["name"]: _test(one) for one in match[key]}
    return table


def _path(kind: str, value: str) -> Any:
    match kind:
        case "Exact":
            return value
        case "PathPrefix":
            return f"{value.rstrip('/')}/*"
        case _:
            return {"regex": value}


def _test(test: Manifest) -> Any:
    return test["value"] if test.get("type", "Exact") == "Exact" else {"regex": test["value"]}


def _action(rule: Manifest) -> dict[str, Any]:
    """What becomes of the requests of a rule. Raises UnsupportedError."""
    backends = rule.get("backendRefs", [])
    filters = [one for part in (rule, *backends) for one in part.get("filters", [])]
    if sum(one["type"] == "RequestMirror" for one in filters) > 1:
        raise UnsupportedError("more than one mirror of a rule")
    table = _timeouts(rule.get("timeouts", {}))
    for one in filters:
        table |= _filter(one)
    if "redirect" in table:
        return table
    if len(backends) != 1:
        raise UnsupportedError(f"{len(backends)} backends of a rule")
    return {**table, "service": backends[0]["name"]}


def _timeouts(timeouts: Manifest) -> dict[str, Any]:
    """Of one try, as nobody asks for more: until its answer begins the request and the backend's part of it take equally long, and
    beyond that we have no bound for either. None at all (``0s``) is the default, which is longer than any case waits.
    """
    given = [timeouts[key] for key in ("request", "backendRequest") if timeouts.get(key, "0s") != "0s"]
    if len(given) > 1:
        raise UnsupportedError("two time-outs of a rule")
    return {"timeouts": {"first_byte": given[0]}, "retry": {"attempts": 0}} if given else {}


def _filter(one: Manifest) -> dict[str, Any]:
    match one["type"]:
        case "RequestRedirect":
            redirect = one["requestRedirect"]
            named = {"scheme": "scheme", "hostname": "host", "port": "port", "statusCode": "status"}
            given = {ours: redirect[key] for key, ours in named.items() if key in redirect}
            return {"redirect": {**given, **_replacement(redirect.get("path"))}}
        case "URLRewrite":
            rewrite = one["urlRewrite"]
            host = {"host": rewrite["hostname"]} if "hostname" in rewrite else {}
            return {"rewrite": {**host, **_replacement(rewrite.get("path"))}}
        case "RequestHeaderModifier":
            rules = one["requestHeaderModifier"]
            table = {
                key: {line["name"]: line["value"] for line in rules[key]}
                for key in ("set", "add")
                if key in rules
            }
            return {
                "request_headers": {**table, **({"remove": rules["remove"]} if "remove" in rules else {})}
            }
        case "RequestMirror":
            mirror = one["requestMirror"]
            fraction = mirror.get("fraction", {"numerator": mirror.get("percent", 100), "denominator": 100})
            percent = fraction["numerator"] * 100 // fraction.get("denominator", 100)
            return {"mirror": {"service": mirror["backendRef"]["name"], "percent": percent}}
        case kind:
            raise UnsupportedError(f"the filter {kind}")


def _replacement(path: Manifest | None) -> dict[str, str]:
    if path is None:
        return {}
    if path["type"] == "ReplaceFullPath":
        return {"path": path["replaceFullPath"]}
    return {"prefix": path["replacePrefixMatch"]}


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _namespace(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("namespace", GROUP))
