//! What a connection waits for, and until when: one deadline for each, that of what has to come next.

use super::{mirroring, Answer, Connection, Link, Phase, Tunnel, CLIENT_EOF_GRACE, LINGER};
use crate::deadline::NEVER;
use crate::pace::{Stall, Stopwatch};
use crate::rest::Rest;
use crate::state::State;
use crate::worker::Worker;

/// What the deadline of the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The PROXY header.
    Preamble,
    /// The next request.
    KeepAlive,
    /// The rest of a request's head.
    Head,
    /// More of a request's body.
    RequestBody,
    /// The end of an injected delay.
    Delay,
    /// A place on an instance, or a token of a limit that gateways share.
    Place,
    /// A connection to the instance.
    Connect,
    /// The time of another try.
    BackOff,
    /// The beginning of the answer.
    FirstByte,
    /// More of the answer.
    ResponseBody,
    /// The client taking what was sent to it, be it the end of the last answer.
    ClientTakes,
    /// The instance taking what was sent to it.
    InstanceTakes,
    /// The beginning of the answer, for a client that has sent its FIN.
    HalfClosed,
    /// The client's FIN after our last answer.
    Linger,
    /// Any byte in a tunnel.
    Tunnel,
}

impl Connection {
    /// The shell has to connect to the instance first.
    pub fn connecting<S: State>(&mut self, worker: &mut Worker<S>, now: u64) {
        let Phase::Exchange(exchange) = &mut self.phase else { return };
        exchange.link = Link::Fresh;
        let timeout = exchange.connect_timeout;
        self.arm_for_others(worker, Waiting::Connect, now, timeout);
    }

    /// The client (`client`) or the instance does not take what is sent to it. A client may still have to take the
    /// last answer when its exchange is over.
    pub fn stalled<S: State>(&mut self, worker: &mut Worker<S>, client: bool, now: u64) {
        let waiting = if client { Waiting::ClientTakes } else { Waiting::InstanceTakes };
        let timeout = self.listener(worker).map_or(NEVER, |listener| listener.write_timeout);
        self.stall = Stall::begin(now);
        self.arm_for_others(worker, waiting, now, Stall::until_look(timeout));
    }

    /// Bytes move again, in a tunnel since `now`: what is waited for is told by how far the exchange has come.
    pub fn flowing<S: State>(&mut self, worker: &mut Worker<S>, now: u64) {
        let exchange = match &self.phase {
            Phase::Exchange(exchange) => exchange,
            Phase::Tunnel(Tunnel { idle_timeout, .. }) => {
                return self.arm(worker, Waiting::Tunnel, now, *idle_timeout)
            }
            _ => return self.answer_taken(worker, now),
        };
        let (waiting, timeout) = if !self.request_body.is_complete() {
            let answer = exchange.answer;
            (Waiting::RequestBody, self.body_timeout(worker, answer, now))
        } else if exchange.answer == Answer::Begun {
            (Waiting::ResponseBody, exchange.idle_timeout)
        } else if self.half_closed {
            (Waiting::HalfClosed, CLIENT_EOF_GRACE)
        } else {
            (Waiting::FirstByte, exchange.first_byte_timeout)
        };
        let sent = waiting == Waiting::FirstByte
            && matches!(self.waiting, Waiting::RequestBody | Waiting::InstanceTakes);
        if let (true, Phase::Exchange(exchange)) = (sent, &mut self.phase) {
            exchange.asked = now;
        }
        self.arm(worker, waiting, now, timeout);
    }

    /// How long the client may go on sending nothing of its body: it shall neither pause too long nor be too slow on the
    /// whole. How fast it is counts while it is waited for, which a client that asked whether to continue is not before
    /// it knows; and not beside an answer, since the two may be a conversation.
    fn body_timeout<S>(&mut self, worker: &Worker<S>, answer: Answer, now: u64) -> u64 {
        let Some(listener) = self.listener(worker) else { return NEVER };
        let idle = listener.body_idle_timeout;
        if self.body_clock.is_none() && (self.body_bytes > 0 || answer != Answer::Awaited) {
            self.body_clock = Some(Stopwatch::start(now));
        }
        // What comes of a copy's body is counted where it is received: its sender is held to the rate there.
        let min_rate = listener.min_rate.filter(|_| !matches!(self.copying, mirroring::Copying::IsCopy));
        match (min_rate, &mut self.body_clock) {
            (Some(rate), Some(clock)) if answer != Answer::Begun => {
                clock.go_on(now);
                idle.min(clock.left(rate.patience(self.body_bytes), now))
            }
            _ => idle,
        }
    }

    /// Bytes came from either side; that says nothing about a connection or a reader that is waited for.
    pub(super) fn received<S: State>(&mut self, worker: &mut Worker<S>, now: u64) {
        use Waiting::{BackOff, ClientTakes, Connect, Delay, InstanceTakes, Place};
        if !matches!(self.waiting, Delay | Place | Connect | BackOff | InstanceTakes | ClientTakes) {
            self.flowing(worker, now);
        }
    }

    /// The client has taken the end of an answer whose exchange is over already.
    fn answer_taken<S: State>(&mut self, worker: &mut Worker<S>, now: u64) {
        let listener = self.listener(worker);
        let (waiting, timeout) = match self.phase {
            Phase::Request if self.searched > 0 => (Waiting::Head, listener.map(|it| it.header_timeout)),
            Phase::Request => (Waiting::KeepAlive, listener.map(|it| it.keepalive_timeout)),
            Phase::Lingering => (Waiting::Linger, Some(LINGER)),
            Phase::Preamble | Phase::Exchange(_) | Phase::Tunnel(_) | Phase::Closed => return,
        };
        self.arm(worker, waiting, now, timeout.unwrap_or(NEVER));
    }

    pub(super) fn arm<S>(&mut self, worker: &mut Worker<S>, waiting: Waiting, now: u64, timeout: u64) {
        self.waiting = waiting;
        worker.deadlines.set(self.index, now.saturating_add(timeout));
        worker.rests.set(self.index, self.rest(now));
    }

    fn rest(&self, now: u64) -> Rest {
        match self.waiting {
            Waiting::KeepAlive if self.requests == 0 => Rest::Silent(now),
            Waiting::KeepAlive | Waiting::Linger => Rest::Answered(now),
            _ => Rest::Busy,
        }
    }

    /// Waits for what is no matter of a body's sender: it is hardly read meanwhile, so its time stands still.
    pub(super) fn arm_for_others<S>(
        &mut self,
        worker: &mut Worker<S>,
        waiting: Waiting,
        now: u64,
        timeout: u64,
    ) {
        if let Some(clock) = &mut self.body_clock {
            clock.stop(now);
        }
        self.arm(worker, waiting, now, timeout);
    }
}
