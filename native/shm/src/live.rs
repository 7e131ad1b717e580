//! The set of live lanes: one bit per lane, written by the supervisor, read at every sum over lanes.

use core::sync::atomic::Ordering;

use crate::word::Word;

/// Most lanes a segment may have; the set is this many bits.
pub const MAX_LANES: u32 = 256;

/// The lanes whose bit is set, in order. Each word of the set is loaded (`SeqCst`) when the iteration reaches it.
pub struct LiveLanes<'a, W> {
    words: core::slice::Iter<'a, W>,
    base: u32,
    left: u64,
}

impl<'a, W: Word<u64>> LiveLanes<'a, W> {
    /// Iterates over the set in `words`.
    #[inline]
    pub fn new(words: &'a [W]) -> Self {
        // One word before the first: the first step of the iteration moves on to it.
        Self { words: words.iter(), base: 0u32.wrapping_sub(64), left: 0 }
    }
}

impl<W> Clone for LiveLanes<'_, W> {
    fn clone(&self) -> Self {
        Self { words: self.words.clone(), ..*self }
    }
}

impl<W: Word<u64>> Iterator for LiveLanes<'_, W> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            self.left = self.words.next()?.load(Ordering::SeqCst);
            self.base = self.base.wrapping_add(64);
        }
        let lane = self.base + self.left.trailing_zeros();
        self.left &= self.left - 1;
        Some(lane)
    }

    /// The same, as a loop in a loop: what sums over lanes at every decision goes this way.
    #[inline]
    fn fold<T, F: FnMut(T, u32) -> T>(self, start: T, mut add: F) -> T {
        let mut of_word = |mut folded, base: u32, mut left: u64| {
            while left != 0 {
                folded = add(folded, base + left.trailing_zeros());
                left &= left - 1;
            }
            folded
        };
        let Self { words, mut base, left } = self;
        let started = of_word(start, base, left);
        words.fold(started, |folded, word| {
            base = base.wrapping_add(64);
            of_word(folded, base, word.load(Ordering::SeqCst))
        })
    }
}

/// Is the lane's bit set?
pub fn is_live<W: Word<u64>>(words: &[W], lane: u32) -> bool {
    words.get(lane as usize / 64).is_some_and(|word| word.load(Ordering::SeqCst) >> (lane % 64) & 1 == 1)
}

/// Sets or clears the lane's bit. Only one process at a time may do so.
pub fn set_live<W: Word<u64>>(words: &[W], lane: u32, live: bool) {
    if let Some(word) = words.get(lane as usize / 64) {
        let bit = 1 << (lane % 64);
        let others = word.load(Ordering::Relaxed) & !bit;
        word.store(if live { others | bit } else { others }, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::*;

    /// Exactly the lanes whose bit is set come out, in order, across the words of the set.
    #[test]
    fn iterates_over_set_bits() {
        let words = [0; 4].map(AtomicU64::new);
        for lane in [0, 1, 63, 64, 200, 255] {
            set_live(&words, lane, true);
        }
        set_live(&words, 1, false);
        let mut lanes = LiveLanes::new(&words);
        let fold =
            |lanes: LiveLanes<'_, AtomicU64>| lanes.fold(vec![], |seen, lane| [seen, vec![lane]].concat());
        assert_eq!(lanes.clone().collect::<Vec<_>>(), [0, 63, 64, 200, 255]);
        assert_eq!(fold(lanes.clone()), [0, 63, 64, 200, 255]);
        assert_eq!((lanes.next(), fold(lanes)), (Some(0), vec![63, 64, 200, 255]));
        assert!(is_live(&words, 255) && !is_live(&words, 1) && !is_live(&words, 256));
    }

    /// A lane outside the set is ignored.
    #[test]
    fn a_lane_out_of_range_changes_nothing() {
        let words = [AtomicU64::new(0)];
        set_live(&words, 64, true);
        assert_eq!(LiveLanes::new(&words).count(), 0);
    }
}
