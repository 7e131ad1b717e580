//! What of a request decides where it goes: the key that it is hashed by, or the cookie that names its client's instance.

mod sticky;

use std::net::IpAddr;
use std::sync::Arc;

use memchr::memchr;
use xxhash_rust::xxh3::xxh3_64;

use crate::http1::head::Request;
use crate::selection::Affinity;
use crate::snapshot::Limit;

pub use sticky::{Attributes, SameSite, SetCookie, StickyCookie, MIN_SECRET_BYTES};

/// How a service reads its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Not at all.
    #[default]
    Nothing,
    /// For the key that they are hashed by.
    Key(Key),
    /// For the cookie that names an instance.
    Cookie(Arc<StickyCookie>),
}

impl Reading {
    /// What the request asks for. It allocates nothing.
    pub fn read(&self, request: &Request<'_, '_>, client: IpAddr) -> Affinity {
        match self {
            Self::Nothing => Affinity::None,
            Self::Key(key) => key.hash(request, client).map_or(Affinity::None, Affinity::Key),
            Self::Cookie(sticky) => cookies(request, sticky.name())
                .find_map(|token| sticky.open(token))
                .map_or(Affinity::None, Affinity::Instance),
        }
    }

    /// What a request would ask for whose key, or whose cookie, has this value.
    pub fn value(&self, value: &[u8]) -> Affinity {
        match self {
            Self::Nothing => Affinity::None,
            Self::Key(_) => Affinity::Key(hash(value)),
            Self::Cookie(sticky) => sticky.open(value).map_or(Affinity::None, Affinity::Instance),
        }
    }

    /// The cookie that clients are to come back with.
    pub fn sticky(&self) -> Option<&Arc<StickyCookie>> {
        match self {
            Self::Cookie(sticky) => Some(sticky),
            Self::Nothing | Self::Key(_) => None,
        }
    }
}

/// The part of a request that it is hashed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The address of the client.
    ClientIp,
    /// The path, in its canonical form and without the query.
    Path,
    /// The value of the first field of this name, in any case.
    Header(Box<str>),
    /// The value of the first cookie of this name.
    Cookie(Box<str>),
    /// The value of the first query parameter of this name, as it stands there: percent-encoding is not resolved.
    Query(Box<str>),
}

impl Key {
    /// Reads `client_ip`, `path`, `header:NAME`, `cookie:NAME` or `query:NAME`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        match kind {
            "client_ip" if text == kind => Some(Self::ClientIp),
            "path" if text == kind => Some(Self::Path),
            "header" if named => Some(Self::Header(name.into())),
            "cookie" if named => Some(Self::Cookie(name.into())),
            "query" if named => Some(Self::Query(name.into())),
            _ => None,
        }
    }

    /// The hash of the key; `None` for a request that does not have it, or has it empty.
    fn hash(&self, request: &Request<'_, '_>, client: IpAddr) -> Option<u64> {
        let value = match self {
            Self::ClientIp => return Some(hash(&Limit::address_key(&client))),
            Self::Path => Some(request.path()),
            Self::Header(name) => fields(request, name.as_bytes()).next(),
            Self::Cookie(name) => cookies(request, name.as_bytes()).next(),
            Self::Query(name) => parameters(&request.target, name.as_bytes()).next(),
        };
        value.filter(|value| !value.is_empty()).map(hash)
    }
}

/// XXH3 with 64 bits: the same in every worker, every gateway and every release, so that a fleet of gateways sends a key
/// to one instance. It is no secret, and needs to be none: who wants to load one instance may as well repeat one key.
pub fn hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The values of the fields of this name, in any case.
fn fields<'r>(request: &'r Request<'_, '_>, name: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
    request
        .fields
        .iter()
        .filter(move |(header, _)| header.name.as_bytes().eq_ignore_ascii_case(name))
        .map(|(header, _)| header.value)
}

/// The values of the cookies of this name, which case matters to (RFC 6265 §5.4). Of two that a client sends, the first
/// is of the longer path.
fn cookies<'r>(request: &'r Request<'_, '_>, name: &'r [u8]) -> impl Iterator<Item = &'r [u8]> {
    fields(request, b"cookie")
        .flat_map(|line| line.split(|&byte| byte == b';'))
        .filter_map(move |pair| value_of(pair.trim_ascii(), name))
}

/// The values of the query parameters of this name, both as they stand in the target.
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
