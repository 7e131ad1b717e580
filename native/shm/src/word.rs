//! One atomic word: all that the algorithms over shared memory know of memory.
//!
//! The caps, the folding of lanes and the token buckets are written over this trait and nothing else. The segment's
//! atomics are one implementation; the tests bring two more, loom's and one of a scheduler that stops or kills a
//! participant between any two operations.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use portable_atomic::AtomicU128;

/// An atomic word of type `T`.
pub trait Word<T> {
    /// Reads the word.
    fn load(&self, order: Ordering) -> T;
    /// Writes the word.
    fn store(&self, value: T, order: Ordering);
    /// Adds to the word, wrapping, in one step; returns what it held before.
    fn fetch_add(&self, amount: T, order: Ordering) -> T;
    /// Replaces `current` by `new` in one sequentially consistent step; otherwise returns what the word holds.
    fn exchange(&self, current: T, new: T) -> Result<(), T>;
}

macro_rules! word {
    ($atomic:ty, $value:ty) => {
        impl Word<$value> for $atomic {
            #[inline]
            fn load(&self, order: Ordering) -> $value {
                <$atomic>::load(self, order)
            }

            #[inline]
            fn store(&self, value: $value, order: Ordering) {
                <$atomic>::store(self, value, order);
            }

            #[inline]
            fn fetch_add(&self, amount: $value, order: Ordering) -> $value {
                <$atomic>::fetch_add(self, amount, order)
            }

            #[inline]
            fn exchange(&self, current: $value, new: $value) -> Result<(), $value> {
                self.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst).map(|_| ())
            }
        }
    };
}

word!(AtomicU32, u32);
word!(AtomicU64, u64);
word!(AtomicU128, u128);

/// Adds to a word that nobody else writes: a load and a store, no locked instruction.
#[inline]
pub fn add_alone(word: &impl Word<u64>, amount: u64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}
