//! The walk along the fields of proxies: each form, each hostile one, and agreement with a slow reading of the rules.

use std::net::IpAddr;

use proptest::prelude::*;

use super::{client_address, ForwardingFault, MAX_HOPS};
use crate::address::Networks;

const PEER: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn trusted() -> Networks {
    Networks::parse(&["10.0.0.0/8", "fd00::/8"]).unwrap()
}

/// The client behind [`PEER`] by fields written `Name: value`, one a line.
fn client(fields: &str) -> Result<IpAddr, ForwardingFault> {
    let fields = fields.lines().map(|line| line.split_once(": ").unwrap());
    let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    client_address(ip(PEER), &trusted(), fields)
}

/// X-Forwarded-For behind a trusted peer, and the client that it leads to (row H03).
const X_FORWARDED_FOR: [(&str, &str); 30] = [
    ("192.0.2.1", "192.0.2.1"),
    ("192.0.2.9, 192.0.2.1", "192.0.2.1"),
    ("192.0.2.9,192.0.2.1 ,\t10.0.0.2", "192.0.2.1"),
    ("192.0.2.1, 10.9.9.9, fd00::1, 10.0.0.2", "192.0.2.1"),
    ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ("192.0.2.1, , ,10.0.0.2,,", "192.0.2.1"),
    ("2001:db8::1", "2001:db8::1"),
    ("2001:DB8:0::1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443, 10.0.0.2:1", "2001:db8::1"),
    ("192.0.2.1:65535", "192.0.2.1"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
    ("192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
    ("192.0.2.1, [::ffff:10.0.0.2]:80", "192.0.2.1"),
    // What is no address ends the walk: the client is who was spoken to by it.
    ("unknown", PEER),
    ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"),
    ("192.0.2.1, unix:", PEER),
    ("192.0.2.1, _hidden", PEER),
    ("192.0.2.1, 10.0.0.2 10.0.0.3", PEER),
    ("192.0.2.1, 010.0.0.2", PEER),
    ("192.0.2.1, 10.0.0", PEER),
    ("192.0.2.1, 10.0.0.256", PEER),
    ("192.0.2.1, 0x0a000002", PEER),
    ("192.0.2.1, 10.0.0.2:", PEER),
    ("192.0.2.1, 10.0.0.2:123456", PEER),
    ("192.0.2.1, fe80::1%eth0", PEER),
    ("192.0.2.1, [10.0.0.2]", PEER),
    ("192.0.2.1, [fd00::1", PEER),
    ("192.0.2.1, \"10.0.0.2\"", PEER),
    ("192.0.2.1, 10.0.0.2\u{e9}", PEER),
];

/// Forwarded behind a trusted peer, and the client that it leads to (row H03).
const FORWARDED: [(&str, &str); 24] = [
    ("for=192.0.2.1", "192.0.2.1"),
    ("For=192.0.2.9, for=192.0.2.1;proto=https;by=203.0.113.43", "192.0.2.1"),
    ("for=192.0.2.1, FOR=10.0.0.2, for=\"[fd00::1]\"", "192.0.2.1"),
    ("for=\"192.0.2.1:4711\"", "192.0.2.1"),
    ("for=\"192.0.2.1:_port-1\"", "192.0.2.1"),
    ("for=\"[2001:db8::1]\"", "2001:db8::1"),
    ("proto=http;for=\"[2001:db8::1]:443\"", "2001:db8::1"),
    ("for=\"[::ffff:192.0.2.1]\"", "192.0.2.1"),
    ("host=\"a,for=10.0.0.9\";for=192.0.2.1", "192.0.2.1"),
    ("host=\"a\\\",for=10.0.0.9\";for=192.0.2.1", "192.0.2.1"),
    (";;for=192.0.2.1;;, ,", "192.0.2.1"),
    ("for=192.0.2.1 ; proto=http , for=10.0.0.2", "192.0.2.1"),
    ("for=10.0.0.3, for=10.0.0.2", "10.0.0.3"),
    // Who is not named ends the walk.
    ("for=unknown", PEER),
    ("for=192.0.2.1, for=unknown, for=10.0.0.2", "10.0.0.2"),
    ("for=192.0.2.1, for=_hidden", PEER),
    ("for=192.0.2.1, for=\"_hidden:_port\"", PEER),
    ("for=192.0.2.1, proto=https", PEER),
    ("for=192.0.2.1, ;", PEER),
    ("for=192.0.2.1, for=\"\"", PEER),
    ("for=192.0.2.1, for=\"2001:db8::1\"", PEER),
    ("for=192.0.2.1, for=\"10.0.0.2:\"", PEER),
    ("for=192.0.2.1, for=\"\\10.0.0.2\"", PEER),
    ("for=192.0.2.1, for=\"[fd00::1]x\"", PEER),
];

/// A Forwarded that breaks its grammar, which tells nothing (row H03).
const MALFORMED: [&str; 15] = [
    "for",
    "for=",
    "=192.0.2.1",
    "for =192.0.2.1",
    "for= 192.0.2.1",
    "for=192.0.2.1;for=192.0.2.1",
    "for=2001:db8::1",
    "for=[2001:db8::1]",
    "for=192.0.2.1:80",
    "for=192.0.2.1 for=10.0.0.2",
    "for=\"192.0.2.1\"x",
    "for=\"192.0.2.1",
    "for=\"192.0.2.1\\",
    // A client's open quote, and what its proxy appends.
    "for=\"10.0.0.9, for=\"[2001:db8::1]\"",
    "x=\", for=192.0.2.1;host=\",for=10.0.0.9\"",
];

#[test]
fn x_forwarded_for_leads_to_the_first_address_that_is_not_trusted() {
    for (list, expected) in X_FORWARDED_FOR {
        assert_eq!(client(&format!("X-Forwarded-For: {list}")), Ok(ip(expected)), "{list:?}");
    }
}

#[test]
fn forwarded_leads_to_the_first_address_that_is_not_trusted() {
    for (list, expected) in FORWARDED {
        assert_eq!(client(&format!("forwarded: {list}")), Ok(ip(expected)), "{list:?}");
    }
}

#[test]
fn a_forwarded_that_breaks_its_grammar_is_a_fault_wherever_it_breaks() {
    for list in MALFORMED {
        assert_eq!(client(&format!("Forwarded: {list}")), Err(ForwardingFault::Malformed), "{list:?}");
        let lines = format!("Forwarded: {list}\nForwarded: for=192.0.2.1");
        assert_eq!(client(&lines), Err(ForwardingFault::Malformed), "{list:?} on a line of its own");
    }
}

#[test]
fn the_lines_of_a_field_are_one_list() {
    assert_eq!(client("X-Forwarded-For: 192.0.2.1\nX-FORWARDED-FOR: 10.0.0.2"), Ok(ip("192.0.2.1")));
    assert_eq!(client("X-Forwarded-For: 10.0.0.2\nx-forwarded-for: 192.0.2.1"), Ok(ip("192.0.2.1")));
    assert_eq!(client("Forwarded: for=192.0.2.1\nForwarded: for=10.0.0.2"), Ok(ip("192.0.2.1")));
}

#[test]
fn two_fields_must_lead_to_one_client() {
    for (x_forwarded_for, forwarded, expected) in [
        ("192.0.2.1", "for=192.0.2.1", Ok(ip("192.0.2.1"))),
        ("192.0.2.9, 192.0.2.1", "for=\"192.0.2.1:80\"", Ok(ip("192.0.2.1"))),
        ("", "for=192.0.2.1", Ok(ip("192.0.2.1"))),
        ("192.0.2.1", ", ", Ok(ip("192.0.2.1"))),
        (" ,", "", Ok(ip(PEER))),
        ("192.0.2.1", "for=192.0.2.2", Err(ForwardingFault::Conflicting)),
        ("192.0.2.1", "for=unknown", Err(ForwardingFault::Conflicting)),
        ("unknown", "for=192.0.2.1", Err(ForwardingFault::Conflicting)),
        ("192.0.2.1", "for=\"", Err(ForwardingFault::Malformed)),
    ] {
        let fields = format!("X-Forwarded-For: {x_forwarded_for}\nForwarded: {forwarded}");
        assert_eq!(client(&fields), expected, "{fields:?}");
    }
}

/// Of a chain without end the nearest part counts, and what it costs does not grow with what a client makes up.
#[test]
fn a_chain_is_followed_so_far_and_no_further() {
    let chain = |length: usize| format!("X-Forwarded-For: 192.0.2.1{}", ", 10.0.0.2".repeat(length));
    assert_eq!(client(&chain(MAX_HOPS - 1)), Ok(ip("192.0.2.1")));
    assert_eq!(client(&chain(MAX_HOPS)), Ok(ip("10.0.0.2")));
    assert_eq!(client(&chain(10_000)), Ok(ip("10.0.0.2")));
    let made_up = "10.0.0.9, ".repeat(10_000);
    assert_eq!(client(&format!("X-Forwarded-For: {made_up}192.0.2.1")), Ok(ip("192.0.2.1")));
    let made_up = "for=10.0.0.9, ".repeat(10_000);
    assert_eq!(client(&format!("Forwarded: {made_up}for=192.0.2.1")), Ok(ip("192.0.2.1")));
}

/// The walk as the documentation tells it, with every step spelled out.
fn slow_walk(lines: &[Vec<Entry>], read: impl Fn(&Entry) -> Option<IpAddr>) -> Option<IpAddr> {
    let entries: Vec<&Entry> = lines.iter().flatten().filter(|entry| **entry != Entry::Empty).collect();
    let mut client = ip(PEER);
    for entry in entries.iter().rev().take(MAX_HOPS) {
        let Some(address) = read(entry) else { break };
        client = address;
        let is_trusted = matches!(address, IpAddr::V4(address) if address.octets()[0] == 10);
        if !is_trusted {
            break;
        }
    }
    (!entries.is_empty()).then_some(client)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Empty,
    V4(u8, bool),
    V6(u8),
    Unknown,
}

impl Entry {
    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::V4(first, _) => Some(IpAddr::from([*first, 0, 0, 7])),
            Self::V6(last) => Some(ip(&format!("2001:db8::{last:x}"))),
            Self::Unknown | Self::Empty => None,
        }
    }

    fn listed(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::V4(first, port) => format!("{first}.0.0.7{}", if *port { ":80" } else { "" }),
            Self::V6(last) => format!("2001:db8::{last:x}"),
            Self::Unknown => "unknown".into(),
        }
    }

    fn element(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::V6(_) => format!("for=\"[{}]\"", self.listed()),
            _ => format!("by=\"a,b\";for=\"{}\"", self.listed()),
        }
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        1 => Just(Entry::Empty),
        6 => (prop_oneof![Just(10_u8), Just(10), Just(10), Just(192)], any::<bool>()).prop_map(|(first, port)| Entry::V4(first, port)),
        1 => any::<u8>().prop_map(Entry::V6),
        1 => Just(Entry::Unknown),
    ]
}

proptest! {
    /// However entries are spread over lines, the client is the one that a slow walk finds, in both fields.
    #[test]
    fn the_walk_is_the_slow_one(lines in prop::collection::vec(prop::collection::vec(entry(), 0..12), 0..4)) {
        let expected = slow_walk(&lines, Entry::address).unwrap_or(ip(PEER));
        let write = |name: &str, form: fn(&Entry) -> String| -> Vec<String> {
            lines.iter().map(|line| format!("{name}: {}", line.iter().map(form).collect::<Vec<_>>().join(" , "))).collect()
        };
        let listed = write("X-Forwarded-For", Entry::listed);
        let elements = write("Forwarded", Entry::element);
        prop_assert_eq!(client(&listed.join("\n")), Ok(expected));
        prop_assert_eq!(client(&elements.join("\n")), Ok(expected));
        prop_assert_eq!(client(&[listed, elements].concat().join("\n")), Ok(expected));
    }

    /// Whatever stands in the fields, there is an answer, and only Forwarded can be a fault.
    #[test]
    fn nothing_panics(list in "[ -~]{0,80}", other in "(for=|proto=|[\";,=:. \\[\\]0-9a-f\\\\]){0,40}") {
        let listed = client(&format!("X-Forwarded-For: {list}"));
        prop_assert!(listed.is_ok());
        let _ = client(&format!("Forwarded: {list}"));
        let _ = client(&format!("Forwarded: {other}"));
    }
}
