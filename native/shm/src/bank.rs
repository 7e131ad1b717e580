//! Banks: the members of a service as one extent of the arena, built by the supervisor, read by every worker.
//!
//! An extent is `[service, members, eligible, turns, members' slots…, eligible slots…, slots in turn…]`. The service's
//! bank word names it by offset and length, and is swapped in one store.

use core::sync::atomic::{AtomicU32, Ordering};

use headgate_engine::selection::smooth_sequence;
use headgate_engine::state::Bank;

use crate::extents::Extent;
use crate::layout::{most_turns, EXTENT_HEADER};

/// One member that a bank is built from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) slot: u32,
    pub(crate) weight: u32,
    /// May it be selected, as far as its health word says?
    pub(crate) fit: bool,
}

/// The words of a service's extent.
pub(crate) fn build(service: u32, members: &[Member]) -> Vec<u32> {
    let eligible: Vec<Member> =
        members.iter().copied().filter(|member| member.fit && member.weight > 0).collect();
    let weights: Vec<u32> = eligible.iter().map(|member| member.weight).collect();
    let turns = smooth_sequence(&fit_weights(&weights, most_turns(eligible.len())));
    let turns = turns.into_iter().filter_map(|index| eligible.get(index as usize)).map(|member| member.slot);
    let mut words = vec![service, members.len() as u32, eligible.len() as u32, 0];
    words.extend(members.iter().chain(&eligible).map(|member| member.slot));
    let before = words.len();
    words.extend(turns);
    words[3] = (words.len() - before) as u32;
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
    let [owner, members, eligible, turns] = words.first_chunk::<EXTENT_HEADER>()?;
    let [members, eligible, turns] = [members, eligible, turns].map(|word| word.load(Ordering::Relaxed));
    let listed = [members, eligible, turns].iter().map(|&count| count as usize).sum::<usize>();
    let whole = owner.load(Ordering::Relaxed) == service && EXTENT_HEADER + listed == words.len();
    whole.then_some(Bank { offset, members, eligible, turns })
}

/// The slot of an eligible member.
#[inline]
pub(crate) fn eligible(arena: &[AtomicU32], bank: Bank, index: u32) -> Option<u32> {
    let list = EXTENT_HEADER + bank.members as usize;
    (index < bank.eligible).then(|| word(arena, bank, list + index as usize)).flatten()
}

/// The slot whose turn it is.
#[inline]
pub(crate) fn turn(arena: &[AtomicU32], bank: Bank, index: u32) -> Option<u32> {
    let list = EXTENT_HEADER + bank.members as usize + bank.eligible as usize;
    (index < bank.turns).then(|| word(arena, bank, list + index as usize)).flatten()
}

#[inline]
fn word(arena: &[AtomicU32], bank: Bank, index: usize) -> Option<u32> {
    arena.get(bank.offset as usize + index).map(|word| word.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        fn banks_read_back(parts in prop::collection::vec((0u32..5000, any::<bool>()), 0..60), service: u32) {
            let members: Vec<Member> =
                (100..).zip(&parts).map(|(slot, &(weight, fit))| Member { slot, weight, fit }).collect();
            let words = build(service, &members);
            let extent = Extent { offset: 3, len: words.len() as u32 };
            let arena: Vec<AtomicU32> = [0; 3].into_iter().chain(words).map(AtomicU32::new).collect();
            let bank = read(&arena, extent.to_word(), service).unwrap();
            let chosen: Vec<u32> = (0..bank.eligible).filter_map(|index| eligible(&arena, bank, index)).collect();
            let expected: Vec<u32> =
                members.iter().filter(|member| member.fit && member.weight > 0).map(|member| member.slot).collect();
            prop_assert_eq!(&chosen, &expected);
            let mut turns: Vec<u32> = (0..bank.turns).filter_map(|index| turn(&arena, bank, index)).collect();
            prop_assert_eq!(turns.len(), bank.turns as usize);
            prop_assert!(turns.len() <= most_turns(chosen.len()));
            turns.sort_unstable();
            turns.dedup();
            prop_assert_eq!(turns, expected);
            prop_assert_eq!(read(&arena, extent.to_word(), service.wrapping_add(1)), None);
        }

        /// Any word over any arena gives a bank or none, and any index a slot or none: never a panic.
        #[test]
        fn garbage_is_no_bank(words in prop::collection::vec(any::<u32>(), 0..20), word: u64, index: u32) {
            let arena: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
            for word in [word, word & 0x0000_000f_0000_000f] {
                let bank = read(&arena, word, 0).unwrap_or(Bank { offset: index, members: index, eligible: index, turns: 9 });
                let _ = (eligible(&arena, bank, index), turn(&arena, bank, index));
            }
        }
    }
}
