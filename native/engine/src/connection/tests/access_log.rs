//! The line of a request, end by end: what it says, and that there is exactly one.

use serde_json::{json, Value};

use super::scene::{Scene, GET, MILLI, OK, POST, POST_BEGUN, SECOND};
use crate::connection::Action;

/// Unix time when the scene begins: 2026-01-02T03:04:05.678Z.
const WALL: u64 = 1_767_323_045_678_000_000;
const LONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok";

/// A scene whose requests are logged.
fn logged() -> Scene {
    let mut scene = Scene::with(|document| document["access_log"] = json!(true));
    scene.worker.tick(scene.now, WALL);
    scene
}

fn forwarded(request: &str) -> Scene {
    let mut scene = logged();
    assert_eq!(scene.receive(request).action, Action::Forward);
    scene
}

fn lines(scene: &Scene) -> Vec<Value> {
    let lines = scene.worker.access_log.lines().split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The only line after the connection has ended, which is as many as were counted.
fn line(mut scene: Scene) -> Value {
    scene.close();
    let counted: u64 = scene.counted().iter().chain(&scene.counted_unrouted()).map(|(_, count)| count).sum();
    let mut lines = lines(&scene);
    assert_eq!((lines.len(), counted), (1, 1), "{lines:?}");
    lines.remove(0)
}

/// Status, reason and tries.
fn end(scene: Scene) -> (u64, Value, u64) {
    let line = line(scene);
    (line["status"].as_u64().unwrap(), line["reason"].clone(), line["tries"].as_u64().unwrap())
}

#[test]
fn a_line_says_everything_about_an_exchange() {
    let mut scene = logged();
    scene.pass(1_500 * MILLI);
    scene.receive("GET /a/b?c=%22 HTTP/1.1\r\nHost: a\r\nX-Request-Id: client-1\r\n\r\n");
    scene.pass(2 * MILLI + 999);
    let first = scene.respond(LONG).payload.len();
    scene.pass(3 * MILLI);
    let rest = scene.respond("end").payload.len();
    let line = line(scene);
    let instance = line["instance"].as_str().unwrap().to_string();
    assert!(["10.0.0.0:80", "10.0.0.1:80"].contains(&instance.as_str()), "{instance}");
    let expected = json!({"time": "2026-01-02T03:04:07.178Z", "request_id": "client-1", "client": "192.0.2.1", "peer": null, "method": "GET",
        "host": "a", "path": "/a/b?c=%22", "route": "all", "service": "api", "instance": instance, "tries": 1,
        "status": 200, "bytes": first + rest, "duration_ms": 5.0, "first_byte_ms": 2.0, "reason": null});
    assert_eq!(line, expected);
}

#[test]
fn a_target_without_a_path_is_logged_as_it_is_forwarded() {
    for (target, path) in [("http://a", "/"), ("http://a?x=1", "/?x=1"), ("http://a/b", "/b")] {
        let mut scene = logged();
        let told = scene.receive(format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n"));
        assert!(told.text().starts_with(&format!("GET {path} HTTP/1.1\r\n")));
        let line = line(scene);
        assert_eq!((&line["path"], &line["host"]), (&json!(path), &json!("a")));
    }
}

#[test]
fn a_refusal_says_what_is_known_of_it() {
    let mut scene = logged();
    let told = scene.receive("GET /x HTTP/1.1\r\nHost: nowhere\r\n\r\n");
    let line = line(scene);
    assert_eq!(line["request_id"].as_str().unwrap().len(), 32);
    assert_eq!(
        (&line["route"], &line["service"], &line["instance"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!((&line["host"], &line["bytes"]), (&json!("nowhere"), &json!(told.payload.len())));
    assert_eq!((&line["status"], &line["reason"]), (&json!(404), &json!("destination_not_found")));
    assert_eq!((&line["tries"], &line["first_byte_ms"]), (&json!(0), &json!(0.0)));
}

#[test]
fn a_head_that_cannot_be_understood_has_a_line_without_its_bytes() {
    for (bytes, status) in
        [("GET / HTTP/1.1\nHost: a\r\n\r\n", 400), ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505)]
    {
        let mut scene = logged();
        scene.receive(bytes);
        let line = line(scene);
        assert_eq!((&line["status"], &line["reason"]), (&json!(status), &json!("http_request_error")));
        assert_eq!(
            (&line["method"], &line["host"], &line["path"]),
            (&json!(null), &json!(null), &json!(null))
        );
        assert_eq!(line["request_id"].as_str().unwrap().len(), 32);
    }
    let mut scene = logged();
    scene.receive("GET /");
    scene.expire_after(10 * SECOND);
    assert_eq!(end(scene), (408, json!("http_request_error"), 0));
}

#[test]
fn a_refusal_by_policy_names_its_route() {
    let mut scene = logged();
    let limited = GET.replace("GET /", "GET /limited");
    scene.receive(&limited);
    scene.respond(OK);
    scene.receive(&limited);
    let lines = lines(&scene);
    assert_eq!((&lines[1]["status"], &lines[1]["reason"]), (&json!(429), &json!("http_request_denied")));
    assert_eq!((&lines[1]["route"], &lines[1]["service"]), (&json!("limited"), &json!("api")));
    assert_eq!(lines.len(), 2);
}

#[test]
fn failures_of_instances_are_named_and_their_tries_counted() {
    let mut scene = forwarded(POST);
    scene.connect_failed();
    scene.connect_failed();
    assert_eq!(end(scene), (502, json!("connection_refused"), 2));

    let mut scene = forwarded(GET);
    scene.connect_failed();
    scene.respond(OK);
    assert_eq!(end(scene), (200, json!(null), 2));

    let mut scene = forwarded(POST);
    scene.lost(true);
    assert_eq!(end(scene), (502, json!("connection_terminated"), 1));

    let mut scene = forwarded(GET);
    scene.respond("nonsense\r\n\r\n");
    assert_eq!(end(scene), (502, json!("http_protocol_error"), 1));

    let mut scene = forwarded(GET);
    scene.expire_after(31 * SECOND);
    assert_eq!(end(scene), (504, json!("http_response_timeout"), 1));
}

#[test]
fn an_answer_of_ours_names_the_last_instance_and_its_own_bytes() {
    let mut scene = forwarded(POST);
    scene.respond("HTTP/1.1 100 Continue\r\n\r\n");
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".len();
    scene.pass(MILLI);
    let told = scene.lost(true);
    let line = line(scene);
    assert!(line["instance"].is_string());
    assert_eq!(line["bytes"], json!(interim + told.payload.len()));
    assert_eq!(line["first_byte_ms"], json!(1.0));
}

#[test]
fn answers_that_break_off_keep_their_status_and_say_why() {
    let begun = || {
        let mut scene = forwarded(GET);
        scene.respond(LONG);
        scene
    };
    let mut scene = begun();
    scene.lost(false);
    assert_eq!(end(scene), (200, json!("http_response_incomplete"), 1));

    let mut scene = begun();
    scene.expire_after(60 * SECOND);
    assert_eq!(end(scene), (200, json!("http_response_timeout"), 1));

    let mut scene = begun();
    scene.stalled(true);
    scene.expire_after(61 * SECOND);
    assert_eq!(end(scene), (200, json!("client_write_timeout"), 1));

    assert_eq!(end(begun()), (200, json!("client_closed"), 1));
}

#[test]
fn clients_that_leave_unanswered_are_499() {
    assert_eq!(end(forwarded(GET)), (499, json!("client_closed"), 1));
    let mut scene = forwarded(POST_BEGUN);
    scene.client_eof();
    assert_eq!(end(scene), (499, json!("client_closed"), 1));
    let mut scene = forwarded(GET);
    scene.client_eof();
    scene.expire_after(SECOND);
    let line = line(scene);
    assert_eq!(
        (&line["status"], &line["bytes"], &line["first_byte_ms"]),
        (&json!(499), &json!(0), &json!(null))
    );
}

#[test]
fn a_body_until_close_is_counted_with_its_frame() {
    let mut scene = forwarded(GET);
    let parts = ["HTTP/1.1 200 OK\r\n\r\nab", "cde"].map(|part| scene.respond(part).payload.len());
    let last = scene.lost(true).payload.len();
    assert_eq!(line(scene)["bytes"], json!(parts.iter().sum::<usize>() + last));
}

#[test]
fn nothing_is_kept_or_written_when_nobody_asks() {
    let mut scene = Scene::forwarded(GET);
    assert!(scene.connection.record.is_none());
    scene.respond(OK);
    scene.receive("GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n");
    scene.close();
    assert!(scene.worker.access_log.lines().is_empty());
}
