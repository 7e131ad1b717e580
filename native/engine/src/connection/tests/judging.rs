//! What counts as an instance's failure, what ends a row of failures, and what says nothing about the instance.

use serde_json::json;

use super::scene::{slot, Scene, CHUNKED_BEGUN, GET, OK, POST, POST_BEGUN, SECOND};
use crate::connection::Action;

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
/// Failures that both instances have from before.
const BEFORE: u32 = 3;

/// A scene in which a request was forwarded over a fresh connection, and the slot of the instance that got it.
fn sent(request: &str) -> (Scene, u32) {
    let (mut scene, slot) = begun(Scene::new(), request);
    scene.connecting();
    scene.connected();
    (scene, slot)
}

fn begun(mut scene: Scene, request: &str) -> (Scene, u32) {
    for slot in [0, 1] {
        scene.worker.state.set_failures(slot, BEFORE);
    }
    let slot = slot(&scene.receive(request));
    (scene, slot)
}

/// What has become of the row of failures of the instance that got the request; the other one's must be as it was.
fn row(scene: &Scene, slot: u32) -> u32 {
    assert_eq!(scene.worker.state.failures(1 - slot), BEFORE, "the other instance has nothing to do with it");
    scene.worker.state.failures(slot)
}

/// Everything that an instance can do wrong is one failure, whatever follows for the client.
#[test]
fn what_an_instance_does_wrong_is_one_failure() {
    type Wrong = (&'static str, &'static str, fn(&mut Scene));
    let wrongs: [Wrong; 17] = [
        ("a reset before the answer", GET, |scene| drop(scene.lost(false))),
        ("a FIN before the answer", GET, |scene| drop(scene.lost(true))),
        ("and nothing is sent again", POST, |scene| drop(scene.lost(true))),
        ("and the body is still coming", POST_BEGUN, |scene| drop(scene.lost(false))),
        ("an end within the head", GET, |scene| {
            scene.respond("HTTP/1.1 200 O");
            scene.lost(true);
        }),
        ("an end after an interim response", GET, |scene| {
            scene.respond(CONTINUE);
            scene.lost(true);
        }),
        ("an end within the body", GET, |scene| {
            scene.respond(&OK[..OK.len() - 1]);
            scene.lost(true);
        }),
        ("a reset within a body that the end delimits", GET, |scene| {
            scene.respond("HTTP/1.1 200 OK\r\n\r\nbody");
            scene.lost(false);
        }),
        ("no HTTP", GET, |scene| drop(scene.respond("SSH-2.0-OpenSSH\r\n\r\n"))),
        ("an ambiguous length", GET, |scene| {
            scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
        }),
        ("a head without end", GET, |scene| drop(scene.respond("x".repeat(70_000)))),
        ("a 101 that nobody asked for", GET, |scene| {
            scene.respond("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        }),
        ("a broken chunk with the head", GET, |scene| {
            scene.respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n");
        }),
        ("a broken chunk later", GET, |scene| {
            scene.respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            scene.respond("no chunk\r\n");
        }),
        ("no first byte in time", GET, |scene| drop(scene.expire_after(31 * SECOND))),
        ("no more of the body in time", GET, |scene| {
            scene.respond(&OK[..OK.len() - 1]);
            scene.expire_after(60 * SECOND);
        }),
        ("a request that it does not take", POST_BEGUN, |scene| {
            scene.stalled(false);
            scene.expire_after(61 * SECOND);
        }),
    ];
    for (case, request, wrong) in wrongs {
        let (mut scene, slot) = sent(request);
        wrong(&mut scene);
        assert_eq!(row(&scene, slot), BEFORE + 1, "{case}");
        scene.close();
        assert_eq!(row(&scene, slot), BEFORE + 1, "{case}: counted once");
    }
}

/// A connect that is refused or takes too long is a failure of that instance; a shortage of our own is nobody's.
#[test]
fn connects_that_fail() {
    for (refused, failures) in [(true, BEFORE + 1), (false, BEFORE)] {
        let (mut scene, slot) = begun(Scene::new(), GET);
        scene.connecting();
        scene.connection.upstream_failed(&mut scene.worker, refused, scene.now);
        assert_eq!(row(&scene, slot), failures);
    }
    let (mut scene, slot) = begun(Scene::new(), GET);
    scene.connecting();
    scene.expire_after(2 * SECOND);
    assert_eq!(row(&scene, slot), BEFORE + 1);
}

/// A kept connection that ends before anything came on it says nothing; one on which something came does.
#[test]
fn kept_connections_may_end() {
    let (mut scene, slot) = begun(Scene::new(), GET);
    assert_eq!(scene.lost(true).action, Action::Forward);
    assert_eq!(row(&scene, slot), BEFORE);
    for bytes in ["HTTP/1.1 2", CONTINUE] {
        let (mut scene, slot) = begun(Scene::new(), GET);
        scene.respond(bytes);
        scene.lost(true);
        assert_eq!(row(&scene, slot), BEFORE + 1, "{bytes:?}");
    }
    // An interim response is not passed on in HTTP/1.0, and is one all the same.
    let (mut scene, slot) = begun(Scene::new(), super::scene::GET_1_0);
    scene.respond(CONTINUE);
    scene.lost(true);
    assert_eq!(row(&scene, slot), BEFORE + 1);
}

/// A whole answer ends the row, whatever its status says and however its end is found; so does a switch of protocols.
#[test]
fn an_answer_ends_the_row() {
    for status in ["200 OK", "404 Not Found", "500 Oh", "502 Bad Gateway", "503 Busy", "504 Late"] {
        let (mut scene, slot) = sent(GET);
        scene.respond(OK.replace("200 OK", status));
        assert_eq!(row(&scene, slot), 0, "{status}");
    }
    let (mut scene, slot) = sent(GET);
    scene.respond("HTTP/1.1 200 OK\r\n\r\nbody");
    assert_eq!(row(&scene, slot), BEFORE, "it is not over");
    scene.lost(true);
    assert_eq!(row(&scene, slot), 0);
    let (mut scene, slot) = sent(UPGRADE);
    scene.respond("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(row(&scene, slot), 0);
    scene.close();
    assert_eq!(row(&scene, slot), 0);
}

/// The statuses that a service names are failures although the client gets the answer; the others are not.
#[test]
fn statuses_that_are_failures() {
    for (status, failures) in [(500, 0), (502, BEFORE + 1), (503, BEFORE + 1), (504, 0), (404, 0)] {
        let scene = Scene::with(|document| document["services"][0]["failure_statuses"] = json!([502, 503]));
        let (mut scene, slot) = begun(scene, GET);
        let told = scene.respond(OK.replace("200", &status.to_string()));
        assert_eq!(told.answer(), (Action::Finish, status));
        assert_eq!(row(&scene, slot), failures, "{status}");
        scene.ends_as(status);
    }
}

/// What clients do says nothing about the instance, nor does a request that never got to one.
#[test]
fn what_clients_do_is_no_failure() {
    type Deed = (&'static str, &'static str, fn(&mut Scene));
    let deeds: [Deed; 8] = [
        ("leaves before the answer", GET, Scene::close),
        ("leaves within its body", POST_BEGUN, Scene::close),
        ("leaves within the answer", GET, |scene| {
            scene.respond(&OK[..OK.len() - 1]);
            scene.close();
        }),
        ("half-closes and is not answered soon", GET, |scene| {
            scene.client_eof();
            scene.expire_after(SECOND);
        }),
        ("half-closes within its body", POST_BEGUN, |scene| drop(scene.client_eof())),
        ("pauses within its body", POST_BEGUN, |scene| drop(scene.expire_after(30 * SECOND))),
        ("breaks the coding of its body", CHUNKED_BEGUN, |scene| drop(scene.receive("no chunk\r\n"))),
        ("does not take the answer", GET, |scene| {
            scene.respond(&OK[..OK.len() - 1]);
            scene.stalled(true);
            scene.expire_after(61 * SECOND);
        }),
    ];
    for (case, request, deed) in deeds {
        let (mut scene, slot) = sent(request);
        deed(&mut scene);
        scene.close();
        assert_eq!(row(&scene, slot), BEFORE, "{case}");
    }
}

/// Each instance of a request that is tried again answers for itself.
#[test]
fn every_try_is_judged_by_itself() {
    let (mut scene, first) = begun(Scene::new(), GET);
    scene.connecting();
    scene.connect_failed();
    scene.connecting();
    scene.connected();
    scene.respond(OK);
    let failures = [first, 1 - first].map(|slot| scene.worker.state.failures(slot));
    assert_eq!(failures, [BEFORE + 1, 0]);
}
