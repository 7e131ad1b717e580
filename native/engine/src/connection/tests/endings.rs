//! Retries, failures and clients that leave: what may be sent again, what is counted, what is given back.

use super::scene::{slot, Scene, GET, OK, POST, POST_BEGUN, SECOND};
use crate::connection::Action;
use crate::state::{Counter, Instance, State};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn forward(scene: &mut Scene, request: &str) -> u32 {
    slot(&scene.receive(request))
}

/// A refused connect sends the same request, whatever its method, to the other instance.
#[test]
fn a_refused_connect_goes_to_the_other_instance() {
    let mut scene = Scene::new();
    let first = forward(&mut scene, POST);
    scene.connecting();
    let told = scene.connect_failed();
    assert_eq!((slot(&told), told.payload.len()), (1 - first, 0));
    assert_eq!((scene.worker.state.in_flight(first), scene.held()), (10, 1));
    scene.connected();
    scene.respond(OK);
    let counters = [Counter::Retries, Counter::UpstreamConnectFailures, Counter::UpstreamConnects];
    assert_eq!(counters.map(|counter| scene.worker.state.counter(counter)), [1, 1, 1]);
    scene.ends_as(200);
}

/// When every instance refused, the client learns it; tries that are left are not spent on the same ones.
#[test]
fn refused_everywhere_is_502() {
    let mut scene = Scene::new();
    forward(&mut scene, GET);
    assert_eq!(scene.connect_failed().action, Action::Forward);
    assert_eq!(scene.connect_failed().answer(), (Action::Reply, 502));
    scene.ends_as(502);
}

/// A connection lost before an answer: only what was never written, or is idempotent and still here, goes again.
#[test]
fn only_what_may_be_sent_again_is() {
    for (method, written, replayable, again) in [
        ("GET", true, true, true),
        ("HEAD", true, true, true),
        ("PUT", true, true, true),
        ("DELETE", true, true, true),
        ("OPTIONS", true, true, true),
        ("POST", true, true, false),
        ("PATCH", true, true, false),
        ("get", true, true, false),
        ("POST", false, true, true),
        ("GET", true, false, false),
        ("POST", true, false, false),
    ] {
        let mut scene = Scene::forwarded(&GET.replace("GET", method));
        let told = scene.lost_after(true, written, replayable);
        let case = format!("{method} {written} {replayable}");
        assert_eq!(told.action, if again { Action::Forward } else { Action::Reply }, "{case}");
        assert_eq!(scene.held(), u32::from(again), "{case}");
        scene.ends_as(if again { 499 } else { 502 });
    }
}

/// A fresh connection to the same instance is the second try where there is no other.
#[test]
fn a_stale_connection_is_tried_again_at_the_only_instance() {
    let mut scene = Scene::new();
    scene.worker.state.set_members(0, &[1]);
    forward(&mut scene, GET);
    assert_eq!(slot(&scene.lost(false)), 1);
    scene.connecting();
    assert_eq!(scene.lost(false).action, Action::BackOff);
    assert_eq!(slot(&scene.try_again()), 1);
    assert_eq!(scene.lost(false).answer(), (Action::Reply, 502));
    scene.ends_as(502);
}

/// Half a response head is no answer yet: it is forgotten, and the next instance's is read from its beginning.
#[test]
fn half_a_head_is_forgotten_at_a_retry() {
    let mut scene = Scene::forwarded(GET);
    scene.respond("HTTP/1.1 500 Oh");
    assert_eq!(scene.lost(false).action, Action::Forward);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
    scene.ends_as(200);
}

/// Once a byte of an answer has reached the client nothing is sent again.
#[test]
fn nothing_is_sent_again_after_a_byte_reached_the_client() {
    let mut scene = Scene::forwarded(GET);
    assert_eq!(scene.respond(CONTINUE).action, Action::Relay);
    assert_eq!(scene.lost(false).answer(), (Action::Reply, 502));
    scene.ends_as(502);
    let mut scene = Scene::forwarded(GET);
    assert_eq!(scene.respond(&OK[..OK.len() - 1]).action, Action::Relay);
    assert_eq!(scene.lost(false).action, Action::Abort);
    scene.ends_as(200);
}

/// A retry remembers which occupant of a slot it was given.
#[test]
fn the_instance_is_named_with_its_generation() {
    let mut scene = Scene::new();
    for slot in [0, 1] {
        scene.worker.state.set_generation(slot, 7);
    }
    assert_eq!(Instance::from_key(scene.receive(GET).argument).generation, 7);
}

/// A client that leaves before it is answered is counted as nginx counts it, and its instance is free again.
#[test]
fn a_client_that_leaves_is_counted_499() {
    Scene::forwarded(GET).ends_as(499);
    Scene::forwarded(POST_BEGUN).ends_as(499);
    let mut scene = Scene::forwarded(POST_BEGUN);
    assert_eq!((scene.client_eof().action, scene.held()), (Action::Close, 0));
    scene.ends_as(499);
    let mut scene = Scene::forwarded(GET);
    scene.respond(&OK[..OK.len() - 1]);
    scene.ends_as(200);
}

/// An end may be told twice; it is counted and given back once.
#[test]
fn an_end_told_twice_is_one_end() {
    let mut scene = Scene::forwarded(GET);
    scene.respond(&OK[..OK.len() - 1]);
    assert_eq!(scene.lost(false).action, Action::Abort);
    assert_eq!(scene.lost(false).action, Action::Wait);
    assert_eq!((scene.client_eof().action, scene.receive(GET).action), (Action::Close, Action::Wait));
    scene.close();
    scene.close();
    assert_eq!(scene.worker.state.counter(Counter::ConnectionsEnded), 1);
    scene.ends_as(200);
}

/// The index of a closed connection is another's; nothing that is told late touches that one.
#[test]
fn a_closed_connection_leaves_its_successor_alone() {
    let mut scene = Scene::new();
    let index = scene.connection.index();
    scene.close();
    assert_eq!(scene.worker.deadlines.open(), index);
    scene.stalled(true);
    scene.flowing();
    assert_eq!(scene.receive(GET).action, Action::Wait);
    assert!(scene.worker.deadlines.expired(u64::MAX - 1, 1).is_empty());
}

/// A half-closed client has its answer when it begins within the grace, however long it then takes.
#[test]
fn a_half_closed_client_is_answered_within_the_grace() {
    let mut scene = Scene::forwarded(GET);
    assert_eq!(scene.client_eof().action, Action::Wait);
    assert_eq!(scene.respond(&OK[..OK.len() - 1]).action, Action::Relay);
    scene.pass(10 * SECOND);
    let told = scene.respond("k");
    assert_eq!((told.action, told.argument), (Action::FinishClose, 0));
    scene.ends_as(200);
    let mut scene = Scene::forwarded(GET);
    scene.client_eof();
    assert_eq!(scene.expire_after(SECOND).action, Action::Close);
    scene.ends_as(499);
}

/// What a half-closed client is told is that the connection ends.
#[test]
fn a_half_closed_client_is_told_of_the_close() {
    let mut scene = Scene::forwarded(GET);
    scene.client_eof();
    assert!(scene.respond(OK).text().contains("\r\nConnection: close\r\n"));
}

/// What happens to a scene before its answer.
type Step<'a> = &'a dyn Fn(&mut Scene);

/// A close of our own choice is lingering, because the client may have sent more than it will be answered; one that
/// the client asked for, or that follows its FIN, is not.
#[test]
fn only_a_close_that_the_client_may_not_expect_lingers() {
    let last = |scene: &mut Scene| scene.worker.draining = true;
    let half_closed = |scene: &mut Scene| assert_eq!(scene.client_eof().action, Action::Wait);
    let request = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let cases: [(&str, Step<'_>, u64); 5] = [
        ("", &last, 1),
        ("Connection: close\r\n", &last, 0),
        ("Connection: close\r\n", &|_| (), 0),
        ("", &half_closed, 0),
        ("", &|scene| [&last, &half_closed as Step<'_>].iter().for_each(|step| step(scene)), 0),
    ];
    for (fields, step, lingers) in cases {
        let mut scene = Scene::forwarded(&request(fields));
        step(&mut scene);
        let told = scene.respond(OK);
        assert_eq!((told.action, told.argument), (Action::FinishClose, lingers), "{fields:?}");
        let mut scene = Scene::forwarded(&request(fields));
        step(&mut scene);
        let told = scene.lost_after(true, true, false);
        let close = fields.contains("close") || lingers == 1 || scene.connection.half_closed;
        assert!(
            close && told.answer() == (Action::ReplyClose, 502) && told.argument == lingers,
            "{fields:?}"
        );
    }
}
