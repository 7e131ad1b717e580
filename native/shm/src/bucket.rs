//! The table of token buckets: open addressing over words of 128 bits, changed only by one compare-and-exchange.
//!
//! A slot holds (key, TAT). A new key goes in in three steps, because two workers may insert the same key at two
//! places at once: mark a reusable slot as INSERTING, look through the whole window again, then make the mark live.
//! Whoever marks later sees the earlier mark and clears it or yields; so no key ever has two live slots, and no bucket
//! is ever filled twice. (That the lower index wins keeps the two from clearing each other for ever.) A mark carries a number that no other mark has: a worker that was stopped cannot
//! take another worker's mark for its own. A mark left behind by a killed worker may be cleared by anyone.
//!
//! A slot may be given to another key only when its bucket has been full for [`CLOCK_SLACK_NS`]: evicting it changes
//! nothing, so eviction never grants a token.
//!
//! A key goes into the first place that it can have, and a slot that was ever used never becomes 0 again. So no key lies
//! behind a slot that nobody has used yet, and every search ends there.

use core::sync::atomic::Ordering;

use headgate_engine::limit::{conforms, Charge, Claim, CLOCK_SLACK_NS};

use crate::word::Word;

/// How far a charge goes before it says that there is no place.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Slots that a key may lie in.
    pub window: usize,
    /// How often a charge starts again when others change the slots under its hands.
    pub tries: usize,
}

/// At half load, the most that a table is filled by construction, 96 places in a row are taken for one of 10⁸ keys or fewer (32:
/// for one of 240,000); and 64 tries lost in a row take 64 others that each got through.
pub const BOUNDS: Bounds = Bounds { window: 96, tries: 64 };

/// Slots to a cache line.
const LINE: usize = 4;

/// Most claims of one charge that can be taken back; a route has a handful of limits.
const MAX_CLAIMS: usize = 16;

const INSERTING: u64 = 1 << 63;

/// One word of the table, taken apart: a slot without a key is empty, a TAT with the top bit set is a mark.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot(u128);

impl Slot {
    /// Nobody has used it yet.
    const UNUSED: Self = Self(0);
    /// Given up again: keys may lie behind it.
    const VACANT: Self = Self(1 << 64);

    fn live(key: u64, tat: u64) -> Self {
        Self(u128::from(tat & !INSERTING) << 64 | u128::from(key))
    }

    fn mark(key: u64, number: u64) -> Self {
        Self(u128::from(number | INSERTING) << 64 | u128::from(key))
    }

    fn key(self) -> u64 {
        self.0 as u64
    }

    fn tat(self) -> u64 {
        (self.0 >> 64) as u64
    }

    fn is_mark(self) -> bool {
        self.tat() & INSERTING != 0
    }

    /// Is it where this key's level stands?
    fn is_live(self, key: u64) -> bool {
        self.key() == key && !self.is_mark()
    }

    /// May the slot be given to another key? Empty, or full for so long that no clock still sees it otherwise.
    fn is_reusable(self, now: u64) -> bool {
        self.key() == 0 || !self.is_mark() && self.tat().saturating_add(CLOCK_SLACK_NS) <= now
    }
}

/// Does a word of the table hold a key, and one that no other may replace now?
pub fn occupancy(word: u128, now: u64) -> (bool, bool) {
    let slot = Slot(word);
    (slot.key() != 0, !slot.is_reusable(now))
}

/// The key of a claim as the table stores it: 0 is what an empty slot holds.
#[inline]
fn name(claim: &Claim) -> u64 {
    claim.key.max(1)
}

/// What there is in the window of a key, by index and content.
enum Found {
    /// The key's live slot.
    Live(usize, Slot),
    /// None, but a slot where the key may be put in.
    Place(usize, Slot),
    /// Neither.
    Nothing,
}

/// One charge that was made: where, and both words, so that it can be taken back.
#[derive(Clone, Copy)]
struct Taken {
    index: usize,
    before: Slot,
    after: Slot,
}

/// What became of one claim.
enum Outcome {
    /// It was met; what was written, if anything was.
    Met(Option<Taken>),
    Refused {
        retry_after: u64,
    },
    Overflow,
}

/// What the second scan found.
enum Second {
    /// Nobody else is at the key: the mark may be made live.
    Alone,
    /// The key has a live slot, or somebody's mark goes before ours.
    Yield,
}

/// Gives out numbers that no other mark of the table carries.
pub trait Marks {
    /// The next number, below 2⁶³.
    fn next(&self) -> u64;
    /// A slot has changed from one key to another.
    fn note_reuse(&self) {}
}

/// The table as one worker sees it. The number of slots is a power of two.
pub struct Table<'a, W, M> {
    slots: &'a [W],
    marks: &'a M,
    bounds: Bounds,
}

impl<'a, W: Word<u128>, M: Marks> Table<'a, W, M> {
    /// Over slots whose number is a power of two.
    #[inline]
    pub fn new(slots: &'a [W], marks: &'a M) -> Self {
        Self::bounded(slots, marks, BOUNDS)
    }

    /// With other bounds; the proofs use short ones.
    #[inline]
    pub fn bounded(slots: &'a [W], marks: &'a M, bounds: Bounds) -> Self {
        debug_assert!(slots.len().is_power_of_two(), "{} slots", slots.len());
        let window = bounds.window.min(slots.len());
        Self { slots, marks, bounds: Bounds { window, ..bounds } }
    }

    /// Takes tokens for all claims or for none.
    #[inline]
    pub fn charge(&self, claims: &[Claim], now: u64) -> Charge {
        match claims {
            [claim] => self.charge_one(claim, now),
            _ => self.charge_all(claims, now),
        }
    }

    /// Takes what one claim wants: one look and one exchange where the key lies in its first place and nobody interferes.
    #[inline]
    fn charge_one(&self, claim: &Claim, now: u64) -> Charge {
        let (key, index) = (name(claim), self.place(name(claim), 0));
        let mut first = self.at(index);
        if first.is_live(key) {
            if let Ok(tat) = conforms(first.tat(), now, claim.rate, claim.cost) {
                if claim.cost == 0 || self.replace(index, first, Slot::live(key, tat)) {
                    return Charge::Allowed;
                }
                first = self.at(index);
            }
        }
        match self.take(claim, now, first) {
            Outcome::Met(_) => Charge::Allowed,
            Outcome::Refused { retry_after } => Charge::Refused { claim: 0, retry_after, forfeited: 0 },
            Outcome::Overflow if claim.must_fit => Charge::NoPlace { claim: 0, forfeited: 0 },
            Outcome::Overflow => Charge::Overflow { claims: 1 },
        }
    }

    /// Takes what a claim wants, which nobody can refuse any more: the bucket may come to owe it. False: the table has no
    /// place for the key.
    pub fn owe(&self, claim: &Claim, now: u64) -> bool {
        let owe = |tat| Ok(Some(claim.rate.owing(tat, now, claim.cost)));
        matches!(self.settle(claim, now, self.first(name(claim)), owe), Outcome::Met(_))
    }

    /// The TAT of a key; 0, that of a full bucket, where it has none.
    pub fn tat(&self, key: u64, now: u64) -> u64 {
        let key = key.max(1);
        match self.find(key, self.first(key), now) {
            Found::Live(_, slot) => slot.tat(),
            Found::Place(..) | Found::Nothing => 0,
        }
    }

    /// Looks at all buckets before it writes to any: a request that one limit refuses costs the others nothing.
    fn charge_all(&self, claims: &[Claim], now: u64) -> Charge {
        for (index, claim) in claims.iter().enumerate() {
            let tat = self.tat(claim.key, now);
            let tat = claim.rate.emptied(tat, now).unwrap_or(tat);
            if let Err(retry_after) = conforms(tat, now, claim.rate, claim.cost) {
                return Charge::Refused { claim: index, retry_after, forfeited: 0 };
            }
        }
        self.take_all(claims, now)
    }

    fn take_all(&self, claims: &[Claim], now: u64) -> Charge {
        let mut taken = [None; MAX_CLAIMS];
        let mut overflow = 0;
        for (index, claim) in claims.iter().enumerate() {
            match self.take(claim, now, self.first(name(claim))) {
                Outcome::Met(charge) => {
                    if let Some(place) = taken.get_mut(index) {
                        *place = charge;
                    }
                }
                Outcome::Refused { retry_after } => {
                    let forfeited = self.give_all_back(&taken, index);
                    return Charge::Refused { claim: index, retry_after, forfeited };
                }
                Outcome::Overflow if claim.must_fit => {
                    return Charge::NoPlace { claim: index, forfeited: self.give_all_back(&taken, index) };
                }
                Outcome::Overflow => overflow |= 1u16.checked_shl(index as u32).unwrap_or(0),
            }
        }
        match overflow {
            0 => Charge::Allowed,
            claims => Charge::Overflow { claims },
        }
    }

    /// Undoes the charges before claim number `claim`, the last one first; how many could not be.
    fn give_all_back(&self, taken: &[Option<Taken>; MAX_CLAIMS], claim: usize) -> usize {
        let kept = claim.saturating_sub(MAX_CLAIMS);
        kept + taken.iter().flatten().rev().filter(|charge| !self.give_back(charge)).count()
    }

    /// Undoes a charge, if nobody charged the bucket since; otherwise its tokens are forfeited.
    fn give_back(&self, charge: &Taken) -> bool {
        self.replace(charge.index, charge.after, charge.before)
    }

    /// Takes tokens from one bucket. A claim of nothing writes nothing. `first`: what was found in the key's first place.
    fn take(&self, claim: &Claim, now: u64, first: Slot) -> Outcome {
        let Claim { rate, cost, .. } = *claim;
        self.settle(claim, now, first, |tat| Ok(Some(conforms(tat, now, rate, cost)?).filter(|_| cost > 0)))
    }

    /// Moves the TAT of a claim's bucket to where `decide` says, if it is to be moved; an error is for how long not.
    fn settle(
        &self,
        claim: &Claim,
        now: u64,
        mut first: Slot,
        decide: impl Fn(u64) -> Result<Option<u64>, u64>,
    ) -> Outcome {
        for _ in 0..self.bounds.tries {
            let outcome = match self.find(name(claim), first, now) {
                Found::Live(index, slot) => self.settle_live(claim, now, index, slot, &decide),
                Found::Place(index, slot) => self.settle_new(claim, index, slot, &decide),
                Found::Nothing => Some(Outcome::Overflow),
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
            first = self.first(name(claim));
        }
        Outcome::Overflow
    }

    /// None: the slot changed meanwhile.
    #[inline]
    fn settle_live(
        &self,
        claim: &Claim,
        now: u64,
        index: usize,
        before: Slot,
        decide: impl Fn(u64) -> Result<Option<u64>, u64>,
    ) -> Option<Outcome> {
        match decide(before.tat()) {
            Ok(None) => Some(Outcome::Met(None)),
            Ok(Some(tat)) => {
                let after = Slot::live(before.key(), tat);
                let taken = Taken { index, before, after };
                self.replace(index, before, after).then_some(Outcome::Met(Some(taken)))
            }
            Err(retry_after) => match claim.rate.emptied(before.tat(), now) {
                None => Some(Outcome::Refused { retry_after }),
                Some(empty) => {
                    self.replace(index, before, Slot::live(before.key(), empty));
                    None
                }
            },
        }
    }

    /// A key without a slot has a full bucket. None: somebody else was at the key or at the place.
    fn settle_new(
        &self,
        claim: &Claim,
        index: usize,
        reusable: Slot,
        decide: impl Fn(u64) -> Result<Option<u64>, u64>,
    ) -> Option<Outcome> {
        match decide(0) {
            Ok(None) => Some(Outcome::Met(None)),
            Ok(Some(tat)) => {
                let after = Slot::live(name(claim), tat);
                let taken = Taken { index, before: Slot::VACANT, after };
                self.insert(index, reusable, after).then_some(Outcome::Met(Some(taken)))
            }
            Err(retry_after) => Some(Outcome::Refused { retry_after }),
        }
    }

    /// Puts a key that has no live slot into a free one. False: start again, somebody else was at it.
    fn insert(&self, index: usize, reusable: Slot, after: Slot) -> bool {
        let mark = Slot::mark(after.key(), self.marks.next());
        if !self.replace(index, reusable, mark) {
            return false;
        }
        match self.second_scan(after.key(), index) {
            Second::Alone => {
                let done = self.replace(index, mark, after);
                if done && reusable.key() != 0 && reusable.key() != after.key() {
                    self.marks.note_reuse();
                }
                done
            }
            Second::Yield => {
                self.replace(index, mark, Slot::VACANT);
                false
            }
        }
    }

    /// Looks for other slots of the key while our mark stands at `own`; clears marks at higher places.
    fn second_scan(&self, key: u64, own: usize) -> Second {
        let mut below = true;
        for index in self.places(key) {
            if index == own {
                below = false;
                continue;
            }
            // Looked at until it is not the key's: a mark that could not be cleared may have become live.
            loop {
                let slot = self.at(index);
                if slot == Slot::UNUSED {
                    return Second::Alone;
                }
                if slot.key() != key {
                    break;
                }
                if below || !slot.is_mark() {
                    return Second::Yield;
                }
                if self.replace(index, slot, Slot::VACANT) {
                    break;
                }
            }
        }
        Second::Alone
    }

    /// What stands in the first place of a key; mostly that is its own.
    #[inline]
    fn first(&self, key: u64) -> Slot {
        self.at(self.place(key, 0))
    }

    /// One look at the window of a key, of which `first` was looked at, up to its live slot or to one that nobody has used yet.
    ///
    /// A key without a live slot goes where its own mark stands (whose owner was killed, or will find it gone and start
    /// again; a second mark beside it would have to yield for ever), else into a reusable slot, else where another
    /// key's mark stands.
    fn find(&self, key: u64, first: Slot, now: u64) -> Found {
        let (mut marked, mut free, mut stale) = (None, None, None);
        for (step, index) in self.places(key).enumerate() {
            let slot = if step == 0 { first } else { self.at(index) };
            let found = Some((index, slot));
            if slot.key() == key {
                if !slot.is_mark() {
                    return Found::Live(index, slot);
                }
                marked = marked.or(found);
            } else if slot.is_reusable(now) {
                free = free.or(found);
                if slot == Slot::UNUSED {
                    break;
                }
            } else if slot.is_mark() {
                stale = stale.or(found);
            }
        }
        marked.or(free).or(stale).map_or(Found::Nothing, |(index, slot)| Found::Place(index, slot))
    }

    /// The places of a key, in the order that decides which of two marks goes first.
    #[inline]
    fn places(&self, key: u64) -> impl Iterator<Item = usize> + '_ {
        (0..self.bounds.window).map(move |step| self.place(key, step))
    }

    /// A key begins anywhere in a cache line, and goes through all of it before the next.
    #[inline]
    fn place(&self, key: u64, step: usize) -> usize {
        let (line, first) = (key as usize & !(LINE - 1), key as usize & (LINE - 1));
        line.wrapping_add(step ^ first) & self.slots.len().wrapping_sub(1)
    }

    #[inline]
    fn at(&self, index: usize) -> Slot {
        self.slots.get(index).map_or(Slot::UNUSED, |word| Slot(word.load(Ordering::SeqCst)))
    }

    #[inline]
    fn replace(&self, index: usize, from: Slot, to: Slot) -> bool {
        self.slots.get(index).is_some_and(|word| word.exchange(from.0, to.0).is_ok())
    }
}
