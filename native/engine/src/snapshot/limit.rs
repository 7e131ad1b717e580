//! A route's limit, and the name of the bucket that a client has at it.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use foldhash::quality::{FixedState, FoldHasher};
use foldhash::SharedSeed;

use super::LimitKey;
use crate::limit::Gcra;

/// A limit on the requests of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name, unique within the route.
    pub name: String,
    /// The row of the limit table that counts its decisions.
    pub row: u32,
    /// Hash of `ROUTE/NAME`. Buckets are named by it and never by the limit's position, so that levels survive a reload.
    pub identity: u64,
    /// Its rate and burst.
    pub rate: Gcra,
    /// What it counts by.
    pub key: LimitKey,
}

impl Limit {
    /// The identity of limit `name` of route `route`: the same in every worker and after every reload. It is a
    /// function of the full name `ROUTE/NAME` alone, which is unique in a snapshot.
    pub fn identity_of(route: &str, name: &str) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(format!("{route}/{name}").as_bytes());
        hasher.finish()
    }

    /// The bucket of a client address. An IPv4 address and its IPv4-mapped IPv6 form are the same client.
    #[inline]
    pub fn bucket_key(&self, seed: u64, client: &IpAddr) -> u64 {
        self.bucket_key_of(seed, &Self::address_key(client))
    }

    /// The bucket of a key of any kind; for an address it is the bytes that [`Limit::address_key`] gives.
    ///
    /// `seed` is the secret of the segment: without it nobody can aim for another client's bucket. Never 0, which
    /// marks an empty slot of the table.
    #[inline]
    pub fn bucket_key_of(&self, seed: u64, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(seed ^ self.identity, SharedSeed::global_fixed());
        hasher.write(key);
        hasher.finish().max(1)
    }

    /// The 16 bytes that stand for a client address.
    #[inline]
    pub fn address_key(client: &IpAddr) -> [u8; 16] {
        match client {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        }
    }
}
