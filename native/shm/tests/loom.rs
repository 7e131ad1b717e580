//! The same algorithms under loom, which reorders what the memory model allows to be reordered; it does not kill.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p headgate-shm --release --test loom`.
#![cfg(loom)]

use std::sync::atomic::Ordering;

use headgate_engine::limit::{Charge, Claim, Gcra};
use headgate_shm::bucket::{Bounds, Marks, Table};
use headgate_shm::cap;
use headgate_shm::retire::{Lane, Retired};
use headgate_shm::word::Word;
use loom::sync::atomic::{fence, AtomicU32, AtomicU64};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// An atomic of loom. It knows sequential consistency of fences only, so an operation that asks for it is fenced on
/// the side that matters: after a write, before a read.
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
                if order == Ordering::SeqCst {
                    fence(Ordering::SeqCst);
                }
                self.0.load(order)
            }

            fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
                if order == Ordering::SeqCst {
                    fence(Ordering::SeqCst);
                }
            }

            fn fetch_add(&self, amount: $value, order: Ordering) -> $value {
                let before = self.0.fetch_add(amount, order);
                if order == Ordering::SeqCst {
                    fence(Ordering::SeqCst);
                }
                before
            }

            fn exchange(&self, current: $value, new: $value) -> Result<(), $value> {
                fence(Ordering::SeqCst);
                let outcome = self.0.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                outcome.map(drop)
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
            cap::reserve_below(&words[who], 1, std::iter::once(&words[1 - who]))
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
        let supervisor = thread::spawn({
            let fold = Arc::clone(&fold);
            move || fold.retired().retire(&fold.lane())
        });
        let mut sums = [0; 2];
        fold.retired().sum(0..2, || std::iter::once(fold.lane()), &mut sums);
        supervisor.join().unwrap();
        assert_eq!(sums, [4, 6]);
    });
}

struct Numbered(std::cell::Cell<u64>);

impl Marks for Numbered {
    fn next(&self) -> u64 {
        self.0.replace(self.0.get() + 1)
    }
}

/// Two workers that insert a key at once fill its bucket once.
#[test]
fn a_bucket_is_filled_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(|| {
        let slots: Arc<Vec<WideWord>> = Arc::new((0..2).map(|_| WideWord(Mutex::new(0))).collect());
        let charge = |slots: &[WideWord], who: u64| {
            let marks = Numbered(std::cell::Cell::new(who << 32));
            let bounds = Bounds { window: 2, tries: 3 };
            let rate = Gcra { interval: 1 << 40, tolerance: 1 << 40 };
            Table::bounded(slots, &marks, bounds).charge(&[Claim { key: 2, rate, cost: 1 }], 1 << 30)
        };
        let other = thread::spawn({
            let slots = Arc::clone(&slots);
            move || charge(&slots, 1)
        });
        let outcomes = [charge(&slots, 2), other.join().unwrap()];
        let allowed = outcomes.iter().filter(|outcome| **outcome == Charge::Allowed).count();
        assert!(allowed <= 1, "{outcomes:?}");
        let live =
            slots.iter().filter(|slot| *slot.0.lock().unwrap() >> 127 == 0 && *slot.0.lock().unwrap() != 0);
        assert_eq!(live.count(), allowed);
    });
}
