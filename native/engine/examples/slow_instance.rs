//! One of three instances is ten times slower for a while: the 99th percentile of each second, by balance, as JSON. `bench.slow_instance`
//! draws it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "an example that cannot go on says so")]

#[path = "../tests/simulation/mod.rs"]
mod simulation;

use headgate_engine::selection::Balance;
use simulation::{percentile, run, Instance, Load, MILLI, SECOND, WELL};

const SLOW: [u64; 2] = [30 * SECOND, 60 * SECOND];
const END: u64 = 120 * SECOND;
const SEEDS: u64 = 20;

fn main() {
    let fast = Instance { servers: 4, work: 10 * MILLI, slow: WELL };
    let instances = [fast, fast, Instance { slow: SLOW, ..fast }];
    let load = Load { per_second: 560.0, duration: END, settling: 0 };
    let balances = [("round_robin", Balance::RoundRobin), ("p2c", Balance::P2C), ("ewma", Balance::Ewma)];
    let lines = balances.map(|(name, balance)| {
        let answers: Vec<(u64, u64)> =
            (1..=SEEDS).flat_map(|seed| run(&instances, load, balance, seed).answers).collect();
        let of_second = |second: u64| {
            let begun = answers.iter().filter(|(arrived, _)| arrived / SECOND == second);
            percentile(begun.map(|&(_, latency)| latency), 99) as f64 / MILLI as f64
        };
        let points: Vec<f64> = (10..END / SECOND).map(of_second).collect();
        (name, points)
    });
    let lines: serde_json::Map<String, serde_json::Value> =
        lines.into_iter().map(|(name, points)| (name.to_owned(), points.into())).collect();
    let slow = SLOW.map(|at| at / SECOND - 10);
    println!("{}", serde_json::json!({"p99_ms": lines, "slow": slow}));
}
