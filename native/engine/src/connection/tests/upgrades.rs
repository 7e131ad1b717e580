//! Requests to switch protocols: what is asked of instances, what a 101 leads to, and what a tunnel holds.

use super::scene::{Scene, GET, OK, SECOND};
use crate::connection::Action;

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade, X\r\nX: 1\r\nSec-WebSocket-Accept: s\r\n\r\n";
const HOUR: u64 = 3_600 * SECOND;

fn with_upgrade(method: &str, version: &str, connection: &str, upgrade: &str, rest: &str) -> String {
    format!("{method} / HTTP/{version}\r\nHost: a\r\n{connection}\r\n{upgrade}\r\n{rest}\r\n")
}

/// The instance is asked with the gateway's own `Connection`, and the fields of the new protocol pass.
#[test]
fn an_upgrade_is_passed_on() {
    let told = Scene::new().receive(UPGRADE);
    assert_eq!(told.action, Action::Forward);
    let head = told.text();
    assert!(head.contains("\r\nSec-WebSocket-Key: k\r\n"));
    assert!(head.ends_with("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "{head:?}");
    assert_eq!(head.matches("onnection").count(), 1);
}

/// After the 101 the client gets it with what follows it, the early bytes are handed out once, and the request is
/// counted while its reservation stays.
#[test]
fn a_101_opens_the_tunnel() {
    let mut scene = Scene::forwarded(UPGRADE);
    assert_eq!(scene.receive("early").action, Action::Wait);
    scene.pass(SECOND);
    let told = scene.respond([SWITCHING, "first"].concat());
    assert_eq!(told.action, Action::Switch);
    assert_eq!(
        told.text(),
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst"
    );
    assert_eq!(scene.connection.take_early(), b"early");
    assert_eq!(scene.connection.take_early(), b"");
    assert_eq!((scene.counted(), scene.durations(), scene.held()), (vec![(101, 1)], vec![SECOND], 1));
    assert!(!scene.connection.is_idle());
    scene.pass(HOUR);
    scene.ends_as(101);
}

/// Bytes behind the head of the request are held in whatever pieces they came.
#[test]
fn bytes_with_the_request_are_held() {
    let mut scene = Scene::forwarded(&[UPGRADE, "ea"].concat());
    scene.receive("rly");
    assert_eq!(scene.respond(&SWITCHING[..30]).action, Action::Wait);
    assert_eq!(scene.respond(&SWITCHING[30..]).action, Action::Switch);
    assert_eq!(scene.connection.take_early(), b"early");
}

/// A tunnel in which nothing moves lives for its own time-out, counted from when bytes moved last.
#[test]
fn an_idle_tunnel_ends_after_its_own_time_out() {
    let mut scene = Scene::forwarded(UPGRADE);
    scene.respond(SWITCHING);
    scene.pass(HOUR / 2);
    scene.flowing();
    assert_eq!(scene.expire_after(HOUR).action, Action::Close);
    scene.ends_as(101);
}

/// A tunnel whose last bytes are not taken ends in the time for a write.
#[test]
fn a_stuck_end_of_a_tunnel_has_the_time_for_a_write() {
    let mut scene = Scene::forwarded(UPGRADE);
    scene.respond(SWITCHING);
    scene.stalled(true);
    assert_eq!(scene.expire_after(61 * SECOND).action, Action::Abort);
    scene.ends_as(101);
}

/// Without a 101 the answer is any other, and what the client sent early is its next request.
#[test]
fn without_a_101_the_exchange_goes_on() {
    let mut scene = Scene::forwarded(&[UPGRADE, GET].concat());
    let told = scene.respond(OK);
    assert_eq!((told.action, told.argument), (Action::Finish, 1));
    assert_eq!(scene.receive("").action, Action::Forward);
    assert_eq!(scene.respond(OK).action, Action::Finish);
    assert_eq!(scene.counted(), [(200, 2)]);
}

/// A 101 that the request did not ask for, or that names no protocol a tunnel may carry, is no answer.
#[test]
fn a_101_must_be_asked_for_and_name_its_protocol() {
    let unnamed = SWITCHING.replace("Upgrade: websocket\r\n", "");
    let to_http = SWITCHING.replace("Upgrade: websocket", "Upgrade: h2c");
    for (request, response) in [(GET, SWITCHING), (UPGRADE, &unnamed), (UPGRADE, &to_http)] {
        let mut scene = Scene::forwarded(request);
        assert_eq!(scene.respond(response).answer(), (Action::Reply, 502), "{response:?}");
        scene.ends_as(502);
    }
}

/// Interim responses may come before a 101.
#[test]
fn a_101_may_follow_an_interim_response() {
    let mut scene = Scene::forwarded(UPGRADE);
    let told = scene.respond(["HTTP/1.1 103 Hints\r\n\r\n", SWITCHING].concat());
    assert_eq!(told.action, Action::Switch);
    assert!(told.text().starts_with("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 101 "));
}

/// What does not ask as it must is an ordinary request, and an `Upgrade` to HTTP never leaves the gateway.
#[test]
fn other_upgrades_end_here() {
    let connection = "Connection: upgrade";
    for (version, connection, upgrade) in [
        ("1.1", "Connection: keep-alive", "Upgrade: websocket"),
        ("1.0", connection, "Upgrade: websocket"),
        ("1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ"),
        ("1.1", connection, "Upgrade: websocket, H2C"),
        ("1.1", connection, "Upgrade: HTTP/2.0"),
        ("1.1", connection, "Upgrade: websocket\r\nUpgrade: h2c"),
        ("1.1", connection, "Upgrade: "),
        ("1.1", connection, "X: y"),
    ] {
        let told = Scene::new().receive(with_upgrade("GET", version, connection, upgrade, ""));
        assert_eq!(told.action, Action::Forward, "{upgrade:?}");
        let head = told.text().to_ascii_lowercase();
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head:?}");
    }
}

/// A body could not be told from the new protocol: refused, and the connection lives on if the body is here.
#[test]
fn an_upgrade_with_a_body_is_refused() {
    let connection = "Connection: upgrade";
    for (rest, action) in [
        ("Content-Length: 2\r\n", Action::ReplyClose),
        ("Transfer-Encoding: chunked\r\n", Action::ReplyClose),
    ] {
        let mut scene = Scene::new();
        let told = scene.receive(with_upgrade("POST", "1.1", connection, "Upgrade: websocket", rest));
        assert_eq!(told.answer(), (action, 400), "{rest:?}");
        assert!(told.text().contains("details=\"upgrade with a body\""));
        assert_eq!((scene.counted(), scene.held()), (vec![(400, 1)], 0));
    }
    let whole = with_upgrade("POST", "1.1", connection, "Upgrade: x", "Content-Length: 2\r\n") + "ab";
    assert_eq!(Scene::new().receive(whole).answer(), (Action::ReplyClose, 400), "the same however it is cut");
    let empty = with_upgrade("GET", "1.1", connection, "Upgrade: x", "Content-Length: 0\r\n");
    assert_eq!(Scene::new().receive(empty).action, Action::Forward);
}
