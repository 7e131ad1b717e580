//! The same algorithms under loom, which reorders what the memory model allows to be reordered; it does not kill.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p headgate-shm --release --test loom`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(loom)]

use std::cell::Cell;
use std::sync::atomic::Ordering;

use headgate_engine::limit::{Charge, Claim, Gcra};
use headgate_engine::queue::Front;
use headgate_engine::selection::Latency;
use headgate_engine::state::Hold;
use headgate_shm::bucket::{Bounds, Charger, Table};
use headgate_shm::cap::{self, Reservation};
use headgate_shm::holds;
use headgate_shm::latency;
use headgate_shm::queue;
use headgate_shm::retire::{Lane, Retired};
use headgate_shm::word::Word;
use loom::sync::atomic::{fence, AtomicU32, AtomicU64};
use loom::sync::{Arc, Mutex};
use loom::thread;

loom::thread_local! {
    /// Did the thread's last write ask for sequential consistency?
    static WROTE_IN_ORDER: Cell<bool> = Cell::new(false);
}

fn note_write(order: Ordering) {
    WROTE_IN_ORDER.with(|wrote| wrote.set(order == Ordering::SeqCst));
}

/// An atomic of loom. It knows sequential consistency of fences only, so there is one between a write and a read that
/// both ask for it, and none where one of the two does not.
struct LoomWord<A>(A);

macro_rules! loom_word {
    ($atomic:ty, $value:ty) => {
        impl LoomWord<$atomic> {
            fn new(value: $value) -> Self {
                Self(<$atomic>::new(value))
            }
        }

        impl Word<$value> for LoomWord<$atomic> {
            fn load(&self, order: Ordering) -> $value {
                if order == Ordering::SeqCst && WROTE_IN_ORDER.with(Cell::get) {
                    fence(Ordering::SeqCst);
                }
                self.0.load(order)
            }

            fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
                note_write(order);
            }

            fn fetch_add(&self, amount: $value, order: Ordering) -> $value {
                note_write(order);
                self.0.fetch_add(amount, order)
            }

            fn exchange(&self, current: $value, new: $value) -> Result<(), $value> {
                note_write(Ordering::SeqCst);
                self.0.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst).map(drop)
            }
        }
    };
}

loom_word!(AtomicU32, u32);
loom_word!(AtomicU64, u64);

/// Loom has no atomic of 128 bits; every operation on one is sequentially consistent here, as a lock is.
struct WideWord(Mutex<u128>);

impl Word<u128> for WideWord {
    fn load(&self, _: Ordering) -> u128 {
        *self.0.lock().unwrap()
    }

    fn store(&self, value: u128, _: Ordering) {
        *self.0.lock().unwrap() = value;
    }

    fn fetch_add(&self, amount: u128, _: Ordering) -> u128 {
        let mut word = self.0.lock().unwrap();
        let sum = word.wrapping_add(amount);
        std::mem::replace(&mut *word, sum)
    }

    fn exchange(&self, current: u128, new: u128) -> Result<(), u128> {
        let mut word = self.0.lock().unwrap();
        if *word != current {
            return Err(*word);
        }
        *word = new;
        Ok(())
    }
}

/// Two workers that reserve at once never both get the last place.
#[test]
fn a_cap_is_never_exceeded() {
    loom::model(|| {
        let words = Arc::new([LoomWord::<AtomicU32>::new(0), LoomWord::<AtomicU32>::new(0)]);
        let reserve = |words: &[LoomWord<AtomicU32>; 2], who: usize| {
            cap::reserve_below(&words[who], 1, std::iter::once(&words[1 - who])) == Reservation::Held
        };
        let other = thread::spawn({
            let words = Arc::clone(&words);
            move || reserve(&words, 1)
        });
        let first = reserve(&words, 0);
        let second = other.join().unwrap();
        assert!(!(first && second));
        let held = cap::total(words.iter(), Ordering::SeqCst);
        assert_eq!(held, u32::from(first) + u32::from(second));
    });
}

/// Two workers observe an answer each: the word is what one or both of them made of it, whole.
#[test]
fn a_latency_is_what_somebody_observed() {
    const NOW: u64 = 1_000_000_000_000;
    loom::model(|| {
        let start = Latency::new(10_000_000, NOW - 1_000_000_000);
        let word = Arc::new(LoomWord::<AtomicU64>::new(start.0));
        let observe = |word: &LoomWord<AtomicU64>, nanos| {
            let known = latency::read(word);
            latency::replace(word, known, known.observed(nanos, NOW));
        };
        let other = {
            let word = Arc::clone(&word);
            thread::spawn(move || observe(&word, 200_000_000))
        };
        observe(&word, 40_000_000);
        other.join().unwrap();
        let one = [200_000_000, 40_000_000].map(|nanos| start.observed(nanos, NOW));
        let both = [one[0].observed(40_000_000, NOW), one[1].observed(200_000_000, NOW)];
        assert!([one, both].concat().contains(&latency::read(&*word)));
    });
}

/// Two workers that let the same client in at once never both get its last place.
#[test]
fn a_key_gets_its_last_place_once() {
    loom::model(|| {
        let lane = || [LoomWord::<AtomicU64>::new(0), LoomWord::<AtomicU64>::new(0)];
        let tables = Arc::new([lane(), lane()]);
        let hold = |tables: &[[LoomWord<AtomicU64>; 2]; 2], who: usize| {
            let table = |who: usize| holds::Table { reach: &tables[who][0], slots: &tables[who][1..] };
            holds::hold(&table(who), 1 << 20, 1, std::iter::once(table(1 - who))) != Hold::Full
        };
        let other = thread::spawn({
            let tables = Arc::clone(&tables);
            move || hold(&tables, 1)
        });
        let first = hold(&tables, 0);
        assert!(!(first && other.join().unwrap()));
    });
}

/// One gives the only place back while another begins to wait for it: that one has it, or is woken.
#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let words = Arc::new([LoomWord::<AtomicU32>::new(1), LoomWord::<AtomicU32>::new(0)]);
        let front = Arc::new(LoomWord::<AtomicU64>::new(0));
        let releaser = thread::spawn({
            let (words, front) = (Arc::clone(&words), Arc::clone(&front));
            move || {
                assert!(cap::release_in_order(&words[0]));
                queue::next(std::iter::once((1, &*front)), |_| true)
            }
        });
        queue::publish(&*front, Some(Front { since: 1, newest_first: false }));
        let held = cap::reserve_below(&words[1], 1, std::iter::once(&words[0])) == Reservation::Held;
        let woken = releaser.join().unwrap() == Some(1);
        assert!(held || woken);
    });
}

/// Two begin to wait for a free place at once: one has it, or both know that they were in each other's way.
#[test]
fn who_is_in_anothers_way_knows() {
    loom::model(|| {
        let words = Arc::new([LoomWord::<AtomicU32>::new(0), LoomWord::<AtomicU32>::new(0)]);
        let fronts = Arc::new([LoomWord::<AtomicU64>::new(0), LoomWord::<AtomicU64>::new(0)]);
        let wait = |words: &[LoomWord<AtomicU32>; 2], fronts: &[LoomWord<AtomicU64>; 2], who: usize| {
            queue::publish(&fronts[who], Some(Front { since: 1, newest_first: false }));
            let reservation = cap::reserve_below(&words[who], 1, std::iter::once(&words[1 - who]));
            // One that was in the way wakes those whom it sees waiting.
            let wakes = reservation == Reservation::Crossed && fronts[1 - who].load(Ordering::SeqCst) != 0;
            (reservation, wakes)
        };
        let other = thread::spawn({
            let (words, fronts) = (Arc::clone(&words), Arc::clone(&fronts));
            move || wait(&words, &fronts, 1)
        });
        let outcomes = [wait(&words, &fronts, 0), other.join().unwrap()];
        let held = outcomes.iter().any(|(reservation, _)| *reservation == Reservation::Held);
        assert!(held || outcomes.iter().any(|(_, wakes)| *wakes), "{outcomes:?}");
    });
}

struct Fold {
    flip: LoomWord<AtomicU64>,
    generation: LoomWord<AtomicU64>,
    banks: [Vec<LoomWord<AtomicU64>>; 2],
    lane: Vec<LoomWord<AtomicU64>>,
}

impl Fold {
    fn new() -> Self {
        let words = |counts: [u64; 2]| counts.map(LoomWord::<AtomicU64>::new).into_iter().collect();
        Self {
            flip: LoomWord::<AtomicU64>::new(0),
            generation: LoomWord::<AtomicU64>::new(0),
            banks: [words([1, 2]), words([91, 92])],
            lane: words([3, 4]),
        }
    }

    fn retired(&self) -> Retired<'_, LoomWord<AtomicU64>> {
        Retired { flip: &self.flip, banks: [&self.banks[0], &self.banks[1]] }
    }

    fn lane(&self) -> Lane<'_, LoomWord<AtomicU64>> {
        Lane { number: 0, generation: &self.generation, counters: &self.lane }
    }
}

/// A reader beside a fold sees every count once, whatever order the words reach it in.
#[test]
fn a_reader_counts_a_folded_lane_once() {
    loom::model(|| {
        let fold = Arc::new(Fold::new());
        // The reader is the spawned thread: loom forgets that a thread may come in before another's store when the
        // other loaded the same word itself, and the supervisor does so with every word.
        let reader = thread::spawn({
            let fold = Arc::clone(&fold);
            move || {
                let mut sums = [0; 2];
                fold.retired().sum(&(0..2), || std::iter::once(fold.lane()), &mut sums);
                sums
            }
        });
        fold.retired().retire(&fold.lane());
        assert_eq!(reader.join().unwrap(), [4, 6]);
    });
}

struct Numbered(Cell<u64>);

impl Charger for Numbered {
    fn next_mark(&self) -> u64 {
        self.0.replace(self.0.get() + 1)
    }
}

const NOW: u64 = 1 << 30;

/// A slot that was used and given up again.
const VACANT: u128 = 1 << 64;

/// One token for each key, and no second one while a case runs.
fn charge(slots: &[WideWord], who: u64) -> Charge {
    let marks = Numbered(Cell::new(who << 32));
    let rate = Gcra { interval: 1 << 40, tolerance: 1 << 40, debt: 0 };
    Table::bounded(slots, &marks, Bounds { window: 2, tries: 3 })
        .charge(&[Claim { key: 2, rate, cost: 1, must_fit: false, shared: None }], NOW)
}

/// Two workers that insert a key at once, at two places because the first comes free meanwhile, fill its bucket once.
#[test]
fn a_bucket_is_filled_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(|| {
        let taken = u128::from(2 * NOW) << 64 | 4;
        let slots: Arc<Vec<WideWord>> = Arc::new([taken, 0].map(|word| WideWord(Mutex::new(word))).into());
        let other = thread::spawn({
            let slots = Arc::clone(&slots);
            move || charge(&slots, 1)
        });
        slots[0].store(VACANT, Ordering::SeqCst);
        let outcomes = [charge(&slots, 2), other.join().unwrap()];
        let allowed = outcomes.iter().filter(|outcome| **outcome == Charge::Allowed).count();
        let words: Vec<u128> = slots.iter().map(|slot| slot.load(Ordering::SeqCst)).collect();
        let live = words.iter().filter(|&&word| word as u64 != 0 && word >> 127 == 0).count();
        assert!(allowed <= 1 && live == allowed, "{outcomes:?} {words:x?}");
    });
}
