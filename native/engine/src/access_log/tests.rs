//! Single lines: every byte in every place, and the longest line there can be.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::address::Address;
use crate::http1::head::{slots, HeadLimits, Request};
use crate::http1::path::Kept;
use crate::request_id;
use crate::state::fake::FakeState;

const LIMITS: HeadLimits = HeadLimits { head: 1 << 20, line: 1 << 20, fields: 100, target: 1 << 20 };

/// An address whose text is as long as any.
fn long_address(last: u16) -> Address {
    IpAddr::from([0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xfff0 + last]).into()
}

/// Latin-1: the bytes of a message, as a string of the log shows them.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The line of one request, whose strings are changed after parsing: no parser protects the log.
fn line(method: &[u8], host: &[u8], target: &[u8], id: &[u8], names: Option<&[u8]>) -> Vec<u8> {
    let mut slots = slots();
    let mut request =
        Request::parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut slots, &LIMITS, Kept::NONE).unwrap();
    (request.method, request.host, request.target) = (method, host, target.into());
    let (mut log, state) = (AccessLog::default(), FakeState::new());
    let mut record = Record::begin(&mut log, 5, 1, &long_address(1), &long_address(2), id, Some(&request));
    record.routed(names);
    record.tried(state.instance(0));
    log.finish(record, &state, Some(200), None, u64::MAX);
    log.lines().to_vec()
}

/// The line of a request that was not understood.
fn write_one(log: &mut AccessLog, state: &FakeState) {
    let record = Record::begin(log, 0, 0, &long_address(1), &long_address(1), b"id", None);
    log.finish(record, state, Some(200), None, 0);
}

/// What every reader of the file relies on: one line, printable, an object.
fn parsed(line: &[u8]) -> Value {
    let (newline, text) = line.split_last().unwrap();
    assert_eq!(*newline, b'\n');
    assert!(text.iter().all(|byte| !byte.is_ascii_control()), "{:?}", String::from_utf8_lossy(text));
    serde_json::from_slice(text).unwrap()
}

#[test]
fn no_byte_of_a_request_can_forge_a_line() {
    for byte in 0..=255_u8 {
        let forged = [b"/\",\"status\":999}", &[byte][..], b"{\"time\":"].concat();
        let value = parsed(&line(&forged, &forged, &forged, &forged[..20], None));
        for key in ["method", "host", "path"] {
            assert_eq!(value[key], shown(&forged), "{key} {byte:#x}");
        }
        assert_eq!((&value["request_id"], &value["status"]), (&shown(&forged[..20]).into(), &200.into()));
    }
}

#[test]
fn the_longest_line_fits_into_one_write_on_a_pipe() {
    let (long, id) = (vec![0xff; 9_000], [b'x'; request_id::MAX_BYTES]);
    let name = "é".repeat(400);
    let written = line(&long, &long, &long, &id, Some(&names(Some(&name), Some(&name))));
    let value = parsed(&written);
    assert!((3_000..=MAX_LINE_BYTES).contains(&written.len()), "{}", written.len());
    assert_eq!(value["request_id"], shown(&id));
    for (key, last) in [("client", 1), ("peer", 2)] {
        assert_eq!(value[key], shown(long_address(last).text()));
    }
    for key in ["method", "host", "path", "route", "service"] {
        assert!(value[key].as_str().unwrap().ends_with('…'), "{key}");
    }
}

#[test]
fn a_full_buffer_drops_whole_lines_and_counts_them() {
    let (mut log, state) = (AccessLog::default(), FakeState::new());
    let mut written = 0;
    while state.counter(Counter::AccessLogLinesDropped) < 3 {
        write_one(&mut log, &state);
        written += 1;
    }
    assert!(log.lines().len() <= CAPACITY && log.lines().len() > CAPACITY - 2 * MAX_LINE_BYTES);
    let lines: Vec<_> = log.lines().split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), written - 3);
    for line in lines {
        assert!(parsed(line).is_object());
    }
    log.drained();
    assert!(log.lines().is_empty() && log.lines.capacity() <= KEPT);
}

#[test]
fn a_buffer_falls_due_once_until_it_is_drained() {
    let (mut log, state) = (AccessLog::default(), FakeState::new());
    for _ in 0..2 {
        let mut told = 0;
        for _ in 0..1_000 {
            write_one(&mut log, &state);
            let before = log.lines().len();
            if log.falls_due() {
                assert!(before >= DUE);
                told += 1;
            }
        }
        assert_eq!(told, 1);
        log.drained();
        assert!(!log.falls_due());
    }
}

#[test]
fn a_record_that_is_used_again_says_nothing_of_its_last_request() {
    let (mut log, state) = (AccessLog::default(), FakeState::new());
    let mut first = Record::begin(&mut log, 1, 1, &long_address(1), &long_address(2), &[b'x'; 64], None);
    first.tried(state.instance(0));
    first.answered(2_000_000);
    first.sent(7);
    log.finish(first, &state, Some(502), Some("connection_refused"), 3_000_000);
    write_one(&mut log, &state);
    let lines: Vec<_> = log.lines().split_inclusive(|&byte| byte == b'\n').collect();
    let mut fresh = AccessLog::default();
    write_one(&mut fresh, &state);
    assert_eq!(lines[1], fresh.lines());
    assert_eq!(log.spare.len(), 1);
}

#[test]
fn few_records_are_kept_and_none_that_is_long() {
    let (mut log, state) = (AccessLog::default(), FakeState::new());
    let begin =
        |log: &mut AccessLog| Record::begin(log, 0, 0, &long_address(1), &long_address(1), b"id", None);
    let records: Vec<_> = (0..2 * SPARE_RECORDS).map(|_| begin(&mut log)).collect();
    for record in records {
        log.finish(record, &state, Some(200), None, 0);
    }
    assert_eq!(log.spare.len(), SPARE_RECORDS);
    let mut long = begin(&mut log);
    long.routed(Some(&[b'x'; 4_000]));
    log.finish(long, &state, Some(200), None, 0);
    assert_eq!(log.spare.len(), SPARE_RECORDS - 1);
}

#[test]
fn an_instance_is_named_by_the_address_that_it_had_when_the_request_was_sent() {
    let (mut log, state) = (AccessLog::default(), FakeState::new());
    let line = |log: &mut AccessLog, instance| {
        let mut record = Record::begin(log, 0, 0, &long_address(1), &long_address(1), b"id", None);
        record.tried(instance);
        log.finish(record, &state, Some(200), None, 0);
        let line = parsed(log.lines());
        log.drained();
        line["instance"].clone()
    };
    let at = |slot, generation| Instance { slot, generation };
    assert_eq!(line(&mut log, state.instance(3)), "10.0.0.3:80");
    assert_eq!(line(&mut log, at(3 + 64, 0)), "10.0.0.67:80", "another one in the same place");
    assert_eq!(line(&mut log, at(3, 0)), "10.0.0.3:80");
    assert_eq!(line(&mut log, at(3, 1)), Value::Null, "gone before it was ever written");
}

proptest! {
    #[test]
    fn any_request_is_one_line_that_reads_back(
        method in proptest::collection::vec(any::<u8>(), 0..10),
        host in proptest::collection::vec(any::<u8>(), 0..80),
        path in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let value = parsed(&line(&method, &host, &path, b"id", Some(&names(Some("r"), Some("s")))));
        prop_assert_eq!(&value["method"], &shown(&method));
        prop_assert_eq!(&value["host"], &shown(&host));
        prop_assert_eq!(&value["path"], &shown(&path));
    }
}
