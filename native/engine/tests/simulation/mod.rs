//! Requests to a few instances, event by event: selection as the gateway makes it, instances that are queues.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use headgate_engine::random::Random;
use headgate_engine::selection::{select, Affinity, Balance, Criteria, Policy, Selection, Tried};
use headgate_engine::state::fake::FakeState;
use headgate_engine::state::State;

const SERVICE: u32 = 0;
pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MILLI;

/// One instance: it works on `servers` requests at a time, the others queue, and each takes `work` on average.
#[derive(Clone, Copy)]
pub(crate) struct Instance {
    pub(crate) servers: usize,
    pub(crate) work: u64,
    /// From when until when everything takes ten times as long.
    pub(crate) slow: [u64; 2],
}

/// Never slow.
pub(crate) const WELL: [u64; 2] = [0, 0];

/// What comes in: requests a second, independent of each other, for so long; what the first part shows is left out, so that
/// queues and averages have settled.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) duration: u64,
    pub(crate) settling: u64,
}

/// What clients saw.
pub(crate) struct Seen {
    /// When each request came, and nanoseconds from it to its answer, in order of the answers.
    pub(crate) answers: Vec<(u64, u64)>,
    /// Requests by instance.
    pub(crate) counts: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Answer { slot: u32, arrived: u64 },
}

/// Sends the load to the instances.
pub(crate) fn run(instances: &[Instance], load: Load, balance: Balance, seed: u64) -> Seen {
    let state = FakeState::new();
    state.set_members(SERVICE, &(0..instances.len() as u32).collect::<Vec<_>>());
    let mut random = Random::new(seed);
    let mut queues = vec![VecDeque::new(); instances.len()];
    let mut busy = vec![0; instances.len()];
    let mut seen = Seen { answers: vec![], counts: vec![0; instances.len()] };
    let mut events = BinaryHeap::from([Reverse((SECOND, Event::Arrival))]);
    while let Some(Reverse((now, event))) = events.pop() {
        let slot = match event {
            Event::Arrival => {
                if now < load.duration {
                    let gap = exponential(&mut random, 1e9 / load.per_second);
                    events.push(Reverse((now + gap, Event::Arrival)));
                }
                let policy = Policy { bank: SERVICE, balance, slow_start: 0 };
                let criteria = Criteria { policy, tried: &Tried::new(), affinity: Affinity::None, now };
                let Selection::Instance(instance) = select(&state, &criteria, &mut random) else { panic!() };
                queues[instance.slot as usize].push_back(now);
                if now >= load.settling {
                    seen.counts[instance.slot as usize] += 1;
                }
                instance.slot
            }
            Event::Answer { slot, arrived } => {
                state.release(slot);
                busy[slot as usize] -= 1;
                let known = state.latency(slot);
                state.replace_latency(slot, known, known.observed(now - arrived, now));
                if arrived >= load.settling {
                    seen.answers.push((arrived, now - arrived));
                }
                slot
            }
        };
        let Instance { servers, work, slow: [from, until] } = instances[slot as usize];
        let factor = if (from..until).contains(&now) { 10 } else { 1 };
        if busy[slot as usize] < servers {
            if let Some(arrived) = queues[slot as usize].pop_front() {
                busy[slot as usize] += 1;
                let end = now + exponential(&mut random, (work * factor) as f64);
                events.push(Reverse((end, Event::Answer { slot, arrived })));
            }
        }
    }
    seen
}

/// The latency that so many in a hundred of these stay within; 0 of none.
pub(crate) fn percentile(latencies: impl Iterator<Item = u64>, percent: usize) -> u64 {
    let mut latencies: Vec<u64> = latencies.collect();
    latencies.sort_unstable();
    let place = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
    latencies.get(place).copied().unwrap_or(0)
}

/// A time from the exponential distribution, in nanoseconds.
fn exponential(random: &mut Random, mean: f64) -> u64 {
    let uniform = (random.bits() >> 11) as f64 / (1u64 << 53) as f64;
    (-(1.0 - uniform).ln() * mean) as u64
}
