//! The less loaded of two random members (Mitzenmacher, "The Power of Two Choices", 2001).

use super::Decision;
use crate::random::Random;
use crate::state::{Bank, Instance, State};

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    /// The first draw follows the weights, so that ties (above all: an idle service) fall in their proportion; the
    /// second is uniform over the others. When neither can be had, the rest is scanned from a random start.
    pub(super) fn less_loaded_of_two(&mut self, bank: Bank, random: &mut Random) -> Option<Instance> {
        let first = self.draw(bank, random);
        let second = self.draw_other(bank, first, random);
        // When one of them cannot be had, the order does not matter: taking it fails, and the other is next.
        let order = if self.is_lighter(second, first) { [second, first] } else { [first, second] };
        for slot in order {
            if let Some(instance) = self.take(slot) {
                return Some(instance);
            }
        }
        self.scan(bank, random.below(bank.eligible))
    }

    /// A member other than `first`, each with the same chance: the last member stands in for `first`.
    fn draw_other(&self, bank: Bank, first: u32, random: &mut Random) -> u32 {
        let last = bank.eligible - 1;
        let drawn = self.state.eligible(bank, random.below(last));
        if drawn == first {
            self.state.eligible(bank, last)
        } else {
            drawn
        }
    }

    /// Has `a` less in flight per weight than `b`? By cross multiplication: exact, and no division.
    fn is_lighter(&self, a: u32, b: u32) -> bool {
        let load = |slot, other| u64::from(self.state.in_flight(slot)) * u64::from(self.state.weight(other));
        load(a, b) < load(b, a)
    }
}
