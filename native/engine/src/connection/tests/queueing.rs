//! Who waits for a place, whose turn it is, and what becomes of those that wait in vain.

use serde_json::json;

use super::scene::*;
use crate::connection::{Action, Connection};
use crate::queue::Front;
use crate::state::State;

/// The row of the service, and the place that one more exchange fills on each of the two instances.
const SERVICE: u32 = 0;
const CAP: u32 = 11;
const WAIT: u64 = 2 * SECOND;

/// A scene whose service has a queue of two, and one place left on one of its instances.
fn queued() -> Scene {
    let scene = Scene::with(|document| {
        document["services"][0]["queue"] = json!({"size": 2, "timeout_ms": 2_000});
    });
    scene.worker.state.set_cap(0, CAP);
    scene.worker.state.set_cap(1, CAP - 1);
    scene
}

/// A scene in which this request waits, and the connection that has the place.
fn waiting(request: &str) -> (Scene, Connection) {
    let mut scene = queued();
    assert_eq!(scene.receive(GET).action, Action::Forward);
    let holder = turn_to_another(&mut scene);
    let told = scene.receive(request);
    assert_eq!((told.action, told.payload.is_empty()), (Action::Park, false), "{}", told.text());
    (scene, holder)
}

/// From here on events are those of a new connection; returns the one before.
fn turn_to_another(scene: &mut Scene) -> Connection {
    let other = Connection::open(&mut scene.worker, 0, "192.0.2.1".parse().unwrap(), scene.now);
    std::mem::replace(&mut scene.connection, other)
}

/// The other connection gets its answer, and gives its place back.
fn answer(scene: &mut Scene, holder: &mut Connection) {
    std::mem::swap(&mut scene.connection, holder);
    assert_eq!(scene.respond(OK).action, Action::Finish);
    std::mem::swap(&mut scene.connection, holder);
}

fn depth(scene: &Scene) -> u32 {
    scene.worker.state.queue(SERVICE).0
}

/// How those ended that wanted to wait: served, full, displaced, late, left, failed, refused.
fn ends(scene: &Scene) -> [u64; 7] {
    scene.worker.state.wait_ends(SERVICE)
}

/// Nobody waits, and nobody is said to.
fn assert_nobody_waits(scene: &Scene) {
    assert_eq!(scene.worker.state.queue(SERVICE), (0, None));
    assert!(scene.worker.lines.is_empty());
}

#[test]
fn a_request_waits_until_there_is_a_place() {
    let (mut scene, mut holder) = waiting(GET);
    assert_eq!((depth(&scene), scene.held()), (1, 1));
    let since = scene.now;
    assert_eq!(
        scene.worker.state.queue(SERVICE).1,
        Some(Front { since, newest_first: false }),
        "everybody can see that"
    );
    assert_eq!(scene.take_turn().action, Action::Wait, "there is none");
    assert_eq!(scene.worker.state.woken(), 0);
    answer(&mut scene, &mut holder);
    assert_eq!(scene.worker.state.woken(), 1, "who gives a place back wakes who waits for it");
    scene.pass(MILLI);
    let told = scene.take_turn();
    assert_eq!((slot(&told), told.payload.len()), (0, 0), "what was held back goes out");
    assert_nobody_waits(&scene);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
    assert_eq!((ends(&scene), scene.held()), ([1, 0, 0, 0, 0, 0, 0], 0));
    assert_eq!(scene.durations(), [0, MILLI], "the wait is part of it");
}

/// A service without a queue refuses, and wakes nobody.
#[test]
fn without_a_queue_nobody_waits() {
    let mut scene = Scene::new();
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, CAP - 1);
    }
    assert!(scene.receive(GET).text().contains("instances full"));
    assert_nobody_waits(&scene);
    assert_eq!(ends(&scene), [0; 7]);
}

/// Who comes while others wait stands behind them, though there were a place.
#[test]
fn nobody_overtakes() {
    let (mut scene, mut holder) = waiting(GET);
    answer(&mut scene, &mut holder);
    let first = turn_to_another(&mut scene);
    scene.pass(MILLI);
    assert_eq!(scene.receive(GET).action, Action::Park);
    scene.worker.lines.begin_round();
    assert_eq!(scene.worker.lines.next(scene.now), Some(first.index()));
    let mut elsewhere = queued();
    let older = Front { since: elsewhere.now - 1, newest_first: false };
    elsewhere.worker.state.set_front_elsewhere(Some(older));
    assert_eq!(elsewhere.receive(GET).action, Action::Park, "somebody waits at another worker");
    let mut newer = queued();
    newer.worker.state.set_front_elsewhere(Some(Front { since: newer.now + 1, newest_first: false }));
    assert_eq!(newer.receive(GET).action, Action::Forward, "somebody has just come there");
    let mut standing = queued();
    standing.worker.state.set_front_elsewhere(Some(Front { since: 1, newest_first: true }));
    assert_eq!(standing.receive(GET).action, Action::Forward, "in a line that stands the newest is first");
}

#[test]
fn who_waits_too_long_is_told_to_come_again() {
    let (mut scene, _holder) = waiting(GET);
    let told = scene.expire_after(WAIT);
    assert_eq!(told.answer(), (Action::Reply, 503));
    assert!(told.text().contains("error=connection_limit_reached; details=\"too long in the queue\"\r\n"));
    assert!(told.text().contains("\r\nRetry-After: 1\r\n"));
    assert_nobody_waits(&scene);
    assert_eq!((ends(&scene), scene.held()), ([0, 0, 0, 1, 0, 0, 0], 1));
    assert_eq!(scene.counted(), [(503, 1)]);
}

#[test]
fn a_queue_that_is_full_takes_no_more() {
    let (mut scene, _holder) = waiting(GET);
    let _first = turn_to_another(&mut scene);
    assert_eq!(scene.receive(GET).action, Action::Park);
    let _second = turn_to_another(&mut scene);
    let told = scene.receive(GET);
    assert_eq!(told.answer(), (Action::Reply, 503));
    assert!(told.text().contains("details=\"queue full\"\r\n"));
    assert!(told.text().contains("\r\nRetry-After: 1\r\n"));
    assert_eq!((depth(&scene), ends(&scene)), (2, [0, 1, 0, 0, 0, 0, 0]));
}

/// In a full queue that stands the oldest gives way: its time-out comes at once.
#[test]
fn the_oldest_gives_way_to_the_newest() {
    let (mut scene, mut holder) = waiting(GET);
    let oldest = turn_to_another(&mut scene);
    assert_eq!(scene.receive(GET).action, Action::Park);
    for step in [WAIT / 9, WAIT / 9] {
        scene.pass(step); // beyond a tenth of the time, and for as long again
        assert_eq!(scene.take_turn().action, Action::Wait);
        scene.worker.lines.front(SERVICE, scene.now);
    }
    let middle = turn_to_another(&mut scene);
    assert_eq!(scene.receive(GET).action, Action::Park);
    assert_eq!(depth(&scene), 2);
    let newest = turn_to_another(&mut scene);
    scene.connection = oldest;
    let told = scene.expire_after(0);
    assert!(told.text().contains("details=\"queue full\"\r\n"), "{}", told.text());
    assert_eq!((depth(&scene), ends(&scene)), (2, [0, 0, 1, 0, 0, 0, 0]));
    answer(&mut scene, &mut holder);
    scene.worker.lines.begin_round();
    assert_eq!(scene.worker.lines.next(scene.now), Some(newest.index()), "and the newest is first");
    drop(middle);
}

/// A request that waits, the status that it is counted as, how its wait is counted, and what ends it.
type End = (&'static str, u16, [u64; 7], fn(&mut Scene));

/// However an exchange ends that waits, it is counted once and leaves nothing behind.
#[test]
fn every_end_of_a_wait_leaves_the_queue() {
    let ends_of: [End; 5] = [
        (GET, 499, [0, 0, 0, 0, 1, 0, 0], Scene::close),
        (GET, 499, [0, 0, 0, 0, 1, 0, 0], |scene| assert_eq!(scene.client_eof().action, Action::Close)),
        (POST_BEGUN, 499, [0, 0, 0, 0, 1, 0, 0], |scene| {
            assert_eq!(scene.client_eof().action, Action::Close);
        }),
        (CHUNKED_BEGUN, 400, [0, 0, 0, 0, 1, 0, 0], |scene| {
            assert_eq!(scene.receive("nonsense").answer(), (Action::ReplyClose, 400));
        }),
        (GET, 503, [0, 0, 0, 0, 0, 1, 0], |scene| {
            scene.worker.state.set_members(SERVICE, &[]);
            assert!(scene.take_turn().text().contains("no instance"));
        }),
    ];
    for (request, status, counted, end) in ends_of {
        let (mut scene, mut holder) = waiting(request);
        end(&mut scene);
        assert_nobody_waits(&scene);
        assert_eq!((scene.counted(), ends(&scene)), (vec![(status, 1)], counted));
        answer(&mut scene, &mut holder);
        scene.close();
        assert_eq!(scene.held(), 0);
    }
}

/// When the last of a line leaves it without a place, a wake-up that was meant for it goes on to another worker.
#[test]
fn a_wake_up_for_one_that_left_goes_on() {
    let (mut scene, _holder) = waiting(GET);
    scene.worker.state.set_front_elsewhere(Some(Front { since: scene.now, newest_first: false }));
    scene.close();
    assert_eq!(scene.worker.state.woken(), 1);
}

/// What comes of a body meanwhile is held back with the head, and its time stands still.
#[test]
fn a_body_may_come_while_its_request_waits() {
    let (mut scene, mut holder) = waiting(POST_BEGUN);
    scene.pass(SECOND);
    let told = scene.receive("defg");
    assert_eq!((told.action, told.payload.as_slice()), (Action::Send, &b"defg"[..]));
    assert_eq!(scene.receive("hij").action, Action::Send);
    answer(&mut scene, &mut holder);
    assert_eq!(slot(&scene.take_turn()), 0);
    let told = scene.expire_after(31 * SECOND);
    assert_eq!(told.answer(), (Action::Reply, 504), "from here on the first byte is waited for");
}

/// A place that comes free between the first look and the moment at which everybody can see that somebody waits is found.
#[test]
fn who_begins_to_wait_looks_once_more() {
    let mut scene = queued();
    scene.worker.state.free_a_place_when_somebody_waits(0);
    scene.worker.state.set_cap(0, CAP - 1);
    let told = scene.receive(POST);
    assert_eq!(slot(&told), 0);
    assert!(told.text().starts_with("POST / HTTP/1.1\r\n"), "the whole request goes out");
    assert_nobody_waits(&scene);
    assert_eq!(ends(&scene), [1, 0, 0, 0, 0, 0, 0]);
}

/// A tunnel holds its place to its end, and hands it on then.
#[test]
fn a_tunnel_hands_its_place_on() {
    let mut scene = queued();
    scene.receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(scene.respond(switched).action, Action::Switch);
    let mut tunnel = turn_to_another(&mut scene);
    assert_eq!(scene.receive(GET).action, Action::Park);
    tunnel.close(&mut scene.worker, scene.now);
    assert_eq!(scene.worker.state.woken(), 1);
    assert_eq!(scene.take_turn().action, Action::Forward);
}

/// A reload that takes the queue away changes nothing for those who wait in it.
#[test]
fn a_reload_leaves_those_who_wait() {
    let (mut scene, mut holder) = waiting(GET);
    scene.worker.snapshot = Scene::new().worker.snapshot;
    answer(&mut scene, &mut holder);
    assert_eq!(scene.take_turn().action, Action::Forward);
    assert_nobody_waits(&scene);
}

/// Requests that were pipelined behind one that waits come after it.
#[test]
fn what_is_pipelined_waits_behind() {
    let (mut scene, mut holder) = waiting(GET);
    assert_eq!(scene.receive(GET).action, Action::Wait);
    answer(&mut scene, &mut holder);
    assert_eq!(scene.take_turn().action, Action::Forward);
    let told = scene.respond(OK);
    assert_eq!((told.action, told.argument), (Action::Finish, 1));
    assert_eq!(scene.receive("").action, Action::Forward);
    assert_eq!(scene.worker.state.in_flight(0), CAP);
}

/// The row of the limit on all requests of the service.
const GATE: u32 = 12;

/// A scene whose service may have one request under way, wherever, beside a limit on each user's.
fn gated() -> Scene {
    Scene::with(|document| {
        document["services"][0]["queue"] = json!({"size": 2, "timeout_ms": 2_000});
        document["services"][0]["concurrency"] = json!([
            {"name": "of-one", "row": 11, "most": 9, "key": ["header:x-user"]},
            {"name": "wide", "row": 13, "most": 8, "key": ["service"]},
            {"name": "all", "row": GATE, "most": 1, "key": ["service"]}]);
    })
}

/// Decisions of the gate: allowed and refused.
fn decisions(scene: &Scene) -> (u64, u64) {
    let [allowed, refused, ..] = scene.worker.state.limit_decisions(GATE);
    (allowed, refused)
}

/// The places of the service are waited for like those of its instances. Who waits has none of either.
#[test]
fn a_request_waits_for_the_service_to_have_room() {
    let mut scene = gated();
    assert_eq!(scene.receive(GET).action, Action::Forward);
    let mut holder = turn_to_another(&mut scene);
    assert_eq!(scene.receive(GET).action, Action::Park);
    assert_eq!((scene.held(), decisions(&scene)), (1, (1, 0)));
    assert_eq!(scene.worker.state.held_by_keys(), 3 + 2, "it counts at the other limits");
    assert_eq!(scene.take_turn().action, Action::Wait);
    answer(&mut scene, &mut holder);
    assert_eq!(scene.worker.state.woken(), 1);
    assert_eq!(scene.take_turn().action, Action::Forward);
    assert_eq!((scene.held(), decisions(&scene)), (1, (2, 0)));
    scene.close();
    assert_nobody_waits(&scene);
    assert_eq!((scene.held(), scene.worker.state.held_by_keys()), (0, 0));
}

/// Without a place on an instance the gate is not passed, so that nobody finds it shut for nothing.
#[test]
fn who_waits_for_an_instance_holds_no_place_of_the_service() {
    let mut scene = gated();
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, CAP - 1);
    }
    assert_eq!(scene.receive(GET).action, Action::Park);
    assert_eq!((decisions(&scene), scene.worker.state.held_by_keys()), ((0, 0), 2));
    scene.worker.state.set_cap(1, CAP);
    assert_eq!(slot(&scene.take_turn()), 1);
    assert_eq!((decisions(&scene), scene.worker.state.held_by_keys()), ((1, 0), 3));
    scene.respond(OK);
    assert_eq!(scene.worker.state.held_by_keys(), 0);
}

/// Who finds the gate shut and the queue full is counted as refused.
#[test]
fn a_gate_counts_whom_it_refuses() {
    let mut scene = gated();
    let mut others = vec![];
    for expected in [Action::Forward, Action::Park, Action::Park] {
        assert_eq!(scene.receive(GET).action, expected);
        others.push(turn_to_another(&mut scene));
    }
    assert!(scene.receive(GET).text().contains("queue full"));
    assert_eq!(decisions(&scene), (1, 1));
}

/// A request that passes the gate takes one turn of a round robin, and one that finds it shut takes none.
#[test]
fn a_gate_takes_no_turns() {
    let mut scene = Scene::with(|document| {
        let service = &mut document["services"][0];
        service["balance"] = json!("round_robin");
        service["queue"] = json!({"size": 2, "timeout_ms": 2_000});
        service["concurrency"] = json!([{"name": "all", "row": GATE, "most": 1, "key": ["service"]}]);
    });
    let mut slots = vec![];
    for _ in 0..4 {
        slots.push(slot(&scene.receive(GET)));
        let mut holder = turn_to_another(&mut scene);
        assert_eq!(scene.receive(GET).action, Action::Park);
        answer(&mut scene, &mut holder);
        slots.push(slot(&scene.take_turn()));
        scene.respond(OK);
    }
    assert_eq!(slots, [0, 1, 0, 1, 0, 1, 0, 1]);
}

/// A place on an instance whose request cannot be counted at the gate is given back, and nobody is woken for it.
#[test]
fn who_cannot_be_counted_holds_no_instance() {
    let mut scene = Scene::with(|document| {
        document["services"][0]["queue"] = json!({"size": 2, "timeout_ms": 2_000});
        document["services"][0]["concurrency"] =
            json!([{"name": "all", "row": GATE, "most": 1, "key": ["service"], "overflow": "refuse"}]);
    });
    scene.worker.state.set_no_room_for_holds();
    assert_eq!(scene.receive(GET).action, Action::Park);
    assert_eq!((scene.held(), scene.worker.state.woken()), (0, 0));
}

/// Without a gate a retry that finds no instance has nothing to give back but what its first try did.
#[test]
fn a_failed_try_wakes_nobody_again() {
    let mut scene = queued();
    scene.receive(GET);
    scene.connecting();
    scene.worker.state.set_members(SERVICE, &[]);
    scene.worker.state.set_front_elsewhere(Some(Front { since: scene.now, newest_first: false }));
    assert_eq!(scene.connect_failed().answer(), (Action::Reply, 502));
    assert_eq!(scene.worker.state.woken(), 1);
}

/// A retry that finds no instance gives the place of the service back, and whoever waits for it is woken.
#[test]
fn a_failed_try_opens_the_gate() {
    let mut scene = gated();
    scene.receive(GET);
    scene.connecting();
    let mut holder = turn_to_another(&mut scene);
    assert_eq!(scene.receive(GET).action, Action::Park);
    std::mem::swap(&mut scene.connection, &mut holder);
    scene.worker.state.set_members(SERVICE, &[]);
    assert_eq!(scene.connect_failed().answer(), (Action::Reply, 502));
    std::mem::swap(&mut scene.connection, &mut holder);
    assert_eq!(scene.worker.state.woken(), 2, "for the place on the instance, and for that of the service");
    scene.worker.state.set_members(SERVICE, &[0, 1]);
    assert_eq!(scene.take_turn().action, Action::Forward);
}
