//! What pages of other origins get to read, whoever answers them, and who answers preflights.

use serde_json::{json, Value};

use super::scene::{Scene, Told, GET, LIMITED, OK, SECOND, UNROUTED};
use crate::connection::Action;
use crate::state::LimitDecision;

const PREFLIGHTS: u32 = 7;

fn cors() -> Value {
    json!({"origins": ["https://app.example"], "methods": ["PUT"], "headers": ["X-Token"], "expose": ["Retry-After"],
        "credentials": false, "max_age_s": 60, "rows": [PREFLIGHTS]})
}

/// Both routes allow one origin.
fn scene(change: impl FnOnce(&mut Value)) -> Scene {
    Scene::with(|document| {
        for route in [0, 1] {
            document["routes"][route]["terms"] = json!({"cors": cors()});
        }
        change(document);
    })
}

fn asks(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn from(origin: &str) -> String {
    format!("Origin: {origin}\r\n")
}

fn preflight(path: &str, origin: &str, method: &str) -> String {
    let fields = format!("Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n");
    asks("OPTIONS", path, &fields)
}

/// The lines of a head that are about other origins.
fn lines(told: &Told) -> Vec<String> {
    let is_about = |line: &&str| line.starts_with("Access-Control-") || line.starts_with("Vary: Origin");
    let text = told.text();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    head.split("\r\n").filter(is_about).map(String::from).collect()
}

const GRANTED: [&str; 3] = [
    "Access-Control-Allow-Origin: https://app.example",
    "Access-Control-Expose-Headers: Retry-After",
    "Vary: Origin",
];
const REFUSED: [&str; 1] = ["Vary: Origin"];
const APP: &str = "https://app.example";
const EVIL: &str = "https://app.example.evil.org";

/// Whatever an instance says in these fields, clients get what the route says; the rest passes.
#[test]
fn what_instances_say_is_replaced() {
    let answer = "HTTP/1.1 200 OK\r\nDate: d\r\nAccess-Control-Allow-Origin: *\r\naccess-control-allow-credentials: true\r\n\
                  Access_Control_Expose_Headers: X\r\nAccess-Control-Allow-Methods: X\r\nAccess-Control-Max-Age: 1\r\n\
                  Access-Control-Allow-Headers: X\r\nAccess-Control-Allow-Private-Network: true\r\nVary: Accept\r\n\
                  Content-Length: 2\r\n\r\nok";
    for (fields, expected) in [
        (from(APP), &GRANTED[..]),
        (from(EVIL), &REFUSED),
        (String::new(), &REFUSED),
        (from(APP).repeat(2), &REFUSED),
    ] {
        let mut scene = scene(|_| ());
        assert_eq!(scene.receive(asks("GET", "/", &fields)).action, Action::Forward);
        let told = scene.respond(answer);
        assert_eq!((told.action, told.body()), (Action::Finish, "ok".into()));
        assert_eq!(lines(&told), expected, "{fields}");
        let begins = "HTTP/1.1 200 OK\r\nDate: d\r\nVary: Accept\r\n";
        assert!(told.text().starts_with(begins), "{}", told.text());
        assert!(!told.text().contains("Access_"), "{}", told.text());
    }
}

/// The route's own rules for answers hold beside, with and without variables.
#[test]
fn other_rules_for_answers_stay() {
    for value in ["b", "{method}"] {
        let mut scene = scene(|document| {
            document["routes"][1]["edits"] = json!({"response": {"set": [["X-A", value]]}});
        });
        scene.receive(asks("GET", "/", &from(APP)));
        let told = scene.respond("HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n");
        let written = value.replace("{method}", "GET");
        assert!(
            told.text().contains(&format!("\r\nX-A: {written}\r\nAccess-Control-Allow-Origin")),
            "{}",
            told.text()
        );
        assert_eq!(lines(&told), GRANTED);
    }
}

/// What one request was told is not what the next one is told, on the same connection and by another route.
#[test]
fn each_request_is_told_for_itself() {
    let mut scene = scene(|document| document["routes"][0]["terms"] = json!({}));
    let told = |scene: &mut Scene, path: &str, fields: &str| {
        assert_eq!(scene.receive(asks("GET", path, fields)).action, Action::Forward);
        lines(&scene.respond(OK))
    };
    assert_eq!(told(&mut scene, "/", &from(APP)), GRANTED);
    assert_eq!(told(&mut scene, "/", &from(EVIL)), REFUSED);
    assert_eq!(told(&mut scene, "/", &from(APP)), GRANTED);
    assert!(told(&mut scene, "/limited", &from(APP)).is_empty());
    let refused = scene.receive(asks("GET", "/limited", &from(APP)));
    assert_eq!((refused.status(), lines(&refused)), (429, vec![]));
    let unread = scene.receive("GET / HTTP/1.1\r\n\r\n");
    assert_eq!((unread.status(), lines(&unread)), (400, vec![]));
}

/// A page must be able to read why it gets nothing: at limits, under maintenance, of instances that fail, in time and late.
#[test]
fn answers_of_the_gateway_itself_can_be_read() {
    for (origin, expected) in [(APP, &GRANTED[..]), (EVIL, &REFUSED)] {
        let get = |path: &str| asks("GET", path, &from(origin));
        let mut limited = scene(|_| ());
        limited.receive(get("/limited"));
        limited.respond(OK);
        let told = limited.receive(get("/limited"));
        assert_eq!((told.status(), lines(&told)), (429, expected.iter().map(ToString::to_string).collect()));

        let mut closed = scene(|document| {
            document["routes"][1]["maintenance"] =
                json!({"admitted": [], "retry_after_s": null, "page": null});
        });
        let told = closed.receive(get("/"));
        assert_eq!((told.status(), lines(&told).len()), (503, expected.len()));

        let mut large = scene(|_| ());
        let told = large.receive(asks("POST", "/", &format!("{}Content-Length: 1001\r\n", from(origin))));
        assert_eq!((told.status(), lines(&told).len()), (413, expected.len()));

        let mut late = scene(|_| ());
        late.receive(get("/"));
        let told = late.expire_after(31 * SECOND);
        assert_eq!((told.status(), lines(&told).len()), (504, expected.len()));

        let mut unread = scene(|_| ());
        let chunked = format!("{}Transfer-Encoding: chunked\r\n", from(origin));
        unread.receive(asks("POST", "/", &chunked));
        let told = unread.receive("x\r\n");
        assert_eq!((told.status(), lines(&told).len()), (400, expected.len()));
    }
}

/// So can what routes answer themselves.
#[test]
fn answers_of_routes_can_be_read() {
    for answer in [
        json!({"fixed": {"status": 200, "content_type": "text/plain", "body": "hello"}}),
        json!({"redirect": {"status": 302, "host": "b"}}),
    ] {
        let mut scene = scene(|document| {
            let route = document["routes"][1].as_object_mut().unwrap();
            route.remove("service");
            route.insert("answer".into(), answer.clone());
        });
        assert_eq!(lines(&scene.receive(asks("GET", "/", &from(APP)))), GRANTED);
        assert_eq!(lines(&scene.receive(asks("GET", "/", &from(EVIL)))), REFUSED);
    }
}

/// Without an instance, without a token, under maintenance as well; the connection lives on.
#[test]
fn a_preflight_is_answered_before_anything_is_asked() {
    let mut scene = scene(|document| {
        document["access_log"] = json!(true);
        document["routes"][0]["maintenance"] = json!({"admitted": [], "retry_after_s": null, "page": null});
    });
    for _ in 0..3 {
        let told = scene.receive(preflight("/limited", APP, "PUT"));
        assert_eq!((told.answer(), told.body()), ((Action::Reply, 204), String::new()));
        assert_eq!(
            lines(&told),
            [
                "Access-Control-Allow-Origin: https://app.example",
                "Access-Control-Allow-Methods: PUT",
                "Access-Control-Allow-Headers: X-Token",
                "Access-Control-Max-Age: 60",
                "Vary: Origin",
            ]
        );
        assert!(!told.text().contains("Content-"), "a 204 says nothing of content: {}", told.text());
    }
    assert_eq!((scene.held(), scene.worker.state.requests(PREFLIGHTS)), (0, vec![(204, 3)]));
    assert_eq!((scene.counted(), scene.worker.state.requests(UNROUTED)), (vec![], vec![]));
    assert_eq!(scene.worker.state.limit_decisions(LIMITED), [0; LimitDecision::NAMES.len()]);
    let logged = String::from_utf8_lossy(scene.worker.access_log.lines()).into_owned();
    assert_eq!(
        logged.matches(r#""route":"limited","service":null,"instance":null,"tries":0,"status":204"#).count(),
        3,
        "{logged}"
    );
}

/// It fails at the client, as a page that is not allowed shall find it.
#[test]
fn a_preflight_of_another_origin_is_told_nothing() {
    for origin in [EVIL, "null", "http://app.example", "https://app.example:8443", ""] {
        let told = scene(|_| ()).receive(preflight("/", origin, "PUT"));
        assert_eq!(
            (told.answer(), lines(&told)),
            ((Action::Reply, 204), vec!["Vary: Origin".into()]),
            "{origin}"
        );
    }
}

/// The route of the request that is announced says what is allowed, and if it says nothing, no other route does in its place.
#[test]
fn a_preflight_is_for_the_route_of_what_it_announces() {
    let with = |of_put: Value, of_all: Value| {
        scene(|document| {
            document["routes"][0]["path"] = json!("/x");
            document["routes"][0]["methods"] = json!(["PUT"]);
            document["routes"][0]["terms"] = of_put;
            document["routes"][1]["terms"] = of_all;
        })
    };
    let (said, unsaid) = (json!({"cors": cors()}), json!({}));
    let told = with(said.clone(), unsaid.clone()).receive(preflight("/x", APP, "PUT"));
    assert_eq!((told.answer(), lines(&told).len()), ((Action::Reply, 204), 5));
    for (of_put, of_all, method) in [
        (said.clone(), unsaid.clone(), "POST"),
        (unsaid.clone(), said.clone(), "PUT"),
        (unsaid.clone(), unsaid.clone(), "PUT"),
    ] {
        let told = with(of_put, of_all).receive(preflight("/x", APP, method));
        assert_eq!(told.action, Action::Forward, "{method}");
        assert!(told.text().contains("Access-Control-Request-Method"), "the instance may answer it");
    }
    // What an instance says to a preflight that is not for its route passes by no leave of another route.
    let mut scene = with(unsaid, said);
    scene.receive(preflight("/x", APP, "PUT"));
    let told = scene.respond("HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Methods: PUT\r\n\r\n");
    assert_eq!(lines(&told), GRANTED);
}

/// An OPTIONS that announces nothing is a request like any other.
#[test]
fn other_options_go_on() {
    let mut scene = scene(|_| ());
    assert_eq!(scene.receive(asks("OPTIONS", "/", &from(APP))).action, Action::Forward);
    assert_eq!(lines(&scene.respond(OK)), GRANTED);
}

/// Routes without it are as they were: they say nothing, and instances say what they like.
#[test]
fn without_it_instances_speak_for_themselves() {
    let mut scene = Scene::new();
    assert_eq!(scene.receive(preflight("/", APP, "PUT")).action, Action::Forward);
    let told = scene.respond("HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n");
    assert_eq!(lines(&told), ["Access-Control-Allow-Origin: *"]);
    scene.receive(GET);
    assert!(lines(&scene.respond(OK)).is_empty());
}
