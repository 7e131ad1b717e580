//! Compiling snapshots: what arrives where, and that every senseless value is refused with its place.

use std::sync::Arc;

use serde_json::{json, Value};

use super::{
    Backend, Cost, Destination, Destinations, Fields, Limit, Missing, Mode, Overflow, Owner, Route, Rule,
    Scheme, Snapshot, SnapshotError, Target, Timeouts, Usage,
};
use crate::affinity::Reading;
use crate::answer::{Content, Redirect};
use crate::compression::{Coding, Grade};
use crate::edits::PathRewrite;
use crate::fault::Fault;
use crate::http1::path::Spelling;
use crate::key::{network, Key, Part};
use crate::limit::Gcra;
use crate::selection::{Balance, Policy};

fn document() -> Value {
    json!({
        "epoch": 7,
        "errors": [{"status": 503, "content_type": "text/html", "body": "<p>"}],
        "trusted_proxies": ["10.0.0.0/8", "fd00::1"],
        "listeners": [{"name": "127.0.0.1:8080", "scheme": "http", "row": 0,
            "header_timeout_ms": 10_000, "body_idle_timeout_ms": 30_000, "keepalive_timeout_ms": 75_000,
            "write_timeout_ms": 60_000, "min_bytes_per_second": 500, "max_head_bytes": 32_768, "max_line_bytes": 8_192, "max_fields": 100,
            "max_target_bytes": 8_191, "max_body_bytes": null, "max_requests": 1_000, "max_age_ms": 2,
            "keep_in_paths": ["encoded_slash", "duplicate_slashes"], "max_connections_per_client": 3}],
        "services": [
            {"name": "api", "slot": 4, "balance": {"p2c": {"choices": 2}}, "slow_start_ms": 15_000, "connect_timeout_ms": 2_000,
             "first_byte_timeout_ms": 30_000, "idle_timeout_ms": 60_000, "tunnel_timeout_ms": 3_600_000,
             "retry_budget": null, "queue": null},
            {"name": "web", "slot": 2, "balance": "round_robin", "slow_start_ms": 0, "connect_timeout_ms": 1,
             "first_byte_timeout_ms": 2, "idle_timeout_ms": 3, "tunnel_timeout_ms": 4}],
        "routes": [
            {"name": "api", "host": "api.example.com", "path": "/v1/*", "methods": ["GET"], "service": 0, "subset": null,
             "tries": 2, "rows": [1], "edits": {}, "limits": [
                {"name": "slow", "row": 5, "tokens": 100, "period_ns": 1_000_000_000, "burst": 200, "key": ["client_ip"],
                 "cost": {"constant": 1}},
                {"name": "fast", "row": 6, "tokens": 3, "period_ns": 10, "burst": 1, "key": ["client_ip"]}]},
            {"name": "rest", "host": null, "path": null, "methods": [], "service": 1, "subset": null, "tries": 0, "rows": [2],
             "limits": []}]
    })
}

fn compile(document: &Value) -> Result<Snapshot, SnapshotError> {
    Snapshot::compile(document.to_string().as_bytes())
}

/// Where all requests of a route go.
fn only(route: &Route) -> &Destination {
    match &route.destinations {
        Destinations::One(destination) => destination,
        Destinations::Split(..) | Destinations::Named(..) => panic!("there are several"),
    }
}

/// How a service is used for the requests that go there.
fn usage<'s>(snapshot: &'s Snapshot, destination: &'s Destination) -> &'s Usage {
    let Target::Service(backend) = &destination.target else { panic!("a service") };
    backend.usage(&snapshot.services[backend.service as usize])
}

/// Every value of a listener and a service arrives, times in nanoseconds.
#[test]
fn listeners_and_services_arrive() {
    let snapshot = compile(&document()).unwrap();
    assert_eq!(snapshot.epoch, 7);
    assert_eq!(
        snapshot.pages.find(503).map(|page| (&*page.content_type, &*page.body)),
        Some(("text/html", &b"<p>"[..]))
    );
    assert_eq!(snapshot.pages.find(502), None);
    let listener = &snapshot.listeners[0];
    assert_eq!((listener.name.as_str(), listener.scheme, listener.row), ("127.0.0.1:8080", Scheme::Http, 0));
    assert_eq!((listener.header_timeout, listener.body_idle_timeout), (10_000_000_000, 30_000_000_000));
    assert_eq!((listener.keepalive_timeout, listener.write_timeout), (75_000_000_000, 60_000_000_000));
    assert_eq!((listener.max_head_bytes, listener.max_line_bytes), (32_768, 8_192));
    assert_eq!((listener.max_fields, listener.max_target_bytes), (100, 8_191));
    assert_eq!((listener.max_body_bytes, listener.max_requests), (None, Some(1_000)));
    assert_eq!(listener.max_age, Some(2_000_000));
    assert_eq!(listener.kept, [Spelling::EncodedSlash, Spelling::DuplicateSlashes].into_iter().collect());
    assert_eq!(listener.max_connections_per_client, Some(3));
    let (api, web) = (&snapshot.services[0], &snapshot.services[1]);
    assert_eq!(
        (api.name.as_str(), api.slot, api.usage.policy),
        ("api", 4, Policy { bank: 4, balance: Balance::P2C, slow_start: 15_000_000_000 })
    );
    assert_eq!(
        (web.name.as_str(), web.slot, web.usage.policy),
        ("web", 2, Policy { bank: 2, balance: Balance::RoundRobin, slow_start: 0 })
    );
    let Timeouts { connect, first_byte, idle, tunnel } = web.usage.timeouts;
    let timeouts = (connect, first_byte, idle, tunnel);
    assert_eq!(timeouts, (1_000_000, 2_000_000, 3_000_000, 4_000_000));
}

/// The proxies that are trusted arrive; without a list none is.
#[test]
fn trusted_proxies_arrive() {
    let trusts = |document: &Value, address: &str| {
        compile(document).unwrap().trusted_proxies.contains(address.parse().unwrap())
    };
    let mut document = document();
    assert!(trusts(&document, "10.1.2.3") && trusts(&document, "fd00::1") && !trusts(&document, "fd00::2"));
    document.as_object_mut().unwrap().remove("trusted_proxies");
    assert!(!trusts(&document, "10.1.2.3"));
}

/// Every value of a route and its limits arrives, and the table finds the routes by their index.
#[test]
fn routes_and_limits_arrive() {
    let snapshot = compile(&document()).unwrap();
    let route = &snapshot.routes[0];
    let destination = only(route);
    assert_eq!((&*route.name, route.tries, &destination.rows[..]), ("api", 2, &[1][..]));
    assert_eq!(destination.service(), Some(0));
    assert_eq!(route.limits[0].rate, Gcra { interval: 10_000_000, tolerance: 2_000_000_000, debt: 0 });
    assert_eq!(route.limits[1].rate, Gcra { interval: 4, tolerance: 4, debt: 0 });
    assert_eq!(
        (route.limits[1].rule.row, &route.limits[1].rule.key),
        (6, &Key::parse(&["client_ip"], &[]).unwrap())
    );
    assert_eq!(snapshot.table.find(b"api.example.com", b"/v1/x", b"GET", |_| false), Some(0));
    assert_eq!(snapshot.table.find(b"api.example.com", b"/v1/x", b"POST", |_| false), Some(1));
}

/// The changes of a route arrive; without any there is nothing to ask.
#[test]
fn edits_arrive() {
    let mut document = document();
    let edits =
        |snapshot: &Snapshot, route: usize| usage(snapshot, only(&snapshot.routes[route])).edits.clone();
    assert_eq!(edits(&compile(&document).unwrap(), 0), None);
    document["routes"][0]["edits"] = json!({
        "request": {"set": [["X-Route", "{route} of {service}"]], "add": [["X-Path", "{path}"]], "remove": ["Cookie"]},
        "response": {"remove": ["Server"]},
        "rewrite": {"host": "inner:81", "path": {"prefix": "/api"}}
    });
    let snapshot = compile(&document).unwrap();
    assert_eq!(edits(&snapshot, 1), None);
    let edits = edits(&snapshot, 0).unwrap();
    assert_eq!(edits.request.lines().bytes(), b"X-Route: api of api\r\nX-Path: \r\n");
    assert!(edits.request.leaves_out(b"cookie") && edits.response.leaves_out(b"server"));
    assert_eq!(edits.rewrite.host.as_deref(), Some(&b"inner:81"[..]));
    let prefix = PathRewrite::Prefix { length: 3, with: b"/api".as_slice().into() };
    assert_eq!(edits.rewrite.path, prefix);
}

/// A route that answers itself, and how: what a redirect leaves out is what was asked for.
#[test]
fn answers_arrive() {
    let answer = |answer: Value| {
        let mut document = document();
        let route = document["routes"][0].as_object_mut().unwrap();
        route.remove("service");
        route.insert("answer".into(), answer);
        route.insert("edits".into(), json!({"response": {"add": [["X-R", "{route}"]]}}));
        match only(&compile(&document).unwrap().routes[0]) {
            Destination { target: Target::Answer(answer), logged, .. } => (answer.clone(), logged.clone()),
            other => panic!("{other:?}"),
        }
    };
    let (redirect, logged) =
        answer(json!({"redirect": {"status": 308, "scheme": "https", "port": 1, "path": {"prefix": "/b"}}}));
    let expected = Redirect {
        scheme: Some("https".into()),
        host: None,
        port: Some(1),
        path: PathRewrite::Prefix { length: 3, with: b"/b".as_slice().into() },
    };
    assert_eq!((redirect.status, &redirect.content), (308, &Content::Redirect(expected)));
    assert_eq!(redirect.fields.lines().bytes(), b"X-R: api\r\n");
    assert_eq!(&*logged, b",\"route\":\"api\",\"service\":null");
    let (fixed, _) = answer(json!({"fixed": {"status": 200, "content_type": "a/b", "body": "c"}}));
    let expected = Content::Fixed { content_type: "a/b".into(), body: b"c".as_slice().into() };
    assert_eq!((fixed.status, &fixed.content), (200, &expected));
}

/// An answer that makes no sense is refused with its place, and so is a route without one or with two destinations.
#[test]
fn senseless_answers_are_refused_with_their_place() {
    let redirect = |change: Value| {
        let mut redirect = json!({"status": 301});
        redirect.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "redirect": redirect })
    };
    let fixed = |status: u16, content_type: &str, body: &str| json!({"fixed": {"status": status, "content_type": content_type, "body": body}});
    let destination = "service: must be there, or a split, a choice by name or an answer in its place";
    for (service, answer, problem) in [
        (Value::Null, Value::Null, destination),
        (json!(0), redirect(json!({})), destination),
        (Value::Null, redirect(json!({"status": 304})), "answer.redirect.status: no status of a redirect"),
        (Value::Null, redirect(json!({"scheme": "ftp"})), "answer.redirect.scheme: must be http or https"),
        (Value::Null, redirect(json!({"host": "a b"})), "answer.redirect.host: no host"),
        (Value::Null, redirect(json!({"host": "a:1"})), "answer.redirect.host: has a port"),
        (Value::Null, redirect(json!({"port": 0})), "answer.redirect.port: must be above 0"),
        (Value::Null, redirect(json!({"path": {"whole": "b"}})), "answer.redirect.path: no canonical path"),
        (Value::Null, fixed(199, "a/b", ""), "answer.fixed.status: must be from 200 to 599"),
        (Value::Null, fixed(600, "a/b", ""), "answer.fixed.status: must be from 200 to 599"),
        (Value::Null, fixed(204, "a/b", "x"), "answer.fixed.body: the status has none (RFC 9110 §15)"),
        (Value::Null, fixed(200, "a\r\nb", ""), "answer.fixed.content_type: must be printable ASCII"),
    ] {
        let mut document = document();
        document["routes"][0]["service"] = service;
        document["routes"][0]["answer"] = answer;
        assert_eq!(compile(&document).unwrap_err().to_string(), format!("routes[0].{problem}"));
    }
}

fn split(named_by: Option<&str>, sticky: Option<&str>, sides: &[(u32, u32)]) -> Value {
    let mut document = document();
    let sides: Vec<_> = sides
        .iter()
        .map(|(service, share)| json!({"service": service, "share": share, "rows": [share]}))
        .collect();
    let route = document["routes"][0].as_object_mut().unwrap();
    route.remove("service");
    route.insert("rows".into(), json!([]));
    route.insert("split".into(), json!({"sides": sides, "named_by": named_by, "sticky": sticky}));
    document
}

/// Only where a route matches a prefix is there one to replace.
#[test]
fn a_prefix_is_replaced_where_one_is_matched() {
    let prefix = || json!({"path": {"prefix": "/b"}});
    let compile = |path: Value, pattern: Value, answers: bool| {
        let mut document = document();
        let route = document["routes"][0].as_object_mut().unwrap();
        route.insert("path".into(), path);
        route.insert("pattern".into(), pattern);
        if answers {
            route.remove("service");
            let redirect = json!({"status": 301, "path": prefix()["path"]});
            route.insert("answer".into(), json!({ "redirect": redirect }));
        } else {
            route.insert("edits".into(), json!({ "rewrite": prefix() }));
        }
        compile(&document).map(drop).map_err(|error| error.to_string())
    };
    let problem = |place: &str| Err(format!("routes[0].{place}.path: the route matches no prefix"));
    for (path, pattern) in
        [(json!("/a"), Value::Null), (Value::Null, json!("/a/*")), (Value::Null, json!(".*"))]
    {
        assert_eq!(compile(path.clone(), pattern.clone(), false), problem("edits.rewrite"));
        assert_eq!(compile(path, pattern, true), problem("answer.redirect"));
    }
    for path in [json!("/a/*"), json!("/*"), Value::Null] {
        assert_eq!(compile(path.clone(), Value::Null, false), Ok(()));
        assert_eq!(compile(path, Value::Null, true), Ok(()));
    }
}

/// What a route allows other origins arrives, replaces what instances say, and is refused with its place where it is wrong.
#[test]
fn what_other_origins_may_do_arrives() {
    let mut document = document();
    let cors = json!({"origins": ["https://a.example"], "methods": ["PUT"], "headers": [], "expose": [], "credentials": true,
        "max_age_s": null, "rows": [4]});
    assert!(compile(&document).unwrap().routes[0].cors().is_none());
    document["routes"][0]["terms"] = json!({"cors": cors});
    let snapshot = compile(&document).unwrap();
    let compiled = snapshot.routes[0].cors().unwrap();
    assert!(compiled.policy.allows(Some(b"https://a.example")) && !compiled.policy.allows(None));
    assert_eq!((compiled.answer.status, &compiled.rows[..]), (204, &[4][..]));
    let edits = usage(&snapshot, only(&snapshot.routes[0])).edits.as_ref().unwrap();
    assert!(edits.response.leaves_out(b"access-control-allow-origin") && edits.response.depend_on_requests());
    for (key, value, place) in [
        ("origins", json!([]), "origins"),
        ("origins", json!(["*"]), "origins[0]"),
        ("origins", json!(["https://a.example/x"]), "origins[0]"),
        ("methods", json!(["PUT", "A B"]), "methods[1]"),
        ("headers", json!(["*"]), "headers[0]"),
        ("expose", json!(["X\r\n"]), "expose[0]"),
        ("rows", json!([1, 2]), "rows"),
    ] {
        let mut wrong = document.clone();
        wrong["routes"][0]["terms"]["cors"][key] = value;
        let error = compile(&wrong).unwrap_err().to_string();
        assert!(error.starts_with(&format!("routes[0].terms.cors.{place}:")), "{error}");
    }
}

/// What a route compresses is the same for each side of a split.
#[test]
fn compression_arrives() {
    let mut document = document();
    let compression = |snapshot: &Snapshot| only(&snapshot.routes[0]).compression().cloned();
    assert_eq!(compression(&compile(&document).unwrap()), None);
    document["routes"][0]["compression"] = json!({
        "codings": [{"coding": "gzip", "level": 9}, {"coding": "zstd", "level": 1}],
        "types": ["text/*", "a/b"], "min_length": 7, "with_credentials": true
    });
    let rules = compression(&compile(&document).unwrap()).unwrap();
    let grades = [Grade { coding: Coding::Gzip, level: 9 }, Grade { coding: Coding::Zstd, level: 1 }];
    assert_eq!((&*rules.grades, rules.min_length, rules.with_credentials), (&grades[..], 7, true));
    assert!(rules.types.contain(b"text/x") && rules.types.contain(b"a/b") && !rules.types.contain(b"a/c"));
    for (change, place) in [
        (json!({"codings": []}), "codings"),
        (json!({"codings": [{"coding": "gzip", "level": 0}]}), "codings[0].level"),
        (json!({"codings": [{"coding": "gzip", "level": 10}]}), "codings[0].level"),
        (json!({"codings": [{"coding": "gzip", "level": 1}, {"coding": "gzip", "level": 2}]}), "codings[1]"),
        (json!({"types": ["a/b", "a"]}), "types[1]"),
    ] {
        let mut wrong = document.clone();
        for (key, value) in change.as_object().unwrap() {
            wrong["routes"][0]["compression"][key] = value.clone();
        }
        let error = compile(&wrong).unwrap_err().to_string();
        assert!(error.starts_with(&format!("routes[0].compression.{place}:")), "{error}");
    }
}

/// Each side arrives with its service, its rows and its names; the edits are of its own.
#[test]
fn splits_arrive() {
    let mut document = split(Some("header:X-Side"), Some("client_ip"), &[(0, 95), (1, 5)]);
    document["routes"][0]["edits"] = json!({"request": {"set": [["X-By", "{service}"]]}});
    let snapshot = compile(&document).unwrap();
    let sides = snapshot.routes[0].destinations.all();
    assert_eq!([sides[0].service(), sides[1].service()], [Some(0), Some(1)]);
    assert_eq!([&sides[0].rows[..], &sides[1].rows[..]], [&[95], &[5]]);
    assert_eq!(&*sides[1].logged, b",\"route\":\"api\",\"service\":\"web\"");
    for (side, line) in sides.iter().zip([b"X-By: api\r\n", b"X-By: web\r\n"]) {
        assert_eq!(usage(&snapshot, side).edits.as_ref().unwrap().request.lines().bytes(), line);
    }
}

/// A split that does not add up, or leads nowhere, is refused with its place.
#[test]
fn senseless_splits_are_refused_with_their_place() {
    for (document, problem) in [
        (split(None, None, &[(0, 95), (1, 6)]), "split.sides: add up to 101 and not to 100"),
        (split(None, None, &[]), "split.sides: add up to 0 and not to 100"),
        (split(None, None, &[(0, 95), (2, 5)]), "split.sides[1].service: there are 2 services"),
        (split(Some("body"), None, &[(0, 100)]), "split.named_by: no part of a request"),
        (split(None, Some("header:"), &[(0, 100)]), "split.sticky: no part of a request"),
    ] {
        assert_eq!(compile(&document).unwrap_err().to_string(), format!("routes[0].{problem}"));
    }
    let mut rows = split(None, None, &[(0, 100)]);
    rows["routes"][0]["split"]["sides"][0]["rows"] = json!([]);
    let problem = "routes[0].split.sides[0].rows: there are 1 listeners";
    assert_eq!(compile(&rows).unwrap_err().to_string(), problem);
}

fn named(place: &Value, services: &[(u32, &[u32])]) -> Value {
    let mut document = document();
    let services: Vec<_> =
        services.iter().map(|(service, rows)| json!({"service": service, "rows": rows})).collect();
    let route = document["routes"][0].as_object_mut().unwrap();
    route.remove("service");
    route.insert("path".into(), "/apps/*".into());
    route.insert("rows".into(), json!([]));
    route.insert("named".into(), json!({"place": place, "services": services}));
    document
}

/// Each service that may be named arrives with its rows, its names and a path that is rewritten up to its own name.
#[test]
fn names_of_services_arrive() {
    let mut document = named(&json!("segment"), &[(0, &[7]), (1, &[8])]);
    document["routes"][0]["edits"] = json!({"rewrite": {"path": {"prefix": "/x"}}});
    let snapshot = compile(&document).unwrap();
    let services = snapshot.routes[0].destinations.all();
    assert_eq!([&services[0].rows[..], &services[1].rows[..]], [&[7], &[8]]);
    assert_eq!(&*services[1].logged, b",\"route\":\"api\",\"service\":\"web\"");
    for (service, matched) in services.iter().zip(["/apps/api", "/apps/web"]) {
        let rewrite = &usage(&snapshot, service).edits.as_ref().unwrap().rewrite.path;
        assert_eq!(rewrite, &PathRewrite::prefix(matched, "/x"));
    }
}

/// A choice by name of nothing that a request could name is refused with its place.
#[test]
fn senseless_names_are_refused_with_their_place() {
    let mut exact = named(&json!("segment"), &[(0, &[7])]);
    exact["routes"][0]["path"] = "/apps".into();
    let mut one_host = named(&json!("host"), &[(0, &[7])]);
    one_host["routes"][0]["host"] = "a.internal".into();
    for (document, problem) in [
        (exact, "place: the route matches no prefix"),
        (one_host, "place: the route matches no hosts below another"),
        (named(&json!({"part": "body"}), &[(0, &[7])]), "place: no part of a request"),
        (named(&json!("segment"), &[(0, &[7]), (0, &[8])]), "services[1]: the name is taken"),
        (named(&json!("segment"), &[(0, &[7]), (2, &[8])]), "services[1].service: there are 2 services"),
        (named(&json!("segment"), &[(0, &[])]), "services[0].rows: there are 1 listeners"),
    ] {
        assert_eq!(compile(&document).unwrap_err().to_string(), format!("routes[0].named.{problem}"));
    }
}

/// What a route says of its exchanges arrives; what it leaves out is what its service says.
#[test]
fn terms_of_routes_arrive() {
    let mut document = document();
    document["routes"][0]["timeouts"] = json!({"first_byte_ms": 7, "tunnel_ms": 8});
    document["routes"][0]["terms"] = json!({"max_body_bytes": 0, "errors": document["errors"]});
    let snapshot = compile(&document).unwrap();
    let of_service = snapshot.services[0].usage.timeouts;
    let expected = Timeouts { first_byte: 7_000_000, tunnel: 8_000_000, ..of_service };
    assert_eq!(usage(&snapshot, only(&snapshot.routes[0])).timeouts, expected);
    let terms = snapshot.routes[0].terms.as_ref().unwrap();
    assert_eq!((terms.max_body_bytes, &terms.pages), (Some(0), &snapshot.pages));
    assert_eq!(snapshot.routes[1].terms, None);
    let Target::Service(backend) = &only(&snapshot.routes[1]).target else { panic!("a service") };
    assert_eq!(backend, &Backend::plain(1));
    assert_eq!(usage(&snapshot, only(&snapshot.routes[1])), &snapshot.services[1].usage);
}

/// Maintenance of route and service arrives with each, the route's first; one that makes no sense is refused with its place.
#[test]
fn maintenance_arrives_or_is_refused_with_its_place() {
    let closed = |network: &str, kind: &str| json!({"admitted": [network], "retry_after_s": 9, "page": {"content_type": kind, "body": "x"}});
    let mut document = document();
    document["routes"][0]["maintenance"] = closed("10.0.0.0/8", "a/b");
    document["services"][0]["maintenance"] = closed("192.0.2.0/24", "a/b");
    let snapshot = compile(&document).unwrap();
    let closed_to = |route: usize, service, client: &str| {
        snapshot.routes[route].closed_to(service, client.parse().unwrap()).map(|it| &**it)
    };
    let service = Some(&snapshot.services[0]);
    let by_service = snapshot.services[0].maintenance.as_deref();
    assert_eq!((closed_to(0, service, "10.1.2.3"), closed_to(0, None, "10.1.2.3")), (by_service, None));
    let route = closed_to(0, service, "192.0.2.1").unwrap();
    assert_eq!((route.retry_after, route.page.as_ref().map(|page| &*page.body)), (Some(9), Some(&b"x"[..])));
    assert_eq!(closed_to(1, Some(&snapshot.services[1]), "192.0.2.1"), None);
    document["routes"][0]["maintenance"] = closed("10", "a/b");
    let problem = |document: &Value| compile(document).unwrap_err().to_string();
    assert_eq!(problem(&document), "routes[0].maintenance.admitted[0]: no network");
    document["routes"][0]["maintenance"] = closed("10.0.0.0/8", "a\r\n");
    assert_eq!(problem(&document), "routes[0].maintenance.page.content_type: must be printable ASCII");
}

/// What a route injects arrives; what hits nobody, or is no failure, is refused with its place.
#[test]
fn faults_arrive_or_are_refused_with_their_place() {
    let mut document = document();
    document["routes"][0]["fault"] =
        json!({"abort": {"status": 599, "share": 1}, "delay": {"delay_ms": 7, "share": 100}});
    let snapshot = compile(&document).unwrap();
    let expected = Fault { abort: Some((1, 599)), delay: Some((100, 7_000_000)) };
    assert_eq!(snapshot.routes[0].fault(), Some(&expected));
    assert_eq!(snapshot.routes[1].extras, None);
    for (part, key, wrong, problem) in [
        ("abort", "status", 399, "status: must be from 400 to 599"),
        ("abort", "status", 600, "status: must be from 400 to 599"),
        ("abort", "share", 0, "share: must be from 1 to 100"),
        ("delay", "share", 101, "share: must be from 1 to 100"),
        ("delay", "delay_ms", 0, "delay_ms: must be above 0"),
    ] {
        let mut document = document.clone();
        document["routes"][0]["fault"][part][key] = wrong.into();
        let found = compile(&document).unwrap_err().to_string();
        assert_eq!(found, format!("routes[0].fault.{part}.{problem}"));
    }
}

fn find_limit<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Arc<Limit>> {
    snapshot.limit(snapshot.find_limit(name)?)
}

/// Services and limits are found by name, and only by their whole name.
#[test]
fn names_are_found() {
    let snapshot = compile(&document()).unwrap();
    assert_eq!([snapshot.find_service("api"), snapshot.find_service("web")], [Some(0), Some(1)]);
    assert_eq!(snapshot.find_service("ap"), None);
    assert_eq!(find_limit(&snapshot, "api/fast").map(|limit| limit.rule.row), Some(6));
    for unknown in ["api", "fast", "api/", "rest/fast", ""] {
        assert!(snapshot.find_limit(unknown).is_none(), "{unknown}");
    }
}

/// Each value is refused, and the error is the one that names its place.
fn assert_refused(rows: &[(&str, Value, &str)]) {
    for (place, value, expected) in rows {
        let mut document = document();
        *document.pointer_mut(place).unwrap() = value.clone();
        assert_eq!(compile(&document).unwrap_err().to_string(), *expected);
    }
}

/// A value of a route that makes no sense is refused.
#[test]
fn senseless_routes_are_refused_with_their_place() {
    assert_refused(&[
        ("/trusted_proxies/1", json!("fd00::/129"), "trusted_proxies[1]: no network"),
        ("/routes/1/service", json!(2), "routes[1].service: there are 2 services"),
        ("/routes/0/tries", json!(16), "routes[0].tries: more than 15"),
        (
            "/routes/0/limits",
            json!(vec![&document()["routes"][0]["limits"][0]; 9]),
            "routes[0].limits: more than 8 with those of the service",
        ),
        ("/routes/0/rows", json!([1, 2]), "routes[0].rows: there are 1 listeners"),
        ("/routes/1/rows", json!([]), "routes[1].rows: there are 1 listeners"),
        ("/routes/0/path", json!("v1"), "routes[0]: the path does not start with '/'"),
        ("/routes/0/host", json!("*"), "routes[0]: a host may have a '*' as its whole first label only"),
        ("/routes/0/limits/1/tokens", json!(0), "routes[0].limits[1].tokens: must be above 0"),
        ("/routes/0/limits/0/period_ns", json!(0), "routes[0].limits[0].period_ns: must be above 0"),
        ("/routes/0/limits/0/burst", json!(0), "routes[0].limits[0].burst: must be above 0"),
        (
            "/routes/0/limits/0/key",
            json!(["path", "shoe_size"]),
            "routes[0].limits[0].key[1]: no part of a request",
        ),
        ("/routes/0/limits/0/key", json!([]), "routes[0].limits[0].key[0]: no part of a request"),
        ("/routes/0/limits/0/cost", json!({"constant": 0}), "routes[0].limits[0].cost: must be above 0"),
        (
            "/routes/0/limits/0/cost",
            json!({"constant": 201}),
            "routes[0].limits[0].cost: more than the burst",
        ),
        (
            "/routes/0/limits/0/cost",
            json!({"response_header": "a b"}),
            "routes[0].limits[0].cost: no name of a field",
        ),
        (
            "/routes/0/limits/0/name",
            json!("a\"b"),
            "routes[0].limits[0].name: must be printable ASCII without quotes and backslashes",
        ),
        ("/routes/0/limits/1/name", json!("slow"), "routes[0].limits[1]: the name is taken"),
    ]);
}

/// A value of a service or a listener that makes no sense is refused.
#[test]
fn senseless_services_and_listeners_are_refused_with_their_place() {
    assert_refused(&[
        ("/services/1/name", json!("api"), "services[1]: the name is taken"),
        (
            "/services/0/retry_budget",
            json!({"percent": 0, "tokens": 1, "period_ms": 1}),
            "services[0].retry_budget.percent: must be above 0",
        ),
        ("/services/0/queue", json!({"size": 0, "timeout_ms": 1}), "services[0].queue.size: must be above 0"),
        (
            "/services/0/queue",
            json!({"size": 1, "timeout_ms": 0}),
            "services[0].queue.timeout_ms: must be above 0",
        ),
        ("/services/0/connect_timeout_ms", json!(0), "services[0].connect_timeout_ms: must be above 0"),
        ("/services/0/first_byte_timeout_ms", json!(0), "services[0].first_byte_timeout_ms: must be above 0"),
        ("/services/1/idle_timeout_ms", json!(0), "services[1].idle_timeout_ms: must be above 0"),
        ("/services/1/tunnel_timeout_ms", json!(0), "services[1].tunnel_timeout_ms: must be above 0"),
        (
            "/listeners/0/max_connections_per_client",
            json!(0),
            "listeners[0].max_connections_per_client: must be above 0",
        ),
        ("/listeners/0/max_age_ms", json!(0), "listeners[0].max_age_ms: must be above 0"),
        ("/services/0/balance", json!({"p2c": {"choices": 1}}), "services[0].choices: must be at least 2"),
        ("/errors/0/status", json!(200), "errors[0].status: must be from 400 to 599"),
        ("/errors/0/content_type", json!("a\r\nX: y"), "errors[0].content_type: must be printable ASCII"),
        ("/listeners/0/header_timeout_ms", json!(0), "listeners[0].header_timeout_ms: must be above 0"),
        ("/listeners/0/body_idle_timeout_ms", json!(0), "listeners[0].body_idle_timeout_ms: must be above 0"),
        ("/listeners/0/keepalive_timeout_ms", json!(0), "listeners[0].keepalive_timeout_ms: must be above 0"),
        (
            "/listeners/0/write_timeout_ms",
            json!(u64::MAX / 1_000_000 + 1),
            "listeners[0].write_timeout_ms: longer than 64 bits of nanoseconds",
        ),
        ("/listeners/0/max_head_bytes", json!(0), "listeners[0].max_head_bytes: must be above 0"),
        ("/listeners/0/max_line_bytes", json!(0), "listeners[0].max_line_bytes: must be above 0"),
        ("/listeners/0/max_fields", json!(0), "listeners[0].max_fields: must be above 0"),
        ("/listeners/0/max_target_bytes", json!(0), "listeners[0].max_target_bytes: must be above 0"),
        ("/listeners/0/max_requests", json!(0), "listeners[0].max_requests: must be above 0"),
    ]);
}

/// JSON of another shape is refused: a wrong type, a missing key, a word that is no choice, no JSON at all.
#[test]
fn other_shapes_are_refused() {
    let rows = [
        ("/epoch", json!("7")),
        ("/epoch", json!(-1)),
        ("/listeners/0/scheme", json!("gopher")),
        ("/listeners/0/row", json!(-1)),
        ("/listeners/0/row", json!(1u64 << 32)),
        ("/services/0/balance", json!("P2c")),
        ("/services/0/balance", json!({"p2c": {"choices": 2, "more": 1}})),
        ("/services/0/slot", Value::Null),
        ("/routes/0", json!({})),
        ("/routes/0/tries", json!(256)),
        ("/routes/0/limits/0/key", json!("client_ip")),
        ("/routes/0/limits/0/cost", json!(1)),
        ("/routes", Value::Null),
    ];
    for (place, value) in rows {
        let mut document = document();
        *document.pointer_mut(place).unwrap() = value;
        assert!(matches!(compile(&document), Err(SnapshotError::Malformed(_))), "{place}");
    }
    for blob in [&b""[..], b"{", b"\xFF", b"[]"] {
        assert!(matches!(Snapshot::compile(blob), Err(SnapshotError::Malformed(_))));
    }
}

/// An unknown key is refused wherever it could be a misspelt rule, and allowed beside the lists.
#[test]
fn unknown_keys_are_allowed_at_the_top_only() {
    let mut document = document();
    document["note"] = json!("for another reader");
    assert!(compile(&document).is_ok());
    for place in ["/listeners/0", "/services/0", "/routes/0", "/routes/0/limits/0"] {
        let mut document = document.clone();
        document.pointer_mut(place).unwrap()["note"] = json!(1);
        assert!(matches!(compile(&document), Err(SnapshotError::Malformed(_))), "{place}");
    }
}

/// Every beginning of a good document is an error and never a fault.
#[test]
fn a_truncated_document_is_refused() {
    let blob = document().to_string().into_bytes();
    for end in 0..blob.len() {
        assert!(Snapshot::compile(&blob[..end]).is_err(), "first {end} bytes");
    }
}

/// A limit keeps its buckets when routes and limits change places, and not when it gets another name.
#[test]
fn identity_is_the_name_and_not_the_place() {
    let before = compile(&document()).unwrap();
    let mut moved = document();
    moved["routes"].as_array_mut().unwrap().reverse();
    moved["routes"][1]["limits"].as_array_mut().unwrap().reverse();
    let after = compile(&moved).unwrap();
    let identity = |snapshot: &Snapshot, name: &str| find_limit(snapshot, name).unwrap().rule.identity;
    assert_eq!(identity(&before, "api/slow"), identity(&after, "api/slow"));
    assert_ne!(identity(&before, "api/slow"), identity(&before, "api/fast"));
    assert_eq!(identity(&before, "api/slow"), Rule::identity_of(Owner::Route("api"), "slow"));
}

/// The owner and the name are the identity, however they would read together; a route is not a service.
#[test]
fn one_owner_and_name_is_one_limit() {
    let all = [
        Rule::identity_of(Owner::Route("a/b"), "c"),
        Rule::identity_of(Owner::Route("a"), "b/c"),
        Rule::identity_of(Owner::Route("ab"), "c"),
        Rule::identity_of(Owner::Service("ab"), "c"),
        Rule::identity_of(Owner::Route("a"), "bc"),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "{index}");
    }
}

/// A limit of a service is found by its name, counts towards those of every route, and is told from a route's.
#[test]
fn services_have_limits() {
    let mut document = document();
    let limit = document["routes"][0]["limits"][0].clone();
    document["services"][0]["limits"] = json!([limit]);
    let snapshot = compile(&document).unwrap();
    let of_service = find_limit(&snapshot, "services.api/slow").unwrap();
    assert_ne!(of_service.rule.identity, find_limit(&snapshot, "api/slow").unwrap().rule.identity);
    assert_eq!(of_service.rule.identity, Rule::identity_of(Owner::Service("api"), "slow"));
    document["services"][0]["limits"] = (0..7)
        .map(|number| {
            let mut other = limit.clone();
            other["name"] = json!(format!("l{number}"));
            other
        })
        .collect();
    assert_eq!(
        compile(&document).unwrap_err().to_string(),
        "routes[0].limits: more than 8 with those of the service"
    );
}

/// Every rule of a limit arrives; those that are not said are the ones that were always in force.
#[test]
fn rules_of_limits_arrive() {
    let mut document = document();
    let limit = &mut document["routes"][0]["limits"][0];
    limit["key"] = json!(["header:x", "client_ip/24/48"]);
    limit["cost"] = json!({"response_header": "X-Cost"});
    for (key, value) in [("missing", "refuse"), ("overflow", "refuse"), ("mode", "shadow"), ("fields", "all")]
    {
        limit[key] = json!(value);
    }
    let snapshot = compile(&document).unwrap();
    let (slow, fast) = (&snapshot.routes[0].limits[0], &snapshot.routes[0].limits[1]);
    assert_eq!((slow.rule.missing, slow.rule.overflow), (Missing::Refuse, Overflow::Refuse));
    assert_eq!((slow.rule.mode, slow.fields), (Mode::Shadow, Fields::All));
    assert_eq!(slow.cost, Cost::ResponseHeader("X-Cost".into()));
    assert_eq!((slow.rate.debt, &*slow.policy), (slow.rate.tolerance, "\"slow\";q=200;w=2"));
    assert_eq!((fast.rule.missing, fast.rule.overflow), (Missing::Own, Overflow::Allow));
    assert_eq!((fast.rule.mode, fast.fields, fast.rate.debt), (Mode::Enforce, Fields::Refused, 0));
    assert_eq!(fast.cost, Cost::Constant(1));
}

/// Concurrency limits of routes and services arrive, and are bounded together.
#[test]
fn concurrency_limits_arrive() {
    let mut document = document();
    let limit = json!({"name": "busy", "row": 9, "most": 3, "key": ["route"], "overflow": "refuse"});
    document["routes"][0]["concurrency"] = json!([limit]);
    document["services"][0]["concurrency"] = json!(vec![limit.clone(); 3]);
    let snapshot = compile(&document).unwrap();
    let [of_route] = snapshot.routes[0].concurrency() else { panic!("one") };
    assert_eq!((of_route.most, of_route.rule.row, of_route.rule.overflow), (3, 9, Overflow::Refuse));
    assert_eq!(of_route.rule.identity, Rule::identity_of(Owner::Route("api"), "busy"));
    assert_eq!(snapshot.services[0].concurrency.len(), 3);
    document["services"][0]["concurrency"] = json!(vec![limit.clone(); 4]);
    let problem = compile(&document).unwrap_err().to_string();
    assert_eq!(problem, "routes[0].concurrency: more than 4 with those of the service");
    document["services"][0]["concurrency"] = json!([{"name": "busy", "row": 9, "most": 0, "key": ["route"]}]);
    let problem = compile(&document).unwrap_err().to_string();
    assert_eq!(problem, "services[0].concurrency[0].most: must be above 0");
}

/// Another client, another limit or another seed is another bucket.
#[test]
fn a_bucket_belongs_to_limit_client_and_seed() {
    let snapshot = compile(&document()).unwrap();
    let (slow, fast) =
        (find_limit(&snapshot, "api/slow").unwrap(), find_limit(&snapshot, "api/fast").unwrap());
    let network = |text: &str| network(text.parse().unwrap(), 32, 64);
    let key = slow.rule.count_key_of(1, &network("192.0.2.1"));
    assert_eq!(key, slow.rule.count_key_of(1, &network("::ffff:192.0.2.1")));
    let others = [
        slow.rule.count_key_of(1, &network("192.0.2.2")),
        slow.rule.count_key_of(1, &network("2001:db8::1")),
        slow.rule.count_key_of(2, &network("192.0.2.1")),
        fast.rule.count_key_of(1, &network("192.0.2.1")),
    ];
    assert!(!others.contains(&key) && key != 0);
}

/// What all requests of the owner have in common tells nobody apart: they have one bucket, whatever is said of their key.
#[test]
fn a_limit_on_all_requests_has_one_bucket() {
    let mut document = document();
    document["routes"][0]["limits"][0]["key"] = json!(["route"]);
    let snapshot = compile(&document).unwrap();
    let [all, clients, ..] = &snapshot.routes[0].limits[..] else { panic!("two") };
    let of_all = |part: &[u8]| all.rule.count_key_of(1, part);
    assert!(all.rule.key == Key::Nothing && of_all(b"a") == of_all(b"b"));
    assert_ne!(of_all(b"a"), all.rule.count_key_of(2, b"a"));
    assert_ne!(of_all(b"a"), clients.rule.count_key_of(1, b"a"));
}

/// A million neighbouring addresses get a million different buckets.
#[test]
fn neighbouring_addresses_do_not_collide() {
    let snapshot = compile(&document()).unwrap();
    let limit = find_limit(&snapshot, "api/slow").unwrap();
    let address = |number: u32| network(number.to_be_bytes().into(), 32, 64);
    let mut keys: Vec<u64> =
        (0..1_000_000).map(|number| limit.rule.count_key_of(9, &address(number))).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 1_000_000);
}

/// A snapshot is compiled on one thread and used on another.
#[test]
fn a_snapshot_may_change_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Snapshot>();
}

/// A service that hashes has a key, a sticky one a cookie, and no other has either; what stands in heads cannot end a line.
#[test]
fn what_requests_are_read_for_fits_the_balance() {
    let cookie = json!({"name": "hg", "secret": "0123456789abcdef", "path": "/", "secure": true, "same_site": "none",
        "max_age_s": 60});
    let with = |balance: Value, key: Value, cookie: Value| {
        let mut document = document();
        let service = &mut document["services"][0];
        (service["balance"], service["key"], service["cookie"]) = (balance, key, cookie);
        compile(&document).map(|snapshot| snapshot.services[0].reading.clone())
    };
    let hash = json!({"hash": {"bounded_load": 125}});
    assert!(matches!(with(hash.clone(), json!("path"), Value::Null), Ok(Reading::Key(Part::Path))));
    assert!(matches!(with(json!("sticky"), Value::Null, cookie.clone()), Ok(Reading::Cookie(_))));
    assert!(matches!(with(json!("random"), Value::Null, Value::Null), Ok(Reading::Nothing)));
    for (balance, key, cookie) in [
        (hash.clone(), Value::Null, Value::Null),
        (hash.clone(), json!("body"), Value::Null),
        (hash, json!("path"), cookie.clone()),
        (json!({"hash": {"bounded_load": 100}}), json!("path"), Value::Null),
        (json!("sticky"), Value::Null, Value::Null),
        (json!("random"), json!("path"), Value::Null),
        (json!("random"), Value::Null, cookie.clone()),
    ] {
        assert!(with(balance.clone(), key, cookie).is_err(), "{balance}");
    }
    for (field, value) in [
        ("name", "a b"),
        ("name", "a\r\n"),
        ("path", "x"),
        ("path", "/;"),
        ("path", "/\n"),
        ("secret", "short"),
    ] {
        let mut wrong = cookie.clone();
        wrong[field] = json!(value);
        assert!(with(json!("sticky"), Value::Null, wrong).is_err(), "{field}");
    }
}
