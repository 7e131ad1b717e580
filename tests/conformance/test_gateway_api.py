"""Manifests of the Gateway API in our configuration, and cases that are judged by it: rows in our own words."""

from typing import Any

import pytest

from tests.conformance.gateway_api.judge import Served
from tests.conformance.gateway_api.translate import GROUP, Manifest, UnsupportedError, translate


def manifest(kind: str, name: str, spec: dict[str, Any], namespace: str = GROUP) -> Manifest:
    """A resource."""
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def route(name: str, *rules: Any, namespace: str = GROUP, parent: Any = None, **spec: Any) -> Manifest:
    """An HTTPRoute of the implied gateway, or of another one."""
    parents = [parent or {"name": "same-namespace"}]
    return manifest("HTTPRoute", name, {"parentRefs": parents, "rules": rules, **spec}, namespace)


def rule(backend: str | None, *matches: Any, **more: Any) -> dict[str, Any]:
    """One rule."""
    backends = {"backendRefs": [{"name": f"infra-backend-{backend}"}]} if backend else {}
    return {**backends, **({"matches": list(matches)} if matches else {}), **more}


def prefix(value: str) -> dict[str, Any]:
    """A match by a prefix."""
    return {"path": {"type": "PathPrefix", "value": value}}


def copied(backend: str, **share: Any) -> dict[str, Any]:
    """A filter by which another backend gets copies."""
    return {
        "type": "RequestMirror",
        "requestMirror": {"backendRef": {"name": f"infra-backend-{backend}"}, **share},
    }


def mirrored(backend: str, **share: Any) -> dict[str, Any]:
    """What a case expects of a mirror."""
    return {"MirroredTo": [{"BackendRef": {"Name": f"ServiceName{backend.upper()}"}, **share}]}


def case(path: str, backend: str | None = None, host: str = "shop.test", **more: Any) -> dict[str, Any]:
    """A case that expects a backend, or a 404."""
    request = {"Path": path, "Host": host, **more.pop("request", {})}
    expected = {"Backend": f"ServiceName{backend.upper()}"} if backend else {"Response": {"StatusCode": 404}}
    return {"Request": request, **expected, **more}


def differences(manifests: list[Manifest], *cases: dict[str, Any]) -> list[list[str]]:
    """What each case does not get of the only gateway."""
    (gateway,) = translate(manifests)
    served = Served(gateway)
    return [served.differences(one) for one in cases]


def test_matches_and_their_precedence() -> None:
    """Exact paths, prefixes by segments, methods, fields and parameters; a match without a path is for all."""
    manifests = [
        route(
            "all",
            rule("v1", prefix("/cart")),
            rule("v2", {"path": {"type": "Exact", "value": "/cart/list"}}, {"method": "PUT"}),
            rule("v3", {**prefix("/cart/"), "headers": [{"name": "Beta", "value": "yes"}]}),
            rule(
                "v4",
                {
                    "path": {"type": "RegularExpression", "value": "/[0-9]+"},
                    "queryParams": [{"name": "q", "value": "1"}],
                },
            ),
        )
    ]
    beta = {"Headers": {"beta": "yes"}}
    assert (
        differences(
            manifests,
            case("/cart", "v1"),
            case("/cart/x", "v1"),
            case("/carts"),
            case("/cart/list", "v2"),
            case("/else", "v2", request={"Method": "PUT"}),
            case("/cart/x", "v3", request=beta),
            case("/cart/list", "v2", request=beta),
            case("/42?q=1", "v4"),
            case("/42"),
        )
        == [[]] * 9
    )


def test_hosts_of_listeners_and_routes_meet() -> None:
    """A route is for the hosts that both have, at the ports of the listeners that it attaches to."""
    listeners = [
        {"name": "wild", "protocol": "HTTP", "port": 80, "hostname": "*.test"},
        {"name": "other", "protocol": "HTTP", "port": 8080, "hostname": "other.test"},
    ]
    manifests = [
        manifest("Gateway", "own", {"listeners": listeners}),
        route(
            "wild",
            rule("v1"),
            hostnames=["shop.test", "shop.example"],
            parent={"name": "own", "sectionName": "wild"},
        ),
        route("any", rule("v2"), parent={"name": "own", "port": 8080}),
    ]
    assert (
        differences(
            manifests,
            case("/", "v1"),
            case("/", host="shop.example"),
            case("/", "v2", host="other.test:8080"),
            case("/", host="shop.test:8080"),
            case("/", host="other.test"),
        )
        == [[]] * 5
    )


def test_routes_come_from_where_a_listener_allows() -> None:
    """The same namespace, all, or those with a label; and a ListenerSet belongs to its gateway."""

    def listener(name: str, namespaces: Any) -> dict[str, Any]:
        allowed = {"namespaces": namespaces}
        return {
            "name": name,
            "protocol": "HTTP",
            "port": 80,
            "hostname": f"{name}.test",
            "allowedRoutes": allowed,
        }

    own = {
        "listeners": [listener("same", {"from": "Same"})],
        "allowedListeners": {"namespaces": {"from": "Same"}},
    }
    labelled = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
    more = {
        "parentRef": {"name": "own", "namespace": GROUP},
        "listeners": [listener("all", {"from": "All"}), listener("team", labelled)],
    }
    stranger = {
        "parentRef": {"name": "own", "namespace": GROUP},
        "listeners": [listener("stranger", {"from": "All"})],
    }
    manifests: list[Manifest] = [
        manifest("Gateway", "own", own),
        manifest("ListenerSet", "more", more),
        manifest("ListenerSet", "stranger", stranger, namespace="other"),
        {"kind": "Namespace", "metadata": {"name": "team-a", "labels": {"team": "a"}}},
    ]
    for number, namespace in enumerate((GROUP, "team-a", "other"), 1):
        for kind, name in (("Gateway", "own"), ("ListenerSet", "more")):
            parent = {"kind": kind, "name": name, "namespace": GROUP}
            manifests.append(
                route(
                    f"{kind}{number}",
                    rule(f"v{number}", prefix(f"/{number}")),
                    namespace=namespace,
                    parent=parent,
                )
            )
    assert (
        differences(
            manifests,
            case("/1", "v1", host="same.test"),
            case("/2", host="same.test"),
            case("/2", "v2", host="all.test"),
            case("/3", "v3", host="all.test"),
            case("/2", "v2", host="team.test"),
            case("/3", host="team.test"),
            case("/1", host="stranger.test"),
        )
        == [[]] * 7
    )


def test_redirects_and_rewrites() -> None:
    """What a case names of the answer, or of what the backend gets, is compared."""
    redirect = {
        "type": "RequestRedirect",
        "requestRedirect": {"scheme": "https", "hostname": "new.test", "statusCode": 301},
    }
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"}
    change = {
        "set": [{"name": "X-Set", "value": "1"}],
        "add": [{"name": "X-Add", "value": "2"}],
        "remove": ["X-Gone"],
    }
    manifests = [
        route(
            "all",
            rule(None, prefix("/old"), filters=[redirect]),
            rule("v1", prefix("/a"), filters=[{"type": "URLRewrite", "urlRewrite": {"hostname": "in.test", "path": path}},
                                              {"type": "RequestHeaderModifier", "requestHeaderModifier": change}]),
        )
    ]  # fmt: skip
    moved = {
        "Response": {"StatusCode": 301},
        "RedirectRequest": {"Scheme": "https", "Host": "new.test", "Path": "/old/x"},
    }
    expected = {
        "Request": {"Path": "/b/x", "Host": "in.test", "Headers": {"X-Set": "1", "X-Add": "1,2"}},
        "AbsentHeaders": ["X-Gone"],
    }
    request = {"Headers": {"X-Add": "1", "X-Gone": "1"}}
    assert differences(
        manifests, case("/old/x", **moved), case("/a/x", "v1", request=request, ExpectedRequest=expected)
    ) == [[], []]


def test_mirrors_and_time_outs() -> None:
    """Who gets a copy besides, and what a client gets of a backend that takes too long."""
    half = {"fraction": {"numerator": 1, "denominator": 2}}
    manifests = [
        route(
            "all",
            rule("v1", prefix("/copied"), filters=[copied("v2")]),
            rule("v1", prefix("/half"), filters=[copied("v3", **half)]),
            rule("v1", prefix("/request"), timeouts={"request": "500ms"}),
            rule("v1", prefix("/backend"), timeouts={"backendRequest": "500ms"}),
            rule("v1", prefix("/patient"), timeouts={"request": "0s"}),
        )
    ]
    late = {"Response": {"StatusCode": 504}}
    assert (
        differences(
            manifests,
            case("/copied", "v1", **mirrored("v2")),
            *[case("/half", "v1", **mirrored("v3", Percent=50))] * 20,
            case("/request", "v1"),
            case("/request?delay=1s", **late),
            case("/backend?delay=1s", **late),
            case("/patient?delay=1s", "v1"),
        )
        == [[]] * 25
    )


@pytest.mark.parametrize(
    ("wrong", "difference"),
    [
        (case("/a", "v2"), "expected infra-backend-v2, got infra-backend-v1"),
        (case("/a"), "expected status 404, got infra-backend-v1"),
        (case("/b", "v1"), "expected status 200, got 404"),
        (case("/a", "v1", ExpectedRequest={"Request": {"Path": "/x"}}), "expected the path /x, got /a"),
        (case("/a", "v1", ExpectedRequest={"Request": {"Host": "x"}}), "expected Host: x, got shop.test"),
        (case("/a", "v1", request={"Headers": {"X": "1"}}, ExpectedRequest={"AbsentHeaders": ["X"]}), "expected no X"),
        (case("/a", "v1", **mirrored("v2")), "expected a copy for infra-backend-v2, got none"),
        (case("/c", "v1", **mirrored("v3")), "expected a copy for infra-backend-v3, got infra-backend-v2"),
        (case("/c", "v1"), "expected no copy, got one for infra-backend-v2"),
        (case("/a?delay=1s", "v1", Response={"StatusCode": 504}), "expected status 504, got infra-backend-v1"),
        (case("/r", Response={"StatusCode": 302}, RedirectRequest={"Path": "/x"}), "expected Path /x, got http://shop.test:81/r"),
        (case("/r", Response={"StatusCode": 302}, RedirectRequest={"Port": "82"}), "expected port 82, got http://shop.test:81/r"),
        (case("/r", Response={"StatusCode": 302}, RedirectRequest={"Scheme": "http"}), "expected no port, got http://shop.test:81/r"),
    ],
)  # fmt: skip
def test_a_case_that_is_not_met_says_why(wrong: dict[str, Any], difference: str) -> None:
    """A judge that passes everything would be none."""
    moved = rule(None, prefix("/r"), filters=[{"type": "RequestRedirect", "requestRedirect": {"port": 81}}])
    copies = rule("v1", prefix("/c"), filters=[copied("v2")])
    assert differences([route("a", rule("v1", prefix("/a")), copies, moved)], wrong) == [[difference]]


@pytest.mark.parametrize(
    ("manifests", "reason"),
    [
        ([route("a", rule("v1", filters=[copied("v2"), copied("v3")]))], "more than one mirror of a rule"),
        ([route("a", rule("v1", filters=[{"type": "Unheard"}]))], "the filter Unheard"),
        ([route("a", rule("v1", timeouts={"request": "2s", "backendRequest": "1s"}))], "two time-outs of a rule"),
        ([route("a", rule(None))], "0 backends of a rule"),
        ([manifest("Gateway", "tls", {"listeners": [{"name": "a", "port": 443, "protocol": "HTTPS"}]})], "a listener for HTTPS"),
    ],
)  # fmt: skip
def test_what_we_do_not_have_is_told(manifests: list[Manifest], reason: str) -> None:
    """Rather than judged by something else."""
    with pytest.raises(UnsupportedError, match=reason):
        translate(manifests)


def test_a_gateway_that_is_elsewhere_comes_last() -> None:
    """Its routes are known, its listeners are not."""
    gateways = translate([route("a", rule("v1"), parent={"name": "elsewhere"}), route("b", rule("v1"))])
    assert [(gateway.name, gateway.ports) for gateway in gateways] == [
        ("same-namespace", (80,)),
        ("elsewhere", ()),
    ]
