//! The state machine of one HTTP/1.1 client connection and the exchange it carries: bytes and the time in, a verdict
//! out.
//!
//! As a request goes through: [`preamble`] reads who its client is and [`client`] counts how many connections that one has; [`request`]
//! reads what it sends, or [`passing`] passes on what is no HTTP; [`limiting`] asks the limits and [`asking`] waits for those that
//! gateways share; [`answering`] is what routes answer themselves, and [`injecting`] has some fail or be late on purpose; [`queueing`]
//! waits for a place and [`mirroring`] makes copies for mirrors; [`response`] reads what the instance sends and [`compressing`] puts it into
//! a content coding; [`retrying`] decides what follows a try that failed and [`judging`] what a try tells about its instance;
//! [`ending`] is every way an exchange stops. Beside it, [`waiting`] has what is waited for and until when, [`recording`] what
//! the access log will say, and [`verdict`] what the shell is told.
//!
//! The laws: an exchange holds one reservation on one instance or waits for it in line, and places at limits, and gives them back in
//! [`Connection::end_exchange`], which every end passes; no request is ever sent twice unless it was never written or is idempotent, and never after
//! a byte of an answer has reached the client.

mod answering;
mod asking;
mod client;
mod compressing;
mod ending;
mod injecting;
mod judging;
mod limiting;
mod mirroring;
mod passing;
mod preamble;
mod queueing;
mod recording;
mod request;
mod response;
mod retrying;
mod verdict;
mod waiting;

#[cfg(test)]
mod tests;

pub use mirroring::{CutOff, MOST_COPIES};
pub use verdict::{Action, Payload, Verdict};

use waiting::Waiting;

use std::net::IpAddr;
use std::sync::Arc;

use crate::access_log::Record;
use crate::address::Address;
use crate::affinity::StickyCookie;
use crate::deadline::NEVER;
use crate::edits::Edits;
use crate::http1::accept::Form;
use crate::http1::body::Body;
use crate::http1::framing::Framing;
use crate::pace::{Stall, Stopwatch};
use crate::queue::Queue;
use crate::retry_budget::RetryBudget;
use crate::selection::{Affinity, Policy, Tried};
use crate::snapshot::{FailureStatuses, Listener, Terms};
use crate::state::{Counter, Instance, State};
use crate::worker::Worker;

/// How long a client that has sent its FIN may still get an answer begun (a FIN may be a half-close).
const CLIENT_EOF_GRACE: u64 = 1_000_000_000;
/// How long a connection is read on after our last answer, so that the client's unread bytes do not reset it before
/// it has read that answer (RFC 9112 §9.6).
const LINGER: u64 = 2_000_000_000;
/// Pipelined bytes kept while an exchange is under way; beyond it the client is not read.
const MAX_PIPELINED_BYTES: usize = 64 * 1024;

/// What a request is counted as whose client left before it was answered (nginx' code; it is never sent).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing has reached the client.
    Awaited,
    /// An interim response has reached the client.
    Interim,
    /// The head of the final response has reached the client.
    Begun,
}

/// What an exchange knows of its connection to the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Kept from another exchange, unless the shell says that it has to connect. Its end may say nothing about the
    /// instance, which may end idle connections as it likes.
    Kept,
    /// Made for this try.
    Fresh,
}

/// One request and its response. It carries what it needs of the configuration it was decided by, so that a reload
/// changes nothing for it.
#[derive(Debug)]
struct Exchange {
    /// The instance that a place is reserved on; `None` while the exchange waits for one.
    instance: Option<Instance>,
    /// The queue of its service, where it has one.
    queue: Option<Queue>,
    tried: Tried,
    tries_left: u8,
    /// The bound of all retries at the service.
    retry_budget: Option<RetryBudget>,
    /// Tries that had to wait, which makes the next wait longer.
    backed_off: u8,
    link: Link,
    policy: Policy,
    /// What the request asks of the choice of an instance.
    affinity: Affinity,
    /// The cookie by which its client is to come back to the instance.
    sticky: Option<Arc<StickyCookie>>,
    service: u32,
    row: u32,
    started: u64,
    /// When the instance had the whole request, or when this try began.
    asked: u64,
    connect_timeout: u64,
    first_byte_timeout: u64,
    idle_timeout: u64,
    /// How long a tunnel may be idle; `None` where the client does not ask to switch protocols.
    tunnel_timeout: Option<u64>,
    idempotent: bool,
    /// Statuses of an answer that are the instance's failure.
    failure_statuses: FailureStatuses,
    to_head: bool,
    /// How the body is framed towards the client.
    onward: Framing,
    answer: Answer,
    interim_responses: u8,
    /// What the request is counted as: the code of the answer, until there is one [`CLIENT_CLOSED_REQUEST`].
    status: u16,
    /// What limits have to do with the answer.
    due: limiting::Due,
    /// What its route changes in the messages; `None` for nothing.
    edits: Option<Arc<Edits>>,
    /// The lines that the answer gets by them, where they depend on the request; it takes memory there only.
    lines: Vec<u8>,
    /// The instance keeps its connection open after its response, as far as it has said.
    instance_persists: bool,
    response_body: Body,
    /// What its route makes of the answer's coding; `None` where that is nothing, and only there it takes no memory.
    compressing: Option<Box<compressing::Compressing>>,
}

/// What is left of an exchange whose peers have switched protocols: it is counted, and holds its reservation.
#[derive(Debug)]
struct Tunnel {
    instance: Option<Instance>,
    /// The service of which somebody may wait for its place.
    queue: Option<u32>,
    idle_timeout: u64,
}

/// Where the connection stands.
#[allow(clippy::large_enum_variant)] // every request begins an exchange: none is worth an allocation
#[derive(Debug)]
enum Phase {
    /// Nothing but a PROXY header may come.
    Preamble,
    /// Between two requests, or within the head of one.
    Request,
    /// A request is being answered by an instance.
    Exchange(Exchange),
    /// Client and instance speak another protocol to each other.
    Tunnel(Tunnel),
    /// Our last answer is sent; whatever comes is discarded.
    Lingering,
    /// Over.
    Closed,
}

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    /// Number of the connection in its worker.
    index: u32,
    listener: u32,
    /// The other end of the socket.
    socket: Address,
    /// Who sends on it: the other end, or whom its PROXY header names.
    peer: Address,
    phase: Phase,
    waiting: Waiting,
    /// When it was accepted.
    opened: u64,
    requests: u64,
    /// The client's HTTP version and wish for the current request.
    minor_version: u8,
    persists: bool,
    /// The wish alone: the client may go on sending requests.
    client_persists: bool,
    /// What it would rather have of an answer of ours.
    form: Form,
    /// The client has sent its FIN.
    half_closed: bool,
    /// Bytes from the client that are not understood yet: a head's beginning, or pipelined requests.
    inbound: Vec<u8>,
    /// How much of a head's beginning was searched for its end.
    searched: usize,
    /// Empty lines that came before the request line.
    empty_lines: usize,
    request_body: Body,
    body_bytes: u64,
    /// The time that the client has had for its body; `None` until it may send it.
    body_clock: Option<Stopwatch>,
    /// How the side takes what was sent to it that was said to be stalled last.
    stall: Stall,
    /// The beginning of a response head.
    response_head: Vec<u8>,
    /// Where the connection is counted for its client; `None` where nobody asks.
    client_hold: Option<u32>,
    /// Where its current request is counted as under way.
    holds: limiting::Holds,
    /// Where its current request waits for a place; `None` while it does not.
    queued: Option<queueing::Queued>,
    /// The answer that its current request waits for; `None` while it does not.
    asked: Option<Box<asking::Asked>>,
    /// What the access log will say of the current request; `None` when nobody asks for it.
    record: Option<Record>,
    /// The delay that is injected into its current request; `None` beyond its end.
    delayed: Option<Box<injecting::Delayed>>,
    /// What its route says in place of the listener and of the whole file; `None` where it says nothing.
    terms: Option<Arc<Terms>>,
    /// The lines of its answer, whoever gives it, that say which pages may read it; empty where its route says nothing of that.
    cors: Vec<u8>,
    /// What it has to do with copies for mirrors.
    copying: mirroring::Copying,
    /// What is known of it where its bytes are passed through; it takes memory there only.
    passed: Option<Box<passing::PassThrough>>,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn open<S: State>(worker: &mut Worker<S>, listener: u32, address: IpAddr, now: u64) -> Self {
        let mut connection = Self::at_rest(worker, listener, address.into(), now);
        worker.state.count(Counter::ConnectionsAccepted, 1);
        match connection.listener(worker).filter(|listener| listener.proxy_protocol) {
            Some(&Listener { header_timeout, .. }) => connection.await_preamble(worker, header_timeout, now),
            None => connection.await_request(worker, now),
        }
        connection
    }

    /// One that nothing was said on yet, and that waits for nothing.
    fn at_rest<S>(worker: &mut Worker<S>, listener: u32, address: Address, now: u64) -> Self {
        let index = worker.deadlines.open();
        worker.rests.open(index);
        Self {
            index,
            listener,
            socket: address,
            peer: address,
            phase: Phase::Request,
            waiting: Waiting::KeepAlive,
            opened: now,
            requests: 0,
            minor_version: 1,
            persists: true,
            client_persists: true,
            form: Form::Text,
            half_closed: false,
            inbound: Vec::new(),
            searched: 0,
            empty_lines: 0,
            request_body: Body::default(),
            body_bytes: 0,
            body_clock: None,
            stall: Stall::begin(now),
            response_head: Vec::new(),
            client_hold: None,
            holds: limiting::Holds::default(),
            queued: None,
            asked: None,
            record: None,
            delayed: None,
            terms: None,
            cors: Vec::new(),
            copying: mirroring::Copying::Nothing,
            passed: None,
        }
    }

    /// Number of the connection in its worker: the index of its deadline.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The row of the current exchange's service in shared memory.
    pub fn service(&self) -> Option<u32> {
        self.exchange().map(|exchange| exchange.service)
    }

    /// Is the connection before its first request or between two, with nothing received of the next?
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Preamble | Phase::Request) && self.inbound.is_empty()
    }

    /// Is everything said, and the connection open only so that the client gets to read it?
    pub fn is_lingering(&self) -> bool {
        matches!(self.phase, Phase::Lingering)
    }

    /// Is more pipelined than may be kept? Then the client is not to be read until less is. (A head's beginning is
    /// bounded by its own limit, and is never complete without being read on.)
    pub fn is_full(&self) -> bool {
        self.inbound.len() > MAX_PIPELINED_BYTES && self.searched == 0
    }

    /// What the client has sent for the protocol that it switches to, before the instance agreed.
    pub fn take_early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.inbound)
    }

    /// The connection to the instance is there, and what was held back goes out; or a tunnel begins with it.
    pub fn connected<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        worker.state.count(Counter::UpstreamConnects, 1);
        if self.passes() {
            return self.begin_passing(worker, now);
        }
        self.flowing(worker, now);
        Verdict::WAIT
    }

    fn exchange(&self) -> Option<&Exchange> {
        match &self.phase {
            Phase::Exchange(exchange) => Some(exchange),
            _ => None,
        }
    }

    /// The client has sent its FIN and nothing of a further request is here.
    fn sends_no_more(&self) -> bool {
        self.half_closed && self.inbound.is_empty()
    }

    /// May the client be sending still when its last answer has gone out? A close would reset the connection then, and the
    /// client might never read that answer (RFC 9112 §9.6). `received`: the body of its request was read to the end.
    fn may_send_on(&self, received: bool) -> bool {
        !received || self.client_persists && !self.half_closed
    }

    /// The connection is to carry no request after this one, whatever the client wishes.
    fn is_outdated<S>(&self, worker: &Worker<S>, now: u64) -> bool {
        let max_age = self.listener(worker).and_then(|listener| listener.max_age);
        worker.draining || max_age.is_some_and(|max_age| now.saturating_sub(self.opened) >= max_age)
    }

    fn listener<'a, S>(&self, worker: &'a Worker<S>) -> Option<&'a Listener> {
        worker.snapshot.listeners.get(self.listener as usize)
    }

    /// Back to the start of the state machine: the next request may come.
    fn await_request<S>(&mut self, worker: &mut Worker<S>, now: u64) {
        self.phase = Phase::Request;
        self.searched = 0;
        let timeout = self.listener(worker).map_or(NEVER, |listener| listener.keepalive_timeout);
        self.arm(worker, Waiting::KeepAlive, now, timeout);
    }
}
