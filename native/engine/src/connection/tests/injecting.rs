//! Routes that inject faults.

use serde_json::{json, Value};

use super::scene::{Scene, GET, MILLI, OK, POST_BEGUN, SECOND};
use crate::connection::Action;
use crate::state::Counter;

const DELAY: u64 = 200 * MILLI;

fn scene(fault: &Value) -> Scene {
    scene_with(fault, |_| ())
}

fn scene_with(fault: &Value, change: impl FnOnce(&mut Value)) -> Scene {
    Scene::with(|document| {
        document["routes"][1]["fault"] = fault.clone();
        change(document);
    })
}

fn delayed(change: impl FnOnce(&mut Value)) -> Scene {
    scene_with(&json!({"delay": {"delay_ms": 200, "share": 100}}), change)
}

/// A delayed request holds no place, and goes on when its time is over.
#[test]
fn a_delay_holds_nothing_and_ends() {
    let mut scene = delayed(|_| ());
    let told = scene.receive(GET);
    assert_eq!((told.action, told.payload.is_empty(), scene.held()), (Action::Park, false, 0));
    let told = scene.expire_after(DELAY);
    assert_eq!((told.action, told.payload.is_empty(), scene.held()), (Action::Forward, true, 1));
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
    assert_eq!(scene.worker.state.counter(Counter::InjectedDelays), 1);
    assert_eq!(scene.receive(GET).action, Action::Park, "the next one as well");
    scene.expire_after(DELAY);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
}

/// What comes of a body meanwhile is handed on to be held, and does not put the end off.
#[test]
fn a_body_does_not_change_the_delay() {
    let mut scene = delayed(|_| ());
    assert_eq!(scene.receive(POST_BEGUN).action, Action::Park);
    scene.pass(DELAY / 2);
    assert_eq!(scene.receive("defghij").action, Action::Send);
    assert_eq!(scene.expire_after(DELAY / 2).action, Action::Forward);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
}

/// A client that leaves meanwhile gives nothing back that it does not have; a broken body ends it as ever.
#[test]
fn a_delayed_request_may_end() {
    let mut scene = delayed(|_| ());
    scene.receive(GET);
    assert_eq!(scene.client_eof().action, Action::Close);
    scene.ends_as(499);
    let mut scene = delayed(|_| ());
    scene.receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_eq!(scene.receive("nonsense\r\n").answer(), (Action::ReplyClose, 400));
    scene.ends_as(400);
}

/// After the delay all is as for a request that comes then: no instance is 503, and a line is stood in.
#[test]
fn after_the_delay_there_may_be_no_place() {
    let mut scene = delayed(|_| ());
    scene.receive(GET);
    for slot in [0, 1] {
        scene.worker.state.set_health(slot, false);
    }
    assert_eq!(scene.expire_after(DELAY).answer(), (Action::Reply, 503));
    scene.ends_as(503);
    let mut scene = delayed(|document| {
        document["services"][0]["queue"] = json!({"size": 10, "timeout_ms": 5_000});
    });
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 10);
    }
    scene.receive(GET);
    assert_eq!(scene.expire_after(DELAY).action, Action::Wait);
    assert_eq!(scene.expire_after(5 * SECOND).answer(), (Action::Reply, 503));
    scene.ends_as(503);
}

/// An injected answer takes no place, is counted as the route's, and the connection lives on; limits come before it.
#[test]
fn an_abort_answers() {
    let abort = json!({"abort": {"status": 503, "share": 100}, "delay": {"delay_ms": 1, "share": 100}});
    let mut scene = scene_with(&abort, |document| {
        document["routes"][1]["limits"] = json!([{"name": "l", "row": 10, "tokens": 1,
            "period_ns": 60_000_000_000_u64, "burst": 2, "key": ["client_ip"]}]);
    });
    for _ in 0..2 {
        let told = scene.receive(GET);
        assert_eq!((told.answer(), told.body().as_str()), ((Action::Reply, 503), "an injected fault\n"));
    }
    assert_eq!(scene.receive(GET).status(), 429);
    assert_eq!((scene.held(), scene.counted()), (0, vec![(429, 1), (503, 2)]));
    let counters = [Counter::InjectedAborts, Counter::InjectedDelays];
    assert_eq!(counters.map(|counter| scene.worker.state.counter(counter)), [2, 0]);
}

/// Only some are hit.
#[test]
fn shares_are_drawn() {
    let mut scene = scene(&json!({"abort": {"status": 500, "share": 30}}));
    for _ in 0..1_000 {
        if scene.receive(GET).action == Action::Forward {
            scene.respond(OK);
        }
    }
    let aborts = scene.worker.state.counter(Counter::InjectedAborts);
    assert!((200..400).contains(&aborts), "{aborts}");
    assert_eq!(scene.counted(), [(200, 1_000 - aborts), (500, aborts)]);
}
