//! Keys and cookies as they are read from heads.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::http1::head::{slots, HeadLimits, Request};
use crate::http1::path::Kept;

const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 8192, fields: 100, target: 8192 };
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn read(reading: &Reading, head: &str) -> Affinity {
    let mut slots = slots();
    let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
    reading.read(&subject(&request, CLIENT))
}

fn subject<'a>(request: &'a Request<'a, 'a>, client: IpAddr) -> Subject<'a> {
    Subject { request, client, route: "route", service: "service" }
}

fn by(key: &str, target: &str, fields: &str) -> Affinity {
    let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    read(&Reading::Key(Part::parse(key).unwrap()), &head)
}

fn key(value: &str) -> Affinity {
    Affinity::Key(hash(value.as_bytes()))
}

#[test]
fn a_field_is_known_in_any_case_and_the_first_counts() {
    assert_eq!(by("header:X-User", "/", "x-uSER: ann\r\nX-User: bob\r\n"), key("ann"));
    assert_eq!(by("header:X-User", "/", "X-User2: ann\r\n"), Affinity::None);
    assert_eq!(by("header:X-User", "/", "X-User:\r\nX-User: bob\r\n"), Affinity::None);
}

#[test]
fn a_cookie_is_found_among_others() {
    assert_eq!(by("cookie:id", "/", "Cookie: xid=1; id=2; id=3\r\n"), key("2"));
    assert_eq!(by("cookie:id", "/", "Cookie: a=1\r\ncookie:  id=2\r\n"), key("2"));
    assert_eq!(by("cookie:id", "/", "Cookie: ID=1; id\r\nCookie2: id=4\r\n"), Affinity::None);
    assert_eq!(by("cookie:id", "/", "Cookie: id=\r\n"), Affinity::None);
}

#[test]
fn a_query_parameter_is_found_among_others() {
    assert_eq!(by("query:q", "/a?xq=1&q=%41?&q=3", ""), key("%41?"));
    assert_eq!(by("query:q", "/q=1?Q=2&q", ""), Affinity::None);
    assert_eq!(by("query:q", "/", ""), Affinity::None);
}

#[test]
fn a_path_is_taken_without_its_query_and_in_its_canonical_form() {
    assert_eq!(by("path", "/a/../b?x=1", ""), key("/b"));
    assert_eq!(by("path", "/b?x=2", ""), key("/b"));
}

#[test]
fn an_address_is_the_same_in_both_families() {
    let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    let mut slots = slots();
    let request =
        Request::parse(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &mut slots, &LIMITS, Kept::NONE).unwrap();
    let reading = Reading::Key(Part::CLIENT);
    let of = |client| reading.read(&subject(&request, client));
    assert_eq!(of(CLIENT), of(mapped));
    assert_ne!(of(CLIENT), of("192.0.2.2".parse().unwrap()));
}

#[test]
fn the_first_cookie_that_opens_names_the_instance() {
    let attributes =
        sticky::Attributes { name: "hg", path: "/", secure: false, same_site: SameSite::Lax, max_age: None };
    let sticky = Arc::new(StickyCookie::new("api", b"0123456789abcdef", &attributes));
    let token = String::from_utf8(sticky.seal(7).token().to_vec()).unwrap();
    let reading = Reading::Cookie(sticky);
    let with = |cookies: &str| read(&reading, &format!("GET / HTTP/1.1\r\nHost: h\r\n{cookies}\r\n"));
    assert_eq!(with(&format!("Cookie: hg=forged; hg={token}\r\n")), Affinity::Instance(7));
    assert_eq!(with("Cookie: hg=forged\r\n"), Affinity::None);
    assert_eq!(with(""), Affinity::None);
    assert_eq!(reading.value(token.as_bytes()), Affinity::Instance(7));
}

/// The first value behind `name=` in the parts of a text, found by splitting it all.
fn slow(text: &str, separator: char, name: &str) -> Option<String> {
    let pairs = text.split(separator).map(|pair| if separator == ';' { pair.trim_ascii() } else { pair });
    let found = pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_string()).filter(|value| !value.is_empty())
}

proptest! {
    /// Whatever stands in a cookie line or a query, the key is that of a slow search.
    #[test]
    fn keys_are_those_of_a_slow_search(text in "[ab=;& ]{0,12}", value in "[ab=&%;]{0,6}") {
        let text = format!("{text}a={value}");
        let expected = |found: Option<String>| found.map_or(Affinity::None, |found| key(&found));
        prop_assert_eq!(by("cookie:a", "/", &format!("Cookie: {text}\r\n")), expected(slow(text.trim_ascii(), ';', "a")));
        let query = text.replace(' ', "");
        prop_assert_eq!(by("query:a", &format!("/x?{query}"), ""), expected(slow(&query, '&', "a")));
    }
}
