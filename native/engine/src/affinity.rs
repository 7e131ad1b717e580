//! What of a request decides where it goes: the key that it is hashed by, or the cookie that names its client's instance.

mod sticky;

use std::net::IpAddr;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::key::{cookies, network, Part, Subject};
use crate::selection::Affinity;

pub use sticky::{Attributes, SameSite, SetCookie, StickyCookie, MIN_SECRET_BYTES};

/// How a service reads its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Not at all.
    #[default]
    Nothing,
    /// For the part that they are hashed by.
    Key(Part),
    /// For the cookie that names an instance.
    Cookie(Arc<StickyCookie>),
}

impl Reading {
    /// What the request asks for. It allocates nothing.
    pub fn read(&self, subject: &Subject<'_>) -> Affinity {
        match self {
            Self::Nothing => Affinity::None,
            Self::Key(part) => {
                part.read(subject, |value| value.map(hash)).map_or(Affinity::None, Affinity::Key)
            }
            Self::Cookie(sticky) => cookies(subject.request, sticky.name())
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

    /// What a connection of this client asks for, of which nothing else is known.
    pub fn of_client(&self, client: IpAddr) -> Affinity {
        match self {
            Self::Key(Part::ClientIp { v4, v6 }) => Affinity::Key(hash(&network(client, *v4, *v6))),
            Self::Nothing | Self::Key(_) | Self::Cookie(_) => Affinity::None,
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

/// XXH3 with 64 bits: the same in every worker, every gateway and every release, so that a fleet of gateways sends a key
/// to one instance. It is no secret, and needs to be none: who wants to load one instance may as well repeat one key.
pub fn hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

#[cfg(test)]
mod tests;
