//! What holds for any bytes whatsoever: they mean the same however they are cut, and what the gateway sends because of
//! them reads strictly ([`super::shell`] sees to that). The fuzz targets in `native/fuzz` run these functions, too.

use headgate_engine::proxy_protocol::{self, MAX_HEADER_BYTES};

use super::codings::coding;
use super::expressions::pattern;
use super::pieces::{meaning, meanings, Answer, Asked, End};
use super::rules::{edits, naming, rewrite};
use super::shell::Client;

/// A property of some bytes; it panics where they break it.
pub(crate) type Property = fn(&[u8]);

/// Every property by the name of its corpus.
pub(crate) const PROPERTIES: [(&str, Property); 10] = [
    ("request", request),
    ("response", response),
    ("chunked", chunked),
    ("target", target),
    ("proxy_header", proxy_header),
    ("pattern", pattern),
    ("rewrite", rewrite),
    ("edits", edits),
    ("naming", naming),
    ("coding", coding),
];

/// Bytes of a client: whole, byte by byte, and cut in the middle the same requests reach instances until one is refused.
/// (What has come decides which of several faults is named, and whether the connection lives on behind the answer.)
pub(crate) fn request(bytes: &[u8]) {
    let whole = asked(&[bytes]);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_eq!(asked(&[first, second]), whole, "cut in the middle");
    assert_eq!(asked(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
}

/// Bytes of an instance, which then ends its connection: a whole answer is the same one however it is cut, and what is
/// none never is. (Whether a broken one is replaced or broken off depends on what has gone out.)
pub(crate) fn response(bytes: &[u8]) {
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.0\r\nHost: a\r\n\r\n"] {
        for end in [End::Fin, End::Reset] {
            let whole = answered(request, &[bytes], end);
            let (first, second) = bytes.split_at(bytes.len() / 2);
            assert_eq!(answered(request, &[first, second], end), whole, "cut in the middle, {end:?}");
            let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(answered(request, &pieces, end), whole, "byte by byte, {end:?}");
        }
    }
}

/// Bytes of a chunked body, of a request and of a response.
pub(crate) fn chunked(bytes: &[u8]) {
    const FIELDS: &[u8] = b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    request(&[b"POST / HTTP/1.1\r\n", FIELDS, bytes].concat());
    response(&[b"HTTP/1.1 200 OK\r\n", FIELDS, bytes].concat());
}

/// Bytes of a request target: the one that is forwarded would be forwarded as it is.
pub(crate) fn target(bytes: &[u8]) {
    let head = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    request(&head(bytes));
    let (asked, _) = meanings(&[&head(bytes)]);
    for asked in &asked {
        if let Some(target) = forwarded(asked).and_then(|line| line.strip_prefix("GET ")) {
            let (again, _) = meanings(&[&head(target.as_bytes())]);
            assert_eq!(
                again.iter().map(forwarded).collect::<Vec<_>>(),
                [forwarded(asked)],
                "forwarded again"
            );
        }
    }
}

/// Bytes at the beginning of a connection: what is a header, or none, stays so when more comes.
pub(crate) fn proxy_header(bytes: &[u8]) {
    let mut verdict = Ok(None);
    for end in 0..=bytes.len() {
        let next = proxy_protocol::read(&bytes[..end]);
        assert!(verdict == Ok(None) || next == verdict, "{verdict:?} became {next:?} at {end}");
        if let Ok(Some(header)) = next {
            assert!((1..=MAX_HEADER_BYTES.min(end)).contains(&header.length), "{header:?} at {end}");
        }
        verdict = next;
    }
    assert!(verdict != Ok(None) || bytes.len() < MAX_HEADER_BYTES, "undecided");
}

/// The requests that reached an instance before one was refused, and where that leaves the client if none was.
fn asked(pieces: &[&[u8]]) -> (Vec<Asked>, Option<Client>) {
    let (mut meanings, client) = meanings(pieces);
    let all = meanings.len();
    meanings.truncate(meanings.iter().take_while(|asked| forwarded(asked).is_some()).count());
    let none_refused = meanings.len() == all;
    (meanings, none_refused.then_some(client))
}

fn forwarded(asked: &Asked) -> Option<&str> {
    match asked {
        Asked::Forwarded(line, _) => Some(line),
        Asked::Refused(_) => None,
    }
}

/// The whole answer that the client has; `None` for a broken one, one of the gateway and none at all.
fn answered(request: &str, pieces: &[&[u8]], end: End) -> Option<Answer> {
    let (meaning, _) = meaning(request, pieces, end);
    Some(meaning).filter(|meaning| matches!(meaning, Answer::Whole(..)))
}
