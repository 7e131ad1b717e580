//! Connections per client: each worker counts its own in a table of its lane, and the sum over the lanes is the truth.
//!
//! As with the caps (see [`crate::cap`]) a worker adds to its own word before it loads the others', all of it sequentially
//! consistent: of two that take the last place at once, the later one sees the earlier. Both may see each other and
//! both back off; an excess is impossible. The count of a killed worker vanishes with its lane.
//!
//! A slot is one word, so that client and count never disagree: 48 bits of the client's key over a count of 16. It lies
//! somewhere in the window that follows its key, where it stays for as long as it counts anything; then it is 0, and
//! another client may have it.

use core::sync::atomic::Ordering;

use headgate_engine::state::ClientHold;

use crate::word::Word;

/// Slots that a client may lie in.
const WINDOW: usize = 32;
const COUNT_BITS: u32 = 16;
/// The most that a word can count.
pub const MOST: u32 = (1 << COUNT_BITS) - 1;

/// One word of a table, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot(u64);

impl Slot {
    const EMPTY: Self = Self(0);

    /// A client's slot with a count above 0; the key's lower bits are told by where it lies.
    fn of(key: u64, count: u32) -> Self {
        Self(key & !u64::from(MOST) | u64::from(count))
    }

    fn count(self) -> u32 {
        self.0 as u32 & MOST
    }

    fn counts(self, key: u64) -> bool {
        self.count() > 0 && self.0 >> COUNT_BITS == key >> COUNT_BITS
    }

    fn with(self, count: u32) -> Self {
        if count == 0 {
            Self::EMPTY
        } else {
            Self::of(self.0, count)
        }
    }
}

/// The places of a key in a table whose length is a power of two.
fn places(key: u64, slots: usize) -> impl Iterator<Item = usize> {
    let last = slots.wrapping_sub(1);
    (0..WINDOW.min(slots)).map(move |step| (key as usize).wrapping_add(step) & last)
}

fn at<W: Word<u64>>(slots: &[W], place: usize, order: Ordering) -> Slot {
    slots.get(place).map_or(Slot::EMPTY, |word| Slot(word.load(order)))
}

/// What a lane counts for a client.
fn count<W: Word<u64>>(slots: &[W], key: u64) -> u32 {
    let mut held = places(key, slots.len()).map(|place| at(slots, place, Ordering::SeqCst));
    held.find(|slot| slot.counts(key)).map_or(0, Slot::count)
}

/// Counts one connection of a client in the own table, unless all tables together would then count more than `most`.
///
/// `others` must not load anything before it is iterated.
pub fn hold<'a, W: Word<u64> + 'a>(
    own: &'a [W],
    key: u64,
    most: u32,
    others: impl Iterator<Item = &'a [W]>,
) -> ClientHold {
    let mut free = None;
    let mut found = None;
    for place in places(key, own.len()) {
        let slot = at(own, place, Ordering::Relaxed);
        if slot.counts(key) {
            found = Some((place, slot));
            break;
        }
        if slot.count() == 0 {
            free = free.or(Some((place, Slot::of(key, 0))));
        }
    }
    let Some((place, before)) = found.or(free) else { return ClientHold::Uncounted };
    let own_count = before.count() + 1;
    let Some(word) = own.get(place).filter(|_| own_count <= MOST) else { return ClientHold::Uncounted };
    if word.exchange(word.load(Ordering::Relaxed), before.with(own_count).0).is_err() {
        return ClientHold::Uncounted; // somebody else writes here: nonsense
    }
    let rest = others.fold(0_u32, |sum, slots| sum.saturating_add(count(slots, key)));
    if own_count.saturating_add(rest) <= most {
        return ClientHold::Held { place: place as u32 };
    }
    word.store(before.with(before.count()).0, Ordering::Release);
    ClientHold::Full
}

/// Gives one connection back. False: none was counted there, the word made no sense.
pub fn release<W: Word<u64>>(own: &[W], place: u32) -> bool {
    let Some(word) = own.get(place as usize) else { return false };
    let slot = Slot(word.load(Ordering::Relaxed));
    let Some(left) = slot.count().checked_sub(1) else { return false };
    word.store(slot.with(left).0, Ordering::Release);
    true
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::*;

    const NOBODY: [&[AtomicU64]; 0] = [];

    fn table(slots: usize) -> Vec<AtomicU64> {
        (0..slots).map(|_| AtomicU64::new(0)).collect()
    }

    fn place(hold: ClientHold) -> u32 {
        let ClientHold::Held { place } = hold else { panic!("{hold:?}") };
        place
    }

    /// A client may hold as many as the limit says, in one table or in several, and one more for each that it ends.
    #[test]
    fn counts_to_the_limit_over_all_tables() {
        let (own, other) = (table(64), table(64));
        let first = place(hold(&own, 0xABCD_0001, 3, [other.as_slice()].into_iter()));
        assert_eq!(place(hold(&own, 0xABCD_0001, 3, [other.as_slice()].into_iter())), first);
        let elsewhere = place(hold(&other, 0xABCD_0001, 3, [own.as_slice()].into_iter()));
        for (mine, yours) in [(&own, &other), (&other, &own)] {
            assert_eq!(hold(mine, 0xABCD_0001, 3, [yours.as_slice()].into_iter()), ClientHold::Full);
        }
        assert!(release(&other, elsewhere));
        assert_eq!(place(hold(&own, 0xABCD_0001, 3, [other.as_slice()].into_iter())), first);
        for _ in 0..3 {
            assert!(release(&own, first));
        }
        assert!(!release(&own, first), "nothing is left to give back");
        assert!(own.iter().chain(&other).all(|word| word.load(Ordering::Relaxed) == 0));
    }

    /// Clients whose windows overlap have slots of their own; a window that is full of others counts nobody.
    #[test]
    fn neighbours_do_not_share_a_slot() {
        let own = table(64);
        let key = |client: u64| client << 32 | 7;
        let held: Vec<u32> =
            (1..=32).map(|client| place(hold(&own, key(client), 1, NOBODY.into_iter()))).collect();
        assert_eq!(hold(&own, key(99), 1, NOBODY.into_iter()), ClientHold::Uncounted);
        for client in 1..=32 {
            assert_eq!(hold(&own, key(client), 1, NOBODY.into_iter()), ClientHold::Full);
        }
        assert!(release(&own, held[3]));
        assert_eq!(place(hold(&own, key(99), 1, NOBODY.into_iter())), held[3]);
    }

    /// A word never counts over into its key, and a place outside the table is nonsense.
    #[test]
    fn a_word_that_is_full_counts_no_further() {
        let own = table(64);
        own[7].store(1 << 32 | u64::from(MOST), Ordering::Relaxed);
        assert_eq!(hold(&own, 1 << 32 | 7, u32::MAX, NOBODY.into_iter()), ClientHold::Uncounted);
        assert!(!release(&own, 64) && !release(&own, 0));
        assert_eq!(hold(&table(0), 7, 1, NOBODY.into_iter()), ClientHold::Uncounted);
    }
}
