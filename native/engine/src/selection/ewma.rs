//! The faster of two random members, by a moving average of its latency and what it has in flight.
//!
//! The average is sensitive to peaks (Finagle's "Peak EWMA"): a slower answer is believed at once, a faster one by and
//! by, and what nobody confirms fades. So an instance that turns slow is left within one answer, and asked again later.

use super::Decision;
use crate::random::Random;
use crate::state::{Bank, Instance, State};

/// The time in which an answer's weight falls to 1/e, in nanoseconds.
const TAU: f64 = 10e9;

/// Nanoseconds to a unit of a word's time and of its value: 1 ms, and a quarter of a microsecond.
const TIME_SHIFT: u32 = 20;
const VALUE_SHIFT: u32 = 8;

/// The estimate of an instance's latency, and when it was made, as one word of shared memory.
///
/// The upper half is the time in units of 2²⁰ ns (it comes round after 52 days, when no estimate is left), the lower
/// half the value in units of 2⁸ ns (at most 18 minutes). 0 is no estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency(pub u64);

impl Latency {
    /// An estimate made now.
    pub fn new(nanos: u64, now: u64) -> Self {
        let value = (nanos >> VALUE_SHIFT).clamp(1, u64::from(u32::MAX));
        Self(u64::from((now >> TIME_SHIFT) as u32) << 32 | value)
    }

    /// The latency to expect, in nanoseconds; `None` where nothing is known.
    #[inline]
    pub fn expected(self, now: u64) -> Option<u64> {
        let value = u64::from(self.0 as u32) << VALUE_SHIFT;
        (value > 0).then(|| (value as f64 * self.fade(now)) as u64)
    }

    /// The estimate after an answer that took so long.
    #[must_use]
    pub fn observed(self, nanos: u64, now: u64) -> Self {
        let before = u64::from(self.0 as u32) << VALUE_SHIFT;
        if nanos >= before {
            return Self::new(nanos, now);
        }
        let weight = self.fade(now);
        Self::new((before as f64).mul_add(weight, nanos as f64 * (1.0 - weight)) as u64, now)
    }

    /// What is left of the estimate's weight. A worker's clock reading may be a little older than the word's.
    #[inline]
    fn fade(self, now: u64) -> f64 {
        let units = ((now >> TIME_SHIFT) as u32).wrapping_sub((self.0 >> 32) as u32);
        match units {
            0 => 1.0,
            units if units > u32::MAX - (1 << 12) => 1.0, // up to 4 s ahead: no time has passed
            units => (-((u64::from(units) << TIME_SHIFT) as f64) / TAU).exp(),
        }
    }
}

/// The latency that one of unknown latency is given from the others': their median, for its first exchanges shall
/// neither be all there are nor none. `None` where nothing is known of anybody.
pub fn median(known: &mut [u64]) -> Option<u64> {
    let middle = known.len() / 2;
    (!known.is_empty()).then(|| *known.select_nth_unstable(middle).1)
}

/// A latency longer than any that is known: a word's value ends below 2⁴⁰ ns. With as many exchanges and as much room as there
/// may be it fits into 128 bits.
const ENDLESS: u64 = 1 << 53;
/// More than any member's room: a capacity of 32 bits, and ten bits of warmth.
const MOST_ROOM: u64 = 1 << 42;

/// How long a member would take, up to a factor that all share: `work` ÷ `room`.
#[derive(Clone, Copy)]
struct Cost {
    /// Latency × exchanges ahead and the new one.
    work: u128,
    room: u64,
}

impl Cost {
    /// One of unknown latency is worth a first try, and no second before that has come back.
    #[inline]
    fn new(latency: Option<u64>, in_flight: u32, room: u64) -> Self {
        let unknown = if in_flight == 0 { 0 } else { ENDLESS };
        let latency = u128::from(latency.unwrap_or(unknown));
        Self { work: latency * (u128::from(in_flight) + 1), room: room.clamp(1, MOST_ROOM) }
    }

    /// By cross multiplication: exact, and no division.
    #[inline]
    fn is_below(self, other: Self) -> bool {
        self.work * u128::from(other.room) < other.work * u128::from(self.room)
    }
}

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    pub(super) fn faster_of_two(&mut self, bank: Bank, random: &mut Random) -> Option<Instance> {
        self.better_of_two(bank, random, Self::is_faster)
    }

    fn is_faster(&self, a: u32, b: u32) -> bool {
        let cost = |slot, in_flight| {
            Cost::new(self.state.latency(slot).expected(self.now), in_flight, self.room(slot))
        };
        let [of_a, of_b] = self.state.in_flight_of([a, b]);
        cost(a, of_a).is_below(cost(b, of_b))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MILLI;

    fn close(latency: Latency, now: u64, nanos: u64) {
        let expected = latency.expected(now).unwrap();
        let off = expected.abs_diff(nanos) as f64 / nanos as f64;
        assert!(off < 0.002, "{expected} for {nanos}");
    }

    /// A peak counts at once; what is faster counts by the time that has passed, with τ = 10 s.
    #[test]
    fn peaks_count_at_once_and_fade() {
        let start = Latency::default().observed(10 * MILLI, SECOND);
        close(start, SECOND, 10 * MILLI);
        let peak = start.observed(100 * MILLI, 2 * SECOND);
        close(peak, 2 * SECOND, 100 * MILLI);
        let tenth = (-1f64).exp();
        close(peak, 12 * SECOND, (100e6 * tenth) as u64);
        let after = peak.observed(10 * MILLI, 12 * SECOND);
        close(after, 12 * SECOND, (100e6 * tenth + 10e6 * (1.0 - tenth)) as u64);
    }

    /// Nothing is known before the first answer, however long ago that was to be.
    #[test]
    fn no_word_no_estimate() {
        assert_eq!(Latency(0).expected(u64::MAX), None);
        assert_eq!(Latency(7 << 32).expected(SECOND), None);
        assert!(Latency::new(0, SECOND).expected(SECOND).is_some(), "an answer in no time is known");
    }

    /// A clock reading before the word's own leaves the estimate as it is.
    #[test]
    fn an_older_clock_reading_changes_nothing() {
        let latency = Latency::new(10 * MILLI, 100 * SECOND);
        close(latency, 98 * SECOND, 10 * MILLI);
    }

    /// The median of none is none; of others, one of the middle.
    #[test]
    fn medians() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [7]), Some(7));
        assert_eq!(median(&mut [9, 1, 5]), Some(5));
    }

    /// An unknown member is tried once before a known one, and not again until its answer is there.
    #[test]
    fn the_unknown_are_tried_once() {
        assert!(Cost::new(None, 0, 1).is_below(Cost::new(Some(1000), 0, 1)));
        assert!(Cost::new(Some(SECOND), 1000, 1).is_below(Cost::new(None, 1, 1)));
        assert!(Cost::new(None, 1, 1).is_below(Cost::new(None, 2, 1)));
    }

    /// Twice the room takes twice as many exchanges in the same time, neither more nor less.
    #[test]
    fn room_counts_against_what_is_ahead() {
        let [half, whole] = [Cost::new(Some(1000), 3, 4), Cost::new(Some(1000), 7, 8)];
        assert!(!half.is_below(whole) && !whole.is_below(half));
        assert!(Cost::new(Some(1000), 6, 8).is_below(half) && half.is_below(Cost::new(Some(1001), 7, 8)));
    }

    proptest! {
        /// Any word and any time give an estimate between nothing and the word's value, and never a fault.
        #[test]
        fn any_word_is_read(word: u64, now: u64, nanos: u64, in_flight: u32, room: u64) {
            let latency = Latency(word);
            let value = u64::from(word as u32) << VALUE_SHIFT;
            prop_assert!(latency.expected(now).is_none_or(|expected| expected <= value));
            prop_assert!(latency.observed(nanos, now).expected(now).is_some());
            let costs = [Cost::new(latency.expected(now), in_flight, room), Cost::new(None, u32::MAX, u64::MAX)];
            prop_assert!(costs.iter().all(|cost| !cost.is_below(*cost)));
            prop_assert!(!(costs[0].is_below(costs[1]) && costs[1].is_below(costs[0])));
        }
    }
}
