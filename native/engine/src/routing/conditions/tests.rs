//! Each condition by itself: what meets it, and what leads around none.

use super::*;
use crate::http1::head::{slots, HeadLimits};
use crate::http1::path::Kept;

const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 8192, fields: 100, target: 8192 };

/// Asks for a request with this target and these lines of fields, from a proxy that is trusted or not.
fn unmet<'c>(conditions: &'c Conditions, target: &str, lines: &str, is_trusted: bool) -> Option<Unmet<'c>> {
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let mut slots = slots();
    let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
    let client = "192.0.2.7".parse().unwrap();
    conditions.first_unmet(&Arrival { request: &request, client, is_trusted, listener: 1 })
}

fn is_met(conditions: &Conditions, target: &str, lines: &str) -> bool {
    unmet(conditions, target, lines, false).is_none()
}

fn named(name: &str, test: Test) -> Box<[Named]> {
    Box::new([Named { name: name.into(), test }])
}

fn exact(value: &str) -> Test {
    Test::Exact(value.as_bytes().into())
}

fn header(name: &str, test: Test) -> Conditions {
    Conditions { headers: named(name, test), ..Conditions::default() }
}

fn cookie(name: &str, test: Test) -> Conditions {
    Conditions { cookies: named(name, test), ..Conditions::default() }
}

fn parameter(name: &str, test: Test) -> Conditions {
    Conditions { query: named(name, test), ..Conditions::default() }
}

#[test]
fn nothing_is_asked_by_default() {
    assert!(Conditions::default().is_empty() && is_met(&Conditions::default(), "/", ""));
    assert!(!header("a", Test::Present).is_empty() && !cookie("a", Test::Absent).is_empty());
    assert!(!parameter("a", Test::Present).is_empty());
    assert!(!Conditions { clients: Some(Networks::default()), ..Conditions::default() }.is_empty());
    assert!(!Conditions { listeners: Box::new([0]), ..Conditions::default() }.is_empty());
}

/// A name in any case and spelling, a value byte by byte; one of several lines is enough.
#[test]
fn a_field_has_a_value() {
    let two = header("x-version", exact("two"));
    for lines in [
        "X-Version: two\r\n",
        "x-VERSION:two  \r\n",
        "X_Version: two\r\n",
        "x-version: one\r\nx-version: two\r\n",
    ] {
        assert!(is_met(&two, "/", lines), "{lines:?}");
    }
    for lines in [
        "",
        "X-Version: Two\r\n",
        "X-Version: two three\r\n",
        "X-Version: one, two\r\n",
        "X-Versio: two\r\n",
        "X-Version2: two\r\n",
        "X-Version:\r\n",
    ] {
        assert_eq!(unmet(&two, "/", lines, false), Some(Unmet::Header("x-version")), "{lines:?}");
    }
}

#[test]
fn a_field_is_there_or_not() {
    let (present, absent) = (header("x-beta", Test::Present), header("x-beta", Test::Absent));
    for (lines, there) in
        [("", false), ("X-Beta:\r\n", true), ("x_beta: no\r\n", true), ("X-Betas: 1\r\n", false)]
    {
        assert_eq!((is_met(&present, "/", lines), is_met(&absent, "/", lines)), (there, !there), "{lines:?}");
    }
}

#[test]
fn a_field_matches_an_expression_as_a_whole() {
    let mobile = header("user-agent", Test::Pattern(Pattern::parse(".*(?i:mobile).*").unwrap()));
    assert!(is_met(&mobile, "/", "User-Agent: Mozilla/5.0 (MOBILE)\r\n"));
    assert!(!is_met(&mobile, "/", "User-Agent: curl\r\n"));
    let digits = header("x-id", Test::Pattern(Pattern::parse("[0-9]+").unwrap()));
    assert!(is_met(&digits, "/", "X-Id: 42\r\n") && !is_met(&digits, "/", "X-Id: 42x\r\n"));
}

/// Fields that the instance does not get, or that nobody vouches for, are as if they had not been sent.
#[test]
fn only_fields_that_go_on_count() {
    let beta = header("x-beta", Test::Present);
    assert!(!is_met(&beta, "/", "Connection: x-beta\r\nX-Beta: 1\r\n"), "ends at this hop");
    assert!(!is_met(&header("proxy-authorization", Test::Present), "/", "Proxy-Authorization: x\r\n"));
    assert!(!is_met(&header("content-type", Test::Present), "/", ""));
    let secure = header("x-forwarded-proto", exact("https"));
    for (lines, is_trusted, met) in [
        ("X-Forwarded-Proto: https\r\n", true, true),
        ("X-Forwarded-Proto: https\r\n", false, false),
        ("X_Forwarded_Proto: https\r\n", true, false),
    ] {
        assert_eq!(unmet(&secure, "/", lines, is_trusted).is_none(), met, "{lines:?} {is_trusted}");
    }
    let socket = header("upgrade", exact("websocket"));
    assert!(is_met(&socket, "/", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
    assert!(!is_met(&socket, "/", "Upgrade: websocket\r\n"), "an upgrade that is none");
}

/// What is written by the gateway itself is nothing that the client sent.
#[test]
fn fields_that_go_on_otherwise_do_not_count() {
    for (name, lines) in [
        ("te", "Connection: te\r\nTE: trailers\r\n"),
        ("connection", "Connection: keep-alive\r\n"),
        ("content-length", "Content-Length: 0\r\n"),
        ("transfer-encoding", "Transfer-Encoding: chunked\r\n"),
        ("trailer", "Trailer: x\r\n"),
        ("x-request-id", "X-Request-Id: not one\r\n"),
        ("x-request-id", "X-Request-Id: a\r\nX-Request-Id: b\r\n"),
        ("cookie", "Connection: cookie\r\nCookie: beta=yes\r\n"),
    ] {
        assert!(is_met(&header(name, Test::Absent), "/", lines), "{lines:?}");
    }
    for (name, lines) in [
        ("x-request-id", "X-Request-Id: abc\r\n"),
        ("x-request-id", "Connection: x-request-id\r\nX-Request-Id: abc\r\n"),
        ("host", ""),
        ("trailer", "Trailer: x\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        assert!(is_met(&header(name, Test::Present), "/", lines), "{lines:?}");
    }
    assert!(!is_met(&cookie("beta", Test::Present), "/", "Connection: cookie\r\nCookie: beta=yes\r\n"));
}

#[test]
fn cookies_are_told_apart() {
    let yes = cookie("beta", exact("yes"));
    for lines in ["Cookie: beta=yes\r\n", "Cookie: a=b; beta=yes\r\n", "Cookie: beta=no;beta=yes\r\n"] {
        assert!(is_met(&yes, "/", lines), "{lines:?}");
    }
    for lines in ["", "Cookie: Beta=yes\r\n", "Cookie: beta=yes2\r\n", "Cookie: xbeta=yes\r\n"] {
        assert_eq!(unmet(&yes, "/", lines, false), Some(Unmet::Cookie("beta")), "{lines:?}");
    }
}

/// No encoding of a query leads around a parameter.
#[test]
fn parameters_are_compared_decoded() {
    let debug = parameter("debug", exact("1 0"));
    for target in ["/?debug=1+0", "/?debug=1%200", "/?%64ebug=%31+0", "/?debug=0&debug=1%200"] {
        assert!(is_met(&debug, target, ""), "{target}");
    }
    for target in ["/", "/?debug=10", "/?Debug=1+0", "/debug=1+0", "/?x=debug=1+0"] {
        assert_eq!(unmet(&debug, target, "", false), Some(Unmet::Query("debug")), "{target}");
    }
    assert!(is_met(&parameter("debug", Test::Present), "/?debug", ""));
    assert!(is_met(&parameter("debug", Test::Absent), "/?debu", ""));
}

#[test]
fn clients_and_listeners_are_told_apart() {
    let clients = |network: &str| Conditions {
        clients: Some(Networks::parse(&[network]).unwrap()),
        ..Conditions::default()
    };
    assert!(is_met(&clients("192.0.2.0/24"), "/", ""));
    assert_eq!(unmet(&clients("10.0.0.0/8"), "/", "", true), Some(Unmet::Client));
    let at = |numbers: &[u32]| Conditions { listeners: numbers.into(), ..Conditions::default() };
    assert!(is_met(&at(&[0, 1]), "/", ""));
    assert_eq!(unmet(&at(&[0, 2]), "/", "", true), Some(Unmet::Listener));
}

/// Every condition must be met, and the first that is not is named.
#[test]
fn all_must_be_met() {
    let both = Conditions {
        headers: Box::new([
            Named { name: "a".into(), test: Test::Present },
            Named { name: "b".into(), test: Test::Present },
        ]),
        ..parameter("q", Test::Present)
    };
    assert!(is_met(&both, "/?q", "A: 1\r\nB: 2\r\n"));
    assert_eq!(unmet(&both, "/?q", "A: 1\r\n", false), Some(Unmet::Header("b")));
    assert_eq!(unmet(&both, "/", "A: 1\r\nB: 1\r\n", false), Some(Unmet::Query("q")));
}
