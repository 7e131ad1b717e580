//! Requests and retries of the last seconds per service, from which a retry budget is reckoned.
//!
//! A request that is not retried costs nothing: requests are counted by the histogram anyway, and once a second each worker
//! notes how far its counts have come. What has happened since is the difference to an old note, summed over the
//! lanes. As with the caps (see [`crate::cap`]) a worker counts its own retry before it sums, and takes it back above the
//! budget: an excess is impossible. The share of a killed worker vanishes with its lane.

use core::sync::atomic::Ordering;

use headgate_engine::retry_budget::{Traffic, WINDOW_SECONDS};

use crate::word::Word;

/// Seconds that are noted, the window and some: a worker's note of this second may still be missing.
const NOTES: usize = 15;
/// Words of a service in a lane: notes of requests, notes of retries, the retries so far, and one that fills the row.
pub const BUDGET_WORDS: usize = 2 * NOTES + 2;
const RETRIES: usize = 2 * NOTES;

const _: () = assert!(WINDOW_SECONDS as usize + 2 < NOTES);
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The second that a time lies in. Never 0, which is what a lane says that has noted nothing.
pub fn second(now: u64) -> u64 {
    now / NANOS_PER_SECOND + 1
}

/// Notes how far the counts of a service have come, for all seconds after the one noted `last` up to `second`.
pub fn note<W: Word<u32>>(row: &[W], requests: u64, last: u64, second: u64) {
    let retries = row.get(RETRIES).map_or(0, |word| word.load(Ordering::Relaxed));
    let first = last.saturating_add(1).max(second.saturating_sub(NOTES as u64 - 1));
    for place in (first..=second).map(place) {
        if let Some((asked, retried)) = row.get(place).zip(row.get(NOTES + place)) {
            asked.store(requests as u32, Ordering::Release);
            retried.store(retries, Ordering::Release);
        }
    }
}

/// Counts one more retry of the own lane. False: there is no such row.
pub fn add<W: Word<u32>>(row: &[W]) -> bool {
    row.get(RETRIES).map(|word| word.fetch_add(1, Ordering::SeqCst)).is_some()
}

/// Takes a retry of the own lane back.
pub fn take_back<W: Word<u32>>(row: &[W]) {
    if let Some(word) = row.get(RETRIES) {
        word.store(word.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Release);
    }
}

/// What a lane has seen of a service in the window that ends in `second`. `requests`: all that it has ever counted;
/// `noted`: the last second that it has noted, 0 for none.
pub fn traffic<W: Word<u32>>(row: &[W], requests: u64, noted: u64, second: u64) -> Traffic {
    let from = second.saturating_sub(WINDOW_SECONDS);
    if noted != 0 && noted < from {
        return Traffic::default(); // nothing has moved there for a window
    }
    let at = |index: usize| row.get(index).map_or(0, |word| word.load(Ordering::SeqCst));
    let since = |now: u32, before: u32| u64::from(now.wrapping_sub(before));
    let place = place(from);
    Traffic { requests: since(requests as u32, at(place)), retries: since(at(RETRIES), at(NOTES + place)) }
}

fn place(second: u64) -> usize {
    (second % NOTES as u64) as usize
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU32;

    use super::*;

    fn row() -> Vec<AtomicU32> {
        (0..BUDGET_WORDS).map(|_| AtomicU32::new(0)).collect()
    }

    /// What is older than the window counts no more, however the seconds were noted.
    #[test]
    fn a_window_moves_on() {
        let row = row();
        let mut noted = 0;
        let mut note_until = |second: u64, requests: u64| {
            note(&row, requests, noted, second);
            noted = second;
        };
        note_until(100, 0);
        for _ in 0..5 {
            assert!(add(&row));
        }
        assert_eq!(traffic(&row, 40, 100, 100), Traffic { requests: 40, retries: 5 });
        note_until(101, 40);
        note_until(105, 70); // three seconds without a tick
        assert_eq!(traffic(&row, 90, 105, 110), Traffic { requests: 90, retries: 5 });
        note_until(111, 90);
        assert_eq!(traffic(&row, 95, 111, 111), Traffic { requests: 55, retries: 0 });
        note_until(1_000, 95); // a worker that was stopped for long
        assert_eq!(traffic(&row, 99, 1_000, 1_000), Traffic { requests: 4, retries: 0 });
        assert_eq!(traffic(&row, 99, 1_000, 1_011), Traffic::default(), "silent for a window");
    }

    /// A lane that has noted nothing yet has all it ever counted in its window.
    #[test]
    fn a_young_lane_has_begun_within_the_window() {
        let row = row();
        add(&row);
        assert_eq!(traffic(&row, 7, 0, 100), Traffic { requests: 7, retries: 1 });
        take_back(&row);
        assert_eq!(traffic(&row, 7, 0, 100).retries, 0);
        assert_eq!(traffic::<AtomicU32>(&[], 7, 0, 100), Traffic { requests: 7, retries: 0 });
    }

    /// Counts wrap, and differences do not.
    #[test]
    fn counts_may_wrap() {
        let row = row();
        row[RETRIES].store(u32::MAX, Ordering::Relaxed);
        note(&row, u64::from(u32::MAX), 0, 100);
        add(&row);
        add(&row);
        let expected = Traffic { requests: 3, retries: 2 };
        assert_eq!(traffic(&row, u64::from(u32::MAX) + 3, 100, 110), expected);
    }
}
