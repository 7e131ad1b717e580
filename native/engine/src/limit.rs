//! The token bucket as a function: GCRA over one word, the theoretical arrival time (TAT).
//!
//! A bucket is full when its TAT is not in the future. Taking `cost` tokens moves the TAT by `cost` emission
//! intervals; a request conforms when the TAT then lies at most `burst` intervals ahead of now. (Generic Cell Rate
//! Algorithm, ITU-T I.371, in its virtual-scheduling form.)

use crate::stock::Shared;

/// The latest TAT a bucket may hold: its word keeps the bit above for other uses, and 292 years are enough.
pub const MAX_TAT: u64 = (1 << 63) - 1;

/// How far the clock readings of two workers may lie apart: each reads the time once per event and may be stopped
/// before it uses it.
pub const CLOCK_SLACK_NS: u64 = 1_000_000_000;

/// When to come again whose key has no place in the table, in nanoseconds: places become free all the time.
pub const RETRY_WITHOUT_PLACE: u64 = 1_000_000_000;

/// A rate and a burst, in the form the bucket computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Nanoseconds per token, rounded up so that the rate is never exceeded; at least 1.
    pub interval: u64,
    /// How far the TAT may lie ahead of now: burst × interval, in nanoseconds.
    pub tolerance: u64,
    /// How much further a cost that is known afterwards may move it, in nanoseconds; 0 where every cost is known before.
    pub debt: u64,
}

impl Gcra {
    /// `tokens` per `period_ns` nanoseconds, and at most `burst` of them at once.
    ///
    /// No token at all cannot be said as a rate: 0 tokens count as 1. A burst of 0 lets nothing through.
    pub fn per(tokens: u64, period_ns: u64, burst: u64) -> Self {
        let interval = period_ns.div_ceil(tokens.max(1)).clamp(1, MAX_TAT);
        Self { interval, tolerance: burst.saturating_mul(interval).min(MAX_TAT), debt: 0 }
    }

    /// The same, for costs that are known afterwards: a bucket may come to owe another burst.
    #[must_use]
    pub fn with_debt(self) -> Self {
        Self { debt: self.tolerance, ..self }
    }

    /// The latest TAT that a charge can leave behind: of a bucket that is empty, or owes as much as it may.
    fn latest(self, now: u64) -> u64 {
        now.saturating_add(self.tolerance).saturating_add(self.debt).min(MAX_TAT)
    }

    /// The TAT of the emptiest bucket, if `tat` lies so far ahead that no charge at this rate can have put it there.
    ///
    /// That happens when a reload made the limit faster or its burst smaller, or when the word is garbage: a bucket
    /// cannot be emptier than empty, so its client need not wait for a debt that this rate does not know.
    #[inline]
    pub fn emptied(self, tat: u64, now: u64) -> Option<u64> {
        let latest = self.latest(now);
        (tat > latest.saturating_add(CLOCK_SLACK_NS)).then_some(latest)
    }

    /// The TAT after a cost that nobody can refuse any more: the bucket may owe it, as far as it may owe at all.
    pub fn owing(self, tat: u64, now: u64, cost: u32) -> u64 {
        let wanted = u64::from(cost).saturating_mul(self.interval);
        tat.max(now).saturating_add(wanted).min(self.latest(now).max(tat)).min(MAX_TAT)
    }

    /// What is in a bucket with this TAT.
    pub fn level(self, tat: u64, now: u64) -> Level {
        let ahead = tat.saturating_sub(now);
        Level { tokens: self.tolerance.saturating_sub(ahead) / self.interval, full_in: ahead }
    }
}

/// What is in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Whole tokens.
    pub tokens: u64,
    /// Nanoseconds until it is full, if nobody takes any.
    pub full_in: u64,
}

/// Takes `cost` tokens from the bucket with this TAT (0 asks only whether it owes any): its new TAT, or the nanoseconds until it would conform if
/// nobody else takes tokens ([`u64::MAX`]: never, the burst is smaller than the cost).
#[inline]
pub fn conforms(tat: u64, now: u64, rate: Gcra, cost: u32) -> Result<u64, u64> {
    let wanted = u64::from(cost).saturating_mul(rate.interval); // cut off, it is still above every tolerance
    let room = rate.tolerance.checked_sub(wanted).ok_or(u64::MAX)?;
    let ahead = tat.saturating_sub(now);
    if ahead > room {
        return Err(ahead - room);
    }
    tat.max(now).checked_add(wanted).filter(|&new| new <= MAX_TAT).ok_or(u64::MAX)
}

/// One bucket that a request wants tokens from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Hash of the limit's identity and the client's key; never 0.
    pub key: u64,
    /// The limit's rate and burst.
    pub rate: Gcra,
    /// Tokens wanted; 0 takes none and is met while the bucket owes none.
    pub cost: u32,
    /// Where the table has no place for the key: is the claim refused, rather than met?
    pub must_fit: bool,
    /// Other gateways share the bucket: what is taken from is this one's stock.
    pub shared: Option<Shared>,
}

/// Why a claim is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Its bucket has too little, for so many nanoseconds more.
    Empty(u64),
    /// The bucket that gateways share is asked for more, and nobody is refused before it has answered.
    Unanswered {
        /// Its keeper knows that this claim waits.
        told: bool,
    },
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
    /// The table had no place for some claims, which are met all the same, as the others are.
    Overflow {
        /// The claims without a place: bit n is claim number n.
        claims: u16,
    },
    /// The table had no place for claim number `claim`, which must have one. As for [`Charge::Refused`], nothing was taken,
    /// except that tokens of earlier claims may have been lost.
    NoPlace {
        /// Index of the claim.
        claim: usize,
        /// How many earlier claims could not be given back.
        forfeited: usize,
    },
    /// None was refused, and buckets that gateways share are to answer first. As for [`Charge::Refused`], nothing was taken,
    /// except that tokens of earlier claims may have been lost. The same claims are to be made again when one has answered.
    Unanswered {
        /// The claims of which the keeper knows that they wait: bit n is claim number n.
        told: u16,
        /// How many earlier claims could not be given back.
        forfeited: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    /// The interval is rounded up, so the rate is never exceeded.
    #[test]
    fn interval_rounds_up() {
        assert_eq!(Gcra::per(3, 10, 2), Gcra { interval: 4, tolerance: 8, debt: 0 });
        assert_eq!(Gcra::per(100, SECOND, 200).interval, 10_000_000);
        assert_eq!(Gcra::per(u64::MAX, 1, 1).interval, 1);
    }

    /// A full bucket gives its burst at once, then one token per interval.
    #[test]
    fn burst_then_rate() {
        let rate = Gcra::per(10, SECOND, 3);
        let mut tat = 0;
        for _ in 0..3 {
            tat = conforms(tat, 5 * SECOND, rate, 1).unwrap();
        }
        assert_eq!(conforms(tat, 5 * SECOND, rate, 1), Err(SECOND / 10));
        assert!(conforms(tat, 5 * SECOND + SECOND / 10, rate, 1).is_ok());
    }

    /// A cost above the burst never conforms and says so.
    #[test]
    fn cost_above_burst_never_conforms() {
        assert_eq!(conforms(0, SECOND, Gcra::per(1, SECOND, 3), 4), Err(u64::MAX));
        assert_eq!(conforms(0, SECOND, Gcra::per(1, SECOND, 0), 1), Err(u64::MAX));
    }

    /// A TAT from a slower rate is brought back to "empty"; one that this rate can have written is left alone.
    #[test]
    fn a_bucket_is_never_emptier_than_empty() {
        let rate = Gcra::per(10, SECOND, 5);
        let now = 100 * SECOND;
        assert_eq!(rate.emptied(now + rate.tolerance, now), None);
        assert_eq!(rate.emptied(now + rate.tolerance + CLOCK_SLACK_NS, now), None);
        assert_eq!(rate.emptied(now + 600 * SECOND, now), Some(now + rate.tolerance));
    }

    /// A cost that comes afterwards is owed, at most one burst of it, and a claim of nothing waits until it is paid.
    #[test]
    fn debts_are_bounded_and_paid_first() {
        let rate = Gcra::per(10, SECOND, 5).with_debt();
        let now = 100 * SECOND;
        let owes = rate.owing(0, now, 7);
        assert_eq!(owes, now + 7 * SECOND / 10);
        assert_eq!(conforms(owes, now, rate, 0), Err(2 * SECOND / 10));
        assert!(conforms(owes, now + 2 * SECOND / 10, rate, 0).is_ok());
        let most = rate.owing(owes, now, u32::MAX);
        assert_eq!(most, now + 2 * rate.tolerance);
        assert_eq!((rate.owing(most, now, 1), rate.emptied(most, now)), (most, None));
        assert_eq!(rate.emptied(most + 600 * SECOND, now), Some(most));
    }

    /// The level is what conforms at once, in whole tokens.
    #[test]
    fn a_level_counts_what_conforms() {
        let rate = Gcra::per(10, SECOND, 5);
        let now = 100 * SECOND;
        assert_eq!(rate.level(0, now), Level { tokens: 5, full_in: 0 });
        let tat = conforms(0, now, rate, 3).unwrap();
        assert_eq!(rate.level(tat, now), Level { tokens: 2, full_in: 3 * SECOND / 10 });
        assert_eq!(rate.level(tat, now + 1).tokens, 2);
        assert_eq!(rate.level(now + 9 * SECOND, now).tokens, 0);
    }

    /// The bucket as everybody draws it: a level in tokens × interval, filled by the passing time, in exact integers.
    struct Bucket {
        level: i128,
        at: u64,
    }

    impl Bucket {
        fn take(&mut self, now: u64, rate: Gcra, cost: u32) -> bool {
            let filled = self.level + i128::from(now - self.at);
            self.level = filled.min(i128::from(rate.tolerance));
            self.at = now;
            let wanted = i128::from(cost) * i128::from(rate.interval);
            if wanted > self.level {
                return false;
            }
            self.level -= wanted;
            true
        }
    }

    proptest! {
        /// GCRA decides as the filling bucket does, whatever the steps and costs.
        #[test]
        fn same_as_the_filling_bucket(
            tokens in 1u64..5000, period in 1u64..120 * SECOND, burst in 0u64..500,
            start in 0u64..SECOND * 1_000_000,
            steps in prop::collection::vec((0u64..SECOND, 0u32..40), 1..200),
        ) {
            let rate = Gcra::per(tokens, period, burst);
            let mut reference = Bucket { level: i128::from(rate.tolerance), at: start };
            let (mut tat, mut now) = (0, start);
            for (pause, cost) in steps {
                now += pause;
                let verdict = conforms(tat, now, rate, cost);
                prop_assert_eq!(verdict.is_ok(), reference.take(now, rate, cost));
                if let Ok(new) = verdict {
                    tat = new;
                }
            }
        }

        /// The admitted tokens never exceed burst + rate × time, in exact rationals.
        #[test]
        fn never_above_burst_plus_rate(
            tokens in 1u64..5000, period in 1u64..10 * SECOND, burst in 1u64..100,
            pauses in prop::collection::vec(0u64..SECOND / 10, 1..300),
        ) {
            let rate = Gcra::per(tokens, period, burst);
            let (mut tat, mut elapsed, mut admitted) = (0, 0u64, 0u128);
            for pause in pauses {
                elapsed += pause;
                if let Ok(new) = conforms(tat, SECOND + elapsed, rate, 1) {
                    tat = new;
                    admitted += 1;
                }
                // admitted <= burst + elapsed * tokens / period, multiplied by period.
                let bound = u128::from(burst) * u128::from(period) + u128::from(elapsed) * u128::from(tokens);
                prop_assert!(admitted * u128::from(period) <= bound.max(u128::from(burst) * u128::from(period)));
            }
        }

        /// Waiting exactly `retry_after` conforms, one nanosecond less does not.
        #[test]
        fn retry_after_is_exact(
            tokens in 1u64..5000, period in 1u64..120 * SECOND, burst in 1u64..100,
            ahead in 0u64..200 * SECOND, cost in 1u32..100,
        ) {
            let rate = Gcra::per(tokens, period, burst);
            let now = 1000 * SECOND;
            if let Err(wait) = conforms(now + ahead, now, rate, cost) {
                if wait != u64::MAX {
                    prop_assert!(conforms(now + ahead, now + wait, rate, cost).is_ok());
                    prop_assert!(conforms(now + ahead, now + wait - 1, rate, cost).is_err());
                }
            }
        }

        /// No input overflows, and no result leaves the range that a bucket's word can hold.
        #[test]
        fn total_over_all_words(tokens: u64, period: u64, burst: u64, tat: u64, now: u64, cost: u32) {
            let rate = Gcra::per(tokens, period, burst);
            prop_assert!(rate.interval >= 1);
            if let Ok(new) = conforms(tat, now, rate, cost) {
                prop_assert!(new <= MAX_TAT && new >= now.max(tat));
            }
            for rate in [rate, rate.with_debt()] {
                prop_assert!(rate.emptied(tat, now).is_none_or(|empty| empty <= MAX_TAT && empty < tat));
                let owing = rate.owing(tat, now, cost);
                prop_assert!(owing <= MAX_TAT && owing >= tat.min(MAX_TAT));
                prop_assert!(rate.level(tat, now).tokens <= rate.tolerance / rate.interval);
            }
        }
    }
}
