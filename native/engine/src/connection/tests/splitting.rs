//! Routes whose requests go to one of several services.

use serde_json::{json, Value};

use super::scene::{Scene, ROUTED};
use crate::connection::Action;

/// The rows of the sides.
const STABLE: u32 = ROUTED;
const CANARY: u32 = 2;
const CANARY_SLOT: u32 = 1;

/// Nine in ten requests go to `api`, the others to `canary`, which has the instance 1 alone.
fn scene(named_by: Option<&str>, sticky: Option<&str>) -> Scene {
    scene_with(named_by, sticky, |_| ())
}

/// As `scene`, with a route that was changed.
fn scene_with(named_by: Option<&str>, sticky: Option<&str>, change: impl FnOnce(&mut Value)) -> Scene {
    let scene = Scene::with(|document| {
        let mut canary = document["services"][0].clone();
        canary["name"] = "canary".into();
        canary["slot"] = CANARY_SLOT.into();
        document["services"].as_array_mut().unwrap().push(canary);
        let route = document["routes"][1].as_object_mut().unwrap();
        route.remove("service");
        route.insert("rows".into(), json!([]));
        let sides = [(0, 90, STABLE), (1, 10, CANARY)]
            .map(|(service, share, row)| json!({"service": service, "share": share, "rows": [row]}));
        route.insert("split".into(), json!({"sides": sides, "named_by": named_by, "sticky": sticky}));
        change(&mut document["routes"][1]);
    });
    scene.worker.state.set_members(CANARY_SLOT, &[1]);
    scene
}

fn exchange(scene: &mut Scene, fields: &str) -> u32 {
    let told = scene.receive(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    assert_eq!(told.action, Action::Forward);
    let service = scene.connection.service().unwrap();
    scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    service
}

/// Every request is counted at the side that it got to, and all sides get some.
#[test]
fn each_side_is_counted_apart() {
    let mut scene = scene(None, None);
    let canary =
        (0..1_000).map(|_| exchange(&mut scene, "")).filter(|&service| service == CANARY_SLOT).count() as u64;
    assert!((50..200).contains(&canary), "{canary} of 1,000");
    let counted = |row| scene.worker.state.requests(row);
    assert_eq!((counted(STABLE), counted(CANARY)), (vec![(200, 1_000 - canary)], vec![(200, canary)]));
}

/// A request that names a side gets to it, and one that has a key stays where the key is.
#[test]
fn requests_say_where_they_belong() {
    let mut scene = scene(Some("cookie:side"), Some("header:X-User"));
    for _ in 0..20 {
        assert_eq!(exchange(&mut scene, "Cookie: side=canary\r\nX-User: 1\r\n"), CANARY_SLOT);
        assert_eq!(exchange(&mut scene, "Cookie: side=api\r\nX-User: 1\r\n"), 0);
    }
    for user in 0..20 {
        let fields = format!("X-User: {user}\r\n");
        let side = exchange(&mut scene, &fields);
        assert!((0..5).all(|_| exchange(&mut scene, &fields) == side), "{user}");
    }
}

/// The service of a request tells the sides apart, so a limit may count each by itself.
#[test]
fn a_limit_may_count_each_side() {
    let split = |key: &str| {
        let mut scene = scene_with(Some("cookie:side"), None, |route| {
            route["limits"] = json!([{"name": "l", "row": 10, "tokens": 1, "period_ns": 1_000_000_000,
                "burst": 1, "key": [key]}]);
        });
        ["api", "canary", "api"].map(|side| {
            let told = scene.receive(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: side={side}\r\n\r\n"));
            if told.action == Action::Forward {
                scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
            told.status()
        })
    };
    assert_eq!(split("service"), [0, 0, 429]);
    assert_eq!(split("route"), [0, 429, 429]);
}
