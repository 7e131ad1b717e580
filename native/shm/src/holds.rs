//! What is held per key, such as connections per client or exchanges per limited key: each worker counts its own in a table
//! of its lane, and the sum over the lanes is the truth.
//!
//! As with the caps (see [`crate::cap`]) a worker adds to its own word before it loads the others', all of it sequentially
//! consistent: of two that take the last place at once, the later one sees the earlier. Both may see each other and
//! both back off; an excess is impossible. The count of a killed worker vanishes with its lane.
//!
//! A slot is one word, so that key and count never disagree: 48 bits of the key over a count of 16. It lies somewhere in
//! the window that follows its key, where it stays for as long as it counts anything; then it is 0, and another key may
//! have it. How far from its place any key of a table ever lay is the table's *reach*: nobody need look further. It is
//! stored before the word that needs it, so whoever sees that word sees it too.

use core::sync::atomic::Ordering;

use headgate_engine::state::Hold;

use crate::word::Word;

/// Slots that a key may lie in.
const WINDOW: usize = 32;
const COUNT_BITS: u32 = 16;
/// The most that a word can count.
pub const MOST: u32 = (1 << COUNT_BITS) - 1;

/// The table of one lane.
pub struct Table<'a, W> {
    /// How many slots of a window have ever been used; 0 of a table that never counted anything.
    pub reach: &'a W,
    /// The slots, a power of two of them.
    pub slots: &'a [W],
}

/// One word of a table, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot(u64);

impl Slot {
    const EMPTY: Self = Self(0);

    /// A key's slot with a count above 0; the key's lower bits are told by where it lies.
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

impl<W: Word<u64>> Table<'_, W> {
    /// The first places of a key.
    #[inline]
    fn places(&self, key: u64, steps: usize) -> impl Iterator<Item = usize> {
        let last = self.slots.len().wrapping_sub(1);
        (0..steps.min(WINDOW).min(self.slots.len())).map(move |step| (key as usize).wrapping_add(step) & last)
    }

    #[inline]
    fn reach(&self, order: Ordering) -> usize {
        usize::try_from(self.reach.load(order)).unwrap_or(WINDOW)
    }

    #[inline]
    fn at(&self, place: usize, order: Ordering) -> Slot {
        self.slots.get(place).map_or(Slot::EMPTY, |word| Slot(word.load(order)))
    }

    /// What the table counts for a key.
    #[inline]
    fn count(&self, key: u64) -> u32 {
        let reach = self.reach(Ordering::SeqCst);
        let mut held = self.places(key, reach).map(|place| self.at(place, Ordering::SeqCst));
        held.find(|slot| slot.counts(key)).map_or(0, Slot::count)
    }

    /// Where the owner of the table counts a key, and what stands there; where it may, if it does not yet. Mostly no other key
    /// is near.
    #[inline]
    fn find(&self, key: u64) -> Option<(usize, Slot)> {
        let reach = self.reach(Ordering::Relaxed);
        let place = key as usize & self.slots.len().wrapping_sub(1);
        let slot = self.at(place, Ordering::Relaxed);
        if slot.counts(key) {
            return Some((place, slot));
        }
        if slot.count() == 0 && reach == 1 {
            return Some((place, Slot::of(key, 0)));
        }
        self.search(key, reach)
    }

    fn search(&self, key: u64, reach: usize) -> Option<(usize, Slot)> {
        let mut free = None;
        for place in self.places(key, reach) {
            let slot = self.at(place, Ordering::Relaxed);
            if slot.counts(key) {
                return Some((place, slot));
            }
            if slot.count() == 0 {
                free = free.or(Some((place, Slot::of(key, 0))));
            }
        }
        free.or_else(|| {
            let beyond = self.places(key, WINDOW).enumerate().skip(reach);
            let mut empty = beyond.filter(|&(_, place)| self.at(place, Ordering::Relaxed).count() == 0);
            let (step, place) = empty.next()?;
            self.reach.store(step as u64 + 1, Ordering::SeqCst);
            Some((place, Slot::of(key, 0)))
        })
    }
}

/// Counts one more of a key in the own table, unless all tables together would then count more than `most`.
///
/// `others` must not load anything before it is iterated.
#[inline]
pub fn hold<'a, W: Word<u64> + 'a>(
    own: &Table<'_, W>,
    key: u64,
    most: u32,
    others: impl Iterator<Item = Table<'a, W>>,
) -> Hold {
    let Some((place, before)) = own.find(key) else { return Hold::Uncounted };
    let own_count = before.count() + 1;
    if own_count > most {
        return Hold::Full;
    }
    let Some(word) = own.slots.get(place).filter(|_| own_count <= MOST) else { return Hold::Uncounted };
    if word.exchange(word.load(Ordering::Relaxed), before.with(own_count).0).is_err() {
        return Hold::Uncounted; // somebody else writes here: nonsense
    }
    let rest = total(key, others);
    if own_count.saturating_add(rest) <= most {
        return Hold::Held { place: place as u32 };
    }
    word.store(before.with(before.count()).0, Ordering::SeqCst);
    Hold::Full
}

/// What all tables together count for a key.
#[inline]
pub fn total<'a, W: Word<u64> + 'a>(key: u64, tables: impl Iterator<Item = Table<'a, W>>) -> u32 {
    tables.fold(0, |sum, table| sum.saturating_add(table.count(key)))
}

/// Gives back what one [`Hold::Held`] took. False: nothing was counted there, the word made no sense.
#[inline]
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

    /// A table with its reach in front.
    struct Lane(AtomicU64, Vec<AtomicU64>);

    impl Lane {
        fn new(slots: usize) -> Self {
            Self(AtomicU64::new(0), (0..slots).map(|_| AtomicU64::new(0)).collect())
        }

        fn table(&self) -> Table<'_, AtomicU64> {
            Table { reach: &self.0, slots: &self.1 }
        }

        fn hold(&self, key: u64, most: u32, others: &[&Lane]) -> Hold {
            hold(&self.table(), key, most, others.iter().map(|lane| lane.table()))
        }

        fn release(&self, place: u32) -> bool {
            release(&self.1, place)
        }
    }

    fn place(hold: Hold) -> u32 {
        let Hold::Held { place } = hold else { panic!("{hold:?}") };
        place
    }

    /// A key may be held as often as the limit says, in one table or in several, and once more for each that ends.
    #[test]
    fn counts_to_the_limit_over_all_tables() {
        let (own, other) = (Lane::new(64), Lane::new(64));
        let first = place(own.hold(0xABCD_0001, 3, &[&other]));
        assert_eq!(place(own.hold(0xABCD_0001, 3, &[&other])), first);
        let elsewhere = place(other.hold(0xABCD_0001, 3, &[&own]));
        for (mine, yours) in [(&own, &other), (&other, &own)] {
            assert_eq!(mine.hold(0xABCD_0001, 3, &[yours]), Hold::Full);
        }
        assert!(other.release(elsewhere));
        assert_eq!(place(own.hold(0xABCD_0001, 3, &[&other])), first);
        for _ in 0..3 {
            assert!(own.release(first));
        }
        assert!(!own.release(first), "nothing is left to give back");
        assert!(own.1.iter().chain(&other.1).all(|word| word.load(Ordering::Relaxed) == 0));
    }

    /// Keys whose windows overlap have slots of their own; a window that is full of others counts nobody.
    #[test]
    fn neighbours_do_not_share_a_slot() {
        let own = Lane::new(64);
        let key = |number: u64| number << 32 | 7;
        let held: Vec<u32> = (1..=32).map(|number| place(own.hold(key(number), 1, &[]))).collect();
        assert_eq!(own.hold(key(99), 1, &[]), Hold::Uncounted);
        for number in 1..=32 {
            assert_eq!(own.hold(key(number), 1, &[]), Hold::Full);
        }
        assert!(own.release(held[3]));
        assert_eq!(place(own.hold(key(99), 1, &[])), held[3]);
    }

    /// The reach grows as keys lie further from their place, and never shrinks: what lies there is found later, too.
    #[test]
    fn a_key_is_found_where_it_lies_after_its_neighbours_have_gone() {
        let (own, other) = (Lane::new(64), Lane::new(64));
        let key = |number: u64| number << 32 | 7;
        let held: Vec<u32> = (1..=3).map(|number| place(own.hold(key(number), 2, &[&other]))).collect();
        assert_eq!(own.0.load(Ordering::Relaxed), 3);
        assert!(own.release(held[0]) && own.release(held[1]));
        assert_eq!(place(own.hold(key(3), 2, &[&other])), held[2], "not in the free slot before it");
        assert_eq!(other.hold(key(3), 2, &[&own]), Hold::Full);
        assert_eq!(own.0.load(Ordering::Relaxed), 3);
        assert_eq!(place(own.hold(key(4), 2, &[&other])), held[0]);
    }

    /// A word never counts over into its key, and a place outside the table is nonsense.
    #[test]
    fn a_word_that_is_full_counts_no_further() {
        let own = Lane::new(64);
        own.0.store(u64::MAX, Ordering::Relaxed);
        own.1[7].store(1 << 32 | u64::from(MOST), Ordering::Relaxed);
        assert_eq!(own.hold(1 << 32 | 7, u32::MAX, &[]), Hold::Uncounted);
        assert_eq!(own.hold(1 << 32 | 7, MOST, &[]), Hold::Full);
        assert!(!own.release(64) && !own.release(0));
        assert_eq!(Lane::new(0).hold(7, 1, &[]), Hold::Uncounted);
    }
}
