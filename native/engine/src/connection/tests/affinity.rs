//! Requests that belong to one instance: by their key, or by the cookie that its answer has set.

use serde_json::json;

use super::scene::{slot, Scene, GET, OK, SECOND};
use crate::connection::Action;

const SECRET: &str = "0123456789abcdef";

fn sticky() -> Scene {
    let scene = Scene::with(|document| {
        document["services"][0]["balance"] = json!("sticky");
        document["services"][0]["cookie"] = json!({"name": "hg", "secret": SECRET, "path": "/", "secure": false,
            "same_site": "lax", "max_age_s": null});
    });
    scene.worker.state.publish_ring(0, true);
    scene
}

/// The token that an answer sets; `None` where it sets none.
fn token(head: &str) -> Option<String> {
    let (_, line) = head.split_once("Set-Cookie: hg=")?;
    line.split_once("; Path=/; HttpOnly; SameSite=Lax\r\n").map(|(token, _)| token.to_string())
}

fn with_cookie(token: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; hg={token}\r\n\r\n")
}

#[test]
fn the_first_answer_sets_a_cookie_that_brings_the_client_back() {
    let mut scene = sticky();
    let first = slot(&scene.receive(GET));
    let token = token(&scene.respond(OK).text()).unwrap();
    scene.worker.state.set_in_flight(first, 1000);
    for _ in 0..5 {
        assert_eq!(slot(&scene.receive(with_cookie(&token))), first);
        let answer = scene.respond(OK).text();
        assert!(!answer.contains("Set-Cookie"), "it has it already: {answer}");
    }
}

#[test]
fn who_gets_another_instance_gets_its_cookie() {
    let mut scene = sticky();
    let first = slot(&scene.receive(GET));
    let brought = token(&scene.respond(OK).text()).unwrap();
    scene.worker.state.set_health(first, false);
    let other = slot(&scene.receive(with_cookie(&brought)));
    assert_ne!(other, first);
    let given = token(&scene.respond(OK).text()).unwrap();
    assert_ne!(given, brought);
    scene.worker.state.set_health(first, true);
    assert_eq!(slot(&scene.receive(with_cookie(&given))), other);
    scene.respond(OK);
}

#[test]
fn a_retry_sets_the_cookie_of_who_answered() {
    let mut scene = sticky();
    let first = slot(&scene.receive(GET));
    let brought = token(&scene.respond(OK).text()).unwrap();
    assert_eq!(slot(&scene.receive(with_cookie(&brought))), first);
    let other = slot(&scene.connect_failed());
    assert_ne!(other, first);
    let given = token(&scene.respond(OK).text()).unwrap();
    assert_eq!(slot(&scene.receive(with_cookie(&given))), other);
}

#[test]
fn a_forged_cookie_is_none() {
    let mut scene = sticky();
    let honest = slot(&scene.receive(GET));
    let mut token = token(&scene.respond(OK).text()).unwrap();
    token.replace_range(..1, if token.starts_with('0') { "1" } else { "0" });
    scene.worker.state.set_in_flight(honest, 1000);
    assert_ne!(slot(&scene.receive(with_cookie(&token))), honest, "the less loaded of two");
    assert!(scene.respond(OK).text().contains("Set-Cookie: hg="));
}

#[test]
fn an_answer_of_our_own_sets_no_cookie() {
    let mut scene = sticky();
    scene.receive(GET);
    let answer = scene.expire_after(31 * SECOND);
    assert_eq!(answer.status(), 504);
    assert!(!answer.text().contains("Set-Cookie"));
}

#[test]
fn a_tunnel_is_sticky_too() {
    let mut scene = sticky();
    scene.receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let switched = scene
        .respond("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(switched.action, Action::Switch);
    assert!(token(&switched.text()).is_some(), "{}", switched.text());
}

#[test]
fn requests_with_one_key_go_to_one_instance_and_retries_elsewhere() {
    let mut scene = Scene::with(|document| {
        document["services"][0]["balance"] = json!({"hash": {"bounded_load": null}});
        document["services"][0]["key"] = json!("header:X-User");
    });
    scene.worker.state.publish_ring(0, false);
    let of = |scene: &mut Scene, user: &str| {
        let chosen = slot(&scene.receive(format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n")));
        scene.respond(OK);
        chosen
    };
    let places: Vec<u32> = (0..30).map(|user| of(&mut scene, &user.to_string())).collect();
    assert!(places.contains(&0) && places.contains(&1));
    assert_eq!((0..30).map(|user| of(&mut scene, &user.to_string())).collect::<Vec<_>>(), places);
    let first = slot(&scene.receive("GET / HTTP/1.1\r\nHost: a\r\nX-User: 0\r\n\r\n"));
    assert_eq!(slot(&scene.connect_failed()), 1 - first);
}

#[test]
fn behind_a_trusted_proxy_the_client_is_the_key() {
    let mut scene = Scene::with(|document| {
        document["trusted_proxies"] = json!(["192.0.2.1"]);
        document["services"][0]["balance"] = json!({"hash": {"bounded_load": null}});
        document["services"][0]["key"] = json!("client_ip");
    });
    scene.worker.state.publish_ring(0, false);
    let mut of = |client: u8| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.{client}\r\n\r\n");
        let chosen = slot(&scene.receive(head));
        scene.respond(OK);
        chosen
    };
    let places: Vec<u32> = (0..30).map(&mut of).collect();
    assert!(places.contains(&0) && places.contains(&1), "one proxy, many clients");
    assert_eq!((0..30).map(&mut of).collect::<Vec<_>>(), places);
}
