//! What an exchange tells about its instance: a failure, an answer, or nothing.
//!
//! Failures in a row are counted where all workers see them, an answer ends the row, and the supervisor ejects by the
//! count. A failure is what the instance did; what a client did, or this machine, says nothing about it.

use super::{Connection, Link, Verdict, Waiting};
use crate::reply::Reason;
use crate::selection::Balance;
use crate::state::{Instance, State};
use crate::worker::Worker;

impl Connection {
    /// The instance has failed the exchange.
    pub(super) fn blame_instance<S: State>(&self, worker: &Worker<S>) {
        if let Some(instance) = self.instance() {
            worker.state.note_failure(instance.slot);
        }
    }

    /// The instance has answered, with a status that may be a failure all the same.
    pub(super) fn judge_answer<S: State>(&self, worker: &Worker<S>) {
        let Some((exchange, instance)) = self.exchange().zip(self.instance()) else { return };
        if exchange.failure_statuses.contains(exchange.status) {
            worker.state.note_failure(instance.slot);
        } else {
            worker.state.note_answer(instance.slot);
        }
    }

    /// The instance begins its answer. How long that took is told where instances are chosen by it; what failed is not,
    /// for an instance that fails fast is not fast.
    pub(super) fn note_latency<S: State>(&self, worker: &Worker<S>, now: u64) {
        let Some((exchange, instance)) = self.exchange().zip(self.instance()) else { return };
        if exchange.policy.balance == Balance::Ewma && !exchange.failure_statuses.contains(exchange.status) {
            let known = worker.state.latency(instance.slot);
            let new = known.observed(now.saturating_sub(exchange.asked), now);
            worker.state.replace_latency(instance.slot, known, new);
        }
    }

    /// As [`Connection::fail`], because of what the instance has sent.
    pub(super) fn fail_instance<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        reason: Reason,
        now: u64,
    ) -> Verdict {
        self.blame_instance(worker);
        self.fail(worker, reason, now)
    }

    /// Is the connection to the instance a kept one on which nothing has come yet? Its end says nothing: an instance
    /// may close idle connections as it likes, and a request may be on its way by then.
    pub(super) fn is_unused_link(&self) -> bool {
        let unused =
            |exchange: &super::Exchange| exchange.link == Link::Kept && exchange.interim_responses == 0;
        self.response_head.is_empty() && self.exchange().is_some_and(unused)
    }

    fn instance(&self) -> Option<Instance> {
        self.exchange().and_then(|exchange| exchange.instance)
    }
}

impl Waiting {
    /// Is it the instance that lets the time pass?
    pub(super) fn is_for_instance(self) -> bool {
        matches!(self, Self::Connect | Self::FirstByte | Self::InstanceTakes | Self::ResponseBody)
    }
}
