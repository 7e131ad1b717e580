use super::*;
use crate::http1::head::{slots, HeadLimits};
use crate::http1::path::Kept;

const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 1024, fields: 100, target: 1024 };
const GZIP: Grade = Grade { coding: Coding::Gzip, level: 4 };
const ZSTD: Grade = Grade { coding: Coding::Zstd, level: 3 };
/// Confirmations of what a client has as it came, and in a coding.
const PLAIN: Change = Change::Confirms { weakly: false };
const ENCODED: Change = Change::Confirms { weakly: true };

fn rules(with_credentials: bool) -> Arc<Compression> {
    let types = MediaTypes::compile(&["text/*".into(), "application/json".into()]).unwrap();
    Arc::new(Compression { grades: [ZSTD, GZIP].into(), types, min_length: 1024, with_credentials })
}

fn wish(rules: &Arc<Compression>, version: &str, fields: &str) -> Wish {
    let head = format!("GET / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
    let mut slots = slots();
    Wish::of(rules, &Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap())
}

fn judged(wish: &Wish, status: u16, fields: &str) -> Change {
    let head = format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
    let mut slots = slots();
    wish.judge(&Response::parse(head.as_bytes(), &mut slots, &LIMITS).unwrap())
}

/// A 200 of text that is long enough, with further fields, to a request with these.
fn text(request: &str, response: &str) -> Change {
    let response = format!("Content-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\n{response}");
    judged(&wish(&rules(false), "1.1", request), 200, &response)
}

#[test]
fn who_accepts_a_coding_gets_what_is_worth_it() {
    assert_eq!(text("Accept-Encoding: gzip\r\n", ""), Change::Encodes(GZIP));
    assert_eq!(text("accept-encoding: gzip\r\nACCEPT-ENCODING: zstd\r\n", ""), Change::Encodes(ZSTD));
    assert_eq!(text("", ""), Change::Varies);
    assert_eq!(text("Accept-Encoding: br\r\n", ""), Change::Varies);
}

#[test]
fn the_answer_decides_whether_anybody_gets_it_in_a_coding() {
    let asks = wish(&rules(false), "1.1", "Accept-Encoding: gzip\r\n");
    for (status, fields, expected) in [
        (200, "Content-Type: TEXT/plain\r\nContent-Length: 1024\r\n", Change::Encodes(GZIP)),
        (404, "Content-Type: application/json;a=b\r\nContent-Length: 1024\r\n", Change::Encodes(GZIP)),
        (500, "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", Change::Encodes(GZIP)),
        (200, "Content-Type: text/plain\r\n", Change::Encodes(GZIP)),
        (200, "Content-Type: text/plain\r\nContent-Length: 1023\r\n", Change::Varies),
        (200, "Content-Type: text/plain\r\nContent-Length: 1\r\n", Change::Varies),
        (200, "Content-Type: image/png\r\nContent-Length: 1\r\n", Change::Nothing),
        (200, "Content-Type: text/plain\r\nContent-Length: 0\r\n", Change::Nothing),
        (200, "Content-Length: 1024\r\n", Change::Nothing),
        (200, "Content-Type: image/png\r\nContent-Length: 1024\r\n", Change::Nothing),
        (200, "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", Change::Nothing),
        (200, "Content-Type: text/plain\r\nCONTENT-encoding: identity\r\n", Change::Nothing),
        (200, "Content-Type: text/plain\r\nContent-Range: bytes 0-1/2\r\n", Change::Nothing),
        (200, "Content-Type: text/plain\r\nCache-Control: a, No-Transform\r\n", Change::Nothing),
        (200, "Content-Type: text/plain\r\nCache-Control: no-transforms\r\n", Change::Encodes(GZIP)),
        (206, "Content-Type: text/plain\r\nContent-Length: 2048\r\n", Change::Nothing),
        (204, "Content-Type: text/plain\r\n", Change::Nothing),
        (205, "Content-Type: text/plain\r\n", Change::Nothing),
        (304, "", PLAIN),
        (304, "Content-Type: text/plain\r\nContent-Length: 3\r\n", PLAIN),
        (304, "Content-Type: image/png\r\n", Change::Nothing),
        (304, "Content-Encoding: br\r\n", Change::Nothing),
        (200, "Content-Type: text/plain\r\nContent-Type: image/png\r\n", Change::Encodes(GZIP)),
        (200, "Content-Type: image/png\r\nContent-Type: text/plain\r\n", Change::Nothing),
        (
            200,
            "Content-Type: text/plain\r\nCache-Control: no-transform\r\nCache-Control: a\r\n",
            Change::Nothing,
        ),
    ] {
        assert_eq!(judged(&asks, status, fields), expected, "{status} {fields:?}");
    }
    let least = Compression { min_length: 0, ..(*rules(false)).clone() };
    let asks_for_all = wish(&Arc::new(least), "1.1", "Accept-Encoding: gzip\r\n");
    for (length, expected) in [(1, Change::Encodes(GZIP)), (0, Change::Nothing)] {
        let fields = format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n");
        assert_eq!(judged(&asks_for_all, 200, &fields), expected, "nothing is not worth a coding");
    }
    let asks_not = wish(&rules(false), "1.1", "");
    assert_eq!(judged(&asks_not, 304, ""), Change::Varies);
}

#[test]
fn a_304_is_of_what_the_client_names() {
    let one = "ETag: \"a\"\r\n";
    for (named, fields, expected) in [
        ("If-None-Match: W/\"a\"\r\n", one, ENCODED),
        ("if-none-match: \"b\"\r\nIf-None-Match: W/\"c\"\r\nIf-None-Match: W/\"a\"\r\n", one, ENCODED),
        ("If-None-Match: W/\"a\"\r\n", "ETag: W/\"a\"\r\nContent-Type: text/plain\r\n", ENCODED),
        ("If-None-Match: W/\"a\"\r\n", "ETag: \"a\"\r\nContent-Type: image/png\r\n", Change::Nothing),
        ("If-None-Match: W/\"a\"\r\n", "ETag: a\r\n", PLAIN),
        ("If-None-Match: W/\"a\"\r\n", "", PLAIN),
        ("If-None-Match: W/\"b\"\r\n", one, PLAIN),
        ("If-None-Match: \"a\"\r\n", one, PLAIN),
        ("If-None-Match: \"a\"\r\n", "ETag: \"a\"\r\nContent-Type: text/plain\r\n", PLAIN),
        ("If-None-Match: *\r\n", one, PLAIN),
        ("If-Modified-Since: x\r\n", one, PLAIN),
    ] {
        let asks = wish(&rules(false), "1.1", &format!("Accept-Encoding: gzip\r\n{named}"));
        assert_eq!(judged(&asks, 304, fields), expected, "{named} {fields}");
        let asks_not = wish(&rules(false), "1.1", named);
        let varies = if expected == Change::Nothing { expected } else { Change::Varies };
        assert_eq!(judged(&asks_not, 304, fields), varies, "{named} {fields}");
    }
}

#[test]
fn a_client_that_refuses_what_is_in_no_coding_gets_what_is_short_encoded_too() {
    let asks = wish(&rules(false), "1.1", "Accept-Encoding: gzip, identity;q=0\r\n");
    let short = |length: u32| format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n");
    assert_eq!(judged(&asks, 200, &short(1)), Change::Encodes(GZIP));
    assert_eq!(judged(&asks, 200, &short(0)), Change::Nothing);
    // Whoever gets the same answer in another form is told so, be it plain by its own wish or by its length.
    for others in ["", "Accept-Encoding: gzip\r\n", "Accept-Encoding: gzip, identity\r\n"] {
        let other = wish(&rules(false), "1.1", others);
        assert_eq!(judged(&other, 200, &short(1)), Change::Varies, "{others}");
        assert_eq!(judged(&other, 200, &short(0)), Change::Nothing, "{others}");
    }
}

#[test]
fn old_clients_and_those_that_want_it_as_it_is_get_none() {
    let ok = "Content-Type: text/plain\r\nContent-Length: 1024\r\n";
    assert_eq!(judged(&wish(&rules(true), "1.0", "Accept-Encoding: gzip\r\n"), 200, ok), Change::Varies);
    assert_eq!(text("Accept-Encoding: gzip\r\nCache-Control: no-transform\r\n", ""), Change::Varies);
    assert_eq!(text("Accept-Encoding: gzip\r\nCache-Control: no-cache\r\n", ""), Change::Encodes(GZIP));
    let behind_others = "Accept-Encoding: gzip\r\nCache-Control: no-transform\r\nCache-Control: no-cache\r\n";
    assert_eq!(text(behind_others, ""), Change::Varies);
    let old = "Accept-Encoding: gzip\r\nCache-Control: no-cache\r\n";
    assert_eq!(judged(&wish(&rules(true), "1.0", old), 200, ok), Change::Varies);
}

#[test]
fn no_secret_of_one_client_is_compressed_unless_the_route_says_so() {
    let asks = |fields: &str| format!("Accept-Encoding: gzip\r\n{fields}\r\n");
    for secret in ["Cookie: a=b", "cookie:", "AUTHORIZATION: Basic eA=="] {
        let secret = asks(secret);
        assert_eq!(text(&secret, ""), Change::Varies, "{secret}");
        assert_eq!(text(&secret, "Cache-Control: max-age=1, Public\r\n"), Change::Encodes(GZIP));
        let two_lines = "Cache-Control: public\r\nCache-Control: max-age=1\r\n";
        assert_eq!(text(&secret, two_lines), Change::Encodes(GZIP));
        assert_eq!(text(&secret, "Cache-Control: public\r\nSet-Cookie: a=b\r\n"), Change::Varies);
        assert!(wish(&rules(false), "1.1", &secret).is_guarded());
        assert!(!wish(&rules(true), "1.1", &secret).is_guarded());
    }
    assert_eq!(text(&asks("X: y"), "Set-Cookie: a=b\r\n"), Change::Varies);
    let fields = "Content-Type: text/plain\r\nContent-Length: 1024\r\nSet-Cookie: a=b\r\n";
    let with = wish(&rules(true), "1.1", &asks("Cookie: a=b"));
    assert_eq!(judged(&with, 200, fields), Change::Encodes(GZIP));
}

/// The lines of a head that a change writes, and the names that it leaves out.
fn written(change: Change, fields: &str, removed: &str) -> String {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    let mut slots = slots();
    let response = Response::parse(head.as_bytes(), &mut slots, &LIMITS).unwrap();
    let mut output = Vec::new();
    put(&mut output, change, &response.fields, |name| !name.eq_ignore_ascii_case(removed.as_bytes()));
    String::from_utf8(output).unwrap()
}

#[test]
fn what_is_in_a_coding_says_so_and_that_it_varies() {
    const VARY: &str = "Vary: Accept-Encoding\r\n";
    let gzip = |rest: &str| format!("Content-Encoding: gzip\r\n{rest}");
    for (fields, expected) in [
        ("", gzip(VARY)),
        ("Vary: Origin\r\n", gzip(VARY)),
        ("Vary: Origin\r\nvary: x, accept-ENCODING\r\n", gzip("")),
        ("Vary: *\r\n", gzip("")),
        ("ETag: \"a\"\r\n", gzip(&format!("ETag: W/\"a\"\r\n{VARY}"))),
        ("etag: W/\"a\"\r\n", gzip(&format!("ETag: W/\"a\"\r\n{VARY}"))),
        ("ETag: a\r\n", gzip(VARY)),
        ("ETag: \"\r\n", gzip(VARY)),
        ("ETag: \"a\", \"b\"\r\n", gzip(VARY)),
        ("ETag: w/\"a\"\r\n", gzip(VARY)),
    ] {
        assert_eq!(written(Change::Encodes(GZIP), fields, ""), expected, "{fields:?}");
    }
    assert_eq!(written(Change::Encodes(ZSTD), "", ""), format!("Content-Encoding: zstd\r\n{VARY}"));
    assert_eq!(written(Change::Varies, "ETag: \"a\"\r\n", ""), VARY);
    assert_eq!(written(ENCODED, "ETag: \"a\"\r\n", ""), format!("ETag: W/\"a\"\r\n{VARY}"));
    assert_eq!(written(PLAIN, "ETag: \"a\"\r\n", ""), VARY);
    assert_eq!(written(Change::Nothing, "ETag: \"a\"\r\n", ""), "");
    // What the route takes out says nothing.
    assert_eq!(written(Change::Varies, "Vary: Accept-Encoding\r\n", "vary"), VARY);
    assert_eq!(written(ENCODED, "ETag: \"a\"\r\n", "etag"), VARY);
}

#[test]
fn what_speaks_of_the_very_bytes_is_left_out_of_another_coding() {
    for name in ["ETag", "Digest", "Content-MD5", "Repr-Digest", "Content-Digest", "Accept-Ranges"] {
        assert!(describes_bytes(name.as_bytes()), "{name}");
        assert!(Change::Encodes(GZIP).leaves_out(name.to_uppercase().as_bytes()), "{name}");
        assert!(!Change::Varies.leaves_out(name.as_bytes()), "{name}");
        assert_eq!(ENCODED.leaves_out(name.as_bytes()), name == "ETag");
        assert!(!PLAIN.leaves_out(name.as_bytes()), "{name}");
    }
    for name in ["E-Tag", "Digests", "Last-Modified", "Content-Type", "Content-Language", "Link", "X-Digest"]
    {
        assert!(!describes_bytes(name.as_bytes()), "{name}");
    }
}
