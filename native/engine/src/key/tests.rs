//! Keys as they are read from heads.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use proptest::prelude::*;

use super::*;
use crate::http1::head::{slots, HeadLimits};
use crate::http1::path::Kept;

const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 8192, fields: 100, target: 8192 };
const CLIENT: &str = "192.0.2.1";

/// What a key makes of a request by `client`: its hash, and whether the request has all parts.
fn hashed(parts: &[&str], client: &str, head: &str) -> (u64, bool) {
    let mut slots = slots();
    let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
    let subject = Subject { request: &request, client: client.parse().unwrap(), route: "r", service: "s" };
    let mut hasher = FixedState::default().build_hasher();
    let complete = Key::parse(parts, &[]).unwrap().hash(&subject, &mut hasher).is_ok();
    (hasher.finish(), complete)
}

fn head(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: Example.COM.:8080\r\n{fields}\r\n")
}

/// The part of a request, as text.
fn part(part: &str, target: &str, fields: &str) -> Option<String> {
    let head = head(target, fields);
    let mut slots = slots();
    let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
    let subject = Subject { request: &request, client: CLIENT.parse().unwrap(), route: "r", service: "s" };
    Part::parse(part).unwrap().read(&subject, |value| value.map(|it| String::from_utf8(it.to_vec()).unwrap()))
}

#[test]
fn parts_have_these_forms_and_no_other() {
    for right in [
        "client_ip",
        "client_ip/24/64",
        "client_ip/0/0",
        "client_ip/32/128",
        "header:X-User",
        "cookie:id",
        "query:q[]",
        "path",
        "host",
        "route",
        "service",
    ] {
        assert!(Part::parse(right).is_some(), "{right}");
    }
    for wrong in [
        "",
        "client_ip:",
        "client_ip/24",
        "client_ip/33/64",
        "client_ip/24/129",
        "client_ip/+1/1",
        "client_ip//",
        "path:",
        "path:x",
        "header",
        "header:",
        "header:a b",
        "header:a:b",
        "cookie:",
        "cookie:a=b",
        "query:",
        "query:a&b",
        "query:\u{e9}",
        "body",
        "Path",
    ] {
        assert_eq!(Part::parse(wrong), None, "{wrong}");
    }
    assert_eq!(Key::parse(&["path", "pth"], &[]), Err(1));
    assert_eq!(Key::parse::<&str>(&[], &[]), Err(0));
}

#[test]
fn a_field_is_known_in_any_case_and_the_first_counts() {
    assert_eq!(part("header:X-User", "/", "x-uSER: ann\r\nX-User: bob\r\n").unwrap(), "ann");
    assert_eq!(part("header:X-User", "/", "X-User2: ann\r\n"), None);
    assert_eq!(part("header:X-User", "/", "X-User:\r\nX-User: bob\r\n"), None);
}

#[test]
fn a_cookie_is_found_among_others() {
    assert_eq!(part("cookie:id", "/", "Cookie: xid=1; id=2; id=3\r\n").unwrap(), "2");
    assert_eq!(part("cookie:id", "/", "Cookie: a=1\r\ncookie:  id=2\r\n").unwrap(), "2");
    assert_eq!(part("cookie:id", "/", "Cookie: ID=1; id\r\nCookie2: id=4\r\n"), None);
    assert_eq!(part("cookie:id", "/", "Cookie: id=\r\n"), None);
}

#[test]
fn a_query_parameter_is_found_among_others() {
    assert_eq!(part("query:q", "/a?xq=1&q=%41?&q=3", "").unwrap(), "%41?");
    assert_eq!(part("query:q", "/q=1?Q=2&q", ""), None);
    assert_eq!(part("query:q", "/", ""), None);
}

#[test]
fn path_and_host_are_canonical() {
    assert_eq!(part("path", "/a/../b%7E?x=1", "").unwrap(), "/b~");
    assert_eq!(part("host", "/", "").unwrap(), "example.com");
    assert_eq!(
        (part("route", "/", "").unwrap(), part("service", "/", "").unwrap()),
        ("r".into(), "s".into())
    );
}

#[test]
fn a_request_without_a_host_has_none() {
    assert!(!hashed(&["host"], CLIENT, "GET / HTTP/1.0\r\n\r\n").1);
}

/// Addresses of one network are one client, whichever form an IPv4 address has.
#[test]
fn a_prefix_makes_one_client_of_a_network() {
    let of = |key: &str, client: &str| hashed(&[key], client, &head("/", ""));
    for (key, one, other, same) in [
        ("client_ip", "192.0.2.1", "::ffff:192.0.2.1", true),
        ("client_ip", "192.0.2.1", "192.0.2.2", false),
        ("client_ip", "2001:db8::1", "2001:db8::ffff:0:0:1", true),
        ("client_ip", "2001:db8::1", "2001:db8:0:1::1", false),
        ("client_ip/24/128", "192.0.2.1", "192.0.2.255", true),
        ("client_ip/24/128", "192.0.2.1", "192.0.3.1", false),
        ("client_ip/24/128", "2001:db8::1", "2001:db8::2", false),
        ("client_ip/32/48", "2001:db8:0:1::", "2001:db8:0:2::", true),
        ("client_ip/0/0", "192.0.2.1", "10.0.0.1", true),
        ("client_ip/0/0", "2001:db8::1", "fd00::1", true),
        ("client_ip/0/0", "2001:db8::1", "192.0.2.1", false),
    ] {
        assert_eq!(of(key, one) == of(key, other), same, "{key}: {one} and {other}");
    }
}

/// ("ab", "c") is another key than ("a", "bc"), and what is missing another than what is empty or moved.
#[test]
fn parts_are_kept_apart() {
    let of = |fields: &str| hashed(&["header:a", "header:b"], CLIENT, &head("/", fields));
    let all = [of("a: ab\r\nb: c\r\n"), of("a: a\r\nb: bc\r\n"), of("a: abc\r\n"), of("b: abc\r\n"), of("")];
    for (index, one) in all.iter().enumerate() {
        assert_eq!(one.1, index < 2, "only the first two are complete");
        assert!(all[..index].iter().all(|other| other.0 != one.0), "{index}");
    }
}

#[test]
fn a_key_is_of_clients_when_one_part_is() {
    let is = |parts: &[&str]| Key::parse(parts, &[]).unwrap().is_of_clients();
    assert!(is(&["client_ip"]) && is(&["route", "header:x"]) && is(&["cookie:a"]) && is(&["query:a"]));
    assert!(!is(&["route"]) && !is(&["service", "host", "path"]));
}

proptest! {
    /// The hash of two parts is the same when both are, and only then.
    #[test]
    fn equal_parts_and_no_others_are_one_key(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", d in "[a-c]{0,3}") {
        let of = |one: &str, two: &str| {
            hashed(&["header:x", "query:q"], CLIENT, &head(&format!("/?q={two}"), &format!("X: {one}\r\n"))).0
        };
        prop_assert_eq!(of(&a, &b) == of(&c, &d), (&a, &b) == (&c, &d));
    }

    /// No text is read as a part that is written in another way, and none makes a fault.
    #[test]
    fn reading_is_total(text in "\\PC{0,40}") {
        let _ = Part::parse(&text);
    }
}

/// No spelling of a name that an instance may take for it leads around a key.
#[test]
fn a_field_is_known_in_any_spelling() {
    for part in ["header:X-Api-Key", "header:x_api_key"] {
        let key = |fields| hashed(&[part], CLIENT, &head("/", fields));
        for fields in ["X-Api-Key: k\r\n", "X_Api_Key: k\r\n", "x-api_KEY: k\r\n"] {
            assert_eq!(key(fields), key("X-Api-Key: k\r\n"), "{fields:?}");
            assert!(key(fields).1, "{fields:?}");
        }
        assert!(!key("X-Api-Keys: k\r\n").1);
    }
}

/// What all requests have in common is left out, and what remains tells requests apart as before.
#[test]
fn common_parts_are_left_out() {
    let key = |parts: &[&str], common: &[Part]| Key::parse(parts, common).unwrap();
    let common = [Part::Route, Part::Service];
    assert_eq!(key(&["route", "path", "service"], &common), key(&["path"], &[]));
    assert_eq!(key(&["route", "client_ip"], &common), Key::ClientIp { v4: 32, v6: 64 });
    assert_eq!(key(&["route"], &common), Key::Nothing);
    assert_eq!(key(&["route"], &common[1..]), key(&["route"], &[]));
}
