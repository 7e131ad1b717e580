//! Exchanges in flight per instance, and the cap on them: each worker counts on its own word, the sum is the truth.
//!
//! Two workers that reserve at the same time must see each other. Each adds to its own word before it loads the
//! others', all of it sequentially consistent, so in the single order of these operations the later one sees the earlier. Both may see
//! each other and both back off: a refusal may be spurious, an excess is impossible.

use core::sync::atomic::Ordering;

use crate::word::Word;

/// Adds one exchange to the own word, without a cap: nobody needs to see it at once.
#[inline]
pub fn reserve(own: &impl Word<u32>) {
    own.store(own.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
}

/// Adds one exchange to the own word, unless the sum with `others` would exceed `cap`.
///
/// `others` must not load anything before it is iterated.
#[inline]
pub fn reserve_below<'a, W: Word<u32> + 'a>(own: &W, cap: u32, others: impl Iterator<Item = &'a W>) -> bool {
    let before = own.fetch_add(1, Ordering::SeqCst);
    let rest = total(others, Ordering::SeqCst);
    let fits = before.checked_add(1).and_then(|own| own.checked_add(rest)).is_some_and(|sum| sum <= cap);
    if !fits {
        own.store(before, Ordering::Release);
    }
    fits
}

/// Gives one exchange back. False: there was none, the word made no sense.
#[inline]
pub fn release(own: &impl Word<u32>) -> bool {
    let held = own.load(Ordering::Relaxed);
    if held == 0 {
        return false;
    }
    own.store(held - 1, Ordering::Release);
    true
}

/// The sum over words, saturating: a word may hold anything.
#[inline]
pub fn total<'a, W: Word<u32> + 'a>(words: impl Iterator<Item = &'a W>, order: Ordering) -> u32 {
    words.fold(0, |sum, word| sum.saturating_add(word.load(order)))
}
