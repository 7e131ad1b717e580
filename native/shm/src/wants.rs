//! What a worker wants more of, told to the supervisor: a ring of keys with one writer and one reader, in each lane.
//!
//! The worker writes the words of a want and then how many it has written; the supervisor reads them and then says how many
//! it has read. A ring that is full takes no more: whoever asks first whether it has room loses nothing. A worker that is
//! killed between its stock's word and its ring leaves a want that nobody hears of, until the stock's time is over.

use core::sync::atomic::Ordering;

use crate::word::Word;

/// A key and a row.
pub(crate) const WORDS_OF_A_WANT: usize = 2;

/// A bucket whose stock runs low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its key in the table of buckets.
    pub key: u64,
    /// The row of its limit.
    pub row: u32,
}

/// The ring of one lane.
pub struct Wants<'a, W> {
    /// How many were read; only the supervisor writes it.
    pub read: &'a W,
    /// How many were written; only the worker writes it.
    pub written: &'a W,
    /// The wants, in turn; a power of two of words.
    pub words: &'a [W],
}

impl<W: Word<u64>> Wants<'_, W> {
    fn capacity(&self) -> u64 {
        (self.words.len() / WORDS_OF_A_WANT) as u64
    }

    /// The two words of want number `number`.
    fn place(&self, number: u64) -> Option<(&W, &W)> {
        let first = number.checked_rem(self.capacity())? as usize * WORDS_OF_A_WANT;
        self.words.get(first).zip(self.words.get(first + 1))
    }

    /// Can the worker write one more? What the supervisor reads meanwhile only makes more room.
    pub fn has_room(&self) -> bool {
        let read = self.read.load(Ordering::Acquire);
        self.written.load(Ordering::Relaxed).wrapping_sub(read) < self.capacity()
    }

    /// The worker wants more of this; there must be room.
    pub fn push(&self, want: Want) {
        let number = self.written.load(Ordering::Relaxed);
        if let Some((key, row)) = self.place(number) {
            key.store(want.key, Ordering::Relaxed);
            row.store(u64::from(want.row), Ordering::Relaxed);
            self.written.store(number.wrapping_add(1), Ordering::Release);
        }
    }

    /// The supervisor takes up to `most` of them, the oldest first. Numbers that make no sense are what nothing was written by.
    pub fn take(&self, most: usize, mut each: impl FnMut(Want)) {
        let (read, written) = (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Acquire));
        let waiting = written.wrapping_sub(read);
        if waiting > self.capacity() {
            self.read.store(written, Ordering::Release);
            return;
        }
        let end = read.wrapping_add(waiting.min(most as u64));
        let mut number = read;
        while number != end {
            if let Some((key, row)) = self.place(number) {
                let row = u32::try_from(row.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
                each(Want { key: key.load(Ordering::Relaxed), row });
            }
            number = number.wrapping_add(1);
        }
        self.read.store(end, Ordering::Release);
    }

    /// Forgets them, for the lane's next worker. Nobody else may use the ring meanwhile.
    pub fn clear(&self) {
        self.read.store(0, Ordering::Release);
        self.written.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU64;

    fn ring(words: &[AtomicU64]) -> Wants<'_, AtomicU64> {
        let [read, written, words @ ..] = words else { panic!("too few words") };
        Wants { read, written, words }
    }

    fn zeroes(wants: usize) -> Vec<AtomicU64> {
        (0..2 + wants * WORDS_OF_A_WANT).map(|_| AtomicU64::new(0)).collect()
    }

    fn taken(ring: &Wants<'_, AtomicU64>, most: usize) -> Vec<u64> {
        let mut keys = vec![];
        ring.take(most, |want| keys.push(want.key));
        keys
    }

    /// They come out as they went in, once each, and a full ring has room again when some were read.
    #[test]
    fn first_in_first_out() {
        let words = zeroes(4);
        let ring = ring(&words);
        let mut next = 1;
        for _ in 0..5 {
            while ring.has_room() {
                ring.push(Want { key: next, row: 2 });
                next += 1;
            }
            assert_eq!(taken(&ring, 3), [next - 4, next - 3, next - 2]);
            assert_eq!(taken(&ring, 9), [next - 1]);
            assert!(taken(&ring, 9).is_empty());
        }
        ring.clear();
        assert!(ring.has_room() && taken(&ring, 9).is_empty());
    }

    /// Whatever the words hold, nobody reads more than there can be, and the next wants arrive.
    #[test]
    fn nonsense_is_skipped() {
        for (read, written) in [(0, u64::MAX), (9, 2), (u64::MAX, 1), (u64::MAX - 1, u64::MAX)] {
            let words = zeroes(4);
            words[0].store(read, Ordering::Relaxed);
            words[1].store(written, Ordering::Relaxed);
            words[3].store(u64::MAX, Ordering::Relaxed);
            let ring = ring(&words);
            assert!(taken(&ring, 100).len() <= 4);
            assert!(ring.has_room());
            ring.push(Want { key: 77, row: 1 });
            assert_eq!(taken(&ring, 100), [77]);
        }
    }

    /// A ring without words takes and gives nothing.
    #[test]
    fn empty_ring() {
        let words = zeroes(0);
        let ring = ring(&words);
        assert!(!ring.has_room());
        ring.push(Want { key: 1, row: 1 });
        assert!(taken(&ring, 1).is_empty());
    }
}
