//! Who a request comes from, when it comes through proxies: the walk back along `X-Forwarded-For` or `Forwarded`.
//!
//! Each proxy appends the address that it was spoken to from, so a list is believed from its right end, and only as
//! far as those who wrote it are trusted: the client is the first address that is no trusted proxy, or the last one that
//! is readable. What stands to the left of it was written by nobody who is known.
//!
//! The work is bounded: a list is scanned once, and at most [`MAX_HOPS`] of its entries are looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use memchr::memchr;

use crate::address::Networks;
use crate::http1::syntax::{is_token, list, trim};

/// Proxies in a row that a request may have come through; the list of a longer chain is read no further.
const MAX_HOPS: usize = 16;

/// Fields that tell of the client and cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardingFault {
    /// A `Forwarded` that breaks RFC 7239. An open quote of a client swallows what the next proxy appends, so no part
    /// of it is what it seems.
    Malformed,
    /// `X-Forwarded-For` and `Forwarded` lead to different clients: a proxy writes one and lets the other pass.
    Conflicting,
}

/// The client of a request that `peer` sent with these fields (names in any case, in their order). The fields of a peer
/// that is not trusted mean nothing.
pub fn client_address<'b>(
    peer: IpAddr,
    trusted: &Networks,
    fields: impl Iterator<Item = (&'b [u8], &'b [u8])>,
) -> Result<IpAddr, ForwardingFault> {
    let (mut x_forwarded_for, mut forwarded) = (Hops::default(), Hops::default());
    for (name, value) in fields {
        if name.eq_ignore_ascii_case(b"x-forwarded-for") {
            x_forwarded_for.list(value);
        } else if name.eq_ignore_ascii_case(b"forwarded") {
            forwarded.elements(value).ok_or(ForwardingFault::Malformed)?;
        }
    }
    match (x_forwarded_for.client(peer, trusted, address), forwarded.client(peer, trusted, node)) {
        (Some(one), Some(other)) if one != other => Err(ForwardingFault::Conflicting),
        (one, other) => Ok(one.or(other).unwrap_or(peer)),
    }
}

/// The last entries of a list, which are the only ones that may be looked at.
#[derive(Default)]
struct Hops<'b> {
    last: [&'b [u8]; MAX_HOPS],
    seen: usize,
}

impl<'b> Hops<'b> {
    fn push(&mut self, entry: &'b [u8]) {
        self.last[self.seen % MAX_HOPS] = entry;
        self.seen += 1;
    }

    /// The entries of one `X-Forwarded-For` line.
    fn list(&mut self, value: &'b [u8]) {
        list(value).for_each(|entry| self.push(entry));
    }

    /// The `for` of each element of one `Forwarded` line; empty where an element has none. `None` if the line is malformed.
    fn elements(&mut self, mut rest: &'b [u8]) -> Option<()> {
        loop {
            rest = trim(rest);
            let Some(&first) = rest.first() else { return Some(()) };
            if first == b',' {
                rest = &rest[1..];
                continue;
            }
            let (node, after) = element(rest)?;
            self.push(node);
            rest = after;
        }
    }

    /// The client that a list of someone trusted leads to; `None` when there is no list.
    fn client(&self, peer: IpAddr, trusted: &Networks, read: fn(&[u8]) -> Option<IpAddr>) -> Option<IpAddr> {
        let mut client = peer;
        for back in 0..self.seen.min(MAX_HOPS) {
            let Some(address) = read(self.last[(self.seen - 1 - back) % MAX_HOPS]) else { break };
            client = address;
            if !trusted.contains(address) {
                break;
            }
        }
        (self.seen > 0).then_some(client)
    }
}

/// One forwarded-element (RFC 7239 §4; spaces around `;` are allowed, as many write them): the value of its `for`, and
/// what stands behind it and its comma.
fn element(mut rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut node: Option<&[u8]> = None;
    loop {
        rest = trim(rest);
        if !matches!(rest.first(), None | Some(b';' | b',')) {
            let (name, after) = rest.split_at(memchr(b'=', rest)?);
            let (value, after) = value(&after[1..])?;
            // A parameter stands once in an element.
            if !is_token(name) || (name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some()) {
                return None;
            }
            rest = trim(after);
        }
        match rest {
            [] => return Some((node.unwrap_or_default(), rest)),
            [b',', after @ ..] => return Some((node.unwrap_or_default(), after)),
            [b';', after @ ..] => rest = after,
            _ => return None,
        }
    }
}

/// A token or a quoted-string without its quotes, and what stands behind it. Escapes stay as they are: no address has
/// any.
fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = bytes.strip_prefix(b"\"") else {
        let ends = |byte: &u8| matches!(byte, b';' | b',' | b' ' | b'\t');
        let (token, after) = bytes.split_at(bytes.iter().position(ends).unwrap_or(bytes.len()));
        return is_token(token).then_some((token, after));
    };
    let mut end = 0;
    loop {
        match quoted.get(end)? {
            b'"' => return Some((&quoted[..end], &quoted[end + 1..])),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

/// The address in an entry of `X-Forwarded-For`, whose form nothing defines: bare, or written as a [`node`].
fn address(entry: &[u8]) -> Option<IpAddr> {
    parse::<IpAddr>(entry).map(|address| address.to_canonical()).or_else(|| node(entry))
}

/// The address of a node (RFC 7239 §6): IPv4, or IPv6 in brackets, either perhaps with a port; `None` for `unknown`, an
/// obfuscated identifier and nonsense.
fn node(node: &[u8]) -> Option<IpAddr> {
    let (address, port): (IpAddr, _) = if let Some(literal) = node.strip_prefix(b"[") {
        let (literal, port) = literal.split_at(memchr(b']', literal)?);
        (parse::<Ipv6Addr>(literal)?.into(), &port[1..])
    } else {
        let (name, port) = node.split_at(memchr(b':', node).unwrap_or(node.len()));
        (parse::<Ipv4Addr>(name)?.into(), port)
    };
    (port.is_empty() || port.strip_prefix(b":").is_some_and(is_port)).then(|| address.to_canonical())
}

/// 1 to 5 digits, or an obfuscated port (RFC 7239 §6.3).
fn is_port(port: &[u8]) -> bool {
    match port.strip_prefix(b"_") {
        Some(name) => {
            !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
        }
        None => (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit),
    }
}

fn parse<A: FromStr>(bytes: &[u8]) -> Option<A> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
