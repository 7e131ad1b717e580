//! The least loaded of a few random members, two by default (Mitzenmacher, "The Power of Two Choices", 2001).

use core::ops::Range;

use super::slow_start::WHOLE;
use super::{Decision, Tried};
use crate::random::Random;
use crate::state::{Bank, Instance, State, NO_SLOT};

/// How often the least loaded of many is looked for when the one before was at its cap.
const ROUNDS: usize = 4;

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    /// The least loaded of `choices` members; of all where there are not more.
    pub(super) fn least_loaded(&mut self, bank: Bank, choices: u32, random: &mut Random) -> Option<Instance> {
        if choices == 2 || bank.eligible == 2 {
            return self.better_of_two(bank, random, Self::is_lighter);
        }
        let mut refused = Tried::new();
        for _ in 0..ROUNDS {
            let Some(best) = self.lightest(bank, choices, &refused, random) else { break };
            if let Some(instance) = self.take(bank, best) {
                return Some(instance);
            }
            refused.insert(best);
        }
        self.scan(bank, random.below(bank.eligible))
    }

    /// The better of two members. The first draw follows the weights, so that ties (above all: an idle service) fall in
    /// their proportion; the second is uniform over the others. When neither can be had, the rest is scanned from a
    /// random start.
    pub(super) fn better_of_two(
        &mut self,
        bank: Bank,
        random: &mut Random,
        is_better: fn(&Self, u32, u32) -> bool,
    ) -> Option<Instance> {
        let first = self.draw_by_weight(bank, random);
        let second = self.draw_other(bank, &(0..bank.eligible), first, random);
        // When one of them cannot be had, the order does not matter: taking it fails, and the other is next.
        let other_first = is_better(self, second, first)
            || self.is_passed_over(first, random) && !is_better(self, first, second);
        let order = if other_first { [second, first] } else { [first, second] };
        for slot in order {
            if let Some(instance) = self.take(bank, slot) {
                return Some(instance);
            }
        }
        self.scan(bank, random.below(bank.eligible))
    }

    /// The less loaded of two of a group, each drawn with the same chance; when neither can be had, the rest is scanned.
    pub(super) fn lighter_of_group(
        &mut self,
        bank: Bank,
        group: &Range<u32>,
        random: &mut Random,
    ) -> Option<Instance> {
        if group.len() < 2 {
            return self.scan_group(bank, group, group.start);
        }
        let start = group.start + random.below(group.end - group.start);
        let first = self.state.candidate(bank, start);
        let second = self.draw_other(bank, group, first, random);
        let order = if self.is_lighter(second, first) { [second, first] } else { [first, second] };
        let lighter = order.into_iter().find_map(|slot| self.take(bank, slot));
        lighter.or_else(|| self.scan_group(bank, group, start))
    }

    /// A member of a group of two or more other than `first`, each with the same chance: the last member stands in for
    /// `first`.
    fn draw_other(&self, bank: Bank, group: &Range<u32>, first: u32, random: &mut Random) -> u32 {
        let last = group.end - 1;
        let drawn = self.state.candidate(bank, group.start + random.below(last - group.start));
        if drawn == first {
            self.state.candidate(bank, last)
        } else {
            drawn
        }
    }

    /// The least loaded of one member drawn by weight and of others: all of them from a random start, or a few drawn
    /// with the same chance each. None of those that cannot be had as far as that can be told.
    fn lightest(&mut self, bank: Bank, choices: u32, refused: &Tried, random: &mut Random) -> Option<u32> {
        let mut best = None;
        let first = self.draw_by_weight(bank, random);
        let first = if self.is_passed_over(first, random) { NO_SLOT } else { first };
        self.weigh(bank, first, refused, &mut best);
        if choices >= bank.eligible {
            let start = random.below(bank.eligible);
            for index in (start..bank.eligible).chain(0..start) {
                self.weigh(bank, self.state.candidate(bank, index), refused, &mut best);
            }
        } else {
            for _ in 1..choices {
                let slot = self.state.candidate(bank, random.below(bank.eligible));
                self.weigh(bank, slot, refused, &mut best);
            }
        }
        best
    }

    fn weigh(&mut self, bank: Bank, slot: u32, refused: &Tried, best: &mut Option<u32>) {
        let free = self.may_have(bank, slot) && !refused.contains(slot);
        if free && best.is_none_or(|best| self.is_lighter(slot, best)) {
            *best = Some(slot);
        }
    }

    /// Has `a` less in flight for its room than `b`? By cross multiplication: exact, and no division.
    fn is_lighter(&self, a: u32, b: u32) -> bool {
        let [of_a, of_b] = self.state.in_flight_of([a, b]).map(u128::from);
        of_a * u128::from(self.room(b)) < of_b * u128::from(self.room(a))
    }

    /// How much a member can carry at this moment, compared to others.
    #[inline]
    pub(super) fn room(&self, slot: u32) -> u64 {
        u64::from(self.state.capacity(slot)) * u64::from(if self.warming { self.warmth(slot) } else { WHOLE })
    }
}
