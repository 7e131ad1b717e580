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

/// What stands between a value and the next: the key as it is written, in one piece.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}

/// One request under way, as far as its line is known. It names what the request was decided by at that time, so a
/// reload does not change it.
#[derive(Debug)]
pub(crate) struct Record {
    /// What is written of the line.
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

impl Default for Record {
    fn default() -> Self {
        let line = Vec::with_capacity(USUAL_LINE_BYTES);
        Self { line, started: 0, first_byte: None, sent: 0, instance: None, tries: 0 }
    }
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
    ) -> Box<Self> {
        let mut record = log.blank();
        let mut line = std::mem::take(&mut record.line);
        line.clear();
        line.extend_from_slice(b"{\"time\":");
        line.extend_from_slice(log.clock.text(wall));
        put_value(&mut line, key!("request_id"), Some(id), REQUEST_ID_ROOM);
        put_address(&mut line, key!("client"), Some(client));
        put_address(&mut line, key!("peer"), (peer != client).then_some(peer));
        put_value(&mut line, key!("method"), request.map(|it| it.method), METHOD_ROOM);
        put_value(&mut line, key!("host"), request.map(|it| it.host), HOST_ROOM);
        put_value(&mut line, key!("path"), request.map(|it| &*it.target), PATH_ROOM);
        *record = Self { line, started, first_byte: None, sent: 0, instance: None, tries: 0 };
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

    /// The instance of the last try.
    pub(super) fn instance(&self) -> Option<Instance> {
        self.instance
    }

    /// Writes the rest. `instance`: its address, as a string of the line.
    pub(super) fn complete(&mut self, instance: Option<&[u8]>, status: u16, reason: Option<&str>, now: u64) {
        let line = &mut self.line;
        line.extend_from_slice(key!("instance"));
        line.extend_from_slice(instance.unwrap_or(b"null"));
        put_number(line, key!("tries"), u64::from(self.tries));
        put_number(line, key!("status"), u64::from(status));
        put_number(line, key!("bytes"), self.sent);
        put_milliseconds(line, key!("duration_ms"), Some(now.saturating_sub(self.started)));
        let first_byte = self.first_byte.map(|at| at.saturating_sub(self.started));
        put_milliseconds(line, key!("first_byte_ms"), first_byte);
        put_name(line, key!("reason"), reason);
        line.extend_from_slice(b"}\n");
    }

    /// What is written.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Is it worth to be kept for another request? One long line must not cost memory for ever.
    pub(super) fn is_small(&self) -> bool {
        self.line.capacity() <= 2 * USUAL_LINE_BYTES
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

/// The text of an address, which always fits and needs no look.
#[inline]
fn put_address(out: &mut Vec<u8>, key: &[u8], address: Option<&Address>) {
    out.extend_from_slice(key);
    match address {
        Some(address) => put_plain(out, address.text()),
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
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Milliseconds with microseconds behind the point.
#[inline]
fn put_milliseconds(out: &mut Vec<u8>, key: &[u8], nanos: Option<u64>) {
    let Some(micros) = nanos.map(|nanos| nanos / 1_000) else {
        out.extend_from_slice(key);
        return out.extend_from_slice(b"null");
    };
    put_number(out, key, micros / 1_000);
    let rest = (micros % 1_000) as u32;
    let digit = |value: u32| b'0' + (value % 10) as u8;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}
