//! Which try goes at once, which waits, and what may happen while it waits.

use super::scene::{slot, Scene, Told, GET, MILLI, OK, POST, POST_BEGUN, SECOND};
use crate::connection::Action;
use crate::state::{Counter, State};

/// What the third instance holds for others.
const BUSY: u32 = 1_000;

/// Two instances refuse in turn; a third one has just come.
fn refused_twice(request: &str) -> (Scene, Told) {
    let mut scene = Scene::new();
    scene.receive(request);
    scene.connecting();
    assert_eq!(scene.connect_failed().action, Action::Forward, "the first extra try goes at once");
    scene.connecting();
    scene.worker.state.set_in_flight(2, BUSY);
    scene.worker.state.set_members(0, &[0, 1, 2]);
    let told = scene.connect_failed();
    (scene, told)
}

/// A place is held on the instance of the next try, as it is on any that the exchange is to go to.
#[test]
fn every_further_try_waits() {
    let (mut scene, told) = refused_twice(POST);
    assert_eq!(told.action, Action::BackOff);
    assert!((25 * MILLI / 2..=25 * MILLI).contains(&told.argument));
    assert_eq!((scene.held(), scene.worker.state.in_flight(2)), (0, BUSY + 1));
    scene.pass(told.argument);
    let told = scene.try_again();
    assert_eq!((slot(&told), told.payload.len()), (2, 0));
    scene.connected();
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
    assert_eq!(scene.worker.state.in_flight(2), BUSY);
    scene.ends_as(200);
}

/// The tick ends a back-off that nobody else has ended.
#[test]
fn a_back_off_ends_at_its_deadline_too() {
    let (mut scene, told) = refused_twice(GET);
    assert_eq!(slot(&scene.expire_after(told.argument)), 2);
}

/// A connection that was made for this exchange and is lost speaks against its instance, so the only one is spared.
#[test]
fn the_only_instance_is_not_hurried() {
    for (connects, expected) in [(false, Action::Forward), (true, Action::BackOff)] {
        let mut scene = Scene::new();
        scene.worker.state.set_members(0, &[1]);
        scene.receive(GET);
        if connects {
            scene.connecting();
            scene.connected();
        }
        assert_eq!(scene.lost(false).action, expected);
    }
}

/// Bytes of the body that come meanwhile are handed on, to be held back, and do not end the wait.
#[test]
fn a_body_goes_on_during_a_back_off() {
    let (mut scene, told) = refused_twice(POST_BEGUN);
    assert_eq!(scene.receive("defghij").action, Action::Send);
    assert_eq!(slot(&scene.expire_after(told.argument)), 2);
    scene.connected();
    assert_eq!(scene.respond(OK).answer(), (Action::Finish, 200));
}

/// A client that leaves during a back-off gives the place back, and nothing comes of it later.
#[test]
fn a_client_may_leave_during_a_back_off() {
    let (mut scene, _) = refused_twice(POST_BEGUN);
    assert_eq!(scene.client_eof().action, Action::Close);
    assert_eq!(scene.worker.state.in_flight(2), BUSY);
    assert_eq!(scene.try_again().action, Action::Wait);
    scene.ends_as(499);
    let (mut scene, _) = refused_twice(GET);
    assert_eq!(scene.client_eof().action, Action::Wait, "perhaps only a half-close");
    assert_eq!(scene.expire_after(SECOND).action, Action::Close);
    assert_eq!(scene.worker.state.in_flight(2), BUSY);
    scene.ends_as(499);
}

/// What was chosen before the wait is chosen anew when it has become unfit, and 503 says that nothing is fit any more.
#[test]
fn the_choice_is_checked_after_the_wait() {
    let (mut scene, _) = refused_twice(GET);
    scene.worker.state.set_health(2, false);
    assert!(slot(&scene.try_again()) < 2, "one that was tried is better than none");
    assert_eq!(scene.worker.state.in_flight(2), BUSY);
    let (mut scene, _) = refused_twice(GET);
    for slot in 0..3 {
        scene.worker.state.set_health(slot, false);
    }
    assert_eq!(scene.try_again().answer(), (Action::Reply, 503));
    scene.ends_as(503);
}

/// An instance with too many connects under way is passed over, whatever the method and however few the tries; when all
/// are, the client is told at once.
#[test]
fn a_crowded_instance_is_passed_over() {
    let mut scene = Scene::with(|document| document["routes"][1]["tries"] = 0.into());
    let first = slot(&scene.receive(POST));
    let told = scene.crowded();
    assert_eq!((slot(&told), told.payload.len(), scene.held()), (1 - first, 0, 1));
    let told = scene.crowded();
    assert_eq!((told.answer(), scene.held()), ((Action::Reply, 503), 0));
    assert!(told.text().contains("error=connection_limit_reached; details=\"connects pending\""));
    let counters = [Counter::Retries, Counter::UpstreamConnectFailures];
    assert_eq!(counters.map(|counter| scene.worker.state.counter(counter)), [0, 0]);
    scene.ends_as(503);
}

/// However many instances are crowded, there is an end to it.
#[test]
fn more_crowded_instances_than_are_remembered() {
    let mut scene = Scene::new();
    scene.worker.state.set_members(0, &(0..40).collect::<Vec<_>>());
    scene.receive(GET);
    let passed_over = (0..100).take_while(|_| scene.crowded().action == Action::Forward).count();
    assert_eq!(passed_over, 16);
    assert!((0..40).all(|slot| scene.worker.state.in_flight(slot) % 10 == 0), "nothing is held");
}

/// A scene whose service has so small a budget, and an instance for every try.
fn budgeted(least: u32) -> Scene {
    let scene = Scene::with(|document| {
        document["services"][0]["retry_budget"] =
            serde_json::json!({"percent": 20, "tokens": least, "period_ms": 10_000});
    });
    scene.worker.state.set_members(0, &[0, 1, 2]);
    scene
}

/// Beyond its budget a service is not asked again: the client gets what the failure stands for, and nothing is held.
#[test]
fn retries_end_with_the_budget() {
    let mut scene = budgeted(1);
    scene.receive(GET);
    scene.connecting();
    assert_eq!(scene.lost(true).action, Action::Forward, "there is one");
    scene.connecting();
    assert_eq!(scene.lost(true).answer(), (Action::Reply, 502));
    assert_eq!(scene.worker.state.counter(Counter::Retries), 1);
    assert_eq!(scene.worker.state.counter(Counter::RetriesOverBudget), 1);
    assert_eq!((scene.held(), scene.worker.state.in_flight(2)), (0, 0));
    for _ in 0..9 {
        scene.receive(GET);
        scene.respond(OK);
    }
    scene.receive(GET);
    scene.connecting();
    assert_eq!(scene.lost(true).action, Action::Forward, "ten requests have earned a second one");
}

/// A retry for which there is no instance costs the budget nothing.
#[test]
fn a_retry_that_does_not_come_about_is_given_back() {
    let mut scene = budgeted(1);
    scene.receive(GET);
    scene.connecting();
    scene.worker.state.set_members(0, &[]);
    assert_eq!(scene.lost(true).answer(), (Action::Reply, 502));
    scene.worker.state.set_members(0, &[0, 1]);
    scene.receive(GET);
    scene.connecting();
    assert_eq!(scene.lost(true).action, Action::Forward, "it is there still");
    assert_eq!(scene.worker.state.counter(Counter::RetriesOverBudget), 0);
}

/// What follows a connection that could not be made is not in the budget: nobody has got the request yet.
#[test]
fn a_request_that_was_not_sent_goes_elsewhere_for_nothing() {
    let mut scene = budgeted(0);
    scene.receive(GET);
    scene.connecting();
    assert_eq!(scene.connect_failed().action, Action::Forward);
    scene.connecting();
    assert_eq!(scene.lost(true).answer(), (Action::Reply, 502), "this one was sent");
    assert_eq!(scene.worker.state.counter(Counter::RetriesOverBudget), 1);
}

/// What replaces a kept connection that had ended is not in the budget; what follows it is.
#[test]
fn a_kept_connection_that_had_ended_is_replaced_for_nothing() {
    let mut scene = budgeted(0);
    scene.receive(GET);
    assert_eq!(scene.lost(true).action, Action::Forward);
    scene.connecting();
    assert_eq!(scene.lost(true).answer(), (Action::Reply, 502));
    assert_eq!(scene.worker.state.counter(Counter::RetriesOverBudget), 1);
}
