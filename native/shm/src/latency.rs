//! What is known of an instance's latency: one word that every worker renews from the answers it sees.
//!
//! A worker reads the word, computes the next one and exchanges the two, once. When another worker was faster, its
//! observation stands and this one is dropped: an average loses nothing by a sample, and nobody waits. One word holds
//! the value and its time, so that no reader ever pairs one with another's.

use core::sync::atomic::Ordering;

use headgate_engine::selection::Latency;

use crate::word::Word;

/// What is known now.
#[inline]
pub fn read(word: &impl Word<u64>) -> Latency {
    Latency(word.load(Ordering::Relaxed))
}

/// One try to replace what was read. Whether it succeeded is nobody's concern.
#[inline]
pub fn replace(word: &impl Word<u64>, known: Latency, new: Latency) {
    let _ = word.exchange(known.0, new.0);
}
