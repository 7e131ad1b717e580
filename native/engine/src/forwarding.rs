//! What an instance is told about the client: the `X-Forwarded-*` fields and `Forwarded` (RFC 7239).
//!
//! Of a sender that is not trusted nothing is passed on. What a trusted proxy says is kept, if it is well-formed and
//! said once, and its own address is appended to its lists.

use std::net::IpAddr;

use crate::address::Address;
use crate::http1::fields::Field;
use crate::http1::head::{Fields, Request};
use crate::http1::syntax::{decimal, is_host, list};

/// Who a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// Who sent it to the gateway.
    pub peer: Address,
    /// Who it comes from: the peer, unless that is a trusted proxy, which says for whom it speaks.
    pub client: Address,
    /// The peer is a trusted proxy: its forwarding fields are passed on.
    pub is_trusted: bool,
}

impl Sender {
    /// Somebody who speaks for nobody else.
    pub fn of(peer: Address) -> Self {
        Self { peer, client: peer, is_trusted: false }
    }
}

/// The forwarding fields of a request, in any of their names, with their values.
pub(crate) fn fields<'f, 'b>(fields: &'f Fields<'_, 'b>) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + 'f {
    let forwarding = fields.iter().filter(|(_, kind)| *kind == Field::Forwarded);
    forwarding.map(|(header, _)| (header.name.as_bytes(), header.value))
}

/// What the client speaks, as far as is known. `scheme` is what the peer speaks.
pub(crate) fn scheme<'a>(fields: &Fields<'_, 'a>, sender: &Sender, scheme: &'a [u8]) -> &'a [u8] {
    said(fields, sender, b"x-forwarded-proto", is_scheme).unwrap_or(scheme)
}

/// Writes the forwarding fields of a request. `peers_scheme` is what the peer speaks.
pub(crate) fn put(output: &mut Vec<u8>, request: &Request<'_, '_>, sender: &Sender, peers_scheme: &[u8]) {
    let said = |name, is_good| said(&request.fields, sender, name, is_good);
    put_for(output, &request.fields, sender);
    put_field(output, b"X-Forwarded-Proto", scheme(&request.fields, sender, peers_scheme));
    let host = said(b"x-forwarded-host", |host| !host.is_empty() && is_host(host)).unwrap_or(request.host);
    if !host.is_empty() {
        put_field(output, b"X-Forwarded-Host", host);
    }
    if let Some(port) = said(b"x-forwarded-port", is_port) {
        put_field(output, b"X-Forwarded-Port", port);
    }
    if sender.is_trusted {
        put_forwarded(output, &request.fields, sender, peers_scheme);
    }
}

/// What a trusted proxy says in a field, if it says it once and it is good.
fn said<'b>(
    all: &Fields<'_, 'b>,
    sender: &Sender,
    name: &[u8],
    is_good: fn(&[u8]) -> bool,
) -> Option<&'b [u8]> {
    let said = if sender.is_trusted { only(all, name) } else { None };
    said.filter(|value| is_good(value))
}

/// `X-Forwarded-For`: what the peer has told so far, and the peer itself.
fn put_for(output: &mut Vec<u8>, fields: &Fields<'_, '_>, sender: &Sender) {
    output.extend_from_slice(b"X-Forwarded-For: ");
    if sender.is_trusted && !put_list(output, fields, b"x-forwarded-for") && sender.client != sender.peer {
        output.extend_from_slice(sender.client.text()); // it was told in Forwarded
        output.extend_from_slice(b", ");
    }
    output.extend_from_slice(sender.peer.text());
    output.extend_from_slice(b"\r\n");
}

/// `Forwarded`, where the peer tells of anybody in it: that, and an element for the peer itself.
fn put_forwarded(output: &mut Vec<u8>, fields: &Fields<'_, '_>, sender: &Sender, scheme: &[u8]) {
    let before = output.len();
    output.extend_from_slice(b"Forwarded: ");
    if !put_list(output, fields, b"forwarded") {
        return output.truncate(before);
    }
    let (open, close): (&[u8], &[u8]) = match sender.peer.ip() {
        IpAddr::V4(_) => (b"for=", b";proto="),
        IpAddr::V6(_) => (b"for=\"[", b"]\";proto="),
    };
    for part in [open, sender.peer.text(), close, scheme, b"\r\n"] {
        output.extend_from_slice(part);
    }
}

/// Writes the lines of a field as one list with a comma at its end, or nothing at all if there is nothing in them.
fn put_list(output: &mut Vec<u8>, all: &Fields<'_, '_>, wanted: &[u8]) -> bool {
    let mut written = false;
    for (name, value) in fields(all) {
        if name.eq_ignore_ascii_case(wanted) && list(value).next().is_some() {
            output.extend_from_slice(value);
            output.extend_from_slice(b", ");
            written = true;
        }
    }
    written
}

fn put_field(output: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        output.extend_from_slice(part);
    }
}

/// The value of a field that came once; of several none is better than the others.
fn only<'b>(all: &Fields<'_, 'b>, wanted: &[u8]) -> Option<&'b [u8]> {
    let mut values =
        fields(all).filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

fn is_scheme(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"http") || value.eq_ignore_ascii_case(b"https")
}

fn is_port(value: &[u8]) -> bool {
    decimal(value).is_some_and(|port| (1..=65_535).contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::head::{slots, HeadLimits};
    use crate::http1::path::Kept;

    const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 1024, fields: 100, target: 1024 };

    /// The fields that are written for those of a request.
    fn put_of(fields: &str, peer: &str, client: Option<&str>) -> String {
        let head = format!("GET / HTTP/1.1\r\nHost: h:80\r\n{fields}\r\n");
        let (mut slots, mut output) = (slots(), Vec::new());
        let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
        let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
        let (peer, is_trusted) = (address(peer), client.is_some());
        put(
            &mut output,
            &request,
            &Sender { peer, client: client.map_or(peer, address), is_trusted },
            b"http",
        );
        String::from_utf8(output).unwrap()
    }

    fn trusted(fields: &str) -> String {
        put_of(fields, "10.0.0.1", Some("192.0.2.1"))
    }

    const REST: &str = "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h:80\r\n";
    const CLAIMS: &str =
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public\r\n\
        X-Forwarded-Port: 8443\r\nForwarded: for=192.0.2.1\r\n";

    #[test]
    fn what_anybody_claims_is_replaced() {
        assert_eq!(put_of(CLAIMS, "192.0.2.7", None), format!("X-Forwarded-For: 192.0.2.7\r\n{REST}"));
    }

    #[test]
    fn what_a_trusted_proxy_says_is_passed_on_and_the_proxy_appended() {
        assert_eq!(
            trusted(CLAIMS),
            "X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public\r\n\
             X-Forwarded-Port: 8443\r\nForwarded: for=192.0.2.1, for=10.0.0.1;proto=http\r\n"
        );
        let lines =
            "X-Forwarded-For: 192.0.2.9, 192.0.2.1\r\nx-forwarded-for: ,\r\nX-FORWARDED-FOR: 10.0.0.2\r\n";
        let listed = format!("X-Forwarded-For: 192.0.2.9, 192.0.2.1, 10.0.0.2, 10.0.0.1\r\n{REST}");
        assert_eq!(trusted(lines), listed);
    }

    #[test]
    fn a_proxy_that_says_nothing_is_named_alone() {
        let alone = format!("X-Forwarded-For: 10.0.0.1\r\n{REST}");
        assert_eq!(put_of("", "10.0.0.1", Some("10.0.0.1")), alone);
        assert_eq!(put_of("Forwarded: , ,\r\nX-Forwarded-For:\r\n", "10.0.0.1", Some("10.0.0.1")), alone);
    }

    #[test]
    fn a_client_that_only_forwarded_tells_of_stands_in_both() {
        assert_eq!(
            put_of("Forwarded: for=\"[2001:db8::1]\"\r\n", "fd00::1", Some("2001:db8::1")),
            format!(
                "X-Forwarded-For: 2001:db8::1, fd00::1\r\n{REST}\
                 Forwarded: for=\"[2001:db8::1]\", for=\"[fd00::1]\";proto=http\r\n"
            )
        );
    }

    #[test]
    fn what_is_said_twice_or_makes_no_sense_is_replaced() {
        for fields in [
            "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n",
            "X-Forwarded-Proto: https, http\r\n",
            "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\nX-Forwarded-Port: 0\r\n",
            "X-Forwarded-Host: a\r\nX-Forwarded-Host: b\r\nX-Forwarded-Port: 65536\r\n",
            "X-Forwarded-Host: u@a\r\nX-Forwarded-Port: +1\r\n",
            "X-Forwarded-Host:\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Port: 1\r\n",
        ] {
            assert_eq!(
                put_of(fields, "10.0.0.1", Some("10.0.0.1")),
                format!("X-Forwarded-For: 10.0.0.1\r\n{REST}")
            );
        }
    }
}
