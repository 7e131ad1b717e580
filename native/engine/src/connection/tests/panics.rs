//! A panic within a step, at every place where the engine calls out: it costs the connection, and nothing is left of it.

use std::panic::{catch_unwind, AssertUnwindSafe};

use super::scene::{Scene, GET, OK, POST_BEGUN};
use crate::connection::Action;

/// A life of a connection, step by step.
type Life = fn(&mut Scene);

/// A limit, a try that finds nobody, one that loses its connection, a back-off, and an answer.
fn a_long_way_to_an_answer(scene: &mut Scene) {
    scene.receive(GET.replace("GET /", "GET /limited"));
    scene.connecting();
    scene.connect_failed();
    scene.lost(true);
    scene.try_again();
    scene.connected();
    scene.respond(OK);
}

/// A body that stops.
fn a_time_out(scene: &mut Scene) {
    scene.receive(POST_BEGUN);
    scene.stalled(false);
    scene.flowing();
    scene.expire_after(30 * super::scene::SECOND);
}

/// An answer that breaks off, and a refusal before it.
fn an_answer_that_breaks_off(scene: &mut Scene) {
    scene.receive("GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n");
    scene.receive(GET);
    scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok");
    scene.lost(false);
}

/// A tunnel.
fn a_tunnel(scene: &mut Scene) {
    scene.receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    scene.respond("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    scene.client_eof();
}

/// Wherever it panics, the shell closes the connection, which gives everything back, and the worker serves on.
#[test]
fn a_panic_anywhere_costs_one_connection() {
    let lives: [(Life, u32); 4] =
        [(a_long_way_to_an_answer, 8), (a_time_out, 3), (an_answer_that_breaks_off, 4), (a_tunnel, 3)];
    for (number, (life, places)) in lives.into_iter().enumerate() {
        let mut panics = 0;
        loop {
            let mut scene = Scene::new();
            scene.worker.state.panic_after(panics);
            if catch_unwind(AssertUnwindSafe(|| life(&mut scene))).is_ok() {
                break;
            }
            assert!(scene.worker.state.has_panicked(), "life {number}: another panic than the one asked for");
            scene.close();
            assert_eq!(scene.held(), 0, "life {number}, call {panics}");
            assert!(
                scene.worker.deadlines.expired(u64::MAX - 1, 1).is_empty(),
                "life {number}, call {panics}"
            );
            scene.reopen();
            assert_eq!(scene.receive(GET).action, Action::Forward);
            assert_eq!(scene.respond(OK).action, Action::Finish);
            panics += 1;
        }
        assert!(panics >= places, "life {number} panicked at {panics} places only");
    }
}
