//! Connections that are passed through: from the choice of an instance to the end that is counted.

use std::sync::Arc;

use serde_json::{json, Value};

use super::scene::{document, Scene, Told, MILLI, SECOND, UNROUTED};
use crate::connection::{Action, Connection};
use crate::pass_through::End;
use crate::proxy_protocol::Ends;
use crate::snapshot::Snapshot;
use crate::state::{Counter, Instance, State};

/// Makes the scene's listener one that passes its connections through, and changes more.
fn scene(change: impl FnOnce(&mut Value)) -> Scene {
    Scene::with(|document| {
        let listener = &mut document["listeners"][0];
        listener["scheme"] = json!("tcp");
        listener["passage"] = json!({"service": 0, "tries": 2});
        document["access_log"] = json!(true);
        change(document);
    })
}

fn slot(told: &Told) -> u32 {
    assert_eq!((told.action, told.payload.len()), (Action::Connect, 0), "{told:?}");
    Instance::from_key(told.argument).slot
}

fn ends(scene: &Scene) -> Vec<End> {
    scene.worker.state.pass_ends(UNROUTED)
}

fn line(scene: &Scene) -> Value {
    serde_json::from_slice(scene.worker.access_log.lines()).unwrap()
}

fn between() -> Ends {
    Ends { source: "192.0.2.1:4711".parse().unwrap(), destination: "198.51.100.1:80".parse().unwrap() }
}

/// A scene in which the instance has accepted.
fn passed(change: impl FnOnce(&mut Value)) -> Scene {
    let mut scene = scene(change);
    slot(&scene.admit());
    scene.connecting();
    assert_eq!(scene.connected().action, Action::Switch);
    scene
}

/// One place on one instance from the first moment to the end; everything is counted once, and as what it was.
#[test]
fn a_connection_holds_its_place_until_it_ends() {
    let mut scene = passed(|_| ());
    assert_eq!((scene.held(), ends(&scene)), (1, vec![]));
    scene.connection.carried(&scene.worker, true, 7);
    scene.connection.carried(&scene.worker, false, 11);
    scene.connection.carried(&scene.worker, true, 1);
    scene.connection.ends_by(End::Closed);
    scene.connection.ends_by(End::ClientReset); // too late
    scene.close();
    scene.close();
    assert_eq!((scene.held(), ends(&scene)), (0, vec![End::Closed]));
    assert_eq!(scene.worker.state.passed(UNROUTED), [1, 8, 11]);
    assert!(scene.counted().is_empty() && scene.counted_unrouted().is_empty(), "it was no request");
    assert!(scene.durations().is_empty());
    let line = line(&scene);
    for (key, value) in [("client", json!("192.0.2.1")), ("service", json!("api")), ("tries", json!(1))] {
        assert_eq!(line[key], value, "{key}");
    }
    for key in ["request_id", "method", "host", "path", "route", "status", "first_byte_ms", "reason"] {
        assert_eq!(line[key], Value::Null, "{key}");
    }
    assert_eq!((&line["bytes"], &line["bytes_received"]), (&json!(11), &json!(8)));
}

/// What the client says before the instance has accepted goes out with the tunnel, and so does its FIN; what is too much waits in the
/// kernel.
#[test]
fn early_bytes_are_kept() {
    let mut scene = scene(|_| ());
    scene.admit();
    scene.connecting();
    assert_eq!(scene.receive("ear").action, Action::Wait);
    assert_eq!(scene.receive("ly").action, Action::Wait);
    assert_eq!(scene.client_eof().action, Action::Wait);
    assert_eq!(scene.receive(vec![b'x'; 64 * 1024]).action, Action::Hold);
    assert_eq!(scene.connected().action, Action::Switch);
    let early = scene.connection.take_early();
    assert_eq!((&early[..5], early.len()), (&b"early"[..], 5 + 64 * 1024));
    assert_eq!(scene.worker.state.passed(UNROUTED), [1, early.len() as u64, 0]);
}

/// A connect that fails blames its instance and leads to another at once; when nobody is left, the client is reset.
#[test]
fn another_instance_is_tried() {
    let mut scene = scene(|_| ());
    let first = slot(&scene.admit());
    scene.connecting();
    let second = slot(&scene.connect_failed());
    assert_ne!(first, second);
    assert_eq!((scene.held(), scene.worker.state.failures(first)), (1, 1));
    scene.connecting();
    let told = scene.expire_after(2 * SECOND); // the time for a connect
    assert_eq!(told.action, Action::Abort);
    assert_eq!((ends(&scene), scene.held()), (vec![End::ConnectionTimeout], 0));
    assert_eq!(line(&scene)["reason"], "connection_timeout");
    scene.close();
    assert_eq!(ends(&scene).len(), 1, "counted once");
}

/// An instance that accepts has ended its row of failures.
#[test]
fn accepting_is_an_answer() {
    let mut scene = scene(|_| ());
    let chosen = slot(&scene.admit());
    scene.worker.state.note_failure(chosen);
    scene.connecting();
    scene.connected();
    assert_eq!(scene.worker.state.failures(chosen), 0);
}

/// No instance, none with a place, no descriptor, no service any more: a reset, and each is counted as what it was.
#[test]
fn without_an_instance_the_client_is_reset() {
    let mut unfit = scene(|_| ());
    unfit.worker.state.set_members(0, &[]);
    assert_eq!(unfit.admit().action, Action::Abort);
    assert_eq!(ends(&unfit), [End::DestinationUnavailable]);
    let mut full = scene(|_| ());
    for slot in [0, 1] {
        full.worker.state.set_cap(slot, 1);
    }
    assert_eq!(full.admit().action, Action::Abort);
    assert_eq!(ends(&full), [End::LimitReached]);
    let mut gone = scene(|document| document["listeners"][0]["passage"]["service"] = Value::Null);
    assert_eq!(gone.admit().action, Action::Abort);
    assert_eq!(ends(&gone), [End::DestinationUnavailable]);
    let mut short = scene(|_| ());
    short.admit();
    assert_eq!(short.connection.no_descriptor(&mut short.worker, short.now).action, Action::Abort);
    assert_eq!((ends(&short), short.held()), (vec![End::LimitReached], 0));
}

/// A service under maintenance takes the connections of those clients only that it lets in, whatever its instances could take. It is the
/// client that the balancer names, and one that is under way goes on.
#[test]
fn maintenance_keeps_clients_out() {
    let closed_but_to = |network: &str| {
        let maintenance = json!({"admitted": [network], "retry_after_s": 90, "page": null});
        move |document: &mut Value| {
            document["services"][0]["maintenance"] = maintenance;
            document["services"][0]["queue"] = json!({"size": 1, "timeout_ms": 1_000});
        }
    };
    let mut closed = scene(closed_but_to("203.0.113.0/24"));
    assert_eq!(closed.admit().action, Action::Abort);
    assert_eq!((ends(&closed), closed.held()), (vec![End::DestinationUnavailable], 0));
    assert_eq!(closed.worker.state.passed(UNROUTED)[0], 1);
    assert_eq!(line(&closed)["reason"], "destination_unavailable");
    slot(&scene(closed_but_to("192.0.2.1/32")).admit());
    for (client, action) in [("203.0.113.9", Action::Connect), ("198.51.100.9", Action::Abort)] {
        let mut behind = scene(|document| {
            document["trusted_proxies"] = json!(["192.0.2.1"]);
            document["listeners"][0]["proxy_protocol"] = json!(true);
            closed_but_to("203.0.113.0/24")(document);
        });
        behind.admit();
        assert_eq!(behind.receive(format!("PROXY TCP4 {client} 198.51.100.7 1 2\r\n")).action, action);
    }
    let mut under_way = passed(|_| ());
    under_way.worker.snapshot = Arc::clone(&closed.worker.snapshot);
    under_way.flowing();
    assert_eq!((under_way.held(), ends(&under_way)), (1, vec![]));
}

/// Where there is a queue it waits for a place, and gets a connection of its own when one comes free; it may have said all it has.
#[test]
fn it_waits_in_the_queue_of_its_service() {
    let mut scene =
        scene(|document| document["services"][0]["queue"] = json!({"size": 1, "timeout_ms": 1_000}));
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 1);
    }
    assert_eq!(scene.admit().action, Action::Park);
    assert_eq!(scene.client_eof().action, Action::Wait);
    assert_eq!(scene.take_turn().action, Action::Wait);
    scene.worker.state.set_cap(1, 11);
    assert_eq!(slot(&scene.take_turn()), 1);
    scene.close();
    assert_eq!((scene.held(), ends(&scene)), (0, vec![End::ClientClosed]));
}

/// A wait that was too long is counted as the bound that it was.
#[test]
fn a_wait_in_vain_ends_with_a_reset() {
    let mut scene =
        scene(|document| document["services"][0]["queue"] = json!({"size": 1, "timeout_ms": 1_000}));
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 1);
    }
    scene.admit();
    assert_eq!(scene.expire_after(1_000 * MILLI).action, Action::Abort);
    assert_eq!(ends(&scene), [End::LimitReached]);
}

/// The header says who connected where, and stands before everything that the client has sent.
#[test]
fn the_instance_is_told_of_both_ends() {
    for (version, header) in [
        ("v1", &b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 80\r\n"[..]),
        ("v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\0\x50"),
    ] {
        let mut scene = scene(|document| document["services"][0]["proxy_protocol"] = json!(version));
        scene.connection.lies_between(between());
        scene.admit();
        scene.connecting();
        scene.receive("early");
        scene.connected();
        assert_eq!(scene.connection.take_early(), [header, b"early"].concat());
        assert_eq!(scene.worker.state.passed(UNROUTED)[1], 5, "the header is not the client's");
    }
}

/// Behind a balancer the client is the one that its header names, and both ends are those of the header.
#[test]
fn a_balancer_speaks_for_its_client() {
    let mut scene = scene(|document| {
        document["trusted_proxies"] = json!(["192.0.2.1"]);
        document["listeners"][0]["proxy_protocol"] = json!(true);
        document["services"][0]["proxy_protocol"] = json!("v1");
    });
    scene.connection.lies_between(between());
    assert_eq!(scene.admit().action, Action::Wait);
    let named = b"PROXY TCP4 203.0.113.9 198.51.100.7 1 2\r\n";
    assert_eq!(scene.receive(&named[..9]).action, Action::Wait);
    slot(&scene.receive([&named[9..], b"more"].concat()));
    scene.connecting();
    scene.connected();
    assert_eq!(scene.connection.take_early(), [&named[..], b"more"].concat());
    scene.close();
    let line = line(&scene);
    assert_eq!((&line["client"], &line["peer"]), (&json!("203.0.113.9"), &json!("192.0.2.1")));
}

/// Connections of one client go to one instance where the service hashes by it.
#[test]
fn clients_keep_their_instance_by_hash() {
    let mut scene = scene(|document| {
        document["services"][0]["balance"] = json!({"hash": {"bounded_load": null}});
        document["services"][0]["key"] = json!("client_ip/24/48");
    });
    let mut of = |address: &str| {
        let mut connection = Connection::open(&mut scene.worker, 0, address.parse().unwrap(), scene.now);
        let verdict = connection.admit(&mut scene.worker, scene.now);
        connection.close(&mut scene.worker, scene.now);
        Instance::from_key(verdict.argument).slot
    };
    let chosen: Vec<u32> = (0..32).map(|net| of(&format!("198.51.{net}.1"))).collect();
    assert!(chosen.contains(&0) && chosen.contains(&1), "{chosen:?}");
    let again: Vec<u32> = (0..32).map(|net| of(&format!("198.51.{net}.200"))).collect();
    assert_eq!(chosen, again, "of one network");
}

/// A client beyond its number of connections is reset; it reaches no instance, and is counted and told of as one that was to be passed
/// through.
#[test]
fn one_connection_too_many_is_reset() {
    for named in [None, Some("PROXY TCP4 203.0.113.9 198.51.100.7 1 2\r\n")] {
        let mut scene = scene(|document| {
            document["listeners"][0]["max_connections_per_client"] = json!(1);
            document["listeners"][0]["proxy_protocol"] = json!(named.is_some());
            document["trusted_proxies"] = json!(["192.0.2.1"]);
        });
        let socket = if named.is_some() { "192.0.2.1" } else { "203.0.113.9" };
        let mut connect = || {
            let worker = &mut scene.worker;
            let mut connection = Connection::open(worker, 0, socket.parse().unwrap(), scene.now);
            let admitted = connection.admit(worker, scene.now);
            let verdict =
                named.map_or(admitted, |header| connection.receive(worker, header.as_bytes(), scene.now));
            (connection, verdict.action)
        };
        let ((_first, first), (mut second, rejected)) = (connect(), connect());
        assert_eq!((first, rejected), (Action::Connect, Action::Abort));
        assert_eq!((scene.held(), scene.worker.state.counter(Counter::ConnectionsRejected)), (1, 1));
        assert_eq!((scene.worker.state.passed(UNROUTED)[0], ends(&scene)), (2, vec![End::LimitReached]));
        second.close(&mut scene.worker, scene.now);
        assert_eq!(ends(&scene).len(), 1, "counted once");
        let line = line(&scene);
        for (key, value) in
            [("client", "203.0.113.9"), ("service", "api"), ("reason", "connection_limit_reached")]
        {
            assert_eq!(line[key], value, "{key}");
        }
    }
}

/// The idle time of a tunnel is that of its service, from when bytes moved last.
#[test]
fn a_silent_connection_has_the_time_of_a_tunnel() {
    let mut scene = passed(|document| document["services"][0]["tunnel_timeout_ms"] = json!(5_000));
    scene.pass(4 * SECOND);
    scene.flowing();
    assert_eq!(scene.expire_after(5 * SECOND).action, Action::Abort);
    assert_eq!((ends(&scene), scene.held()), (vec![End::IdleTimeout], 0));
}

/// Who does not take the last bytes has the time for a write.
#[test]
fn last_bytes_have_the_time_for_a_write() {
    let mut scene = passed(|_| ());
    scene.stalled(true);
    assert_eq!(scene.expire_after(61 * SECOND).action, Action::Abort);
    assert_eq!(ends(&scene), [End::WriteTimeout]);
}

/// What it was decided by holds to its end, whatever a reload changes.
#[test]
fn a_reload_changes_nothing_for_it() {
    let mut scene = passed(|_| ());
    scene.worker.snapshot = Snapshot::compile(document().to_string().as_bytes()).unwrap().into();
    scene.connection.carried(&scene.worker, true, 3);
    scene.connection.ends_by(End::InstanceReset);
    scene.close();
    assert_eq!((scene.worker.state.passed(UNROUTED), ends(&scene)), ([1, 3, 0], vec![End::InstanceReset]));
    assert_eq!(scene.held(), 0);
}
