//! Splits: which of several sides gets a request, by shares of a hundred.
//!
//! The laws: a request that names a side goes there; otherwise the same key goes to the same side at every worker, gateway and
//! release, and when shares change, whoever changes sides leaves one that shrinks or comes to one that grows. Nothing
//! is remembered of anybody.

use crate::affinity::hash;
use crate::key::{Part, Subject};
use crate::random::Random;

/// What the shares of all sides add up to.
pub const WHOLE: u32 = 100;

/// One side of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Its name: what requests name it by.
    name: Box<str>,
    /// Its share of the whole.
    share: u32,
    /// Tells its draws for a key from those of the others. It is made of the name alone, so that a client is on the same
    /// side of every route that splits alike.
    identity: u64,
}

impl Side {
    /// A side with this name and share.
    pub fn new(name: &str, share: u32) -> Self {
        Self { name: name.into(), share, identity: hash(name.as_bytes()) }
    }
}

/// The sides with what decides for one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    sides: Box<[Side]>,
    named_by: Option<Part>,
    sticky: Option<Part>,
}

impl Split {
    /// `named_by`: the part of a request that may name a side; `sticky`: the part by which requests stay together. The
    /// error is what the shares add up to, where that is not [`WHOLE`].
    pub fn new(sides: Vec<Side>, named_by: Option<Part>, sticky: Option<Part>) -> Result<Self, u32> {
        let total = sides.iter().fold(0, |total: u32, side| total.saturating_add(side.share));
        if total != WHOLE {
            return Err(total);
        }
        Ok(Self { sides: sides.into_boxed_slice(), named_by, sticky })
    }

    /// The index of the side that gets the request.
    #[inline]
    pub fn choose(&self, subject: &Subject<'_>, random: &mut Random) -> usize {
        let named = self.named_by.as_ref().and_then(|part| part.read(subject, |name| self.named(name?)));
        let stays = || self.sticky.as_ref()?.read(subject, |key| Some(self.of_key(hash(key?))));
        named.or_else(stays).unwrap_or_else(|| self.drawn(random.below(WHOLE)))
    }

    fn named(&self, name: &[u8]) -> Option<usize> {
        self.sides.iter().position(|side| side.name.as_bytes() == name)
    }

    /// The side in whose share the number lies, of those below [`WHOLE`].
    fn drawn(&self, mut number: u32) -> usize {
        for (index, side) in self.sides.iter().enumerate() {
            match number.checked_sub(side.share) {
                Some(rest) => number = rest,
                None => return index,
            }
        }
        0
    }

    /// Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): each side draws a time by its share for the
    /// key, exponentially distributed, and the first one wins. Another share changes the times of its own side alone.
    fn of_key(&self, key: u64) -> usize {
        let time = |side: &Side| exponential(mix(key ^ side.identity)) / f64::from(side.share);
        let with_share = self.sides.iter().enumerate().filter(|(_, side)| side.share > 0);
        let times = with_share.map(|(index, side)| (index, time(side)));
        times.min_by(|(_, one), (_, other)| one.total_cmp(other)).map_or(0, |(index, _)| index)
    }
}

/// Spreads the bits of a number (the finalizer of `SplitMix64`; Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// An exponentially distributed number from evenly distributed bits, never infinite.
fn exponential(bits: u64) -> f64 {
    const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
    -(((bits >> 11) as f64 + 0.5) * UNIT).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::head::{slots, HeadLimits, Request};
    use crate::http1::path::Kept;

    const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 1024, fields: 10, target: 1024 };
    const NAMES: [&str; 4] = ["stable", "canary", "third", "fourth"];
    /// How often a share is drawn: enough for one part in a hundred, with seven standard deviations.
    const DRAWS: u32 = 100_000;

    fn sides(shares: &[u32]) -> Vec<Side> {
        NAMES.iter().zip(shares).map(|(name, &share)| Side::new(name, share)).collect()
    }

    fn split(shares: &[u32]) -> Split {
        let part = |text| Some(Part::parse(text).unwrap());
        Split::new(sides(shares), part("header:X-Side"), part("cookie:user")).unwrap()
    }

    fn with_request<T>(fields: &str, ask: impl FnOnce(&Subject<'_>) -> T) -> T {
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut slots = slots();
        let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
        let client = "192.0.2.1".parse().unwrap();
        ask(&Subject { request: &request, client, route: "r", service: "" })
    }

    fn chosen(split: &Split, fields: &str, random: &mut Random) -> usize {
        with_request(fields, |subject| split.choose(subject, random))
    }

    /// Shares are kept within one part in a hundred of all requests.
    fn keeps_its_shares(shares: &[u32], choose: impl FnMut(u32) -> usize) {
        let mut counts = vec![0; shares.len()];
        (0..DRAWS).map(choose).for_each(|side| counts[side] += 1);
        for (count, share) in counts.iter().zip(shares) {
            let off = f64::from(*count) - f64::from(DRAWS * share) / 100.0;
            assert!(off.abs() <= f64::from(DRAWS) / 100.0, "{counts:?} of {shares:?}");
            assert!(*share > 0 || *count == 0, "a side without a share got some: {counts:?}");
        }
    }

    #[test]
    fn shares_are_kept_by_chance_and_by_key() {
        for shares in [&[95, 5][..], &[50, 50], &[100, 0], &[0, 100], &[1, 98, 1], &[25, 25, 25, 25]] {
            let (split, mut random) = (split(shares), Random::new(7));
            with_request("", |subject| keeps_its_shares(shares, |_| split.choose(subject, &mut random)));
            keeps_its_shares(shares, |number| split.of_key(hash(&number.to_be_bytes())));
        }
    }

    #[test]
    fn who_names_a_side_gets_it_whatever_its_share() {
        let (split, mut random) = (split(&[100, 0]), Random::new(1));
        assert_eq!(chosen(&split, "X-Side: canary\r\nCookie: user=1\r\n", &mut random), 1);
        for other in ["Canary", "", "none", "canary, stable"] {
            assert_eq!(chosen(&split, &format!("X-Side: {other}\r\n"), &mut random), 0, "{other:?}");
        }
    }

    #[test]
    fn who_has_no_key_is_drawn_each_time_and_who_has_one_is_not() {
        let (split, mut random) = (split(&[50, 50]), Random::new(3));
        let mut sides =
            |fields: &str| -> Vec<usize> { (0..50).map(|_| chosen(&split, fields, &mut random)).collect() };
        for fields in ["", "Cookie: user=\r\n", "Cookie: other=1\r\n"] {
            let sides = sides(fields);
            assert!(sides.contains(&0) && sides.contains(&1), "{fields:?}");
        }
        for user in 0..10 {
            let sides = sides(&format!("Cookie: user={user}\r\n"));
            assert!(sides.iter().all(|side| side == &sides[0]), "{user}");
        }
    }

    #[test]
    fn shares_that_do_not_add_up_are_no_split() {
        for (shares, total) in [(&[95, 6][..], 101), (&[0, 0], 0), (&[u32::MAX, 1], u32::MAX), (&[], 0)] {
            assert_eq!(Split::new(sides(shares), None, None), Err(total));
        }
    }

    /// Where a key is was found once and stands here: another way to find it would move clients at an upgrade.
    #[test]
    fn keys_stay_where_they_are_from_release_to_release() {
        let split = split(&[40, 30, 20, 10]);
        let at: String = (0..40_u32).map(|key| split.of_key(hash(&key.to_be_bytes())).to_string()).collect();
        assert_eq!(at, "0011003301202012003101130230001110000122");
    }

    fn shares() -> impl Strategy<Value = [u32; 3]> {
        (0..=100_u32, 0..=100_u32).prop_map(|(one, other)| {
            let (low, high) = (one.min(other), one.max(other));
            [low, high - low, 100 - high]
        })
    }

    proptest! {
        /// Whoever changes sides leaves one that shrinks, or comes to one that grows; without a change nobody does.
        #[test]
        fn keys_move_only_as_shares_do(before in shares(), after in shares(), keys in prop::collection::vec(any::<u64>(), 50)) {
            let (old, new) = (split(&before), split(&after));
            for key in keys {
                let (from, to) = (old.of_key(key), new.of_key(key));
                prop_assert!(from == to || after[from] < before[from] || after[to] > before[to]);
                prop_assert_eq!(old.of_key(key), from);
            }
        }

        /// Of two sides only so much moves as the share that moves.
        #[test]
        fn a_growing_side_loses_nobody(less in 0..=100_u32, more in 0..=100_u32, keys in prop::collection::vec(any::<u64>(), 50)) {
            let (less, more) = (less.min(more), less.max(more));
            let (old, new) = (split(&[100 - less, less]), split(&[100 - more, more]));
            prop_assert!(keys.into_iter().all(|key| old.of_key(key) == 0 || new.of_key(key) == 1));
        }
    }
}
