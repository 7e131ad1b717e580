//! Smooth weighted round robin: one sequence and one number for all workers.

use super::Decision;
use crate::random::Random;
use crate::state::{Bank, Instance, State};

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    /// Takes turn after turn until one falls to a member that can be had. A turn that is passed over is spent: were it the next
    /// member's and that one's own turn came right behind it, the neighbour of a member that is down, or warms up, would
    /// bear its whole share.
    ///
    /// A heavy member may fill long stretches of the sequence, so after as many turns as there are members the search
    /// changes to the list of members, where each stands once.
    pub(super) fn next_in_turn(&mut self, row: u32, bank: Bank, random: &mut Random) -> Option<Instance> {
        for _ in 0..bank.turns.min(bank.eligible) {
            let number = self.state.next_turn(row);
            let slot = self.state.turn(bank, (number % u64::from(bank.turns)) as u32);
            if self.is_passed_over(slot, random) {
                continue;
            }
            if let Some(instance) = self.take(bank, slot) {
                return Some(instance);
            }
        }
        let number = self.state.next_turn(row);
        self.scan(bank, (number % u64::from(bank.eligible)) as u32)
    }
}
