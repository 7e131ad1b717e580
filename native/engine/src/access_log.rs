//! The access log: one line of JSON per request, made of what the engine holds anyway, into a bounded buffer.
//!
//! The laws: a line is whole or not there; no byte of a request can end a line or a string in it; every line fits into
//! one atomic write on a pipe. Whoever drains the buffer does the I/O; when nobody does, lines are dropped and counted,
//! and requests are not held up.
//!
//! A line takes 3,100 instructions beside the 13,300 that the engine takes for a request with 12 fields and its answer
//! (`bench/instructions`).

mod escape;
mod time;

use crate::address::Address;
use crate::http1::head::Request;
use crate::request_id;
use crate::state::{Counter, Instance, State};
use escape::{put_bytes, put_text};
use time::put_time;

/// Longest line with its newline: what Linux writes to a pipe in one piece (`PIPE_BUF`, pipe(7)), so that the lines of
/// several workers never mix.
pub const MAX_LINE_BYTES: usize = 4096;
/// How much waits to be drained at the most; 3,000 usual lines.
const CAPACITY: usize = 1024 * 1024;
/// How much may wait before somebody is told; until then the worker's tick is soon enough.
const DUE: usize = 64 * 1024;
/// Capacity that the buffer keeps when it is drained.
const KEPT: usize = 2 * DUE;

// The longest strings of a line, in bytes as they are written with their quotes. A longer value is cut and ends with `…`.
const METHOD_ROOM: usize = 64;
const HOST_ROOM: usize = 512;
const PATH_ROOM: usize = 2048;
/// Of a route, a service or an address.
const NAME_ROOM: usize = 256;
const CLIENT_ROOM: usize = 64;
const REQUEST_ID_ROOM: usize = request_id::MAX_BYTES + 16;
/// Keys, time, numbers and reason.
const OTHERS_ROOM: usize = 400;
const _: () = {
    let message = METHOD_ROOM + HOST_ROOM + PATH_ROOM + REQUEST_ID_ROOM;
    let parties = 2 * CLIENT_ROOM + 3 * NAME_ROOM;
    assert!(message + parties + OTHERS_ROOM <= MAX_LINE_BYTES);
};

/// What stands between a value and the next: the key as it is written, in one piece.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}

/// The lines of one worker that wait to be drained.
#[derive(Debug, Default)]
pub struct AccessLog {
    lines: Vec<u8>,
    told: bool,
    /// An instance's address on its way from the shared state into a line.
    address: String,
}

impl AccessLog {
    /// Whole lines, oldest first.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The lines have been taken.
    pub fn drained(&mut self) {
        self.lines.clear();
        self.lines.shrink_to(KEPT);
        self.told = false;
    }

    /// Is there more than should wait for the next tick? Says so once until it is drained.
    #[inline]
    pub fn falls_due(&mut self) -> bool {
        let due = self.lines.len() >= DUE && !self.told;
        self.told |= due;
        due
    }

    fn has_room(&self) -> bool {
        self.lines.len() + MAX_LINE_BYTES <= CAPACITY
    }
}

/// One request under way, as far as its line is known. It names what the request was decided by at that time, so a
/// reload does not change it.
#[derive(Debug)]
pub(crate) struct Record {
    /// The beginning of the line, up to the service.
    line: Vec<u8>,
    started: u64,
    /// When the final answer began.
    first_byte: Option<u64>,
    /// Bytes for the client.
    sent: u64,
    /// The instance of the last try.
    instance: Option<Instance>,
    tries: u8,
}

impl Record {
    /// A request of `client` that came from `peer` at `started`, which was `wall` in nanoseconds of Unix time; `None` for
    /// one that could not be understood.
    pub(crate) fn new(
        started: u64,
        wall: u64,
        client: &Address,
        peer: &Address,
        id: &[u8],
        request: Option<&Request<'_, '_>>,
    ) -> Self {
        let mut line = Vec::with_capacity(512);
        line.extend_from_slice(b"{\"time\":");
        put_time(&mut line, wall);
        put_value(&mut line, key!("request_id"), Some(id), REQUEST_ID_ROOM);
        put_value(&mut line, key!("client"), Some(client.text()), CLIENT_ROOM);
        put_value(&mut line, key!("peer"), (peer != client).then_some(peer.text()), CLIENT_ROOM);
        put_value(&mut line, key!("method"), request.map(|it| it.method), METHOD_ROOM);
        put_value(&mut line, key!("host"), request.map(|it| it.host), HOST_ROOM);
        put_value(&mut line, key!("path"), request.map(|it| &*it.target), PATH_ROOM);
        let mut record = Self { line, started, first_byte: None, sent: 0, instance: None, tries: 0 };
        if request.is_none() {
            record.routed(None);
        }
        record
    }

    /// The names of the route and of its service; `None` for a request that has none. To be called once.
    pub(crate) fn routed(&mut self, names: Option<(&str, &str)>) {
        put_name(&mut self.line, key!("route"), names.map(|(route, _)| route));
        put_name(&mut self.line, key!("service"), names.map(|(_, service)| service));
    }

    /// The request goes to an instance.
    pub(crate) fn tried(&mut self, instance: Instance) {
        self.instance = Some(instance);
        self.tries = self.tries.saturating_add(1);
    }

    /// So many bytes are on their way to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The final answer begins.
    pub(crate) fn answered(&mut self, now: u64) {
        self.first_byte = Some(now);
    }

    /// Writes the line, or counts that there is no room for it. `reason`: why there is no whole answer of an instance.
    pub(crate) fn finish<S: State>(
        self,
        log: &mut AccessLog,
        state: &S,
        status: u16,
        reason: Option<&str>,
        now: u64,
    ) {
        if !log.has_room() {
            state.count(Counter::AccessLogLinesDropped, 1);
            return;
        }
        let AccessLog { lines: out, address, .. } = log;
        address.clear();
        let there = self.instance.is_some_and(|instance| state.put_address(instance, address));
        out.extend_from_slice(&self.line);
        put_name(out, key!("instance"), there.then_some(address.as_str()));
        put_number(out, key!("tries"), u64::from(self.tries));
        put_number(out, key!("status"), u64::from(status));
        put_number(out, key!("bytes"), self.sent);
        put_milliseconds(out, key!("duration_ms"), Some(now.saturating_sub(self.started)));
        let first_byte = self.first_byte.map(|at| at.saturating_sub(self.started));
        put_milliseconds(out, key!("first_byte_ms"), first_byte);
        put_name(out, key!("reason"), reason);
        out.extend_from_slice(b"}\n");
    }
}

#[inline]
fn put_value(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>, room: usize) {
    out.extend_from_slice(key);
    match value {
        Some(value) => put_bytes(out, value, room),
        None => out.extend_from_slice(b"null"),
    }
}

#[inline]
fn put_name(out: &mut Vec<u8>, key: &[u8], name: Option<&str>) {
    out.extend_from_slice(key);
    match name {
        Some(name) => put_text(out, name, NAME_ROOM),
        None => out.extend_from_slice(b"null"),
    }
}

#[inline]
fn put_number(out: &mut Vec<u8>, key: &[u8], number: u64) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Milliseconds with microseconds behind the point.
fn put_milliseconds(out: &mut Vec<u8>, key: &[u8], nanos: Option<u64>) {
    let Some(micros) = nanos.map(|nanos| nanos / 1_000) else {
        out.extend_from_slice(key);
        return out.extend_from_slice(b"null");
    };
    put_number(out, key, micros / 1_000);
    let rest = micros % 1_000;
    let digit = |value: u64| b'0' + (value % 10) as u8;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

#[cfg(test)]
mod tests;
