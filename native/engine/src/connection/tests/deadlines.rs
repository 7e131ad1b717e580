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
    assert!(scene.worker.deadlines.expired(scene.now + 1_000_000 * MILLI * 1_000, 1).is_empty());
    scene.close();
}

/// Seconds until a body of which `bytes` have come at 500 bytes a second is too slow, from its head on.
const fn patience(bytes: u64) -> u64 {
    let seconds = bytes / 500;
    if seconds < 10 {
        10 * SECOND
    } else {
        seconds * SECOND
    }
}

/// A head that promises a body of any length.
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A scene whose clients have a rate to keep, and bodies of any length.
fn paced() -> Scene {
    Scene::with(|document| {
        document["listeners"][0]["max_body_bytes"] = serde_json::Value::Null;
        document["listeners"][0]["min_bytes_per_second"] = 500.into();
    })
}

/// Such a scene with a body under way.
fn uploading(head: &str) -> Scene {
    let mut scene = paced();
    assert_eq!(scene.receive(head).action, Action::Forward);
    scene
}

/// A chunk of a body.
fn chunk(bytes: usize) -> String {
    format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes))
}

/// A body that never stops and still comes too slowly gets 408 once its grace is over, whatever its framing, and
/// whether it came with its head or not; every byte of it buys time.
#[test]
fn a_body_that_is_too_slow_gets_408() {
    let sized = POST_BEGUN.replace("Content-Length: ", "Content-Length: 1000");
    for (head, piece) in [(CHUNKED, chunk(1)), (&sized, "x".to_string())] {
        let mut scene = uploading(head);
        for _ in 0..9 {
            scene.pass(SECOND);
            scene.receive(&piece);
        }
        assert_eq!(scene.expire_after(patience(9) - 9 * SECOND).answer(), (Action::ReplyClose, 408));
        scene.ends_as(408);
    }
    let mut scene = uploading(&format!("{CHUNKED}{}", chunk(6_000)));
    scene.pass(SECOND);
    scene.receive(chunk(1_000));
    assert_eq!(scene.expire_after(patience(7_000) - SECOND).answer(), (Action::ReplyClose, 408));
}

/// A client that keeps the rate has all the time that its body takes, and no more than the pause that any may make.
#[test]
fn a_body_that_keeps_the_rate_is_never_too_slow() {
    let mut scene = uploading(CHUNKED);
    for _ in 0..1_000 {
        scene.pass(10 * SECOND - 1);
        scene.receive(chunk(5_000));
        assert!(scene.worker.deadlines.expired(scene.now, 1).is_empty());
    }
    scene.receive(chunk(500 * 100));
    assert_eq!(scene.expire_after(BODY_IDLE).answer(), (Action::ReplyClose, 408));
}

/// Time in which the client could not send, or was not read, does not count: connects, back-offs, a full instance.
#[test]
fn time_that_others_take_is_not_the_clients() {
    let mut scene = uploading(CHUNKED);
    scene.connecting();
    scene.pass(SECOND);
    scene.connected();
    for _ in 0..3 {
        scene.pass(SECOND);
        scene.stalled(false);
        scene.pass(50 * SECOND);
        scene.flowing();
    }
    scene.stalled(true);
    scene.pass(SECOND);
    scene.stalled(false);
    scene.pass(SECOND);
    scene.flowing();
    assert_eq!(scene.expire_after(patience(0) - 3 * SECOND).answer(), (Action::ReplyClose, 408));

    let mut scene = uploading(&CHUNKED.replace("POST", "PUT"));
    scene.pass(SECOND);
    assert_eq!(scene.lost(true).action, Action::Forward);
    assert_eq!(scene.lost(true).action, Action::BackOff);
    scene.pass(SECOND);
    assert_eq!(scene.try_again().action, Action::Forward);
    assert_eq!(scene.expire_after(patience(0) - SECOND).answer(), (Action::ReplyClose, 408));
}

/// A client that waits to be told to go on is not slow; from then on it may be.
#[test]
fn a_client_that_awaits_100_is_not_slow() {
    let expecting = CHUNKED.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let mut scene = uploading(&expecting);
    scene.pass(20 * SECOND);
    assert_eq!(scene.respond("HTTP/1.1 100 Continue\r\n\r\n").action, Action::Relay);
    assert_eq!(scene.expire_after(patience(0)).answer(), (Action::ReplyClose, 408));
    let mut scene = uploading(&expecting);
    scene.pass(20 * SECOND);
    scene.receive(chunk(1));
    assert_eq!(scene.expire_after(patience(1)).answer(), (Action::ReplyClose, 408));
    let mut scene = uploading(&expecting);
    assert_eq!(
        scene.expire_after(BODY_IDLE).answer(),
        (Action::ReplyClose, 408),
        "but it has no more than a pause"
    );
}

/// Beside an answer that has begun a body may come as it likes: the two may be a conversation.
#[test]
fn a_body_beside_its_answer_has_no_rate_to_keep() {
    let mut scene = uploading(CHUNKED);
    scene.respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..10 {
        scene.pass(20 * SECOND);
        scene.receive(chunk(1));
        assert!(scene.worker.deadlines.expired(scene.now, 1).is_empty());
    }
    assert_eq!(scene.expire_after(BODY_IDLE).action, Action::Abort);
    scene.ends_as(200);
}

/// A listener without a rate asks for none: who moves at all has time.
#[test]
fn without_a_rate_only_a_pause_is_too_long() {
    let mut scene = Scene::forwarded(CHUNKED);
    for _ in 0..10 {
        scene.pass(BODY_IDLE - 1);
        scene.receive(chunk(1));
    }
    assert_eq!(scene.expire_after(BODY_IDLE).answer(), (Action::ReplyClose, 408));
    let mut scene = Scene::forwarded(GET);
    scene.respond(PART);
    scene.stalled(true);
    assert_eq!(scene.expire_after_taking(1, WRITE).action, Action::Wait);
    assert_eq!(scene.expire_after(WRITE).action, Action::Abort);
}

/// A client has the time for a write anew as long as it takes its answer at the rate that is asked of it.
#[test]
fn a_client_that_takes_too_little_is_aborted() {
    let enough = 500 * WRITE / SECOND;
    let mut scene = paced();
    scene.receive(GET);
    scene.respond(PART);
    scene.stalled(true);
    for _ in 0..3 {
        assert_eq!(scene.expire_after_taking(enough, WRITE).action, Action::Wait);
    }
    assert_eq!(scene.expire_after_taking(enough - 1, WRITE).action, Action::Abort);
    scene.ends_as(200);
}

/// An instance has it as long as it takes anything at all: it is configured, not hostile.
#[test]
fn an_instance_that_takes_something_has_time() {
    let mut scene = Scene::forwarded(POST_BEGUN);
    scene.stalled(false);
    for _ in 0..3 {
        assert_eq!(scene.expire_after_taking(1, WRITE).action, Action::Wait);
    }
    assert_eq!(scene.expire_after(WRITE).answer(), (Action::ReplyClose, 504));
    scene.ends_as(504);
}
