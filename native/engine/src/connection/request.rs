//! The client's side of a connection: heads, bodies, pipelined requests; and the decision what becomes of a request.

use std::sync::Arc;

use super::compressing::Compressing;
use super::ending::Refusal;
use super::limiting::{charge_due, pass, Consent, Due, Gate};
use super::mirroring::{self, Copying};
use super::queueing::Search;
use super::{
    Action, Answer, Connection, Exchange, Link, Payload, Phase, Verdict, Waiting, CLIENT_CLOSED_REQUEST,
};
use crate::answer;
use crate::cors::{origin_of, Answering};
use crate::deadline::NEVER;
use crate::dispatch::{find_preflight, find_route, head_rules, max_body_bytes, objection, sender};
use crate::fault::Injected;
use crate::forwarding::Sender;
use crate::http1::accept::Form;
use crate::http1::body::Body;
use crate::http1::chunked::{write_chunk, write_end, ChunkFault};
use crate::http1::framing::Framing;
use crate::http1::head::{find_end, leading_empty_lines, slots, HeadFault, Request};
use crate::key::Subject;
use crate::pace::Stopwatch;
use crate::random::Random;
use crate::reply::Reason;
use crate::request_id::RequestId;
use crate::rewrite::{self, Client};
use crate::routing::Arrival;
use crate::selection::{Affinity, Criteria, Tried};
use crate::snapshot::{Cors, Leads, Service, Usage};
use crate::state::{Instance, State};
use crate::worker::Worker;

/// Empty lines before a request line that are passed over: RFC 9112 §2.2 asks for one, and a flood of them is an attack.
const MAX_EMPTY_LINES: usize = 4;

/// The same request may go to an instance again without changing what it does (RFC 9110 §9.2.2).
const IDEMPOTENT: [&[u8]; 6] = [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"];

/// What a request gets that is not forwarded.
enum Instead {
    /// The gateway refuses it.
    Refused(Refusal),
    /// Its route answers it, counted by a row of the request table.
    Answered { answer: Arc<answer::Answer>, row: Option<u32> },
}

impl From<Refusal> for Instead {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Connection {
    /// Bytes from the client; no bytes take up what was pipelined.
    pub fn receive<S: State>(&mut self, worker: &mut Worker<S>, data: &[u8], now: u64) -> Verdict {
        match &self.phase {
            Phase::Preamble => self.receive_preamble(worker, data, now),
            Phase::Request => self.receive_request(worker, data, now),
            Phase::Exchange(_) if self.request_body.is_complete() => self.keep(data),
            Phase::Exchange(_) => self.receive_body(worker, data, now),
            Phase::Tunnel(_) | Phase::Lingering | Phase::Closed => Verdict::WAIT,
        }
    }

    /// Bytes between two requests or within a head; what is not used yet is kept.
    fn receive_request<S: State>(&mut self, worker: &mut Worker<S>, data: &[u8], now: u64) -> Verdict {
        let verdict = if self.inbound.is_empty() {
            let (verdict, used) = self.receive_head(worker, data, now);
            self.inbound.extend_from_slice(&data[used..]);
            verdict
        } else {
            let mut bytes = std::mem::take(&mut self.inbound);
            bytes.extend_from_slice(data);
            let (verdict, used) = self.receive_head(worker, &bytes, now);
            if used < bytes.len() {
                bytes.drain(..used);
                self.inbound = bytes;
            }
            verdict
        };
        // Behind a FIN nothing that is incomplete will ever be whole, and nobody waits for a place (see `client_eof`).
        let cut_off = matches!(self.phase, Phase::Request) || !self.request_body.is_complete();
        let ends_here = match verdict.action {
            Action::Wait | Action::Forward | Action::ForwardCopied => cut_off,
            Action::Park | Action::ParkCopied => true,
            _ => false,
        };
        if self.half_closed && ends_here {
            return self.leave(worker, now);
        }
        verdict
    }

    /// Keeps pipelined bytes until their turn comes.
    fn keep(&mut self, data: &[u8]) -> Verdict {
        self.inbound.extend_from_slice(data);
        Verdict::bare(if self.is_full() { Action::Hold } else { Action::Wait })
    }

    /// The beginning of a request, and how many of the bytes are done with.
    fn receive_head<S: State>(&mut self, worker: &mut Worker<S>, bytes: &[u8], now: u64) -> (Verdict, usize) {
        let lines = leading_empty_lines(bytes);
        let empty = 2 * lines;
        let bytes = &bytes[empty..];
        self.empty_lines += lines;
        if self.empty_lines > MAX_EMPTY_LINES {
            return (self.refuse_unread(worker, Reason::MalformedRequest, now), empty + bytes.len());
        }
        if bytes.is_empty() {
            self.searched = 0; // of an empty line that came in two pieces
            return (Verdict::WAIT, empty);
        }
        let (limits, kept) = head_rules(self.listener(worker));
        match find_end(bytes, self.searched, &limits) {
            Ok(Some(end)) => {
                (self.searched, self.empty_lines) = (0, 0);
                let mut slots = slots();
                let parsed = Request::parse(&bytes[..end], &mut slots, &limits, kept);
                (self.begin(worker, bytes, end, parsed, now), empty + bytes.len())
            }
            Ok(None) => {
                self.await_head(worker, bytes.len(), now);
                (Verdict::WAIT, empty)
            }
            Err(fault) => (self.refuse_unread(worker, fault.into(), now), empty + bytes.len()),
        }
    }

    fn await_head<S: State>(&mut self, worker: &mut Worker<S>, searched: usize, now: u64) {
        if self.searched == 0 {
            let timeout = self.listener(worker).map_or(NEVER, |listener| listener.header_timeout);
            self.arm(worker, Waiting::Head, now, timeout);
        }
        self.searched = searched;
    }

    /// A whole head of `end` bytes: decides, and makes the forwarded request of it and of what follows. What is pipelined behind
    /// it is kept before anything is said, for every answer tells whether more waits.
    fn begin<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        bytes: &[u8],
        end: usize,
        parsed: Result<Request<'_, '_>, HeadFault>,
        now: u64,
    ) -> Verdict {
        let checked = parsed.and_then(|request| Ok((request.expects_continue()?, request)));
        let (expects_continue, request) = match checked {
            Ok(checked) => checked,
            Err(fault) => return self.refuse_unread(worker, fault.into(), now),
        };
        self.requests += 1;
        self.minor_version = request.minor_version;
        self.form = request.fields.preferred_form();
        self.request_body = Body::nominating(request.framing, request.fields.nominated());
        self.body_bytes = 0;
        self.terms = None;
        self.cors.clear();
        let last = self.listener(worker).and_then(|listener| listener.max_requests);
        self.client_persists = request.persists;
        self.persists = request.persists && last.is_none_or(|last| self.requests < last);
        let request_id = RequestId::of(request.fields.request_id(), &mut worker.random);
        let (sender, believed) = match sender(&worker.snapshot, self.peer, &request) {
            Ok(sender) => (sender, Ok(())),
            Err(fault) => {
                let unrouted = self.listener(worker).map(|listener| listener.row);
                (Sender::of(self.peer), Err(Refusal::because(fault.into(), unrouted).into()))
            }
        };
        self.record(worker, &request_id, &sender.client, Some(&request), now);
        match believed.and_then(|()| self.decide(worker, &request, &sender, now)) {
            Ok(exchange) => {
                let rest = &bytes[end..];
                self.forward(worker, &request, &sender, request_id, exchange, rest, expects_continue, now)
            }
            Err(instead) => {
                // A body that is here already is read and forgotten, so that the connection may live on.
                self.holds.give_back(&worker.state); // no gate is passed yet
                let used = self.request_body.read(&bytes[end..], |_| {}).unwrap_or(0);
                self.inbound.extend_from_slice(&bytes[end + used..]);
                match instead {
                    Instead::Refused(refusal) => {
                        self.refuse(worker, &refusal, request.method == b"HEAD", now)
                    }
                    Instead::Answered { answer, row } => {
                        let client = self.client(worker, &sender, request_id);
                        self.answer(worker, &answer, row, &request, &client, now)
                    }
                }
            }
        }
    }

    /// What heads say of the client.
    fn client<'a, S>(&self, worker: &Worker<S>, sender: &'a Sender, request_id: RequestId<'a>) -> Client<'a> {
        let scheme = self.listener(worker).map_or("http", |listener| listener.scheme.as_str());
        Client { sender, scheme: scheme.as_bytes(), request_id }
    }

    /// Route, limits, instance: what becomes of the request.
    fn decide<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        request: &Request<'_, '_>,
        sender: &Sender,
        now: u64,
    ) -> Result<Exchange, Instead> {
        let Worker { snapshot, state, random, lines, askers, deadlines, .. } = worker;
        let client = sender.client.ip();
        let listener = snapshot.listeners.get(self.listener as usize);
        let arrival = Arrival { request, client, is_trusted: sender.is_trusted, listener: self.listener };
        if let Some((_, _, cors)) = find_preflight(snapshot, &arrival) {
            return Err(self.allow(cors, request));
        }
        let chosen = find_route(snapshot, &arrival).ok_or(Reason::NoRoute).and_then(|(_, route)| {
            if let Some(terms) = &route.terms {
                self.terms = Some(Arc::clone(terms));
                if let Some(cors) = &terms.cors {
                    cors.policy.put(&mut self.cors, origin_of(request), Answering::Request);
                }
            }
            let subject = Subject { request, client, route: &route.name, service: "" };
            let leads = |destination| Some((route, destination, snapshot.leads(destination)?));
            route.destinations.choose(&subject, random).and_then(leads).ok_or(Reason::NoService)
        });
        if let Some(record) = &mut self.record {
            record.routed(chosen.ok().map(|(_, destination, _)| &*destination.logged));
        }
        let (route, destination, leads) = chosen.map_err(|reason| {
            let unrouted = listener.map(|listener| listener.row);
            Instead::from(Refusal::because(reason, unrouted))
        })?;
        let row = destination.rows.get(self.listener as usize).copied();
        let refuse = |reason| Instead::from(Refusal::because(reason, row));
        if let Some(reason) = objection(route, listener, request) {
            // What follows a request to switch protocols may be meant in the other one.
            self.persists &= reason != Reason::UpgradeWithBody;
            return Err(refuse(reason));
        }
        let service = leads.service();
        if let Some(maintenance) = route.closed_to(service, client) {
            return Err(Refusal::kept_out(maintenance, row).into());
        }
        let name = service.map_or("", |service| &service.name);
        let subject = Subject { request, client, route: &route.name, service: name };
        // First what is given back where another limit refuses: tokens are not.
        let consent = self
            .holds
            .take(state, route, service, &subject)
            .and_then(|()| pass(state, route, service, &subject, now))
            .map_err(|stop| Refusal { row, ..stop.into_refusal() })?;
        let (backend, service) = match (leads, &consent) {
            (Leads::Service(backend, service), _) => (backend, service),
            (Leads::Answer(answer), Consent::Given(due)) => {
                charge_due(state, due, None, now);
                return Err(Instead::Answered { answer: Arc::clone(answer), row });
            }
            // No configuration has that: nobody waits for an answer of the gateway itself.
            (Leads::Answer(_), Consent::Awaited(_)) => return Err(refuse(Reason::LimitUnanswered)),
        };
        let usage = backend.usage(service);
        let injected = route.fault().and_then(|fault| fault.draw(random));
        let affinity = service.reading.read(&subject);
        let begin = |instance| {
            let exchange =
                Exchange::of_request(request, route.tries, usage, service, instance, affinity, now);
            Exchange { row: row.unwrap_or(u32::MAX), ..exchange }
        };
        let for_now = |reason| match reason {
            Reason::QueueFull => Instead::from(Refusal::for_now(reason, row)),
            _ => refuse(reason),
        };
        let state = &*state;
        let mirror = route.mirror();
        let copying = |random: &mut Random| {
            mirror.map_or(Copying::Nothing, |mirror| {
                mirroring::plan(mirror, (snapshot, state), request, &subject, random, now)
            })
        };
        let due = match consent {
            Consent::Given(due) => due,
            Consent::Awaited(awaited) => {
                self.ask(state, askers, service, (awaited, injected), now).map_err(for_now)?;
                let goes_on = !matches!(injected, Some(Injected::Abort(_)));
                self.copying = if goes_on { copying(random) } else { Copying::Nothing };
                return Ok(begin(None));
            }
        };
        let criteria = Criteria { policy: usage.policy, tried: &Tried::default(), affinity, now };
        let gate = Gate::of(state, service);
        let mut search = Search { state, lines, deadlines, random, criteria, gate };
        let instance = match injected {
            None => self.seek_place(&mut search, service.slot, service.queue),
            Some(injected) => self.inject(state, injected, gate, 0).map(|()| None),
        };
        match instance {
            Ok(instance) => {
                self.copying = copying(search.random);
                Ok(Exchange { due, ..begin(instance) })
            }
            Err(reason) => {
                charge_due(state, &due, None, now);
                Err(for_now(reason))
            }
        }
    }

    /// Answers a preflight before anything else is asked. A browser takes any answer but a good one for a refusal of what is to
    /// follow, and tells its page nothing: so that this can be read, be it a 429 or a 503, no limit and no maintenance
    /// stands before it.
    #[cold] // of most requests
    fn allow(&mut self, cors: &Cors, request: &Request<'_, '_>) -> Instead {
        cors.policy.put(&mut self.cors, origin_of(request), Answering::Preflight);
        if let Some(record) = &mut self.record {
            record.routed(Some(&cors.logged));
        }
        let row = cors.rows.get(self.listener as usize).copied();
        Instead::Answered { answer: Arc::clone(&cors.answer), row }
    }

    /// Writes the forwarded head and what is here of the body.
    #[allow(clippy::too_many_arguments)] // one caller; a struct would only rename its locals
    fn forward<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        request: &Request<'_, '_>,
        sender: &Sender,
        request_id: RequestId<'_>,
        mut exchange: Exchange,
        rest: &[u8],
        expects_continue: bool,
        now: u64,
    ) -> Verdict {
        let client = self.client(worker, sender, request_id);
        let edits = exchange.edits.as_deref();
        rewrite::request(worker.fresh_output(), request, client, edits, expects_continue);
        if let Some(fields) = edits.map(|edits| &edits.response).filter(|it| it.depend_on_requests()) {
            fields.put(&mut exchange.lines, &client.words(request));
            exchange.lines.extend_from_slice(&self.cors);
        }
        let instance = exchange.instance.map(Instance::key);
        self.phase = Phase::Exchange(exchange);
        self.record_try();
        let used = match self.read_body(worker, rest) {
            Ok(used) => used,
            Err(reason) => return self.refuse_body(worker, reason, now),
        };
        self.inbound.extend_from_slice(&rest[used..]);
        if !self.request_body.is_complete() {
            self.body_clock = (!expects_continue).then(|| Stopwatch::start(now));
        }
        let verdict = match instance {
            None => self.hold_back(worker, now),
            Some(argument) => {
                self.flowing(worker, now);
                Verdict { action: Action::Forward, argument, payload: Payload::Output }
            }
        };
        self.with_copy(verdict)
    }

    /// There is no instance yet for the request in the output.
    fn hold_back<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        if self.asked.is_some() {
            self.await_answer(worker, now)
        } else if self.delayed.is_some() {
            self.begin_delay(worker, now)
        } else {
            self.park(worker, now)
        }
    }

    fn receive_body<S: State>(&mut self, worker: &mut Worker<S>, data: &[u8], now: u64) -> Verdict {
        let all_data = self.request_body.is_all_data(data);
        worker.fresh_output();
        let used = if all_data { self.skip_body(data) } else { self.read_body(worker, data) };
        match used {
            Ok(used) => self.inbound.extend_from_slice(&data[used..]),
            Err(reason) => return self.refuse_body(worker, reason, now),
        }
        self.received(worker, now);
        match all_data {
            true if !data.is_empty() => Verdict::with(Action::Send, Payload::Input),
            false if !worker.output.is_empty() => Verdict::with(Action::Send, Payload::Output),
            _ => Verdict::WAIT,
        }
    }

    fn skip_body(&mut self, data: &[u8]) -> Result<usize, Reason> {
        self.body_bytes += data.len() as u64;
        self.request_body.read(data, |_| {}).map_err(|ChunkFault| Reason::MalformedBody)
    }

    /// Reads bytes of a body that is not complete and appends them to the output, framed for the instance.
    fn read_body<S>(&mut self, worker: &mut Worker<S>, bytes: &[u8]) -> Result<usize, Reason> {
        let chunked = matches!(self.request_body, Body::Chunked(_));
        let limit = self.max_body_bytes(worker).unwrap_or(u64::MAX);
        let (output, total) = (&mut worker.output, &mut self.body_bytes);
        let used = self.request_body.read(bytes, |data| {
            *total += data.len() as u64;
            if chunked {
                write_chunk(output, data);
            } else {
                output.extend_from_slice(data);
            }
        });
        let used = used.map_err(|ChunkFault| Reason::MalformedBody)?;
        if self.body_bytes > limit {
            return Err(Reason::BodyTooLarge);
        }
        if chunked && self.request_body.is_complete() {
            write_end(&mut worker.output, self.request_body.trailers());
        }
        Ok(used)
    }

    /// Bytes of the body of the current request; `None` for no bound.
    fn max_body_bytes<S>(&self, worker: &Worker<S>) -> Option<u64> {
        max_body_bytes(self.terms.as_deref(), self.listener(worker))
    }

    /// A body that is broken or too large: nobody knows where it ends, so nothing behind it is read.
    fn refuse_body<S: State>(&mut self, worker: &mut Worker<S>, reason: Reason, now: u64) -> Verdict {
        self.request_body = Body::UntilClose;
        self.fail(worker, reason, now)
    }

    /// A head that is no request: nothing of the connection can be understood any more.
    pub(super) fn refuse_unread<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        reason: Reason,
        now: u64,
    ) -> Verdict {
        self.request_body = Body::UntilClose;
        self.form = Form::Text;
        self.terms = None;
        self.cors.clear();
        let request_id = RequestId::of(None, &mut worker.random);
        let peer = self.peer;
        self.record(worker, &request_id, &peer, None, now);
        let row = self.listener(worker).map(|listener| listener.row);
        self.refuse(worker, &Refusal::because(reason, row), false, now)
    }
}

impl Exchange {
    /// One for what a request asks.
    pub(super) fn of_request(
        request: &Request<'_, '_>,
        tries: u8,
        usage: &Usage,
        service: &Service,
        instance: Option<Instance>,
        affinity: Affinity,
        now: u64,
    ) -> Self {
        Self {
            edits: usage.edits.clone(),
            tunnel_timeout: request.upgrade().map(|_| usage.timeouts.tunnel),
            idempotent: IDEMPOTENT.contains(&request.method),
            to_head: request.method == b"HEAD",
            compressing: usage.compression.as_ref().map(|rules| Compressing::begin(rules, request).into()),
            ..Self::new(tries, usage, service, instance, affinity, now)
        }
    }

    /// One that asks for nothing in particular.
    pub(super) fn new(
        tries: u8,
        usage: &Usage,
        service: &Service,
        instance: Option<Instance>,
        affinity: Affinity,
        now: u64,
    ) -> Self {
        Self {
            instance,
            queue: service.queue,
            tried: Tried::default(),
            tries_left: tries,
            retry_budget: service.retry_budget,
            backed_off: 0,
            link: Link::Kept,
            policy: usage.policy,
            affinity,
            sticky: service.reading.sticky().cloned(),
            service: service.slot,
            row: u32::MAX,
            started: now,
            asked: now,
            connect_timeout: usage.timeouts.connect,
            first_byte_timeout: usage.timeouts.first_byte,
            idle_timeout: usage.timeouts.idle,
            tunnel_timeout: None,
            idempotent: false,
            failure_statuses: service.failure_statuses,
            to_head: false,
            onward: Framing::Empty,
            answer: Answer::Awaited,
            interim_responses: 0,
            status: CLIENT_CLOSED_REQUEST,
            due: Due::new(),
            edits: None,
            lines: Vec::new(),
            instance_persists: true,
            response_body: Body::default(),
            compressing: None,
        }
    }
}
