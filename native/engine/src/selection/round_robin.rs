//! Smooth weighted round robin: one sequence and one number for all workers.

use super::Decision;
use crate::state::{Bank, Instance, State};

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    /// Walks on from the service's next turn. A heavy member may fill long stretches of the sequence, so after as many
    /// turns as there are members the walk changes to the list of members, where each stands once.
    pub(super) fn next_in_turn(&mut self, service: u32, bank: Bank) -> Option<Instance> {
        let number = self.state.next_turn(service);
        let walk = bank.turns.min(bank.eligible);
        for step in 0..u64::from(walk) {
            let index = number.wrapping_add(step) % u64::from(bank.turns);
            if let Some(instance) = self.take(bank, self.state.turn(bank, index as u32)) {
                return Some(instance);
            }
        }
        self.scan(bank, (number % u64::from(bank.eligible)) as u32)
    }
}
