//! Selection over many decisions: the shares that instances get, and the smooth sequence against its definition.

// The functions around the tests are tests, too; clippy sees only what is marked so.
#![allow(clippy::panic, clippy::unwrap_used)]

use headgate_engine::random::Random;
use headgate_engine::selection::{
    peek, select, smooth_sequence, Affinity, Balance, Criteria, Policy, Selection, Tried,
};
use headgate_engine::state::fake::FakeState;
use headgate_engine::state::State;
use proptest::prelude::*;

const SERVICE: u32 = 0;
const DECISIONS: u32 = 100_000;

fn service_of(weights: &[u32]) -> FakeState {
    let state = FakeState::new();
    let slots: Vec<u32> = (0..weights.len() as u32).collect();
    for (&slot, &weight) in slots.iter().zip(weights) {
        state.set_weight(slot, weight);
    }
    state.set_members(SERVICE, &slots);
    state
}

fn by(balance: Balance, tried: &Tried) -> Criteria<'_> {
    let policy = Policy { bank: SERVICE, balance, slow_start: 0 };
    Criteria { policy, tried, affinity: Affinity::None, now: 0 }
}

/// How often each slot comes up in many decisions that find the service idle.
fn shares_when_idle(state: &FakeState, members: usize, balance: Balance) -> Vec<u32> {
    let mut random = Random::new(20_260_101);
    let mut counts = vec![0; members];
    for _ in 0..DECISIONS {
        match select(state, &by(balance, &Tried::new()), &mut random) {
            Selection::Instance(instance) => {
                counts[instance.slot as usize] += 1;
                state.release(instance.slot);
            }
            other => panic!("no instance but {other:?}"),
        }
    }
    counts
}

/// Pearson's statistic of counts against shares in proportion to `weights`.
fn chi_square(counts: &[u32], weights: &[u32]) -> f64 {
    let total = f64::from(counts.iter().sum::<u32>()) / f64::from(weights.iter().sum::<u32>());
    counts
        .iter()
        .zip(weights)
        .map(|(&count, &weight)| {
            let expected = total * f64::from(weight);
            (f64::from(count) - expected).powi(2) / expected
        })
        .sum()
}

/// The value that chi-square with 9 degrees of freedom exceeds once in a thousand times.
const CHI_SQUARE_9_999: f64 = 27.88;

/// On an idle service all loads tie, so the first draw of p2c shows itself: uniform over equal members.
#[test]
fn the_first_draw_is_uniform() {
    let counts = shares_when_idle(&service_of(&[1; 10]), 10, Balance::P2C);
    let statistic = chi_square(&counts, &[1; 10]);
    assert!(statistic < CHI_SQUARE_9_999, "{statistic}: {counts:?}");
}

/// On an idle service members of different weights get exchanges in proportion to their weights.
#[test]
fn the_first_draw_follows_the_weights() {
    let weights = [1, 2, 3, 4, 5, 5, 4, 3, 2, 1];
    let counts = shares_when_idle(&service_of(&weights), 10, Balance::P2C);
    let statistic = chi_square(&counts, &weights);
    assert!(statistic < CHI_SQUARE_9_999, "{statistic}: {counts:?}");
}

/// The second draw is another member, each with the same chance: a loaded member loses every comparison, and what
/// it is drawn first for falls evenly to the others.
#[test]
fn the_second_draw_is_uniform_over_the_others() {
    let state = service_of(&[1; 11]);
    state.set_in_flight(0, 1);
    let counts = shares_when_idle(&state, 11, Balance::P2C);
    assert_eq!(counts[0], 0, "it loses against every other member");
    let statistic = chi_square(&counts[1..], &[1; 10]);
    assert!(statistic < CHI_SQUARE_9_999, "{statistic}: {counts:?}");
}

/// Round robin gives each member its exact share of whole rounds, better than any random draw could.
#[test]
fn round_robin_follows_the_weights() {
    let weights = [1, 2, 3, 4, 5, 5, 4, 3, 2, 1];
    let counts = shares_when_idle(&service_of(&weights), 10, Balance::RoundRobin);
    let statistic = chi_square(&counts, &weights);
    assert!(statistic < 0.01, "{statistic}: {counts:?}");
}

/// Under load two choices keep members of different weights level: in flight per weight differs by little.
#[test]
fn two_choices_balance_held_exchanges() {
    let weights = [1, 1, 2, 4];
    let state = service_of(&weights);
    let mut random = Random::new(5);
    for _ in 0..8_000 {
        select(&state, &by(Balance::P2C, &Tried::new()), &mut random);
    }
    for (slot, &weight) in (0..).zip(&weights) {
        let per_weight = state.in_flight(slot) / weight;
        assert!((980..=1020).contains(&per_weight), "slot {slot} holds {per_weight} per weight");
    }
}

/// What nginx's algorithm is defined to do, by the letter.
fn nginx(weights: &[u32]) -> Vec<u32> {
    let total: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
    let mut current = vec![0i64; weights.len()];
    let mut order = vec![];
    for _ in 0..total {
        let mut best: Option<usize> = None;
        for (index, &weight) in weights.iter().enumerate().filter(|(_, &weight)| weight > 0) {
            current[index] += i64::from(weight);
            if best.is_none_or(|best| current[index] > current[best]) {
                best = Some(index);
            }
        }
        let best = best.unwrap();
        current[best] -= total;
        order.push(best as u32);
    }
    order
}

fn cases() -> ProptestConfig {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    ProptestConfig { cases: if proof { 50_000 } else { 1_000 }, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Over one round of the weights as given, the sequence repeats itself into exactly what nginx would do.
    #[test]
    fn the_sequence_is_nginx_s(weights in prop::collection::vec(0u32..12, 0..8)) {
        let sequence = smooth_sequence(&weights);
        let expected = nginx(&weights);
        let repeated: Vec<u32> = sequence.iter().copied().cycle().take(expected.len()).collect();
        prop_assert_eq!(repeated, expected);
    }

    /// Looking and selecting agree when no cap is in the way: same seed, same answer.
    #[test]
    fn a_peek_tells_the_selection(
        seed: u64,
        loads in prop::collection::vec(0u32..4, 1..6),
        tried_slots in prop::collection::vec(0u32..6, 0..4),
    ) {
        let state = service_of(&vec![1; loads.len()]);
        for (slot, &load) in (0..).zip(&loads) {
            state.set_in_flight(slot, load);
        }
        let mut tried = Tried::new();
        for slot in tried_slots {
            tried.insert(slot);
        }
        let looked = peek(&state, &by(Balance::P2C, &tried), &mut Random::new(seed));
        let selected = select(&state, &by(Balance::P2C, &tried), &mut Random::new(seed));
        prop_assert_eq!(looked, selected);
    }
}

/// Random choice follows the weights: uniform over equal members, in proportion over others.
#[test]
fn random_follows_the_weights() {
    for weights in [[1; 10], [1, 2, 3, 4, 5, 5, 4, 3, 2, 1]] {
        let counts = shares_when_idle(&service_of(&weights), 10, Balance::Random);
        let statistic = chi_square(&counts, &weights);
        assert!(statistic < CHI_SQUARE_9_999, "{statistic}: {counts:?}");
    }
}

/// What a member that is down would have got falls to all the others in their proportion, not to its neighbour.
#[test]
fn random_spreads_what_is_left_over() {
    let state = service_of(&[30, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1]);
    state.set_health(0, false); // the bank lists it still
    let counts = shares_when_idle(&state, 11, Balance::Random);
    assert_eq!(counts[0], 0);
    for (&count, weight) in counts[1..].iter().zip([1u32, 2, 3, 4, 5, 5, 4, 3, 2, 1]) {
        let share = f64::from(count) / f64::from(DECISIONS) / (f64::from(weight) / 30.0);
        // The last resort, one exchange in 256, knows no weights.
        assert!((0.8..1.3).contains(&share), "weight {weight} got {share} of its due: {counts:?}");
    }
}
