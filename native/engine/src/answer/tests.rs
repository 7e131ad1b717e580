//! What clients get of redirects and fixed answers, byte for byte.

use super::*;
use crate::edits::{Direction, FieldRules, Names};
use crate::http1::head::{slots, HeadLimits};
use crate::http1::path::{Kept, Spelling};

const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 4096, fields: 10, target: 4096 };
const DATE: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";

fn words<'a>(request: &'a Request<'_, '_>, scheme: &'a [u8]) -> Words<'a> {
    Words {
        client_ip: b"192.0.2.1",
        host: host_without_port(request.host),
        method: request.method,
        path: request.path(),
        request_id: b"id",
        scheme,
    }
}

fn answered(answer: &Answer, head: &str, scheme: &str) -> Result<String, NoHost> {
    let (mut slots, mut output) = (slots(), Vec::new());
    let kept: Kept = [Spelling::DuplicateSlashes].into_iter().collect();
    let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, kept).unwrap();
    let closing = Closing { date: DATE, close: false, confirm_keep_alive: false };
    answer.put(&mut output, &request, &words(&request, scheme.as_bytes()), b"", closing)?;
    Ok(String::from_utf8(output).unwrap())
}

fn fixed(status: u16, body: &str) -> Answer {
    let content = Content::Fixed { content_type: "text/plain".into(), body: body.as_bytes().into() };
    Answer { status, content, fields: FieldEdits::default() }
}

/// The location that a redirect leads a request to.
fn location(redirect: Redirect, request: &str, scheme: &str) -> String {
    let answer = Answer { status: 302, content: Content::Redirect(redirect), fields: FieldEdits::default() };
    let text = answered(&answer, request, scheme).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 302 Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nLocation: "),
        "{head}"
    );
    assert!(head.ends_with("\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 10"), "{head}");
    assert_eq!(body, "302 Found\n");
    head.split("\r\n").find_map(|line| line.strip_prefix("Location: ")).unwrap().to_string()
}

#[test]
fn a_redirect_changes_what_it_says_and_keeps_the_rest() {
    let asked = "GET /a/b?c=d HTTP/1.1\r\nHost: h:8080\r\n\r\n";
    let none = Redirect::default;
    let host = || Some(b"other".as_slice().into());
    let prefix = || PathRewrite::prefix("/a", "/z");
    for (redirect, expected) in [
        (Redirect { scheme: Some("https".into()), ..none() }, "https://h/a/b?c=d"),
        (Redirect { scheme: Some("https".into()), port: Some(8443), ..none() }, "https://h:8443/a/b?c=d"),
        (Redirect { host: host(), ..none() }, "http://other:8080/a/b?c=d"),
        (Redirect { host: host(), port: Some(80), ..none() }, "http://other/a/b?c=d"),
        (Redirect { host: host(), port: Some(443), ..none() }, "http://other:443/a/b?c=d"),
        (Redirect { path: PathRewrite::Whole(b"/x".as_slice().into()), ..none() }, "http://h:8080/x?c=d"),
        (Redirect { path: prefix(), ..none() }, "http://h:8080/z/b?c=d"),
    ] {
        assert_eq!(location(redirect, asked, "http"), expected);
    }
}

#[test]
fn the_scheme_is_the_clients_unless_it_is_said() {
    let asked = "GET / HTTP/1.1\r\nHost: h:443\r\n\r\n";
    let other = Redirect { host: Some(b"[2001:db8::1]".as_slice().into()), ..Redirect::default() };
    assert_eq!(location(other.clone(), asked, "https"), "https://[2001:db8::1]/");
    assert_eq!(location(other, asked, "http"), "http://[2001:db8::1]:443/");
    let bare = "GET http://[::1]:/x HTTP/1.1\r\nHost: h\r\n\r\n";
    let path = PathRewrite::prefix("", "/y");
    assert_eq!(location(Redirect { path, ..Redirect::default() }, bare, "http"), "http://[::1]/y/x");
}

/// An empty segment at the front of a path is no host.
#[test]
fn no_path_passes_for_a_host() {
    let asked = "GET //evil.example/x HTTP/1.1\r\nHost: h\r\n\r\n";
    let redirect = Redirect { scheme: Some("https".into()), ..Redirect::default() };
    assert_eq!(location(redirect, asked, "http"), "https://h//evil.example/x");
    let asked = "GET /a//evil.example/x HTTP/1.1\r\nHost: h\r\n\r\n";
    let path = PathRewrite::prefix("/a", "/");
    assert_eq!(location(Redirect { path, ..Redirect::default() }, asked, "http"), "http://h//evil.example/x");
}

#[test]
fn without_a_host_there_is_no_location() {
    let redirect = Redirect { scheme: Some("https".into()), ..Redirect::default() };
    let answer = Answer { status: 301, content: Content::Redirect(redirect), fields: FieldEdits::default() };
    assert_eq!(answered(&answer, "GET / HTTP/1.0\r\n\r\n", "http"), Err(NoHost));
}

#[test]
fn a_server_as_a_whole_has_no_path() {
    let redirect = Redirect { scheme: Some("https".into()), ..Redirect::default() };
    assert_eq!(location(redirect, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "http"), "https://h");
}

#[test]
fn a_fixed_answer_is_the_same_for_everybody() {
    assert_eq!(
        answered(&fixed(200, "hello"), "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "http").unwrap(),
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(
        answered(&fixed(299, ""), "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "http").unwrap(),
        "HTTP/1.1 299 \r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
    );
    assert!(answered(&fixed(205, ""), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http")
        .unwrap()
        .ends_with("\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn an_answer_to_head_has_no_body_but_its_length() {
    let text = answered(&fixed(200, "hello"), "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "http").unwrap();
    assert!(text.ends_with("\r\nContent-Length: 5\r\n\r\n"), "{text}");
}

#[test]
fn a_status_without_a_body_has_none() {
    for status in [204, 304] {
        let text = answered(&fixed(status, "hello"), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http").unwrap();
        assert!(text.ends_with("GMT\r\n\r\n"), "{text}");
    }
}

#[test]
fn a_route_adds_fields_and_replaces_the_type() {
    let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
    let set = [pair("content-type", "text/html"), pair("X-For", "{client_ip}{path}")];
    let rules = FieldRules { set: &set, add: &[], remove: &[] };
    let names = Names { route: "r", service: "" };
    let fields = FieldEdits::compile(Direction::Response, rules, names).unwrap();
    let text = answered(&Answer { fields, ..fixed(200, "x") }, "GET /p HTTP/1.1\r\nHost: h\r\n\r\n", "http")
        .unwrap();
    assert!(
        text.ends_with("GMT\r\nContent-Length: 1\r\ncontent-type: text/html\r\nX-For: 192.0.2.1/p\r\n\r\nx"),
        "{text}"
    );
}

#[test]
fn the_connection_is_spoken_of() {
    let (mut slots, mut output) = (slots(), Vec::new());
    let request =
        Request::parse(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &mut slots, &LIMITS, Kept::NONE).unwrap();
    for (close, confirm_keep_alive, expected) in
        [(true, true, "\r\nConnection: close\r\n\r\n"), (false, true, "\r\nConnection: keep-alive\r\n\r\n")]
    {
        output.clear();
        let closing = Closing { date: DATE, close, confirm_keep_alive };
        fixed(200, "").put(&mut output, &request, &words(&request, b"http"), b"", closing).unwrap();
        assert!(String::from_utf8_lossy(&output).ends_with(expected));
    }
}
