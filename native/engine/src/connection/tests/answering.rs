//! Answers that a route gives itself.

use serde_json::{json, Value};

use super::scene::{Scene, GET, OK, POST_BEGUN};
use crate::connection::Action;

fn scene(answer: &Value) -> Scene {
    Scene::with(|document| {
        let route = document["routes"][1].as_object_mut().unwrap();
        route.remove("service");
        route.insert("answer".into(), answer.clone());
    })
}

fn fixed() -> Value {
    json!({"fixed": {"status": 200, "content_type": "text/plain", "body": "hello"}})
}

/// It is counted by the route's row, holds no instance, and leaves the connection usable.
#[test]
fn a_fixed_answer_needs_no_instance() {
    let mut scene = scene(&fixed());
    let told = scene.receive([GET, GET].concat());
    assert_eq!((told.answer(), told.argument, told.body()), ((Action::Reply, 200), 1, "hello".into()));
    assert_eq!(scene.receive("").answer(), (Action::Reply, 200));
    assert_eq!((scene.held(), scene.counted(), scene.durations().len()), (0, vec![(200, 2)], 0));
    assert!(!told.text().contains("Proxy-Status"), "it is no failure: {}", told.text());
}

/// A redirect leads to the host that was asked for.
#[test]
fn a_redirect_names_where_to_go() {
    let mut scene = scene(&json!({"redirect": {"status": 301, "scheme": "https"}}));
    let told = scene.receive("GET /x?y HTTP/1.1\r\nHost: a:80\r\n\r\n");
    assert_eq!(told.answer(), (Action::Reply, 301));
    assert!(told.text().contains("\r\nLocation: https://a/x?y\r\n"), "{}", told.text());
}

/// A body that is not here ends the connection, as for any answer of the gateway's own.
#[test]
fn an_unread_body_ends_the_connection() {
    let mut scene = scene(&fixed());
    let told = scene.receive(POST_BEGUN);
    assert_eq!((told.answer(), told.argument), ((Action::ReplyClose, 200), 1));
    assert!(told.text().contains("\r\nConnection: close\r\n"), "{}", told.text());
}

/// Limits hold for answers as for anything else.
#[test]
fn limits_hold_for_answers() {
    let mut scene = Scene::with(|document| {
        let route = document["routes"][0].as_object_mut().unwrap();
        route.remove("service");
        route.insert("answer".into(), fixed());
    });
    let get = "GET /limited HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!([scene.receive(get).status(), scene.receive(get).status()], [200, 429]);
}

/// Other routes of the same configuration go on to their instances.
#[test]
fn other_routes_are_served() {
    let mut scene = scene(&fixed());
    assert_eq!(scene.receive("GET /limited HTTP/1.1\r\nHost: a\r\n\r\n").action, Action::Forward);
    assert_eq!(scene.respond(OK).action, Action::Finish);
    assert_eq!(scene.receive(GET).answer(), (Action::Reply, 200));
}

/// No instance says what it costs, so it costs 1.
#[test]
fn an_answer_costs_one_where_an_instance_would_say() {
    let mut scene = Scene::with(|document| {
        let route = document["routes"][0].as_object_mut().unwrap();
        route.remove("service");
        route.insert("answer".into(), fixed());
        route["limits"][0]["cost"] = json!({"response_header": "x-cost"});
    });
    let get = "GET /limited HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!([(); 3].map(|()| scene.receive(get).status()), [200, 200, 429], "one is there, one is owed");
}
