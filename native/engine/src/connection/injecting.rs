//! What routes inject into requests that have passed their limits. One that is to be late is held as one that waits for a place is
//! ([`Action::Park`]), by the connection's own deadline; it has no place meanwhile and stands in no line. When its time is over it looks
//! for a place as if it had just come.

use super::limiting::Gate;
use super::{Action, Connection, Payload, Verdict, Waiting};
use crate::fault::Injected;
use crate::reply::Reason;
use crate::state::{Counter, State};
use crate::worker::Worker;

/// A delay of the current request.
#[derive(Debug)]
pub(super) struct Delayed {
    nanos: u64,
    /// What it will have to pass.
    gate: Option<Gate>,
    /// Of the time that it may wait for a place, so much is over already.
    waited: u64,
}

impl Connection {
    /// Has the exchange be late, or says why it goes no further. `waited`: how long it has waited for its limits.
    #[cold]
    pub(super) fn inject<S: State>(
        &mut self,
        state: &S,
        injected: Injected,
        gate: Option<Gate>,
        waited: u64,
    ) -> Result<(), Reason> {
        match injected {
            Injected::Abort(status) => {
                state.count(Counter::InjectedAborts, 1);
                Err(Reason::Injected(status))
            }
            Injected::Delay(nanos) => {
                state.count(Counter::InjectedDelays, 1);
                self.delayed = Some(Box::new(Delayed { nanos, gate, waited }));
                if let Some(record) = &mut self.record {
                    record.delayed();
                }
                Ok(())
            }
        }
    }

    /// The exchange waits for the end of its delay. The output has what is to be sent.
    pub(super) fn begin_delay<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        if let Some(Delayed { nanos, .. }) = self.delayed.as_deref() {
            self.arm_for_others(worker, Waiting::Delay, now, *nanos);
        }
        Verdict::with(Action::Park, Payload::Output)
    }

    /// The delay is over: the exchange goes to an instance, stands in line for one, or fails.
    pub(super) fn end_delay<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let Some(Delayed { gate, waited, .. }) = self.delayed.take().map(|delayed| *delayed) else {
            return Verdict::WAIT;
        };
        match self.seek_place_late(worker, gate, waited, now) {
            Ok(Some(_)) => self.forward_again(worker, now),
            Ok(None) => Verdict::WAIT,
            Err(reason) => self.fail(worker, reason, now),
        }
    }
}
