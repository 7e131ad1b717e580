//! Listeners that ask for a PROXY header: who may send one, what it changes, and that nothing of it is ever a request.

use std::net::IpAddr;

use serde_json::{json, Value};

use super::scene::{Scene, GET, OK, POST, SECOND};
use crate::connection::{Action, Connection};
use crate::state::Counter;

const V1: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.9 4711 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x09\x12\x67\0\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// The peer of a scene is 192.0.2.1.
fn asking(trusted: &Value) -> Scene {
    Scene::with(|document| {
        document["trusted_proxies"] = trusted.clone();
        document["listeners"][0]["proxy_protocol"] = json!(true);
        document["access_log"] = json!(true);
    })
}

fn behind_a_balancer() -> Scene {
    asking(&json!(["192.0.2.1"]))
}

fn refused(scene: &Scene) -> u64 {
    scene.worker.state.counter(Counter::ProxyHeadersRefused)
}

fn line(scene: &Scene) -> Value {
    serde_json::from_slice(scene.worker.access_log.lines()).unwrap()
}

/// Row A05: a header and the request behind it, whole and at every split position; the request is the same without.
#[test]
fn a_request_behind_a_header_is_understood_however_it_is_cut() {
    let mut plain = Scene::new();
    let expected = plain.receive(POST).text().replace("192.0.2.1", "198.51.100.7");
    for header in [V1, V2] {
        let bytes = [header, POST.as_bytes()].concat();
        let check = |pieces: &[&[u8]]| {
            let mut scene = behind_a_balancer();
            let mut sent = String::new();
            for piece in pieces {
                let told = scene.receive(piece);
                assert!(matches!(told.action, Action::Wait | Action::Forward | Action::Send), "{told:?}");
                sent += &told.text();
            }
            assert_eq!((sent.as_str(), refused(&scene)), (expected.as_str(), 0));
            scene.respond(OK);
            let line = line(&scene);
            assert_eq!((&line["client"], &line["peer"]), (&json!("198.51.100.7"), &json!("192.0.2.1")));
        };
        check(&[&bytes]);
        check(&bytes.chunks(1).collect::<Vec<_>>());
        (1..bytes.len()).for_each(|cut| check(&[&bytes[..cut], &bytes[cut..]]));
    }
}

/// The header stands for the whole connection, and only at its beginning.
#[test]
fn the_header_holds_for_every_request_and_comes_once() {
    let mut scene = behind_a_balancer();
    for header in [V1, b""] {
        let told = scene.receive([header, GET.as_bytes()].concat());
        assert!(told.text().contains("\r\nX-Forwarded-For: 198.51.100.7\r\n"));
        scene.respond(OK);
    }
    assert_eq!(scene.receive([V1, GET.as_bytes()].concat()).answer(), (Action::ReplyClose, 400));
    assert_eq!(refused(&scene), 0);
}

/// Whoever speaks for itself is the client, and what it says of others counts by what is trusted.
#[test]
fn a_balancer_that_speaks_for_itself_is_the_client() {
    for header in [LOCAL, b"PROXY UNKNOWN\r\n"] {
        let mut scene = behind_a_balancer();
        let told = scene.receive([header, GET.as_bytes()].concat());
        assert!(told.text().contains("\r\nX-Forwarded-For: 192.0.2.1\r\n"));
        scene.respond(OK);
        assert_eq!((&line(&scene)["client"], &line(&scene)["peer"]), (&json!("192.0.2.1"), &Value::Null));
    }
}

/// Forwarding fields are judged by whom the header names, not by who sent it.
#[test]
fn a_client_behind_a_balancer_is_no_proxy() {
    let claim = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n".as_bytes();
    for (trusted, told) in [
        (json!(["192.0.2.1"]), "198.51.100.7"),
        (json!(["192.0.2.1", "198.51.100.7"]), "203.0.113.1, 198.51.100.7"),
    ] {
        let mut scene = asking(&trusted);
        let forwarded = scene.receive([V1, claim].concat()).text();
        assert!(forwarded.contains(&format!("\r\nX-Forwarded-For: {told}\r\n")), "{forwarded}");
    }
}

/// Row A05: what is no header is not answered, nor anything behind it; it is counted.
#[test]
fn a_connection_without_a_good_header_is_closed() {
    for bytes in [
        GET.as_bytes(),
        b"PROXY TCP4 198.51.100.7 192.0.2.9 4711\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.9 4711 80\n",
        b"\r\n\r\n\0\r\nQUIT\n\x11",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0d\xc6\x33\x64\x07\xc0\0\x02\x09\x12\x67\0\x50\x04",
    ] {
        for glued in [bytes.to_vec(), [bytes, GET.as_bytes()].concat()] {
            let mut scene = behind_a_balancer();
            let told = scene.receive(&glued);
            assert_eq!(
                (told.action, told.payload.len()),
                (Action::Close, 0),
                "{:?}",
                glued.escape_ascii().to_string()
            );
            assert_eq!(scene.receive(GET).action, Action::Wait, "nothing behind it is read");
            assert_eq!((refused(&scene), scene.counted().len(), scene.counted_unrouted().len()), (1, 0, 0));
            scene.close();
            assert!(scene.worker.access_log.lines().is_empty());
        }
    }
}

/// Row A05: nobody else may name clients; such a connection is closed at its first byte, or before it.
#[test]
fn a_header_of_a_stranger_is_not_read() {
    for trusted in [json!([]), json!(["192.0.2.2"])] {
        let mut scene = asking(&trusted);
        assert_eq!(scene.receive([V1, GET.as_bytes()].concat()).action, Action::Close);
        assert_eq!(refused(&scene), 1);
        let mut silent = asking(&trusted);
        assert_eq!((silent.expire_after(0).action, refused(&silent)), (Action::Close, 1));
    }
}

/// Row A05: a header has the time of a request's head in all, however it drips.
#[test]
fn a_late_header_is_a_missing_one() {
    for beginning in [&b""[..], b"PROXY TCP4 198", &V2[..20]] {
        let mut scene = behind_a_balancer();
        for byte in beginning {
            assert_eq!(scene.receive([*byte]).action, Action::Wait);
        }
        assert_eq!((scene.expire_after(10 * SECOND).action, refused(&scene)), (Action::Close, 1));
    }
}

/// Behind the header the client has the time of any other, in which the connection is idle.
#[test]
fn a_connection_is_idle_behind_its_header() {
    let mut scene = behind_a_balancer();
    assert!(scene.connection.is_idle());
    scene.receive(&V1[..5]);
    assert!(!scene.connection.is_idle());
    scene.receive(&V1[5..]);
    assert!(scene.connection.is_idle());
    assert_eq!((scene.expire_after(75 * SECOND).action, refused(&scene)), (Action::Close, 0));
}

/// Who comes and goes without a byte, as health checks do, is quiet; so is one that leaves within its header.
#[test]
fn a_check_of_the_port_is_no_fault() {
    for beginning in [&b""[..], &V1[..9]] {
        let mut scene = behind_a_balancer();
        scene.receive(beginning);
        assert_eq!((scene.client_eof().action, refused(&scene)), (Action::Close, 0));
        scene.close();
        assert_eq!((scene.counted_unrouted().len(), scene.worker.access_log.lines().len()), (0, 0));
    }
    for bytes in [LOCAL, b""] {
        let mut scene = behind_a_balancer();
        scene.close();
        scene.connection = Connection::open(&mut scene.worker, 0, IpAddr::from([0; 4]), scene.now);
        let told = if bytes.is_empty() { scene.expire_after(0) } else { scene.receive(bytes) };
        assert_eq!((told.action, refused(&scene)), (Action::Close, 0));
    }
}

/// Row A05: on a listener that does not ask for it a header is a request that nobody understands.
#[test]
fn a_header_that_nobody_asked_for_is_refused() {
    for header in [V1, V2, LOCAL] {
        let bytes = [header, GET.as_bytes()].concat();
        for size in [1, bytes.len()] {
            let mut scene = Scene::with(|document| document["trusted_proxies"] = json!(["192.0.2.1"]));
            let told =
                bytes.chunks(size).map(|piece| scene.receive(piece)).find(|told| told.action != Action::Wait);
            assert_eq!(told.unwrap().answer(), (Action::ReplyClose, 400));
        }
    }
}
