//! Whom a request is taken to come from, and where that shows: towards instances, in limits, in the access log.

use serde_json::{json, Value};

use super::scene::{document, Scene, OK};
use crate::connection::Action;
use crate::snapshot::Snapshot;

/// The peer of a scene is 192.0.2.1.
fn behind_a_proxy() -> Scene {
    Scene::with(|document| {
        document["trusted_proxies"] = json!(["192.0.2.0/24", "fd00::/8"]);
        document["access_log"] = json!(true);
    })
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// The values of a field of the forwarded head.
fn values<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let fields = text.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

fn lines(scene: &Scene) -> Vec<Value> {
    let lines = scene.worker.access_log.lines().split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Row H03: of a peer that is not trusted nothing is believed, and nothing is passed on.
#[test]
fn nobody_else_is_believed() {
    for proxies in [json!([]), json!(["192.0.2.2/32"])] {
        let mut scene = Scene::with(|document| {
            document["trusted_proxies"] = proxies;
            document["access_log"] = json!(true);
        });
        let claims = "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=\"\r\nX-Forwarded-Proto: https\r\n";
        let told = scene.receive(get("/", claims));
        assert_eq!(told.action, Action::Forward);
        assert_eq!(values(&told.text(), "x-forwarded-for"), ["192.0.2.1"]);
        assert_eq!(values(&told.text(), "x-forwarded-proto"), ["http"]);
        assert!(values(&told.text(), "forwarded").is_empty());
        scene.respond(OK);
        assert_eq!(
            (&lines(&scene)[0]["client"], &lines(&scene)[0]["peer"]),
            (&json!("192.0.2.1"), &Value::Null)
        );
    }
}

/// Row H03: a trusted proxy is, request by request, and its address is appended.
#[test]
fn a_trusted_proxy_speaks_for_its_clients() {
    let mut scene = behind_a_proxy();
    for (fields, client, x_forwarded_for) in [
        ("X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7", "198.51.100.7, 192.0.2.1"),
        ("Forwarded: for=\"[2001:db8::1]:80\"\r\n", "2001:db8::1", "2001:db8::1, 192.0.2.1"),
        ("", "192.0.2.1", "192.0.2.1"),
        ("X-Forwarded-For: nobody\r\n", "192.0.2.1", "nobody, 192.0.2.1"),
    ] {
        let told = scene.receive(get("/", fields));
        assert_eq!(
            (told.action, values(&told.text(), "x-forwarded-for")),
            (Action::Forward, vec![x_forwarded_for])
        );
        scene.respond(OK);
        let line = lines(&scene).pop().unwrap();
        let peer = if client == "192.0.2.1" { Value::Null } else { json!("192.0.2.1") };
        assert_eq!((&line["client"], &line["peer"]), (&json!(client), &peer), "{fields:?}");
    }
}

/// A bucket belongs to the client, through whatever proxies it comes, and a proxy is no client of its own.
#[test]
fn limits_count_by_the_client() {
    let mut scene = behind_a_proxy();
    let mut ask = |client: &str| {
        let told = scene.receive(get("/limited", &format!("X-Forwarded-For: {client}\r\n")));
        if told.action == Action::Forward {
            scene.respond(OK);
        }
        told.status() != 429
    };
    let asked =
        ["198.51.100.7", "198.51.100.7", "198.51.100.8", "1.1.1.1, 198.51.100.7", "198.51.100.8, fd00::1"];
    assert_eq!(asked.map(&mut ask), [true, false, true, false, false]);
    assert!(ask("unknown") && !ask(""), "who cannot be told apart from the proxy has the proxy's bucket");
}

/// What contradicts itself reaches no instance; its body is read, so the connection stays.
#[test]
fn contradictions_are_refused() {
    let mut scene = behind_a_proxy();
    for fields in [
        "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=198.51.100.8\r\n",
        "Forwarded: for=\"198.51.100.7, for=198.51.100.8\r\n",
    ] {
        assert_eq!(scene.receive(get("/", fields)).answer(), (Action::Reply, 400), "{fields:?}");
        let line = lines(&scene).pop().unwrap();
        assert_eq!((&line["status"], &line["client"]), (&json!(400), &json!("192.0.2.1")));
    }
    assert_eq!(scene.counted_unrouted(), [(400, 2)]);
    assert_eq!(scene.receive(get("/", "")).action, Action::Forward);
}

/// Trust is a matter of the configuration in force, also on a connection that is older.
#[test]
fn a_reload_changes_who_is_trusted() {
    let mut scene = behind_a_proxy();
    let ask = |scene: &mut Scene| {
        let told = scene.receive(get("/", "X-Forwarded-For: 198.51.100.7\r\n"));
        scene.respond(OK);
        values(&told.text(), "x-forwarded-for").join("; ")
    };
    assert_eq!(ask(&mut scene), "198.51.100.7, 192.0.2.1");
    let trusting = scene.worker.snapshot.clone();
    scene.worker.snapshot = Snapshot::compile(document().to_string().as_bytes()).unwrap().into();
    assert_eq!(ask(&mut scene), "192.0.2.1");
    scene.worker.snapshot = trusting;
    assert_eq!(ask(&mut scene), "198.51.100.7, 192.0.2.1");
}
