//! What is told of an instance's latency: the time from the whole request to the beginning of the answer, of answers only.

use serde_json::json;

use super::scene::{slot, Scene, GET, MILLI, OK, POST_BEGUN};
use crate::selection::Latency;
use crate::state::State;

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

fn by_latency() -> Scene {
    Scene::with(|document| document["services"][0]["balance"] = json!("ewma"))
}

/// What is known of the instance, in whole milliseconds.
fn known(scene: &Scene, slot: u32) -> Option<u64> {
    let expected = scene.worker.state.latency(slot).expected(scene.now);
    expected.map(|nanos| (nanos as f64 / MILLI as f64).round() as u64)
}

/// The beginning of an answer counts, whenever its end comes, and the connect belongs to it.
#[test]
fn the_beginning_of_an_answer_counts() {
    let mut scene = by_latency();
    let slot = slot(&scene.receive(GET));
    scene.connecting();
    scene.pass(5 * MILLI);
    scene.connected();
    scene.pass(35 * MILLI);
    scene.respond(&OK[..OK.len() - 1]);
    assert_eq!((known(&scene, slot), known(&scene, 1 - slot)), (Some(40), None));
    scene.pass(500 * MILLI);
    let before = scene.worker.state.latency(slot);
    scene.respond(&OK[OK.len() - 1..]);
    assert_eq!(scene.worker.state.latency(slot), before);
}

/// What a client takes to send its body is not the instance's time.
#[test]
fn a_slow_client_is_not_a_slow_instance() {
    let mut scene = by_latency();
    let slot = slot(&scene.receive(POST_BEGUN));
    scene.connecting();
    scene.connected();
    scene.pass(400 * MILLI);
    scene.receive("defghij");
    scene.pass(20 * MILLI);
    scene.respond(OK);
    assert_eq!(known(&scene, slot), Some(20));
}

/// Each try has its own time, and a failed one tells nothing.
#[test]
fn a_failed_try_tells_nothing() {
    let mut scene = by_latency();
    let first = slot(&scene.receive(GET));
    scene.connecting();
    scene.connected();
    scene.pass(100 * MILLI);
    let second = slot(&scene.lost(false));
    assert_ne!(first, second);
    scene.pass(30 * MILLI);
    scene.respond(OK);
    assert_eq!((known(&scene, first), known(&scene, second)), (None, Some(30)));
}

/// An answer that counts as a failure says nothing of how fast a good one is.
#[test]
fn an_answer_that_is_a_failure_tells_nothing() {
    let mut scene = Scene::with(|document| {
        document["services"][0]["balance"] = json!("ewma");
        document["services"][0]["failure_statuses"] = json!([503]);
    });
    let slot = slot(&scene.receive(GET));
    scene.respond("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(known(&scene, slot), None);
}

/// A switch of protocols is an answer.
#[test]
fn a_switch_of_protocols_counts() {
    let mut scene = by_latency();
    let slot = slot(&scene.receive(UPGRADE));
    scene.pass(15 * MILLI);
    scene.respond("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(known(&scene, slot), Some(15));
}

/// Where instances are not chosen by it, nobody writes the word.
#[test]
fn other_balances_leave_the_word_alone() {
    let mut scene = Scene::new();
    let slot = slot(&scene.receive(GET));
    scene.pass(15 * MILLI);
    scene.respond(OK);
    assert_eq!(scene.worker.state.latency(slot), Latency::default());
}
