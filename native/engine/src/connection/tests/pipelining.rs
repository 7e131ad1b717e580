//! Several requests on one connection: order, what is kept of the next ones, and where one ends and the next begins.

use super::scene::{Scene, GET, OK, POST, SECOND};
use crate::connection::{Action, MAX_PIPELINED_BYTES};

const NOWHERE: &str = "GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n";

/// Requests in one chunk are answered one after the other; each end says that more waits.
#[test]
fn pipelined_requests_are_taken_up_in_turn() {
    let mut scene = Scene::new();
    let second = POST.replace("POST /", "POST /second");
    let told = scene.receive([GET, &second, NOWHERE].concat());
    assert_eq!((told.action, told.text().starts_with("GET / ")), (Action::Forward, true));
    assert_eq!((scene.respond(OK).action, scene.held()), (Action::Finish, 0));
    let told = scene.receive("");
    assert!(told.text().starts_with("POST /second ") && told.text().ends_with("\r\n\r\nabc"));
    let told = scene.respond(OK);
    assert_eq!((told.action, told.argument), (Action::Finish, 1));
    let told = scene.receive("");
    assert_eq!((told.answer(), told.argument), ((Action::Reply, 404), 0));
    assert_eq!(scene.receive("").action, Action::Wait);
    assert!(scene.connection.is_idle());
}

/// An answer of the gateway's own says as well whether more waits.
#[test]
fn a_refusal_says_that_more_waits() {
    let mut scene = Scene::new();
    let told = scene.receive([NOWHERE, GET].concat());
    assert_eq!((told.answer(), told.argument), ((Action::Reply, 404), 1));
    assert!(!scene.connection.is_idle());
    assert_eq!(scene.receive("").action, Action::Forward);
}

/// A body that is refused for its size in the very chunk that completes it, with the beginning of another request
/// behind it: the connection ends there, since what follows could be taken for anything.
#[test]
fn nothing_is_read_after_a_body_that_was_refused() {
    let body = format!("7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2_000));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let next = "POST / HTTP/1.1\r\nHost: a\r\nX: ";
    let mut at_once = Scene::new();
    assert_eq!(at_once.receive([head, &body, next].concat()).answer(), (Action::ReplyClose, 413));
    assert_eq!(at_once.receive(GET).action, Action::Wait);
    let mut later = Scene::new();
    assert_eq!(later.receive(head).action, Action::Forward);
    assert_eq!(later.receive([&body, next].concat()).answer(), (Action::ReplyClose, 413));
    assert_eq!(later.receive(GET).action, Action::Wait);
    at_once.ends_as(413);
    later.ends_as(413);
}

/// A client that closes its side after several requests is answered every one of them.
#[test]
fn a_half_closed_client_gets_all_its_answers() {
    let mut scene = Scene::forwarded(&[GET, NOWHERE, NOWHERE].concat());
    assert_eq!(scene.client_eof().action, Action::Wait);
    assert_eq!((scene.respond(OK).action, scene.held()), (Action::Finish, 0));
    let told = scene.receive("");
    assert_eq!((told.answer(), told.argument), ((Action::Reply, 404), 1));
    assert_eq!(scene.receive("").answer(), (Action::ReplyClose, 404));
}

/// The FIN may be heard between two requests, while the next one waits to be taken up.
#[test]
fn a_fin_between_two_pipelined_requests_ends_neither() {
    let mut scene = Scene::new();
    assert_eq!(scene.receive([NOWHERE, GET].concat()).answer(), (Action::Reply, 404));
    assert_eq!(scene.client_eof().action, Action::Wait);
    assert_eq!(scene.receive("").action, Action::Forward);
    assert_eq!(scene.respond(OK).action, Action::FinishClose);
}

/// The same with a request that is cut off: it will never be complete.
#[test]
fn a_fin_within_a_request_ends_the_connection() {
    for rest in [&GET[..9], "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"] {
        let mut early = Scene::new();
        assert_eq!(early.receive([NOWHERE, rest].concat()).answer(), (Action::Reply, 404));
        early.client_eof();
        assert_eq!((early.receive("").action, early.held()), (Action::Close, 0), "{rest:?}");
        let mut late = Scene::new();
        late.receive(rest);
        assert_eq!((late.client_eof().action, late.held()), (Action::Close, 0), "{rest:?}");
    }
}

/// Beyond a bound the client is not read until what it sent has become less.
#[test]
fn too_much_pipelined_holds_the_client() {
    let many = GET.repeat(MAX_PIPELINED_BYTES / GET.len() + 2);
    let mut scene = Scene::forwarded(GET);
    assert_eq!(scene.receive(&many).action, Action::Hold);
    assert!(scene.connection.is_full());
    assert_eq!(scene.respond(OK).action, Action::Finish);
    assert!(scene.connection.is_full());
    for _ in 0..2 {
        assert_eq!(scene.receive("").action, Action::Forward);
        scene.respond(OK);
    }
    assert!(!scene.connection.is_full());
}

/// A head that is not complete yet is no reason to hold: the rest of it must be read, and its own limit bounds it.
#[test]
fn a_long_head_does_not_hold_the_client() {
    let mut scene = Scene::with(|document| document["listeners"][0]["max_head_bytes"] = 1_000_000.into());
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X: y\r\n".repeat(MAX_PIPELINED_BYTES / 6 + 1));
    assert_eq!(scene.receive(long).action, Action::Wait);
    assert!(!scene.connection.is_full());
}

/// Four empty lines before a request are ignored (RFC 9112 §2.2) however they are cut, a fifth or a bare line feed never.
#[test]
fn empty_lines_before_a_request_are_ignored() {
    let bytes = ["\r\n\r\n\r\n\r\n", GET].concat();
    for cut in 0..bytes.len() {
        let mut scene = Scene::new();
        assert_eq!(scene.receive(&bytes[..cut]).action, Action::Wait, "cut at {cut}");
        assert_eq!(scene.receive(&bytes[cut..]).action, Action::Forward, "cut at {cut}");
        assert_eq!(scene.respond(OK).action, Action::Finish);
        assert_eq!(scene.receive(&bytes).action, Action::Forward, "every request has its own four");
    }
    let flood = ["\r\n", &bytes].concat();
    for cut in 0..10 {
        let mut scene = Scene::new();
        scene.receive(&flood[..cut]);
        assert_eq!(scene.receive(&flood[cut..]).answer(), (Action::ReplyClose, 400), "cut at {cut}");
    }
    assert_eq!(Scene::new().receive(["\n", GET].concat()).answer(), (Action::ReplyClose, 400));
}

/// The last request that a connection may carry says so; what was pipelined behind it is discarded, and so is what
/// still comes: the client may not know.
#[test]
fn the_last_allowed_request_closes() {
    let mut scene = Scene::with(|document| document["listeners"][0]["max_requests"] = 2.into());
    scene.receive([GET, GET, GET].concat());
    assert_eq!(scene.respond(OK).action, Action::Finish);
    scene.receive("");
    let told = scene.respond(OK);
    assert_eq!((told.action, told.argument), (Action::FinishClose, 1));
    assert!(told.text().contains("\r\nConnection: close\r\n"));
    assert_eq!((scene.receive("").action, scene.receive(GET).action), (Action::Wait, Action::Wait));
}

/// The first answer after the connection's time says that it is the last, be it an instance's or our own.
#[test]
fn an_old_connection_closes_with_its_next_answer() {
    let aged = || Scene::with(|document| document["listeners"][0]["max_age_ms"] = 5_000.into());
    let mut scene = aged();
    scene.receive(GET);
    scene.pass(5 * SECOND - 1);
    assert_eq!(scene.respond(OK).action, Action::Finish);
    scene.receive(GET);
    scene.pass(1);
    let told = scene.respond(OK);
    assert_eq!((told.action, told.argument), (Action::FinishClose, 1));
    assert!(told.text().contains("\r\nConnection: close\r\n"));
    let mut scene = aged();
    scene.pass(5 * SECOND);
    let told = scene.receive("GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
    assert_eq!(told.answer(), (Action::ReplyClose, 404));
    assert!(told.text().contains("\r\nConnection: close\r\n"));
}
