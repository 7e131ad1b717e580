//! Selection while members come and go: ten thousand instances, changed and published anew under the hands of two workers.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

use headgate_engine::random::Random;
use headgate_engine::selection::{select, Affinity, Balance, Criteria, Policy, Selection, Tried};
use headgate_engine::state::{Counter, State};
use headgate_shm::control::{Control, InstanceWords};
use headgate_shm::instance::{HEALTH_HEALTHY, HEALTH_UNHEALTHY};
use headgate_shm::layout::Capacities;
use headgate_shm::segment::Segment;
use headgate_shm::state::Worker;
use headgate_shm::view::View;

const INSTANCES: u32 = 10_000;
/// These are never fit.
const DEAD: u32 = 1_000;
const NOW: u64 = 1_000_000_000_000;
/// Flips between two publications, as at 1,000 a second and 50 ms.
const FLIPS: u32 = 50;

fn publications() -> u32 {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    if proof {
        2_000
    } else {
        10
    }
}

fn words(slot: u32) -> InstanceWords {
    let weight = 1 + slot % 3;
    let health = if slot < DEAD { HEALTH_UNHEALTHY } else { HEALTH_HEALTHY };
    let plain = InstanceWords::plain(format!("10.0.{}.{}:80", slot / 256, slot % 256).parse().unwrap());
    InstanceWords { weight, capacity: weight, max_in_flight: 4, health, ..plain }
}

/// Selects and gives back until it is told to stop; says how often.
fn work(worker: &Worker, balance: Balance, stop: &AtomicBool) -> u32 {
    let (mut random, mut count) = (Random::new(u64::from(worker.lane())), 0);
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..64 {
            let policy = Policy { bank: 0, balance, slow_start: 0 };
            let criteria = Criteria { policy, tried: &Tried::new(), affinity: Affinity::None, now: NOW };
            let Selection::Instance(instance) = select(worker, &criteria, &mut random) else {
                panic!("most instances are fit at any time")
            };
            assert!(instance.slot >= DEAD, "{} was never fit", instance.slot);
            assert_eq!(instance.generation, 1);
            worker.release(instance.slot);
            count += 1;
        }
        assert!(worker.tick(NOW, 1));
    }
    count
}

/// Every decision finds an instance that is not known to be out, nothing in the memory makes no sense to anybody, and in the
/// end nothing is held.
#[test]
fn decisions_hold_while_members_change() {
    let capacities =
        Capacities { lanes: 2, instances: INSTANCES, services: 1, series: 1, limits: 1, limit_keys: 1 };
    let segment = Arc::new(Segment::create(capacities, 42).unwrap());
    let mut control = Control::new(Arc::clone(&segment));
    let slots: Vec<u32> = (0..INSTANCES).collect();
    for &slot in &slots {
        control.write_instance(slot, &words(slot)).unwrap();
    }
    control.publish_members(0, &slots, 0, NOW).unwrap();
    let workers = [0, 1].map(|lane| {
        control.open_lane(lane, 1 + lane).unwrap();
        Worker::attach(Arc::clone(&segment), lane).unwrap()
    });
    let (stop, mut random) = (AtomicBool::new(false), Random::new(7));
    thread::scope(|scope| {
        let balances = [Balance::P2C, Balance::RoundRobin];
        let working: Vec<_> = workers
            .iter()
            .zip(balances)
            .map(|(worker, balance)| {
                let stop = &stop;
                scope.spawn(move || work(worker, balance, stop))
            })
            .collect();
        for _ in 0..publications() {
            for _ in 0..FLIPS {
                let slot = DEAD + random.below(INSTANCES - DEAD);
                let fit = random.below(4) > 0;
                control.set_health(slot, if fit { HEALTH_HEALTHY } else { HEALTH_UNHEALTHY }).unwrap();
            }
            // Refused while the workers still hold older banks: the words say what matters meanwhile.
            let _ = control.publish_members(0, &slots, 0, NOW);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(working.into_iter().all(|worker| worker.join().unwrap() > 0));
    });
    let view = View::new(segment);
    assert_eq!(slots.iter().map(|&slot| view.in_flight(slot)).sum::<u32>(), 0);
    assert_eq!(view.counters()[Counter::Nonsense as usize], 0);
}
