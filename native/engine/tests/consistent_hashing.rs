//! Consistent hashing over many keys: how evenly they lie, how few of them move, and every decision against a slow search.

// The functions around the tests are tests, too; clippy sees only what is marked so.
#![allow(clippy::panic, clippy::unwrap_used)]

use headgate_engine::random::Random;
use headgate_engine::selection::ring::{Point, Ring};
use headgate_engine::selection::{peek, ring, select, Affinity, Balance, Criteria, Policy, Selection, Tried};
use headgate_engine::state::fake::FakeState;
use headgate_engine::state::State;
use proptest::prelude::*;

const SERVICE: u32 = 0;

fn is_proof() -> bool {
    std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1")
}

fn service_of(weights: &[u32]) -> FakeState {
    let state = FakeState::new();
    let slots: Vec<u32> = (0..weights.len() as u32).collect();
    slots.iter().zip(weights).for_each(|(&slot, &weight)| state.set_weight(slot, weight));
    state.set_members(SERVICE, &slots);
    state.publish_ring(SERVICE, false);
    state
}

static NONE_TRIED: Tried = Tried::new();

fn by(key: u64, bounded_load: Option<u32>) -> Criteria<'static> {
    let policy = Policy { bank: SERVICE, balance: Balance::Hash { bounded_load }, slow_start: 0 };
    Criteria { policy, tried: &NONE_TRIED, affinity: Affinity::Key(key), now: 0 }
}

/// Where a key goes when nobody is busy.
fn place(state: &FakeState, key: u64) -> u32 {
    match peek(state, &by(key, None), &mut Random::new(1)) {
        Selection::Instance(instance) => instance.slot,
        other => panic!("no instance but {other:?}"),
    }
}

fn places(state: &FakeState, keys: &[u64]) -> Vec<u32> {
    keys.iter().map(|&key| place(state, key)).collect()
}

fn keys(count: usize) -> Vec<u64> {
    let mut random = Random::new(20_260_101);
    (0..count).map(|_| random.bits()).collect()
}

/// Whoever leaves takes its own keys along and no others, on average 1/n of them and at the worst 1.3/n.
///
/// An instance that is down and one that is gone are the same to the keys: nothing moves a second time when the ring is
/// drawn without it.
#[test]
fn few_keys_move() {
    let (members, count) = if is_proof() { (100, 100_000) } else { (40, 8_000) };
    let keys = keys(count);
    let state = service_of(&vec![1; members]);
    let before = places(&state, &keys);
    let mut moved = Vec::new();
    for leaver in 0..members as u32 {
        state.set_health(leaver, false);
        let down = places(&state, &keys);
        let stayers: Vec<u32> = (0..members as u32).filter(|&slot| slot != leaver).collect();
        state.set_members(SERVICE, &stayers);
        state.publish_ring(SERVICE, false);
        assert_eq!(places(&state, &keys), down, "without {leaver}");
        state.set_health(leaver, true);
        state.set_members(SERVICE, &(0..members as u32).collect::<Vec<_>>());
        state.publish_ring(SERVICE, false);
        for (&was, &is) in before.iter().zip(&down) {
            assert!(was == is || was == leaver, "a key of {was} moved to {is}");
        }
        moved.push(before.iter().zip(&down).filter(|(was, is)| was != is).count() as f64);
    }
    let fair = count as f64 / members as f64;
    let mean = moved.iter().sum::<f64>() / members as f64 / fair;
    let worst = moved.iter().copied().fold(0.0, f64::max) / fair;
    println!("{members} members, {count} keys: mean {mean:.3}/n, worst {worst:.3}/n");
    assert!(mean <= 1.1 && worst <= 1.3, "mean {mean}, worst {worst}");
}

/// Of a large service, too: the arcs of the ring, which are what all keys together see, are 1.3/n at the most.
#[test]
fn shares_are_even_up_to_the_largest_rings() {
    let sizes: &[u32] = if is_proof() { &[10, 100, 1_000, 2_000] } else { &[10, 100] };
    for &members in sizes {
        let state = service_of(&[]);
        let list: Vec<ring::Member> = (0..members)
            .map(|slot| ring::Member { slot, identity: state.identity(slot), weight: 1 })
            .collect();
        let shares = arcs(&Ring::of(&list), members);
        let worst = shares.iter().copied().fold(0.0, f64::max) * f64::from(members);
        println!("{members} members: the largest share is {worst:.3}/n");
        assert!(worst <= 1.3, "{members} members: {worst}/n");
    }
}

/// The part of the circle that belongs to each member.
fn arcs(ring: &Ring, members: u32) -> Vec<f64> {
    let mut shares = vec![0.0; members as usize];
    let last = ring.points.last().unwrap().position;
    let mut before = last;
    for point in &ring.points {
        shares[point.slot as usize] += f64::from(point.position.wrapping_sub(before)) / 2f64.powi(32);
        before = point.position;
    }
    shares
}

/// 100,000 random keys fall to the members as the arcs of the ring say (chi-square with 9 degrees of freedom), and these are
/// as the weights say.
#[test]
fn keys_fall_as_the_arcs_say() {
    let weights = [1, 2, 3, 4, 5, 5, 4, 3, 2, 1];
    let state = service_of(&weights);
    let list: Vec<ring::Member> = (0..)
        .zip(&weights)
        .map(|(slot, &weight)| ring::Member { slot, identity: state.identity(slot), weight })
        .collect();
    let shares = arcs(&Ring::of(&list), 10);
    for (share, weight) in shares.iter().zip(weights) {
        let due = f64::from(weight) / 30.0;
        assert!((share / due - 1.0).abs() < 0.1, "{share} of {due}");
    }
    let mut counts = [0.0; 10];
    for slot in places(&state, &keys(100_000)) {
        counts[slot as usize] += 1.0;
    }
    let statistic: f64 =
        counts.iter().zip(&shares).map(|(count, share)| (count - share * 1e5).powi(2) / (share * 1e5)).sum();
    assert!(statistic < 27.88, "{statistic}: {counts:?}");
}

/// With a bound nobody holds more than that much of the average, however unlike the keys are.
#[test]
fn a_bound_holds_for_the_most_wanted() {
    let state = service_of(&[1; 8]);
    let mut random = Random::new(7);
    for number in 1..=800u32 {
        let key = if number % 2 == 0 { 42 } else { random.bits() }; // every other request has one and the same key
        let criteria = by(key, Some(125));
        assert!(matches!(select(&state, &criteria, &mut random), Selection::Instance(_)));
        let most = (0..8).map(|slot| state.in_flight(slot)).max().unwrap();
        assert!(most <= (number * 125).div_ceil(800), "{most} of {number}");
    }
}

/// A request without the key goes to the less loaded of two, as if the service did not hash.
#[test]
fn without_a_key_load_decides() {
    let state = service_of(&[1, 1]);
    state.set_in_flight(0, 5);
    let criteria = Criteria { affinity: Affinity::None, ..by(0, None) };
    for seed in 0..50 {
        let chosen = peek(&state, &criteria, &mut Random::new(seed));
        assert_eq!(chosen, Selection::Instance(state.instance(1)));
    }
}

/// Without a ring a key still has a place, the same at every worker.
#[test]
fn without_a_ring_keys_have_places_too() {
    let state = FakeState::new();
    state.set_members(SERVICE, &[5, 6, 7]);
    let chosen: Vec<u32> = keys(200).iter().map(|&key| place(&state, key)).collect();
    assert_eq!(chosen, keys(200).iter().map(|&key| place(&state, key)).collect::<Vec<_>>());
    assert!([5, 6, 7].iter().all(|slot| chosen.contains(slot)));
}

/// What a member of the proptest is: its weight, and whether it is down, tried, or at its cap.
#[derive(Clone, Copy, Debug)]
struct Part {
    weight: u32,
    down: bool,
    tried: bool,
    full: bool,
    in_flight: u32,
}

fn part() -> impl Strategy<Value = Part> {
    let rarely = || prop::bool::weighted(0.2);
    (0u32..4, rarely(), rarely(), rarely(), 0u32..6).prop_map(|(weight, down, tried, full, in_flight)| Part {
        weight,
        down,
        tried,
        full,
        in_flight,
    })
}

/// The definition: all points of all members in one sorted list, looked at one after the other from the key on.
fn slow(state: &FakeState, parts: &[Part], key: u64, bounded_load: Option<u32>) -> Option<u32> {
    let lightest = parts.iter().map(|part| part.weight).filter(|&weight| weight > 0).min()?;
    let mut points = Vec::new();
    for (slot, part) in (0..).zip(parts) {
        let mut positions = Random::new(state.identity(slot));
        for _ in 0..1024 * part.weight / lightest {
            points.push(Point { position: (positions.bits() >> 32) as u32, slot });
        }
    }
    points.sort_unstable();
    let up = || parts.iter().filter(|part| part.weight > 0 && !part.down);
    let held = 1 + up().map(|part| part.in_flight).sum::<u32>();
    let weight: u32 = up().map(|part| part.weight).sum();
    let allowed = |part: &Part| {
        let bound = bounded_load.map(|percent| (percent * held * part.weight).div_ceil(100 * weight.max(1)));
        !(part.down || part.tried || part.full) && bound.is_none_or(|bound| part.in_flight < bound)
    };
    let from = points.partition_point(|point| point.position < (key >> 32) as u32);
    let around = points[from..].iter().chain(&points[..from]);
    around.map(|point| point.slot).find(|&slot| allowed(&parts[slot as usize]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if is_proof() { 20_000 } else { 200 }, ..ProptestConfig::default() })]

    /// Every decision is that of the slow search, with and without a bound, whoever is down, tried or full.
    #[test]
    fn decisions_are_those_of_a_slow_search(
        parts in prop::collection::vec(part(), 1..7),
        key: u64,
        bounded_load in prop::option::of(101u32..300),
    ) {
        let state = service_of(&parts.iter().map(|part| part.weight).collect::<Vec<_>>());
        let mut tried = Tried::new();
        for (slot, part) in (0..).zip(&parts) {
            state.set_in_flight(slot, part.in_flight);
            state.set_health(slot, !part.down);
            if part.tried {
                tried.insert(slot);
            }
            if part.full {
                // A cap of 0 is none, so who is full holds something.
                state.set_in_flight(slot, part.in_flight.max(1));
                state.set_cap(slot, part.in_flight.max(1));
            }
        }
        let parts: Vec<Part> = parts
            .iter()
            .map(|&part| Part { in_flight: part.in_flight.max(u32::from(part.full)), ..part })
            .collect();
        state.publish(SERVICE);
        let criteria = Criteria { tried: &tried, ..by(key, bounded_load) };
        let chosen = match select(&state, &criteria, &mut Random::new(1)) {
            Selection::Instance(instance) => Some(instance.slot),
            _ => None,
        };
        let expected = slow(&state, &parts, key, bounded_load);
        if expected.is_some() {
            prop_assert_eq!(chosen, expected);
        } else {
            // Where the bound leaves nobody, anybody is better than a refusal.
            let free = |slot: u32| {
                let part = parts[slot as usize];
                part.weight > 0 && !(part.down || part.tried || part.full)
            };
            prop_assert_eq!(chosen.is_some(), (0..parts.len() as u32).any(free));
            prop_assert!(chosen.is_none_or(free));
        }
    }
}
