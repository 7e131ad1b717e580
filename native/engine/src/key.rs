//! What tells requests apart that are counted, or sent, together: the parts of a key, and how each is read from a head.
//!
//! Nothing here allocates, and no part of a request is decoded: what is compared is what the instance gets. The host is
//! lower case and without its port, the path in its canonical form.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memchr;

use crate::http1::fields::{fold, is_spelled};
use crate::http1::head::Request;
use crate::http1::syntax;
use crate::routing::{canonical_host, host_without_port, MAX_HOST};

/// The request that a key is read from, and what was found out about it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The head.
    pub request: &'a Request<'a, 'a>,
    /// Who sent it.
    pub client: IpAddr,
    /// Name of its route.
    pub route: &'a str,
    /// Name of the route's service.
    pub service: &'a str,
}

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The network of the client, by its prefix: addresses of one network are one client.
    ClientIp {
        /// Bits of an IPv4 address, at most 32.
        v4: u8,
        /// Bits of an IPv6 address, at most 128.
        v6: u8,
    },
    /// The value of the first field of this name, which is in lower case and with dashes for underscores.
    Header(Box<[u8]>),
    /// The value of the first cookie of this name (of two that a client sends, the one for the longer path, RFC 6265 §5.4).
    Cookie(Box<str>),
    /// The value of the first query parameter of this name, both as they stand in the target.
    Query(Box<str>),
    /// The path, without the query.
    Path,
    /// The host that the request is for.
    Host,
    /// The route.
    Route,
    /// The service.
    Service,
}

impl Part {
    /// The network that counts as one client unless a key says otherwise. A host has a whole /64 of IPv6 to choose its
    /// addresses from (RFC 4291 §2.5.4).
    pub const CLIENT: Self = Self::ClientIp { v4: 32, v6: 64 };

    /// Reads `client_ip`, `client_ip/V4/V6`, `header:NAME`, `cookie:NAME`, `query:NAME`, `path`, `host`, `route` or `service`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let token = !name.is_empty() && syntax::is_token(name.as_bytes());
        let query =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"&=#".contains(&byte));
        match (kind, name) {
            ("path", "") if text == kind => Some(Self::Path),
            ("host", "") if text == kind => Some(Self::Host),
            ("route", "") if text == kind => Some(Self::Route),
            ("service", "") if text == kind => Some(Self::Service),
            ("client_ip", "") if text == kind => Some(Self::CLIENT),
            ("header", name) if token => Some(Self::Header(fold(name.as_bytes()))),
            ("cookie", name) if token => Some(Self::Cookie(name.into())),
            ("query", name) if query => Some(Self::Query(name.into())),
            _ => Self::prefixes(text),
        }
    }

    fn prefixes(text: &str) -> Option<Self> {
        let (v4, v6) = text.strip_prefix("client_ip/")?.split_once('/')?;
        let bits = |text: &str, most| {
            let bits = u8::try_from(syntax::decimal(text.as_bytes())?).ok()?;
            (bits <= most).then_some(bits)
        };
        Some(Self::ClientIp { v4: bits(v4, 32)?, v6: bits(v6, 128)? })
    }

    /// Does the part tell clients apart, rather than what they ask for?
    pub fn is_of_client(&self) -> bool {
        matches!(self, Self::ClientIp { .. } | Self::Header(_) | Self::Cookie(_) | Self::Query(_))
    }

    /// Hands the part of a request to `take`: `None` when the request does not have it, or has it empty.
    #[inline]
    pub fn read<T>(&self, subject: &Subject<'_>, take: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let Subject { request, client, route, service } = *subject;
        let value = match self {
            Self::ClientIp { v4, v6 } => return take(Some(&network(client, *v4, *v6))),
            Self::Host => {
                let host = host_without_port(request.host);
                let mut room = [0; MAX_HOST];
                let host = canonical_host(host, &mut room).unwrap_or(host);
                return take(Some(host).filter(|host| !host.is_empty()));
            }
            Self::Header(name) => fields(request, name).next(),
            Self::Cookie(name) => cookies(request, name.as_bytes()).next(),
            Self::Query(name) => parameters(&request.target, name.as_bytes()).next(),
            Self::Path => Some(request.path()),
            Self::Route => Some(route.as_bytes()),
            Self::Service => Some(service.as_bytes()),
        };
        take(value.filter(|value| !value.is_empty()))
    }
}

/// The key of a set of requests: those whose parts are all the same. What nearly every key is lies in place, so that a
/// limit is read without another look into memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Nothing: all requests are one set.
    Nothing,
    /// The network of the client alone, as [`Part::ClientIp`] has it.
    ClientIp {
        /// Bits of an IPv4 address.
        v4: u8,
        /// Bits of an IPv6 address.
        v6: u8,
    },
    /// Any parts, of which there is at least one. (The second box keeps a key, and with it a limit, small.)
    Parts(Box<Box<[Part]>>),
}

/// A request does not have all parts of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete;

/// Stands in the hash for the length of a part that is not there; no part is so long.
const NOTHING: u32 = u32::MAX;

impl Key {
    /// Reads the parts; the error is the index of the first that is none. There is at least one.
    ///
    /// `are_common`: parts that all requests have in common, and that tell none of them apart.
    pub fn parse<T: AsRef<str>>(texts: &[T], are_common: &[Part]) -> Result<Self, usize> {
        let part = |(index, text): (usize, &T)| Part::parse(text.as_ref()).ok_or(index);
        let mut parts: Vec<Part> = texts.iter().enumerate().map(part).collect::<Result<_, _>>()?;
        if parts.is_empty() {
            return Err(0);
        }
        parts.retain(|part| !are_common.contains(part));
        Ok(match parts[..] {
            [] => Self::Nothing,
            [Part::ClientIp { v4, v6 }] => Self::ClientIp { v4, v6 },
            _ => Self::Parts(Box::new(parts.into_boxed_slice())),
        })
    }

    /// Does any part tell clients apart?
    pub fn is_of_clients(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::ClientIp { .. } => true,
            Self::Parts(parts) => parts.iter().any(Part::is_of_client),
        }
    }

    /// Hashes all parts of a request, each behind its length, so that what belongs to one part never passes for a piece of
    /// the next. What a request does not have differs from everything that it might have; then the answer is `Incomplete`.
    #[inline]
    pub fn hash(&self, subject: &Subject<'_>, hasher: &mut impl Hasher) -> Result<(), Incomplete> {
        let parts = match self {
            Self::Nothing => return Ok(()),
            Self::ClientIp { v4, v6 } => {
                hash_part(hasher, &network(subject.client, *v4, *v6));
                return Ok(());
            }
            Self::Parts(parts) => parts,
        };
        let mut complete = Ok(());
        for part in parts.iter() {
            part.read(subject, |value| {
                if let Some(value) = value {
                    hash_part(hasher, value);
                } else {
                    hasher.write_u32(NOTHING);
                    complete = Err(Incomplete);
                }
            });
        }
        complete
    }
}

/// Hashes one part as [`Key::hash`] does.
#[inline]
pub fn hash_part(hasher: &mut impl Hasher, value: &[u8]) {
    hasher.write_u32(value.len() as u32);
    hasher.write(value);
}

/// The 16 bytes that stand for the network of a client. An IPv4 address and its IPv4-mapped IPv6 form are one client.
#[inline]
pub fn network(client: IpAddr, v4: u8, v6: u8) -> [u8; 16] {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).to_ipv6_mapped().octets()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).octets()
        }
    }
}

/// The values of the fields of this name in any case, a dash and an underscore being the same: instances that hand fields on as
/// variables (CGI, WSGI, PHP) cannot tell the two apart. `name` is folded.
fn fields<'r>(request: &'r Request<'_, '_>, name: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
    let fields = request.fields.iter().map(|(header, _)| header);
    fields.filter(move |header| is_spelled(header.name.as_bytes(), name)).map(|header| header.value)
}

/// The values of the cookies of this name, whose case matters (RFC 6265 §5.4).
pub fn cookies<'r>(request: &'r Request<'_, '_>, name: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
    cookies_of(fields(request, b"cookie"), name)
}

/// The values of the cookies of this name in these values of `Cookie` fields.
pub fn cookies_of<'r>(
    lines: impl Iterator<Item = &'r [u8]>,
    name: &'r [u8],
) -> impl Iterator<Item = &'r [u8]> {
    lines
        .flat_map(|line| line.split(|&byte| byte == b';'))
        .filter_map(move |pair| value_of(pair.trim_ascii(), name))
}

/// The values of the query parameters of this name.
fn parameters<'r>(target: &'r [u8], name: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
    let query = memchr(b'?', target).map_or(&[][..], |mark| &target[mark + 1..]);
    query.split(|&byte| byte == b'&').filter_map(move |pair| value_of(pair, name))
}

/// What stands behind `name=`.
fn value_of<'r>(pair: &'r [u8], name: &[u8]) -> Option<&'r [u8]> {
    pair.strip_prefix(name)?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests;
