//! What requests mean, however their bytes arrive: whole, byte by byte, and with the next request glued on.

use super::pieces::{meanings, Asked};
use super::shell::Client;

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

fn byte_by_byte(bytes: &str) -> Vec<&[u8]> {
    bytes.as_bytes().chunks(1).collect()
}

/// Requests that are understood: (bytes, request line as forwarded, body), and whether the connection stays open.
const UNDERSTOOD: [(&str, &str, &str, bool); 17] = [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /", "", true),
    ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /", "", true),
    ("GET /p?q=1 HTTP/1.1\r\nhOST:\ta \t\r\n\r\n", "GET /p?q=1", "", true),
    ("GET http://a/p HTTP/1.1\r\nHost: b\r\n\r\n", "GET /p", "", true),
    ("GET http://a?q HTTP/1.1\r\nHost: b\r\n\r\n", "GET /?q", "", true),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *", "", true),
    ("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *", "", true),
    ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /", "", true),
    ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET /", "", false),
    ("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET /", "", true),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n", "GET /", "", false),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /", "", true),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "POST /", "abc", true),
    ("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc", "POST /", "abc", false),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n02;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
        "POST /",
        "abcde",
        true,
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "POST /", "", true),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX: y\r\n\r\nGET ", "GET /", "GET ", true),
];

/// A request means the same however it arrives, and what is glued to it is the next request, if there may be one.
#[test]
fn requests_mean_the_same_however_they_are_cut() {
    for (bytes, line, body, open) in UNDERSTOOD {
        let first = Asked::Forwarded(line.into(), body.into());
        let client = if open { Client::Open } else { Client::Finishing };
        assert_eq!(meanings(&[bytes.as_bytes()]), (vec![first.clone()], client), "{bytes:?} whole");
        assert_eq!(meanings(&byte_by_byte(bytes)), (vec![first.clone()], client), "{bytes:?} byte by byte");
        let glued = [bytes, NEXT].concat();
        let mut both = vec![first];
        both.extend(open.then(|| Asked::Forwarded("GET /next".into(), String::new())));
        assert_eq!(meanings(&[glued.as_bytes()]), (both.clone(), client), "{bytes:?} glued");
        assert_eq!(meanings(&byte_by_byte(&glued)), (both.clone(), client), "{bytes:?} glued, byte by byte");
        for cut in 1..glued.len() {
            let (head, tail) = glued.as_bytes().split_at(cut);
            assert_eq!(meanings(&[head, tail]), (both.clone(), client), "{bytes:?} cut at {cut}");
        }
    }
}

/// Bytes that are no request, or one that two readers may understand in two ways, with the status they get.
const REFUSED: [(&str, u16); 32] = [
    ("\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400),
    ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\na", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/2.0\r\n\r\n", 505),
];

/// Each gets its status once, nothing of it reaches an instance, and nothing behind it is read.
#[test]
fn refused_bytes_end_the_connection_however_they_are_cut() {
    for (bytes, status) in REFUSED {
        let expected = (vec![Asked::Refused(status)], Client::Finishing);
        for glued in [bytes.to_string(), [bytes, NEXT].concat()] {
            assert_eq!(meanings(&[glued.as_bytes()]), expected, "{glued:?} whole");
            assert_eq!(meanings(&byte_by_byte(&glued)), expected, "{glued:?} byte by byte");
        }
    }
}

/// Bodies that break their coding or are too large are refused when that shows; the instance gets no whole request.
#[test]
fn refused_bodies_end_the_connection_however_they_are_cut() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let large = format!("191\r\n{}\r\n0\r\n\r\n", "x".repeat(401));
    for (body, status) in [
        ("x\r\n", 400),
        ("-1\r\n", 400),
        ("1 \r\na\r\n0\r\n\r\n", 400),
        ("1\na\r\n0\r\n\r\n", 400),
        ("1\r\nab\r\n0\r\n\r\n", 400),
        ("1\r\na\n0\r\n\r\n", 400),
        ("0\r\n\n", 400),
        ("0\r\nno colon\r\n\r\n", 400),
        ("10000000000000000\r\n", 400),
        (&large, 413),
    ] {
        let expected = (vec![Asked::Refused(status)], Client::Finishing);
        let glued = [head, body, NEXT].concat();
        assert_eq!(meanings(&[glued.as_bytes()]), expected, "{body:?} whole");
        assert_eq!(meanings(&byte_by_byte(&glued)), expected, "{body:?} byte by byte");
    }
}

/// Every size is bounded at the same byte whether the head comes whole or not.
#[test]
fn limits_hold_at_the_same_byte_however_a_head_is_cut() {
    let lines = |number: usize| "X: y\r\n".repeat(number);
    let padded = |size: usize| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n{}", "x".repeat(500), "Y: ");
        [head.as_str(), &"y".repeat(size - head.len() - 4), "\r\n\r\n"].concat()
    };
    for (head, refused) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(255)), None),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(256)), Some(414)),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(507)), None),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(508)), Some(431)),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines(19)), None),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines(20)), Some(431)),
        (padded(1_024), None),
        (padded(1_025), Some(431)),
    ] {
        for pieces in [vec![head.as_bytes()], byte_by_byte(&head)] {
            let (found, _) = meanings(&pieces);
            let as_expected = match (&found[..], refused) {
                ([Asked::Refused(status)], Some(expected)) => *status == expected,
                ([Asked::Forwarded(..)], None) => true,
                _ => false,
            };
            assert!(as_expected, "{found:?} instead of {refused:?} for {} bytes: {head:?}", head.len());
        }
    }
}
