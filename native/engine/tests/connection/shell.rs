//! What stands around a connection in a worker, without I/O: it does what verdicts say and objects to what no verdict
//! may say.

use std::sync::{Arc, LazyLock};

use headgate_engine::connection::{Action, Connection, Payload, Verdict};
use headgate_engine::snapshot::Snapshot;
use headgate_engine::state::fake::FakeState;
use headgate_engine::state::State;
use headgate_engine::worker::Worker;
use serde_json::{json, Value};

use super::reference::{requests, responses, Message};

/// Slots of the instances, and what each holds for others all the while: a reservation given back twice would show.
const INSTANCES: [u32; 3] = [0, 1, 2];
const HELD_BY_OTHERS: u32 = 5;
/// Bytes of a request that are kept for another try.
const REPLAY_BYTES: usize = 256;
const SERVICE: u32 = 0;
const ROWS: [u32; 2] = [0, 1];

/// A connection to an instance.
#[derive(Debug)]
pub(crate) struct Upstream {
    instance: u64,
    pub(crate) connected: bool,
    /// Everything that was written to it.
    pub(crate) sent: Vec<u8>,
    /// How much of it was written for earlier exchanges.
    earlier: usize,
}

/// How far the client's side has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Open,
    /// It speaks another protocol with the instance.
    Switched,
    /// Nothing more is said to it.
    Finishing,
    Gone,
}

/// What is known of the current exchange.
#[derive(Debug)]
struct Current {
    method: String,
    reached_client: bool,
    written: bool,
}

/// The end of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer of an instance, complete.
    Answered(Vec<Message>),
    /// An answer of the gateway.
    Refused(u16),
    /// The answer broke off.
    Aborted,
}

/// A connection and its surroundings.
pub(crate) struct Shell {
    pub(crate) worker: Worker<FakeState>,
    connection: Connection,
    pub(crate) now: u64,
    pub(crate) client: Client,
    pub(crate) upstream: Option<Upstream>,
    /// Connections to instances that carry no exchange: open ones first, then the ones that were closed.
    pool: Vec<Upstream>,
    closed: Vec<Upstream>,
    /// The engine asked for a pause before the next try.
    backing_off: bool,
    current: Option<Current>,
    replay: Option<Vec<u8>>,
    /// What the client got of the current answer.
    answer: Vec<u8>,
    pub(crate) outcomes: Vec<Outcome>,
    /// Pipelined bytes wait to be taken up.
    pub(crate) pending: bool,
    begun: u64,
    refused: u64,
    /// The client has sent its FIN.
    ended: bool,
}

/// A configuration of one route, for requests to the host `a`.
pub(crate) fn document() -> Value {
    json!({
        "epoch": 1,
        "access_log": true,
        "listeners": [{"name": "127.0.0.1:80", "scheme": "http", "row": ROWS[0],
            "header_timeout_ms": 10, "body_idle_timeout_ms": 10, "keepalive_timeout_ms": 10, "write_timeout_ms": 10,
            "min_bytes_per_second": 500,
            "max_head_bytes": 1_024, "max_line_bytes": 512, "max_fields": 20, "max_target_bytes": 256,
            "max_body_bytes": 400, "max_requests": 20, "max_age_ms": 40}],
        "services": [{"name": "api", "slot": SERVICE, "balance": "round_robin", "slow_start_ms": 0, "connect_timeout_ms": 10,
            "first_byte_timeout_ms": 10, "idle_timeout_ms": 10, "tunnel_timeout_ms": 10}],
        "routes": [{"name": "all", "host": "a", "path": null, "methods": [], "service": 0, "subset": null, "tries": 3,
            "rows": [ROWS[1]], "limits": []}]
    })
}

/// Compiled once: the tests make many shells.
static SNAPSHOT: LazyLock<Arc<Snapshot>> =
    LazyLock::new(|| Snapshot::compile(document().to_string().as_bytes()).unwrap().into());

impl Shell {
    pub(crate) fn new() -> Self {
        Self::by(&SNAPSHOT)
    }

    /// A connection that another configuration holds for.
    pub(crate) fn by(snapshot: &Arc<Snapshot>) -> Self {
        let mut worker = Worker::new(FakeState::new(), 1);
        worker.snapshot = Arc::clone(snapshot);
        worker.state.set_members(SERVICE, &INSTANCES);
        for slot in INSTANCES {
            worker.state.set_in_flight(slot, HELD_BY_OTHERS);
        }
        let connection = Connection::open(&mut worker, 0, "192.0.2.1".parse().unwrap(), 0);
        Self {
            worker,
            connection,
            now: 0,
            client: Client::Open,
            upstream: None,
            pool: vec![],
            closed: vec![],
            backing_off: false,
            current: None,
            replay: None,
            answer: vec![],
            outcomes: vec![],
            pending: false,
            begun: 0,
            refused: 0,
            ended: false,
        }
    }

    // Events

    pub(crate) fn receive(&mut self, data: &[u8]) {
        let verdict = self.connection.receive(&mut self.worker, data, self.now);
        self.perform(verdict, data);
    }

    /// Takes up what was pipelined, one request after the other, as long as no instance is needed.
    pub(crate) fn take_up(&mut self) {
        while std::mem::take(&mut self.pending) {
            self.receive(b"");
        }
    }

    pub(crate) fn respond(&mut self, data: &[u8]) {
        let verdict = self.connection.respond(&mut self.worker, data, self.now);
        self.perform(verdict, data);
    }

    pub(crate) fn client_eof(&mut self) {
        self.ended = true;
        let verdict = self.connection.client_eof(&mut self.worker, self.now);
        self.perform(verdict, b"");
    }

    pub(crate) fn connected(&mut self) {
        let Some(upstream) = self.upstream.as_mut().filter(|upstream| !upstream.connected) else { return };
        upstream.connected = true;
        self.connection.connected(&mut self.worker, self.now);
        let held_back = self.replay.clone().expect("what was not written is kept");
        self.write(&held_back);
        self.bound_replay();
    }

    pub(crate) fn connect_failed(&mut self) {
        if self.upstream.as_ref().is_none_or(|upstream| upstream.connected) {
            return;
        }
        self.drop_upstream();
        let verdict = self.connection.upstream_failed(&mut self.worker, true, self.now);
        self.perform(verdict, b"");
    }

    pub(crate) fn lost(&mut self, clean: bool) {
        if self.upstream.as_ref().is_none_or(|upstream| !upstream.connected) {
            return;
        }
        self.drop_upstream();
        let replayable = self.replay.is_some();
        let verdict = self.connection.upstream_lost(&mut self.worker, clean, true, replayable, self.now);
        self.perform(verdict, b"");
    }

    pub(crate) fn try_again(&mut self) {
        if self.backing_off {
            let verdict = self.connection.try_again(&mut self.worker, self.now);
            self.perform(verdict, b"");
        }
    }

    pub(crate) fn stalled(&mut self, client: bool) {
        if client || self.upstream.as_ref().is_some_and(|upstream| upstream.connected) {
            self.connection.stalled(&mut self.worker, client, self.now);
        }
    }

    pub(crate) fn flowing(&mut self) {
        self.connection.flowing(&mut self.worker, self.now);
    }

    /// Turns the clock to the deadline, whenever that is; whoever was stalled has taken so many bytes.
    pub(crate) fn expire(&mut self, taken: u64) {
        if self.worker.deadlines.expired(u64::MAX - 1, 1).is_empty() {
            return;
        }
        self.now += 10_000_000;
        let verdict = self.connection.expire(&mut self.worker, taken, self.now);
        self.perform(verdict, b"");
    }

    /// The client's connection is over: everything must be given back and counted.
    pub(crate) fn close(&mut self) {
        self.connection.close(&mut self.worker, self.now);
        self.drop_upstream();
        self.client = Client::Gone;
        self.current = None;
        self.backing_off = false;
        assert_eq!(self.held(), 0, "reservations after the end");
        assert_eq!(self.counted(), self.begun + self.refused, "requests counted");
        let lines = self.worker.access_log.lines().split_inclusive(|&byte| byte == b'\n').count();
        assert_eq!(lines as u64, self.counted(), "lines of the access log");
        // A request may be refused before or after an instance was selected for it.
        let observed = self.worker.state.durations(SERVICE).len() as u64;
        assert!(
            (self.begun..=self.begun + self.refused).contains(&observed),
            "{observed} durations observed"
        );
        for upstream in self.pool.iter().chain(&self.closed) {
            requests(&upstream.sent).unwrap_or_else(|wrong| panic!("{wrong} in {upstream:?}"));
        }
    }

    // Looking

    /// The request of the current exchange, as the instance has it.
    pub(crate) fn request(&self) -> Option<Message> {
        let upstream = self.upstream.as_ref()?;
        requests(&upstream.sent[upstream.earlier..]).unwrap().pop()
    }

    pub(crate) fn held(&self) -> u32 {
        let held = |&slot: &u32| self.worker.state.in_flight(slot) - HELD_BY_OTHERS;
        INSTANCES.iter().map(held).sum()
    }

    fn counted(&self) -> u64 {
        ROWS.iter().flat_map(|&row| self.worker.state.requests(row)).map(|(_, count)| count).sum()
    }

    // What verdicts lead to

    fn perform(&mut self, verdict: Verdict, input: &[u8]) {
        let payload = match verdict.payload {
            Payload::Nothing => vec![],
            Payload::Input => input.to_vec(),
            Payload::Output => self.worker.output.clone(),
        };
        if self.client != Client::Open {
            let quiet = matches!(verdict.action, Action::Wait | Action::Close | Action::Abort);
            assert!(quiet && payload.is_empty(), "{verdict:?} after the last answer");
        }
        // Bytes of either side say nothing about the pause; everything else ends it.
        self.backing_off &= matches!(verdict.action, Action::Wait | Action::Hold | Action::Send);
        match verdict.action {
            Action::Wait | Action::Hold => {}
            Action::BackOff => self.back_off(verdict.argument),
            Action::Connect => panic!("bytes are passed through at a listener of HTTP"),
            Action::Park => panic!("a wait at a service without a queue"),
            Action::ForwardCopied | Action::ParkCopied => panic!("a copy for a route without a mirror"),
            Action::Forward if payload.is_empty() => self.forward_again(verdict.argument),
            Action::Forward => self.forward(verdict.argument, &payload),
            Action::Send => self.send(&payload),
            Action::Relay => self.relay(&payload),
            Action::Finish | Action::FinishClose => self.finish(verdict, &payload, true),
            Action::FinishDrop | Action::FinishDropClose => self.finish(verdict, &payload, false),
            Action::Reply | Action::ReplyClose => self.reply(verdict, &payload),
            Action::Abort | Action::Close => self.leave(),
            Action::Switch => self.switch(&payload),
        }
        let expected = u32::from(self.current.is_some());
        assert_eq!(self.held(), expected, "reservations after {verdict:?}");
    }

    fn forward(&mut self, instance: u64, payload: &[u8]) {
        assert!(self.current.is_none(), "a request within another's exchange");
        self.begun += 1;
        let read = requests(payload).unwrap_or_else(|wrong| panic!("{wrong}: {payload:?}"));
        let [request] = &read[..] else { panic!("{} requests in one payload", read.len()) };
        self.current =
            Some(Current { method: request.method().to_string(), reached_client: false, written: false });
        self.replay = Some(payload.to_vec());
        let pooled = self.pool.iter().position(|upstream| upstream.instance == instance);
        match pooled {
            Some(index) => {
                self.upstream = Some(self.pool.swap_remove(index));
                self.write(payload);
            }
            None => self.connect(instance),
        }
    }

    fn forward_again(&mut self, instance: u64) {
        let current = self.current.as_ref().expect("a second try of nothing");
        assert!(!current.reached_client, "sent again after a byte reached the client");
        let idempotent =
            ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"].contains(&current.method.as_str());
        assert!(!current.written || idempotent, "a request that is not idempotent was sent twice");
        assert!(self.replay.is_some(), "sent again what is no longer there");
        self.drop_upstream();
        self.connect(instance);
    }

    fn back_off(&mut self, nanos: u64) {
        assert!((12_500_000..=250_000_000).contains(&nanos), "a pause of {nanos} ns");
        let current = self.current.as_ref().expect("a second try of nothing");
        assert!(!current.reached_client, "to be sent again after a byte reached the client");
        self.drop_upstream();
        self.backing_off = true;
    }

    fn connect(&mut self, instance: u64) {
        self.upstream = Some(Upstream { instance, connected: false, sent: vec![], earlier: 0 });
        self.connection.connecting(&mut self.worker, self.now);
    }

    fn send(&mut self, payload: &[u8]) {
        assert!(self.current.is_some() && !payload.is_empty());
        if let Some(replay) = &mut self.replay {
            replay.extend_from_slice(payload);
        }
        if self.upstream.as_ref().is_some_and(|upstream| upstream.connected) {
            self.write(payload);
            self.bound_replay();
        }
    }

    fn bound_replay(&mut self) {
        self.replay = self.replay.take().filter(|replay| replay.len() <= REPLAY_BYTES);
    }

    fn write(&mut self, bytes: &[u8]) {
        let upstream = self.upstream.as_mut().expect("an instance to write to");
        upstream.connected = true;
        upstream.sent.extend_from_slice(bytes);
        if let Some(current) = &mut self.current {
            current.written = true;
        }
        requests(&upstream.sent).unwrap_or_else(|wrong| panic!("{wrong} in {upstream:?}"));
    }

    fn relay(&mut self, payload: &[u8]) {
        assert!(!payload.is_empty());
        self.current.as_mut().expect("an answer to nothing").reached_client = true;
        self.answer.extend_from_slice(payload);
    }

    fn finish(&mut self, verdict: Verdict, payload: &[u8], keep: bool) {
        let current = self.current.take().expect("an answer to nothing");
        self.answer.extend_from_slice(payload);
        let closes = matches!(verdict.action, Action::FinishClose | Action::FinishDropClose);
        let messages = self.end_answer(current.method == "HEAD", closes);
        self.outcomes.push(Outcome::Answered(messages));
        if keep {
            let mut upstream = self.upstream.take().expect("a connection to keep");
            let complete =
                requests(&upstream.sent).is_ok_and(|read| read.iter().all(|request| request.complete));
            assert!(complete, "kept within a request: {upstream:?}");
            upstream.earlier = upstream.sent.len();
            self.pool.push(upstream);
        } else {
            self.drop_upstream();
        }
        self.go_on(closes, verdict.argument);
    }

    fn reply(&mut self, verdict: Verdict, payload: &[u8]) {
        self.drop_upstream();
        let current = self.current.take();
        self.refused += u64::from(current.is_none());
        let to_head = current.map_or(payload.ends_with(b"\r\n\r\n"), |current| current.method == "HEAD");
        self.answer.extend_from_slice(payload);
        let closes = verdict.action == Action::ReplyClose;
        let status = self.end_answer(to_head, closes).last().unwrap().status();
        self.outcomes.push(Outcome::Refused(status));
        self.go_on(closes, verdict.argument);
    }

    /// The answer is complete: it reads as interim responses and exactly one final one.
    fn end_answer(&mut self, to_head: bool, closes: bool) -> Vec<Message> {
        let answer = std::mem::take(&mut self.answer);
        let messages = responses(&answer, to_head, closes)
            .unwrap_or_else(|wrong| panic!("{wrong}: {:?}", String::from_utf8_lossy(&answer)));
        let last = messages.last().expect("an answer");
        assert!(last.status() >= 200 && last.complete, "incomplete: {messages:?}");
        assert!(
            closes || !last.values("connection").contains(&"close"),
            "an open connection was said to close"
        );
        messages
    }

    /// Both peers agreed: the request asked for it, and the client is told by the 101 that ends the answer.
    fn switch(&mut self, payload: &[u8]) {
        let request = self.request().expect("a request before a 101");
        assert_eq!(request.values("connection"), ["Upgrade"], "nobody asked to switch");
        let text = String::from_utf8_lossy(payload).into_owned();
        let (_, head) = text.split_once("HTTP/1.1 101 ").expect("a 101");
        assert!(head.contains("Connection: Upgrade\r\nUpgrade: "), "{head:?}");
        self.connection.take_early();
        self.client = Client::Switched;
    }

    fn go_on(&mut self, closes: bool, argument: u64) {
        self.replay = None;
        if closes {
            self.client = Client::Finishing;
        } else {
            self.pending = argument == 1;
        }
    }

    fn leave(&mut self) {
        self.drop_upstream();
        if self.current.take().is_some() {
            self.outcomes.push(Outcome::Aborted);
        } else if self.ended && self.counted() > self.begun + self.refused {
            self.begun += 1; // a pipelined request that the FIN cut off is counted, and goes to no instance
        }
        self.client = Client::Gone;
    }

    fn drop_upstream(&mut self) {
        self.closed.extend(self.upstream.take());
    }
}
