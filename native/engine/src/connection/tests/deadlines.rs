//! What is waited for at each moment, for exactly how long, and what follows when it does not come.

use super::scene::{slot, Scene, GET, MILLI, OK, POST, POST_BEGUN, SECOND};
use crate::connection::Action;
use crate::state::Counter;

/// Time-outs of the scene's configuration, and the engine's own.
const HEADER: u64 = 10 * SECOND;
const BODY_IDLE: u64 = 30 * SECOND;
const KEEPALIVE: u64 = 75 * SECOND;
const WRITE: u64 = 61 * SECOND;
const CONNECT: u64 = 2 * SECOND;
const FIRST_BYTE: u64 = 31 * SECOND;
const IDLE: u64 = 60 * SECOND;
const LINGER: u64 = 2 * SECOND;

const PART: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok";

/// A silent client is closed without a word, a fresh one as well as one between two requests.
#[test]
fn an_idle_client_is_closed_quietly() {
    assert_eq!(Scene::new().expire_after(KEEPALIVE).action, Action::Close);
    let mut scene = Scene::forwarded(GET);
    scene.respond(OK);
    scene.pass(SECOND);
    assert_eq!(scene.expire_after(KEEPALIVE - SECOND).action, Action::Close);
    assert_eq!(scene.counted(), [(200, 1)]);
}

/// The time for a head runs from its first byte and is not renewed by the next ones.
#[test]
fn a_dripped_request_head_gets_408() {
    let mut scene = Scene::new();
    scene.receive("GET /");
    for _ in 0..9 {
        scene.pass(SECOND);
        assert_eq!(scene.receive("x").action, Action::Wait);
    }
    let told = scene.expire_after(HEADER - 9 * SECOND);
    assert_eq!((told.answer(), told.argument), ((Action::ReplyClose, 408), 1));
    assert_eq!((scene.counted_unrouted(), scene.counted()), (vec![(408, 1)], vec![]));
}

/// The time for a head starts anew with each request.
#[test]
fn each_head_has_its_own_time() {
    let mut scene = Scene::new();
    scene.receive(&GET[..5]);
    scene.pass(HEADER - 1);
    assert_eq!(scene.receive(&GET[5..]).action, Action::Forward);
    scene.respond(OK);
    scene.receive(&GET[..5]);
    assert_eq!(scene.expire_after(HEADER).answer(), (Action::ReplyClose, 408));
}

/// A client that stops within its body gets 408; one that goes on has the time again.
#[test]
fn a_body_that_stops_gets_408() {
    let mut scene = Scene::forwarded(POST_BEGUN);
    scene.pass(BODY_IDLE - 1);
    scene.receive("d");
    assert_eq!(scene.expire_after(BODY_IDLE).answer(), (Action::ReplyClose, 408));
    scene.ends_as(408);
}

/// A connect that takes too long counts as failed and goes to the other instance.
#[test]
fn a_slow_connect_goes_to_the_other_instance() {
    let mut scene = Scene::new();
    let first = slot(&scene.receive(POST));
    scene.connecting();
    assert_eq!(slot(&scene.expire_after(CONNECT)), 1 - first);
    scene.connecting();
    assert_eq!(scene.expire_after(CONNECT).answer(), (Action::Reply, 504));
    assert_eq!(scene.worker.state.counter(Counter::UpstreamConnectFailures), 2);
    scene.ends_as(504);
}

/// The body that comes meanwhile does not give a connect more time.
#[test]
fn a_body_does_not_prolong_a_connect() {
    let mut scene = Scene::forwarded(POST_BEGUN);
    scene.connecting();
    scene.pass(SECOND);
    scene.receive("d");
    assert_eq!(scene.expire_after(CONNECT - SECOND).action, Action::Forward);
}

/// An instance that has the whole request and says nothing gets 504 said for it; part of a head is nothing.
#[test]
fn a_silent_instance_gets_504() {
    let mut scene = Scene::forwarded(GET);
    scene.pass(SECOND);
    scene.respond("HTTP/1.1 200");
    assert_eq!(scene.expire_after(FIRST_BYTE - SECOND).answer(), (Action::Reply, 504));
    scene.ends_as(504);
    let mut scene = Scene::forwarded(GET);
    scene.pass(SECOND);
    scene.connected();
    assert_eq!(scene.expire_after(FIRST_BYTE).answer(), (Action::Reply, 504));
}

/// An instance that stops within its answer leaves nothing but an abort.
#[test]
fn an_answer_that_stops_is_aborted() {
    let mut scene = Scene::forwarded(GET);
    scene.respond(PART);
    scene.pass(IDLE - 1);
    scene.respond("x");
    assert_eq!(scene.expire_after(IDLE).action, Action::Abort);
    scene.ends_as(200);
}

/// A client that takes nothing of its answer is aborted; the instance is not blamed meanwhile.
#[test]
fn a_client_that_does_not_take_is_aborted() {
    let mut scene = Scene::forwarded(GET);
    scene.respond(PART);
    scene.stalled(true);
    scene.pass(SECOND);
    scene.respond("x");
    assert_eq!(scene.expire_after(WRITE - SECOND).action, Action::Abort);
    scene.ends_as(200);
    let mut scene = Scene::forwarded(GET);
    scene.respond(PART);
    scene.stalled(true);
    scene.flowing();
    assert_eq!(scene.expire_after(IDLE).action, Action::Abort);
}

/// One that still does not take an earlier answer when its next exchange runs is counted as having left.
#[test]
fn a_client_that_takes_no_earlier_answer_is_counted_499() {
    let mut scene = Scene::forwarded(GET);
    scene.stalled(true);
    assert_eq!(scene.expire_after(WRITE).action, Action::Abort);
    scene.ends_as(499);
}

/// An instance that does not take the request: 504, also when it says by interim responses that it is there.
#[test]
fn an_instance_that_does_not_take_gets_504() {
    for interim in [false, true] {
        let mut scene = Scene::forwarded(POST_BEGUN);
        scene.stalled(false);
        scene.pass(SECOND);
        scene.receive("d");
        if interim {
            assert_eq!(scene.respond("HTTP/1.1 100 Continue\r\n\r\n").action, Action::Relay);
        }
        assert_eq!(scene.expire_after(WRITE - SECOND).answer(), (Action::ReplyClose, 504), "{interim}");
        scene.ends_as(504);
    }
}

/// After the last answer the client has two seconds to close; what it does not take then keeps it no longer than
/// any other answer would.
#[test]
fn a_client_that_never_closes_is_aborted_in_the_end() {
    let mut scene = Scene::forwarded(POST_BEGUN);
    assert_eq!(scene.respond(OK).action, Action::FinishDropClose);
    scene.pass(SECOND);
    assert_eq!(scene.receive("defg").action, Action::Wait);
    assert_eq!(scene.expire_after(LINGER - SECOND).action, Action::Close);
    assert_eq!(scene.expire_after(WRITE).action, Action::Abort);
    scene.ends_as(200);
}

/// The end of an answer may be what the client does not take: that is waited for before the next request is.
#[test]
fn the_end_of_an_answer_may_not_be_taken() {
    let mut scene = Scene::forwarded(GET);
    scene.respond(OK);
    scene.stalled(true);
    assert_eq!(scene.expire_after(WRITE).action, Action::Abort);
    for (received, timeout) in [("", KEEPALIVE), ("GET /", HEADER)] {
        let mut scene = Scene::forwarded(GET);
        scene.respond(OK);
        scene.receive(received);
        scene.stalled(true);
        scene.pass(SECOND);
        scene.flowing();
        assert_ne!(scene.expire_after(timeout).action, Action::Abort, "{received:?}");
    }
    let mut scene = Scene::forwarded(&GET.replace("1.1", "1.0"));
    assert_eq!(scene.respond(OK).action, Action::FinishClose);
    scene.stalled(true);
    scene.pass(10 * SECOND);
    scene.flowing();
    assert_eq!(scene.expire_after(LINGER).action, Action::Close);
}

/// A connection without a listener has no time-outs of its own and still ends.
#[test]
fn time_outs_follow_the_listener_of_the_moment() {
    let mut scene = Scene::new();
    scene.worker.snapshot = std::sync::Arc::default();
    scene.receive("GET /");
    assert!(scene.worker.deadlines.expired(scene.now + 1_000_000 * MILLI * 1_000).is_empty());
    scene.close();
}
