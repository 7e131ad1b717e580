//! One of three instances becomes ten times slower: what its service's clients notice, by balance.

// The functions around the tests are tests, too; clippy sees only what is marked so.
#![allow(clippy::panic, clippy::unwrap_used)]

mod simulation;

use headgate_engine::selection::Balance;

use crate::simulation::{percentile, run, Instance, Load, Seen, MILLI, SECOND, WELL};

const FAST: Instance = Instance { servers: 4, work: 10 * MILLI, slow: WELL };
const SLOW: Instance = Instance { slow: [0, u64::MAX], ..FAST };
/// 70 % of what two fast instances can do.
const LOAD: Load = Load { per_second: 560.0, duration: 40 * SECOND, settling: 10 * SECOND };

fn seeds() -> std::ops::RangeInclusive<u64> {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    1..=if proof { 20 } else { 2 }
}

/// The latency that so many in a hundred clients saw at the most.
fn within(seen: &Seen, percent: usize) -> u64 {
    percentile(seen.answers.iter().map(|&(_, latency)| latency), percent)
}

/// Without the slowness, and with it.
fn both(balance: Balance, seed: u64) -> [Seen; 2] {
    [run(&[FAST; 3], LOAD, balance, seed), run(&[FAST, FAST, SLOW], LOAD, balance, seed)]
}

/// By latencies the slow one is left almost alone: 99 of 100 clients wait at most twice as long as without it.
#[test]
fn ewma_keeps_the_99th_percentile() {
    for seed in seeds() {
        let [without, with] = both(Balance::Ewma, seed);
        let (before, after) = (within(&without, 99), within(&with, 99));
        assert!(after <= 2 * before, "seed {seed}: {after} ns after {before} ns");
        assert!(with.counts[2] > 0, "seed {seed}: it is asked now and then, or it could never come back");
    }
}

/// By load the slow one gets what keeps as much in flight on it as on the others, which is one request in fifteen or so: for
/// the others nothing changes, and 90 of 100 clients wait at most twice as long.
#[test]
fn p2c_keeps_the_90th_percentile() {
    for seed in seeds() {
        for choices in [2, u32::MAX] {
            let [without, with] = both(Balance::P2c { choices }, seed);
            let (before, after) = (within(&without, 90), within(&with, 90));
            assert!(after <= 2 * before, "seed {seed}: {after} ns after {before} ns");
            let (share, all) = (with.counts[2], with.counts.iter().sum::<usize>());
            assert!(share * 12 < all, "seed {seed}: {share} of {all} went to the slow one");
        }
    }
}

/// In turn, the slow one gets a third of the requests, more than it can do, and its queue grows without end.
#[test]
fn round_robin_keeps_nothing() {
    let [without, with] = both(Balance::RoundRobin, 1);
    assert!(within(&with, 90) > 100 * within(&without, 90));
}
