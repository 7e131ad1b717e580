//! The real segment: several handles, threads and processes on one memory, foreign and spoiled memory, kills.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;

use headgate_engine::limit::{Charge, Claim, Gcra};
use headgate_engine::queue::{Front, WaitEnd};
use headgate_engine::random::Random;
use headgate_engine::retry_budget::RetryBudget;
use headgate_engine::selection::ring::LINE;
use headgate_engine::selection::{select, Affinity, Balance, Criteria, Policy, Selection, Tried};
use headgate_engine::state::{Bank, Counter, Hold, LimitDecision, PublishedRing, State, NO_SLOT};
use headgate_shm::control::{Control, ControlError, InstanceWords};
use headgate_shm::instance::{
    HEALTH_DISABLED, HEALTH_EJECTED, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_UNKNOWN,
};
use headgate_shm::layout::Capacities;
use headgate_shm::segment::{Segment, SegmentError};
use headgate_shm::state::Worker;
use headgate_shm::view::{LimitTable, View};
use headgate_shm::wakes::Wakes;
use rustix::event::{eventfd, EventfdFlags};
use rustix::fs::{fcntl_add_seals, ftruncate, memfd_create, MemfdFlags, SealFlags};

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_000 * SECOND;
const CAPACITIES: Capacities =
    Capacities { lanes: 6, instances: 32, services: 4, series: 8, limits: 4, limit_keys: 100 };

/// The environment variable that turns this program into a worker process of a test, and names its part.
const PART: &str = "HEADGATE_TEST_PART";

fn segment() -> Arc<Segment> {
    Arc::new(Segment::create(CAPACITIES, 42).unwrap())
}

fn instance(weight: u32, max_in_flight: u32, health: u32) -> InstanceWords {
    let plain = InstanceWords::plain("127.0.0.1:9000".parse().unwrap());
    InstanceWords { weight, capacity: weight, max_in_flight, health, ..plain }
}

/// A segment with one service of three instances (weights 2, 1, 1) and two open lanes.
fn populated() -> (Arc<Segment>, Control, [Worker; 2]) {
    let segment = segment();
    let mut control = Control::new(Arc::clone(&segment));
    for (slot, weight) in [(0, 2), (1, 1), (2, 1)] {
        control.write_instance(slot, &instance(weight, 0, HEALTH_HEALTHY)).unwrap();
    }
    control.publish_members(0, &[0, 1, 2], 0, NOW).unwrap();
    let workers = [0, 1].map(|lane| {
        control.open_lane(lane, 100 + lane).unwrap();
        Worker::attach(Arc::clone(&segment), lane).unwrap()
    });
    (segment, control, workers)
}

fn eligible(worker: &Worker, service: u32) -> Vec<u32> {
    let bank = worker.bank(service);
    (0..bank.eligible).map(|index| worker.candidate(bank, index)).collect()
}

/// What one handle writes, a handle that attached to the same memory reads.
#[test]
fn two_handles_see_the_same_memory() {
    let (segment, control, [worker, _]) = populated();
    let other = Arc::new(Segment::attach(segment.fd().as_raw_fd()).unwrap());
    assert_eq!((other.capacities(), other.size(), other.hash_seed()), (CAPACITIES, segment.size(), 42));
    let view = View::new(Arc::clone(&other));
    worker.count_request(3, 200);
    worker.count_request(3, 799);
    worker.observe_duration(0, 700_000);
    worker.count_limit(1, LimitDecision::Overflow);
    assert!(worker.reserve(2) && worker.tick(NOW, 7));
    assert_eq!(view.requests(3), Some(vec![(0, 1), (200, 1)]));
    assert_eq!(view.durations(0).map(|(buckets, sum)| (buckets[1], sum)), Some((1, 700_000)));
    assert_eq!(view.limit_decisions(1), Some(vec![0, 0, 1, 0, 0, 0, 0]));
    assert_eq!((view.in_flight(2), view.health(2)), (1, Some(HEALTH_HEALTHY)));
    let lane = view.lanes().next().unwrap();
    assert_eq!((lane.lane, lane.pid, lane.snapshot, lane.membership, lane.heartbeat), (0, 100, 7, 1, NOW));
    control.set_health(2, HEALTH_UNHEALTHY).unwrap();
    assert_eq!(Worker::attach(other, 1).unwrap().health(2, 1), Some(HEALTH_UNHEALTHY));
}

/// The eligible are the healthy and the unknown of weight above 0 that nobody disabled.
#[test]
fn banks_list_who_may_be_selected() {
    let (_, mut control, [worker, _]) = populated();
    assert_eq!(eligible(&worker, 0), [0, 1, 2]);
    assert_eq!(worker.bank(0).turns, 4);
    control.set_health(0, HEALTH_UNKNOWN | HEALTH_DISABLED).unwrap();
    assert!(!worker.is_eligible(0), "one store is enough for the next decision");
    control.write_instance(1, &instance(0, 0, HEALTH_HEALTHY)).unwrap();
    control.set_health(2, HEALTH_UNKNOWN).unwrap();
    control.publish_members(0, &[0, 1, 2], 0, NOW).unwrap();
    assert_eq!((eligible(&worker, 0), worker.bank(0).members), (vec![2], 3));
    assert_eq!(worker.bank(1), Bank::default(), "a service that was never published has no members");
}

/// An ejected instance is in no bank and is not selected from an older one; its state stands beside.
#[test]
fn an_ejected_instance_is_not_selected() {
    let (_, mut control, [worker, _]) = populated();
    control.set_health(1, HEALTH_HEALTHY | HEALTH_EJECTED).unwrap();
    assert!(!worker.is_eligible(1), "one store is enough for the next decision");
    control.publish_members(0, &[0, 1, 2], 0, NOW).unwrap();
    assert_eq!((eligible(&worker, 0), worker.bank(0).members), (vec![0, 2], 3));
}

/// Four workers that take turns as fast as they can share one sequence: together each instance gets exactly its part of whole
/// rounds, whoever was faster.
#[test]
fn workers_take_turns_together() {
    const ROUNDS: u32 = 10_000;
    let (segment, control, _) = populated();
    (2..4).for_each(|lane| control.open_lane(lane, 100 + lane).unwrap());
    let workers = [0, 1, 2, 3].map(|lane| Worker::attach(Arc::clone(&segment), lane).unwrap());
    let policy = Policy { bank: 0, balance: Balance::RoundRobin, slow_start: 0 };
    let take = |worker: &Worker| {
        let (tried, mut random, mut counts) = (Tried::new(), Random::new(1), [0; 3]);
        let criteria = Criteria { policy, tried: &tried, affinity: Affinity::None, now: NOW };
        for _ in 0..ROUNDS {
            let Selection::Instance(instance) = select(worker, &criteria, &mut random) else { panic!() };
            counts[instance.slot as usize] += 1;
        }
        counts
    };
    let counts: Vec<[u32; 3]> = thread::scope(|scope| {
        let threads: Vec<_> = workers.iter().map(|worker| scope.spawn(move || take(worker))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let total = |slot: usize| counts.iter().map(|counts| counts[slot]).sum::<u32>();
    assert_eq!([0, 1, 2].map(total), [2 * ROUNDS, ROUNDS, ROUNDS], "weights 2, 1, 1");
}

/// What two instances hold is the sum over all workers, asked at once as one by one; nobody holds what is not there.
#[test]
fn two_are_counted_at_once() {
    let (_segment, _control, [one, other]) = populated();
    assert!(one.reserve(0) && one.reserve(0) && other.reserve(0) && other.reserve(1));
    assert_eq!((one.in_flight_of([0, 1]), other.in_flight_of([1, 0])), ([3, 1], [1, 3]));
    assert_eq!(one.in_flight_of([0, u32::MAX]), [3, 0]);
    assert_eq!([0, 1].map(|slot| one.in_flight(slot)), [3, 1]);
}

/// What the supervisor draws, every worker reads; a ring that is replaced stays until all have seen the next.
#[test]
fn rings_are_published_to_all() {
    let (segment, mut control, [one, other]) = populated();
    assert_eq!(one.ring(0), PublishedRing::default());
    control.publish_ring(0, &[0, 1, 2], false).unwrap();
    let ring = one.ring(0);
    assert_eq!(ring, other.ring(0));
    let counted = |ring: PublishedRing, slot| {
        let points = (0..ring.lines * LINE).map(|index| one.ring_point(ring, index));
        let of_slot: HashSet<u32> = points.filter(|it| it.slot == slot).map(|it| it.position).collect();
        of_slot.len() - usize::from(of_slot.contains(&u32::MAX)) // the end of the ring, where the first one stands once more
    };
    assert_eq!([0, 1, 2].map(|slot| counted(ring, slot)), [2048, 1024, 1024], "weights 2, 1, 1");
    control.publish_ring(0, &[0], true).unwrap();
    assert_eq!(counted(ring, 0), 2048, "nobody has ticked: the old one is as it was");
    assert_eq!(one.ring_point(other.ring(0), 0).slot, 0);
    assert_eq!(one.ring(1), PublishedRing::default(), "another service's");
    control.publish_ring(0, &[], false).unwrap();
    assert_eq!(one.ring(0), PublishedRing::default());
    assert!(matches!(control.publish_ring(99, &[0], false), Err(ControlError::OutOfRange { .. })));
    assert!(matches!(control.publish_ring(0, &[99], false), Err(ControlError::OutOfRange { .. })));
    drop(segment);
}

/// Rings are drawn over and over: the room of replaced ones comes back with the ticks of the workers, and another
/// supervisor finds what is named.
#[test]
fn the_room_of_rings_comes_back() {
    let (segment, mut control, [one, other]) = populated();
    for round in 0..200 {
        control.publish_ring(round % 4, &[0, 1, 2], false).unwrap();
        assert!(one.tick(NOW, 1) && other.tick(NOW, 1));
    }
    let before = one.ring(3);
    let mut control = Control::new(segment);
    assert_eq!(one.ring(3), before);
    assert!(one.tick(NOW, 1) && other.tick(NOW, 1));
    for service in 0..3 {
        control.publish_ring(service, &[0, 1], false).unwrap();
    }
    assert_eq!((one.ring(3), one.ring(0).arcs), (before, (3 * 1024u32).div_ceil(6)), "weights 2, 1");
}

/// An instance is known by its address, whichever slot it has.
#[test]
fn an_identity_follows_from_the_address() {
    let (_, control, [worker, _]) = populated();
    assert_eq!(worker.identity(0), worker.identity(1), "all have one address here");
    let elsewhere =
        InstanceWords { generation: 2, address: "127.0.0.1:9001".parse().unwrap(), ..instance(1, 0, 0) };
    control.write_instance(1, &elsewhere).unwrap();
    assert_ne!(worker.identity(0), worker.identity(1));
    assert_eq!(
        worker.identity(0),
        18_250_599_003_853_833_513,
        "of 127.0.0.1:9000, in this and in every gateway"
    );
}

/// All workers count the failures of an instance together, one at a time; an answer at any of them ends the row.
#[test]
fn workers_count_failures_together() {
    const FAILURES: u32 = 10_000;
    let (segment, control, workers) = populated();
    let view = View::new(segment);
    thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(move || (0..FAILURES).for_each(|_| worker.note_failure(1)));
        }
    });
    assert_eq!(view.failing(3).collect::<Vec<_>>(), [(1, 2 * FAILURES)]);
    assert_eq!(view.failing(1).count(), 0, "no more slots are looked at than were asked for");
    workers[0].note_answer(1);
    assert_eq!(view.failing(3).count(), 0);
    workers[1].note_failure(2);
    control.clear_failures(2).unwrap();
    assert_eq!(view.failing(3).count(), 0);
}

/// The next occupant of a slot begins without failures; the same one keeps them when its weight changes.
#[test]
fn failures_belong_to_a_generation() {
    let (segment, control, [worker, _]) = populated();
    let view = View::new(segment);
    worker.note_failure(1);
    control.write_instance(1, &instance(5, 0, HEALTH_HEALTHY)).unwrap();
    assert_eq!(view.failing(3).collect::<Vec<_>>(), [(1, 1)]);
    control.write_instance(1, &InstanceWords { generation: 2, ..instance(5, 0, HEALTH_HEALTHY) }).unwrap();
    assert_eq!(view.failing(3).count(), 0);
}

/// Addresses belong to a generation: the next occupant's is never taken for the last one's.
#[test]
fn an_address_belongs_to_its_generation() {
    let (_, control, [worker, _]) = populated();
    let address = "unix:/run/next.sock".parse().unwrap();
    let next = InstanceWords { generation: 2, address, ..instance(1, 0, HEALTH_UNKNOWN) };
    assert_eq!(worker.address(0, 1), Some("127.0.0.1:9000".parse().unwrap()));
    control.write_instance(0, &next).unwrap();
    assert_eq!((worker.address(0, 1), worker.health(0, 1)), (None, None));
    assert_eq!((worker.address(0, 2), worker.generation(0)), (Some(next.address), 2));
}

/// A replaced bank's words are not given out before every live lane has ticked past it.
#[test]
fn banks_are_kept_until_every_worker_has_ticked() {
    let (_, mut control, [first, second]) = populated();
    let before = first.bank(0);
    let error = (0..100_000).find_map(|_| control.publish_members(0, &[2, 1], 0, NOW).err());
    assert!(matches!(error, Some(ControlError::ArenaFull(_))), "{error:?}");
    let slots: Vec<u32> = (0..before.eligible).map(|index| first.candidate(before, index)).collect();
    assert_eq!(slots, [0, 1, 2], "a bank stays readable until the next tick");
    assert!(first.tick(NOW, 1));
    assert!(control.publish_members(0, &[2, 1], 0, NOW).is_err(), "the other worker may still read it");
    assert!(second.tick(NOW, 1));
    assert!(control.publish_members(0, &[2, 1], 0, NOW).is_ok());
}

/// A supervisor that takes over keeps every published bank and finds room for new ones.
#[test]
fn a_second_supervisor_takes_over() {
    let (segment, mut control, [first, second]) = populated();
    control.publish_members(0, &[0, 1, 2], 0, NOW).unwrap();
    drop(control);
    let mut control = Control::new(segment);
    assert!(
        control.publish_members(1, &[2], 0, NOW).is_err(),
        "the workers may read what the last one replaced"
    );
    assert!(first.tick(NOW, 1) && second.tick(NOW, 1));
    control.publish_members(1, &[2], 0, NOW).unwrap();
    assert_eq!((eligible(&first, 0), eligible(&first, 1)), (vec![0, 1, 2], vec![2]));
}

/// A dead worker's exchanges vanish with its lane; what it counted stays, once.
#[test]
fn closing_a_lane_keeps_its_counts_and_drops_its_exchanges() {
    let (segment, control, [dead, alive]) = populated();
    let view = View::new(segment);
    for worker in [&dead, &alive] {
        assert!(worker.reserve(1));
        worker.count_request(0, 502);
        worker.count(Counter::Retries, 5);
    }
    control.close_lane(0).unwrap();
    assert_eq!(control.close_lane(0), Err(ControlError::LaneNotOpen(0)));
    assert_eq!((view.in_flight(1), view.requests(0)), (1, Some(vec![(502, 2)])));
    assert_eq!(view.counters()[Counter::Retries as usize], 10);
    assert!(!dead.tick(NOW, 1), "its lane is gone");
    control.open_lane(0, 1).unwrap();
    assert_eq!(control.open_lane(0, 1), Err(ControlError::LaneInUse(0)));
    assert!(!dead.tick(NOW, 1), "its lane is another's");
    assert_eq!(view.requests(0), Some(vec![(502, 2)]));
}

/// A worker that was killed has none open any more, although it counted no end of them.
#[test]
fn open_connections_are_those_of_the_live_lanes() {
    let (segment, control, [dead, alive]) = populated();
    let view = View::new(segment);
    for (worker, ended) in [(&dead, 1), (&alive, 3)] {
        worker.count(Counter::ConnectionsAccepted, 5);
        worker.count(Counter::ConnectionsEnded, ended);
    }
    assert_eq!(view.connections(), 6);
    control.close_lane(0).unwrap();
    assert_eq!(view.connections(), 2);
    assert_eq!(view.counters()[Counter::ConnectionsAccepted as usize], 10);
}

/// Lanes may come and go for ever and in any order without a count being lost or doubled.
#[test]
fn counts_survive_many_workers() {
    let (segment, control, _) = populated();
    let view = View::new(Arc::clone(&segment));
    for round in 0..100 {
        let lane = round % 2;
        let worker = Worker::attach(Arc::clone(&segment), lane).unwrap();
        worker.count_request(7, 204);
        assert_eq!(view.requests(7), Some(vec![(204, u64::from(round) + 1)]));
        control.close_lane(lane).unwrap();
        control.open_lane(lane, round).unwrap();
    }
}

/// Four threads, each a worker, never hold more than an instance's cap, and end with nothing held.
#[test]
fn a_cap_holds_for_workers_that_run_at_once() {
    let segment = segment();
    let control = Control::new(Arc::clone(&segment));
    control.write_instance(0, &instance(1, 3, HEALTH_HEALTHY)).unwrap();
    let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for lane in 0..4 {
            control.open_lane(lane, 1).unwrap();
            let worker = Worker::attach(Arc::clone(&segment), lane).unwrap();
            let (held, most) = (&held, &most);
            scope.spawn(move || {
                for _ in 0..20_000 {
                    if worker.reserve(0) {
                        most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        held.fetch_sub(1, Ordering::SeqCst);
                        worker.release(0);
                    }
                }
            });
        }
    });
    assert!((1..=3).contains(&most.into_inner()));
    assert_eq!(View::new(segment).in_flight(0), 0);
}

/// Four threads, each a worker, never let a client in more often than it may, and end with nothing held; and what a
/// dead worker held counts no more.
#[test]
fn clients_are_counted_over_all_workers() {
    let segment = segment();
    let control = Control::new(Arc::clone(&segment));
    let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
    let attach = |lane| Worker::attach(Arc::clone(&segment), lane).unwrap();
    (0..5).for_each(|lane| control.open_lane(lane, 1).unwrap());
    thread::scope(|scope| {
        for worker in (0..4).map(attach) {
            let (held, most) = (&held, &most);
            scope.spawn(move || {
                for other in 0..20_000 {
                    let Hold::Held { place } = worker.hold(7, 3) else { continue };
                    most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    if let Hold::Held { place } = worker.hold(other << 16, 1) {
                        worker.release_hold(place);
                    }
                    held.fetch_sub(1, Ordering::SeqCst);
                    worker.release_hold(place);
                }
            });
        }
    });
    assert!((1..=3).contains(&most.into_inner()));
    let (dead, worker) = (attach(4), attach(0));
    while matches!(dead.hold(7, 3), Hold::Held { .. }) {}
    assert_eq!(worker.hold(7, 3), Hold::Full);
    control.close_lane(4).unwrap();
    assert!(matches!(worker.hold(7, 3), Hold::Held { .. }));
    control.open_lane(4, 2).unwrap();
    assert!(matches!(attach(4).hold(7, 2), Hold::Held { .. }), "its lane begins empty");
    worker.release_hold(u32::MAX);
    assert_eq!(View::new(segment).counters()[Counter::Nonsense as usize], 1);
}

/// Four threads charge a few keys with a moving clock: each key gets at most burst + rate × time, and the table is
/// not left with more keys than there are.
#[test]
fn workers_together_admit_burst_plus_rate() {
    let segment = segment();
    let control = Control::new(Arc::clone(&segment));
    let rate = Gcra::per(1_000, SECOND, 50);
    let (clock, steps, keys) = (AtomicU64::new(NOW), 40_000, [7u64, 8, 7 + 256]);
    let admitted = [0; 3].map(AtomicU64::new);
    thread::scope(|scope| {
        for lane in 0..4 {
            control.open_lane(lane, 1).unwrap();
            let worker = Worker::attach(Arc::clone(&segment), lane).unwrap();
            let (clock, admitted) = (&clock, &admitted);
            scope.spawn(move || {
                for step in 0..steps {
                    let now = clock.fetch_add(1_000, Ordering::SeqCst);
                    let index = step % keys.len();
                    if worker.charge(
                        &[Claim { key: keys[index], rate, cost: 1, must_fit: false, shared: None }],
                        now,
                    ) == Charge::Allowed
                    {
                        admitted[index].fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let elapsed = clock.into_inner() - NOW;
    let most = 50 + elapsed / rate.interval;
    for count in admitted.map(AtomicU64::into_inner) {
        assert!((most - 1..=most).contains(&count), "{count} admitted of {most}");
    }
    assert_eq!(View::new(segment).limit_table(NOW).unwrap(), LimitTable { slots: 256, keys: 3, busy: 3 });
}

/// The budget is that of all workers together: what one has served another may retry, each retry counts for all, and the
/// share of a dead worker goes with it. What is older than ten seconds counts no more.
#[test]
fn a_retry_budget_is_summed_over_the_lanes() {
    let (_, control, [one, two]) = populated();
    let budget = RetryBudget { percent: 20, least: 1 };
    let note = |now| [&one, &two].iter().for_each(|worker| worker.note_traffic([0].into_iter(), now));
    note(NOW);
    assert!(one.retry(0, budget, NOW) && !two.retry(0, budget, NOW), "the floor is one, for both");
    for _ in 0..10 {
        one.observe_duration(0, 1);
        two.observe_duration(0, 1);
    }
    assert_eq!([(); 4].map(|()| two.retry(0, budget, NOW + SECOND)), [true, true, true, false]);
    assert!(!one.retry(0, budget, NOW + SECOND), "a refusal leaves nothing behind");
    (1..=11).for_each(|second| note(NOW + second * SECOND));
    let later = NOW + 11 * SECOND;
    assert_eq!([(); 2].map(|()| one.retry(0, budget, later)), [true, false], "a new window");
    control.close_lane(one.lane()).unwrap();
    assert!(two.retry(0, budget, later), "what the dead one had retried is nobody's");
    assert!(!two.retry(u32::MAX, budget, later), "a service that does not exist");
}

/// Workers that retry at the same time never retry more than the budget, and lose none of it but by crossing each other.
#[test]
fn a_retry_budget_is_never_exceeded() {
    let (segment, control, _) = populated();
    let budget = RetryBudget { percent: 20, least: 100 };
    let workers = [2, 3].map(|lane| {
        control.open_lane(lane, 1).unwrap();
        Worker::attach(Arc::clone(&segment), lane).unwrap()
    });
    let retried: u32 = thread::scope(|scope| {
        let all = workers.each_ref().map(|worker| {
            scope.spawn(move || (0..5_000).filter(|_| worker.retry(0, budget, NOW)).count() as u32)
        });
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(retried, 100);
}

/// Whoever gives a place back wakes the worker whose turn is next; one that has not ticked for long only if nobody else waits, and a
/// dead one not at all. The bound of a queue is that of all workers together.
#[test]
fn a_place_wakes_who_waits_for_it() {
    let (segment, control, workers) = populated();
    let wakes: Vec<OwnedFd> =
        (0..CAPACITIES.lanes).map(|_| eventfd(0, EventfdFlags::NONBLOCK).unwrap()).collect();
    let woken = |lane: usize| rustix::io::read(&wakes[lane], &mut [0; 8]).is_ok();
    let [one, two] = workers.map(|worker| {
        worker.waking(Wakes::new(wakes.iter().map(|wake| wake.try_clone().unwrap()).collect()))
    });
    control.write_instance(0, &instance(1, 1, HEALTH_HEALTHY)).unwrap();
    let since = |since| Some(Front { since, newest_first: false });
    let return_a_place = || {
        assert!(one.reserve(0));
        one.hand_on(0, 0, NOW);
        [woken(0), woken(1)]
    };
    assert!(one.tick(NOW, 1) && two.tick(NOW, 1));
    assert_eq!(return_a_place(), [false, false], "nobody waits");
    assert_eq!([&one, &two, &one].map(|worker| worker.enter_queue(0, 2)), [true, true, false]);
    one.publish_front(0, since(7));
    two.publish_front(0, since(5));
    assert_eq!(return_a_place(), [false, true]);
    let six = since(6).unwrap();
    assert!(one.is_ahead(0, six, NOW) && !two.is_ahead(0, six, NOW));
    assert!(!one.is_ahead(0, six, NOW + SECOND), "the other one has not ticked for a second");
    assert!(one.tick(NOW + SECOND, 1));
    assert!(one.reserve(0));
    one.hand_on(0, 0, NOW + SECOND);
    assert_eq!([woken(0), woken(1)], [true, false], "the other one has not ticked for a second");
    one.count_wait(0, WaitEnd::Served, 3);
    one.leave_queue(0);
    one.publish_front(0, None);
    two.count_wait(0, WaitEnd::Late, 9);
    let status = View::new(Arc::clone(&segment)).queue(0).unwrap();
    assert_eq!((status.waiting, status.ends, status.waited), (1, vec![1, 0, 0, 1, 0, 0, 0], 3));
    control.close_lane(two.lane()).unwrap();
    assert_eq!(return_a_place(), [false, false], "nobody waits at a dead worker");
    assert_eq!(View::new(segment).queue(0).unwrap().waiting, 0);
    for service in [CAPACITIES.services, u32::MAX] {
        one.publish_front(service, since(1));
        one.leave_queue(service);
        one.wake_next(service, NOW);
        one.count_wait(service, WaitEnd::Full, 0);
        assert!(!one.enter_queue(service, 1));
    }
}

/// A place of a service is looked at before it is taken, and found by whoever comes after it was given back.
#[test]
fn a_place_of_a_service_is_held_in_turn() {
    let (_, _, [one, two]) = populated();
    let Hold::Held { place } = one.hold_in_turn(5, 1) else { panic!("it is free") };
    assert_eq!([one.hold_in_turn(5, 1), two.hold_in_turn(5, 1)], [Hold::Full, Hold::Full]);
    one.release_hold(place);
    assert!(matches!(two.hold_in_turn(5, 1), Hold::Held { .. }));
}

/// How full a large table is, is told by a part of it.
#[test]
fn a_large_table_is_sampled() {
    let capacities = Capacities { limit_keys: 5_000_000, ..CAPACITIES };
    let segment = Arc::new(Segment::create(capacities, 1).unwrap());
    let control = Control::new(Arc::clone(&segment));
    control.open_lane(0, 1).unwrap();
    let worker = Worker::attach(Arc::clone(&segment), 0).unwrap();
    let rate = Gcra::per(1, 3_600 * SECOND, 1);
    for number in 1..=4_000u64 {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert_eq!(
            worker.charge(&[Claim { key, rate, cost: 1, must_fit: false, shared: None }], NOW),
            Charge::Allowed
        );
    }
    let LimitTable { slots, keys, busy } = View::new(segment).limit_table(NOW).unwrap();
    assert_eq!((slots, busy), (1 << 24, keys));
    assert!((3_200..=4_800).contains(&keys), "{keys}");
}

/// A claim of nothing writes nothing, and what is owed is taken whatever is there.
#[test]
fn a_debt_is_taken_and_paid_before_anybody_passes() {
    let (segment, _, [worker, other]) = populated();
    let rate = Gcra::per(1, SECOND, 2).with_debt();
    let claim = |cost| Claim { key: 7, rate, cost, must_fit: true, shared: None };
    assert_eq!(worker.charge(&[claim(0)], NOW), Charge::Allowed);
    assert_eq!(View::new(segment).limit_table(NOW).unwrap().keys, 0);
    assert!(worker.owe(&claim(3), NOW));
    let refused = Charge::Refused { claim: 0, retry_after: SECOND, forfeited: 0 };
    assert_eq!(other.charge(&[claim(0)], NOW), refused);
    assert_eq!(other.charge(&[claim(0)], NOW + SECOND), Charge::Allowed);
    assert!(other.owe(&claim(u32::MAX), NOW + SECOND));
    assert_eq!(worker.tat(7, NOW), NOW + 5 * SECOND, "empty, and a burst owed");
}

/// Where a claim must have a place and there is none, those before it are taken back.
#[test]
fn a_claim_that_must_fit_is_refused_without_a_place() {
    let (_, _, [worker, _]) = populated();
    let rate = Gcra::per(1, 3_600 * SECOND, 5);
    let claim = |key, must_fit| Claim { key, rate, cost: 1, must_fit, shared: None };
    assert_eq!(worker.charge(&[claim(1, true)], NOW), Charge::Allowed);
    let full =
        (2..5_000).find(|&key| worker.charge(&[claim(key, false)], NOW) == Charge::Overflow { claims: 1 });
    let (full, before) = (full.unwrap(), worker.tat(1, NOW));
    assert_eq!(worker.charge(&[claim(full, true)], NOW), Charge::NoPlace { claim: 0, forfeited: 0 });
    let both = [claim(1, true), claim(full, true)];
    assert_eq!(worker.charge(&both, NOW), Charge::NoPlace { claim: 1, forfeited: 0 });
    assert_eq!(worker.tat(1, NOW), before, "given back");
    assert_eq!(worker.charge(&[claim(1, true), claim(full, false)], NOW), Charge::Overflow { claims: 2 });
}

/// Every key has a place, up to the number that the table was made for, whatever their hashes are; and each is found again.
#[test]
fn a_table_has_room_for_all_its_keys() {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    let limit_keys = if proof { 1 << 22 } else { 1 << 19 }; // a power of two: the table is then half full
    let segment = Arc::new(Segment::create(Capacities { limit_keys, ..CAPACITIES }, 1).unwrap());
    Control::new(Arc::clone(&segment)).open_lane(0, 1).unwrap();
    let worker = Worker::attach(Arc::clone(&segment), 0).unwrap();
    let rate = Gcra::per(1, 3_600 * SECOND, 1);
    let charge = |key: u64| worker.charge(&[Claim { key, rate, cost: 1, must_fit: true, shared: None }], NOW);
    let keys = || {
        let mut random = Random::new(42);
        (0..limit_keys).map(move |_| random.bits().max(1))
    };
    assert_eq!(keys().find(|&key| charge(key) != Charge::Allowed), None);
    assert!(keys().all(|key| matches!(charge(key), Charge::Refused { .. })));
    assert_eq!(View::new(segment).limit_table(NOW).unwrap().slots, 2 * limit_keys as usize);
}

/// A level outlives the worker that filled it, and eviction under pressure never grants a token.
#[test]
fn eviction_never_grants_a_token() {
    let (segment, _, [worker, other]) = populated();
    let rate = Gcra::per(1, 3_600 * SECOND, 1);
    let charge = |worker: &Worker, key, now| {
        worker.charge(&[Claim { key, rate, cost: 1, must_fit: false, shared: None }], now)
    };
    assert_eq!(charge(&worker, 1, NOW), Charge::Allowed);
    let outcomes: Vec<Charge> = (2..5_000).map(|key| charge(&worker, key, NOW)).collect();
    assert!(outcomes.contains(&Charge::Overflow { claims: 1 }), "the table has room for 256");
    assert!(matches!(charge(&other, 1, NOW + SECOND), Charge::Refused { claim: 0, .. }));
    assert_eq!(charge(&other, 1, NOW + 3_600 * SECOND), Charge::Allowed);
    assert_eq!(charge(&other, 9_999, NOW + 8_000 * SECOND), Charge::Allowed, "full buckets make room");
    assert!(worker.tick(NOW, 1) && other.tick(NOW, 1));
    let view = View::new(segment);
    assert_eq!(view.counters()[Counter::LimitSlotsReused as usize], 1);
    let table = view.limit_table(NOW + 8_000 * SECOND).unwrap();
    assert_eq!((table.slots, table.busy), (256, 1), "of all that hold a key only the last is needed");
    assert!(table.keys > 200, "{table:?}");
}

/// Slots, rows and services that do not exist are counted as nonsense and answered as "nothing there".
#[test]
fn indexes_out_of_range_are_nonsense() {
    let (segment, _, [worker, _]) = populated();
    for number in [CAPACITIES.instances, 1 << 31, u32::MAX] {
        assert_eq!(worker.bank(number), Bank::default());
        assert_eq!(worker.candidate(worker.bank(0), number), NO_SLOT);
        assert_eq!(
            worker.turn(
                Bank { offset: u32::MAX, members: number, eligible: 9, turns: 9, ..Bank::default() },
                8
            ),
            NO_SLOT
        );
        assert!(!worker.is_eligible(number) && !worker.reserve(number));
        assert_eq!((worker.capacity(number), worker.in_flight(number), worker.generation(number)), (0, 0, 0));
        assert_eq!((worker.address(number, 1), worker.health(number, 1)), (None, None));
        worker.release(number);
        worker.note_failure(number);
        worker.note_answer(number);
        worker.count_request(number, 200);
        worker.observe_duration(number, 1);
        worker.count_limit(number, LimitDecision::Allowed);
        assert_eq!(worker.next_turn(number), 0);
    }
    worker.release(0);
    assert!(View::new(segment).counters()[Counter::Nonsense as usize] >= 36);
}

/// The supervisor is told what does not exist, and nothing is written.
#[test]
fn the_supervisor_is_told_what_does_not_exist() {
    let (_, mut control, _) = populated();
    let out_of_range = |what, number, capacity| Err(ControlError::OutOfRange { what, number, capacity });
    assert_eq!(control.set_health(32, 0), out_of_range("instance slot", 32, 32));
    assert_eq!(control.write_instance(99, &instance(1, 0, 0)), out_of_range("instance slot", 99, 32));
    assert_eq!(control.publish_members(4, &[], 0, NOW).map(drop), out_of_range("service", 4, 4));
    assert_eq!(control.publish_members(0, &[1, 32], 0, NOW).map(drop), out_of_range("instance slot", 32, 32));
    assert_eq!(control.open_lane(6, 1), out_of_range("lane", 6, 6));
    assert_eq!(control.set_lane_pid(5, 1), Err(ControlError::LaneNotOpen(5)));
    assert_eq!(control.set_health(0, 3), Err(ControlError::Health(3)));
}

/// Capacities of nothing and beyond reason are refused by name.
#[test]
fn capacities_out_of_range_are_refused() {
    for capacities in [Capacities { lanes: 0, ..CAPACITIES }, Capacities { lanes: 257, ..CAPACITIES }] {
        let error = Segment::size_for(capacities).unwrap_err();
        assert_eq!((error.name, error.largest), ("lanes", 256));
    }
    let largest = Capacities { lanes: 256, limit_keys: 1 << 28, instances: 1 << 20, ..CAPACITIES };
    assert!(Segment::size_for(largest).is_ok());
    assert!(Segment::size_for(Capacities { limit_keys: u32::MAX, ..CAPACITIES }).is_err());
}

/// A memfd with these bytes at its start and this size, sealed as a segment is.
fn forged(bytes: &[u8], size: u64) -> std::os::fd::OwnedFd {
    let fd = memfd_create("forged", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::io::pwrite(&fd, bytes, 0).unwrap();
    ftruncate(&fd, size).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    fd
}

fn first_row(segment: &Segment) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    rustix::io::pread(segment.fd(), &mut bytes, 0).unwrap();
    bytes
}

/// Every word of the first row, spoiled in many ways, gives an error or a segment of the stated size: never a panic.
#[test]
fn a_spoiled_header_is_refused() {
    let segment = segment();
    let size = segment.size() as u64;
    let good = first_row(&segment);
    assert!(Segment::attach(forged(&good, size).as_raw_fd()).is_ok());
    for word in 0..8 {
        for spoiled in [0, 1, 0xff, 1 << 31, 1 << 32, u64::MAX, 0x0101_0101_0101_0101] {
            let mut bytes = good.clone();
            let place = &mut bytes[word * 8..(word + 1) * 8];
            if place == spoiled.to_ne_bytes() {
                continue;
            }
            place.copy_from_slice(&spoiled.to_ne_bytes());
            // A smaller table may fill the same pages: then the memory is what its header says.
            match Segment::attach(forged(&bytes, size).as_raw_fd()) {
                Ok(segment) => assert!(segment.size() as u64 == size && word > 1, "word {word}, {spoiled:x}"),
                Err(error) => assert!(matches!(error, SegmentError::Foreign(_)), "word {word}: {error}"),
            }
        }
    }
    for size in [0, 64, size - 1, size + 1, size + 4096] {
        let error = Segment::attach(forged(&good, size).as_raw_fd()).err();
        assert!(matches!(error, Some(SegmentError::Foreign(_))), "size {size}: {error:?}");
    }
}

/// Memory that could shrink under its readers, other files and closed descriptors are refused.
#[test]
fn what_is_no_segment_is_refused() {
    let unsealed = memfd_create("unsealed", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for fd in [unsealed.as_raw_fd(), file.as_raw_fd()] {
        assert!(matches!(Segment::attach(fd), Err(SegmentError::Foreign(_))));
    }
    assert!(matches!(Segment::attach(-1), Err(SegmentError::System(_))));
    assert!(matches!(Segment::attach(i32::MAX), Err(SegmentError::System(_))));
}

/// A segment whose every byte was overwritten answers everything with something, and nobody panics.
#[test]
fn a_spoiled_segment_makes_nobody_panic() {
    for byte in [0x00, 0x01, 0x07, 0x55, 0x80, 0xff] {
        let (segment, mut control, [worker, _]) = populated();
        rustix::io::pwrite(segment.fd(), &vec![byte; segment.size() - 128], 128).unwrap();
        let view = View::new(Arc::clone(&segment));
        let claim =
            |key| Claim { key, rate: Gcra::per(10, SECOND, 5), cost: 1, must_fit: false, shared: None };
        for number in 0..40 {
            let bank = worker.bank(number);
            let _ = (worker.candidate(bank, number), worker.turn(bank, number), worker.next_turn(number));
            let _ = (worker.is_eligible(number), worker.reserve(number), worker.in_flight(number));
            let _ = (
                worker.address(number, 1),
                worker.health(number, 1),
                worker.capacity(number),
                worker.started(number),
                worker.latency(number),
            );
            worker.release(number);
            worker.hand_on(number, number, NOW);
            let front = Front { since: 1, newest_first: true };
            let _ = (worker.enter_queue(number, 3), worker.is_ahead(number, front, NOW), view.queue(number));
            worker.publish_front(number, Some(front));
            worker.leave_queue(number);
            worker.note_failure(number);
            worker.note_answer(number);
            let _ = worker.charge(&[claim(number.into()), claim(u64::MAX)], NOW);
            let _ = worker.charge(&[claim(u64::from_ne_bytes([byte; 8]))], u64::MAX);
            worker.count_request(number, 200);
            let _ = (view.requests(number), view.durations(number), view.limit_decisions(number));
            let _ = (view.in_flight(number), view.health(number), control.set_health(number, 1));
            let _ = (view.failing(number).count(), control.clear_failures(number));
        }
        let _ = (worker.tick(NOW, 1), view.lanes().count(), view.counters(), view.limit_table(NOW).unwrap());
        let _ =
            (Worker::attach(Arc::clone(&segment), 3).is_ok(), control.publish_members(0, &[0, 1], 0, NOW));
        let _ = (control.close_lane(0), control.open_lane(1, 1), Control::new(segment).close_lane(5));
    }
}

/// Starts this program again as a worker process on the segment.
fn process(part: &str, segment: &Segment, lane: u32) -> Child {
    let fd = rustix::io::fcntl_dupfd_cloexec(segment.fd(), 200).unwrap();
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_part_of_a_worker_process", "--ignored", "--nocapture"])
        .env(PART, format!("{part} {} {lane}", fd.as_raw_fd()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a worker process of a test does: charges and reserves until it is killed, or a set number of times.
#[test]
#[ignore = "a part of other tests, which start it in a process of its own"]
fn the_part_of_a_worker_process() {
    let Ok(part) = std::env::var(PART) else { return };
    let words: Vec<&str> = part.split(' ').collect();
    let rounds = if words[0] == "endless" { u64::MAX } else { 20_000 };
    let segment = Arc::new(Segment::attach(words[1].parse().unwrap()).unwrap());
    let worker = Worker::attach(segment, words[2].parse().unwrap()).unwrap();
    for round in 0..rounds {
        // Fresh keys all the time, so that a kill often hits an insertion.
        let keys = [round % 64 + 1, 1_000];
        for key in keys {
            if worker.charge(&[process_claim(key)], NOW) == Charge::Allowed {
                worker.count_limit(u32::from(key == 1_000), LimitDecision::Allowed);
            }
        }
        if worker.reserve(0) {
            worker.count(Counter::Retries, 1);
            worker.release(0);
        }
    }
}

fn process_claim(key: u64) -> Claim {
    Claim { key, rate: Gcra::per(1, 3_600 * SECOND, 500), cost: 1, must_fit: false, shared: None }
}

/// Three processes on one segment admit exactly the burst of each key between them.
#[test]
fn processes_together_admit_the_burst() {
    let segment = segment();
    let control = Control::new(Arc::clone(&segment));
    control.write_instance(0, &instance(1, 2, HEALTH_HEALTHY)).unwrap();
    (0..3).for_each(|lane| control.open_lane(lane, 1).unwrap());
    let children: Vec<Child> = (0..3).map(|lane| process("rounds", &segment, lane)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    (0..3).for_each(|lane| control.close_lane(lane).unwrap());
    let view = View::new(segment);
    assert_eq!(view.limit_decisions(1).unwrap()[0], 500);
    assert_eq!(view.limit_decisions(0).unwrap()[0], 64 * 500);
    assert_eq!(view.counters()[Counter::Nonsense as usize], 0);
    assert_eq!(view.in_flight(0), 0);
}

/// Workers killed with SIGKILL over and over leave a table whose keys can be charged, a cap that can be used, and
/// counts that only grow.
#[test]
fn killed_processes_leave_a_usable_memory() {
    let segment = segment();
    let control = Control::new(Arc::clone(&segment));
    control.write_instance(0, &instance(1, 1, HEALTH_HEALTHY)).unwrap();
    let view = View::new(Arc::clone(&segment));
    let reserved = || view.counters()[Counter::Retries as usize];
    let mut before = 0;
    for _ in 0..8 {
        control.open_lane(0, 1).unwrap();
        let mut child = process("endless", &segment, 0);
        while reserved() < before + 50 {
            assert_eq!(child.try_wait().unwrap(), None, "the worker ended by itself");
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let counted = reserved();
        control.close_lane(0).unwrap();
        assert_eq!((reserved(), view.in_flight(0)), (counted, 0));
        before = counted;
    }
    control.open_lane(0, 1).unwrap();
    let worker = Worker::attach(segment, 0).unwrap();
    assert!(worker.reserve(0));
    for key in (1..=64).chain([1_000]) {
        let left = std::iter::repeat_with(|| worker.charge(&[process_claim(key)], NOW));
        let left = left.take_while(|charge| *charge == Charge::Allowed).count() as u64;
        assert!(left <= 500);
        assert!(
            matches!(worker.charge(&[process_claim(key)], NOW), Charge::Refused { .. }),
            "key {key} is stuck"
        );
    }
}
