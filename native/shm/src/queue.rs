//! The queues of services over all workers: each worker publishes whose turn is next in its line, and whoever gives a place back
//! wakes the worker whose turn it is.
//!
//! A worker publishes that it waits, and then looks for a place once more before it sleeps; a place is given back first, and then is
//! looked who waits. All of it is sequentially consistent: of the two, one sees the other, so no wake-up is lost. The same holds for whoever
//! was in another's way without getting the place itself (see [`crate::cap`]): it wakes everybody.
//!
//! What a line publishes is its *front*, one word: since when the next has waited, and whether the line stands (see
//! [`headgate_engine::queue`]); 0 where nobody waits. Only a worker whose heartbeat is fresh is woken, as long as there is one: a wake-up for
//! one that is stopped would help nobody. What a death leaves behind (a place, a wake-up that was not passed on) the next tick of
//! the others finds.

use core::cmp::Reverse;
use core::sync::atomic::Ordering;

use headgate_engine::queue::Front;

use crate::word::Word;

/// A worker that has not ticked for so long is not woken where another one waits.
pub const DEAF_NANOS: u64 = 500_000_000;

/// Publishes the front of the own line.
#[inline]
pub fn publish<W: Word<u64>>(own: &W, front: Option<Front>) {
    own.store(front.map_or(0, encode), Ordering::SeqCst);
}

/// Is a turn in one of the other lines, given with their numbers, before this one? One that does not hear has none: it could not
/// take the place, and nobody would wake it.
#[inline]
pub fn is_ahead<'a, W: Word<u64> + 'a>(
    mut others: impl Iterator<Item = (u32, &'a W)>,
    hears: impl Fn(u32) -> bool,
    mine: Front,
) -> bool {
    let is_before =
        |front: &W| decode(front.load(Ordering::SeqCst)).is_some_and(|front| front.is_before(mine));
    others.any(|(line, front)| is_before(front) && hears(line))
}

/// The line whose turn is next, of those with their numbers; `None` where nobody waits. `hears`: is there any use in waking it?
#[inline]
pub fn next<'a, W: Word<u64> + 'a>(
    fronts: impl Iterator<Item = (u32, &'a W)>,
    hears: impl Fn(u32) -> bool,
) -> Option<u32> {
    let waiting = fronts.filter_map(|(line, front)| Some((line, decode(front.load(Ordering::SeqCst))?)));
    let ranked = waiting.map(|(line, front)| (Reverse(hears(line)), line, front));
    let first = ranked.reduce(|best, other| {
        let is_better = other.0 < best.0 || other.0 == best.0 && other.2.is_before(best.2);
        if is_better {
            other
        } else {
            best
        }
    });
    first.map(|(_, line, _)| line)
}

/// A time of 0 would be nobody.
fn encode(front: Front) -> u64 {
    front.since.max(1) << 1 | u64::from(front.newest_first)
}

fn decode(word: u64) -> Option<Front> {
    (word > 1).then_some(Front { since: word >> 1, newest_first: word & 1 == 1 })
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::*;

    fn line(front: Option<Front>) -> AtomicU64 {
        let word = AtomicU64::new(0);
        publish(&word, front);
        word
    }

    fn waits(since: u64, newest_first: bool) -> AtomicU64 {
        line(Some(Front { since, newest_first }))
    }

    fn next_of(lines: &[AtomicU64], deaf: &[u32]) -> Option<u32> {
        next((0..).zip(lines), |line| !deaf.contains(&line))
    }

    /// The oldest is next, and the newest once a line stands; a deaf one only where nobody else waits.
    #[test]
    fn whose_turn_is_next() {
        let nobody = || line(None);
        assert_eq!(next_of(&[nobody(), nobody()], &[]), None);
        assert_eq!(next_of(&[nobody(), waits(7, false), waits(5, false)], &[]), Some(2));
        assert_eq!(next_of(&[waits(5, false), waits(7, true), nobody()], &[]), Some(1));
        assert_eq!(next_of(&[waits(5, false), waits(7, false)], &[0]), Some(1));
        assert_eq!(next_of(&[waits(5, false), nobody()], &[0]), Some(0));
        assert_eq!(next_of(&[waits(0, false)], &[]), Some(0), "a clock that starts");
    }

    /// Whoever came before goes first, unless it cannot go at all.
    #[test]
    fn who_is_ahead() {
        let lines = [waits(5, false), waits(7, false)];
        let is_ahead = |since, deaf: u32| {
            let mine = Front { since, newest_first: false };
            is_ahead((0..).zip(&lines), |line| line != deaf, mine)
        };
        assert!(is_ahead(6, 1) && !is_ahead(5, 1) && !is_ahead(4, u32::MAX));
        assert!(!is_ahead(6, 0));
        assert!(is_ahead(8, 0), "the other one is as well");
    }

    /// Whatever stands in a word is somebody or nobody, never a panic.
    #[test]
    fn any_word_is_a_front_or_none() {
        for word in [0, 1, 2, 3, u64::MAX] {
            let front = decode(word);
            assert_eq!(front.is_some(), word > 1);
            assert_eq!(front.map_or(word, encode), word);
        }
    }
}
