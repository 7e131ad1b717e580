//! Routes that inject faults.

use serde_json::{json, Value};

use super::scene::{Scene, CHUNKED_BEGUN, GET, MILLI, OK, POST_BEGUN, SECOND};
use crate::connection::Action;
use crate::state::{Counter, State};

const SERVICE: u32 = 0;
const DELAY: u64 = 200 * MILLI;
/// The row of the limit of the route that injects.
const LIMIT: u32 = 10;

fn scene(fault: &Value) -> Scene {
    scene_with(fault, |_| ())
}

fn scene_with(fault: &Value, change: impl FnOnce(&mut Value)) -> Scene {
    Scene::with(|document| {
        document["routes"][1]["fault"] = fault.clone();
        change(document);
    })
}

fn delay() -> Value {
    json!({"delay": {"delay_ms": 200, "share": 100}})
}

fn abort() -> Value {
    json!({"abort": {"status": 503, "share": 100}, "delay": {"delay_ms": 1, "share": 100}})
}

/// One whose requests are all delayed.
fn delayed(change: impl FnOnce(&mut Value)) -> Scene {
    scene_with(&delay(), change)
}

fn limit(rules: &Value) -> Value {
    let mut limit = json!({"name": "l", "row": LIMIT, "tokens": 1, "period_ns": 60 * SECOND, "burst": 2, "key": ["client_ip"]});
    for (key, value) in rules.as_object().unwrap() {
        limit[key] = value.clone();
    }
    limit
}

/// One with a limit that gateways share, of which the stock is empty; the service has a queue.
fn strict(fault: &Value, change: impl FnOnce(&mut Value)) -> Scene {
    let scene = scene_with(fault, |document| {
        document["routes"][1]["limits"] =
            json!([limit(&json!({"burst": 10, "period_ns": SECOND, "shared": {"seed": 7, "low": 0}}))]);
        queue(document);
        change(document);
    });
    scene.worker.state.set_waits(true);
    scene
}

fn queue(document: &mut Value) {
    document["services"][0]["queue"] = json!({"size": 10, "timeout_ms": 5_000});
}

/// Another service gets copies of all requests.
fn mirror(document: &mut Value) {
    let mut shadow = document["services"][0].clone();
    shadow["name"] = "shadow".into();
    shadow["slot"] = 1.into();
    document["services"].as_array_mut().unwrap().push(shadow);
    document["routes"][1]["mirror"] = json!({"service": 1, "share": 100, "row": 2});
}

fn fill_instances(scene: &Scene) {
    for slot in [0, 1] {
        scene.worker.state.set_cap(slot, 10);
    }
}

fn waiters(scene: &Scene) -> u32 {
    scene.worker.state.queue(SERVICE).0
}

/// So many answers and delays were injected.
fn injected(scene: &Scene) -> [u64; 2] {
    [Counter::InjectedAborts, Counter::InjectedDelays].map(|counter| scene.worker.state.counter(counter))
}

fn charged(scene: &Scene) -> u64 {
    scene.worker.state.limit_decisions(LIMIT)[0]
}

/// A delayed request holds no place, and goes on when its time is over.
#[test]
fn a_delay_holds_nothing_and_ends() {
    let mut scene = delayed(|_| ());
    let told = scene.receive(GET);
    assert_eq!((told.action, told.payload.is_empty(), scene.held()), (Action::Park, false, 0));
    let told = scene.expire_after(DELAY);
    assert_eq!((told.action, told.payload.is_empty(), scene.held()), (Action::Forward, true, 1));
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
    assert_eq!((injected(&scene), scene.durations()), ([0, 1], vec![DELAY]));
    assert_eq!(scene.receive(GET).action, Action::Park, "the next one as well");
    scene.expire_after(DELAY);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
}

/// It may take a while: the instance's own time begins behind it.
#[test]
fn the_longest_delay_costs_the_instance_nothing() {
    let hour = 3_600 * SECOND;
    let mut scene = scene(&json!({"delay": {"delay_ms": 3_600_000, "share": 100}}));
    scene.receive(GET);
    assert_eq!(scene.expire_after(hour).action, Action::Forward);
    assert_eq!(scene.expire_after(31 * SECOND).answer(), (Action::Reply, 504), "its time for the first byte");
}

/// What comes of a body meanwhile is handed on to be held, and does not put the end off.
#[test]
fn a_body_does_not_change_the_delay() {
    let mut scene = delayed(|_| ());
    assert_eq!(scene.receive(POST_BEGUN).action, Action::Park);
    scene.pass(DELAY / 2);
    assert_eq!(scene.receive("defghij").action, Action::Send);
    assert_eq!(scene.expire_after(DELAY / 2).action, Action::Forward);
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
}

/// A place that comes free, or a token, is none of its business.
#[test]
fn nothing_but_its_time_ends_a_delay() {
    let mut scene = delayed(queue);
    scene.receive(GET);
    assert_eq!((scene.take_turn().action, waiters(&scene), scene.held()), (Action::Wait, 0, 0));
    assert_eq!(scene.expire_after(DELAY).action, Action::Forward);
}

/// Whatever ends it meanwhile, nothing is given back that it does not have, and its end comes no more.
#[test]
fn a_delayed_request_may_end() {
    type End = fn(&mut Scene);
    let ways: [(&str, u16, End); 4] = [
        (GET, 499, Scene::close),
        (GET, 499, |scene| assert_eq!(scene.client_eof().action, Action::Close)),
        (POST_BEGUN, 499, |scene| assert_eq!(scene.client_eof().action, Action::Close)),
        (CHUNKED_BEGUN, 400, |scene| assert_eq!(scene.receive("zz\r\n").answer(), (Action::ReplyClose, 400))),
    ];
    for (request, status, end) in ways {
        let mut scene = delayed(|document| {
            document["routes"][1]["concurrency"] =
                json!([{"name": "c", "row": 11, "most": 1, "key": ["client_ip"]}]);
        });
        assert_eq!(scene.receive(request).action, Action::Park);
        end(&mut scene);
        assert!(scene.connection.delayed.is_none(), "{request}");
        scene.reopen();
        assert_eq!(scene.receive(GET).action, Action::Park, "it is under way no more: {request}");
        scene.close();
        let ends = if status == 499 { vec![(499, 2)] } else { vec![(400, 1), (499, 1)] };
        assert_eq!((scene.counted(), scene.held(), scene.durations().len()), (ends, 0, 2), "{request}");
    }
}

/// A request behind a FIN is not delayed: its client may have gone.
#[test]
fn nobody_is_delayed_behind_a_fin() {
    let mut scene = delayed(|_| ());
    scene.receive([&GET.replace("Host: a", "Host: nowhere"), GET].concat());
    scene.client_eof();
    assert_eq!((scene.receive("").action, scene.counted()), (Action::Close, vec![(499, 1)]));
}

/// Requests that are pipelined behind a delayed one wait for it; an answer tells of them.
#[test]
fn what_is_pipelined_waits() {
    let mut scene = delayed(|_| ());
    assert_eq!(scene.receive(GET.repeat(2)).action, Action::Park);
    assert_eq!(scene.receive(GET).action, Action::Wait);
    assert_eq!(scene.expire_after(DELAY).action, Action::Forward);
    let told = scene.respond(OK);
    assert_eq!((told.action, told.argument), (Action::Finish, 1));
    assert_eq!(scene.receive("").action, Action::Park);
    for slot in [0, 1] {
        scene.worker.state.set_health(slot, false);
    }
    let told = scene.expire_after(DELAY);
    assert_eq!((told.answer(), told.argument), ((Action::Reply, 503), 1));
}

/// A worker that is to leave finishes what is delayed, and ends the connection with it.
#[test]
fn a_draining_worker_finishes_what_is_delayed() {
    let mut scene = delayed(|_| ());
    scene.receive(GET);
    scene.worker.draining = true;
    assert_eq!(scene.expire_after(DELAY).action, Action::Forward);
    let told = scene.respond(OK);
    assert_eq!(told.answer(), (Action::FinishClose, 200));
    assert!(told.text().contains("\r\nConnection: close\r\n"));
}

/// After the delay all is as for a request that comes then: no instance is 503, and a line is stood in.
#[test]
fn after_the_delay_there_may_be_no_place() {
    let mut scene = delayed(|_| ());
    scene.receive(GET);
    for slot in [0, 1] {
        scene.worker.state.set_health(slot, false);
    }
    assert_eq!(scene.expire_after(DELAY).answer(), (Action::Reply, 503));
    scene.ends_as(503);
    let mut scene = delayed(queue);
    fill_instances(&scene);
    scene.receive(GET);
    assert_eq!((scene.expire_after(DELAY).action, waiters(&scene)), (Action::Wait, 1));
    assert_eq!(scene.expire_after(5 * SECOND).answer(), (Action::Reply, 503));
    scene.ends_as(503);
}

/// One that waits for a token as well waits for that first; what it has waited for it counts in the line after its delay.
#[test]
fn a_delay_begins_with_the_token() {
    let mut scene = strict(&delay(), |_| ());
    assert_eq!((scene.receive(GET).action, waiters(&scene), injected(&scene)), (Action::Park, 1, [0, 0]));
    scene.pass(SECOND);
    scene.worker.state.grant(1, false);
    assert_eq!((scene.take_turn().action, waiters(&scene), charged(&scene)), (Action::Wait, 0, 1));
    fill_instances(&scene);
    assert_eq!((scene.expire_after(DELAY).action, waiters(&scene)), (Action::Wait, 1));
    assert_eq!(scene.expire_after(4 * SECOND).answer(), (Action::Reply, 503));
    assert_eq!(injected(&scene), [0, 1]);
    scene.ends_as(503);
}

/// The token may be there at the second look.
#[test]
fn a_delay_begins_at_the_second_look() {
    let mut scene = strict(&delay(), |_| ());
    scene.worker.state.grant_when_called(1, false);
    let told = scene.receive(GET);
    assert_eq!((told.action, told.payload.is_empty(), waiters(&scene)), (Action::Park, false, 0));
    assert_eq!(scene.expire_after(DELAY).action, Action::Forward);
}

/// Nor does an injected answer come before the token, which it costs; the limit's own refusal is nothing of the fault.
#[test]
fn an_abort_waits_for_its_token() {
    let mut scene = strict(&abort(), mirror);
    assert_eq!(scene.receive(GET).action, Action::Park, "and there is no copy");
    assert!(scene.connection.begin_copy(&mut scene.worker, scene.now).is_none());
    scene.worker.state.grant(1, false);
    let told = scene.take_turn();
    assert_eq!((told.answer(), told.body().as_str()), ((Action::Reply, 503), "503 Service Unavailable\n"));
    assert!(told.text().contains("details=\"injected fault\""), "{}", told.text());
    assert_eq!((charged(&scene), injected(&scene), waiters(&scene)), (1, [1, 0], 0));
    assert_eq!(scene.receive(GET).action, Action::Park);
    scene.worker.state.grant(0, true);
    assert_eq!(scene.take_turn().answer(), (Action::Reply, 429));
    assert_eq!((scene.counted(), injected(&scene), scene.held()), (vec![(429, 1), (503, 1)], [1, 0], 0));
}

/// It says that more waits where the token is there at the second look.
#[test]
fn an_abort_at_the_second_look_tells_of_what_is_pipelined() {
    let mut scene = strict(&abort(), |_| ());
    scene.worker.state.grant_when_called(2, false);
    let told = scene.receive(GET.repeat(2));
    assert_eq!((told.answer(), told.argument), ((Action::Reply, 503), 1));
    assert_eq!(scene.receive("").answer(), (Action::Reply, 503));
}

/// An injected answer takes no place, is counted as the route's, and the connection lives on; limits come before it.
#[test]
fn an_abort_answers() {
    let limited = |document: &mut Value| document["routes"][1]["limits"] = json!([limit(&json!({}))]);
    let mut scene = scene_with(&abort(), limited);
    let mut come = GET.repeat(3);
    for (status, more) in [(503, 1), (503, 1), (429, 0)] {
        let told = scene.receive(std::mem::take(&mut come));
        assert_eq!((told.answer(), told.argument), ((Action::Reply, status), more));
    }
    assert_eq!((scene.held(), scene.counted()), (0, vec![(429, 1), (503, 2)]));
    assert_eq!(injected(&scene), [2, 0]);
}

/// It has the form of every answer of the gateway's own, whatever its status is.
#[test]
fn an_abort_is_an_answer_of_the_gateway() {
    let page = json!({"status": 503, "content_type": "text/html", "body": "soon"});
    let answered = |status: u16, request: &str| {
        let fault = json!({"abort": {"status": status, "share": 100}});
        let mut scene = scene_with(&fault, |document| document["errors"] = json!([page]));
        let told = scene.receive(request);
        assert_eq!(told.answer(), (Action::Reply, status), "{request}");
        assert!(told.text().contains(
            "\r\nProxy-Status: headgate; error=http_request_denied; details=\"injected fault\"\r\n"
        ));
        assert!(!told.text().contains("Retry-After"));
        told
    };
    assert_eq!(answered(503, GET).body(), "soon");
    assert_eq!(answered(503, &GET.replace("GET", "HEAD")).body(), "");
    assert_eq!(answered(418, GET).body(), "418 \n", "a status without a phrase");
    let json = answered(503, "GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n").body();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, json!({"status": 503, "title": "Service Unavailable", "detail": "injected fault"}));
}

/// A body that is not there yet is not waited for.
#[test]
fn an_abort_does_not_wait_for_a_body() {
    let mut scene = scene(&abort());
    assert_eq!(scene.receive(POST_BEGUN).answer(), (Action::ReplyClose, 503));
}

/// The copy of a delayed request goes at once; of one that is answered in an instance's stead there is none.
#[test]
fn copies_are_of_requests_that_go_on() {
    let mut late = delayed(mirror);
    late.worker.state.set_members(1, &[5]);
    assert_eq!(late.receive(GET).action, Action::ParkCopied);
    let (mut copy, _) = late.connection.begin_copy(&mut late.worker, late.now).unwrap();
    assert_eq!((late.worker.state.in_flight(5), late.held()), (1, 0));
    copy.close(&mut late.worker, late.now);
    assert_eq!(late.expire_after(DELAY).action, Action::Forward);
    let mut aborted = scene_with(&abort(), mirror);
    aborted.worker.state.set_members(1, &[5]);
    assert_eq!(aborted.receive(GET).answer(), (Action::Reply, 503));
    assert!(aborted.connection.begin_copy(&mut aborted.worker, aborted.now).is_none());
}

/// Only some are hit.
#[test]
fn shares_are_drawn() {
    let mut scene = scene(&json!({"abort": {"status": 500, "share": 30}}));
    for _ in 0..1_000 {
        if scene.receive(GET).action == Action::Forward {
            scene.respond(OK);
        }
    }
    let [aborts, _] = injected(&scene);
    assert!((200..400).contains(&aborts), "{aborts}");
    assert_eq!(scene.counted(), [(200, 1_000 - aborts), (500, aborts)]);
}

/// The access log tells an injected answer from others, and a whole answer that was late from one that was not.
#[test]
fn the_access_log_tells_of_faults() {
    let mut aborted = scene_with(&abort(), |document| document["access_log"] = json!(true));
    aborted.receive(GET);
    let mut late = delayed(|document| document["access_log"] = json!(true));
    late.receive(GET);
    late.expire_after(DELAY);
    late.respond(OK);
    for (scene, reason, tries) in [(aborted, "fault_abort", 0), (late, "fault_delay", 1)] {
        let line: Value = serde_json::from_slice(scene.worker.access_log.lines()).unwrap();
        assert_eq!((&line["reason"], &line["tries"]), (&json!(reason), &json!(tries)));
    }
}
