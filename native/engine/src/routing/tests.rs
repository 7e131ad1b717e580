//! The precedence of routes, one rule at a time.

use super::{Conditions, Named, RouteMatch, RoutingError, Table, Test};
use crate::address::Networks;
use crate::pattern::Pattern;

/// A table of routes given as (host, path, methods separated by spaces); "" stands for any.
fn table(routes: &[(&str, &str, &str)]) -> Table {
    let lists: Vec<Vec<String>> =
        routes.iter().map(|row| row.2.split_whitespace().map(String::from).collect()).collect();
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let matches: Vec<RouteMatch> = routes
        .iter()
        .zip(&lists)
        .map(|(row, methods)| RouteMatch {
            host: some(row.0),
            path: some(row.1),
            methods,
            ..RouteMatch::default()
        })
        .collect();
    Table::build(&matches).unwrap()
}

/// Asks the table for each row of (host, path, method, expected route).
fn assert_finds(table: &Table, rows: &[(&str, &str, &str, Option<u32>)]) {
    for &(host, path, method, expected) in rows {
        let found = table.find(host.as_bytes(), path.as_bytes(), method.as_bytes(), |_| false);
        assert_eq!(found, expected, "{method} {host}{path}");
    }
}

/// An exact path is neither a prefix, nor blind to case, nor to a slash at the end.
#[test]
fn an_exact_path_matches_itself_only() {
    assert_finds(
        &table(&[("", "/cart", ""), ("", "/", "")]),
        &[
            ("shop", "/cart", "GET", Some(0)),
            ("shop", "/", "GET", Some(1)),
            ("shop", "/cart/", "GET", None),
            ("shop", "/Cart", "GET", None),
            ("shop", "/cart/1", "GET", None),
            ("shop", "/car", "GET", None),
            ("shop", "", "GET", None),
        ],
    );
}

/// A prefix matches its own path and whole segments below it, never a part of a segment.
#[test]
fn a_prefix_matches_by_segments() {
    assert_finds(
        &table(&[("", "/v1/*", "")]),
        &[
            ("", "/v1", "GET", Some(0)),
            ("", "/v1/", "GET", Some(0)),
            ("", "/v1/x/y", "GET", Some(0)),
            ("", "/v1//x", "GET", Some(0)),
            ("", "/v1x", "GET", None),
            ("", "/v1*", "GET", None),
            ("", "/", "GET", None),
            ("", "/x/v1", "GET", None),
        ],
    );
}

/// Among paths: exact, then the longer prefix, then the shorter, then any; the order in the file does not matter.
#[test]
fn the_more_specific_path_wins_whatever_the_order() {
    assert_finds(
        &table(&[
            ("", "", ""),
            ("", "/*", ""),
            ("", "/shop/*", ""),
            ("", "/shop/cart/*", ""),
            ("", "/shop/cart", ""),
            ("", "/shop/cart/items", ""),
        ]),
        &[
            ("", "/shop/cart/items", "GET", Some(5)),
            ("", "/shop/cart", "GET", Some(4)),
            ("", "/shop/cart/", "GET", Some(3)),
            ("", "/shop/cart/items/7", "GET", Some(3)),
            ("", "/shop/cartoon", "GET", Some(2)),
            ("", "/shop", "GET", Some(2)),
            ("", "/shopping", "GET", Some(1)),
            ("", "/", "GET", Some(1)),
            ("", "*", "OPTIONS", Some(0)),
        ],
    );
}

/// Among hosts: exact, then the longer wildcard, then the shorter, then any.
#[test]
fn the_more_specific_host_wins() {
    assert_finds(
        &table(&[
            ("", "", ""),
            ("*.example.com", "", ""),
            ("*.eu.example.com", "", ""),
            ("shop.eu.example.com", "", ""),
        ]),
        &[
            ("shop.eu.example.com", "/", "GET", Some(3)),
            ("api.eu.example.com", "/", "GET", Some(2)),
            ("a.b.eu.example.com", "/", "GET", Some(2)),
            ("eu.example.com", "/", "GET", Some(1)),
            ("a.b.example.com", "/", "GET", Some(1)),
            ("example.com", "/", "GET", Some(0)),
            ("notexample.com", "/", "GET", Some(0)),
            (".example.com", "/", "GET", Some(0)),
            ("", "/", "GET", Some(0)),
        ],
    );
}

/// The host decides before the path: an exact host with any path beats a wildcard host with an exact path.
#[test]
fn host_goes_before_path_and_path_before_method() {
    assert_finds(
        &table(&[
            ("*.example.com", "/a", "GET"),
            ("x.example.com", "", ""),
            ("", "/a", ""),
            ("", "/*", "GET"),
        ]),
        &[
            ("x.example.com", "/a", "GET", Some(1)),
            ("y.example.com", "/a", "GET", Some(0)),
            ("y.example.com", "/a", "POST", Some(2)),
            ("other", "/a", "GET", Some(2)),
            ("other", "/b", "GET", Some(3)),
        ],
    );
}

/// A route that fits by host and path but not by method leaves the request to the next less specific one.
#[test]
fn a_method_that_does_not_fit_falls_through() {
    assert_finds(
        &table(&[
            ("api.example.com", "/v1/items", "GET"),
            ("api.example.com", "/v1/*", "POST"),
            ("*.example.com", "/v1/items", "DELETE"),
            ("", "", "PATCH"),
        ]),
        &[
            ("api.example.com", "/v1/items", "GET", Some(0)),
            ("api.example.com", "/v1/items", "POST", Some(1)),
            ("api.example.com", "/v1/items", "DELETE", Some(2)),
            ("api.example.com", "/v1/items", "PATCH", Some(3)),
            ("api.example.com", "/v1/items", "PUT", None),
            ("api.example.com", "/v1/items", "get", None),
        ],
    );
}

/// A route that names the method beats one that takes all; among equals the earlier in the file wins.
#[test]
fn a_named_method_wins_and_ties_go_to_the_earlier() {
    assert_finds(
        &table(&[
            ("", "/a", ""),
            ("", "/a", "GET HEAD"),
            ("", "/a", "PUT GET"),
            ("", "/a", ""),
            ("", "/a", "OPTIONS"),
        ]),
        &[
            ("", "/a", "GET", Some(1)),
            ("", "/a", "HEAD", Some(1)),
            ("", "/a", "PUT", Some(2)),
            ("", "/a", "OPTIONS", Some(4)),
            ("", "/a", "POST", Some(0)),
        ],
    );
}

/// Case and the root's dot make no other host, in the request as in the route.
#[test]
fn hosts_are_compared_in_canonical_form() {
    assert_finds(
        &table(&[("API.example.com.", "", ""), ("*.Example.ORG", "", "")]),
        &[
            ("api.EXAMPLE.com", "/", "GET", Some(0)),
            ("api.example.com.", "/", "GET", Some(0)),
            ("X.example.org.", "/", "GET", Some(1)),
            ("api.example.com..", "/", "GET", None),
        ],
    );
}

/// A host beyond any DNS name still gets the routes for any host.
#[test]
fn an_overlong_host_matches_only_any_host() {
    let long = format!("{}.example.com", "a".repeat(300));
    assert_finds(
        &table(&[("*.example.com", "", ""), ("", "/open", "")]),
        &[(&long, "/open", "GET", Some(1)), (&long, "/", "GET", None)],
    );
}

/// An empty table answers nothing.
#[test]
fn no_routes_match_nothing() {
    assert_eq!(Table::build(&[]).unwrap().find(b"h", b"/", b"GET", |_| true), None);
}

/// A route that cannot be built is named by its index and its problem.
#[test]
fn a_bad_route_is_named() {
    let good = RouteMatch::default();
    let bad = RouteMatch { path: Some("v1"), ..good };
    let error = Table::build(&[good, bad]).unwrap_err();
    assert_eq!(error, RoutingError { route: 1, problem: "the path does not start with '/'" });
    assert_eq!(error.to_string(), "routes[1]: the path does not start with '/'");
}

/// Conditions with so many fields, cookies and parameters, and with clients and listeners or without.
fn conditions(
    fields: usize,
    cookies: usize,
    parameters: usize,
    clients: bool,
    listeners: bool,
) -> Conditions {
    let named = |count| (0..count).map(|_| Named { name: "x".into(), test: Test::Present }).collect();
    Conditions {
        headers: named(fields),
        cookies: named(cookies),
        query: named(parameters),
        clients: clients.then(Networks::default),
        listeners: if listeners { [0].into() } else { [].into() },
    }
}

/// More is asked earlier: methods, then fields and cookies together, then parameters, clients, listeners, then the file.
#[test]
fn who_asks_more_is_asked_first() {
    let get = ["GET".to_string()];
    let in_order = [
        (&get[..], conditions(0, 0, 0, true, true)),
        (&get[..], conditions(0, 0, 0, false, false)),
        (&[][..], conditions(1, 1, 0, false, false)),
        (&[][..], conditions(1, 0, 2, false, false)),
        (&[][..], conditions(0, 1, 1, true, true)),
        (&[][..], conditions(0, 0, 1, false, false)),
        (&[][..], conditions(0, 0, 0, true, true)),
        (&[][..], conditions(0, 0, 0, true, false)),
        (&[][..], conditions(0, 0, 0, false, true)),
        (&[][..], conditions(0, 0, 0, false, true)),
        (&[][..], conditions(0, 0, 0, false, false)),
    ];
    // In the file they stand the other way round, but for the two that are alike.
    let order = [10, 8, 9, 7, 6, 5, 4, 3, 2, 1, 0];
    let routes = order.map(|place: usize| RouteMatch {
        methods: in_order[place].0,
        conditions: Some(&in_order[place].1),
        ..RouteMatch::default()
    });
    let table = Table::build(&routes).unwrap();
    let asked = std::cell::RefCell::new(vec![]);
    let note = |it: &Conditions| {
        asked.borrow_mut().push(it.rank());
        false
    };
    assert_eq!(table.find(b"", b"/", b"PUT", note), Some(0), "the plain one is left");
    let expected: Vec<_> = in_order[2..10].iter().map(|(_, conditions)| conditions.rank()).collect();
    assert_eq!(*asked.borrow(), expected);
    assert_eq!(table.find(b"", b"/", b"GET", |_| true), Some(10));
    assert_eq!(table.find(b"", b"/", b"GET", |_| false), Some(9));
    assert_eq!(table.find(b"", b"/", b"PUT", |it| it.rank() == (0, 0, false, true)), Some(1), "the earlier");
}

/// A route whose conditions are not met leaves the request to less specific ones, at every level.
#[test]
fn unmet_conditions_fall_through() {
    let asking = conditions(1, 0, 0, false, false);
    let route = |host, path, conditions| RouteMatch { host, path, conditions, ..RouteMatch::default() };
    let table = Table::build(&[
        route(Some("a.b"), Some("/x"), Some(&asking)),
        route(Some("a.b"), Some("/*"), Some(&asking)),
        route(Some("*.b"), Some("/x"), Some(&asking)),
        route(None, None, None),
    ])
    .unwrap();
    assert_eq!(table.find(b"a.b", b"/x", b"GET", |_| true), Some(0));
    assert_eq!(table.find(b"a.b", b"/y", b"GET", |_| true), Some(1));
    assert_eq!(table.find(b"c.b", b"/x", b"GET", |_| true), Some(2));
    assert_eq!(table.find(b"a.b", b"/x", b"GET", |_| false), Some(3));
}

/// A pattern goes behind an exact path and before every prefix; among patterns methods and conditions decide.
#[test]
fn a_pattern_stands_between_exact_paths_and_prefixes() {
    let (items, any) = (Pattern::parse("/items/[0-9]+").unwrap(), Pattern::parse("/items/.*").unwrap());
    let get = ["GET".to_string()];
    let by = |pattern| RouteMatch { pattern: Some(pattern), ..RouteMatch::default() };
    let path = |path| RouteMatch { path: Some(path), ..RouteMatch::default() };
    let table = Table::build(&[
        path("/items/7/*"),
        by(&any),
        by(&items),
        RouteMatch { methods: &get, ..by(&items) },
        path("/items/7"),
    ])
    .unwrap();
    assert_finds(
        &table,
        &[
            ("", "/items/7", "GET", Some(4)),
            ("", "/items/8", "GET", Some(3)),
            ("", "/items/8", "PUT", Some(1)),
            ("", "/items/7/photos", "GET", Some(1)),
            ("", "/items", "GET", None),
        ],
    );
    let twice = RouteMatch { path: Some("/"), ..by(&any) };
    assert_eq!(Table::build(&[twice]).unwrap_err().problem, "the path is given twice");
}
