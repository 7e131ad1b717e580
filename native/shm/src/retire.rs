//! Retired totals: what dead workers counted, folded in exactly once whatever dies on the way.
//!
//! There are two banks of totals and one *flip* word that says which bank is valid and which lane, at which of its
//! generations, is already in it. To retire a lane, write valid bank + lane into the other bank, store the flip word
//! (this one store both validates the bank and marks the lane as counted), zero the lane, and raise its generation.
//! A supervisor killed before the flip leaves a bank nobody reads; killed after it, a lane that the flip word names,
//! which readers skip and the next supervisor finishes.

use core::sync::atomic::Ordering;

use crate::word::{add_alone, Word};

/// How often a reader starts again when a lane is folded under its hands. Folds are rare; this many in one read
/// means that the word is being overwritten by something else, and the last sum is as good as any.
const READ_TRIES: usize = 16;

const LANE_BITS: u32 = 9;
const GENERATION_SHIFT: u32 = 1 + LANE_BITS;

/// The flip word, taken apart. A word of 0 names no lane: the field holds the lane's number + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flip(u64);

impl Flip {
    /// The word that says: `bank` is valid, and `lane` at `generation` is in it.
    fn new(bank: usize, lane: u32, generation: u64) -> Self {
        Self(generation << GENERATION_SHIFT | u64::from(lane + 1) << 1 | bank as u64 & 1)
    }

    /// The valid bank: 0 or 1.
    fn bank(self) -> usize {
        (self.0 & 1) as usize
    }

    /// The lane that was folded last.
    fn lane(self) -> Option<u32> {
        ((self.0 >> 1 & ((1 << LANE_BITS) - 1)) as u32).checked_sub(1)
    }

    /// Is what the lane counted at this generation in the totals already?
    fn covers(self, lane: u32, generation: u64) -> bool {
        self.lane() == Some(lane) && self.0 >> GENERATION_SHIFT == generation & (u64::MAX >> GENERATION_SHIFT)
    }
}

/// The counters of one lane.
pub struct Lane<'a, W> {
    /// Number of the lane.
    pub number: u32,
    /// How often it was retired before.
    pub generation: &'a W,
    /// What its worker counts; the worker is the only one that writes while it lives.
    pub counters: &'a [W],
}

/// The totals of all lanes that were retired.
pub struct Retired<'a, W> {
    /// Which bank is valid and which lane is in it.
    pub flip: &'a W,
    /// Two banks as long as a lane's counters.
    pub banks: [&'a [W]; 2],
}

// Every store that follows a flip is Release and every load of a reader Acquire: a reader that saw one of them sees
// the flip as well when it looks again.
impl<W: Word<u64>> Retired<'_, W> {
    /// The flip word as it stands.
    fn flip(&self) -> Flip {
        Flip(self.flip.load(Ordering::Acquire))
    }

    /// The lane that was folded but not yet cleared, because whoever did it was killed. It must be retired again
    /// before any other lane is.
    pub fn unfinished<'l>(&self, lane: impl FnOnce(u32) -> Option<Lane<'l, W>>) -> Option<Lane<'l, W>> {
        let flip = self.flip();
        lane(flip.lane()?).filter(|lane| flip.covers(lane.number, lane.generation.load(Ordering::Acquire)))
    }

    /// Folds the lane of a dead worker, clears it and raises its generation. May be repeated after a kill at any step;
    /// one that was begun for another lane must be finished first (see [`Retired::unfinished`]).
    pub fn retire(&self, lane: &Lane<'_, W>) {
        let flip = self.flip();
        let generation = lane.generation.load(Ordering::Acquire);
        if !flip.covers(lane.number, generation) {
            let (valid, next) = (self.banks[flip.bank()], self.banks[1 - flip.bank()]);
            for ((to, from), counted) in next.iter().zip(valid).zip(lane.counters) {
                let sum = from.load(Ordering::Relaxed).wrapping_add(counted.load(Ordering::Relaxed));
                to.store(sum, Ordering::Release);
            }
            self.flip.store(Flip::new(1 - flip.bank(), lane.number, generation).0, Ordering::Release);
        }
        for word in lane.counters {
            word.store(0, Ordering::Release);
        }
        lane.generation.store(generation.wrapping_add(1), Ordering::Release);
    }

    /// Sums these words of the counters over the retired totals and the given lanes into `sums`.
    pub fn sum<'l, I, L>(&self, words: &I, lanes: impl Fn() -> L, sums: &mut [u64])
    where
        W: 'l,
        I: Iterator<Item = usize> + Clone,
        L: Iterator<Item = Lane<'l, W>>,
    {
        for _ in 0..READ_TRIES {
            let flip = self.flip();
            sums.fill(0);
            add(sums, self.banks[flip.bank()], words.clone());
            for lane in lanes() {
                if !flip.covers(lane.number, lane.generation.load(Ordering::Acquire)) {
                    add(sums, lane.counters, words.clone());
                }
            }
            if self.flip() == flip {
                return;
            }
        }
    }
}

fn add<W: Word<u64>>(sums: &mut [u64], counters: &[W], words: impl Iterator<Item = usize>) {
    for (sum, word) in sums.iter_mut().zip(words) {
        *sum = sum.wrapping_add(counters.get(word).map_or(0, |word| word.load(Ordering::Acquire)));
    }
}

/// Adds to a counter of the own lane, if the lane has it. False: it has not.
#[inline]
pub fn count<W: Word<u64>>(counters: &[W], index: usize, amount: u64) -> bool {
    counters.get(index).map(|word| add_alone(word, amount)).is_some()
}
