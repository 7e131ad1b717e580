//! The line of one request, from its head to its end.

use super::escape::{put_bytes, put_plain, put_text};
use super::{AccessLog, Instance, MAX_LINE_BYTES};
use crate::address::Address;
use crate::http1::head::Request;
use crate::request_id;

// The longest strings of a line, in bytes as they are written with their quotes. A longer value is cut and ends with `…`.
const METHOD_ROOM: usize = 64;
const HOST_ROOM: usize = 512;
const PATH_ROOM: usize = 2048;
/// Of a route, a service or an address.
pub(super) const NAME_ROOM: usize = 256;
const CLIENT_ROOM: usize = 64;
const REQUEST_ID_ROOM: usize = request_id::MAX_BYTES + 16;
/// Keys, time, numbers and reason.
const OTHERS_ROOM: usize = 400;
const _: () = {
    let message = METHOD_ROOM + HOST_ROOM + PATH_ROOM + REQUEST_ID_ROOM;
    let parties = 2 * CLIENT_ROOM + 3 * NAME_ROOM;
    assert!(message + parties + OTHERS_ROOM <= MAX_LINE_BYTES);
};

/// Room that a record begins with; most lines take less.
const USUAL_LINE_BYTES: usize = 512;

/// Why a whole answer of an instance was late.
const FAULT_DELAY: &str = "fault_delay";

/// One request under way, as far as its line is known. It names what the request was decided by at that time, so a
/// reload does not change it. It goes from connection to connection as the one pointer that it is.
#[derive(Debug, Default)]
pub(crate) struct Record(Box<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What is written of the line.
    line: Vec<u8>,
    started: u64,
    /// When the final answer began.
    first_byte: Option<u64>,
    /// Bytes for the client.
    sent: u64,
    /// Bytes of a client that are passed through; `None` for a request.
    received: Option<u64>,
    /// The instance of the last try.
    instance: Option<Instance>,
    tries: u8,
    /// A delay was injected.
    delayed: bool,
}

impl Record {
    /// A request of `client` that came from `peer` at `started`, which was `wall` in nanoseconds of Unix time; `None` for
    /// one that could not be understood.
    pub(crate) fn begin(
        log: &mut AccessLog,
        started: u64,
        wall: u64,
        client: &Address,
        peer: &Address,
        id: &[u8],
        request: Option<&Request<'_, '_>>,
    ) -> Self {
        let mut record = log.spare.pop().unwrap_or_default();
        let mut line = record.fresh_line(log.clock.text(wall));
        put_value(&mut line, b",\"request_id\":", Some(id), REQUEST_ID_ROOM);
        put_address(&mut line, b",\"client\":", Some(client));
        put_address(&mut line, b",\"peer\":", (peer != client).then_some(peer));
        put_value(&mut line, b",\"method\":", request.map(|it| it.method), METHOD_ROOM);
        put_value(&mut line, b",\"host\":", request.map(|it| it.host), HOST_ROOM);
        put_value(&mut line, b",\"path\":", request.map(|it| &*it.target), PATH_ROOM);
        *record.0 = Known { line, started, ..Known::default() };
        if request.is_none() {
            record.routed(None);
        }
        record
    }

    /// As [`Record::begin`], a connection that is passed through.
    pub(crate) fn begin_passage(
        log: &mut AccessLog,
        started: u64,
        wall: u64,
        client: &Address,
        peer: &Address,
    ) -> Self {
        let mut record = log.spare.pop().unwrap_or_default();
        let mut line = record.fresh_line(log.clock.text(wall));
        line.extend_from_slice(b",\"request_id\":null");
        put_address(&mut line, b",\"client\":", Some(client));
        put_address(&mut line, b",\"peer\":", (peer != client).then_some(peer));
        line.extend_from_slice(b",\"method\":null,\"host\":null,\"path\":null");
        *record.0 = Known { line, started, ..Known::default() };
        record
    }

    /// A line's beginning, in the room of the one before.
    #[inline]
    fn fresh_line(&mut self, time: &[u8]) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.0.line);
        line.clear();
        line.reserve(USUAL_LINE_BYTES);
        line.extend_from_slice(b"{\"time\":");
        line.extend_from_slice(time);
        line
    }

    /// [`names`] of the route and its service; `None` for a request that has none. To be called once.
    pub(crate) fn routed(&mut self, names: Option<&[u8]>) {
        self.0.line.extend_from_slice(names.unwrap_or(b",\"route\":null,\"service\":null"));
    }

    /// The request goes to an instance.
    pub(crate) fn tried(&mut self, instance: Instance) {
        self.0.instance = Some(instance);
        self.0.tries = self.0.tries.saturating_add(1);
    }

    /// It waits because its route injects delays.
    pub(crate) fn delayed(&mut self) {
        self.0.delayed = true;
    }

    /// So many bytes are on their way to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.0.sent += bytes as u64;
    }

    /// So many bytes came from the client, all in all.
    pub(crate) fn received(&mut self, bytes: u64) {
        self.0.received = Some(bytes);
    }

    /// The final answer begins.
    pub(crate) fn answered(&mut self, now: u64) {
        self.0.first_byte = Some(now);
    }

    /// The instance of the last try.
    pub(super) fn instance(&self) -> Option<Instance> {
        self.0.instance
    }

    /// Writes the rest. `instance`: its address, as a string of the line.
    pub(super) fn complete(
        &mut self,
        instance: Option<&[u8]>,
        status: Option<u16>,
        reason: Option<&str>,
        now: u64,
    ) {
        let Known { line, started, first_byte, sent, received, tries, delayed, .. } = &mut *self.0;
        line.extend_from_slice(b",\"instance\":");
        line.extend_from_slice(instance.unwrap_or(b"null"));
        put_number(line, b",\"tries\":", u64::from(*tries));
        match status {
            Some(status) => put_number(line, b",\"status\":", u64::from(status)),
            None => line.extend_from_slice(b",\"status\":null"),
        }
        put_number(line, b",\"bytes\":", *sent);
        if let Some(received) = received {
            put_number(line, b",\"bytes_received\":", *received);
        }
        put_milliseconds(line, b",\"duration_ms\":", Some(now.saturating_sub(*started)));
        let first_byte = first_byte.map(|at| at.saturating_sub(*started));
        put_milliseconds(line, b",\"first_byte_ms\":", first_byte);
        put_name(line, b",\"reason\":", reason.or(delayed.then_some(FAULT_DELAY)));
        line.extend_from_slice(b"}\n");
    }

    /// What is written.
    pub(super) fn line(&self) -> &[u8] {
        &self.0.line
    }

    /// Is it worth to be kept for another request? One long line must not cost memory for ever.
    pub(super) fn is_small(&self) -> bool {
        self.0.line.capacity() <= 2 * USUAL_LINE_BYTES
    }
}

/// What the lines of a route, or of a listener without routes, say of it, made once for all of them.
pub(crate) fn names(route: Option<&str>, service: Option<&str>) -> Box<[u8]> {
    let mut names = Vec::new();
    put_name(&mut names, b",\"route\":", route);
    put_name(&mut names, b",\"service\":", service);
    names.into()
}

#[inline]
fn put_value<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], value: Option<&[u8]>, room: usize) {
    out.extend_from_slice(key);
    match value {
        Some(value) => put_bytes(out, value, room),
        None => out.extend_from_slice(b"null"),
    }
}

/// The text of an address, which always fits and needs no look.
#[inline]
fn put_address<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], address: Option<&Address>) {
    out.extend_from_slice(key);
    match address {
        Some(address) => put_plain(out, address.text()),
        None => out.extend_from_slice(b"null"),
    }
}

#[inline]
fn put_name<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], name: Option<&str>) {
    out.extend_from_slice(key);
    match name {
        Some(name) => put_text(out, name, NAME_ROOM),
        None => out.extend_from_slice(b"null"),
    }
}

#[inline]
fn put_number<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], number: u64) {
    out.extend_from_slice(key);
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Milliseconds with microseconds behind the point.
#[inline]
fn put_milliseconds<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], nanos: Option<u64>) {
    let Some(micros) = nanos.map(|nanos| nanos / 1_000) else {
        out.extend_from_slice(key);
        return out.extend_from_slice(b"null");
    };
    put_number(out, key, micros / 1_000);
    let rest = (micros % 1_000) as u32;
    let digit = |value: u32| b'0' + (value % 10) as u8;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}
