//! The instance's side of an exchange: interim and final heads, the body, and what a lost connection means.

use std::sync::Arc;

use super::compressing::BodyFault;
use super::ending::{INTERNAL_ERROR, RESPONSE_INCOMPLETE};
use super::limiting::Due;
use super::{Action, Answer, Connection, Exchange, Payload, Phase, Tunnel, Verdict, Waiting};
use crate::affinity::SetCookie;
use crate::compression::Change;
use crate::edits::AnswerEdits;
use crate::http1::body::Body;
use crate::http1::chunked::{write_chunk, write_end};
use crate::http1::framing::Framing;
use crate::http1::head::{find_end, slots, HeadFault, HeadLimits, Response};
use crate::http1::trailers::Trailers;
use crate::reply::Reason;
use crate::rewrite::{self, Onward};
use crate::selection::Affinity;
use crate::snapshot::Limit;
use crate::state::{Counter, State};
use crate::worker::Worker;

/// What an instance's head may be: twice the default of a request's, because instances are configured, not hostile
/// by trade, and some set many cookies.
const RESPONSE_LIMITS: HeadLimits =
    HeadLimits { head: 64 * 1024, line: 16 * 1024, fields: 200, target: 16 * 1024 };
/// Interim responses before the final one; more is an instance in a loop.
const MAX_INTERIM_RESPONSES: u8 = 16;

impl Connection {
    /// Bytes from the instance.
    pub fn respond<S: State>(&mut self, worker: &mut Worker<S>, data: &[u8], now: u64) -> Verdict {
        worker.fresh_output();
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        if exchange.answer == Answer::Begun {
            return self.respond_body(worker, data, now);
        }
        if self.response_head.is_empty() {
            let (verdict, rest) = self.respond_head(worker, data, 0, now);
            self.response_head.extend_from_slice(&data[data.len() - rest..]);
            return verdict;
        }
        let mut bytes = std::mem::take(&mut self.response_head);
        let searched = bytes.len();
        bytes.extend_from_slice(data);
        let (verdict, rest) = self.respond_head(worker, &bytes, searched, now);
        if rest > 0 {
            bytes.drain(..bytes.len() - rest);
            self.response_head = bytes;
        }
        verdict
    }

    /// What the heads in `bytes` lead to, and how many bytes at the end are a head's beginning. The first `searched`
    /// bytes are known to be one.
    fn respond_head<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        bytes: &[u8],
        searched: usize,
        now: u64,
    ) -> (Verdict, usize) {
        match self.read_heads(worker, bytes, searched, now) {
            Ok(Heads::Final { end }) => (self.respond_first(worker, &bytes[end..], now), 0),
            Ok(Heads::Switching { end, idle_timeout }) => {
                (self.begin_tunnel(worker, idle_timeout, &bytes[end..], now), 0)
            }
            Ok(Heads::Incomplete { rest }) => (self.await_response(worker, now), rest),
            Err(reason) => (self.fail_instance(worker, reason, now), 0),
        }
    }

    /// Reads heads, one after the other, until the final one.
    fn read_heads<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        bytes: &[u8],
        mut searched: usize,
        now: u64,
    ) -> Result<Heads, Reason> {
        let mut at = 0;
        loop {
            let Some(length) = find_end(&bytes[at..], searched, &RESPONSE_LIMITS).map_err(reason)? else {
                return Ok(Heads::Incomplete { rest: bytes.len() - at });
            };
            let (end, mut slots) = (at + length, slots());
            let response = Response::parse(&bytes[at..end], &mut slots, &RESPONSE_LIMITS).map_err(reason)?;
            if response.status >= 200 {
                self.begin_response(worker, &response, bytes.len() - end, now).map_err(reason)?;
                return Ok(Heads::Final { end });
            }
            if response.status == 101 {
                let idle_timeout = self.relay_switch(worker, &response, now)?;
                return Ok(Heads::Switching { end, idle_timeout });
            }
            self.relay_interim(worker, &response)?;
            (at, searched) = (end, 0);
        }
    }

    /// An interim response goes to clients that know of them (RFC 9110 §15.2).
    fn relay_interim<S>(
        &mut self,
        worker: &mut Worker<S>,
        response: &Response<'_, '_>,
    ) -> Result<(), Reason> {
        let Phase::Exchange(exchange) = &mut self.phase else { return Ok(()) };
        exchange.instance_persists &= response.persists;
        exchange.interim_responses += 1;
        if exchange.interim_responses > MAX_INTERIM_RESPONSES {
            return Err(Reason::MalformedResponse);
        }
        if self.minor_version == 1 {
            rewrite::interim(&mut worker.output, response);
            exchange.answer = Answer::Interim;
        }
        Ok(())
    }

    /// The instance agrees to switch protocols, which the client must have asked for.
    fn relay_switch<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        response: &Response<'_, '_>,
        now: u64,
    ) -> Result<u64, Reason> {
        let asked = self.exchange().and_then(|exchange| exchange.tunnel_timeout);
        let (Some(idle_timeout), Some(protocol)) = (asked, response.upgrade()) else {
            return Err(Reason::MalformedResponse);
        };
        self.charge_answer(worker, Some(&response.fields), now);
        let set_cookie = self.exchange().and_then(|exchange| exchange.set_cookie(&worker.state));
        rewrite::switching(&mut worker.output, response, protocol, set_cookie);
        Ok(idle_timeout)
    }

    /// The request is answered and counted; its reservation lives as long as the tunnel. `early`: what the instance
    /// has sent behind its 101.
    fn begin_tunnel<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        idle_timeout: u64,
        early: &[u8],
        now: u64,
    ) -> Verdict {
        worker.output.extend_from_slice(early);
        self.note_latency(worker, now);
        self.judge_answer(worker);
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        exchange.status = 101;
        self.record_answer(worker.output.len(), now);
        self.count_exchange(worker, None, now);
        self.become_tunnel(worker, idle_timeout, now);
        Verdict::with(Action::Switch, Payload::Output)
    }

    /// What is left of the exchange is its reservation.
    pub(super) fn become_tunnel<S: State>(&mut self, worker: &mut Worker<S>, idle_timeout: u64, now: u64) {
        let Phase::Exchange(exchange) = &mut self.phase else { return };
        let (instance, queue) = (exchange.instance.take(), exchange.awaited());
        self.response_head = Vec::new();
        self.phase = Phase::Tunnel(Tunnel { instance, queue, idle_timeout });
        self.flowing(worker, now);
    }

    /// The head is not complete; interim responses before it go out.
    fn await_response<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        if worker.output.is_empty() {
            return Verdict::WAIT;
        }
        self.received(worker, now);
        self.record_sent(worker.output.len());
        Verdict::with(Action::Relay, Payload::Output)
    }

    /// The final head: how its body reaches the client, and whether the connections survive it. `following`: bytes that
    /// came with it.
    fn begin_response<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        response: &Response<'_, '_>,
        following: usize,
        now: u64,
    ) -> Result<(), HeadFault> {
        let ends = self.is_outdated(worker, now) || self.sends_no_more();
        // Either side of the instance's connection may have bytes on its way that belong to no other exchange.
        let unfinished =
            self.waiting == Waiting::InstanceTakes || (response.status == 204 && response.announces_body());
        let Phase::Exchange(exchange) = &mut self.phase else { return Ok(()) };
        let framing = response.framing(exchange.to_head)?;
        exchange.onward = match framing {
            Framing::Chunked | Framing::UntilClose if self.minor_version == 1 => Framing::Chunked,
            Framing::Chunked => Framing::UntilClose,
            same => same,
        };
        let change = match exchange.compressing {
            Some(_) => exchange.compress(worker, response),
            None => Change::Nothing,
        };
        exchange.status = response.status;
        exchange.instance_persists &= response.persists && framing != Framing::UntilClose && !unfinished;
        exchange.response_body = Body::nominating(framing, response.fields.nominated());
        // An answer that is whole before its request is: nothing can follow it.
        let early = !self.request_body.is_complete()
            && match framing {
                Framing::Empty => true,
                Framing::Length(length) => length <= following as u64,
                Framing::Chunked | Framing::UntilClose => false,
            };
        let last = ends || early || exchange.onward == Framing::UntilClose;
        self.persists = self.persists && !last;
        let keeps_length = (exchange.to_head || response.status == 304) && change.keeps_length();
        let framing = exchange.onward;
        let due = if exchange.due.is_empty() {
            Due::new()
        } else {
            self.charge_answer(worker, Some(&response.fields), now)
        };
        let Phase::Exchange(exchange) = &self.phase else { return Ok(()) };
        let level = |(limit, key): &'_ (Arc<Limit>, u64)| limit.rate.level(worker.state.tat(*key, now), now);
        let quotas: Vec<_> = due.iter().map(|entry| (&*entry.0, level(entry))).collect();
        let onward = Onward {
            framing,
            keeps_length,
            close: !self.persists,
            confirm_keep_alive: self.minor_version == 0,
            date: &worker.date,
            quotas: &quotas,
            set_cookie: exchange.set_cookie(&worker.state),
            edits: exchange.answer_edits(),
            change,
        };
        rewrite::response(&mut worker.output, response, &onward);
        Ok(())
    }

    /// What came with the final head. A fault here still finds nothing sent, so the client gets a clean 502.
    fn respond_first<S: State>(&mut self, worker: &mut Worker<S>, bytes: &[u8], now: u64) -> Verdict {
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        let used = match exchange.relay_body(worker, bytes) {
            Ok(used) => used,
            Err(fault) => return self.fail_body(worker, fault, now),
        };
        exchange.answer = Answer::Begun;
        self.note_latency(worker, now);
        self.record_answer(worker.output.len(), now);
        self.progress(worker, Payload::Output, used == bytes.len(), now)
    }

    fn respond_body<S: State>(&mut self, worker: &mut Worker<S>, data: &[u8], now: u64) -> Verdict {
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        let as_it_is = exchange.onward != Framing::Chunked && exchange.response_body.is_all_data(data);
        let used = if as_it_is {
            exchange.response_body.read(data, |_| {}).map_err(BodyFault::from)
        } else {
            exchange.relay_body(worker, data)
        };
        match used {
            Ok(used) => {
                let (payload, bytes) =
                    if as_it_is { (Payload::Input, used) } else { (Payload::Output, worker.output.len()) };
                self.record_sent(bytes);
                self.progress(worker, payload, used == data.len(), now)
            }
            Err(fault) => self.fail_body(worker, fault, now),
        }
    }

    fn fail_body<S: State>(&mut self, worker: &mut Worker<S>, fault: BodyFault, now: u64) -> Verdict {
        match fault {
            BodyFault::Malformed => self.fail_instance(worker, Reason::MalformedResponse, now),
            BodyFault::Encoder => self.abort(worker, INTERNAL_ERROR, now),
        }
    }

    /// Some of the answer goes to the client: is it complete now? `exact`: nothing came after its end.
    fn progress<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        payload: Payload,
        exact: bool,
        now: u64,
    ) -> Verdict {
        let Phase::Exchange(exchange) = &self.phase else { return Verdict::WAIT };
        if exchange.response_body.is_complete() {
            let keep = exact && exchange.instance_persists;
            return self.finish(worker, payload, keep, now);
        }
        if !matches!(self.waiting, Waiting::ClientTakes) {
            let timeout = exchange.idle_timeout;
            self.arm(worker, Waiting::ResponseBody, now, timeout);
        }
        let nothing = payload == Payload::Output && worker.output.is_empty();
        if nothing {
            Verdict::WAIT
        } else {
            Verdict::with(Action::Relay, payload)
        }
    }

    /// The instance's connection ended, with a FIN (`clean`) or a reset. `written`: something of the request was
    /// written to it. `replayable`: the shell still has all that was sent.
    pub fn upstream_lost<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        clean: bool,
        written: bool,
        replayable: bool,
        now: u64,
    ) -> Verdict {
        worker.fresh_output();
        let Phase::Exchange(exchange) = &self.phase else { return Verdict::WAIT };
        if exchange.answer == Answer::Begun {
            let ended = clean && matches!(exchange.response_body, Body::UntilClose);
            if ended {
                return self.finish_at_close(worker, now);
            }
            self.blame_instance(worker);
            return self.abort(worker, RESPONSE_INCOMPLETE, now);
        }
        let again = replayable && (!written || exchange.idempotent);
        if !self.is_unused_link() {
            self.blame_instance(worker);
        }
        self.retry(worker, Reason::ConnectionTerminated, again, true, now)
    }

    /// No connection to the instance came about; nothing was written. `refused`: the instance did not want one; it has
    /// nothing to do with a shortage of this machine, say.
    pub fn upstream_failed<S: State>(&mut self, worker: &mut Worker<S>, refused: bool, now: u64) -> Verdict {
        worker.state.count(Counter::UpstreamConnectFailures, 1);
        if refused {
            self.blame_instance(worker);
        }
        self.retry(worker, Reason::ConnectFailed, true, false, now)
    }

    /// The worker has no descriptor for a connection to the instance; another instance would not help.
    pub fn no_descriptor<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        worker.fresh_output();
        self.fail(worker, Reason::NoDescriptor, now)
    }

    fn finish_at_close<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let Phase::Exchange(exchange) = &mut self.phase else { return Verdict::WAIT };
        if exchange.is_encoding() {
            if let Err(fault) = exchange.end_encoding(worker) {
                return self.fail_body(worker, fault.into(), now);
            }
        }
        let Phase::Exchange(exchange) = &self.phase else { return Verdict::WAIT };
        if exchange.onward == Framing::Chunked {
            write_end(&mut worker.output, Trailers::default());
        }
        self.record_sent(worker.output.len());
        self.finish(worker, Payload::Output, false, now)
    }
}

/// How far the heads in some bytes were read.
enum Heads {
    /// Up to the end of the final one.
    Final { end: usize },
    /// Up to the end of a 101, to a protocol whose tunnel may be idle for so long.
    Switching { end: usize, idle_timeout: u64 },
    /// Not that far: so many bytes are the beginning of another one.
    Incomplete { rest: usize },
}

impl Exchange {
    /// The cookie that brings the client back to the instance that answers, unless it is what the client brought.
    fn set_cookie<S: State>(&self, state: &S) -> Option<SetCookie<'_>> {
        let (cookie, instance) = self.sticky.as_deref().zip(self.instance)?;
        let identity = state.identity(instance.slot);
        (self.affinity != Affinity::Instance(identity)).then(|| cookie.seal(identity))
    }

    /// What the route changes in the answer.
    fn answer_edits(&self) -> Option<AnswerEdits<'_>> {
        let fields = self.edits.as_deref().map(|edits| &edits.response).filter(|it| !it.is_empty())?;
        let lines = if fields.depend_on_requests() { &self.lines[..] } else { fields.lines().bytes() };
        Some(AnswerEdits { fields, lines })
    }

    /// Reads body bytes and appends them to the output, framed for the client.
    fn relay_body<S: State>(&mut self, worker: &mut Worker<S>, bytes: &[u8]) -> Result<usize, BodyFault> {
        if self.is_encoding() {
            return self.encode_body(worker, bytes);
        }
        let (output, chunked) = (&mut worker.output, self.onward == Framing::Chunked);
        let used = self.response_body.read(bytes, |data| {
            if chunked {
                write_chunk(output, data);
            } else {
                output.extend_from_slice(data);
            }
        })?;
        if chunked && self.response_body.is_complete() {
            write_end(output, self.response_body.trailers());
        }
        Ok(used)
    }
}

/// A fault in an instance's head is the instance's, whatever it would be in a client's.
fn reason(fault: HeadFault) -> Reason {
    match fault {
        HeadFault::TooLarge | HeadFault::TargetTooLong => Reason::ResponseHeadTooLarge,
        _ => Reason::MalformedResponse,
    }
}
