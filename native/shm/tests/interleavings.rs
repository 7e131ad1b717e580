//! The algorithms over shared memory, in every order of their word operations, with participants killed at any step.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod scheduler;

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use headgate_engine::limit::{Charge, Claim, Gcra};
use headgate_engine::queue::Front;
use headgate_engine::selection::Latency;
use headgate_engine::state::Hold;
use headgate_engine::stock::{Shared, Stock, Terms};
use headgate_shm::bucket::{Bounds, Charger, Table};
use headgate_shm::cap::{self, Reservation};
use headgate_shm::holds;
use headgate_shm::instance::{note_answer, note_failure};
use headgate_shm::latency;
use headgate_shm::queue;
use headgate_shm::retire::{Lane, Retired};
use headgate_shm::word::Word;
use scheduler::{cases, exhaust, wander, Checks, Program, SimWord, World};

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_000 * SECOND;
const BURST: u64 = 2;
/// Slow enough that no token comes back while a case runs.
const RATE: Gcra = Gcra { interval: 100 * SECOND, tolerance: BURST * 100 * SECOND, debt: 0 };

fn claim(key: u64) -> Claim {
    Claim { key, rate: RATE, cost: 1, must_fit: false, shared: None }
}

/// Numbers for marks that no other participant gives out.
struct Numbered(Cell<u64>);

impl Charger for Numbered {
    fn next_mark(&self) -> u64 {
        self.0.replace(self.0.get() + 1)
    }
}

/// Every participant uses the same number: what the marks' numbers protect from.
struct Unnumbered;

impl Charger for Unnumbered {
    fn next_mark(&self) -> u64 {
        0
    }
}

/// What a participant did: its claims and what became of them.
type Done = Vec<(Vec<Claim>, Charge)>;

/// A participant that makes these charges one after the other over a table of four slots.
fn charger_with<M: Charger + 'static>(
    marks: impl Fn() -> M + 'static,
    bounds: Bounds,
    charges: &[&[Claim]],
) -> Program<Done> {
    let words = SimWord::<u128>::stretch(0..SLOTS);
    let charges: Vec<Vec<Claim>> = charges.iter().map(|claims| claims.to_vec()).collect();
    Rc::new(move || {
        let marks = marks();
        let table = Table::bounded(&words, &marks, bounds);
        charges.iter().map(|claims| (claims.clone(), table.charge(claims, NOW))).collect()
    })
}

fn charger(who: u64, charges: &[&[Claim]]) -> Program<Done> {
    charger_with(move || Numbered(Cell::new(who << 32)), SMALL, charges)
}

/// No key has a second live slot.
fn assert_one_live_slot_per_key<R>(world: &World<R>) {
    let mut keys = HashSet::new();
    for &word in &world.memory {
        let (key, tat) = (word as u64, (word >> 64) as u64);
        if key != 0 && tat >> 63 == 0 {
            assert!(keys.insert(key), "key {key} has two live slots: {:x?}", world.memory);
        }
    }
}

/// Tokens of a key that were given out.
fn admitted<'a>(results: impl Iterator<Item = &'a Done>, key: u64) -> u64 {
    let allowed = results.flatten().filter(|(_, charge)| *charge == Charge::Allowed);
    allowed.flat_map(|(claims, _)| claims).filter(|claim| claim.key == key).count() as u64
}

/// Tokens that requests which were not allowed took all the same: a refused one that could not give them back, and
/// one of several limits, another of which found no place.
fn forfeited(world: &World<Done>) -> u64 {
    let lost = |(claims, charge): &(Vec<Claim>, Charge)| match charge {
        Charge::Allowed => 0,
        Charge::Refused { forfeited, .. }
        | Charge::NoPlace { forfeited, .. }
        | Charge::Unanswered { forfeited, .. } => *forfeited as u64,
        Charge::Overflow { .. } => claims.len() as u64 - 1,
    };
    world.results().flatten().map(lost).sum()
}

/// After the case: no key got more than its burst, only kills and forfeits lost tokens, and each key can still be
/// charged until it is empty.
fn assert_burst(mut world: World<Done>, keys: &[u64]) {
    let lost = world.kills() as u64 + forfeited(&world);
    for &key in keys {
        let before = admitted(world.results(), key);
        let mut after = 0;
        loop {
            match world.run_alone(&charger(99, &[&[claim(key)]])).pop() {
                Some((_, Charge::Allowed)) => after += 1,
                Some((_, Charge::Refused { .. })) => break,
                other => panic!("key {key} cannot be charged any more: {other:?}, {:x?}", world.memory),
            }
        }
        assert!(before + after <= BURST, "{before} + {after} admitted of {BURST}");
        assert!(
            before + after + lost >= BURST,
            "{before} + {after} of {BURST}, {lost} lost: tokens are missing"
        );
    }
}

const SLOTS: usize = 4;
const SMALL: Bounds = Bounds { window: 3, tries: 4 };

/// A slot of a key whose bucket has been full for long: another key may take it.
fn expired(key: u64) -> u128 {
    live(key, NOW - 2 * SECOND)
}

fn mark(key: u64, number: u64) -> u128 {
    u128::from(1 << 63 | number) << 64 | u128::from(key)
}

fn live(key: u64, tat: u64) -> u128 {
    u128::from(tat) << 64 | u128::from(key)
}

/// A slot that was used and given up again.
const VACANT: u128 = 1 << 64;

/// Tables to start from, with room for both keys; the windows of keys 4 and 8 begin at slot 0. No key lies behind a slot that
/// nobody has used.
fn starts() -> [[u128; SLOTS]; 7] {
    [
        [0; SLOTS],
        [expired(8), 0, 0, 0],
        [mark(4, 77), 0, 0, 0],
        [VACANT, mark(4, 77), 0, 0],
        [VACANT; SLOTS],
        [live(9, NOW + SECOND), expired(4), 0, 0],
        [mark(4, 77), mark(4, 78), mark(8, 79), 0],
    ]
}

/// A table with no free slot in the window, only another key's mark.
fn almost_full() -> [u128; SLOTS] {
    [mark(8, 77), live(9, NOW + SECOND), live(13, NOW + SECOND), 0]
}

/// Two participants charge the same key: every interleaving, every kill, from every kind of table.
#[test]
fn two_participants_never_admit_more_than_the_burst() {
    let mut worlds = 0;
    for start in starts().into_iter().chain([almost_full()]) {
        let charges: [&[Claim]; 2] = [&[claim(4)], &[claim(4)]];
        let programs = [charger(1, &charges), charger(2, &charges)];
        let checks =
            Checks { always: &assert_one_live_slot_per_key, at_end: &|world| assert_burst(world, &[4]) };
        worlds += exhaust(World::new(start.to_vec(), &programs), 1, &checks);
    }
    assert!(worlds > 1_000, "only {worlds} worlds: the participants hardly met");
}

/// Two keys that want the same slots never spoil each other's buckets.
#[test]
fn two_keys_in_one_window_keep_their_buckets() {
    for start in [[0; SLOTS], [expired(4), 0, 0, 0], [mark(8, 7), mark(4, 8), 0, 0]] {
        let programs = [charger(1, &[&[claim(4)]]), charger(2, &[&[claim(8)], &[claim(4)]])];
        let checks =
            Checks { always: &assert_one_live_slot_per_key, at_end: &|world| assert_burst(world, &[4, 8]) };
        exhaust(World::new(start.to_vec(), &programs), 1, &checks);
    }
}

/// A request with two limits takes both tokens or leaves both, but for what a kill or a lost race costs.
#[test]
fn several_claims_are_charged_together_or_not_at_all() {
    let both = [claim(4), claim(5)];
    let almost_empty = live(5, NOW + RATE.tolerance - RATE.interval);
    let programs = [charger(1, &[&both]), charger(2, &[&both, &[claim(4)]])];
    let checks = Checks {
        always: &assert_one_live_slot_per_key,
        at_end: &|world| {
            assert!(admitted(world.results(), 5) <= 1, "the second limit had one token");
            assert_burst(world, &[4]);
        },
    };
    exhaust(World::new(vec![0, almost_empty, 0, 0], &programs), 1, &checks);
}

/// Three participants, random interleavings and kills; the number of the failing case is printed and replays it.
#[test]
fn three_participants_never_admit_more_than_the_burst() {
    for seed in 0..cases(4_000, 400_000) {
        let start = starts()[seed as usize % starts().len()];
        let programs = [1, 2, 3].map(|who| charger(who, &[&[claim(4)], &[claim(8), claim(4)]]));
        let checks =
            Checks { always: &assert_one_live_slot_per_key, at_end: &|world| assert_burst(world, &[4]) };
        let run = || wander(World::new(start.to_vec(), &programs), seed, 40, &checks);
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "case {seed}");
    }
}

/// Frees slot 0 at some moment, as a charge that is taken back does.
fn freer() -> Program<Done> {
    let words = SimWord::<u128>::stretch(0..1);
    Rc::new(move || {
        words[0].store(VACANT, Ordering::SeqCst);
        Vec::new()
    })
}

/// The scheduler finds what the second scan is for: without it, two participants admit twice.
#[test]
fn without_a_second_scan_the_burst_is_exceeded() {
    let words = SimWord::<u128>::stretch(0..SLOTS);
    let insert = move || -> Done {
        let taken = words.iter().take(SMALL.window).any(|word| word.load(Ordering::SeqCst) as u64 == 4);
        let mut looked_at = words.iter().map(|word| (word, word.load(Ordering::SeqCst)));
        let free = looked_at.find(|(_, content)| *content as u64 == 0);
        let done =
            !taken && free.is_some_and(|(word, content)| word.exchange(content, live(4, NOW + 1)).is_ok());
        vec![(vec![claim(4)], if done { Charge::Allowed } else { Charge::Overflow { claims: 1 } })]
    };
    let naive: Program<Done> = Rc::new(insert);
    let world = World::new(vec![live(8, NOW), 0, 0, 0], &[Rc::clone(&naive), naive, freer()]);
    let checks = Checks { always: &assert_one_live_slot_per_key, at_end: &|_| {} };
    assert!(catch_unwind(AssertUnwindSafe(|| exhaust(world, 0, &checks))).is_err());
}

/// Three participants insert a key while somebody frees a lower slot: every interleaving of the shortest window.
fn three_insert_while_a_slot_comes_free<M: Charger + 'static>(marks: fn(u64) -> M) -> usize {
    let bounds = Bounds { window: 2, tries: 1 };
    let mut programs = vec![freer()];
    programs.extend([1, 2, 3].map(|who| charger_with(move || marks(who << 32), bounds, &[&[claim(4)]])));
    let checks = Checks { always: &assert_one_live_slot_per_key, at_end: &|_| {} };
    exhaust(World::new(vec![live(8, NOW), 0, 0, 0], &programs), 0, &checks)
}

/// No interleaving of three participants gives a key two live slots.
#[test]
fn three_participants_leave_one_live_slot() {
    let worlds = three_insert_while_a_slot_comes_free(|first| Numbered(Cell::new(first)));
    assert!(worlds > 10_000, "only {worlds} worlds");
}

/// The scheduler finds what the numbers of marks are for: if two may be alike, a stopped participant takes another's
/// mark for its own, and the key has two live slots.
#[test]
fn without_numbers_a_mark_is_mistaken_for_another() {
    let run = || three_insert_while_a_slot_comes_free(|_| Unnumbered);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
}

/// A bucket that gateways share, of which a stock may owe one.
fn shared() -> Claim {
    Claim { shared: Some(Shared { row: 0, low: 0, told: false }), ..claim(4) }
}

/// A worker that can tell the keeper what it wants.
struct Reachable(Numbered);

impl Charger for Reachable {
    fn next_mark(&self) -> u64 {
        self.0.next_mark()
    }

    fn terms(&self, _: u32) -> Terms {
        Terms { credit: 1, waits: false, reachable: true }
    }
}

/// The keeper of the stocks adds a token, if the key has a slot; a charge without claims stands for it.
fn lender() -> Program<Done> {
    let words = SimWord::<u128>::stretch(0..SLOTS);
    Rc::new(move || {
        let marks = Numbered(Cell::new(9 << 32));
        let table = Table::bounded(&words, &marks, SMALL);
        let more = |word| Stock { credit: false, ..Stock::of_word(word).with(1) }.to_word();
        table.change(4, NOW, more).map(|_| (vec![], Charge::Allowed)).into_iter().collect()
    })
}

/// What was admitted, and may have been by those that were killed, is what was granted, what is owed and what is left.
fn assert_stock(world: &World<Done>) {
    assert_one_live_slot_per_key(world);
    let passed = admitted(world.results(), 4);
    let granted = world.results().flatten().filter(|(claims, _)| claims.is_empty()).count() as u64;
    let word = world.memory.iter().find(|&&word| word as u64 == 4 && word >> 127 == 0);
    let balance = i64::from(word.map_or(0, |&word| Stock::of_word((word >> 64) as u64).balance));
    assert!(balance >= -1, "only its credit is owed: {balance}");
    let [passed, granted] = [passed, granted].map(|tokens| i64::try_from(tokens).unwrap());
    let difference = (passed + balance).abs_diff(granted);
    assert!(difference <= world.kills() as u64, "{passed} of {granted}, {balance} left");
}

/// Workers take from a stock that is not there yet, while the keeper adds to it: no token is made, in any
/// interleaving of one worker and random ones of two, and none is lost but by kills.
#[test]
fn a_stock_gives_what_was_added() {
    let mut worlds = 0;
    for start in [[0; SLOTS], [expired(8), 0, 0, 0], [0, mark(4, 77), 0, 0]] {
        let worker = |who: u64| {
            let marks = move || Reachable(Numbered(Cell::new(who << 32)));
            charger_with(marks, SMALL, &[&[shared()]])
        };
        let checks = Checks { always: &assert_one_live_slot_per_key, at_end: &|world| assert_stock(&world) };
        let two = [worker(1), lender()];
        worlds += exhaust(World::new(start.to_vec(), &two), 1, &checks);
        let three = World::new(start.to_vec(), &[worker(1), worker(2), lender()]);
        (0..cases(300, 20_000)).for_each(|seed| wander(three.clone(), seed, 20, &checks));
    }
    assert!(worlds > 100, "only {worlds} worlds");
}

/// A worker whose claims wait for the keeper's answer.
struct Strict(Numbered);

impl Charger for Strict {
    fn next_mark(&self) -> u64 {
        self.0.next_mark()
    }

    fn terms(&self, _: u32) -> Terms {
        Terms { credit: 0, waits: true, reachable: true }
    }
}

/// Behind the table: how many wait, and what wakes them.
const WAITING: usize = SLOTS;
const WOKEN: usize = SLOTS + 1;

/// Asks for one token, says that it waits, and looks once more if it `looks_again`, and once when it was woken; true when it
/// has the token.
fn asker(looks_again: bool) -> Program<bool> {
    let slots = SimWord::<u128>::stretch(0..SLOTS);
    let words = SimWord::<u64>::stretch(WAITING..WOKEN + 1);
    Rc::new(move || {
        let strict = Strict(Numbered(Cell::new(1 << 32)));
        let table = Table::bounded(&slots, &strict, SMALL);
        let passes = |told| {
            let claim = Claim { shared: Some(Shared { row: 0, low: 0, told }), ..claim(4) };
            table.charge(&[claim], NOW) == Charge::Allowed
        };
        if passes(false) {
            return true;
        }
        words[0].store(1, Ordering::SeqCst);
        let served = looks_again && passes(true) || words[1].exchange(1, 0).is_ok() && passes(true);
        if served {
            words[0].store(0, Ordering::SeqCst);
        }
        served
    })
}

/// Adds a token where somebody has asked, and wakes whoever waits then; true when it has added one.
fn granter() -> Program<bool> {
    let slots = SimWord::<u128>::stretch(0..SLOTS);
    let words = SimWord::<u64>::stretch(WAITING..WOKEN + 1);
    Rc::new(move || {
        let marks = Numbered(Cell::new(9 << 32));
        let table = Table::bounded(&slots, &marks, SMALL);
        let more = |word| Stock { wanted: false, ..Stock::of_word(word).with(1) }.to_word();
        let added = table.change(4, NOW, more).is_some();
        if words[0].load(Ordering::SeqCst) > 0 {
            words[1].store(1, Ordering::SeqCst);
        }
        added
    })
}

/// Who waits while there is a token for it was woken; and there is no token but the one that was added.
fn assert_answer_is_heard(world: &World<bool>) {
    let word = world.memory[..SLOTS].iter().find(|&&word| word as u64 == 4 && word >> 127 == 0);
    let balance = word.map_or(0, |&word| Stock::of_word((word >> 64) as u64).balance);
    let added = world.participants[1].result == Some(true);
    assert!((0..=1).contains(&balance) && (balance == 0 || added || world.participants[1].killed));
    let sleeps = world.participants[0].result == Some(false) && world.memory[WAITING] == 1;
    let heard = world.memory[WOKEN] == 1 || world.participants[1].killed;
    assert!(!(sleeps && balance > 0) || heard, "an answer was missed: {:?}", world.memory);
}

/// The cases of one that asks and the keeper that grants, killed or not.
fn questions(looks_again: bool) -> usize {
    let checks = Checks { always: &|_| (), at_end: &|world| assert_answer_is_heard(&world) };
    let world = World::new(vec![0; WOKEN + 1], &[asker(looks_again), granter()]);
    exhaust(world, 1, &checks)
}

/// No answer of the keeper is missed, in any interleaving.
#[test]
fn no_answer_is_missed() {
    let worlds = questions(true);
    assert!(worlds > 30, "only {worlds} worlds");
}

/// The scheduler finds what the second look is for.
#[test]
fn without_a_second_look_an_answer_is_missed() {
    assert!(catch_unwind(|| questions(false)).is_err());
}

/// Exchanges in flight: word 0, 1, 2 are the lanes' words, 3, 4, 5 say who holds a place.
fn holder(who: usize, lanes: usize, max: u32, rounds: usize) -> Program<u32> {
    let words = SimWord::<u32>::stretch(0..2 * lanes);
    Rc::new(move || {
        let (own, held) = (&words[who], &words[lanes + who]);
        let mut times = 0;
        for _ in 0..rounds {
            let others =
                words[..lanes].iter().enumerate().filter(|(lane, _)| *lane != who).map(|(_, word)| word);
            if cap::reserve_below(own, max, others) == Reservation::Held {
                times += 1;
                held.store(1, Ordering::SeqCst);
                held.store(0, Ordering::SeqCst);
                assert!(cap::release(own));
            }
        }
        times
    })
}

fn assert_cap(world: &World<u32>, max: u32) {
    let lanes = world.memory.len() / 2;
    let held: u128 = world.memory[lanes..].iter().sum();
    assert!(held <= u128::from(max), "{held} held, {max} allowed");
}

/// When all are done or dead, closing the dead lanes gives their places back.
fn assert_places_come_back(mut world: World<u32>, max: u32) {
    let lanes = world.memory.len() / 2;
    for who in 0..lanes {
        if world.participants[who].killed {
            world.memory[who] = 0;
        }
    }
    assert!(world.memory[..lanes].iter().all(|&word| word == 0), "a place is lost: {:?}", world.memory);
    assert_eq!(world.run_alone(&holder(0, lanes, max, 1)), 1);
}

/// A cap is never exceeded, in any interleaving of two participants, killed or not.
#[test]
fn caps_are_never_exceeded() {
    let programs = [holder(0, 2, 1, 2), holder(1, 2, 1, 2)];
    let checks =
        Checks { always: &|world| assert_cap(world, 1), at_end: &|world| assert_places_come_back(world, 1) };
    exhaust(World::new(vec![0; 4], &programs), 1, &checks);
}

/// A cap of two is never exceeded by three participants, in random interleavings.
#[test]
fn caps_hold_for_three_participants() {
    for seed in 0..cases(4_000, 400_000) {
        let programs = [0, 1, 2].map(|who| holder(who, 3, 2, 3));
        let checks = Checks {
            always: &|world| assert_cap(world, 2),
            at_end: &|world| assert_places_come_back(world, 2),
        };
        let run = || wander(World::new(vec![0; 6], &programs), seed, 40, &checks);
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "case {seed}");
    }
}

/// Notes so many failures of one instance, and then perhaps an answer; says how many it has noted.
fn judge(failures: u32, answers: bool) -> Program<u32> {
    let words = SimWord::<u32>::stretch(0..1);
    Rc::new(move || {
        (0..failures).for_each(|_| note_failure(&words[0]));
        if answers {
            note_answer(&words[0]);
        }
        failures
    })
}

/// No failure is lost to another one, in any interleaving of two participants, killed or not.
#[test]
fn failures_in_a_row_are_all_counted() {
    let at_end = |world: World<u32>| {
        let (told, row) = (world.results().sum::<u32>(), world.memory[0]);
        let most = if world.kills() == 0 { told } else { told + 3 };
        assert!((u128::from(told)..=u128::from(most)).contains(&row), "{told} told, {row} counted");
    };
    let programs = [judge(3, false), judge(3, false)];
    exhaust(World::new(vec![0], &programs), 1, &Checks { always: &|_| (), at_end: &at_end });
}

/// An answer ends the row that stood before it, and at most what was noted beside it remains.
#[test]
fn an_answer_ends_the_row_of_failures() {
    let at_end = |world: World<u32>| assert!(world.kills() > 0 || world.memory[0] <= 3, "{:?}", world.memory);
    let programs = [judge(2, true), judge(3, false)];
    exhaust(World::new(vec![7], &programs), 1, &Checks { always: &|_| (), at_end: &at_end });
}

/// What was known of an instance's latency before: 10 ms, a second ago.
fn known_before() -> Latency {
    Latency::new(10_000_000, NOW - SECOND)
}

/// Observes one answer of an instance, as a worker does; the word's last writer may be another one.
fn observer(nanos: u64) -> Program<()> {
    let words = SimWord::<u64>::stretch(0..1);
    Rc::new(move || {
        let known = latency::read(&words[0]);
        latency::replace(&words[0], known, known.observed(nanos, NOW));
    })
}

/// In any interleaving of three workers, killed or not, the word is what some of them, one after the other, made of what was
/// known: no value is paired with another's time, and a sample is either in it or dropped.
#[test]
fn a_latency_is_what_somebody_observed() {
    const SAMPLES: [u64; 3] = [200_000_000, 5_000_000, 40_000_000];
    let mut possible: Vec<Latency> = vec![known_before()];
    for _ in SAMPLES {
        let next = possible.iter().flat_map(|known| SAMPLES.map(|nanos| known.observed(nanos, NOW)));
        possible.extend(next.collect::<Vec<_>>());
    }
    let always = |world: &World<()>| {
        assert!(possible.contains(&Latency(world.memory[0] as u64)), "{:x}", world.memory[0]);
    };
    let at_end = |world: World<()>| {
        let observed = world.memory[0] as u64 != known_before().0;
        assert!(observed || world.kills() > 0, "of several that try at once, one succeeds");
    };
    let programs = SAMPLES.map(observer);
    let start = World::new(vec![u128::from(known_before().0)], &programs);
    exhaust(start, 1, &Checks { always: &always, at_end: &at_end });
}

/// Holds of keys: a table of two slots behind its reach for each of two lanes, then a word each that says who holds what.
/// `keys`: those that are held, one after the other, and given back.
fn keeper(who: usize, most: u32, keys: &[u64]) -> Program<u32> {
    let lanes = [SimWord::<u64>::stretch(0..3), SimWord::<u64>::stretch(3..6)];
    let held = SimWord::<u32>::stretch(6..10);
    let keys = keys.to_vec();
    Rc::new(move || {
        let mut times = 0;
        for &key in &keys {
            let table = |who: usize| holds::Table { reach: &lanes[who][0], slots: &lanes[who][1..] };
            if let Hold::Held { place } = holds::hold(&table(who), key, most, std::iter::once(table(1 - who)))
            {
                let holds = &held[2 * who + usize::from(key == B)];
                times += 1;
                holds.store(1, Ordering::SeqCst);
                holds.store(0, Ordering::SeqCst);
                assert!(holds::release(table(who).slots, place));
            }
        }
        times
    })
}

/// Two keys whose slots lie in the same window.
const A: u64 = 1 << 20;
const B: u64 = 2 << 20;

/// A key is never held more often than it may be, in any interleaving of two workers, killed or not, while slots change
/// from one key to another; and none of its places is lost.
#[test]
fn keys_are_held_no_more_often_than_they_may_be() {
    let always = |world: &World<u32>| {
        for key in [0, 1] {
            assert!(world.memory[6 + key] + world.memory[8 + key] <= 1, "{:?}", world.memory);
        }
    };
    let at_end = |mut world: World<u32>| {
        for who in 0..2 {
            if world.participants[who].killed {
                world.memory[3 * who..3 * who + 3].fill(0); // its lane is closed
            }
        }
        assert_eq!(world.memory[1..3], [0; 2], "a place is lost");
        assert_eq!(world.memory[4..6], [0; 2], "a place is lost");
        assert_eq!(world.run_alone(&keeper(0, 1, &[A, B])), 2);
    };
    let checks = Checks { always: &always, at_end: &at_end };
    let programs = [keeper(0, 1, &[B, A]), keeper(1, 1, &[A, B])];
    exhaust(World::new(vec![0; 10], &programs), 1, &checks);
}

/// One place for exchanges, and workers that wait for it: of each what it has in flight, the front of its line, and what wakes it.
struct Gate {
    in_flight: Vec<SimWord<u32>>,
    fronts: Vec<SimWord<u64>>,
    wakes: Vec<SimWord<u64>>,
}

impl Gate {
    fn of(workers: usize) -> Self {
        Self {
            in_flight: SimWord::stretch(0..workers),
            fronts: SimWord::stretch(workers..2 * workers),
            wakes: SimWord::stretch(2 * workers..3 * workers),
        }
    }

    fn others<W>(words: &[W], who: usize) -> impl Iterator<Item = &W> + Clone {
        words.iter().enumerate().filter(move |&(other, _)| other != who).map(|(_, word)| word)
    }

    fn wake_next(&self) {
        if let Some(next) = queue::next((0..).zip(&self.fronts), |_| true) {
            self.wakes[next as usize].store(1, Ordering::SeqCst);
        }
    }

    fn release(&self, who: usize) {
        assert!(cap::release_in_order(&self.in_flight[who]));
        self.wake_next();
    }

    /// Takes the place if it is there, and waits no longer then.
    fn try_place(&self, who: usize) -> bool {
        match cap::reserve_below(&self.in_flight[who], 1, Self::others(&self.in_flight, who)) {
            Reservation::Held => {
                queue::publish(&self.fronts[who], None);
                self.wake_next();
                return true;
            }
            Reservation::Full => {}
            Reservation::Crossed => {
                for (front, wake) in self.fronts.iter().zip(&self.wakes) {
                    if front.load(Ordering::SeqCst) != 0 {
                        wake.store(1, Ordering::SeqCst);
                    }
                }
            }
        }
        false
    }

    /// Begins to wait; true when it has the place.
    fn begin(&self, who: usize) -> bool {
        let mine = Front { since: who as u64 + 1, newest_first: false };
        queue::publish(&self.fronts[who], Some(mine));
        let others = (0..).zip(&self.fronts).filter(|&(other, _)| other != who as u32);
        !queue::is_ahead(others, |_| true, mine) && self.try_place(who)
    }

    /// Sees to a wake-up, if there is one.
    fn go_on(&self, who: usize) -> bool {
        self.wakes[who].exchange(1, 0).is_ok() && self.try_place(who)
    }
}

/// Gives the place back that it has.
fn releaser(who: usize, workers: usize) -> Program<bool> {
    let gate = Gate::of(workers);
    Rc::new(move || {
        gate.release(who);
        true
    })
}

/// Waits for the place, and looks once whether it was woken; true when it has the place.
fn waiter(who: usize, workers: usize) -> Program<bool> {
    let gate = Gate::of(workers);
    Rc::new(move || gate.begin(who) || gate.go_on(who))
}

/// After the case: whoever sleeps and was woken goes on, until nobody was; then the place is somebody's, unless nobody waits. It is handed
/// on until all have had it.
fn assert_all_are_served(mut world: World<bool>, workers: usize) {
    let dead: Vec<usize> = (0..workers).filter(|&who| world.participants[who].killed).collect();
    for &who in &dead {
        world.memory[who] = 0; // its lane is closed
        world.memory[workers + who] = 0;
    }
    let alone = |world: &mut World<bool>, act: fn(&Gate, usize) -> bool, who: usize| {
        let gate = Gate::of(workers);
        world.run_alone(&(Rc::new(move || act(&gate, who)) as Program<bool>))
    };
    if !dead.is_empty() {
        for who in 0..workers {
            world.memory[2 * workers + who] = 1; // the tick of the others finds what a death has left behind
        }
    }
    loop {
        let asleep = |world: &World<bool>, who: usize| world.memory[workers + who] != 0;
        let woken = |world: &World<bool>| {
            (0..workers).find(|&who| asleep(world, who) && world.memory[2 * workers + who] == 1)
        };
        while let Some(who) = woken(&world) {
            alone(&mut world, Gate::go_on, who);
        }
        let taken: u128 = world.memory[..workers].iter().sum();
        assert!(taken <= 1, "the place was given twice: {:?}", world.memory);
        let Some(waiting) = (0..workers).find(|&who| asleep(&world, who)) else { break };
        assert_eq!(taken, 1, "a wake-up is lost: worker {waiting} sleeps: {:?}", world.memory);
        let holder = (0..workers).find(|&who| world.memory[who] == 1).unwrap();
        let release = |gate: &Gate, who: usize| {
            gate.release(who);
            true
        };
        alone(&mut world, release, holder);
    }
}

/// No wake-up is lost, in any interleaving of one that gives the place back and one that begins to wait, of two that begin to wait while it
/// is free, and of all of them; nor by the death of one of them beyond the next tick.
#[test]
fn no_wake_up_is_lost() {
    let cases =
        [(vec![1, 0], vec![releaser(0, 2), waiter(1, 2)]), (vec![0, 0], vec![waiter(0, 2), waiter(1, 2)])];
    for (in_flight, programs) in cases {
        let workers = programs.len();
        let memory = [in_flight, vec![0; 2 * workers]].concat();
        let at_end = |world: World<bool>| assert_all_are_served(world, workers);
        let checks = Checks { always: &|_| (), at_end: &at_end };
        let worlds = exhaust(World::new(memory, &programs), 1, &checks);
        assert!(worlds > 100, "only {worlds} worlds");
    }
}

/// Three workers, one of which has the place, in random interleavings, killed or not.
#[test]
fn no_wake_up_is_lost_among_three() {
    for seed in 0..cases(10_000, 1_000_000) {
        let programs = [releaser(0, 3), waiter(1, 3), waiter(2, 3)];
        let memory = vec![1, 0, 0, 0, 0, 0, 0, 0, 0];
        let at_end = |world: World<bool>| assert_all_are_served(world, 3);
        let checks = Checks { always: &|_| (), at_end: &at_end };
        let run = || wander(World::new(memory, &programs), seed, 40, &checks);
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "case {seed}");
    }
}

/// The scheduler finds what the second look is for: who looks first and says afterwards that it waits misses a place.
#[test]
fn without_a_second_look_a_wake_up_is_lost() {
    let gate = Gate::of(2);
    let naive: Program<bool> = Rc::new(move || {
        if gate.try_place(1) {
            return true;
        }
        queue::publish(&gate.fronts[1], Some(Front { since: 1, newest_first: false }));
        gate.go_on(1)
    });
    let world = World::new(vec![1, 0, 0, 0, 0, 0], &[releaser(0, 2), naive]);
    let at_end = |world: World<bool>| assert_all_are_served(world, 2);
    let checks = Checks { always: &|_| (), at_end: &at_end };
    assert!(catch_unwind(AssertUnwindSafe(|| exhaust(world, 0, &checks))).is_err());
}

/// Memory of the fold: flip, two generations, and two words each for two banks and two lanes.
struct FoldWords {
    words: Vec<SimWord<u64>>,
}

impl FoldWords {
    const COUNTS: [u128; 4] = [3, 4, 5, 6];
    const SUMS: [u64; 2] = [8, 10];

    fn new() -> Self {
        Self { words: SimWord::stretch(0..11) }
    }

    fn memory() -> Vec<u128> {
        // What the invalid bank holds does not matter.
        [vec![0, 0, 0, 0, 0, 91, 92], Self::COUNTS.to_vec()].concat()
    }

    fn retired(&self) -> Retired<'_, SimWord<u64>> {
        Retired { flip: &self.words[0], banks: [&self.words[3..5], &self.words[5..7]] }
    }

    fn lane(&self, number: u32) -> Option<Lane<'_, SimWord<u64>>> {
        let first = 7 + 2 * number as usize;
        let generation = self.words.get(1 + number as usize).filter(|_| number < 2)?;
        Some(Lane { number, generation, counters: &self.words[first..first + 2] })
    }

    /// A supervisor: finishes what another left, then retires both lanes, each once.
    fn supervisor() -> Program<[u64; 2]> {
        let fold = Self::new();
        Rc::new(move || {
            if let Some(lane) = fold.retired().unfinished(|lane| fold.lane(lane)) {
                fold.retired().retire(&lane);
            }
            for lane in [0, 1].into_iter().filter_map(|lane| fold.lane(lane)) {
                if lane.generation.load(Ordering::Acquire) == 0 {
                    fold.retired().retire(&lane);
                }
            }
            Self::SUMS
        })
    }

    fn reader() -> Program<[u64; 2]> {
        let fold = Self::new();
        Rc::new(move || {
            let mut sums = [0; 2];
            let lanes = || [0, 1].into_iter().filter_map(|lane| fold.lane(lane));
            fold.retired().sum(&(0..2), lanes, &mut sums);
            sums
        })
    }
}

/// A reader sees every count exactly once, at any step of a fold, and so does the next supervisor after a kill.
#[test]
fn lanes_are_folded_exactly_once() {
    let at_end = |mut world: World<[u64; 2]>| {
        assert!(world.results().all(|&sums| sums == FoldWords::SUMS), "{:?}", world.memory);
        assert_eq!(world.run_alone(&FoldWords::reader()), FoldWords::SUMS);
        world.run_alone(&FoldWords::supervisor());
        assert_eq!(world.run_alone(&FoldWords::reader()), FoldWords::SUMS);
        assert_eq!(world.memory[7..], [0; 4], "both lanes are clear");
        assert_eq!(world.memory[1..3], [1, 1], "both lanes were retired once");
    };
    let programs = [FoldWords::supervisor(), FoldWords::reader()];
    let worlds =
        exhaust(World::new(FoldWords::memory(), &programs), 1, &Checks { always: &|_| {}, at_end: &at_end });
    assert!(worlds > 500, "only {worlds} worlds");
}

/// Two supervisors after each other may both be killed at any step.
#[test]
fn a_fold_survives_two_kills() {
    let first = World::new(FoldWords::memory(), &[FoldWords::supervisor()]);
    let always = |world: &World<[u64; 2]>| {
        let second = World::new(world.memory.clone(), &[FoldWords::supervisor()]);
        let always = |world: &World<[u64; 2]>| {
            assert_eq!(world.clone().run_alone(&FoldWords::reader()), FoldWords::SUMS);
        };
        exhaust(second, 0, &Checks { always: &always, at_end: &|_| {} });
    };
    exhaust(first, 0, &Checks { always: &always, at_end: &|_| {} });
}
