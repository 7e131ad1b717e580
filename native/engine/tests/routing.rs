//! The routing table against a slow, obvious reference: a scan of all routes with a sort key.

// The functions around the tests are tests, too; clippy sees only what is marked so.
#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;

use headgate_engine::http1::head::{slots, HeadLimits, Request};
use headgate_engine::http1::path::Kept;
use headgate_engine::pattern::Pattern;
use headgate_engine::routing::{Arrival, Conditions, Named, RouteMatch, Table, Test};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Debug)]
struct Route {
    host: Option<String>,
    path: Option<String>,
    /// Alternatives, each a whole path; beside them there is no `path`.
    pattern: Option<Vec<String>>,
    methods: Vec<String>,
    /// Names and values that header fields have, and parameters; no value stands for any.
    headers: Vec<(&'static str, Option<&'static str>)>,
    query: Vec<(&'static str, Option<&'static str>)>,
    listeners: Vec<u32>,
}

/// What a client sends, before it is spelled.
#[derive(Clone, Debug)]
struct Asked {
    host: String,
    path: String,
    method: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
    listener: u32,
    /// Chooses among the spellings of one meaning.
    spelling: u64,
}

fn build(routes: &[Route]) -> Table {
    let named = |tests: &[(&'static str, Option<&'static str>)]| -> Box<[Named]> {
        let test =
            |value: Option<&str>| value.map_or(Test::Present, |value| Test::Exact(value.as_bytes().into()));
        tests.iter().map(|&(name, value)| Named { name: name.into(), test: test(value) }).collect()
    };
    let conditions: Vec<Conditions> = routes
        .iter()
        .map(|route| Conditions {
            headers: named(&route.headers),
            query: named(&route.query),
            listeners: route.listeners.as_slice().into(),
            ..Conditions::default()
        })
        .collect();
    let patterns: Vec<Option<Pattern>> = routes
        .iter()
        .map(|route| Some(Pattern::parse(&route.pattern.as_ref()?.join("|")).unwrap()))
        .collect();
    let matches: Vec<RouteMatch> = routes
        .iter()
        .zip(&conditions)
        .zip(&patterns)
        .map(|((route, conditions), pattern)| RouteMatch {
            host: route.host.as_deref(),
            path: route.path.as_deref(),
            pattern: pattern.as_ref(),
            methods: &route.methods,
            conditions: Some(conditions),
        })
        .collect();
    Table::build(&matches).unwrap()
}

/// What the table finds, asked with a head in one of the spellings that mean the same.
fn find(table: &Table, asked: &Asked) -> Option<u32> {
    let pick = |at: u32| asked.spelling.rotate_right(at) & 1 == 0;
    let spelled = |text: &str, at: u32| -> String {
        let byte = |byte: u8| if pick(at) { format!("%{byte:02x}") } else { char::from(byte).to_string() };
        text.bytes().map(byte).collect()
    };
    let query: Vec<String> = asked
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", spelled(name, 3), spelled(value, 4)))
        .collect();
    let fields: Vec<String> = asked
        .headers
        .iter()
        .map(|(name, value)| {
            let name = if pick(5) { name.to_uppercase() } else { name.to_string() };
            format!("{}: {value}\r\n", if pick(6) { name.replace('-', "_") } else { name })
        })
        .collect();
    let head = format!("GET /?{} HTTP/1.1\r\nHost: a\r\n{}\r\n", query.join("&"), fields.concat());
    let limits = HeadLimits { head: 8192, line: 8192, fields: 100, target: 8192 };
    let mut slots = slots();
    let request = Request::parse(head.as_bytes(), &mut slots, &limits, Kept::NONE).unwrap();
    let client = "192.0.2.1".parse().unwrap();
    let arrival = Arrival { request: &request, client, is_trusted: false, listener: asked.listener };
    let met = |conditions: &Conditions| conditions.are_met(&arrival);
    table.find(asked.host.as_bytes(), asked.path.as_bytes(), asked.method.as_bytes(), met)
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

/// How well a path fits: `None` not at all, otherwise (exact, by a pattern, 1 + segments of the prefix).
fn path_fit(route: &Route, path: &str) -> Option<(bool, bool, usize)> {
    if let Some(alternatives) = &route.pattern {
        return alternatives.iter().any(|one| one == path).then_some((false, true, 0));
    }
    let Some(pattern) = &route.path else { return Some((false, false, 0)) };
    match pattern.strip_suffix("/*") {
        None => (pattern == path).then_some((true, false, 0)),
        Some(prefix) => {
            let below = path.strip_prefix(prefix)?;
            let fits = below.is_empty() || below.starts_with('/');
            fits.then_some((false, false, prefix.split('/').count()))
        }
    }
}

/// How much is asked of named values: `None` when some of it is not there.
fn named_fit(asked: &[(&str, Option<&str>)], sent: &[(&str, &str)]) -> Option<usize> {
    let is_there = |(name, value): &(&str, Option<&str>)| {
        sent.iter().any(|(other, found)| name == other && value.is_none_or(|value| value == *found))
    };
    asked.iter().all(is_there).then_some(asked.len())
}

/// Is the listener named? `None` when another one is.
fn listener_fit(listeners: &[u32], listener: u32) -> Option<bool> {
    (listeners.is_empty() || listeners.contains(&listener)).then_some(!listeners.is_empty())
}

/// How well a method fits: `None` not at all, otherwise whether it is named.
fn method_fit(methods: &[String], method: &str) -> Option<bool> {
    let named = methods.iter().any(|name| name == method);
    (named || methods.is_empty()).then_some(named)
}

fn reference(routes: &[Route], asked: &Asked) -> Option<u32> {
    let fits = |(index, route): (usize, &Route)| {
        let host = host_fit(route.host.as_deref(), &asked.host)?;
        let path = path_fit(route, &asked.path)?;
        let method = method_fit(&route.methods, asked.method)?;
        let headers = named_fit(&route.headers, &asked.headers)?;
        let query = named_fit(&route.query, &asked.query)?;
        let listener = listener_fit(&route.listeners, asked.listener)?;
        Some((host, path, method, headers, query, listener, Reverse(index)))
    };
    routes.iter().enumerate().filter_map(fits).max().map(|fit| fit.6 .0 as u32)
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

const FIELDS: [&str; 2] = ["x-a", "x-b-c"];
const PARAMETERS: [&str; 2] = ["a", "b-c"];
const VALUES: [&str; 3] = ["", "1", "two"];

fn tests(names: &'static [&'static str]) -> impl Strategy<Value = Vec<(&'static str, Option<&'static str>)>> {
    let test = prop::option::of(select(&VALUES[..]));
    prop_oneof![
        2 => Just(vec![]),
        1 => prop::collection::btree_map(select(names), test, 0..=2).prop_map(|it| it.into_iter().collect()),
    ]
}

fn sent(names: &'static [&'static str]) -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    prop::collection::vec((select(names), select(&VALUES[..])), 0..=3)
}

fn route() -> impl Strategy<Value = Route> {
    let methods = prop::collection::vec(select(&METHODS[..3]).prop_map(String::from), 0..=2);
    let pattern = prop::option::weighted(0.2, prop::collection::vec(path().prop_map(|it| it + "/x"), 1..=3));
    let listeners = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(0..3_u32, 1..=2)];
    let place = (host_pattern(), path_pattern(), pattern);
    (place, methods, tests(&FIELDS), tests(&PARAMETERS), listeners).prop_map(
        |((host, path, pattern), methods, headers, query, listeners)| {
            let path = path.filter(|_| pattern.is_none());
            Route { host, path, pattern, methods, headers, query, listeners }
        },
    )
}

fn asked() -> impl Strategy<Value = Asked> {
    let place = (host(), request_path(), select(&METHODS[..]));
    (place, sent(&FIELDS), sent(&PARAMETERS), 0..3_u32, any::<u64>()).prop_map(
        |((host, path, method), headers, query, listener, spelling)| Asked {
            host,
            path,
            method,
            headers,
            query,
            listener,
            spelling,
        },
    )
}

fn cases() -> ProptestConfig {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    ProptestConfig { cases: if proof { 100_000 } else { 2_000 }, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Over any set of routes, every request goes to the route that the reference names, however it is spelled.
    #[test]
    fn the_table_agrees_with_the_scan(
        routes in prop::collection::vec(route(), 0..16),
        requests in prop::collection::vec(asked(), 1..24),
    ) {
        let table = build(&routes);
        for asked in requests {
            prop_assert_eq!(find(&table, &asked), reference(&routes, &asked), "{:?}", asked);
        }
    }

    /// Whatever bytes come as host, path and method, a lookup answers and never faults.
    #[test]
    fn any_bytes_are_answered(
        routes in prop::collection::vec(route(), 0..8),
        host: Vec<u8>,
        path: Vec<u8>,
        method: Vec<u8>,
        met: bool,
    ) {
        let found = build(&routes).find(&host, &path, &method, |_| met);
        prop_assert!(found.is_none_or(|index| (index as usize) < routes.len()));
    }
}

/// Ten thousand routes on ten thousand hosts and paths are each found, and strangers are not.
#[test]
fn ten_thousand_routes_are_each_found() {
    let places: Vec<(String, String)> = (0..10_000)
        .map(|number| {
            let wildcard = if number % 2 == 0 { "*." } else { "" };
            (format!("{wildcard}h{}.example.com", number % 100), format!("/p{number}/*"))
        })
        .collect();
    let routes: Vec<RouteMatch> = places
        .iter()
        .map(|(host, path)| RouteMatch { host: Some(host), path: Some(path), ..RouteMatch::default() })
        .collect();
    let table = Table::build(&routes).unwrap();
    for number in 0..10_000u32 {
        let host = format!("{}h{}.example.com", if number % 2 == 0 { "x." } else { "" }, number % 100);
        let path = format!("/p{number}/item");
        assert_eq!(table.find(host.as_bytes(), path.as_bytes(), b"GET", |_| false), Some(number));
        let elsewhere = format!("/p{}/item", number + 1);
        assert_eq!(table.find(host.as_bytes(), elsewhere.as_bytes(), b"GET", |_| false), None);
    }
}
