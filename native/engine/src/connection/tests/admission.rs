//! Connections that are let in or refused by how many their client has.

use super::scene::{Scene, GET, OK};
use crate::connection::{Action, Connection};
use crate::state::Counter;

fn limited(most: u32) -> Scene {
    Scene::with(|document| document["listeners"][0]["max_connections_per_client"] = most.into())
}

/// Another connection at the scene's worker, and what it is told at once.
fn another(scene: &mut Scene, address: &str) -> (Connection, Action) {
    let mut connection = Connection::open(&mut scene.worker, 0, address.parse().unwrap(), scene.now);
    let verdict = connection.admit(&mut scene.worker, scene.now);
    (connection, verdict.action)
}

/// So many at a time, and another when one has ended; other clients are not concerned.
#[test]
fn a_client_has_as_many_connections_as_it_may() {
    let mut scene = limited(2);
    assert_eq!(scene.admit().action, Action::Wait);
    let (mut second, told) = another(&mut scene, "192.0.2.1");
    assert_eq!(told, Action::Wait);
    assert_eq!(another(&mut scene, "192.0.2.1").1, Action::ReplyClose);
    assert_eq!(another(&mut scene, "::ffff:192.0.2.1").1, Action::ReplyClose);
    assert_eq!(another(&mut scene, "192.0.2.2").1, Action::Wait);
    for _ in 0..2 {
        second.close(&mut scene.worker, scene.now);
    }
    assert_eq!(another(&mut scene, "192.0.2.1").1, Action::Wait);
    assert_eq!(scene.worker.state.counter(Counter::ConnectionsRejected), 2);
}

/// The refusal is one answer, before anything was asked; what the client sends is read and forgotten.
#[test]
fn a_refused_client_is_answered_once() {
    let mut scene = limited(1);
    let (_first, told) = another(&mut scene, "192.0.2.1");
    assert_eq!(told, Action::Wait);
    let told = scene.admit();
    assert_eq!((told.answer(), told.argument), ((Action::ReplyClose, 429), 1));
    let text = told.text();
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    assert!(text.contains("error=http_request_denied; details=\"too many connections\""), "{text}");
    assert_eq!(scene.receive(GET).action, Action::Wait);
    assert_eq!(scene.counted_unrouted(), [(429, 1)]);
    scene.close();
    assert_eq!(scene.worker.state.held_by_keys(), 1, "what was refused holds nothing");
}

/// Without a limit nobody is counted.
#[test]
fn without_a_limit_nothing_is_counted() {
    let mut scene = Scene::new();
    assert_eq!(scene.admit().action, Action::Wait);
    assert_eq!(scene.worker.state.held_by_keys(), 0);
    assert_eq!(scene.receive(GET).action, Action::Forward);
    scene.respond(OK);
    scene.ends_as(200);
}

/// Behind a PROXY header the client is who it names, whatever the number of connections of the proxy; the refusal
/// follows the header.
#[test]
fn behind_a_proxy_header_its_client_is_counted() {
    let mut scene = Scene::with(|document| {
        document["listeners"][0]["max_connections_per_client"] = 1.into();
        document["listeners"][0]["proxy_protocol"] = true.into();
        document["trusted_proxies"] = serde_json::json!(["192.0.2.1"]);
    });
    let header = |client: &str| format!("PROXY TCP4 {client} 192.0.2.9 4711 80\r\n{GET}");
    assert_eq!(scene.admit().action, Action::Wait);
    assert_eq!(scene.receive(header("198.51.100.7")).action, Action::Forward);
    let (mut other, told) = another(&mut scene, "192.0.2.1");
    assert_eq!(told, Action::Wait);
    let verdict = other.receive(&mut scene.worker, header("198.51.100.7").as_bytes(), scene.now);
    assert_eq!(verdict.action, Action::ReplyClose);
    let (mut third, _) = another(&mut scene, "192.0.2.1");
    let verdict = third.receive(&mut scene.worker, header("198.51.100.8").as_bytes(), scene.now);
    assert_eq!(verdict.action, Action::Forward);
}

/// A trusted proxy brings many clients, and is not one of them.
#[test]
fn a_trusted_proxy_is_not_counted() {
    let mut scene = Scene::with(|document| {
        document["listeners"][0]["max_connections_per_client"] = 1.into();
        document["trusted_proxies"] = serde_json::json!(["192.0.2.1"]);
    });
    assert_eq!(scene.admit().action, Action::Wait);
    assert_eq!(another(&mut scene, "192.0.2.1").1, Action::Wait);
    assert_eq!(scene.worker.state.held_by_keys(), 0);
}
