//! Limits on what a route or a service gets: on the rate of its requests, and on how many are under way; and the names by
//! which they count.

use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::mem::size_of;

use foldhash::quality::{FixedState, FoldHasher};
use foldhash::SharedSeed;
use serde::Deserialize;

use crate::key::{hash_part, network, Incomplete, Key, Part, Subject};
use crate::limit::{Claim, Gcra};
use crate::stock::Shared;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Whose requests a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// Those of the route of this name.
    Route(&'a str),
    /// Those of the route of this name, which lead to several services.
    Split(&'a str),
    /// Those of all routes to the service of this name.
    Service(&'a str),
}

/// What limits of all kinds have in common: whom they count, and what they do beside counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique within its route or service.
    pub name: Box<str>,
    /// The row of the limit table that counts its decisions.
    pub row: u32,
    /// Names its counts, together with their keys, and never by its position, so that levels survive a reload.
    pub identity: u64,
    /// Who counts together.
    pub sharing: Sharing,
    /// What is counted apart; without a part, all that its owner gets is counted together.
    pub key: Key,
    /// What becomes of a request without the key.
    pub missing: Missing,
    /// What becomes of a request whose key has no place in the table.
    pub overflow: Overflow,
    /// Does it refuse, or count only?
    pub mode: Mode,
}

/// Who counts what a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// This gateway.
    Alone,
    /// Several gateways.
    Together {
        /// What seeds the hash of keys at all of them alike.
        seed: u64,
        /// At which stock more of a bucket is wanted.
        low: u32,
    },
}

/// A limit on a rate. Requests to other routes come to other limits, so what of one is read for a request lies in the two
/// cache lines that it begins with and ends with, and behind no pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Limit {
    /// Whom it counts.
    pub rule: Rule,
    /// Its rate and burst.
    pub rate: Gcra,
    /// What a request takes.
    pub cost: Cost,
    /// Which answers tell of it.
    pub fields: Fields,
    /// Its item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers §3).
    pub policy: Box<str>,
}

const _: () = assert!(size_of::<Limit>() == 128);

/// A limit on how many requests of a key are under way at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyLimit {
    /// Whom it counts.
    pub rule: Rule,
    /// So many.
    pub most: u32,
}

/// What a request takes of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cost {
    /// So many tokens, at least 1.
    Constant(u32),
    /// What the field of this name says in the answer; it is owed until then.
    ResponseHeader(Box<str>),
}

/// What becomes of a request that does not have the key of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// All of them share a bucket.
    Own,
    /// It is not limited.
    Skip,
    /// It is refused.
    Refuse,
}

/// What becomes of a request that cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It passes.
    Allow,
    /// It is refused.
    Refuse,
}

/// What a limit does beside counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It refuses what is beyond it.
    Enforce,
    /// Nothing.
    Shadow,
}

/// Which answers have the `RateLimit` fields of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fields {
    /// None.
    None,
    /// The one by which it refuses.
    Refused,
    /// Those of instances as well.
    All,
}

impl Owner<'_> {
    /// What all its requests have in common, and tells none of them apart.
    pub fn common_parts(self) -> &'static [Part] {
        match self {
            Self::Route(_) => &[Part::Route, Part::Service],
            Self::Split(_) => &[Part::Route],
            Self::Service(_) => &[Part::Service],
        }
    }
}

impl Rule {
    /// The identity of the rule `name` of a route or a service: the same in every worker and after every reload.
    pub fn identity_of(owner: Owner<'_>, name: &str) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        let (kind, owner) = match owner {
            Owner::Route(route) | Owner::Split(route) => (0, route),
            Owner::Service(service) => (1, service),
        };
        hasher.write_u8(kind);
        hash_part(&mut hasher, owner.as_bytes());
        hash_part(&mut hasher, name.as_bytes());
        hasher.finish()
    }

    /// The name of a request's count; also of one that does not have the whole key, where all such share one.
    #[inline]
    pub fn count_key(&self, seed: u64, subject: &Subject<'_>) -> Result<u64, Incomplete> {
        // As good as every key is one of these two, which any request has; they take a quarter of the general way.
        match self.key {
            Key::Nothing => Ok(self.count_key_of_all(seed)),
            Key::ClientIp { v4, v6 } => Ok(self.count_key_of_part(seed, &network(subject.client, v4, v6))),
            Key::Parts(_) => self.count_key_of_parts(seed, subject),
        }
    }

    #[inline]
    fn count_key_of_all(&self, seed: u64) -> u64 {
        self.hasher(seed).finish().max(1)
    }

    #[inline]
    fn count_key_of_part(&self, seed: u64, part: &[u8]) -> u64 {
        let mut hasher = self.hasher(seed);
        hash_part(&mut hasher, part);
        hasher.finish().max(1)
    }

    #[inline(never)] // where it is, it would make every caller save all registers for what hardly any key needs
    fn count_key_of_parts(&self, seed: u64, subject: &Subject<'_>) -> Result<u64, Incomplete> {
        let mut hasher = self.hasher(seed);
        match self.key.hash(subject, &mut hasher) {
            Err(incomplete) if self.missing != Missing::Own => Err(incomplete),
            _ => Ok(hasher.finish().max(1)),
        }
    }

    /// The name of the count of a key with this one part. That of an address is the bytes of its network; where all requests
    /// count together the part does not matter.
    #[inline]
    pub fn count_key_of(&self, seed: u64, part: &[u8]) -> u64 {
        if matches!(self.key, Key::Nothing) {
            return self.count_key_of_all(seed);
        }
        self.count_key_of_part(seed, part)
    }

    /// `seed` is the secret of the segment, or that of all gateways that count together: without it nobody can aim for
    /// another client's count. A name is never 0, which marks an empty slot of the table.
    #[inline]
    fn hasher(&self, seed: u64) -> FoldHasher<'static> {
        let seed = match self.sharing {
            Sharing::Alone => seed,
            Sharing::Together { seed, .. } => seed,
        };
        FoldHasher::with_seed(seed ^ self.identity, SharedSeed::global_fixed())
    }
}

impl Limit {
    /// The limit's item of `RateLimit-Policy`: a burst in the time in which it comes back, rounded up to whole seconds.
    pub fn policy_of(name: &str, rate: Gcra) -> Box<str> {
        let (burst, window) = (rate.tolerance / rate.interval, rate.tolerance.div_ceil(NANOS_PER_SECOND));
        let mut policy = String::new();
        let written = write!(policy, "\"{name}\";q={burst};w={window}");
        debug_assert!(written.is_ok(), "a String takes everything");
        policy.into_boxed_str()
    }

    /// What the limit claims of a bucket for a request.
    #[inline]
    pub fn claim(&self, key: u64) -> Claim {
        let cost = match self.cost {
            Cost::Constant(cost) => cost,
            Cost::ResponseHeader(_) => 0,
        };
        let shared = match self.rule.sharing {
            Sharing::Alone => None,
            Sharing::Together { low, .. } => Some(Shared { row: self.rule.row, low, told: false }),
        };
        Claim { key, rate: self.rate, cost, must_fit: self.rule.overflow == Overflow::Refuse, shared }
    }

    /// Has the limit anything to do with the answer of an instance?
    #[inline]
    pub fn is_about_answers(&self) -> bool {
        self.fields == Fields::All || matches!(self.cost, Cost::ResponseHeader(_))
    }
}
