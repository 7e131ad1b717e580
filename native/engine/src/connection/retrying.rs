//! What follows a try that failed: another one, at once or after a back-off, or the answer that the failure stands for.
//!
//! The first extra try goes at once where it cannot add to the trouble: to another instance, or in place of a kept
//! connection that had ended. Every further one waits, so that an instance that comes back is not met by all at once.
//! The retries of a service have a budget (see [`crate::retry_budget`]), so that they do not add up to a second load. What was never sent
//! was no first one: a connection that was not made, or a kept one that had ended, costs the budget nothing.

use super::queueing::give_back;
use super::{Action, Answer, Connection, Exchange, Link, Payload, Phase, Verdict, Waiting};
use crate::random::Random;
use crate::reply::Reason;
use crate::selection::{is_fit, select, Criteria, Selection, Tried};
use crate::state::{Counter, Instance, State};
use crate::worker::Worker;

const MILLISECOND: u64 = 1_000_000;
/// The longest first wait of an exchange; each further one may be twice as long.
const FIRST_BACK_OFF: u64 = 25 * MILLISECOND;
/// No wait is longer: beyond it a client is better served with an answer.
const LONGEST_BACK_OFF: u64 = 250 * MILLISECOND;

/// Nanoseconds to wait after `backed_off` earlier waits: between half and the whole of a bound that doubles. The half
/// that is drawn keeps exchanges that failed together from coming back together.
fn back_off(backed_off: u8, random: &mut Random) -> u64 {
    let bound = FIRST_BACK_OFF.saturating_mul(1 << backed_off.min(32)).min(LONGEST_BACK_OFF);
    bound / 2 + u64::from(random.below((bound / 2) as u32))
}

impl Connection {
    /// Another try for the same request, if that is `allowed`; else the answer that `reason` stands for.
    /// `same_again`: where every instance was tried, one of them may get a second, fresh connection.
    pub(super) fn retry<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        reason: Reason,
        allowed: bool,
        same_again: bool,
        now: u64,
    ) -> Verdict {
        self.response_head = Vec::new();
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        let left = allowed && exchange.answer == Answer::Awaited && exchange.tries_left > 0;
        if !left {
            return self.fail(worker, reason, now);
        }
        let first = exchange.tried.is_empty();
        let replaces_kept = first && exchange.link == Link::Kept;
        let unsent = replaces_kept || matches!(reason, Reason::ConnectFailed | Reason::ConnectTimeout);
        let budget = exchange.retry_budget.filter(|_| !unsent);
        if budget.is_some_and(|budget| !worker.state.retry(exchange.service, budget, now)) {
            worker.state.count(Counter::RetriesOverBudget, 1);
            return self.fail(worker, reason, now);
        }
        exchange.leave_instance(&worker.state, now);
        exchange.tries_left -= 1;
        let another = exchange.select_another(worker, now);
        if !(another || same_again && exchange.select_again(worker, now)) {
            if budget.is_some() {
                worker.state.take_retry_back(exchange.service);
            }
            return self.fail(worker, reason, now);
        }
        worker.state.count(Counter::Retries, 1);
        if replaces_kept || first && another {
            return self.forward_again(worker, now);
        }
        let wait = back_off(exchange.backed_off, &mut worker.random);
        exchange.backed_off += 1;
        self.arm_for_others(worker, Waiting::BackOff, now, wait);
        Verdict { action: Action::BackOff, argument: wait, payload: Payload::Nothing }
    }

    /// The back-off is over. The instance that was chosen before it may have become unfit meanwhile.
    pub fn try_again<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        worker.fresh_output();
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        if exchange.instance.is_some_and(|chosen| !exchange.may_ask(&worker.state, chosen.slot)) {
            exchange.leave_instance(&worker.state, now);
            if !(exchange.select_another(worker, now) || exchange.select_again(worker, now)) {
                return self.fail(worker, Reason::NoInstance, now);
            }
        }
        self.forward_again(worker, now)
    }

    /// To the instance as many connections are under way as may be. That is no failure: another one is taken, at once and
    /// at the cost of no try.
    pub fn crowded<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        worker.fresh_output();
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        let more = exchange.tried.len() < Tried::CAPACITY; // a full set would not remember this one
        exchange.leave_instance(&worker.state, now);
        if more && exchange.select_another(worker, now) {
            return self.forward_again(worker, now);
        }
        self.fail(worker, Reason::ConnectsPending, now)
    }

    /// What was sent before goes to the instance of the exchange.
    pub(super) fn forward_again<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        exchange.link = Link::Kept;
        exchange.asked = now;
        let argument = exchange.instance.map_or(u64::MAX, Instance::key);
        self.record_try();
        self.flowing(worker, now);
        Verdict { action: self.onward(), argument, payload: Payload::Nothing }
    }

    /// How what was held back gets to an instance.
    pub(super) fn onward(&self) -> Action {
        if self.passes() {
            Action::Connect
        } else {
            Action::Forward
        }
    }
}

impl Exchange {
    /// Gives the place on the instance back; it counts as tried.
    fn leave_instance<S: State>(&mut self, state: &S, now: u64) {
        if let Some(instance) = self.instance.take() {
            give_back(state, instance, self.awaited(), now);
            self.tried.insert(instance.slot);
        }
    }

    /// Reserves a place on an instance that was not tried yet. False: there is none to be had.
    fn select_another<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> bool {
        self.select(worker, self.tried, now)
    }

    /// Reserves a place on any instance.
    fn select_again<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> bool {
        self.select(worker, Tried::default(), now)
    }

    /// May the instance be asked, as far as its health goes? In a panic that does not matter.
    fn may_ask<S: State>(&self, state: &S, slot: u32) -> bool {
        is_fit(state, state.bank(self.policy.bank), slot)
    }

    fn select<S: State>(&mut self, worker: &mut Worker<S>, not: Tried, now: u64) -> bool {
        let Worker { state, random, .. } = worker;
        let Selection::Instance(instance) = select(state, &self.criteria(&not, now), random) else {
            return false;
        };
        self.instance = Some(instance);
        true
    }

    /// What an instance is chosen by.
    pub(super) fn criteria<'a>(&self, tried: &'a Tried, now: u64) -> Criteria<'a> {
        Criteria { policy: self.policy, tried, affinity: self.affinity, now }
    }

    /// The service in whose queue somebody may wait for the place of this exchange.
    pub(super) fn awaited(&self) -> Option<u32> {
        self.queue.map(|_| self.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_differ() {
        let mut random = Random::new(1);
        for (backed_off, bound) in [(0, 25), (1, 50), (2, 100), (3, 200), (4, 250), (5, 250), (u8::MAX, 250)]
        {
            let waits: Vec<u64> = (0..100).map(|_| back_off(backed_off, &mut random)).collect();
            let (least, most) = (bound * MILLISECOND / 2, bound * MILLISECOND);
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{backed_off}");
            let spread = waits.iter().max().unwrap() - waits.iter().min().unwrap();
            assert!(spread > (most - least) * 8 / 10, "{backed_off}: drawn from the whole range");
        }
    }
}
