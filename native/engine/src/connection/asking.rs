//! Waiting for a token: where a strict limit has none in stock, the bucket that gateways share is asked, and the request
//! waits for the answer.
//!
//! Such an exchange has neither instance nor place yet, and is parked like one that waits for a place (see [`super::queueing`]): it counts in
//! the queue of its service, waits no longer than anybody there, and every end of an exchange passes [`Connection::stop_asking`]. It
//! stands in no line, for nobody behind it need wait for its answer. With the answer all limits on it are asked once more, and then it
//! looks for a place like a new one, but that it need not find room in the queue: if it is to stand in line it takes along what it has there
//! ([`Connection::take_along`]), and is counted as one that has waited once.
//!
//! It counts as waiting first, and looks once more before it sleeps; the keeper of the stocks adds first, and then looks who waits. So
//! no answer is missed.

use super::limiting::{pass_again, Awaited, Due, Gate};
use super::mirroring::Copying;
use super::{Action, Connection, Payload, Phase, Verdict, Waiting};
use crate::askers::{Askers, Ticket};
use crate::fault::Injected;
use crate::queue::{Queue, WaitEnd};
use crate::reply::Reason;
use crate::snapshot::Service;
use crate::state::{Instance, State};
use crate::worker::Worker;

/// The bounds of those who wait where their service has no queue: the same as a queue has by default.
const WITHOUT_QUEUE: Queue = Queue { size: 1_000, timeout: 1_000_000_000 };

/// What a connection waits for.
#[derive(Debug)]
pub(super) struct Asked {
    service: u32,
    ticket: Ticket,
    since: u64,
    timeout: u64,
    gate: Option<Gate>,
    /// What is injected into the request when it has its tokens.
    injected: Option<Injected>,
    awaited: Awaited,
}

/// What has become of one that waits.
enum Heard {
    /// There is no answer yet, or it stands in line for a place now, or it is late on purpose.
    Waits,
    /// It has its tokens, and a place.
    Place(Instance),
    /// It has ended.
    Over(Verdict),
}

impl Connection {
    /// A new request begins to wait.
    pub(super) fn ask<S: State>(
        &mut self,
        state: &S,
        askers: &mut Askers,
        service: &Service,
        (awaited, injected): (Awaited, Option<Injected>),
        now: u64,
    ) -> Result<(), Reason> {
        let Queue { size, timeout } = service.queue.unwrap_or(WITHOUT_QUEUE);
        if !state.enter_queue(service.slot, size) {
            state.count_wait(service.slot, WaitEnd::Full, 0);
            return Err(Reason::QueueFull);
        }
        let (ticket, gate) = (askers.join(self.index), Gate::of(state, service));
        let service = service.slot;
        self.asked = Some(Box::new(Asked { service, ticket, since: now, timeout, gate, injected, awaited }));
        Ok(())
    }

    /// The exchange waits: it goes at once if the answer is there by now. The output has what is to be sent.
    pub(super) fn await_answer<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        match self.hear(worker, now) {
            Heard::Over(verdict) => verdict,
            Heard::Place(instance) => self.forward_output(worker, instance, now),
            Heard::Waits => {
                if let Some((since, timeout)) = self.asked.as_ref().map(|asked| (asked.since, asked.timeout))
                {
                    self.arm_for_others(worker, Waiting::Place, since, timeout);
                }
                Verdict::with(Action::Park, Payload::Output)
            }
        }
    }

    /// The answer may have come.
    pub(super) fn hear_answer<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        match self.hear(worker, now) {
            Heard::Over(verdict) => verdict,
            Heard::Place(_) => {
                let verdict = self.forward_again(worker, now);
                self.with_copy(verdict)
            }
            Heard::Waits if self.asked.is_some() => Verdict::WAIT,
            Heard::Waits => self.waiting_with_copy(),
        }
    }

    /// The exchange waits for no answer any more. False: it did not wait.
    pub(super) fn stop_asking<S: State>(&mut self, worker: &mut Worker<S>, end: WaitEnd, now: u64) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        asked.leave(worker, end, now);
        if end != WaitEnd::Served {
            self.copying = Copying::Nothing;
        }
        true
    }

    /// The exchange, which has its tokens, goes on to stand in line, and still counts in the queue. Since when it waits; `None`: it has not
    /// waited.
    pub(super) fn take_along(&mut self) -> Option<u64> {
        self.asked.take().map(|asked| asked.since)
    }

    fn hear<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Heard {
        let Some(asked) = &mut self.asked else { return Heard::Waits };
        let refusal = match pass_again(&worker.state, &mut asked.awaited, now) {
            Ok(None) => return Heard::Waits,
            Ok(Some(due)) => return self.go_on_with(worker, due, now),
            Err(stop) => stop.into_refusal(),
        };
        self.stop_asking(worker, WaitEnd::Refused, now);
        Heard::Over(self.fail_with(worker, &refusal, now))
    }

    /// It has its tokens, and looks for a place, unless its route injects something.
    fn go_on_with<S: State>(&mut self, worker: &mut Worker<S>, due: Due, now: u64) -> Heard {
        let (Some(asked), Phase::Exchange(exchange)) = (&self.asked, &mut self.phase) else {
            return Heard::Waits;
        };
        exchange.due = due;
        worker.askers.leave(asked.ticket);
        let (gate, waited) = (asked.gate, now.saturating_sub(asked.since));
        let place = match asked.injected {
            None => self.seek_place_late(worker, gate, 0, now),
            Some(injected) => self.inject(&worker.state, injected, gate, waited).map(|()| None),
        };
        self.stop_asking(worker, WaitEnd::Served, now); // unless it stands in line
        if self.delayed.is_some() {
            self.begin_delay(worker, now);
        }
        match place {
            Ok(instance) => instance.map_or(Heard::Waits, Heard::Place),
            Err(reason) => {
                self.copying = Copying::Nothing;
                Heard::Over(self.fail(worker, reason, now))
            }
        }
    }
}

impl Asked {
    fn leave<S: State>(&self, worker: &mut Worker<S>, end: WaitEnd, now: u64) {
        let Worker { state, askers, .. } = worker;
        askers.leave(self.ticket);
        state.leave_queue(self.service);
        state.count_wait(self.service, end, now.saturating_sub(self.since));
    }
}
