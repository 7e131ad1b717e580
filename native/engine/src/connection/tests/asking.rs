//! Who waits for a token of a limit that gateways share, and what becomes of those that do.

use serde_json::{json, Value};

use super::scene::*;
use crate::connection::{Action, Connection};
use crate::state::State;

const SERVICE: u32 = 0;
const ROWS: [u32; 3] = [10, 11, 12];
const WAIT: u64 = 2 * SECOND;

fn limit(number: usize, rules: &Value) -> Value {
    let mut limit = json!({"name": format!("l{number}"), "row": ROWS[number], "tokens": 1, "period_ns": SECOND,
        "burst": 10, "key": ["header:x-user"]});
    for (key, value) in rules.as_object().unwrap() {
        limit[key] = value.clone();
    }
    limit
}

/// A scene with a limit that gateways share on the route that takes everything, and others beside; the keeper is to be asked.
fn strict_beside(others: &[Value]) -> Scene {
    let shared = json!({"shared": {"seed": 7, "low": 0}});
    let limits: Vec<Value> = std::iter::once(&shared)
        .chain(others)
        .enumerate()
        .map(|(number, rules)| limit(number, rules))
        .collect();
    let scene = Scene::with(|document| {
        document["routes"][1]["limits"] = json!(limits);
        document["services"][0]["queue"] = json!({"size": 2, "timeout_ms": 2_000});
    });
    scene.worker.state.set_waits(true);
    scene
}

/// One in which a request waits for its token.
fn waiting(request: &str) -> Scene {
    let mut scene = strict_beside(&[]);
    let told = scene.receive(request);
    assert_eq!((told.action, told.payload.is_empty()), (Action::Park, false), "{}", told.text());
    assert_eq!((waiters(&scene), scene.held()), (1, 0));
    scene
}

fn waiters(scene: &Scene) -> u32 {
    scene.worker.state.queue(SERVICE).0
}

/// How those ended that wanted to wait: served, full, displaced, late, left, failed, refused.
fn ends(scene: &Scene) -> [u64; 7] {
    scene.worker.state.wait_ends(SERVICE)
}

fn decisions(scene: &Scene, limit: usize) -> [u64; 7] {
    scene.worker.state.limit_decisions(ROWS[limit])
}

fn assert_nobody_waits(scene: &Scene) {
    assert_eq!(scene.worker.state.queue(SERVICE), (0, None));
    assert!(scene.worker.askers.is_empty() && scene.worker.lines.is_empty());
}

#[test]
fn a_request_waits_for_its_token() {
    let mut scene = waiting(GET);
    assert_eq!(scene.worker.state.asked(), (1, 1), "the keeper knows of it, and was called");
    assert_eq!(scene.take_turn().action, Action::Wait, "there is no answer");
    assert_eq!(scene.worker.state.asked(), (1, 1), "it does not ask twice");
    scene.worker.state.grant(2, false);
    scene.pass(MILLI);
    let told = scene.take_turn();
    assert_eq!((told.action, told.payload.len()), (Action::Forward, 0), "what was held back goes out");
    assert_nobody_waits(&scene);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
    assert_eq!((ends(&scene), scene.held()), ([1, 0, 0, 0, 0, 0, 0], 0));
    assert_eq!(scene.durations(), [MILLI], "the wait is part of it");
    assert_eq!(scene.receive(GET).action, Action::Forward, "from the stock");
    assert_eq!(decisions(&scene, 0), [2, 0, 0, 0, 0, 0, 0]);
    assert_eq!(scene.respond(OK).status(), 200);
    assert_eq!(scene.receive(GET).action, Action::Park, "nothing is taken that was not granted");
}

/// The answer that there is no token is the limit's refusal, at once and until there is another answer.
#[test]
fn the_answer_may_be_no() {
    let mut scene = waiting(GET);
    scene.worker.state.grant(0, true);
    let told = scene.take_turn();
    assert_eq!(told.answer(), (Action::Reply, 429));
    assert!(told.text().contains("Retry-After: 1\r\n"), "{}", told.text());
    assert!(told.text().contains("RateLimit: \"l0\";r=0"), "{}", told.text());
    assert_nobody_waits(&scene);
    assert_eq!(scene.receive(GET).answer(), (Action::Reply, 429));
    assert_eq!(scene.worker.state.asked().0, 1);
    assert_eq!((ends(&scene), decisions(&scene, 0)), ([0, 0, 0, 0, 0, 0, 1], [0, 2, 0, 0, 0, 0, 0]));
    assert_eq!(scene.counted(), [(429, 2)]);
}

/// While Redis is away the keeper has nobody wait: the limit's credit decides.
#[test]
fn nobody_waits_where_nobody_is_asked() {
    for (credit, status) in [(0, 429), (1, 200)] {
        let mut scene = waiting(GET);
        scene.worker.state.set_waits(false);
        scene.worker.state.set_credit(credit);
        let mut told = scene.take_turn();
        if status == 200 {
            assert_eq!(told.action, Action::Forward);
            told = scene.respond(OK);
        }
        assert_eq!(told.status(), status);
        assert_nobody_waits(&scene);
    }
}

/// Whatever ends an exchange that waits, it waits no longer, and takes no token.
#[test]
fn every_end_leaves() {
    type End = fn(&mut Scene);
    let left = [0, 0, 0, 0, 1, 0, 0];
    let ways: [(&str, u16, [u64; 7], End); 5] = [
        (GET, 499, left, Scene::close),
        (GET, 499, left, |scene| assert_eq!(scene.client_eof().action, Action::Close)),
        (POST_BEGUN, 499, left, |scene| assert_eq!(scene.client_eof().action, Action::Close)),
        (CHUNKED_BEGUN, 400, left, |scene| assert_eq!(scene.receive("zz\r\n").status(), 400)),
        (GET, 503, [0, 0, 0, 1, 0, 0, 0], |scene| {
            let told = scene.expire_after(WAIT);
            assert_eq!(told.answer(), (Action::Reply, 503));
            assert!(told.text().contains("no answer of the shared limit"), "{}", told.text());
            assert!(told.text().contains("Retry-After: 1\r\n"), "{}", told.text());
        }),
    ];
    for (request, status, expected, end) in ways {
        let mut scene = waiting(request);
        end(&mut scene);
        assert_nobody_waits(&scene);
        assert_eq!((ends(&scene), scene.counted()), (expected, vec![(status, 1)]), "{request}");
        assert_eq!(decisions(&scene, 0), [0; 7]);
    }
}

/// They count in the queue of the service, and those beyond its size are refused at once.
#[test]
fn the_queue_of_the_service_bounds_them() {
    let mut scene = waiting(GET);
    let turn_to_another = |scene: &mut Scene| {
        let other = Connection::open(&mut scene.worker, 0, "192.0.2.1".parse().unwrap(), scene.now);
        std::mem::replace(&mut scene.connection, other)
    };
    let _first = turn_to_another(&mut scene);
    assert_eq!(scene.receive(GET).action, Action::Park);
    let _second = turn_to_another(&mut scene);
    let told = scene.receive(GET);
    assert_eq!(told.answer(), (Action::Reply, 503));
    assert!(told.text().contains("queue full") && told.text().contains("Retry-After: 1"));
    assert_eq!((waiters(&scene), ends(&scene)), (2, [0, 1, 0, 0, 0, 0, 0]));
}

/// With its token it looks for a place as a new request does: it stands in line where there is none, for what is left of its time.
#[test]
fn who_has_a_token_may_wait_for_a_place() {
    let mut scene = waiting(GET);
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 10);
    }
    scene.worker.state.grant(1, false);
    scene.pass(SECOND);
    assert_eq!(scene.take_turn().action, Action::Wait);
    assert!(scene.worker.askers.is_empty() && !scene.worker.lines.is_empty());
    assert_eq!((waiters(&scene), ends(&scene)), (1, [0; 7]), "it waits still");
    let told = scene.expire_after(WAIT - SECOND);
    assert_eq!(told.answer(), (Action::Reply, 503));
    assert!(told.text().contains("too long in the queue"), "{}", told.text());
    assert_nobody_waits(&scene);
    assert_eq!(ends(&scene), [0, 0, 0, 1, 0, 0, 0], "it has waited once");
}

/// It keeps its place in the queue between the two, though others would have it, and its wait is counted as one.
#[test]
fn who_has_a_token_keeps_its_place_in_the_queue() {
    for is_place_free in [false, true] {
        let mut scene = waiting(GET);
        for slot in [0, 1] {
            scene.worker.state.set_cap(slot, 10);
        }
        assert!(scene.worker.state.enter_queue(SERVICE, 2));
        assert!(!scene.worker.state.enter_queue(SERVICE, 2), "the queue is full");
        scene.worker.state.grant(1, false);
        scene.pass(MILLI);
        if !is_place_free {
            assert_eq!(scene.take_turn().action, Action::Wait);
            assert_eq!((waiters(&scene), ends(&scene)), (2, [0; 7]));
            scene.pass(MILLI);
        }
        scene.worker.state.set_cap(0, 11);
        assert_eq!(scene.take_turn().action, Action::Forward);
        assert_eq!((waiters(&scene), ends(&scene)), (1, [1, 0, 0, 0, 0, 0, 0]));
        let waited = if is_place_free { MILLI } else { 2 * MILLI };
        assert_eq!(scene.worker.state.waited(), waited);
        scene.worker.state.leave_queue(SERVICE);
        assert_nobody_waits(&scene);
    }
}

/// Of several limits: what another one refuses is refused at once, and one that has waited is charged everywhere, shadows included.
#[test]
fn other_limits_beside() {
    let own = json!({"burst": 1});
    let shadow = json!({"mode": "shadow", "burst": 1});
    let mut scene = strict_beside(&[own, shadow]);
    assert_eq!(scene.receive(GET).action, Action::Park);
    assert_eq!((decisions(&scene, 1), decisions(&scene, 2)), ([0; 7], [0; 7]));
    scene.worker.state.grant(1, false);
    assert_eq!(scene.take_turn().action, Action::Forward);
    assert_eq!(scene.respond(OK).status(), 200);
    for limit in 0..3 {
        assert_eq!(decisions(&scene, limit), [1, 0, 0, 0, 0, 0, 0], "{limit}");
    }
    assert_eq!(scene.receive(GET).status(), 429, "by the other one");
    assert_eq!((waiters(&scene), decisions(&scene, 1)), (0, [1, 1, 0, 0, 0, 0, 0]));
}

/// Of two such limits both are asked at once; and one that is asked again when it has lost its token to another is told of anew, and
/// its keeper called, with which no request waits for a turn of another's.
#[test]
fn all_buckets_are_asked_at_once() {
    let mut scene = strict_beside(&[json!({"shared": {"seed": 8, "low": 0}})]);
    assert_eq!(scene.receive(GET).action, Action::Park);
    assert_eq!(scene.worker.state.asked(), (2, 1), "of both, with one call");
    assert_eq!(scene.take_turn().action, Action::Wait);
    assert_eq!(scene.worker.state.asked(), (2, 1), "the keeper knows it");
    scene.worker.state.grant(1, false);
    assert_eq!(scene.take_turn().action, Action::Forward);
    assert_eq!(scene.respond(OK).status(), 200);
    for limit in 0..2 {
        assert_eq!(decisions(&scene, limit), [1, 0, 0, 0, 0, 0, 0], "{limit}");
    }
}

/// A bucket that had a token at the first look and has lost it by the second is told of then, by each that waits for it.
#[test]
fn a_bucket_that_runs_dry_later_is_asked_by_all() {
    let of_path = json!({"shared": {"seed": 8, "low": 0}, "key": ["path"]});
    let mut scene = strict_beside(&[of_path]);
    let as_user = |user: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n");
    assert_eq!(scene.receive(as_user("a")).action, Action::Park);
    scene.worker.state.grant(1, false);
    let another = |scene: &mut Scene| {
        let other = Connection::open(&mut scene.worker, 0, "192.0.2.1".parse().unwrap(), scene.now);
        std::mem::replace(&mut scene.connection, other)
    };
    let mut first = another(&mut scene);
    assert_eq!(scene.receive(as_user("b")).action, Action::Park, "the path has a token, the user has none");
    let (told, called) = scene.worker.state.asked();
    assert_eq!(
        first.take_turn(&mut scene.worker, scene.now).action,
        Action::Forward,
        "which the first one takes"
    );
    assert_eq!(scene.worker.state.asked(), (told, called));
    assert_eq!(scene.take_turn().action, Action::Wait);
    assert_eq!(scene.worker.state.asked(), (told + 1, called + 1), "of the path, and at once");
    assert_eq!(scene.take_turn().action, Action::Wait);
    assert_eq!(scene.worker.state.asked(), (told + 1, called + 1));
}

/// A token that came between the first look and the second is not overlooked.
#[test]
fn it_looks_once_more() {
    let mut scene = strict_beside(&[]);
    scene.worker.state.grant_when_called(1, false);
    assert_eq!(scene.receive(GET).action, Action::Forward);
    assert_nobody_waits(&scene);
}

/// Nor is a refusal; and it says that more waits, of what has just come as of what was kept.
#[test]
fn a_refusal_at_the_second_look_says_that_more_waits() {
    for kept in [false, true] {
        let mut scene = strict_beside(&[]);
        if kept {
            scene.worker.state.grant_when_called(1, false);
            assert_eq!(scene.receive(GET.repeat(4)).action, Action::Forward);
            assert_eq!((scene.respond(OK).status(), scene.held()), (200, 0));
        }
        scene.worker.state.grant_when_called(0, true);
        let mut come = if kept { String::new() } else { GET.repeat(3) };
        for more in [1, 1, 0] {
            let told = scene.receive(std::mem::take(&mut come));
            assert_eq!((told.answer(), told.argument), ((Action::Reply, 429), more), "kept: {kept}");
        }
        assert_nobody_waits(&scene);
    }
}

/// A request of which the answer says what it cost, and that found no place, cost 1.
#[test]
fn a_refusal_after_the_limits_is_charged() {
    let costly = json!({"cost": {"response_header": "x-cost"}, "burst": 1});
    let mut scene = Scene::with(|document| document["routes"][1]["limits"] = json!([limit(0, &costly)]));
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 10);
    }
    assert_eq!(scene.receive(GET).status(), 503);
    assert_eq!(scene.receive(GET).status(), 503, "it owes nothing beyond its burst");
    assert_eq!(scene.receive(GET).status(), 429);
}
