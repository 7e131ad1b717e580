//! Selection against an in-process state: who is taken, who is passed over, and what the refusals mean.

use std::cell::Cell;

use super::ring::Point;
use super::{peek, select, Affinity, Balance, Criteria, Latency, Policy, Selection, Tried};
use crate::random::Random;
use crate::state::fake::FakeState;
use crate::state::{Bank, Counter, Instance, LimitDecision, PublishedRing, State, NO_SLOT};

const SERVICE: u32 = 3;

fn service_of(slots: &[u32]) -> FakeState {
    let state = FakeState::new();
    state.set_members(SERVICE, slots);
    state
}

fn by(balance: Balance, tried: &Tried) -> Criteria<'_> {
    let policy = Policy { bank: SERVICE, balance, slow_start: 0 };
    Criteria { policy, tried, affinity: Affinity::None, now: 0 }
}

fn pick(state: &FakeState, balance: Balance, tried: &Tried) -> Selection {
    select(state, &by(balance, tried), &mut Random::new(1))
}

fn tried(slots: &[u32]) -> Tried {
    let mut tried = Tried::new();
    for &slot in slots {
        tried.insert(slot);
    }
    tried
}

fn slot_of(selection: Selection) -> u32 {
    match selection {
        Selection::Instance(instance) => instance.slot,
        other => panic!("no instance but {other:?}"),
    }
}

const ALL: [Balance; 9] = [
    Balance::P2C,
    Balance::P2c { choices: 3 },
    Balance::P2c { choices: u32::MAX },
    Balance::RoundRobin,
    Balance::Ewma,
    Balance::Random,
    Balance::Hash { bounded_load: None },
    Balance::Hash { bounded_load: Some(125) },
    Balance::Sticky,
];

/// A service without members, without eligible members, or never published has nothing to select.
#[test]
fn nothing_is_eligible() {
    let down = service_of(&[1, 2]);
    down.set_health(1, false);
    down.set_health(2, false);
    for balance in ALL {
        assert_eq!(pick(&FakeState::new(), balance, &Tried::new()), Selection::NoneEligible);
        assert_eq!(pick(&service_of(&[]), balance, &Tried::new()), Selection::NoneEligible);
        assert_eq!(pick(&down, balance, &Tried::new()), Selection::NoneEligible, "stale bank");
    }
    down.publish(SERVICE);
    assert_eq!(pick(&down, Balance::P2C, &Tried::new()), Selection::NoneEligible, "new bank");
}

/// The selected instance is named with its generation and holds one reservation more.
#[test]
fn a_selection_reserves() {
    for balance in ALL {
        let state = service_of(&[5]);
        state.set_generation(5, 9);
        assert_eq!(
            pick(&state, balance, &Tried::new()),
            Selection::Instance(Instance { slot: 5, generation: 9 })
        );
        assert_eq!(state.in_flight(5), 1);
    }
}

/// Looking reserves nothing, is not stopped by a cap, and sees health and what was tried.
#[test]
fn a_peek_reserves_nothing() {
    for balance in ALL {
        let state = service_of(&[5, 6]);
        state.set_cap(5, 1);
        state.set_in_flight(5, 1);
        state.set_health(6, false);
        let mut random = Random::new(1);
        assert_eq!(slot_of(peek(&state, &by(balance, &Tried::new()), &mut random)), 5);
        assert_eq!(peek(&state, &by(balance, &tried(&[5])), &mut random), Selection::Exhausted);
        assert_eq!((state.in_flight(5), state.in_flight(6)), (1, 0));
    }
}

/// A single member is taken without a draw: the generator stays where it was.
#[test]
fn one_member_draws_no_number() {
    let (mut random, mut untouched) = (Random::new(1), Random::new(1));
    let state = service_of(&[5]);
    select(&state, &by(Balance::P2C, &Tried::new()), &mut random);
    assert_eq!(random.bits(), untouched.bits());
}

/// Health is read at the decision: a bank that still lists an ejected instance does not bring it back.
#[test]
fn health_beats_a_stale_bank() {
    for balance in ALL {
        let state = service_of(&[1, 2, 3]);
        state.set_health(1, false);
        state.set_health(3, false);
        let mut random = Random::new(1);
        for _ in 0..50 {
            assert_eq!(slot_of(select(&state, &by(balance, &Tried::new()), &mut random)), 2);
        }
    }
}

/// A cap turns the exchange to another member, and when all are at theirs the service is full.
#[test]
fn caps_divert_and_then_fill() {
    for balance in ALL {
        let state = service_of(&[1, 2, 3]);
        (1..=3).for_each(|slot| state.set_cap(slot, 2));
        let mut random = Random::new(1);
        for _ in 0..6 {
            slot_of(select(&state, &by(balance, &Tried::new()), &mut random));
        }
        assert_eq!([1, 2, 3].map(|slot| state.in_flight(slot)), [2, 2, 2]);
        assert_eq!(pick(&state, balance, &Tried::new()), Selection::Full);
        state.release(2);
        assert_eq!(slot_of(pick(&state, balance, &Tried::new())), 2);
    }
}

/// A retry goes to the one instance that was not tried; when there is none left the caller hears so.
#[test]
fn a_retry_goes_elsewhere() {
    for balance in ALL {
        let state = service_of(&[1, 2, 3]);
        for _ in 0..20 {
            assert_eq!(slot_of(pick(&state, balance, &tried(&[1, 3]))), 2);
        }
        assert_eq!(pick(&state, balance, &tried(&[1, 2, 3])), Selection::Exhausted);
        let single = service_of(&[1]);
        assert_eq!(pick(&single, balance, &tried(&[1])), Selection::Exhausted);
        assert_eq!(slot_of(pick(&single, balance, &Tried::new())), 1, "an empty set allows it again");
    }
}

/// With one instance tried, one down and one at its cap, what stands in the way is the cap.
#[test]
fn full_beats_exhausted() {
    for balance in ALL {
        let state = service_of(&[1, 2, 3]);
        state.set_health(2, false);
        state.set_cap(3, 1);
        state.set_in_flight(3, 1);
        assert_eq!(pick(&state, balance, &tried(&[1])), Selection::Full);
    }
}

/// Of two members the less loaded per weight is taken, wherever the draw begins.
#[test]
fn two_choices_take_the_lighter() {
    let state = service_of(&[1, 2]);
    let mut random = Random::new(1);
    // (in flight, weight) of both members, and which one carries less per weight.
    let rows =
        [((4, 1), (3, 1), 2), ((4, 2), (3, 1), 1), ((u32::MAX, u32::MAX), (2, 1), 1), ((0, 1), (1, 9), 1)];
    for ((load_1, weight_1), (load_2, weight_2), lighter) in rows {
        state.set_weight(1, weight_1);
        state.set_weight(2, weight_2);
        for _ in 0..20 {
            state.set_in_flight(1, load_1);
            state.set_in_flight(2, load_2);
            assert_eq!(slot_of(peek(&state, &by(Balance::P2C, &Tried::new()), &mut random)), lighter);
        }
    }
}

/// Round robin follows the published smooth sequence, and one number serves all who ask.
#[test]
fn round_robin_follows_the_sequence() {
    let state = service_of(&[10, 11, 12]);
    state.set_weight(10, 5);
    state.publish(SERVICE);
    let order: Vec<u32> =
        (0..14).map(|_| slot_of(pick(&state, Balance::RoundRobin, &Tried::new()))).collect();
    assert_eq!(order, [10, 10, 11, 10, 12, 10, 10, 10, 10, 11, 10, 12, 10, 10]);
}

/// A turn that cannot be had goes to the member whose turn is next.
#[test]
fn round_robin_walks_on_in_turn() {
    let state = service_of(&[10, 11, 12]);
    state.set_weight(12, 5);
    state.publish(SERVICE);
    // The sequence is 12 12 10 12 11 12 12.
    for _ in 0..3 {
        pick(&state, Balance::RoundRobin, &Tried::new());
    }
    assert_eq!(slot_of(pick(&state, Balance::RoundRobin, &tried(&[12]))), 11);
}

/// A heavy member that is down cannot hide the light one behind its many turns.
#[test]
fn round_robin_gets_past_a_heavy_member_that_is_down() {
    let state = service_of(&[1, 2, 3]);
    state.set_weight(1, 1000);
    state.publish(SERVICE);
    state.set_health(1, false);
    for _ in 0..100 {
        assert!([2, 3].contains(&slot_of(pick(&state, Balance::RoundRobin, &Tried::new()))));
    }
}

/// Lists of 1 to 5 members in every mix of down, tried and full: the answer is right and never a member out of bounds.
#[test]
fn every_mix_of_conditions_is_answered_rightly() {
    for (members, balance) in (1u32..=5).flat_map(|members| ALL.map(|balance| (members, balance))) {
        for mix in 0..4u32.pow(members) {
            assert_answer_for(members, mix, balance);
        }
    }
}

/// `mix` has one digit of base 4 per member: ready, down, tried or full.
fn assert_answer_for(members: u32, mix: u32, balance: Balance) {
    let state = service_of(&(0..members).collect::<Vec<_>>());
    let condition = |slot: u32| mix / 4u32.pow(slot) % 4;
    let mut set = Tried::new();
    for slot in 0..members {
        match condition(slot) {
            1 => state.set_health(slot, false),
            2 => set.insert(slot),
            3 => {
                state.set_cap(slot, 1);
                state.set_in_flight(slot, 1);
            }
            _ => {}
        }
    }
    let any = |wanted| (0..members).any(|slot| condition(slot) == wanted);
    let selection = select(&state, &by(balance, &set), &mut Random::new(u64::from(mix)));
    let place = format!("{balance:?}, {members} members, mix {mix}");
    match selection {
        Selection::Instance(instance) => assert_eq!(condition(instance.slot), 0, "{place}"),
        Selection::Full => assert!(!any(0) && any(3), "{place}"),
        Selection::Exhausted => assert!(!any(0) && !any(3) && any(2), "{place}"),
        Selection::NoneEligible => assert!(!any(0) && !any(3) && !any(2), "{place}"),
    }
}

/// A state whose bank promises members and turns that are not there.
struct Hollow {
    bank: Bank,
    questions: Cell<u32>,
}

impl Hollow {
    fn nothing(&self) -> u32 {
        self.questions.set(self.questions.get() + 1);
        NO_SLOT
    }
}

impl State for Hollow {
    fn count_passed(&self, _: u32, _: crate::pass_through::Passed, _: u64) {}
    fn count_pass_end(&self, _: u32, _: crate::pass_through::End) {}
    fn bank(&self, _: u32) -> Bank {
        self.bank
    }
    fn candidate(&self, _: Bank, _: u32) -> u32 {
        self.nothing()
    }
    fn turn(&self, _: Bank, _: u32) -> u32 {
        self.nothing()
    }
    fn next_turn(&self, _: u32) -> u64 {
        u64::MAX
    }
    fn ring(&self, _: u32) -> PublishedRing {
        PublishedRing { offset: 0, arcs: self.bank.turns, lines: self.bank.turns }
    }
    fn ring_before(&self, _: PublishedRing, _: u32, _: u32) -> u32 {
        self.nothing()
    }
    fn ring_point(&self, _: PublishedRing, _: u32) -> Point {
        Point { position: 0, slot: self.nothing() }
    }
    fn identity(&self, _: u32) -> u64 {
        0
    }
    fn is_eligible(&self, _: u32) -> bool {
        true
    }
    fn generation(&self, _: u32) -> u32 {
        0
    }
    fn put_address(&self, _: Instance, _: &mut String) -> bool {
        false
    }
    fn is_backup(&self, _: u32) -> bool {
        true
    }
    fn is_enabled(&self, _: u32) -> bool {
        true
    }
    fn weight(&self, _: u32) -> u32 {
        0
    }
    fn capacity(&self, _: u32) -> u32 {
        0
    }
    fn started(&self, _: u32) -> u64 {
        u64::MAX
    }
    fn latency(&self, _: u32) -> Latency {
        Latency(u64::MAX)
    }
    fn replace_latency(&self, _: u32, _: Latency, _: Latency) {}
    fn in_flight(&self, _: u32) -> u32 {
        u32::MAX
    }
    fn reserve(&self, _: u32) -> bool {
        true
    }
    fn release(&self, _: u32) {}
    fn note_failure(&self, _: u32) {}
    fn note_answer(&self, _: u32) {}
    fn hold(&self, _: u64, _: u32) -> crate::state::Hold {
        crate::state::Hold::Uncounted
    }
    fn release_hold(&self, _: u32) {}
    fn is_full(&self, _: u64, _: u32) -> bool {
        false
    }
    fn hold_in_turn(&self, _: u64, _: u32) -> crate::state::Hold {
        crate::state::Hold::Uncounted
    }
    fn hand_on(&self, _: u32, _: u32, _: u64) {}
    fn enter_queue(&self, _: u32, _: u32) -> bool {
        true
    }
    fn leave_queue(&self, _: u32) {}
    fn publish_front(&self, _: u32, _: Option<crate::queue::Front>) {}
    fn is_ahead(&self, _: u32, _: crate::queue::Front, _: u64) -> bool {
        false
    }
    fn wake_next(&self, _: u32, _: u64) {}
    fn count_wait(&self, _: u32, _: crate::queue::WaitEnd, _: u64) {}
    fn retry(&self, _: u32, _: crate::retry_budget::RetryBudget, _: u64) -> bool {
        true
    }
    fn take_retry_back(&self, _: u32) {}
    fn charge(&self, _: &[crate::limit::Claim], _: u64) -> crate::limit::Charge {
        crate::limit::Charge::Allowed
    }
    fn owe(&self, _: &crate::limit::Claim, _: u64) -> bool {
        true
    }
    fn tat(&self, _: u64, _: u64) -> u64 {
        0
    }
    fn hash_seed(&self) -> u64 {
        0
    }
    fn count_request(&self, _: u32, _: u16) {}
    fn observe_duration(&self, _: u32, _: u64) {}
    fn count_limit(&self, _: u32, _: LimitDecision) {}
    fn count(&self, _: Counter, _: u64) {}
}

/// Words that make no sense lead to "nothing there" after about two looks per member, never to a fault.
#[test]
fn a_hollow_bank_has_nothing() {
    for (eligible, turns) in [(0, 9), (1, 0), (1, 9), (2, 0), (2, 1), (9, 4), (2, u32::MAX)] {
        for balance in ALL {
            let bank = Bank { eligible, standby: [1, 1], turns, ..Bank::default() };
            let state = Hollow { bank, questions: Cell::new(0) };
            let selection = select(&state, &by(balance, &Tried::new()), &mut Random::new(1));
            assert_eq!(selection, Selection::NoneEligible, "{eligible} eligible, {turns} turns");
            assert!(state.questions.get() <= 2 * eligible + 4, "{eligible} eligible, {turns} turns");
        }
    }
}

/// A ring whose lines and points make no sense is given up after as many looks as any other.
#[test]
fn a_hollow_ring_has_nothing() {
    let none = Tried::new();
    for arcs in [1, 1000, 1 << 20] {
        let state =
            Hollow { bank: Bank { eligible: 2, turns: arcs, ..Bank::default() }, questions: Cell::new(0) };
        for key in [0, 1 << 63, u64::MAX] {
            state.questions.set(0);
            let hash = by(Balance::Hash { bounded_load: None }, &none);
            let criteria = Criteria { affinity: Affinity::Key(key), ..hash };
            assert_eq!(select(&state, &criteria, &mut Random::new(1)), Selection::NoneEligible);
            assert!((9..500).contains(&state.questions.get()), "{arcs} arcs, {key}");
        }
    }
}

/// A sticky service with an index of its members, and what a client asks for that was with one of them.
fn sticky(state: &FakeState, slot: u32) -> Criteria<'static> {
    const NONE_TRIED: &Tried = &Tried::new();
    state.publish_ring(SERVICE, true);
    Criteria { affinity: Affinity::Instance(state.identity(slot)), ..by(Balance::Sticky, NONE_TRIED) }
}

/// A client goes back to its instance, however busy that is, and whoever else is there.
#[test]
fn a_client_goes_back() {
    let state = service_of(&(0..50).collect::<Vec<_>>());
    for slot in 0..50 {
        state.set_in_flight(slot, 1000);
        assert_eq!(slot_of(select(&state, &sticky(&state, slot), &mut Random::new(1))), slot);
    }
}

/// One that is down, tried, full or gone, or that never was, is replaced by the less loaded of two.
#[test]
fn a_client_without_its_instance_gets_another() {
    let state = service_of(&[1, 2, 3]);
    state.set_in_flight(3, 9);
    let criteria = sticky(&state, 1);
    let other = |criteria: &Criteria<'_>| slot_of(peek(&state, criteria, &mut Random::new(4)));
    state.set_health(1, false);
    assert_eq!(other(&criteria), 2, "down");
    state.set_health(1, true);
    assert_eq!(other(&Criteria { tried: &tried(&[1]), ..criteria }), 2, "tried");
    state.set_in_flight(1, 1);
    state.set_cap(1, 1);
    let taken = slot_of(select(&state, &criteria, &mut Random::new(4)));
    assert_eq!(taken, 2, "full");
    assert_eq!(other(&Criteria { affinity: Affinity::Instance(77), ..criteria }), 2, "never there");
    state.set_members(SERVICE, &[2, 3]);
    assert_eq!(other(&sticky(&state, 1)), 2, "gone");
}

/// What a member that is down would have got falls to all the others and not to its neighbour in the sequence.
#[test]
fn round_robin_spends_the_turns_that_it_passes_over() {
    let state = service_of(&[1, 2, 3, 4]);
    state.set_health(2, false); // the bank lists it still
    let order: Vec<u32> = (0..6).map(|_| slot_of(pick(&state, Balance::RoundRobin, &Tried::new()))).collect();
    assert_eq!(order, [1, 3, 4, 1, 3, 4]);
}

/// A member that warms up gets a part of its turns, and its neighbour gets no more than the others.
#[test]
fn round_robin_thins_the_turns_of_who_warms_up() {
    const SECOND: u64 = 1_000_000_000;
    let state = service_of(&[1, 2, 3]);
    state.set_started(2, SECOND);
    state.publish(SERVICE);
    let policy = Policy { bank: SERVICE, balance: Balance::RoundRobin, slow_start: 10 * SECOND };
    let now = 6 * SECOND; // half of the way
    let (mut counts, mut random) = ([0u32; 4], Random::new(3));
    for _ in 0..10_000 {
        let none = Tried::new();
        let criteria = Criteria { policy, tried: &none, affinity: Affinity::None, now };
        counts[slot_of(peek(&state, &criteria, &mut random)) as usize] += 1;
    }
    let [_, one, warming, three] = counts;
    assert!((1_900..2_100).contains(&warming), "half of what the others get: {counts:?}");
    assert!(one.abs_diff(three) < 100, "{counts:?}");
}

/// Where backups stand in for primaries that are all down, and most backups are down as well, everybody's health may be
/// mistaken; but who is asked are the backups, wherever a key or a cookie points.
#[test]
fn a_panic_of_the_backups_asks_no_primary() {
    let state = service_of(&(0..8).collect::<Vec<_>>());
    (4..8).for_each(|slot| state.set_backup(slot, true));
    (0..7).for_each(|slot| state.set_health(slot, false));
    state.disable(6);
    state.set_panic(50);
    state.publish(SERVICE);
    for balance in ALL {
        state.publish_ring(SERVICE, balance == Balance::Sticky);
        let mut asked = [0u32; 8];
        for number in 0..400u32 {
            let affinity = match balance {
                Balance::Sticky => Affinity::Instance(state.identity(number % 8)),
                _ => Affinity::Key(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            };
            let none = Tried::new();
            let criteria = Criteria { affinity, ..by(balance, &none) };
            asked[slot_of(peek(&state, &criteria, &mut Random::new(number.into()))) as usize] += 1;
        }
        assert_eq!((asked[..4].iter().sum::<u32>(), asked[6]), (0, 0), "{balance:?}: {asked:?}");
        assert!([4, 5, 7].iter().all(|&slot| asked[slot] > 50), "{balance:?}: {asked:?}");
    }
}

/// What the eligible have no room for goes to the less loaded of those that stand by, the other zones' before the backups.
#[test]
fn those_that_stand_by_share_what_comes() {
    for balance in ALL {
        let state = service_of(&(0..9).collect::<Vec<_>>());
        (1..5).for_each(|slot| state.set_elsewhere(slot, true));
        (5..9).for_each(|slot| state.set_backup(slot, true));
        state.set_cap(0, 1);
        state.set_in_flight(0, 1);
        (1..5).for_each(|slot| state.set_cap(slot, 10));
        state.publish(SERVICE);
        let mut random = Random::new(7);
        let mut take = |exchanges| {
            for _ in 0..exchanges {
                slot_of(select(&state, &by(balance, &Tried::new()), &mut random));
            }
        };
        take(20);
        let held = |slots: core::ops::Range<u32>| slots.map(|slot| state.in_flight(slot)).collect::<Vec<_>>();
        assert!(held(1..5).iter().all(|held| (3..=7).contains(held)), "{balance:?}: {:?}", held(1..5));
        assert_eq!(held(5..9), [0; 4], "{balance:?}");
        take(20 + 20);
        assert_eq!(held(1..5), [10; 4], "{balance:?}");
        assert!(held(5..9).iter().all(|held| (3..=7).contains(held)), "{balance:?}: {:?}", held(5..9));
    }
}
