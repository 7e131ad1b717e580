//! Banks: the members of a service, or of a subset of one, as an extent of the arena, built by the supervisor, read by
//! every worker.
//!
//! An extent is a header of nine words, `[row, members, eligible, standby (two groups), turns, panic, last start (low, high)]`, and
//! three lists: members' slots, the candidates' (the eligible, then those that stand by), and slots in turn. The row's bank word
//! names it by offset and length, and is swapped in one store.

use core::sync::atomic::{AtomicU32, Ordering};

use headgate_engine::selection::{smooth_sequence, Candidates, Member, Panic};
use headgate_engine::state::Bank;

use crate::extents::Extent;
use crate::layout::{most_turns, EXTENT_HEADER};

/// The words of an extent. `last_start`: when the last of the members started, in nanoseconds.
pub(crate) fn build(row: u32, members: &[Member], candidates: &Candidates, last_start: u64) -> Vec<u32> {
    let Candidates { eligible, standby: [next, last], panic } = candidates;
    let weights: Vec<u32> = eligible.iter().map(|member| member.weight).collect();
    let turns = smooth_sequence(&fit_weights(&weights, most_turns(eligible.len())));
    let counts = [members, eligible, next, last].map(|list| list.len() as u32);
    let mut words = vec![row];
    words.extend(counts);
    words.extend([turns.len() as u32, *panic as u32, last_start as u32, (last_start >> 32) as u32]);
    words.extend([members, eligible, next, last].into_iter().flatten().map(|member| member.slot));
    words.extend(turns.iter().filter_map(|&index| eligible.get(index as usize)).map(|member| member.slot));
    words
}

/// The weights, scaled down if their sequence would be longer than `most`; no weight becomes 0.
fn fit_weights(weights: &[u32], most: usize) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total: u64 = weights.iter().map(|&weight| u64::from(weight / divisor)).sum();
    if total <= most as u64 {
        return weights.to_vec();
    }
    // Rounding up what falls below 1 adds at most one turn per member.
    let room = most.saturating_sub(weights.len()) as u128;
    let scaled = |weight: u32| (u128::from(weight / divisor) * room / u128::from(total)) as u32;
    weights.iter().map(|&weight| scaled(weight).max(1)).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

/// The bank that a service's word names; None when the word or the extent makes no sense.
#[inline]
pub(crate) fn read(arena: &[AtomicU32], word: u64, service: u32) -> Option<Bank> {
    if word == 0 {
        return Some(Bank::default());
    }
    let Extent { offset, len } = Extent::from_word(word);
    let words = arena.get(offset as usize..)?.get(..len as usize)?;
    let [owner, rest @ ..] = words.first_chunk::<EXTENT_HEADER>()?;
    let [members, eligible, next, last, turns, panic, low, high] =
        rest.each_ref().map(|word| word.load(Ordering::Relaxed));
    let listed = [members, eligible, next, last, turns].iter().map(|&count| count as usize).sum::<usize>();
    let whole = owner.load(Ordering::Relaxed) == service && EXTENT_HEADER + listed == words.len();
    let last_start = u64::from(high) << 32 | u64::from(low);
    let (standby, panic) = ([next, last], Panic::from_word(panic));
    whole.then_some(Bank { offset, members, eligible, standby, turns, panic, last_start })
}

/// The slot of a candidate: the eligible first, then those that stand by.
#[inline]
pub(crate) fn candidate(arena: &[AtomicU32], bank: Bank, index: u32) -> Option<u32> {
    let list = EXTENT_HEADER + bank.members as usize;
    let count = bank.standby.into_iter().fold(bank.eligible, u32::saturating_add);
    (index < count).then(|| word(arena, bank, list + index as usize)).flatten()
}

/// The slot whose turn it is.
#[inline]
pub(crate) fn turn(arena: &[AtomicU32], bank: Bank, index: u32) -> Option<u32> {
    let lists = [bank.members, bank.eligible, bank.standby[0], bank.standby[1]];
    let list = EXTENT_HEADER + lists.iter().map(|&count| count as usize).sum::<usize>();
    (index < bank.turns).then(|| word(arena, bank, list + index as usize)).flatten()
}

#[inline]
fn word(arena: &[AtomicU32], bank: Bank, index: usize) -> Option<u32> {
    arena.get(bank.offset as usize + index).map(|word| word.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use headgate_engine::selection::{candidates, Fitness};

    use super::*;

    /// Weights within the room stay as they are; others keep their order and fit.
    #[test]
    fn weights_fit_their_room() {
        assert_eq!(fit_weights(&[1, 255], 256), [1, 255]);
        assert_eq!(fit_weights(&[1000, 2000], 256), [1000, 2000]);
        let fitted = fit_weights(&[1, 65_535, u32::MAX], 256);
        assert!(fitted[0] == 1 && fitted[1] >= 1 && fitted.iter().sum::<u32>() <= 256, "{fitted:?}");
    }

    proptest! {
        /// A bank reads back as it was built, and its turns hold every eligible slot and no other.
        #[test]
        fn banks_read_back(
            parts in prop::collection::vec((0u32..5000, any::<bool>(), any::<bool>()), 0..60),
            panic in 0u8..=100,
            row: u32,
            last_start: u64,
        ) {
            let member = |(slot, &(weight, fit, backup)): (u32, &(u32, bool, bool))| {
                let fitness = if fit { Fitness::Fit } else { Fitness::Unfit };
                Member { slot, weight, fitness, backup, elsewhere: false }
            };
            let members: Vec<Member> = (100..).zip(&parts).map(member).collect();
            let chosen = candidates(&members, panic);
            let words = build(row, &members, &chosen, last_start);
            let extent = Extent { offset: 3, len: words.len() as u32 };
            let arena: Vec<AtomicU32> = [0; 3].into_iter().chain(words).map(AtomicU32::new).collect();
            let bank = read(&arena, extent.to_word(), row).unwrap();
            prop_assert_eq!((bank.panic, bank.last_start), (chosen.panic, last_start));
            let listed: Vec<u32> =
                (0..=bank.members).filter_map(|index| candidate(&arena, bank, index)).collect();
            let slots = |members: &[Member]| members.iter().map(|member| member.slot).collect::<Vec<u32>>();
            prop_assert_eq!(bank.standby, chosen.standby.each_ref().map(|group| group.len() as u32));
            prop_assert_eq!(listed, [slots(&chosen.eligible), slots(&chosen.standby.concat())].concat());
            let mut turns: Vec<u32> = (0..bank.turns).filter_map(|index| turn(&arena, bank, index)).collect();
            prop_assert_eq!(turns.len(), bank.turns as usize);
            prop_assert!(turns.len() <= most_turns(chosen.eligible.len()));
            turns.sort_unstable();
            turns.dedup();
            prop_assert_eq!(turns, slots(&chosen.eligible));
            prop_assert_eq!(read(&arena, extent.to_word(), row.wrapping_add(1)), None);
        }

        /// Any word over any arena gives a bank or none, and any index a slot or none: never a panic.
        #[test]
        fn garbage_is_no_bank(words in prop::collection::vec(any::<u32>(), 0..20), word: u64, index: u32) {
            let arena: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
            for word in [word, word & 0x0000_000f_0000_000f] {
                let bank = read(&arena, word, 0).unwrap_or(Bank {
                    offset: index, members: index, eligible: index, standby: [index; 2], turns: 9, ..Bank::default()
                });
                let _ = (candidate(&arena, bank, index), turn(&arena, bank, index));
            }
        }
    }
}
