//! Picks the instance that an exchange goes to, from what the shared state says at this moment.
//!
//! The published bank proposes, the instance's health word and its cap decide: a bank may be a moment old, the words
//! never are. Every decision is bounded by the number of members and allocates nothing.

mod random;
mod smooth;
mod tried;

pub use random::Random;
pub use smooth::{smooth_sequence, MAX_TURNS};
pub use tried::Tried;

use serde::Deserialize;

use crate::state::{Bank, Instance, State, NO_SLOT};

/// How a service spreads exchanges over its instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The less loaded of two random members (Mitzenmacher, "The Power of Two Choices", 2001).
    #[default]
    P2c,
    /// Smooth weighted round robin, one sequence for all workers.
    RoundRobin,
}

/// What a decision came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Send to this one. After [`select`] it holds a reservation, which [`State::release`] gives back.
    Instance(Instance),
    /// No member may be selected.
    NoneEligible,
    /// Every eligible member that was not tried yet is at its cap.
    Full,
    /// Every eligible member was tried already. Calling again with an empty set allows a second use of one of them,
    /// which is what a retry does where a service has a single instance.
    Exhausted,
}

/// Selects an instance of `service` that is not in `tried` and reserves a place on it.
pub fn select<S: State>(
    state: &S,
    service: u32,
    balance: Balance,
    tried: &Tried,
    random: &mut Random,
) -> Selection {
    Decision::new(state, tried, |slot| state.reserve(slot)).run(service, balance, random)
}

/// Answers as [`select`] would and reserves nothing, so it sees no caps; a round robin still moves on by one turn.
pub fn peek<S: State>(
    state: &S,
    service: u32,
    balance: Balance,
    tried: &Tried,
    random: &mut Random,
) -> Selection {
    Decision::new(state, tried, |_| true).run(service, balance, random)
}

/// One decision under way: how a place is taken, and why candidates fell away so far.
struct Decision<'a, S, R> {
    state: &'a S,
    tried: &'a Tried,
    reserve: R,
    saw_tried: bool,
    saw_full: bool,
}

impl<'a, S: State, R: Fn(u32) -> bool> Decision<'a, S, R> {
    fn new(state: &'a S, tried: &'a Tried, reserve: R) -> Self {
        Self { state, tried, reserve, saw_tried: false, saw_full: false }
    }

    fn run(mut self, service: u32, balance: Balance, random: &mut Random) -> Selection {
        let bank = self.state.bank(service);
        let chosen = match (balance, bank.eligible) {
            (_, 0) => None,
            (_, 1) => self.take(self.state.eligible(bank, 0)),
            (Balance::P2c, _) => self.less_loaded_of_two(bank, random),
            (Balance::RoundRobin, _) => self.next_in_turn(service, bank),
        };
        chosen.map_or_else(|| self.refusal(), Selection::Instance)
    }

    /// The first draw follows the weights, so that ties (above all: an idle service) fall in their proportion; the
    /// second is uniform over the others. When neither can be had, the rest is scanned from a random start.
    fn less_loaded_of_two(&mut self, bank: Bank, random: &mut Random) -> Option<Instance> {
        let first = match bank.turns {
            0 => self.state.eligible(bank, random.below(bank.eligible)),
            turns => self.state.turn(bank, random.below(turns)),
        };
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

    /// Walks on from the service's next turn. A heavy member may fill long stretches of the sequence, so after as many
    /// turns as there are members the walk changes to the list of members, where each stands once.
    fn next_in_turn(&mut self, service: u32, bank: Bank) -> Option<Instance> {
        let number = self.state.next_turn(service);
        let walk = bank.turns.min(bank.eligible);
        for step in 0..u64::from(walk) {
            let index = number.wrapping_add(step) % u64::from(bank.turns);
            if let Some(instance) = self.take(self.state.turn(bank, index as u32)) {
                return Some(instance);
            }
        }
        self.scan(bank, (number % u64::from(bank.eligible)) as u32)
    }

    /// Takes the first member that can be had, from `start` once around the list.
    fn scan(&mut self, bank: Bank, start: u32) -> Option<Instance> {
        let (before, after) = (0..start, start..bank.eligible);
        after.chain(before).find_map(|index| self.take(self.state.eligible(bank, index)))
    }

    /// Reserves the slot, or remembers why not.
    fn take(&mut self, slot: u32) -> Option<Instance> {
        if slot == NO_SLOT || !self.state.is_eligible(slot) {
            return None;
        }
        if self.tried.contains(slot) {
            self.saw_tried = true;
            return None;
        }
        if !(self.reserve)(slot) {
            self.saw_full = true;
            return None;
        }
        Some(Instance { slot, generation: self.state.generation(slot) })
    }

    /// Has `a` less in flight per weight than `b`? By cross multiplication: exact, and no division.
    fn is_lighter(&self, a: u32, b: u32) -> bool {
        let load = |slot, other| u64::from(self.state.in_flight(slot)) * u64::from(self.state.weight(other));
        load(a, b) < load(b, a)
    }

    fn refusal(&self) -> Selection {
        match (self.saw_full, self.saw_tried) {
            (true, _) => Selection::Full,
            (false, true) => Selection::Exhausted,
            (false, false) => Selection::NoneEligible,
        }
    }
}

#[cfg(test)]
mod tests;
