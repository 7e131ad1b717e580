//! What limits make of requests: keys, costs, shadows, full tables, and what clients are told.

use std::sync::Arc;

use serde_json::{json, Value};

use super::scene::*;
use crate::connection::{Action, Connection};
use crate::snapshot::Limit;
use crate::state::fake::FakeState;
use crate::state::Counter;
use crate::worker::Worker;

/// Rows of the limits that a scene is given here.
const ROWS: [u32; 3] = [10, 11, 12];
const OTHER: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-User: bob\r\n\r\n";
const ANN: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-User: ann\r\n\r\n";

/// Another connection of the same client.
fn scene_connection(worker: &mut Worker<FakeState>, now: u64) -> Connection {
    Connection::open(worker, 0, "192.0.2.1".parse().unwrap(), now)
}

/// A limit of one request in 10 s by `X-User`, with these rules beside.
fn limit(number: usize, rules: &Value) -> Value {
    let mut limit = json!({"name": format!("l{number}"), "row": ROWS[number], "tokens": 1, "period_ns": 10 * SECOND,
        "burst": 1, "key": ["header:x-user"]});
    for (key, value) in rules.as_object().unwrap() {
        limit[key] = value.clone();
    }
    limit
}

/// A scene with limits on the route that takes everything, and on its service.
fn scene(route: &[Value], service: &[Value]) -> Scene {
    let numbered = |limits: &[Value], first: usize| {
        (first..).zip(limits).map(|(number, rules)| limit(number, rules)).collect::<Vec<_>>()
    };
    Scene::with(|document| {
        document["routes"][1]["limits"] = json!(numbered(route, 0));
        document["services"][0]["limits"] = json!(numbered(service, route.len()));
    })
}

/// Sends a request and, if it was forwarded, its answer; tells the status that the client saw.
fn exchange(scene: &mut Scene, request: &str, answer: &str) -> (u16, String) {
    let mut told = scene.receive(request);
    if told.action == Action::Forward {
        told = scene.respond(answer);
    }
    (told.status(), told.text())
}

fn statuses(scene: &mut Scene, requests: &[&str]) -> Vec<u16> {
    requests.iter().map(|request| exchange(scene, request, OK).0).collect()
}

fn decisions(scene: &Scene, limit: usize) -> [u64; 7] {
    scene.worker.state.limit_decisions(ROWS[limit])
}

#[test]
fn each_key_has_a_bucket_and_those_without_share_one() {
    let mut scene = scene(&[json!({})], &[]);
    assert_eq!(statuses(&mut scene, &[ANN, OTHER, GET, ANN, GET]), [200, 200, 200, 429, 429]);
    assert_eq!(decisions(&scene, 0), [3, 2, 0, 0, 0, 0, 0]);
}

#[test]
fn a_request_without_the_key_may_be_left_alone_or_refused() {
    let mut skipping = scene(&[json!({"missing": "skip"})], &[]);
    assert_eq!(statuses(&mut skipping, &[GET, GET, ANN, ANN]), [200, 200, 200, 429]);
    assert_eq!(decisions(&skipping, 0), [1, 1, 0, 0, 0, 2, 0]);
    let mut refusing = scene(&[json!({"missing": "refuse"})], &[]);
    let (status, text) = exchange(&mut refusing, GET, OK);
    assert_eq!(status, 400);
    assert!(text.contains("error=http_request_denied; details=\"limit key missing\"\r\n"), "{text}");
    assert_eq!(
        (statuses(&mut refusing, &[ANN]), decisions(&refusing, 0)),
        (vec![200], [1, 0, 0, 0, 0, 0, 1])
    );
    assert_eq!(refusing.counted(), [(200, 1), (400, 1)]);
}

/// A limit of the service counts the requests of all its routes, after the limits of the route.
#[test]
fn a_service_counts_what_all_its_routes_send() {
    let mut scene = scene(&[json!({"burst": 2})], &[json!({"key": ["service"], "burst": 2})]);
    let limited = GET.replace("GET /", "GET /limited");
    assert_eq!(statuses(&mut scene, &[&limited, ANN, OTHER]), [200, 200, 429]);
    assert_eq!(decisions(&scene, 1), [2, 1, 0, 0, 0, 0, 0]);
    assert_eq!(
        decisions(&scene, 0),
        [1, 0, 0, 0, 0, 0, 0],
        "a token that the service's limit would not have let it use"
    );
}

#[test]
fn a_request_may_cost_several_tokens() {
    let mut scene = scene(&[json!({"burst": 5, "cost": {"constant": 2}})], &[]);
    assert_eq!(statuses(&mut scene, &[ANN, ANN, ANN]), [200, 200, 429]);
    scene.pass(10 * SECOND);
    assert_eq!(statuses(&mut scene, &[ANN, ANN]), [200, 429]);
}

/// What an answer costs is owed: the bucket lets nobody pass until it is paid.
#[test]
fn an_answer_says_what_it_cost() {
    let mut scene = scene(&[json!({"burst": 3, "cost": {"response_header": "x-cost"}})], &[]);
    let cost = |cost: &str| OK.replace("Content", &format!("X-Cost: {cost}\r\nContent"));
    assert_eq!(exchange(&mut scene, ANN, &cost("5")).0, 200);
    let (status, text) = exchange(&mut scene, ANN, OK);
    assert_eq!(status, 429);
    assert!(text.contains("\r\nRetry-After: 20\r\n"), "{text}");
    scene.pass(20 * SECOND);
    assert_eq!(exchange(&mut scene, ANN, &cost("0")).0, 200);
    assert_eq!(exchange(&mut scene, ANN, &cost("many")).0, 200, "it costs 1, and is owed");
    assert_eq!(exchange(&mut scene, ANN, OK).0, 429);
    assert_eq!(exchange(&mut scene, OTHER, &cost("99999999999999999999")).0, 200);
    let (_, text) = exchange(&mut scene, OTHER, OK);
    assert!(text.contains("\r\nRetry-After: 30\r\n"), "no more than a burst is owed: {text}");
}

/// An answer that never comes costs one token, and no answer is charged twice.
#[test]
fn an_answer_that_fails_costs_one() {
    let mut scene = scene(&[json!({"burst": 1, "cost": {"response_header": "x-cost"}})], &[]);
    assert_eq!(scene.receive(ANN).action, Action::Forward);
    scene.close();
    scene.reopen();
    assert_eq!(scene.receive(ANN).action, Action::Forward, "the bucket is empty and owes nothing");
    scene.respond(OK);
    scene.close();
    scene.reopen();
    assert!(scene.receive(ANN).text().contains("\r\nRetry-After: 10\r\n"));
}

/// A shadow refuses nobody, counts whom it would have refused, and takes no token of those.
#[test]
fn a_shadow_only_counts() {
    let mut scene = scene(&[json!({"mode": "shadow"}), json!({"burst": 3})], &[]);
    assert_eq!(statuses(&mut scene, &[ANN, ANN, ANN, ANN]), [200, 200, 200, 429]);
    assert_eq!(decisions(&scene, 0), [1, 0, 0, 0, 2, 0, 0]);
    assert_eq!(decisions(&scene, 1), [3, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_full_table_answers_by_the_rule_of_the_limit() {
    let mut allowing = scene(&[json!({})], &[]);
    allowing.worker.state.set_bucket_capacity(1);
    assert_eq!(statuses(&mut allowing, &[ANN, OTHER, OTHER]), [200, 200, 200]);
    assert_eq!(decisions(&allowing, 0), [1, 0, 2, 0, 0, 0, 0]);
    let mut refusing = scene(&[json!({"overflow": "refuse"})], &[]);
    refusing.worker.state.set_bucket_capacity(1);
    assert_eq!(statuses(&mut refusing, &[ANN]), [200]);
    let (status, text) = exchange(&mut refusing, OTHER, OK);
    assert_eq!(status, 503);
    assert!(text.contains("\r\nRetry-After: 1\r\n") && text.contains("limit table full"), "{text}");
    assert_eq!((decisions(&refusing, 0), refusing.held()), ([1, 0, 1, 0, 0, 0, 0], 0));
}

/// A refusal tells of the limit that refuses; other answers tell of the limits that are to be told of.
#[test]
fn clients_are_told_of_limits() {
    let both = [json!({"burst": 3, "fields": "all"}), json!({"burst": 2})];
    let mut told = scene(&both, &[json!({"burst": 9, "fields": "all"})]);
    let (_, text) = exchange(&mut told, ANN, OK);
    let expected = "\r\nRateLimit-Policy: \"l0\";q=3;w=30, \"l2\";q=9;w=90\r\nRateLimit: \"l0\";r=2;t=10, \"l2\";r=8;t=10\r\n";
    assert!(text.contains(expected), "{text}");
    exchange(&mut told, ANN, OK);
    let (status, text) = exchange(&mut told, ANN, OK);
    assert_eq!(status, 429);
    assert!(
        text.contains("\r\nRateLimit-Policy: \"l1\";q=2;w=20\r\nRateLimit: \"l1\";r=0;t=20\r\n"),
        "{text}"
    );
    let mut silent = scene(&[json!({"fields": "none"})], &[]);
    exchange(&mut silent, ANN, OK);
    let (status, text) = exchange(&mut silent, ANN, OK);
    assert!(status == 429 && !text.contains("RateLimit"), "{text}");
}

/// The fields that an instance sends itself pass, and ours stand beside them.
#[test]
fn an_instance_may_tell_of_limits_of_its_own() {
    let mut scene = scene(&[json!({"fields": "all"})], &[]);
    let (_, text) = exchange(&mut scene, ANN, &OK.replace("Content", "RateLimit: \"own\";r=1\r\nContent"));
    assert_eq!(text.matches("\r\nRateLimit: ").count(), 2, "{text}");
}

/// A concurrency limit of one exchange by `X-User`, with these rules beside.
fn at_once(rules: &Value) -> Scene {
    let mut limit = json!({"name": "c", "row": ROWS[0], "most": 1, "key": ["header:x-user"]});
    for (key, value) in rules.as_object().unwrap() {
        limit[key] = value.clone();
    }
    Scene::with(|document| document["services"][0]["concurrency"] = json!([limit]))
}

/// What concurrency limits count as under way, in all.
fn under_way(scene: &Scene) -> usize {
    scene.worker.state.held_by_keys()
}

/// While a key has as many exchanges as it may have, its further ones are refused, and others are not.
#[test]
fn a_key_has_no_more_exchanges_than_it_may() {
    let mut scene = at_once(&json!({}));
    assert_eq!(scene.receive(ANN).action, Action::Forward);
    let first = std::mem::replace(&mut scene.connection, scene_connection(&mut scene.worker, scene.now));
    let told = scene.receive(ANN);
    assert_eq!(told.answer(), (Action::Reply, 429));
    assert!(
        told.text().contains("\r\nRetry-After: 1\r\n") && told.text().contains("too many requests at once")
    );
    assert_eq!(scene.receive(OTHER).action, Action::Forward);
    scene.respond(OK);
    scene.connection = first;
    scene.respond(OK);
    assert_eq!((exchange(&mut scene, ANN, OK).0, under_way(&scene)), (200, 0));
    assert_eq!(decisions(&scene, 0), [3, 1, 0, 0, 0, 0, 0]);
}

/// Where all requests share one count, no client is to blame.
#[test]
fn a_full_service_answers_503() {
    let mut scene = at_once(&json!({"key": ["service"]}));
    assert_eq!(scene.receive(ANN).action, Action::Forward);
    scene.connection = scene_connection(&mut scene.worker, scene.now);
    assert_eq!(scene.receive(OTHER).answer(), (Action::Reply, 503));
    assert_eq!((under_way(&scene), scene.held()), (1, 1));
}

/// Every end of an exchange gives its place back: an answer, a failure, a client that leaves, a refusal by another limit, no
/// instance, a tunnel's end.
#[test]
fn every_end_gives_the_place_back() {
    let upgrade =
        "GET / HTTP/1.1\r\nHost: a\r\nX-User: ann\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let ends: [fn(&mut Scene); 4] = [
        |scene| drop(scene.respond(OK)),
        |scene| drop(scene.respond("HTTP/1.1 nonsense\r\n\r\n")),
        Scene::close,
        |scene| drop(scene.client_eof()),
    ];
    for end in ends {
        let mut scene = at_once(&json!({}));
        assert_eq!((scene.receive(ANN).action, under_way(&scene)), (Action::Forward, 1));
        end(&mut scene);
        if scene.held() == 1 {
            scene.expire_after(SECOND); // the grace of a half-closed connection
        }
        assert_eq!((under_way(&scene), scene.held()), (0, 0));
    }
    let mut tunnel = at_once(&json!({}));
    tunnel.receive(upgrade);
    assert_eq!(tunnel.respond(switched).action, Action::Switch);
    assert_eq!(under_way(&tunnel), 1, "a tunnel is under way until it ends");
    tunnel.close();
    assert_eq!(under_way(&tunnel), 0);
    let mut nobody = at_once(&json!({}));
    nobody.worker.state.set_members(0, &[]);
    assert_eq!((nobody.receive(ANN).status(), under_way(&nobody)), (503, 0));
}

/// A request that is one too many costs no token, and one beyond the rate holds no place.
#[test]
fn a_concurrency_limit_is_asked_before_tokens_are_taken() {
    let mut scene = Scene::with(|document| {
        document["routes"][1]["limits"] = json!([limit(0, &json!({"burst": 2}))]);
        document["routes"][1]["concurrency"] =
            json!([{"name": "c", "row": ROWS[1], "most": 1, "key": ["header:x-user"]}]);
    });
    scene.receive(ANN);
    let first = std::mem::replace(&mut scene.connection, scene_connection(&mut scene.worker, scene.now));
    assert_eq!(scene.receive(ANN).status(), 429);
    scene.connection = first;
    scene.respond(OK);
    assert_eq!(statuses(&mut scene, &[ANN, ANN]), [200, 429]);
    assert_eq!((decisions(&scene, 0), under_way(&scene)), ([2, 1, 0, 0, 0, 0, 0], 0));
    assert_eq!(decisions(&scene, 1), [3, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_shadow_of_concurrency_only_counts() {
    let mut scene = at_once(&json!({"mode": "shadow", "missing": "refuse"}));
    scene.receive(ANN);
    scene.connection = scene_connection(&mut scene.worker, scene.now);
    assert_eq!(scene.receive(ANN).action, Action::Forward);
    scene.respond(OK);
    assert_eq!(scene.receive(GET).action, Action::Forward);
    assert_eq!((decisions(&scene, 0), under_way(&scene)), ([1, 0, 0, 0, 1, 0, 1], 1));
}

#[test]
fn nothing_is_held_by_a_request_that_a_limit_refused() {
    let mut scene = scene(&[json!({})], &[]);
    statuses(&mut scene, &[ANN, ANN]);
    scene.close();
    assert_eq!((scene.held(), scene.worker.state.counter(Counter::ConnectionsEnded)), (0, 1));
}

/// A limit that gateways share lets pass what its stock has; until one is there, its credit.
#[test]
fn a_shared_limit_takes_from_its_stock() {
    let shared = json!({"shared": {"seed": 7, "low": 0}, "tokens": 1, "period_ns": SECOND, "burst": 10});
    let mut scene = scene(&[shared], &[]);
    scene.worker.state.set_credit(2);
    assert_eq!(statuses(&mut scene, &[ANN, OTHER, ANN, ANN]), [200, 200, 200, 429]);
    let (_, text) = exchange(&mut scene, ANN, OK);
    assert!(text.contains("Retry-After: 1\r\n"), "{text}");
    assert_eq!(decisions(&scene, 0), [3, 2, 0, 0, 0, 0, 0]);
}

/// Keys of a shared limit are the same at every gateway, those of others are not.
#[test]
fn shared_keys_do_not_depend_on_the_memory() {
    let scene = scene(&[json!({"shared": {"seed": 7, "low": 0}}), json!({})], &[]);
    let alike = |limit: &Arc<Limit>| limit.rule.count_key_of(1, b"ann") == limit.rule.count_key_of(2, b"ann");
    let limits = scene.worker.snapshot.routes[1].limits.iter().map(alike);
    assert_eq!(limits.collect::<Vec<_>>(), [true, false]);
}
