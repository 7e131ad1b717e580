//! Random choice, in proportion to the weights: no state at all, and no two workers in step.

use super::Decision;
use crate::random::Random;
use crate::state::{Bank, Instance, State};

/// Draws before the rest is scanned: with half of the members down, one exchange in 256 goes that way.
const DRAWS: u32 = 8;

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    /// The member whose turn is drawn. One that cannot be had is drawn again, so that its share falls to the others in their
    /// proportion and not to its neighbour.
    pub(super) fn drawn(&mut self, bank: Bank, random: &mut Random) -> Option<Instance> {
        for _ in 0..DRAWS.min(bank.eligible) {
            let slot = self.draw_by_weight(bank, random);
            if self.is_passed_over(slot, random) {
                continue;
            }
            if let Some(instance) = self.take(bank, slot) {
                return Some(instance);
            }
        }
        self.scan(bank, random.below(bank.eligible))
    }

    /// One of the eligible members, in proportion to the weights.
    pub(super) fn draw_by_weight(&self, bank: Bank, random: &mut Random) -> u32 {
        match bank.turns {
            0 => self.state.candidate(bank, random.below(bank.eligible)),
            turns => self.state.turn(bank, random.below(turns)),
        }
    }
}
