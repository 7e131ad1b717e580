//! Requests that wait because their route injects a delay. Such an exchange is held as one that waits for a place is
//! ([`Action::Park`]), by the connection's own deadline; it has no place meanwhile and stands in no line. When its time is over it looks
//! for a place as if it had just come.

use super::limiting::Gate;
use super::queueing::Search;
use super::{Action, Connection, Payload, Phase, Verdict, Waiting};
use crate::selection::Tried;
use crate::state::{Counter, State};
use crate::worker::Worker;

/// A delay that is injected into the current request.
#[derive(Debug)]
pub(super) struct Delayed {
    nanos: u64,
    /// What it will have to pass.
    gate: Option<Gate>,
}

impl Delayed {
    pub(super) fn new(nanos: u64, gate: Option<Gate>) -> Self {
        Self { nanos, gate }
    }
}

impl Connection {
    /// The output has what is to be sent, to an instance that is chosen later: after a delay, or when there is a place.
    pub(super) fn wait<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let Some(Delayed { nanos, .. }) = self.delayed.as_deref() else { return self.park(worker, now) };
        worker.state.count(Counter::InjectedDelays, 1);
        self.arm_for_others(worker, Waiting::Delay, now, *nanos);
        if let Some(record) = &mut self.record {
            record.delayed();
        }
        Verdict::with(Action::Park, Payload::Output)
    }

    /// The delay is over: the exchange goes to an instance, stands in line for one, or fails.
    pub(super) fn end_delay<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let (Some(delayed), Phase::Exchange(exchange)) = (self.delayed.take(), &self.phase) else {
            return Verdict::WAIT;
        };
        let (service, queue, tried) = (exchange.service, exchange.queue, Tried::default());
        let criteria = exchange.criteria(&tried, now);
        let Worker { state, lines, deadlines, random, .. } = &mut *worker;
        let mut search = Search { state, lines, deadlines, random, criteria, gate: delayed.gate };
        match self.seek_place(&mut search, service, queue) {
            Err(reason) => self.fail(worker, reason, now),
            Ok(Some(instance)) => {
                let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
                exchange.instance = Some(instance);
                self.forward_again(worker, now)
            }
            Ok(None) => match self.park(worker, now) {
                // It is held already.
                Verdict { action: Action::Forward, .. } => self.forward_again(worker, now),
                _ => Verdict::WAIT,
            },
        }
    }
}
