//! Waiting for a place: where every instance is at its cap, or the service at its own, a request stands in the line of its service until
//! there is room.
//!
//! Such an exchange is like any other but that it has no instance yet. Its head is made already, and the shell holds it as it
//! does while a connection is made ([`Action::Park`]); what comes of its body goes the same way. [`Connection::take_turn`] ends that with a
//! place and a `Forward`, or leaves it; its deadline, its client and every other end of an exchange end it through
//! [`Connection::leave_line`].
//!
//! Who comes does not overtake those who wait, wherever they wait: it stands in line first, and looks for a place only if it is its turn. It
//! looks once more after it has told the others that it waits, or it could miss the place that comes free in between.

use super::limiting::{Gate, Holds, Passage};
use super::{Action, Connection, Payload, Phase, Verdict, Waiting};
use crate::deadline::Deadlines;
use crate::queue::{Front, Lines, Queue, Ticket, WaitEnd};
use crate::random::Random;
use crate::reply::Reason;
use crate::selection::{select, Criteria, Selection, Tried};
use crate::state::{Instance, State};
use crate::worker::Worker;

/// A connection's place in the line of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    service: u32,
    ticket: Ticket,
    /// Since when it counts in the queue, be it that it has waited for a token first.
    since: u64,
    timeout: u64,
    gate: Option<Gate>,
}

/// What of a worker a new request finds its place with.
pub(super) struct Search<'a, S> {
    pub(super) state: &'a S,
    pub(super) lines: &'a mut Lines,
    pub(super) deadlines: &'a mut Deadlines,
    pub(super) random: &'a mut Random,
    pub(super) criteria: Criteria<'a>,
    /// The limit on all requests of the service, if its places are waited for.
    pub(super) gate: Option<Gate>,
}

/// Takes all that a request waits for, a place on an instance and one at the gate, or neither. `service`: whose queue it waits in.
///
/// The gate is looked at first: whoever took a place only to give it back would be in the others' way. It is passed last, so that
/// nobody who finds no instance holds it.
fn take_places<S: State>(
    state: &S,
    random: &mut Random,
    holds: &mut Holds,
    gate: Option<Gate>,
    criteria: &Criteria<'_>,
    service: u32,
) -> Selection {
    let Some(gate) = gate else { return select(state, criteria, random) };
    if gate.is_shut(state) {
        return Selection::Full;
    }
    let selection = select(state, criteria, random);
    let Selection::Instance(instance) = selection else { return selection };
    match holds.pass_gate(state, gate) {
        Passage::Open => return selection,
        // Somebody may have found the instance full meanwhile.
        Passage::Shut => state.hand_on(instance.slot, service, criteria.now),
        // Nothing has come free by which the next try would fare better.
        Passage::Uncounted => state.release(instance.slot),
    }
    Selection::Full
}

impl<S: State> Search<'_, S> {
    pub(super) fn take_places(&mut self, holds: &mut Holds, service: u32) -> Selection {
        take_places(self.state, self.random, holds, self.gate, &self.criteria, service)
    }

    /// Would one that comes now be next?
    pub(super) fn is_its_turn(&mut self, service: u32) -> bool {
        let now = self.criteria.now;
        let newest_first = match self.lines.front(service, now) {
            None => false,
            Some(Front { newest_first: true, .. }) => true,
            Some(_) => return false,
        };
        !self.state.is_ahead(service, Front { since: now, newest_first }, now)
    }
}

/// Gives a place on an instance back. `queue`: the service of which somebody may be waiting for it.
#[inline]
pub(super) fn give_back<S: State>(state: &S, instance: Instance, queue: Option<u32>, now: u64) {
    match queue {
        None => state.release(instance.slot),
        Some(service) => state.hand_on(instance.slot, service, now),
    }
}

impl Connection {
    /// A place on an instance for a new request; `None`: it stands in line for one.
    pub(super) fn seek_place<S: State>(
        &mut self,
        search: &mut Search<'_, S>,
        service: u32,
        queue: Option<Queue>,
    ) -> Result<Option<Instance>, Reason> {
        let looks = queue.is_none() || search.is_its_turn(service);
        let selection = if looks { search.take_places(&mut self.holds, service) } else { Selection::Full };
        match (selection, queue) {
            (Selection::Instance(instance), _) => Ok(Some(instance)),
            (Selection::NoneEligible | Selection::Exhausted, _) => Err(Reason::NoInstance),
            (Selection::Full, None) => Err(Reason::InstancesFull),
            (Selection::Full, Some(queue)) => self.join_line(search, service, queue).map(|()| None),
        }
    }

    /// A place on an instance for an exchange that has waited for something else; `None`: it stands in line for one. `waited`: so many
    /// nanoseconds of its time there are over, but for those that it counts in the queue already.
    pub(super) fn seek_place_late<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        gate: Option<Gate>,
        waited: u64,
        now: u64,
    ) -> Result<Option<Instance>, Reason> {
        let Phase::Exchange(exchange) = &self.phase else { return Ok(None) };
        let (service, queue, tried) = (exchange.service, exchange.queue, Tried::default());
        let criteria = exchange.criteria(&tried, now);
        let Worker { state, lines, deadlines, random, .. } = &mut *worker;
        let mut search = Search { state, lines, deadlines, random, criteria, gate };
        let Some(instance) = self.seek_place(&mut search, service, queue)? else {
            self.shorten_wait(waited);
            return Ok(self.place_or_wait(worker, now));
        };
        if let Phase::Exchange(exchange) = &mut self.phase {
            exchange.instance = Some(instance);
        }
        Ok(Some(instance))
    }

    fn join_line<S: State>(
        &mut self,
        search: &mut Search<'_, S>,
        service: u32,
        queue: Queue,
    ) -> Result<(), Reason> {
        let Search { state, lines, deadlines, criteria: Criteria { now, .. }, gate, .. } = search;
        let (now, gate) = (*now, *gate);
        let counts_since = self.take_along();
        if counts_since.is_none() && !state.enter_queue(service, queue.size) {
            let Some(displaced) = lines.displace(service, now) else {
                state.count_wait(service, WaitEnd::Full, 0);
                if let Some(gate) = gate {
                    gate.count_refused(*state);
                }
                return Err(Reason::QueueFull);
            };
            deadlines.set(displaced, now); // the next tick tells it
        }
        let (ticket, since) = (lines.join(service, self.index, queue, now), counts_since.unwrap_or(now));
        self.queued = Some(Queued { service, ticket, since, timeout: queue.timeout, gate });
        state.publish_front(service, lines.front(service, now));
        Ok(())
    }

    /// The exchange stands in line: it goes at once if it is its turn and a place is there. The output has what is to be sent.
    pub(super) fn park<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        match self.place_or_wait(worker, now) {
            Some(instance) => self.forward_output(worker, instance, now),
            None => Verdict::with(Action::Park, Payload::Output),
        }
    }

    /// The request in the output goes to the instance.
    pub(super) fn forward_output<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        instance: Instance,
        now: u64,
    ) -> Verdict {
        self.record_try();
        self.flowing(worker, now);
        Verdict { action: self.onward(), argument: instance.key(), payload: Payload::Output }
    }

    /// The exchange has just begun to stand in line, and looks once more: a place, if it is its turn and one is there.
    pub(super) fn place_or_wait<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Option<Instance> {
        let Queued { service, ticket, since, timeout, .. } = self.queued?;
        let front = worker.lines.front(service, now);
        let its_turn = worker.lines.is_next(service, ticket)
            && front.is_some_and(|front| !worker.state.is_ahead(service, front, now));
        let place = its_turn.then(|| self.take_place(worker, now)).flatten();
        if place.is_none() {
            self.arm_for_others(worker, Waiting::Place, since, timeout);
        }
        place
    }

    /// Of the time that an exchange may stand in line, so much is over: it has waited for something else before.
    fn shorten_wait(&mut self, passed: u64) {
        if let Some(queued) = &mut self.queued {
            queued.timeout = queued.timeout.saturating_sub(passed);
        }
    }

    /// A place may have come free, and the connection is next in its line; or the answer that it waits for has come. It goes to an instance, goes on waiting, or fails if there
    /// is no instance to wait for.
    pub fn take_turn<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        worker.fresh_output();
        if self.asked.is_some() {
            return self.hear_answer(worker, now);
        }
        let Some(Queued { service, .. }) = self.queued else { return Verdict::WAIT };
        match self.try_place(worker, now) {
            Selection::Instance(_) => self.forward_again(worker, now),
            Selection::Full => {
                worker.lines.end_round(service);
                Verdict::WAIT
            }
            Selection::NoneEligible | Selection::Exhausted => {
                self.leave_line(worker, WaitEnd::Failed, now);
                self.fail(worker, Reason::NoInstance, now)
            }
        }
    }

    /// The exchange has waited as long as it may, or has given its place in the queue to a newer one.
    pub(super) fn wait_in_vain<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        if self.stop_asking(worker, WaitEnd::Late, now) {
            return self.fail(worker, Reason::LimitUnanswered, now);
        }
        match self.leave_line(worker, WaitEnd::Late, now) {
            Some(WaitEnd::Displaced) => self.fail(worker, Reason::QueueFull, now),
            _ => self.fail(worker, Reason::QueueTimeout, now),
        }
    }

    fn take_place<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Option<Instance> {
        match self.try_place(worker, now) {
            Selection::Instance(instance) => Some(instance),
            _ => None,
        }
    }

    /// Reserves a place on any instance, and leaves the line with it.
    fn try_place<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Selection {
        let (Phase::Exchange(exchange), Some(queued)) = (&mut self.phase, self.queued) else {
            return Selection::NoneEligible;
        };
        let Worker { state, random, .. } = worker;
        let (tried, gate) = (Tried::default(), queued.gate);
        let criteria = exchange.criteria(&tried, now);
        let selection = take_places(state, random, &mut self.holds, gate, &criteria, queued.service);
        if let Selection::Instance(instance) = selection {
            exchange.instance = Some(instance);
            self.leave_line(worker, WaitEnd::Served, now);
        }
        selection
    }

    /// The connection waits for no place any more. Returns how it is counted; `None`: it did not wait.
    pub(super) fn leave_line<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        end: WaitEnd,
        now: u64,
    ) -> Option<WaitEnd> {
        let Queued { service, ticket, since, .. } = self.queued.take()?;
        let Worker { state, lines, .. } = worker;
        let stood_in_line = lines.leave(service, ticket);
        if stood_in_line {
            state.leave_queue(service);
            let front = lines.front(service, now);
            state.publish_front(service, front);
            if front.is_none() {
                // A wake-up for this line finds nobody here any more: it goes on to the next one.
                state.wake_next(service, now);
            }
        }
        let end = if stood_in_line { end } else { WaitEnd::Displaced };
        state.count_wait(service, end, now.saturating_sub(since));
        Some(end)
    }
}
