//! What becomes of requests, told: each outcome, and each reason why a route was not taken.

use std::net::IpAddr;

use serde_json::{json, Value};

use super::*;
use crate::routing::Unmet;

fn explainer(routes: &[Value]) -> Explainer {
    let complete = |route: &Value| {
        let mut whole = json!({"name": "r", "host": null, "path": null, "methods": [], "service": 0,
            "subset": null, "tries": 0, "rows": [1, 2], "limits": []});
        whole.as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
        whole
    };
    let listener = |name: &str| {
        json!({"name": name, "scheme": "http", "row": 0, "header_timeout_ms": 1, "body_idle_timeout_ms": 1,
            "keepalive_timeout_ms": 1, "write_timeout_ms": 1, "min_bytes_per_second": 0, "max_head_bytes": 8192,
            "max_line_bytes": 8192, "max_fields": 100, "max_target_bytes": 8192, "max_body_bytes": 3})
    };
    let document = json!({
        "epoch": 1,
        "trusted_proxies": ["10.0.0.0/8"],
        "listeners": [listener("a"), listener("b")],
        "services": [{"name": "s", "slot": 0, "balance": "random", "slow_start_ms": 0, "connect_timeout_ms": 1,
            "first_byte_timeout_ms": 1, "idle_timeout_ms": 1, "tunnel_timeout_ms": 1}],
        "routes": routes.iter().map(complete).collect::<Vec<_>>(),
    });
    Explainer::compile(document.to_string().as_bytes()).unwrap()
}

fn ask<'e>(explainer: &'e Explainer, head: &str, listener: u32) -> Explanation<'e> {
    explainer.explain(head.as_bytes(), listener, IpAddr::from([192, 0, 2, 1]))
}

const GET: &str = "GET /v1/../V1/x?q=1 HTTP/1.1\r\nHost: A.Example.:80\r\n\r\n";

/// Every part of a match is named by which a route does not fit, and precedence where all fit.
#[test]
fn each_reason_is_told() {
    let explainer = explainer(&[
        json!({"path": "/V1/*"}),
        json!({"host": "b.example"}),
        json!({"path": "/v1/*"}),
        json!({"pattern": "/v1/.*"}),
        json!({"methods": ["PUT"]}),
        json!({"conditions": {"headers": [{"name": "X-A", "test": "present"}]}}),
        json!({"conditions": {"cookies": [{"name": "A", "test": {"exact": "1"}}]}}),
        json!({"conditions": {"query": [{"name": "q", "test": {"pattern": "[2-9]"}}]}}),
        json!({"conditions": {"clients": ["198.51.100.0/24"]}}),
        json!({"conditions": {"listeners": [0]}}),
        json!({"host": "*.example", "path": "/x", "methods": ["PUT"]}),
        json!({}),
        json!({"host": "a.example", "path": "/V1/x", "methods": ["GET"],
            "conditions": {"query": [{"name": "q", "test": "absent"}]}}),
    ]);
    let told = ask(&explainer, GET, 1);
    assert_eq!((told.host.as_str(), told.path.as_str()), ("A.Example.", "/V1/x"));
    assert_eq!((told.route, told.refusal), (Some(0), None));
    let condition = |unmet| Some(Misfit::Condition(unmet));
    let expected = [
        Some(Misfit::Host),
        Some(Misfit::Path),
        Some(Misfit::Path),
        Some(Misfit::Method),
        condition(Unmet::Header("x-a")),
        condition(Unmet::Cookie("A")),
        condition(Unmet::Query("q")),
        condition(Unmet::Client),
        condition(Unmet::Listener),
        Some(Misfit::Path),
        None,
        condition(Unmet::Query("q")),
    ];
    assert_eq!(told.others, (1..).zip(expected).collect::<Vec<_>>());
}

/// What refuses a request is told, with its route where it has one.
#[test]
fn each_refusal_is_told() {
    let explainer = explainer(&[json!({"host": "a"}), json!({"host": "t", "methods": ["TRACE", "PUT"]})]);
    for (head, route, refusal) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(0), None),
        ("GET / HTTP/1.1\r\nHost: b\r\n\r\n", None, Some(Reason::NoRoute)),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Some(0), Some(Reason::TraceNotOffered)),
        ("TRACE / HTTP/1.1\r\nHost: t\r\n\r\n", Some(1), None),
        ("TRACE / HTTP/1.1\r\nHost: t\r\nMax-Forwards: 0\r\n\r\n", Some(1), Some(Reason::LastHop)),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", Some(0), Some(Reason::BodyTooLarge)),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", Some(0), None),
        ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", None, Some(Reason::UnknownExpectation)),
        ("GET /%2F HTTP/1.1\r\nHost: a\r\n\r\n", None, Some(Reason::AmbiguousPath)),
        ("GET / HTTP/1.1\r\n\r\n", None, Some(Reason::BadHost)),
        ("GET / HTTP/1.1\r\nHost: a\r\n", None, Some(Reason::MalformedRequest)),
    ] {
        let told = ask(&explainer, head, 0);
        assert_eq!((told.route, told.refusal), (route, refusal), "{head:?}");
    }
}

/// What a route answers itself is told: its status, and the location that the client would get.
#[test]
fn answers_of_routes_are_told() {
    let redirect = |host: Value, change: Value| {
        let mut redirect = json!({"status": 308});
        redirect.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"host": host, "path": "/v1/*", "service": null, "answer": {"redirect": redirect}})
    };
    let fixed = json!({"status": 203, "content_type": "a/b", "body": "x"});
    let explainer = explainer(&[
        json!({"host": "f", "service": null, "answer": {"fixed": fixed}}),
        redirect(json!("p"), json!({"path": {"prefix": "/z"}})),
        redirect(json!("s"), json!({"scheme": "https"})),
        redirect(Value::Null, json!({"path": {"whole": "/z"}})),
    ]);
    let to = |status, location: Option<&str>| Some(Answered { status, location: location.map(String::from) });
    for (head, route, answer, refusal) in [
        ("GET /x HTTP/1.1\r\nHost: f\r\n\r\n", 0, to(203, None), None),
        ("TRACE /x HTTP/1.1\r\nHost: f\r\n\r\n", 0, None, Some(Reason::TraceNotOffered)),
        ("GET /v1/./b?q HTTP/1.1\r\nHost: P:81\r\n\r\n", 1, to(308, Some("http://P:81/z/b?q")), None),
        ("GET /v1 HTTP/1.1\r\nHost: s:81\r\n\r\n", 2, to(308, Some("https://s/v1")), None),
        ("GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n", 3, to(308, Some("http://a/z")), None),
        ("GET /v1 HTTP/1.0\r\n\r\n", 3, None, Some(Reason::BadHost)),
    ] {
        let told = ask(&explainer, head, 0);
        assert_eq!((told.route, told.answer, told.refusal), (Some(route), answer, refusal), "{head:?}");
    }
    let head = b"GET /v1 HTTP/1.1\r\nHost: p\r\nX-Forwarded-Proto: https\r\n\r\n";
    for (peer, location) in [([10, 0, 0, 1], "https://p/z"), ([192, 0, 2, 1], "http://p/z")] {
        assert_eq!(explainer.explain(head, 0, IpAddr::from(peer)).answer, to(308, Some(location)));
    }
}

/// The client is the one that trusted proxies tell of; what contradicts itself is refused.
#[test]
fn the_client_is_told() {
    let explainer = explainer(&[json!({"conditions": {"clients": ["198.51.100.0/24"]}})]);
    let from = |peer: [u8; 4], fields: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let told = explainer.explain(head.as_bytes(), 0, IpAddr::from(peer));
        (told.client.to_string(), told.route, told.refusal)
    };
    let told = "X-Forwarded-For: 198.51.100.9\r\n";
    assert_eq!(from([10, 0, 0, 1], told), ("198.51.100.9".into(), Some(0), None));
    assert_eq!(from([192, 0, 2, 1], told), ("192.0.2.1".into(), None, Some(Reason::NoRoute)));
    let contradictory = [told, "Forwarded: for=198.51.100.8\r\n"].concat();
    assert_eq!(from([10, 0, 0, 1], &contradictory).2, Some(Reason::BadForwarding));
}

/// A preflight is for the route of what it announces, and its page is allowed or not; so is the page of any other request.
#[test]
fn what_other_origins_may_do_is_told() {
    let cors = json!({"cors": {"origins": ["https://a.example"], "methods": [], "headers": [], "expose": [],
        "credentials": false, "max_age_s": null, "rows": [3, 3]}});
    let closed = json!({"admitted": [], "retry_after_s": null, "page": null});
    let explainer = explainer(&[
        json!({}),
        json!({"methods": ["PUT"], "terms": cors, "maintenance": closed}),
        json!({"methods": ["POST"], "terms": cors}),
    ]);
    let ask = |method: &str, origin: &str, fields: &str| {
        ask(&explainer, &format!("{method} / HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n{fields}\r\n"), 0)
    };
    let announcing = |method: &str| format!("Access-Control-Request-Method: {method}\r\n");
    for (origin, is_allowed) in [("https://a.example", true), ("https://b.example", false)] {
        let told = ask("OPTIONS", origin, &announcing("PUT"));
        assert_eq!((told.route, told.refusal), (Some(1), None), "maintenance does not stand before it");
        assert_eq!(told.answer, Some(Answered { status: 204, location: None }));
        assert_eq!(told.cross_origin, Some(CrossOrigin { is_preflight: true, is_allowed }));
        assert_eq!(told.others, [(0, None), (2, Some(Misfit::Method))]);
        let told = ask("POST", origin, "");
        assert_eq!((told.route, told.answer), (Some(2), None));
        assert_eq!(told.cross_origin, Some(CrossOrigin { is_preflight: false, is_allowed }));
    }
    let told = ask("OPTIONS", "https://a.example", &announcing("GET"));
    assert_eq!((told.route, told.cross_origin, told.answer), (Some(0), None, None));
}
