//! Routes of whose requests a mirror gets copies.

use serde_json::{json, Value};

use super::scene::{Scene, Told, GET, OK, POST, POST_BEGUN, ROUTED, SECOND};
use crate::connection::{Action, Connection, CutOff, MOST_COPIES};
use crate::http1::body::Body;
use crate::state::{Counter, Instance, State};

const SHADOW_SLOT: u32 = 1;
/// The row of the copies.
const COPIED: u32 = 2;
/// The only instance of the mirror.
const INSTANCE: u32 = 5;

/// So many percent of all requests are copied to `shadow`.
fn scene(share: u32) -> Scene {
    scene_with(share, |_| ())
}

/// As `scene`, with a document that was changed.
fn scene_with(share: u32, change: impl FnOnce(&mut Value)) -> Scene {
    let scene = Scene::with(|document| {
        let mut shadow = document["services"][0].clone();
        shadow["name"] = "shadow".into();
        shadow["slot"] = SHADOW_SLOT.into();
        document["services"].as_array_mut().unwrap().push(shadow);
        document["routes"][1]["mirror"] = json!({"service": 1, "share": share, "row": COPIED});
        change(document);
    });
    scene.worker.state.set_members(SHADOW_SLOT, &[INSTANCE]);
    scene
}

impl Scene {
    fn begin_copy(&mut self) -> Option<(Connection, u64)> {
        self.connection.begin_copy(&mut self.worker, self.now)
    }

    /// The copy of a request that has one.
    fn copy_of(&mut self, request: &str) -> Connection {
        assert_eq!(self.receive(request).action, Action::ForwardCopied, "{request}");
        let (copy, instance) = self.begin_copy().unwrap();
        assert_eq!(Instance::from_key(instance).slot, INSTANCE);
        copy
    }

    fn copies_held(&self) -> u32 {
        self.worker.state.in_flight(INSTANCE)
    }

    fn copies(&self) -> Vec<(u16, u64)> {
        self.worker.state.requests(COPIED)
    }

    /// Turns the clock to the deadline of the copy, `nanos` away, and tells it.
    fn expire_copy(&mut self, copy: &mut Connection, nanos: u64) -> Action {
        self.now += nanos;
        assert_eq!(self.worker.deadlines.at(copy.index()), self.now);
        copy.expire(&mut self.worker, 0, self.now).action
    }
}

/// A copy has a place on the mirror's instance until its answer is whole, and is counted by that answer, apart from requests.
#[test]
fn a_copy_is_an_exchange_of_its_own() {
    let mut scene = scene(100);
    let mut copy = scene.copy_of(POST);
    assert_eq!((scene.held(), scene.copies_held()), (1, 1));
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200), "the request does not wait for it");
    assert_eq!((scene.held(), scene.copies_held()), (0, 1));
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(copy.respond(&mut scene.worker, answer.as_bytes(), scene.now).action, Action::FinishClose);
    copy.close(&mut scene.worker, scene.now);
    assert_eq!((scene.copies_held(), scene.copies()), (0, vec![(404, 1)]));
    assert_eq!(scene.counted(), [(200, 1)]);
    assert_eq!(scene.worker.state.durations(SHADOW_SLOT).len(), 1);
    assert_eq!(scene.worker.state.counter(Counter::ConnectionsEnded), 0, "it is no client");
}

/// Requests that have none are forwarded as ever, and switched protocols are never copied.
#[test]
fn not_every_request_has_one() {
    let mut seen = scene(40);
    let mut copied = 0;
    for _ in 0..1_000 {
        let action = seen.receive(GET).action;
        assert_eq!(
            action == Action::ForwardCopied,
            seen.begin_copy().is_some_and(|(mut copy, _)| {
                copy.close(&mut seen.worker, seen.now);
                true
            })
        );
        copied += u32::from(action == Action::ForwardCopied);
        seen.respond(OK);
    }
    assert!((300..500).contains(&copied), "{copied}");
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(scene(100).receive(upgrade).action, Action::Forward);
    assert_eq!(Scene::new().receive(GET).action, Action::Forward);
}

/// What the gateway refuses gets to nobody.
#[test]
fn a_refused_request_has_none() {
    let mut scene = scene_with(100, |document| {
        document["routes"][1]["limits"] = json!([{"name": "l", "row": 10, "tokens": 1,
            "period_ns": 60_000_000_000_u64, "burst": 1, "key": ["client_ip"]}]);
    });
    let mut copy = scene.copy_of(GET);
    scene.respond(OK);
    assert_eq!((scene.receive(GET).status(), scene.begin_copy().is_none()), (429, true));
    scene.worker.state.set_health(0, false);
    scene.worker.state.set_health(1, false);
    scene.pass(61 * SECOND);
    assert_eq!((scene.receive(GET).status(), scene.begin_copy().is_none()), (503, true));
    copy.close(&mut scene.worker, scene.now);
    let counters = [Counter::MirrorsFull, Counter::MirrorsUnavailable];
    assert_eq!(counters.map(|counter| scene.worker.state.counter(counter)), [0, 0], "none was to be made");
}

/// A mirror without an instance that has a place costs the request nothing.
#[test]
fn a_mirror_without_a_place_gets_none() {
    let mut scene = scene(100);
    scene.worker.state.set_members(SHADOW_SLOT, &[]);
    assert_eq!((scene.receive(GET).action, scene.begin_copy().is_none()), (Action::ForwardCopied, true));
    assert_eq!(scene.worker.state.counter(Counter::MirrorsUnavailable), 1);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
    scene.ends_as(200);
}

/// A mirror under maintenance gets the copies of those requests only whose client it lets in; the requests go on.
#[test]
fn a_mirror_under_maintenance_gets_none() {
    for (admitted, dropped) in [(json!([]), 1), (json!(["192.0.2.2"]), 1), (json!(["192.0.2.1"]), 0)] {
        let mut scene = scene_with(100, |document| {
            document["services"][1]["maintenance"] =
                json!({"admitted": admitted, "retry_after_s": null, "page": null});
        });
        assert_eq!(scene.receive(GET).action, Action::ForwardCopied, "{admitted}");
        let mut copy = scene.begin_copy();
        assert_eq!(copy.is_none(), dropped == 1, "{admitted}");
        assert_eq!((scene.copies_held(), scene.worker.copies), (1 - dropped, 1 - dropped));
        assert_eq!(scene.worker.state.counter(Counter::MirrorsUnavailable), u64::from(dropped));
        if let Some((copy, _)) = &mut copy {
            copy.close(&mut scene.worker, scene.now);
        }
        assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
        scene.ends_as(200);
    }
}

/// Beyond their bound copies are not made, until one has ended.
#[test]
fn there_is_a_bound_of_copies() {
    let mut scene = scene(100);
    let mut copies: Vec<Connection> = Vec::new();
    for _ in 0..MOST_COPIES {
        copies.push(scene.copy_of(GET));
        scene.respond(OK);
    }
    assert_eq!((scene.receive(GET).action, scene.begin_copy().is_none()), (Action::ForwardCopied, true));
    assert_eq!(scene.worker.state.counter(Counter::MirrorsFull), 1);
    scene.respond(OK);
    copies[0].close(&mut scene.worker, scene.now);
    copies[0].close(&mut scene.worker, scene.now);
    copies.push(scene.copy_of(GET));
    scene.respond(OK);
    assert!(
        {
            scene.receive(GET);
            scene.begin_copy().is_none()
        },
        "one has ended, and not two"
    );
}

/// No failure of the mirror leads to another try, and each ends the copy with its place given back.
#[test]
fn a_copy_is_sent_once() {
    type Failure = fn(&mut Scene, &mut Connection) -> Action;
    let gone: [(&str, Failure, u16); 5] = [
        ("refuses", |it, copy| copy.upstream_failed(&mut it.worker, true, it.now).action, 502),
        ("resets", |it, copy| copy.upstream_lost(&mut it.worker, false, true, true, it.now).action, 502),
        ("nonsense", |it, copy| copy.respond(&mut it.worker, b"nonsense\r\n\r\n", it.now).action, 502),
        (
            "switches",
            |it, copy| {
                let switch = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                copy.respond(&mut it.worker, switch, it.now).action
            },
            502,
        ),
        ("is silent", |it, copy| it.expire_copy(copy, 31 * SECOND), 504),
    ];
    for (what, fail, code) in gone {
        let mut scene = scene(100);
        let mut copy = scene.copy_of(GET);
        assert_eq!(fail(&mut scene, &mut copy), Action::ReplyClose, "{what}");
        copy.close(&mut scene.worker, scene.now);
        assert_eq!((scene.copies_held(), scene.copies()), (0, vec![(code, 1)]), "{what}");
        assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200), "{what}");
        assert_eq!(scene.worker.state.counter(Counter::Retries), 0, "{what}");
        scene.ends_as(200);
    }
}

/// The body of a copy comes as that of its request does, but not for longer than a client may pause.
#[test]
fn a_body_comes_in_its_time() {
    let mut scene = scene(100);
    let mut copy = scene.copy_of(POST_BEGUN);
    assert!(!scene.connection.is_request_whole());
    let Told { action, payload, .. } = scene.receive("defghij");
    assert_eq!((action, payload.as_slice()), (Action::Send, &b"defghij"[..]));
    assert!(scene.connection.is_request_whole());
    copy.copy_is_whole(&mut scene.worker, scene.now);
    assert_eq!(scene.expire_copy(&mut copy, 31 * SECOND), Action::ReplyClose, "the time for the first byte");
    let mut late = {
        scene.respond(OK);
        scene.copy_of(POST_BEGUN)
    };
    assert!(matches!(late.request_body, Body::UntilClose));
    assert_eq!(scene.expire_copy(&mut late, 30 * SECOND), Action::ReplyClose);
    late.close(&mut scene.worker, scene.now);
    assert_eq!(scene.copies(), [(408, 1), (504, 1)]);
}

/// An interim answer of the mirror does not have the rate of its body measured, which is its request's matter: it may go on for as long as
/// a client may pause.
#[test]
fn a_copy_has_no_rate_to_keep() {
    let upload = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n";
    let mut scene = scene_with(100, |document| {
        document["listeners"][0]["min_bytes_per_second"] = json!(500);
    });
    let mut copy = scene.copy_of(upload);
    scene.pass(2 * SECOND);
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(copy.respond(&mut scene.worker, interim, scene.now).action, Action::Relay);
    assert_eq!(scene.expire_copy(&mut copy, 30 * SECOND), Action::ReplyClose);
    copy.close(&mut scene.worker, scene.now);
    assert_eq!(scene.copies(), [(408, 1)]);
}

/// A copy that is cut off says why, and gives its place back.
#[test]
fn a_copy_may_be_cut_off() {
    let mut scene = scene(100);
    for why in [CutOff::Slow, CutOff::Incomplete, CutOff::Incomplete] {
        let mut copy = scene.copy_of(GET);
        copy.cut_off(&mut scene.worker, why, scene.now);
        scene.respond(OK);
    }
    let counters = [Counter::MirrorsSlow, Counter::MirrorsIncomplete];
    assert_eq!(counters.map(|counter| scene.worker.state.counter(counter)), [1, 2]);
    assert_eq!((scene.copies_held(), scene.copies()), (0, vec![(499, 3)]));
}

/// A request that waits in line has its copy at once; the line is its own service's.
#[test]
fn a_request_in_line_has_one_too() {
    let mut scene = scene_with(100, |document| {
        document["services"][0]["queue"] = json!({"size": 10, "timeout_ms": 5_000});
    });
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 10);
    }
    let told = scene.receive(GET);
    assert_eq!((told.action, told.payload.is_empty()), (Action::ParkCopied, false));
    let (mut copy, _) = scene.begin_copy().unwrap();
    copy.close(&mut scene.worker, scene.now);
    scene.close();
    assert_eq!((scene.worker.state.requests(ROUTED), scene.held()), (vec![(499, 1)], 0));
}

/// Where requests wait for the mirror itself, a copy does not push in.
#[test]
fn a_copy_does_not_overtake() {
    let mut scene = scene_with(100, |document| {
        document["services"][1]["queue"] = json!({"size": 10, "timeout_ms": 5_000});
        document["routes"][0]["service"] = 1.into();
        document["routes"][0]["limits"] = json!([]);
    });
    scene.worker.state.set_cap(INSTANCE, 1);
    let mut first = scene.copy_of(GET);
    scene.respond(OK);
    assert_eq!(scene.receive("GET /limited HTTP/1.1\r\nHost: a\r\n\r\n").action, Action::Park);
    let waits = std::mem::replace(
        &mut scene.connection,
        Connection::open(&mut scene.worker, 0, "192.0.2.2".parse().unwrap(), scene.now),
    );
    first.close(&mut scene.worker, scene.now);
    assert_eq!((scene.receive(GET).action, scene.begin_copy().is_none()), (Action::ForwardCopied, true));
    assert_eq!(scene.worker.state.counter(Counter::MirrorsUnavailable), 1);
    drop(waits);
}

/// A scene whose requests wait for the tokens of a limit that gateways share.
fn strict() -> Scene {
    let scene = scene_with(100, |document| {
        document["routes"][1]["limits"] = json!([{"name": "l", "row": 10, "tokens": 1, "period_ns": SECOND, "burst": 10,
            "key": ["header:x-user"], "shared": {"seed": 7, "low": 0}}]);
        document["services"][0]["queue"] = json!({"size": 10, "timeout_ms": 5_000});
    });
    scene.worker.state.set_waits(true);
    scene
}

/// One that waits for its token is copied when it has it, and once: when it goes out, or stands in line.
#[test]
fn one_that_waits_for_its_token_is_copied_with_it() {
    for has_place in [true, false] {
        let mut scene = strict();
        assert_eq!(scene.receive(GET).action, Action::Park);
        scene.worker.state.grant(1, false);
        if !has_place {
            for slot in [0, 1] {
                scene.worker.state.set_cap(slot, 10);
            }
        }
        let told = scene.take_turn();
        let expected = if has_place { Action::ForwardCopied } else { Action::ParkCopied };
        assert_eq!((told.action, told.payload.len()), (expected, 0));
        let (mut copy, _) = scene.begin_copy().unwrap();
        if !has_place {
            scene.worker.state.set_cap(0, 11);
            assert_eq!(scene.take_turn().action, Action::Forward, "and not once more");
        }
        assert_eq!(scene.respond(OK).status(), 200);
        copy.close(&mut scene.worker, scene.now);
        assert_eq!((scene.copies_held(), scene.copies()), (0, vec![(499, 1)]));
    }
}

/// A token that was there at the second look has it copied at once.
#[test]
fn one_that_has_its_token_at_the_second_look_is_copied() {
    let mut scene = strict();
    scene.worker.state.grant_when_called(1, false);
    let told = scene.receive(GET);
    assert_eq!((told.action, told.payload.is_empty()), (Action::ForwardCopied, false));
    assert!(scene.begin_copy().is_some());
}

/// Who gets no token has no copy, whether the limit refuses it or it does not wait to the end; and none is left to the next request.
#[test]
fn one_that_gets_no_token_has_none() {
    let mut scene = strict();
    assert_eq!(scene.receive(GET).action, Action::Park);
    scene.worker.state.grant(0, true);
    assert_eq!((scene.take_turn().status(), scene.begin_copy().is_none()), (429, true));
    let mut scene = strict();
    assert_eq!(scene.receive(GET).action, Action::Park);
    assert_eq!((scene.expire_after(5 * SECOND).status(), scene.begin_copy().is_none()), (503, true));
    let counters = [Counter::MirrorsFull, Counter::MirrorsUnavailable];
    assert_eq!(counters.map(|counter| scene.worker.state.counter(counter)), [0, 0]);
}
