//! Picks the instance that an exchange goes to, from what the shared state says at this moment.
//!
//! The published bank proposes, the instance's health word and its cap decide: a bank may be a moment old, the words
//! never are. Every decision is bounded by the number of members and allocates nothing.

mod hash;
mod p2c;
mod random;
pub mod ring;
mod round_robin;
mod smooth;
mod sticky;
mod tried;

pub use smooth::{smooth_sequence, MAX_TURNS};
pub use tried::Tried;

use serde::Deserialize;

use crate::random::Random;
use crate::state::{Bank, Instance, State, NO_SLOT};

/// How exchanges are spread over instances. Each is a file of this module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The less loaded of two random members (Mitzenmacher, "The Power of Two Choices", 2001).
    #[default]
    P2c,
    /// Smooth weighted round robin, one sequence for all workers.
    RoundRobin,
    /// Drawn at random, by weight.
    Random,
    /// By the key of a request, on a ring (Karger et al., 1997).
    Hash,
    /// Where the client was before, as it says with a signed cookie.
    Sticky,
}

/// What of a request asks for one instance rather than another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// Nothing.
    #[default]
    None,
    /// The hash of its key: requests with the same belong together.
    Key(u64),
    /// The identity of the instance that its client was with.
    Instance(u64),
}

/// By what rules the instances of a service, or of a subset of one, are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The row of the bank that proposes them.
    pub bank: u32,
    /// How exchanges are spread over them.
    pub balance: Balance,
    /// With [`Balance::Hash`]: what one of them may hold at the most, in percent of the average; `None` for no bound.
    pub bounded_load: Option<u32>,
}

/// What one decision is made by, beside the shared state and chance.
#[derive(Clone, Copy, Debug)]
pub struct Criteria<'a> {
    /// The rules.
    pub policy: Policy,
    /// The instances that the exchange has been sent to already.
    pub tried: &'a Tried,
    /// What the request asks for.
    pub affinity: Affinity,
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

/// Selects an instance that was not tried yet and reserves a place on it.
pub fn select<S: State>(state: &S, criteria: &Criteria<'_>, random: &mut Random) -> Selection {
    Decision::new(state, criteria, |slot| state.reserve(slot)).run(criteria.policy, random)
}

/// Answers as [`select`] would and reserves nothing, so it sees no caps; a round robin still moves on by one turn.
pub fn peek<S: State>(state: &S, criteria: &Criteria<'_>, random: &mut Random) -> Selection {
    Decision::new(state, criteria, |_| true).run(criteria.policy, random)
}

/// One decision under way: how a place is taken, and why candidates fell away so far.
struct Decision<'a, S, R> {
    state: &'a S,
    tried: &'a Tried,
    affinity: Affinity,
    reserve: R,
    saw_tried: bool,
    saw_full: bool,
}

impl<'a, S: State, R: Fn(u32) -> bool> Decision<'a, S, R> {
    fn new(state: &'a S, criteria: &Criteria<'a>, reserve: R) -> Self {
        Self {
            state,
            tried: criteria.tried,
            affinity: criteria.affinity,
            reserve,
            saw_tried: false,
            saw_full: false,
        }
    }

    fn run(mut self, policy: Policy, random: &mut Random) -> Selection {
        let bank = self.state.bank(policy.bank);
        let chosen = match (policy.balance, bank.eligible) {
            (_, 0) => None,
            (_, 1) => self.take(self.state.eligible(bank, 0)),
            (Balance::P2c, _) => self.less_loaded_of_two(bank, random),
            (Balance::RoundRobin, _) => self.next_in_turn(policy.bank, bank),
            (Balance::Random, _) => self.drawn(bank, random),
            (Balance::Hash, _) => self.next_on_ring(policy, bank, random),
            (Balance::Sticky, _) => self.same_again(policy, bank, random),
        };
        chosen.map_or_else(|| self.refusal(), Selection::Instance)
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
