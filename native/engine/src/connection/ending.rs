//! Every way an exchange stops: complete, refused, failed, aborted, out of time, or left by its client.

use std::sync::Arc;

use super::mirroring::Copying;
use super::queueing::give_back;
use super::{Action, Answer, Connection, Payload, Phase, Verdict, Waiting, CLIENT_EOF_GRACE, LINGER};
use crate::limit::Level;
use crate::pass_through::End;
use crate::queue::WaitEnd;
use crate::reply::{self, Circumstances, Reason};
use crate::rest::Rest;
use crate::snapshot::{Limit, Maintenance};
use crate::state::{Counter, State};
use crate::worker::Worker;

// Why an answer is not whole, in the access log: in the words of RFC 9209 §2.3, which has none for the client's part.

/// The instance's connection ended within the answer.
pub(super) const RESPONSE_INCOMPLETE: &str = "http_response_incomplete";
/// The gateway could not go on with the answer.
pub(super) const INTERNAL_ERROR: &str = "proxy_internal_error";
/// The instance paused too long within the answer.
const RESPONSE_TIMEOUT: &str = "http_response_timeout";
/// The client's connection ended before the answer was complete.
const CLIENT_CLOSED: &str = "client_closed";
/// The client did not take the answer.
const CLIENT_WRITE_TIMEOUT: &str = "client_write_timeout";

/// When a client may come again that found no place, in seconds.
const RETRY_FOR_A_PLACE: u64 = 1;

/// A request that the gateway answers itself.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// The row of the request table that counts it; `None` when it is counted already.
    pub(super) row: Option<u32>,
    /// Seconds after which the client may try again.
    pub(super) retry_after: Option<u64>,
    /// The limit that refuses it and is to be told of, with what is in its bucket.
    pub(super) quota: Option<(Arc<Limit>, Level)>,
    /// What keeps its client out.
    pub(super) maintenance: Option<Arc<Maintenance>>,
}

impl Refusal {
    /// Without more to say than the reason.
    pub(super) fn because(reason: Reason, row: Option<u32>) -> Self {
        Self { reason, row, retry_after: None, quota: None, maintenance: None }
    }

    /// For a client that is kept out, with the advice when to come again.
    pub(super) fn kept_out(by: &Arc<Maintenance>, row: Option<u32>) -> Self {
        let (retry_after, maintenance) = (by.retry_after, Some(Arc::clone(by)));
        Self { retry_after, maintenance, ..Self::because(Reason::Maintenance, row) }
    }

    /// With the advice to come again soon, where places come free all the time and nobody knows when.
    pub(super) fn for_now(reason: Reason, row: Option<u32>) -> Self {
        Self { retry_after: Some(RETRY_FOR_A_PLACE), ..Self::because(reason, row) }
    }
}

impl Connection {
    /// The answer is complete. `keep`: the instance's connection stands at a message boundary and stays open.
    pub(super) fn finish<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        payload: Payload,
        keep: bool,
        now: u64,
    ) -> Verdict {
        let received = self.request_body.is_complete();
        self.judge_answer(worker);
        self.end_exchange(worker, None, now);
        let close = !(self.persists && received) || self.sends_no_more();
        if close {
            self.linger(worker, now);
        } else {
            self.await_request(worker, now);
        }
        let action = match (keep && received, close) {
            (true, false) => Action::Finish,
            (false, false) => Action::FinishDrop,
            (true, true) => Action::FinishClose,
            (false, true) => Action::FinishDropClose,
        };
        let argument = u64::from(if close { self.may_send_on(received) } else { !self.inbound.is_empty() });
        Verdict { action, argument, payload }
    }

    /// The exchange cannot be completed: an answer of our own, or, once bytes of another have gone out, a reset.
    pub(super) fn fail<S: State>(&mut self, worker: &mut Worker<S>, reason: Reason, now: u64) -> Verdict {
        if self.passes() {
            return self.fail_passing(worker, reason.into(), now);
        }
        let refusal = match reason {
            Reason::QueueFull | Reason::QueueTimeout | Reason::LimitUnanswered => {
                Refusal::for_now(reason, None)
            }
            _ => Refusal::because(reason, None),
        };
        self.fail_with(worker, &refusal, now)
    }

    /// As [`Connection::fail`], with more to say; the exchange counts it.
    pub(super) fn fail_with<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        refusal: &Refusal,
        now: u64,
    ) -> Verdict {
        let reason = refusal.reason;
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::CLOSE };
        if exchange.answer == Answer::Begun {
            return self.abort(worker, reason.logged().unwrap_or_default(), now);
        }
        exchange.status = reason.status();
        let to_head = exchange.to_head;
        let record = self.record.take(); // its line tells of the answer that follows
        self.end_exchange(worker, None, now);
        self.record = record;
        self.refuse(worker, refusal, to_head, now)
    }

    /// Answers in the instance's stead.
    pub(super) fn refuse<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        refusal: &Refusal,
        to_head: bool,
        now: u64,
    ) -> Verdict {
        let close = self.closes_after_reply(worker, now);
        let status = refusal.reason.status();
        let own_page = || self.terms.as_ref().and_then(|terms| terms.pages.find(status));
        let page = refusal.maintenance.as_ref().and_then(|it| it.page.as_ref()).or_else(own_page);
        let circumstances = Circumstances {
            date: &worker.date,
            retry_after: refusal.retry_after,
            quota: refusal.quota.as_ref().map(|(limit, level)| (&**limit, *level)),
            close,
            confirm_keep_alive: self.minor_version == 0,
            to_head,
            form: self.form,
            page: page.or_else(|| worker.snapshot.pages.find(status)),
            cors: &self.cors,
        };
        worker.output.clear();
        reply::write(&mut worker.output, refusal.reason, &circumstances);
        self.replied(worker, refusal.row, status, refusal.reason.logged(), close, now)
    }

    /// Does the connection end with an answer of our own that is given now?
    pub(super) fn closes_after_reply<S>(&self, worker: &Worker<S>, now: u64) -> bool {
        let received = self.request_body.is_complete();
        !received || !self.persists || self.is_outdated(worker, now) || self.sends_no_more()
    }

    /// An answer of our own is in the output. `row`: what counts it; `reason`: why there is none of an instance.
    pub(super) fn replied<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        row: Option<u32>,
        status: u16,
        reason: Option<&str>,
        close: bool,
        now: u64,
    ) -> Verdict {
        if let Some(row) = row {
            worker.state.count_request(row, status);
        }
        self.record_answer(worker.output.len(), now);
        self.log(worker, status, reason, now);
        if close {
            self.linger(worker, now);
            let argument = u64::from(self.may_send_on(self.request_body.is_complete()));
            Verdict { action: Action::ReplyClose, argument, payload: Payload::Output }
        } else {
            self.await_request(worker, now);
            let argument = u64::from(!self.inbound.is_empty());
            Verdict { action: Action::Reply, argument, payload: Payload::Output }
        }
    }

    /// The client must notice that its answer is incomplete.
    pub(super) fn abort<S: State>(&mut self, worker: &mut Worker<S>, reason: &str, now: u64) -> Verdict {
        self.end_exchange(worker, Some(reason), now);
        self.phase = Phase::Closed;
        Verdict::bare(Action::Abort)
    }

    /// The deadline has passed. `taken`: bytes that the side that was stalled has taken since it was said to be, or since
    /// this was asked last.
    pub fn expire<S: State>(&mut self, worker: &mut Worker<S>, taken: u64, now: u64) -> Verdict {
        worker.fresh_output();
        let stalled = matches!(self.waiting, Waiting::InstanceTakes | Waiting::ClientTakes);
        if stalled && self.is_taking(worker, taken, now) {
            return Verdict::WAIT;
        }
        if self.waiting.is_for_instance() {
            self.blame_instance(worker);
        }
        match self.waiting {
            Waiting::Tunnel if self.passes() => self.fail_passing(worker, End::IdleTimeout, now),
            Waiting::ClientTakes if self.passes() => self.fail_passing(worker, End::WriteTimeout, now),
            Waiting::KeepAlive | Waiting::Linger | Waiting::HalfClosed | Waiting::Tunnel => {
                self.leave(worker, now)
            }
            Waiting::Preamble => self.refuse_preamble(worker, now),
            Waiting::Head => self.refuse_unread(worker, Reason::RequestTimeout, now),
            Waiting::RequestBody => self.fail(worker, Reason::RequestTimeout, now),
            Waiting::Connect => {
                worker.state.count(Counter::UpstreamConnectFailures, 1);
                self.retry(worker, Reason::ConnectTimeout, true, false, now)
            }
            Waiting::Delay => self.end_delay(worker, now),
            Waiting::Place => self.wait_in_vain(worker, now),
            Waiting::BackOff => self.try_again(worker, now),
            Waiting::FirstByte => self.fail(worker, Reason::FirstByteTimeout, now),
            Waiting::InstanceTakes => self.fail(worker, Reason::WriteTimeout, now),
            Waiting::ResponseBody => self.abort(worker, RESPONSE_TIMEOUT, now),
            Waiting::ClientTakes => self.abort(worker, CLIENT_WRITE_TIMEOUT, now),
        }
    }

    /// Does the side that was stalled take enough to be waited for?
    fn is_taking<S: State>(&mut self, worker: &mut Worker<S>, taken: u64, now: u64) -> bool {
        let waiting = self.waiting;
        let Some(listener) = self.listener(worker) else { return false };
        // An instance has no rate to keep: it is configured, not hostile.
        let rate = listener.min_rate.filter(|_| waiting == Waiting::ClientTakes);
        let Some(wait) = self.stall.look(taken, listener.write_timeout, rate, now) else { return false };
        self.arm(worker, waiting, now, wait);
        true
    }

    /// The worker needs the descriptor of a connection that [`crate::rest::Rests`] says can be spared. One that was never
    /// answered is not closed without a word: 408 tells its client that a request on its way was not read (RFC 9110
    /// §15.5.9). Nothing happens to one that is at rest no more.
    pub fn evict<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        worker.fresh_output();
        let at_rest = match self.waiting {
            Waiting::KeepAlive => self.is_idle(),
            Waiting::Linger => true,
            _ => false,
        };
        if !at_rest {
            return Verdict::WAIT;
        }
        worker.state.count(Counter::ClientsEvicted, 1);
        if self.requests == 0 && self.waiting == Waiting::KeepAlive {
            return self.refuse_unread(worker, Reason::RequestTimeout, now);
        }
        self.leave(worker, now)
    }

    /// The client will send no more. A whole request may still be answered, if the answer begins soon.
    pub fn client_eof<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let awaits_answer = match &self.phase {
            // What was searched is the beginning of a head; what was not waits to be taken up.
            Phase::Request if !self.inbound.is_empty() && self.searched == 0 => false,
            // It is carried over to the instance, once there is one.
            Phase::Exchange(_) if self.passes() => false,
            // It would take a place from those who are still there.
            Phase::Exchange(_) if self.queued.is_some() || self.asked.is_some() || self.delayed.is_some() => {
                return self.leave(worker, now)
            }
            Phase::Exchange(exchange) if self.request_body.is_complete() => exchange.answer != Answer::Begun,
            _ => return self.leave(worker, now),
        };
        self.half_closed = true;
        if awaits_answer {
            self.arm(worker, Waiting::HalfClosed, now, CLIENT_EOF_GRACE);
        }
        Verdict::WAIT
    }

    /// The client's connection has ended, for whatever reason; everything is given back. Idempotent.
    pub fn close<S: State>(&mut self, worker: &mut Worker<S>, now: u64) {
        if self.index == u32::MAX {
            return;
        }
        self.end_exchange(worker, Some(CLIENT_CLOSED), now);
        self.phase = Phase::Closed;
        worker.deadlines.close(self.index);
        worker.rests.set(self.index, Rest::Busy);
        if let Some(place) = self.client_hold.take() {
            worker.state.release_hold(place);
        }
        if matches!(self.copying, Copying::IsCopy) {
            worker.copies -= 1;
        } else {
            worker.state.count(Counter::ConnectionsEnded, 1);
        }
        self.index = u32::MAX;
    }

    /// Nothing more is said. A close waits until the client has taken what was said before; if it does not, the
    /// deadline comes once more and aborts.
    pub(super) fn leave<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        self.end_exchange(worker, Some(CLIENT_CLOSED), now);
        self.phase = Phase::Closed;
        self.stalled(worker, true, now);
        Verdict::CLOSE
    }

    /// Counts the exchange, gives its reservation back and writes its line; a tunnel is counted already, unless it was one from the first. The caller
    /// leaves the phase.
    pub(super) fn end_exchange<S: State>(&mut self, worker: &mut Worker<S>, reason: Option<&str>, now: u64) {
        self.response_head = Vec::new();
        let opens_gate = self.holds.give_back(&worker.state);
        self.leave_line(worker, WaitEnd::Left, now);
        self.stop_asking(worker, WaitEnd::Left, now);
        if let Phase::Tunnel(tunnel) = &mut self.phase {
            if let Some(instance) = tunnel.instance.take() {
                give_back(&worker.state, instance, tunnel.queue, now);
            }
            self.end_passing(worker, now);
            return;
        }
        let Phase::Exchange(exchange) = &mut self.phase else { return };
        if exchange.compressing.is_some() {
            exchange.stop_compressing(&mut worker.encoders);
        }
        match (exchange.instance.take(), exchange.awaited()) {
            (Some(instance), awaited) => give_back(&worker.state, instance, awaited, now),
            (None, awaited) => {
                self.delayed = None;
                // It had left its instance, but not the gate.
                if let Some(service) = awaited.filter(|_| opens_gate) {
                    worker.state.wake_next(service, now);
                }
            }
        }
        if self.end_passing(worker, now) {
            return;
        }
        let Phase::Exchange(exchange) = &self.phase else { return };
        if !exchange.due.is_empty() {
            self.charge_answer(worker, None, now);
        }
        self.count_exchange(worker, reason, now);
    }

    /// Counts the exchange and writes its line.
    pub(super) fn count_exchange<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        reason: Option<&str>,
        now: u64,
    ) {
        let Phase::Exchange(exchange) = &self.phase else { return };
        let status = exchange.status;
        worker.state.count_request(exchange.row, status);
        worker.state.observe_duration(exchange.service, now.saturating_sub(exchange.started));
        self.log(worker, status, reason, now);
    }

    fn linger<S>(&mut self, worker: &mut Worker<S>, now: u64) {
        self.phase = Phase::Lingering;
        self.inbound = Vec::new();
        self.arm(worker, Waiting::Linger, now, LINGER);
    }
}
