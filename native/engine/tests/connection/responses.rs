//! What responses mean to clients of both versions, however their bytes arrive.

use super::pieces::{meaning, Answer, End};
use super::shell::Client;

fn check(request: &str, response: &str, end: End, expected: &(Answer, Client)) {
    let bytes = response.as_bytes();
    assert_eq!(meaning(request, &[bytes], end), *expected, "{request:?} {response:?} {end:?} whole");
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(meaning(request, &single, end), *expected, "{request:?} {response:?} {end:?} byte by byte");
    for cut in 1..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(
            meaning(request, &[first, second], end),
            *expected,
            "{request:?} {response:?} {end:?} cut at {cut}"
        );
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_1_0: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";

type Row = (&'static str, &'static str, End, &'static [u16], &'static str, bool);

/// Whole responses: (request, response, end, statuses, body), and whether the client's connection stays open.
const WHOLE: [Row; 19] = [
    (GET, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 204 No\r\n\r\n", End::Open, &[103, 204], "", true),
    (GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", End::Open, &[200], "ok", true),
    (GET, "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nokjunk", End::Open, &[200], "ok", true),
    (GET, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", End::Fin, &[200], "ok", true),
    (GET, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", End::Reset, &[404], "", true),
    (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\no\r\n1\r\nk\r\n0\r\nT: v\r\n\r\n", End::Open, &[200], "ok", true),
    (GET, "HTTP/1.1 200 OK\r\n\r\nok", End::Fin, &[200], "ok", true),
    (GET, "HTTP/1.0 200 OK\r\n\r\n", End::Fin, &[200], "", true),
    (GET, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", End::Open, &[204], "", true),
    (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", End::Open, &[304], "", true),
    (GET, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", End::Open, &[304], "", true),
    (HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", End::Open, &[200], "", true),
    (HEAD, "HTTP/1.1 200 OK\r\n\r\n", End::Open, &[200], "", true),
    (GET, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", End::Open, &[100, 103, 200], "ok", true),
    (GET_1_0, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", End::Open, &[200], "ok", false),
    (GET_1_0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", End::Open, &[200], "ok", false),
    (GET_1_0, "HTTP/1.1 200 OK\r\n\r\nok", End::Fin, &[200], "ok", false),
    (POST, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", End::Fin, &[200], "ok", true),
    (GET, "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", End::Open, &[999], "", true),
];

/// A whole response means the same however it is cut.
#[test]
fn responses_mean_the_same_however_they_are_cut() {
    for (request, response, end, statuses, body, open) in WHOLE {
        let client = if open { Client::Open } else { Client::Finishing };
        check(request, response, end, &(Answer::Whole(statuses.to_vec(), body.into()), client));
    }
}

/// A response that ends before its end never looks complete, whatever has gone out of it.
#[test]
fn a_response_cut_short_is_seen_to_be() {
    for (request, response) in [
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"),
        (GET_1_0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no"),
    ] {
        check(request, response, End::Fin, &(Answer::Aborted, Client::Gone));
        check(request, response, End::Reset, &(Answer::Aborted, Client::Gone));
    }
    check(GET, "HTTP/1.1 200 OK\r\n\r\nok", End::Reset, &(Answer::Aborted, Client::Gone));
    check(GET_1_0, "HTTP/1.1 200 OK\r\n\r\nok", End::Reset, &(Answer::Aborted, Client::Gone));
}

/// A head that breaks off is no answer: a request that must not be sent again gets 502, another one is sent again.
#[test]
fn a_head_cut_short_is_no_answer() {
    for response in ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", "H"] {
        check(POST, response, End::Fin, &(Answer::Refused(502), Client::Open));
        check(GET, response, End::Fin, &(Answer::Unanswered, Client::Open));
    }
}

/// What is no response, or a response that two readers may understand in two ways, is 502 however it is cut.
#[test]
fn malformed_responses_are_502_however_they_are_cut() {
    for response in [
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\nX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        check(POST, response, End::Open, &(Answer::Refused(502), Client::Open));
    }
}
