//! Connections that can be spared when descriptors run short, and what they are told.

use super::scene::{Scene, GET, OK, POST_BEGUN, SECOND};
use crate::connection::Action;
use crate::state::Counter;

/// Could this scene's connection be spared, after a long time?
fn is_spared(scene: &Scene) -> bool {
    !scene.worker.rests.spared(scene.now + 1_000 * SECOND, 9).is_empty()
}

fn evict(scene: &mut Scene) -> (Action, u16) {
    let told = scene.evict();
    assert_eq!(scene.worker.state.counter(Counter::ClientsEvicted), u64::from(told.action != Action::Wait));
    told.answer()
}

/// Between two requests a connection is closed without a word.
#[test]
fn an_answered_client_at_rest_is_closed() {
    let mut scene = Scene::forwarded(GET);
    scene.respond(OK);
    assert!(is_spared(&scene));
    assert_eq!(evict(&mut scene), (Action::Close, 0));
    assert!(!is_spared(&scene), "it is on its way out");
    scene.ends_as(200);
}

/// A client that never asked is told that it was too slow, and then given the time to read that.
#[test]
fn a_silent_client_is_answered() {
    let mut scene = Scene::new();
    assert!(is_spared(&scene));
    let told = scene.evict();
    assert_eq!((told.answer(), told.argument), ((Action::ReplyClose, 408), 1));
    assert_eq!(scene.counted_unrouted(), [(408, 1)]);
    assert!(is_spared(&scene), "it lingers");
    assert_eq!(scene.evict().action, Action::Close);
}

/// Whatever is under way is not spared, and an eviction that comes too late changes nothing.
#[test]
fn a_busy_connection_is_left_alone() {
    let begun = |data: &str| {
        let mut scene = Scene::new();
        scene.receive(data);
        scene
    };
    let mut answering = begun(GET);
    answering.respond(&OK[..OK.len() - 1]);
    let mut pipelined = begun(&[GET, GET].concat());
    pipelined.respond(OK);
    let mut unread = begun(GET);
    unread.respond(OK);
    unread.stalled(true);
    for (index, mut scene) in
        [begun("GET"), begun(GET), begun(POST_BEGUN), answering, unread].into_iter().enumerate()
    {
        assert!(!is_spared(&scene), "{index}");
        assert_eq!(evict(&mut scene), (Action::Wait, 0), "{index}");
    }
    assert_eq!(evict(&mut pipelined), (Action::Wait, 0));
}

/// Rest begins with the end of an answer, not with the connection.
#[test]
fn rest_begins_with_the_end_of_an_answer() {
    let mut scene = Scene::forwarded(GET);
    scene.pass(60 * SECOND);
    scene.respond(OK);
    assert!(scene.worker.rests.spared(scene.now, 9).is_empty());
    assert_eq!(scene.worker.rests.spared(scene.now + SECOND, 9), [scene.connection.index()]);
    scene.close();
    assert!(!is_spared(&scene));
}

/// A connection to an instance for which there is no descriptor is no failure of the instance, and is not retried.
#[test]
fn without_a_descriptor_the_answer_is_503() {
    let mut scene = Scene::forwarded(GET);
    let verdict = scene.connection.no_descriptor(&mut scene.worker, scene.now);
    assert_eq!(verdict.action, Action::Reply);
    let text = String::from_utf8_lossy(&scene.worker.output).into_owned();
    assert!(text.contains("error=connection_limit_reached; details=\"no descriptor left\""), "{text}");
    let counters = [Counter::Retries, Counter::UpstreamConnectFailures];
    assert_eq!(counters.map(|counter| scene.worker.state.counter(counter)), [0, 0]);
    scene.ends_as(503);
}
