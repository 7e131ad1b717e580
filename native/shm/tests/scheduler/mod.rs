//! A deterministic scheduler: participants take turns at every word operation, and any of them may die in between.
//!
//! A participant is a function over words. To stop it inside the function without a thread, it is run again from the
//! start at each step: the operations it did before are answered from its log, the next one is done for real, and the
//! one after that unwinds out. A participant that is never stepped again is a process that was killed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use headgate_shm::word::Word;

/// The words that all participants share; every width fits.
pub(crate) type Memory = Vec<u128>;

/// What a participant runs; its result is what it says when it is done.
pub(crate) type Program<R> = Rc<dyn Fn() -> R>;

/// The memory of the step under way, and the log of the participant that makes it.
struct Step {
    memory: Memory,
    log: Vec<Result<u128, u128>>,
    next: usize,
    may_act: bool,
}

thread_local! {
    static STEP: RefCell<Option<Step>> = const { RefCell::new(None) };
}

/// Unwinds out of a participant that has made its one step.
struct Stopped;

/// One word of the scheduler's memory, by its index.
pub(crate) struct SimWord<T> {
    index: usize,
    of: PhantomData<T>,
}

impl<T> SimWord<T> {
    /// The words of a stretch of memory.
    pub(crate) fn stretch(range: std::ops::Range<usize>) -> Vec<Self> {
        range.map(|index| Self { index, of: PhantomData }).collect()
    }
}

/// Answers an operation from the log, or does it, once per step.
fn operate(index: usize, act: impl FnOnce(&mut u128) -> Result<u128, u128>) -> Result<u128, u128> {
    let answer = STEP.with_borrow_mut(|step| {
        let step = step.as_mut().expect("a word is used inside a step only");
        if let Some(&logged) = step.log.get(step.next) {
            step.next += 1;
            return Some(logged);
        }
        if !std::mem::take(&mut step.may_act) {
            return None;
        }
        let answer = act(&mut step.memory[index]);
        step.log.push(answer);
        step.next += 1;
        Some(answer)
    });
    answer.unwrap_or_else(|| resume_unwind(Box::new(Stopped)))
}

macro_rules! sim_word {
    ($value:ty) => {
        impl Word<$value> for SimWord<$value> {
            fn load(&self, _: Ordering) -> $value {
                operate(self.index, |word| Ok(*word)).unwrap() as $value
            }

            fn store(&self, value: $value, _: Ordering) {
                operate(self.index, |word| Ok(std::mem::replace(word, u128::from(value)))).unwrap();
            }

            fn fetch_add(&self, amount: $value, _: Ordering) -> $value {
                let add = |word: &mut u128| {
                    Ok(std::mem::replace(word, u128::from((*word as $value).wrapping_add(amount))))
                };
                operate(self.index, add).unwrap() as $value
            }

            fn exchange(&self, current: $value, new: $value) -> Result<(), $value> {
                let exchange = |word: &mut u128| {
                    if *word as $value != current {
                        return Err(*word);
                    }
                    Ok(std::mem::replace(word, u128::from(new)))
                };
                operate(self.index, exchange).map(drop).map_err(|held| held as $value)
            }
        }
    };
}

sim_word!(u32);
sim_word!(u64);
sim_word!(u128);

/// Where one participant stands.
#[derive(Clone)]
pub(crate) struct Participant<R> {
    program: Program<R>,
    log: Vec<Result<u128, u128>>,
    /// Its result, once it is done.
    pub(crate) result: Option<R>,
    /// Was it killed?
    pub(crate) killed: bool,
}

impl<R> Participant<R> {
    fn may_run(&self) -> bool {
        self.result.is_none() && !self.killed
    }
}

/// Memory and participants at one moment.
#[derive(Clone)]
pub(crate) struct World<R> {
    pub(crate) memory: Memory,
    pub(crate) participants: Vec<Participant<R>>,
}

impl<R: Clone> World<R> {
    pub(crate) fn new(memory: Memory, programs: &[Program<R>]) -> Self {
        let start = |program: &Program<R>| Participant {
            program: Rc::clone(program),
            log: Vec::new(),
            result: None,
            killed: false,
        };
        Self { memory, participants: programs.iter().map(start).collect() }
    }

    /// Lets a participant do its next word operation, or finish after its last.
    pub(crate) fn step(&mut self, who: usize) {
        let participant = &mut self.participants[who];
        let step = Step {
            memory: std::mem::take(&mut self.memory),
            log: std::mem::take(&mut participant.log),
            next: 0,
            may_act: true,
        };
        STEP.set(Some(step));
        let outcome = catch_unwind(AssertUnwindSafe(|| (participant.program)()));
        let step = STEP.take().expect("the step that was set");
        (self.memory, participant.log) = (step.memory, step.log);
        match outcome {
            Ok(result) => participant.result = Some(result),
            Err(payload) if payload.is::<Stopped>() => {}
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Runs one more program to its end, undisturbed.
    pub(crate) fn run_alone(&mut self, program: &Program<R>) -> R {
        let mut alone = World::new(std::mem::take(&mut self.memory), std::slice::from_ref(program));
        while alone.participants[0].result.is_none() {
            alone.step(0);
        }
        self.memory = alone.memory;
        alone.participants.remove(0).result.expect("it has just finished")
    }

    pub(crate) fn kills(&self) -> usize {
        self.participants.iter().filter(|participant| participant.killed).count()
    }

    pub(crate) fn results(&self) -> impl Iterator<Item = &R> {
        self.participants.iter().filter_map(|participant| participant.result.as_ref())
    }

    fn runnable(&self) -> Vec<usize> {
        (0..self.participants.len()).filter(|&who| self.participants[who].may_run()).collect()
    }

    /// Two worlds with the same print go on alike: a participant is what it has read so far.
    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.memory.hash(&mut hasher);
        for participant in &self.participants {
            (&participant.log, participant.killed).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// What must hold: `always` after every step, `at_end` when nobody can run any more.
pub(crate) struct Checks<'a, R> {
    pub(crate) always: &'a dyn Fn(&World<R>),
    pub(crate) at_end: &'a dyn Fn(World<R>),
}

/// Visits every interleaving of the participants, each with up to `kills` kills at any step; returns how many
/// different worlds there were.
pub(crate) fn exhaust<R: Clone>(start: World<R>, kills: usize, checks: &Checks<'_, R>) -> usize {
    let (mut open, mut seen) = (vec![start], HashSet::new());
    while let Some(world) = open.pop() {
        if !seen.insert(world.print()) {
            continue;
        }
        (checks.always)(&world);
        let runnable = world.runnable();
        for &who in &runnable {
            let mut next = world.clone();
            next.step(who);
            open.push(next);
            if world.kills() < kills {
                let mut next = world.clone();
                next.participants[who].killed = true;
                open.push(next);
            }
        }
        if runnable.is_empty() {
            (checks.at_end)(world);
        }
    }
    seen.len()
}

/// Runs one random interleaving; one step in `kill_one_in` kills instead. The seed replays it exactly.
pub(crate) fn wander<R: Clone>(mut world: World<R>, seed: u64, kill_one_in: u64, checks: &Checks<'_, R>) {
    let mut random = Random(seed);
    loop {
        let runnable = world.runnable();
        if runnable.is_empty() {
            break;
        }
        let who = runnable[random.below(runnable.len() as u64) as usize];
        if random.below(kill_one_in) == 0 {
            world.participants[who].killed = true;
            continue;
        }
        // Runs of steps reach deeper than single ones: most mistakes need one participant to get far ahead.
        for _ in 0..=random.below(6) {
            if world.participants[who].may_run() {
                world.step(who);
                (checks.always)(&world);
            }
        }
    }
    (checks.at_end)(world);
}

/// `SplitMix64`.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Random cases to run: `few`, or `many` when the environment sets `HEADGATE_PROOF=1`.
pub(crate) fn cases(few: u64, many: u64) -> u64 {
    if std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1") {
        many
    } else {
        few
    }
}
