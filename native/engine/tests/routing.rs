//! The routing table against a slow, obvious reference: a scan of all routes with a sort key.

// The functions around the tests are tests, too; clippy sees only what is marked so.
#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;

use headgate_engine::routing::{RouteMatch, Table};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Debug)]
struct Route {
    host: Option<String>,
    path: Option<String>,
    methods: Vec<String>,
}

fn build(routes: &[Route]) -> Table {
    let matches: Vec<RouteMatch> = routes
        .iter()
        .map(|route| RouteMatch {
            host: route.host.as_deref(),
            path: route.path.as_deref(),
            methods: &route.methods,
        })
        .collect();
    Table::build(&matches).unwrap()
}

/// How well a host fits: `None` not at all, otherwise (exact, labels named).
fn host_fit(pattern: Option<&str>, host: &str) -> Option<(bool, usize)> {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let Some(pattern) = pattern else { return Some((false, 0)) };
    if host.len() > 255 {
        return None;
    }
    match pattern.strip_prefix("*.") {
        None => (pattern == host).then_some((true, 0)),
        Some(parent) => {
            let below = host.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.'));
            below.filter(|labels| !labels.is_empty()).map(|_| (false, parent.split('.').count()))
        }
    }
}

/// How well a path fits: `None` not at all, otherwise (exact, 1 + segments of the prefix).
fn path_fit(pattern: Option<&str>, path: &str) -> Option<(bool, usize)> {
    let Some(pattern) = pattern else { return Some((false, 0)) };
    match pattern.strip_suffix("/*") {
        None => (pattern == path).then_some((true, 0)),
        Some(prefix) => {
            let below = path.strip_prefix(prefix)?;
            (below.is_empty() || below.starts_with('/')).then_some((false, prefix.split('/').count()))
        }
    }
}

/// How well a method fits: `None` not at all, otherwise whether it is named.
fn method_fit(methods: &[String], method: &str) -> Option<bool> {
    let named = methods.iter().any(|name| name == method);
    (named || methods.is_empty()).then_some(named)
}

fn reference(routes: &[Route], host: &str, path: &str, method: &str) -> Option<u32> {
    let fits = |(index, route): (usize, &Route)| {
        let host = host_fit(route.host.as_deref(), host)?;
        let path = path_fit(route.path.as_deref(), path)?;
        let method = method_fit(&route.methods, method)?;
        Some((host, path, method, Reverse(index)))
    };
    routes.iter().enumerate().filter_map(fits).max().map(|(_, _, _, Reverse(index))| index as u32)
}

/// Names of one to four labels from two letters, so that hosts are often equal or below each other.
fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&["a", "b"][..]), 1..=4).prop_map(|labels| labels.join("."))
}

fn host_pattern() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        2 => name().prop_map(Some),
        2 => name().prop_map(|name| Some(format!("*.{name}"))),
    ]
}

/// Hosts that clients send: besides plain names also other case, the root's dot, empty labels, nothing, and too much.
fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => name(),
        1 => name().prop_map(|name| name.to_uppercase()),
        1 => name().prop_map(|name| name + "."),
        1 => name().prop_map(|name| format!(".{name}")),
        1 => name().prop_map(|name| format!("a..{name}")),
        1 => name().prop_map(|name| format!("{}.{name}", "a".repeat(253))),
        1 => Just(String::new()),
    ]
}

/// Paths of up to four segments from four, where the empty one makes doubled and ending slashes.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&["x", "y", "xx", ""][..]), 0..=4)
        .prop_map(|segments| segments.iter().fold(String::new(), |path, segment| path + "/" + segment))
}

fn path_pattern() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        2 => path().prop_map(|path| Some(if path.is_empty() { "/".into() } else { path })),
        3 => path().prop_map(|path| Some(path + "/*")),
    ]
}

fn request_path() -> impl Strategy<Value = String> {
    prop_oneof![12 => path(), 1 => Just("*".to_string()), 1 => Just("x/y".to_string())]
}

const METHODS: [&str; 4] = ["GET", "PUT", "get", "GETS"];

fn route() -> impl Strategy<Value = Route> {
    let methods = prop::collection::vec(select(&METHODS[..3]).prop_map(String::from), 0..=2);
    (host_pattern(), path_pattern(), methods).prop_map(|(host, path, methods)| Route { host, path, methods })
}

fn cases() -> ProptestConfig {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    ProptestConfig { cases: if proof { 100_000 } else { 2_000 }, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Over any set of routes, every request goes to the route that the reference names.
    #[test]
    fn the_table_agrees_with_the_scan(
        routes in prop::collection::vec(route(), 0..16),
        requests in prop::collection::vec((host(), request_path(), select(&METHODS[..])), 1..24),
    ) {
        let table = build(&routes);
        for (host, path, method) in requests {
            let found = table.find(host.as_bytes(), path.as_bytes(), method.as_bytes());
            prop_assert_eq!(found, reference(&routes, &host, &path, method), "{} {}{}", method, host, path);
        }
    }

    /// Whatever bytes come as host, path and method, a lookup answers and never faults.
    #[test]
    fn any_bytes_are_answered(
        routes in prop::collection::vec(route(), 0..8),
        host: Vec<u8>,
        path: Vec<u8>,
        method: Vec<u8>,
    ) {
        let found = build(&routes).find(&host, &path, &method);
        prop_assert!(found.is_none_or(|index| (index as usize) < routes.len()));
    }
}

/// Ten thousand routes on ten thousand hosts and paths are each found, and strangers are not.
#[test]
fn ten_thousand_routes_are_each_found() {
    let routes: Vec<Route> = (0..10_000)
        .map(|number| Route {
            host: Some(format!("{}h{}.example.com", if number % 2 == 0 { "*." } else { "" }, number % 100)),
            path: Some(format!("/p{number}/*")),
            methods: vec![],
        })
        .collect();
    let table = build(&routes);
    for number in 0..10_000u32 {
        let host = format!("{}h{}.example.com", if number % 2 == 0 { "x." } else { "" }, number % 100);
        let path = format!("/p{number}/item");
        assert_eq!(table.find(host.as_bytes(), path.as_bytes(), b"GET"), Some(number));
        let elsewhere = format!("/p{}/item", number + 1);
        assert_eq!(table.find(host.as_bytes(), elsewhere.as_bytes(), b"GET"), None);
    }
}
