//! Exchanges in flight per instance, and the cap on them: each worker counts on its own word, the sum is the truth.
//!
//! Two workers that reserve at the same time must see each other. Each adds to its own word before it loads the
//! others', all of it sequentially consistent, so in the single order of these operations the later one sees the earlier. Both may see
//! each other and both back off: a refusal may be spurious, an excess is impossible. Whoever backs off says so, for it may have been in
//! the way of one that waits (see [`crate::queue`]); to be in nobody's way, it looks first and adds only where there is room.

use core::sync::atomic::Ordering;

use crate::word::Word;

/// Adds one exchange to the own word, without a cap: nobody needs to see it at once.
#[inline]
pub fn reserve(own: &impl Word<u32>) {
    own.store(own.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
}

/// What became of an attempt to add one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// It is added.
    Held,
    /// There was no room.
    Full,
    /// There was room, but others came at the same time, and may have found none because of this one.
    Crossed,
}

/// Adds one exchange to the own word, unless the sum with `others` would exceed `cap`.
///
/// `others` must not load anything before it is iterated.
#[inline]
pub fn reserve_below<'a, W: Word<u32> + 'a>(
    own: &W,
    cap: u32,
    others: impl Iterator<Item = &'a W> + Clone,
) -> Reservation {
    let below = |own: u32, rest: u32| own.saturating_add(rest) < cap;
    if !below(own.load(Ordering::Relaxed), total(others.clone(), Ordering::SeqCst)) {
        return Reservation::Full;
    }
    let before = own.fetch_add(1, Ordering::SeqCst);
    if below(before, total(others, Ordering::SeqCst)) {
        return Reservation::Held;
    }
    own.store(before, Ordering::SeqCst);
    Reservation::Crossed
}

/// Gives one exchange back. False: there was none, the word made no sense.
#[inline]
pub fn release(own: &impl Word<u32>) -> bool {
    give_back(own, Ordering::Release)
}

/// As [`release`], in the single order of sequentially consistent operations: who looks for the place afterwards finds it.
#[inline]
pub fn release_in_order(own: &impl Word<u32>) -> bool {
    give_back(own, Ordering::SeqCst)
}

#[inline]
fn give_back(own: &impl Word<u32>, order: Ordering) -> bool {
    let held = own.load(Ordering::Relaxed);
    if held == 0 {
        return false;
    }
    own.store(held - 1, order);
    true
}

/// The sum over words, saturating: a word may hold anything.
#[inline]
pub fn total<'a, W: Word<u32> + 'a>(words: impl Iterator<Item = &'a W>, order: Ordering) -> u32 {
    words.fold(0, |sum, word| sum.saturating_add(word.load(order)))
}
