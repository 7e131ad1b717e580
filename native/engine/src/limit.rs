//! The token bucket as a function: GCRA over one word, the theoretical arrival time (TAT).
//!
//! A bucket is full when its TAT is not in the future. Taking `cost` tokens moves the TAT by `cost` emission
//! intervals; a request conforms when the TAT then lies at most `burst` intervals ahead of now. (Generic Cell Rate
//! Algorithm, ITU-T I.371, in its virtual-scheduling form.)

/// A rate and a burst, in the form the bucket computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Nanoseconds per token, rounded up so that the rate is never exceeded; at least 1.
    pub interval: u64,
    /// How far the TAT may lie ahead of now: burst × interval, in nanoseconds.
    pub tolerance: u64,
}

/// One bucket that a request wants tokens from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Hash of the limit's identity and the client's key; never 0.
    pub key: u64,
    /// The limit's rate and burst.
    pub rate: Gcra,
    /// Tokens wanted; at least 1.
    pub cost: u32,
}

/// What became of a set of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Every claim was met.
    Allowed,
    /// Claim number `claim` was refused and nothing was taken, except that tokens of the first `forfeited` claims
    /// may have been lost to another worker's charge in between. It would conform in `retry_after` nanoseconds.
    Refused {
        /// Index of the claim that was refused.
        claim: usize,
        /// Nanoseconds until the same claim conforms, if nobody else takes tokens.
        retry_after: u64,
        /// How many earlier claims could not be given back.
        forfeited: usize,
    },
    /// The table had no place for claim number `claim`; the limit's own rule answers. The other claims were met.
    Overflow {
        /// Index of the first claim without a place.
        claim: usize,
    },
}
