//! Routes whose requests name their service.

use serde_json::{json, Value};

use super::scene::{Scene, ROUTED, UNROUTED};
use crate::connection::Action;

/// The row of the second service.
const WEB: u32 = 2;
const WEB_SLOT: u32 = 1;

/// `api` and `web` may be named in the place that the changed route says.
fn scene(place: &Value, change: impl FnOnce(&mut Value)) -> Scene {
    let scene = Scene::with(|document| {
        let mut web = document["services"][0].clone();
        web["name"] = "web".into();
        web["slot"] = WEB_SLOT.into();
        document["services"].as_array_mut().unwrap().push(web);
        let route = document["routes"][1].as_object_mut().unwrap();
        route.remove("service");
        route.insert("rows".into(), json!([]));
        let services = [(0, ROUTED), (1, WEB)].map(|(index, row)| json!({"service": index, "rows": [row]}));
        route.insert("named".into(), json!({"place": place, "services": services}));
        change(&mut document["routes"][1]);
    });
    scene.worker.state.set_members(WEB_SLOT, &[1]);
    scene
}

/// Each service gets the requests that name it, with the path below its name, and counts them.
#[test]
fn a_path_names_its_service() {
    let mut scene = scene(&json!("segment"), |route| {
        route["path"] = "/apps/*".into();
        route["edits"] = json!({"rewrite": {"path": {"prefix": "/"}}});
    });
    for (target, service, path) in [("/apps/web/a/b?c", WEB_SLOT, "/a/b?c"), ("/apps/api", 0, "/")] {
        let told = scene.receive(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((told.action, scene.connection.service()), (Action::Forward, Some(service)), "{target}");
        assert!(told.text().starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{target}");
        scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    let counted = |row| scene.worker.state.requests(row);
    assert_eq!((counted(ROUTED), counted(WEB)), (vec![(200, 1)], vec![(200, 1)]));
}

/// Who names nobody gets 404 as if there were no route, and nothing is charged.
#[test]
fn an_unknown_name_is_not_found() {
    let mut scene = scene(&json!("host"), |route| {
        route["host"] = "*.internal".into();
        route["limits"] = json!([{"name": "l", "row": 10, "tokens": 1, "period_ns": 1_000_000_000,
            "burst": 1, "key": ["service"]}]);
    });
    for host in ["other.internal", "x.api.internal", "api-.internal"] {
        let told = scene.receive(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(told.status(), 404, "{host}");
        assert!(told.text().contains("details=\"no service of this name\""), "{host}");
    }
    assert_eq!(scene.worker.state.requests(UNROUTED), [(404, 3)]);
    for (host, status) in [("API.internal.:80", 0), ("web.internal", 0), ("api.internal", 429)] {
        let told = scene.receive(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(told.status(), status, "{host}");
        if told.action == Action::Forward {
            scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    }
}

/// A field names it where the route says so.
#[test]
fn a_field_names_its_service() {
    let mut scene = scene(&json!({"part": "header:X-Service"}), |_| ());
    for (fields, action) in
        [("X-Service: web\r\n", Action::Forward), ("X-Service: WEB\r\n", Action::Reply), ("", Action::Reply)]
    {
        let told = scene.receive(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(told.action, action, "{fields:?}");
        if action == Action::Forward {
            assert_eq!(scene.connection.service(), Some(WEB_SLOT));
            scene.respond("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    }
}
