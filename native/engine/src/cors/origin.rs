//! Origins as browsers send them, `https://app.example.com:8443` (RFC 6454 §6.2), and which of them are allowed.
//!
//! An origin is taken apart before it is compared, scheme with scheme, host with host, port with port: text that begins or
//! ends like an allowed one is another origin. What no browser sends (a user, a path, an empty label, a port with zeros
//! before it) is no origin, and no origin is allowed.

use std::net::Ipv6Addr;

use crate::http1::syntax::own_port;
use crate::routing::MAX_HOST;

/// What browsers send for pages that have no origin: from a file, in a sandbox, behind a redirect.
const OPAQUE: &[u8] = b"null";

/// An origin, or all below a domain, that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Whatever has no origin to tell.
    Opaque,
    /// One host, or all below one.
    Tuple {
        scheme: Box<[u8]>,
        host: Box<[u8]>,
        /// Any host with one or more labels before this one, which itself is not meant.
        is_below: bool,
        port: Option<u16>,
    },
}

/// An origin taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'o> {
    scheme: &'o [u8],
    host: &'o [u8],
    /// `None` for the one that the scheme stands for.
    port: Option<u16>,
}

/// Is the origin that a request names one of the allowed ones?
pub(super) fn is_one_of(allowed: &[Allowed], origin: &[u8]) -> bool {
    if origin == OPAQUE {
        return allowed.contains(&Allowed::Opaque);
    }
    Parts::read(origin).is_some_and(|parts| allowed.iter().any(|it| it.allows(parts)))
}

impl Allowed {
    /// Reads `https://example.com`, `https://*.example.com` or `null`, in any case; `None` for what is none of these.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.as_bytes() == OPAQUE {
            return Some(Self::Opaque);
        }
        let below = text.split_once("://*.").map(|(scheme, rest)| format!("{scheme}://{rest}"));
        let Parts { scheme, host, port } = Parts::read(below.as_deref().unwrap_or(text).as_bytes())?;
        if below.is_some() && host.starts_with(b"[") {
            return None;
        }
        let lower = |part: &[u8]| part.to_ascii_lowercase().into_boxed_slice();
        Some(Self::Tuple { scheme: lower(scheme), host: lower(host), is_below: below.is_some(), port })
    }

    fn allows(&self, origin: Parts<'_>) -> bool {
        let Self::Tuple { scheme, host, is_below, port } = self else { return false };
        let name = if *is_below { end_below(origin.host, host.len()) } else { Some(origin.host) };
        *port == origin.port
            && scheme.eq_ignore_ascii_case(origin.scheme)
            && name.is_some_and(|name| name.eq_ignore_ascii_case(host))
    }
}

/// The last `length` bytes of a host behind one or more whole labels.
fn end_below(host: &[u8], length: usize) -> Option<&[u8]> {
    let (labels, end) = host.split_at_checked(host.len().checked_sub(length)?)?;
    labels.ends_with(b".").then_some(end)
}

impl<'o> Parts<'o> {
    /// Takes an origin apart; `None` for what is none.
    fn read(origin: &'o [u8]) -> Option<Self> {
        let colon = origin.iter().position(|&byte| byte == b':')?;
        let (scheme, rest) = origin.split_at(colon);
        let authority = rest.strip_prefix(b"://")?;
        let end = if authority.starts_with(b"[") {
            authority.iter().position(|&byte| byte == b']')? + 1
        } else {
            authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(end);
        if !is_scheme(scheme) || !is_host(host) {
            return None;
        }
        let port = if port.is_empty() { None } else { Some(read_port(port)?) };
        Some(Self { scheme, host, port: port.filter(|port| Some(*port) != own_port(scheme)) })
    }
}

/// RFC 3986 §3.1.
fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// A name of labels that are not empty, or an IPv6 address in brackets.
fn is_host(host: &[u8]) -> bool {
    if let Some(literal) = host.strip_prefix(b"[") {
        let literal = literal.strip_suffix(b"]").and_then(|literal| std::str::from_utf8(literal).ok());
        return literal.is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &[u8]| {
        !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    };
    host.len() <= MAX_HOST && host.split(|&byte| byte == b'.').all(is_label)
}

/// A port behind its colon, in its one spelling.
fn read_port(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b":")?;
    let is_spelled_so =
        digits.first().is_some_and(|&first| first != b'0' && digits.iter().all(u8::is_ascii_digit));
    std::str::from_utf8(digits).ok().filter(|_| is_spelled_so)?.parse().ok()
}
