//! What a route changes in the messages that it passes on.

use serde_json::{json, Value};

use super::scene::{Scene, GET, OK};
use crate::connection::Action;

fn scene(edits: &Value) -> Scene {
    Scene::with(|document| document["routes"][1]["edits"] = edits.clone())
}

/// The instance gets another head, and of the body what came.
#[test]
fn a_request_is_changed_on_its_way() {
    let mut scene = scene(&json!({
        "request": {"set": [["X-Client", "{client_ip}"]], "remove": ["Cookie"]},
        "rewrite": {"host": "inner", "path": {"prefix": "/api"}}
    }));
    let told = scene.receive("POST /x?q HTTP/1.1\r\nHost: a\r\nCookie: c\r\nContent-Length: 3\r\n\r\nabc");
    let text = told.text();
    assert_eq!(told.action, Action::Forward);
    assert!(text.starts_with("POST /api/x?q HTTP/1.1\r\nHost: inner\r\nX-Client: 192.0.2.1\r\n"), "{text}");
    assert!(text.ends_with("\r\nContent-Length: 3\r\n\r\nabc") && !text.contains("Cookie"), "{text}");
}

/// The lines of an answer may speak of its request, whose head is gone by then.
#[test]
fn an_answer_is_changed_on_its_way() {
    let mut scene = scene(&json!({
        "response": {"set": [["X-Path", "{path}"], ["X-By", "{service}"]], "remove": ["Server"]}
    }));
    scene.receive("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    let told = scene
        .respond("HTTP/1.1 200 OK\r\nServer: s\r\nX-Path: of the instance\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!((told.action, told.body()), (Action::Finish, "ok".into()));
    assert!(
        told.text().starts_with("HTTP/1.1 200 OK\r\nX-Path: /first\r\nX-By: api\r\nDate: "),
        "{}",
        told.text()
    );
    scene.receive("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = scene.respond(OK).text();
    assert!(text.contains("\r\nX-Path: /second\r\n") && !text.contains("/first"), "{text}");
}

/// Interim responses and the gateway's own answers are no business of the rules.
#[test]
fn other_answers_are_as_they_were() {
    let mut scene = scene(&json!({"response": {"set": [["X-By", "us"]], "remove": ["Link"]}}));
    scene.receive(GET);
    let interim = scene.respond("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert_eq!(interim.text(), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    let failure = scene.respond("nonsense\r\n\r\n");
    assert_eq!(failure.status(), 502);
    assert!(!failure.text().contains("X-By"));
}

/// A reload changes nothing for what is under way.
#[test]
fn an_exchange_ends_by_the_rules_that_it_began_by() {
    let mut scene = scene(&json!({"response": {"set": [["X-By", "us"]]}}));
    scene.receive(GET);
    scene.worker.snapshot = std::sync::Arc::default();
    assert!(scene.respond(OK).text().contains("\r\nX-By: us\r\n"));
}
