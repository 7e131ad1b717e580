//! Routes and services that let only some clients in.

use serde_json::{json, Value};

use super::scene::{Scene, GET, LIMITED};
use crate::connection::Action;

/// The client of the scene, and somebody else.
const CLIENT: &str = "192.0.2.1";
const OTHER: &str = "198.51.100.0/24";

fn maintenance(admitted: &[&str], page: Option<&str>) -> Value {
    let page = page.map(|body| json!({"content_type": "text/html", "body": body}));
    json!({"admitted": admitted, "retry_after_s": 600, "page": page})
}

fn scene(route: &Value, service: &Value) -> Scene {
    Scene::with(|document| {
        document["errors"] = json!([{"status": 503, "content_type": "text/html", "body": "all"}]);
        document["services"][0]["maintenance"] = service.clone();
        for index in [0, 1] {
            document["routes"][index]["maintenance"] = route.clone();
        }
    })
}

/// A client gets in where neither route nor service keeps it out; the first of them that does has the word.
#[test]
fn a_client_gets_in_where_both_admit_it() {
    let (closed, other) = (maintenance(&[], Some("closed")), maintenance(&[OTHER], None));
    let (open, none) = (maintenance(&[OTHER, CLIENT], Some("open")), Value::Null);
    for (route, service, page) in [
        (&none, &none, None),
        (&closed, &none, Some("closed")),
        (&none, &closed, Some("closed")),
        (&other, &closed, Some("all")),
        (&open, &closed, Some("closed")),
        (&open, &open, None),
    ] {
        let mut scene = scene(route, service);
        let told = scene.receive(GET);
        let Some(page) = page else {
            assert_eq!(told.action, Action::Forward);
            continue;
        };
        assert_eq!((told.action, told.status(), told.body()), (Action::Reply, 503, page.into()));
        assert!(told.text().contains("\r\nRetry-After: 600\r\n"));
        assert!(told.text().contains("error=destination_unavailable; details=\"under maintenance\""));
        assert_eq!((scene.counted(), scene.held()), (vec![(503, 1)], 0));
    }
}

/// Whoever is kept out takes no tokens.
#[test]
fn nothing_is_charged_for_whom_is_kept_out() {
    let mut scene = scene(&maintenance(&[], None), &Value::Null);
    for _ in 0..3 {
        let told = scene.receive("GET /limited HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(told.status(), 503);
    }
    assert!(scene.worker.state.limit_decisions(LIMITED).iter().all(|&count| count == 0));
}
