//! What a route says of its exchanges in place of its listener, its service and the whole file.

use serde_json::{json, Value};

use super::scene::{Scene, GET, MILLI, SECOND};
use crate::connection::Action;

fn scene(terms: &Value, timeouts: &Value) -> Scene {
    Scene::with(|document| {
        let page =
            |status: u16, body: &str| json!({"status": status, "content_type": "text/html", "body": body});
        document["errors"] = json!([page(504, "all"), page(413, "all"), page(404, "all")]);
        document["routes"][1]["terms"] = terms.clone();
        document["routes"][1]["timeouts"] = timeouts.clone();
    })
}

/// Each time-out is the route's own where it has one, and otherwise the service's.
#[test]
fn a_route_has_its_own_time_outs() {
    let none = json!({});
    let mut connecting = scene(&none, &json!({"connect_ms": 3_000}));
    connecting.receive(GET);
    connecting.connecting();
    assert_eq!(connecting.expire_after(3 * SECOND).action, Action::Forward);
    let mut waiting = scene(&none, &json!({"first_byte_ms": 5}));
    waiting.receive(GET);
    assert_eq!(waiting.expire_after(5 * MILLI).status(), 504);
    let mut reading = scene(&none, &json!({"idle_ms": 6}));
    reading.receive(GET);
    reading.respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
    assert_eq!(reading.expire_after(6 * MILLI).action, Action::Abort);
    let mut other = scene(&none, &json!({"first_byte_ms": 5}));
    other.receive("GET /limited HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(other.expire_after(31 * SECOND).status(), 504);
}

/// A body may be as long as the route says, be it more or less than the listener does, whole or in chunks.
#[test]
fn a_route_has_its_own_body_limit() {
    let length = |length: usize| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let chunk = |length: usize| {
        let data = "x".repeat(length);
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{data}\r\n")
    };
    for (most, fits) in [(2_000, 2_000), (10, 10), (0, 0)] {
        let told = |head: String| scene(&json!({"max_body_bytes": most}), &json!({})).receive(head);
        assert_eq!(told(length(fits)).action, Action::Forward, "{most}");
        assert_eq!(told(length(fits + 1)).answer(), (Action::ReplyClose, 413), "{most}");
        assert_eq!(told(chunk(fits + 1)).answer(), (Action::ReplyClose, 413), "{most}");
    }
    let mut other = scene(&json!({"max_body_bytes": 2_000}), &json!({}));
    let told = other.receive("POST /limited HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
    assert_eq!(told.status(), 413);
}

/// Pages of the route stand before those of the whole file, for its own requests alone.
#[test]
fn a_route_has_its_own_pages() {
    let own = json!([{"status": 504, "content_type": "a/b", "body": "own"}]);
    let mut scene = scene(&json!({"errors": own, "max_body_bytes": 1}), &json!({}));
    let ask = |scene: &mut Scene, target: &str, host: &str| {
        scene.receive(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let told = scene.expire_after(31 * SECOND);
        (told.status(), told.body())
    };
    assert_eq!(ask(&mut scene, "/", "a"), (504, "own".into()));
    assert_eq!(ask(&mut scene, "/limited", "a"), (504, "all".into()));
    let nobody = scene.receive("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!((nobody.status(), nobody.body()), (404, "all".into()));
    assert_eq!(ask(&mut scene, "/", "a"), (504, "own".into()));
    let large = scene.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    assert_eq!((large.status(), large.body()), (413, "all".into()));
}
