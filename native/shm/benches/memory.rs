//! What decisions over shared memory cost, without Python: token buckets, selection, health, counters; by number of keys and
//! instances, with four live lanes.

#![allow(missing_docs, reason = "the macros of criterion write functions without")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark without an answer is none")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion};
use headgate_engine::limit::{Charge, Claim, Gcra};
use headgate_engine::random::Random;
use headgate_engine::selection::{
    peek, select, Affinity, Balance, Criteria, Latency, Policy, Selection, Tried,
};
use headgate_engine::state::{Instance, LimitDecision, State};
use headgate_shm::control::{Control, InstanceWords};
use headgate_shm::instance::HEALTH_HEALTHY;
use headgate_shm::layout::Capacities;
use headgate_shm::segment::Segment;
use headgate_shm::state::Worker;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_000 * SECOND;
const LANES: u32 = 4;
const SERVICE: u32 = 0;

/// A lane on a memory with one service.
fn lane(instances: u32, limit_keys: u32) -> Worker {
    let capacities = Capacities { lanes: LANES, instances, services: 1, series: 2, limits: 2, limit_keys };
    let segment = Arc::new(Segment::create(capacities, 42).unwrap());
    let mut control = Control::new(Arc::clone(&segment));
    for slot in 0..instances {
        let address = "127.0.0.1:80".parse().unwrap();
        control.write_instance(slot, &InstanceWords::plain(address)).unwrap();
    }
    control.publish_members(SERVICE, &(0..instances).collect::<Vec<_>>(), 0, NOW).unwrap();
    for lane in 0..LANES {
        control.open_lane(lane, 1).unwrap();
    }
    let worker = Worker::attach(segment, 0).unwrap();
    for slot in 0..instances {
        // Each is known since another moment, as in a service that is used.
        let observed = Latency::new(1_000_000 + u64::from(slot), NOW - u64::from(slot % 1_000) * 1_000_000);
        worker.replace_latency(slot, worker.latency(slot), observed);
    }
    worker
}

/// One charge of a key that has a bucket; another key each time.
fn buckets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("charge");
    let rate = Gcra::per(SECOND, SECOND, SECOND);
    for keys in [1, 10_000, 1_000_000] {
        let (worker, mut random) = (lane(1, keys), Random::new(42));
        let claims: Vec<Claim> = (0..keys)
            .map(|_| Claim { key: random.bits().max(1), rate, cost: 1, must_fit: false, shared: None })
            .collect();
        for claim in &claims {
            assert_eq!(worker.charge(&[*claim], NOW), Charge::Allowed);
        }
        let mut next = claims.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(keys), |bencher| {
            bencher.iter(|| next.next().map(|claim| worker.charge(&[*claim], black_box(NOW))));
        });
    }
}

static NONE_TRIED: Tried = Tried::new();

/// What every decision here is made by.
const fn by(balance: Balance) -> Criteria<'static> {
    let policy = Policy { bank: SERVICE, balance, slow_start: 0 };
    Criteria { policy, tried: &NONE_TRIED, affinity: Affinity::None, now: NOW }
}

/// A look, and a reservation that is given back.
fn selection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("select");
    for instances in [2, 100, 10_000] {
        let (worker, mut random) = (lane(instances, 1), Random::new(42));
        for (name, balance) in
            [("p2c", Balance::P2C), ("round robin", Balance::RoundRobin), ("ewma", Balance::Ewma)]
        {
            group.bench_function(BenchmarkId::new(name, instances), |bencher| {
                bencher.iter(|| peek(&worker, &by(balance), &mut random));
            });
            group.bench_function(
                BenchmarkId::new(format!("{name}, reserve and release"), instances),
                |bencher| {
                    bencher.iter(|| reserve_and_release(&worker, balance, &mut random));
                },
            );
        }
    }
}

fn reserve_and_release(worker: &Worker, balance: Balance, random: &mut Random) -> Instance {
    let selected = select(worker, &by(balance), random);
    let Selection::Instance(instance) = selected else { unreachable!("every instance is healthy") };
    worker.release(instance.slot);
    instance
}

/// What is counted for one request with one limit, and one lookup of health.
fn words(criterion: &mut Criterion) {
    let worker = lane(10_000, 1);
    criterion.bench_function("metrics of a request", |bencher| {
        bencher.iter(|| {
            worker.count_limit(0, LimitDecision::Allowed);
            worker.count_request(black_box(1), 200);
            worker.observe_duration(SERVICE, black_box(1_500_000));
        });
    });
    let mut slot = 0;
    assert_eq!(worker.health(slot, 1), Some(HEALTH_HEALTHY));
    criterion.bench_function("health, 10,000 instances", |bencher| {
        bencher.iter(|| {
            slot = (slot + 7_919) % 10_000;
            worker.health(slot, 1)
        });
    });
}

criterion_group!(benches, buckets, selection, words);
criterion_main!(benches);
