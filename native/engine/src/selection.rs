//! Picks the instance that an exchange goes to, from what the shared state says at this moment.
//!
//! The published bank proposes, the instance's health word and its cap decide: a bank may be a moment old, the words
//! never are. Every decision is bounded by the number of members and allocates nothing.

mod candidates;
mod ewma;
mod hash;
mod p2c;
mod random;
pub mod ring;
mod round_robin;
mod slow_start;
mod smooth;
mod sticky;
mod tried;

pub use candidates::{candidates, Candidates, Fitness, Member, Panic};
pub use ewma::{median, Latency};
pub use smooth::{smooth_sequence, MAX_TURNS};
pub use tried::Tried;

use core::ops::Range;

use serde::Deserialize;

use crate::random::Random;
use crate::state::{Bank, Instance, State, NO_SLOT};

/// How exchanges are spread over instances. Each is a file of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Balance {
    /// The least loaded of a few random members.
    P2c {
        /// How many; at least 2.
        choices: u32,
    },
    /// Smooth weighted round robin, one sequence for all workers.
    RoundRobin,
    /// The faster of two random members, by what their answers took and what they have in flight.
    Ewma,
    /// Drawn at random, by weight.
    Random,
    /// By the key of a request, on a ring (Karger et al., 1997).
    Hash {
        /// What a member may hold at the most, in percent of the average; `None` for no bound.
        bounded_load: Option<u32>,
    },
    /// Where the client was before, as it says with a signed cookie.
    Sticky,
}

impl Balance {
    /// The less loaded of two.
    pub const P2C: Self = Self::P2c { choices: 2 };
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
    /// Nanoseconds in which an instance that has just started comes to its whole share; 0 gives it at once.
    pub slow_start: u64,
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
    /// Nanoseconds of the monotonic clock.
    pub now: u64,
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

/// Answers as [`select`] would and reserves nothing, so it sees no caps; a round robin still moves on.
pub fn peek<S: State>(state: &S, criteria: &Criteria<'_>, random: &mut Random) -> Selection {
    Decision::new(state, criteria, |_| true).run(criteria.policy, random)
}

/// May a member be asked, as far as its health goes? In a panic that of its tier does not matter, only what an operator says.
#[inline]
pub fn is_fit<S: State>(state: &S, bank: Bank, slot: u32) -> bool {
    let panics = || bank.panic != Panic::None && bank.panic.covers(state.is_backup(slot));
    state.is_eligible(slot) || panics() && state.is_enabled(slot)
}

/// One decision under way: how a place is taken, and why candidates fell away so far.
struct Decision<'a, S, R> {
    state: &'a S,
    tried: &'a Tried,
    affinity: Affinity,
    reserve: R,
    now: u64,
    slow_start: u64,
    /// Some candidate may be in its slow start.
    warming: bool,
    saw_tried: bool,
    saw_full: bool,
}

impl<'a, S: State, R: Fn(u32) -> bool> Decision<'a, S, R> {
    fn new(state: &'a S, criteria: &Criteria<'a>, reserve: R) -> Self {
        let Criteria { policy: Policy { slow_start, .. }, tried, affinity, now } = *criteria;
        Self {
            state,
            tried,
            affinity,
            reserve,
            now,
            slow_start,
            warming: false,
            saw_tried: false,
            saw_full: false,
        }
    }

    fn run(mut self, policy: Policy, random: &mut Random) -> Selection {
        let bank = self.state.bank(policy.bank);
        self.warming = self.slow_start > 0 && self.now < bank.last_start.saturating_add(self.slow_start);
        let chosen = match (policy.balance, bank.eligible) {
            (_, 0) => None,
            // These two look beyond the eligible: a key or a client belongs to an instance in whatever zone it is.
            (Balance::Hash { bounded_load }, _) => self.next_on_ring(policy.bank, bank, bounded_load, random),
            (Balance::Sticky, _) => self.same_again(policy.bank, bank, random),
            (_, 1) => self.take(bank, self.state.candidate(bank, 0)),
            (Balance::P2c { choices }, _) => self.least_loaded(bank, choices, random),
            (Balance::RoundRobin, _) => self.next_in_turn(policy.bank, bank, random),
            (Balance::Random, _) => self.drawn(bank, random),
            (Balance::Ewma, _) => self.faster_of_two(bank, random),
        };
        let chosen = chosen.or_else(|| self.stand_in(bank, random));
        chosen.map_or_else(|| self.refusal(), Selection::Instance)
    }

    /// Takes the first eligible member that can be had, from `start` once around the list.
    fn scan(&mut self, bank: Bank, start: u32) -> Option<Instance> {
        self.scan_group(bank, &(0..bank.eligible), start)
    }

    /// Takes the first of a group of candidates that can be had, from `start` once around.
    fn scan_group(&mut self, bank: Bank, group: &Range<u32>, start: u32) -> Option<Instance> {
        let mut around = (start..group.end).chain(group.start..start);
        around.find_map(|index| self.take(bank, self.state.candidate(bank, index)))
    }

    /// Takes one of those that are asked when none of the eligible can be had, by load whatever the balance: what they get
    /// is what the others have no room for.
    fn stand_in(&mut self, bank: Bank, random: &mut Random) -> Option<Instance> {
        let mut first = bank.eligible;
        bank.standby.into_iter().find_map(|count| {
            let group = first..first.saturating_add(count);
            first = group.end;
            self.lighter_of_group(bank, &group, random)
        })
    }

    /// Reserves the slot, or remembers why not.
    fn take(&mut self, bank: Bank, slot: u32) -> Option<Instance> {
        if !self.may_have(bank, slot) {
            return None;
        }
        if !(self.reserve)(slot) {
            self.saw_full = true;
            return None;
        }
        Some(Instance { slot, generation: self.state.generation(slot) })
    }

    /// May the exchange go there, but for a cap?
    fn may_have(&mut self, bank: Bank, slot: u32) -> bool {
        if slot == NO_SLOT || !is_fit(self.state, bank, slot) {
            return false;
        }
        self.saw_tried |= self.tried.contains(slot);
        !self.tried.contains(slot)
    }

    /// Does a turn that falls to a member in its slow start go to the next? Its share of the turns grows as it warms.
    fn is_passed_over(&self, slot: u32, random: &mut Random) -> bool {
        self.warming && random.below(slow_start::WHOLE) >= self.warmth(slot)
    }

    fn warmth(&self, slot: u32) -> u32 {
        slow_start::warmth(self.state.started(slot), self.slow_start, self.now)
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
