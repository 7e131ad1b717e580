//! Heads at their bounds, byte by byte, and every way to be malformed.

use super::*;

const LIMITS: HeadLimits = HeadLimits { head: 1024, line: 256, fields: 8, target: 64 };

fn request<T>(bytes: &[u8], look: impl FnOnce(Result<Request<'_, '_>, HeadFault>) -> T) -> T {
    let mut slots = slots();
    look(Request::parse(bytes, &mut slots, &LIMITS, Kept::NONE))
}

fn fault(bytes: &[u8]) -> Option<HeadFault> {
    request(bytes, |outcome| outcome.map(drop).err())
}

#[test]
fn a_head_is_found_however_it_is_cut() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    for cut in 0..head.len() {
        let first = find_end(&head[..cut], 0, &LIMITS);
        assert_eq!(first, Ok((cut >= 27).then_some(27)), "cut at {cut}");
        assert_eq!(find_end(head, cut.min(26), &LIMITS), Ok(Some(27)));
    }
}

#[test]
fn a_bare_line_feed_is_refused_at_once() {
    for head in [&b"GET / HTTP/1.1\nHost: a\n\n"[..], b"\n", b"GET / HTTP/1.1\r\nHost: a\n"] {
        assert_eq!(find_end(head, 0, &LIMITS), Err(HeadFault::Malformed));
    }
    assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), Some(HeadFault::Malformed));
    assert_eq!(fault(b"GET / HTTP/1.1\nHost: a\r\n\r\n"), Some(HeadFault::Malformed));
    assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n\r\n"), Some(HeadFault::Malformed));
}

#[test]
fn sizes_are_bounded() {
    let long_target = [b"GET /", &[b'a'; 2000][..]].concat();
    assert_eq!(find_end(&long_target, 0, &LIMITS), Err(HeadFault::TargetTooLong));
    let long_head = [b"GET / HTTP/1.1\r\n", &[b'a'; 2000][..]].concat();
    assert_eq!(find_end(&long_head, 0, &LIMITS), Err(HeadFault::TooLarge));
    let line = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", &[b'a'; 300][..], b"\r\n\r\n"].concat();
    assert_eq!(fault(&line), Some(HeadFault::TooLarge));
    let early = [b"GET / HTTP/1.1\r\nX: ", &[b'a'; 300][..], b"\r\nHost: a\r\n\r\n"].concat();
    assert_eq!(fault(&early), Some(HeadFault::TooLarge));
    let fields =
        [b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec(), b"X: y\r\n".repeat(8), b"\r\n".to_vec()].concat();
    assert_eq!(fault(&fields), Some(HeadFault::TooLarge));
}

#[test]
fn every_byte_of_names_values_methods_and_targets_is_judged() {
    for byte in 0..=255_u8 {
        let name = [b"GET / HTTP/1.1\r\nHost: a\r\nX", &[byte][..], b"Y: z\r\n\r\n"].concat();
        let token = syntax::is_token(&[byte]) || byte == b':';
        assert_eq!(fault(&name).is_none(), token, "name with {byte:#x}");
        let value = [b"GET / HTTP/1.1\r\nHost: a\r\nX: y", &[byte][..], b"z\r\n\r\n"].concat();
        let legal = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert_eq!(fault(&value).is_none(), legal, "value with {byte:#x}");
        let method = [b"G", &[byte][..], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(fault(&method).is_none(), syntax::is_token(&[byte]), "method with {byte:#x}");
        let target = [b"GET /a?", &[byte][..], b"b HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(fault(&target).is_none(), syntax::is_target(&[byte]), "query with {byte:#x}");
        let path = [b"GET /a", &[byte][..], b"x HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let ambiguous = matches!(byte, b'\\' | b'%');
        let judged = fault(&path);
        assert_eq!(judged.is_none(), syntax::is_target(&[byte]) && !ambiguous, "path with {byte:#x}");
        assert_eq!(judged == Some(HeadFault::AmbiguousPath), ambiguous, "path with {byte:#x}");
        let host = [b"GET / HTTP/1.1\r\nHost: a", &[byte][..], b"b\r\n\r\n"].concat();
        assert_eq!(fault(&host).is_none(), syntax::is_host(&[b'a', byte, b'b']), "host with {byte:#x}");
    }
}

#[test]
fn malformed_heads_are_refused() {
    for head in [
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(fault(head.as_bytes()), Some(HeadFault::Malformed), "{head:?}");
    }
    for head in ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"] {
        assert_eq!(fault(head.as_bytes()), Some(HeadFault::Version), "{head:?}");
    }
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(fault(head.as_bytes()), Some(HeadFault::Host), "{head:?}");
    }
    assert_eq!(fault(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(HeadFault::Connect));
}

#[test]
fn the_three_forms_of_a_target_give_host_and_path() {
    let row = |head: &str| {
        request(head.as_bytes(), |outcome| {
            let request = outcome.unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (text(request.host), text(request.path()), text(&request.target))
        })
    };
    let expect = |host: &str, path: &str, target: &str| (host.into(), path.into(), target.into());
    assert_eq!(row("GET /p?q HTTP/1.1\r\nHost: h:1\r\n\r\n"), expect("h:1", "/p", "/p?q"));
    assert_eq!(row("GET http://b/p HTTP/1.1\r\nHost: h\r\n\r\n"), expect("b", "/p", "/p"));
    assert_eq!(row("GET HTTP://b HTTP/1.1\r\nHost: h\r\n\r\n"), expect("b", "/", "/"));
    assert_eq!(row("GET http://b?q HTTP/1.1\r\nHost: h\r\n\r\n"), expect("b", "/", "/?q"));
    assert_eq!(row("OPTIONS http://b HTTP/1.1\r\nHost: h\r\n\r\n"), expect("b", "*", "*"));
    assert_eq!(row("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), expect("h", "*", "*"));
    assert_eq!(row("GET / HTTP/1.0\r\n\r\n"), expect("", "/", "/"));
}

#[test]
fn a_path_is_canonical_and_a_query_is_left_alone() {
    for target in ["/a/./%7eb//c/../?x=/../%2f%5C\\%zz", "http://h/a/%2E/~b/?x=/../%2f%5C\\%zz"] {
        request(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes(), |outcome| {
            let request = outcome.unwrap();
            assert_eq!(
                (request.path(), &*request.target),
                (&b"/a/~b/"[..], &b"/a/~b/?x=/../%2f%5C\\%zz"[..])
            );
        });
    }
    for target in ["/a%2Fb", "/%zz", "/a\\b", "http://h/a%00", "/..;/x"] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(fault(head.as_bytes()), Some(HeadFault::AmbiguousPath), "{target}");
    }
}

#[test]
fn hops_of_our_kind_are_counted() {
    let row = |fields: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        request(head.as_bytes(), |outcome| outcome.unwrap().fields.hops())
    };
    assert_eq!(row(""), 0);
    assert_eq!(row("Via: 1.1 other, 1.0 headgates, headgate\r\n"), 0);
    assert_eq!(row("Via: 1.1 headgate,HTTP/1.0  Headgate (x)\r\nVia: 1.1 headgate\r\n"), 3);
}

#[test]
fn only_options_and_trace_count_the_hops_left() {
    let row = |method: &str, fields: &str| {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        request(head.as_bytes(), |outcome| outcome.unwrap().hops_left())
    };
    assert_eq!(row("OPTIONS", "Max-Forwards: 07\r\n"), Some(7));
    assert_eq!(row("TRACE", "max-forwards: 0\r\n"), Some(0));
    assert_eq!(row("GET", "Max-Forwards: 0\r\n"), None);
    for fields in ["", "Max-Forwards: x\r\n", "Max-Forwards: 1\r\nMax-Forwards: 1\r\n"] {
        assert_eq!(row("OPTIONS", fields), None);
    }
}

#[test]
fn connection_options_persist_close_and_nominate() {
    let row = |connection: &str, minor: u8| {
        let head = format!("GET / HTTP/1.{minor}\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
        request(head.as_bytes(), |outcome| {
            let request = outcome.unwrap();
            (request.persists, request.fields.is_nominated(b"x-secret"))
        })
    };
    assert_eq!(row("keep-alive", 1), (true, false));
    assert_eq!(row("Close", 1), (false, false));
    assert_eq!(row("x-other, X-Secret", 1), (true, true));
    assert_eq!(row("x-other", 0), (false, false));
    assert_eq!(row("Keep-Alive", 0), (true, false));
    let many = (0..20).map(|i| format!("x{i}")).collect::<Vec<_>>().join(",");
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {many}\r\n\r\n");
    assert_eq!(fault(head.as_bytes()), Some(HeadFault::TooLarge));
}

#[test]
fn only_one_expectation_is_known() {
    let row = |head: &str| request(head.as_bytes(), |outcome| outcome.unwrap().expects_continue());
    assert_eq!(row("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n"), Ok(true));
    assert_eq!(row("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), Ok(false));
    assert_eq!(row("PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"), Err(HeadFault::Expectation));
}

#[test]
fn responses_are_as_strict() {
    let row = |bytes: &[u8]| {
        let mut slots = slots();
        Response::parse(bytes, &mut slots, &LIMITS).map(|response| (response.status, response.persists))
    };
    assert_eq!(row(b"HTTP/1.1 200 OK\r\n\r\n"), Ok((200, true)));
    assert_eq!(row(b"HTTP/1.0 404\r\nConnection: keep-alive\r\n\r\n"), Ok((404, true)));
    assert_eq!(row(b"HTTP/1.0 404 \r\n\r\n"), Ok((404, false)));
    for bytes in [
        &b"HTTP/1.1 200 OK\n\r\n\r\n"[..],
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
    ] {
        assert_eq!(row(bytes), Err(HeadFault::Malformed), "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(row(b"HTTP/3.0 200 OK\r\n\r\n"), Err(HeadFault::Malformed));
}
