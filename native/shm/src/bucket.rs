//! The table of token buckets: open addressing over words of 128 bits, changed only by one compare-and-exchange.
//!
//! A slot holds (key, TAT). A new key goes in in three steps, because two workers may insert the same key at two
//! places at once: mark a reusable slot as INSERTING, look through the whole window again, then make the mark live.
//! Whoever marks later sees the earlier mark and clears it or yields; so no key ever has two live slots, and no bucket
//! is ever filled twice. (That the lower index wins keeps the two from clearing each other for ever.) A mark carries a number that no other mark has: a worker that was stopped cannot
//! take another worker's mark for its own. A mark left behind by a killed worker may be cleared by anyone.
//!
//! A slot may be given to another key only when its bucket has been full for [`CLOCK_SLACK_NS`]: evicting it changes
//! nothing, so eviction never grants a token. A bucket that gateways share holds the word of a stock in place of its TAT
//! ([`headgate_engine::stock`]); read as a number, it lies beyond the time until which the stock is good.
//!
//! A key goes into the first place that it can have, and a slot that was ever used never becomes 0 again. So no key lies
//! behind a slot that nobody has used yet, and every search ends there.

use core::sync::atomic::Ordering;

use headgate_engine::limit::{conforms, Charge, Claim, Denial, CLOCK_SLACK_NS};
use headgate_engine::stock::{self, Decision, Shared, Stock, Terms};

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

/// What a charge makes of a bucket that only this gateway has: its new TAT, if that is to be written, or for how long it is short.
fn own_decision(tat: Result<Option<u64>, u64>) -> Decision {
    let verdict = tat.map(|_| ()).map_err(Denial::Empty);
    Decision { word: tat.unwrap_or_default(), announce: false, verdict }
}

/// The mask of claim number `claim`, if it is to be in one.
fn bit(claim: usize, is_in: bool) -> u16 {
    u16::from(is_in).checked_shl(claim as u32).unwrap_or(0)
}

/// What becomes of the claims of which one is not met.
fn denied(denial: Denial, claim: usize, forfeited: usize) -> Charge {
    match denial {
        Denial::Empty(retry_after) => Charge::Refused { claim, retry_after, forfeited },
        Denial::Unanswered { told } => Charge::Unanswered { told: bit(claim, told), forfeited },
    }
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
    Denied(Denial),
    Overflow,
}

/// What the second scan found.
enum Second {
    /// Nobody else is at the key: the mark may be made live.
    Alone,
    /// The key has a live slot, or somebody's mark goes before ours.
    Yield,
}

/// Whoever charges: what the table needs of it.
pub trait Charger {
    /// A number below 2⁶³ that no other mark of the table carries.
    fn next_mark(&self) -> u64;
    /// A slot has changed from one key to another.
    fn note_reuse(&self) {}
    /// What the memory says of a limit that gateways share.
    fn terms(&self, _row: u32) -> Terms {
        Terms { credit: 0, waits: false, reachable: false }
    }
    /// More of a key of the limit of this row is wanted; at once, if a request waits for it.
    fn want(&self, _key: u64, _row: u32, _at_once: bool) {}
}

/// The table as one worker sees it. The number of slots is a power of two.
///
/// It goes by value into what is kept out of line, so that no table need be put together where the first look is enough.
pub struct Table<'a, W, C> {
    slots: &'a [W],
    charger: &'a C,
    bounds: Bounds,
}

impl<W, C> Clone for Table<'_, W, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, C> Copy for Table<'_, W, C> {}

impl<'a, W: Word<u128>, C: Charger> Table<'a, W, C> {
    /// Over slots whose number is a power of two.
    #[inline]
    pub fn new(slots: &'a [W], charger: &'a C) -> Self {
        Self::bounded(slots, charger, BOUNDS)
    }

    /// With other bounds; the proofs use short ones.
    #[inline]
    pub fn bounded(slots: &'a [W], charger: &'a C, bounds: Bounds) -> Self {
        debug_assert!(slots.len().is_power_of_two(), "{} slots", slots.len());
        let window = bounds.window.min(slots.len());
        Self { slots, charger, bounds: Bounds { window, ..bounds } }
    }

    /// Takes tokens for all claims or for none.
    #[inline]
    pub fn charge(self, claims: &[Claim], now: u64) -> Charge {
        match claims {
            [claim] => self.charge_one(claim, now),
            _ => self.charge_all(claims, now),
        }
    }

    /// Takes what one claim wants: one look and one exchange where the key lies in its first place and nobody interferes.
    #[inline]
    fn charge_one(self, claim: &Claim, now: u64) -> Charge {
        let (key, index) = (name(claim), self.place(name(claim), 0));
        let mut first = self.at(index);
        if claim.shared.is_none() && first.is_live(key) {
            if let Ok(tat) = conforms(first.tat(), now, claim.rate, claim.cost) {
                if claim.cost == 0 || self.replace(index, first, Slot::live(key, tat)) {
                    return Charge::Allowed;
                }
                first = self.at(index);
            }
        }
        self.charge_in_window(*claim, now, first)
    }

    /// The same, wherever the key lies or may be put, and whatever comes of it. `first`: what was found in its first place.
    #[inline(never)] // so that the common way is short enough to stand in its callers
    fn charge_in_window(self, claim: Claim, now: u64, first: Slot) -> Charge {
        match self.take(&claim, now, first) {
            Outcome::Met(_) => Charge::Allowed,
            Outcome::Denied(denial) => denied(denial, 0, 0),
            Outcome::Overflow if claim.must_fit => Charge::NoPlace { claim: 0, forfeited: 0 },
            Outcome::Overflow => Charge::Overflow { claims: 1 },
        }
    }

    /// Takes what a claim wants, which nobody can refuse any more: the bucket may come to owe it. False: the table has no
    /// place for the key.
    pub fn owe(&self, claim: &Claim, now: u64) -> bool {
        let first = self.first(name(claim));
        let outcome = match claim.shared {
            None => {
                let owe = |tat| own_decision(Ok(Some(claim.rate.owing(tat, now, claim.cost))));
                self.settle(claim, now, first, owe)
            }
            Some(shared) => self.settle(claim, now, first, |word| {
                stock::owe(word, claim, shared, self.charger.terms(shared.row), now)
            }),
        };
        matches!(outcome, Outcome::Met(_))
    }

    /// Gives the word of a key's live slot another one, which `change` makes of it; returns both, or None where it has no slot
    /// or others change it all the time. For the keeper of the stocks: it inserts nothing.
    pub fn change(&self, key: u64, now: u64, change: impl Fn(u64) -> u64) -> Option<(u64, u64)> {
        let key = key.max(1);
        for _ in 0..self.bounds.tries {
            let Found::Live(index, before) = self.find(key, self.first(key), now) else { return None };
            let after = Slot::live(before.key(), change(before.tat()));
            if before == after || self.replace(index, before, after) {
                return Some((before.tat(), after.tat()));
            }
        }
        None
    }

    /// The TAT of a key; 0, that of a full bucket, where it has none.
    pub fn tat(&self, key: u64, now: u64) -> u64 {
        let key = key.max(1);
        match self.find(key, self.first(key), now) {
            Found::Live(_, slot) => slot.tat(),
            Found::Place(..) | Found::Nothing => 0,
        }
    }

    /// Looks at all buckets before it writes to any: a request that one limit refuses costs the others nothing, and waits for
    /// no answer.
    #[inline(never)] // as above
    fn charge_all(self, claims: &[Claim], now: u64) -> Charge {
        let mut waits = false;
        for (index, claim) in claims.iter().enumerate() {
            match self.look(claim, now) {
                Ok(()) => {}
                Err(Denial::Unanswered { .. }) => waits = true,
                Err(denial) => return denied(denial, index, 0),
            }
        }
        let awaited = if waits { self.ask_all(claims, now) } else { None };
        awaited.unwrap_or_else(|| self.take_all(claims, now))
    }

    /// Asks the keeper for all that is not there, at once: who is told of one bucket after the other waits as often. Takes
    /// nothing. None: the answers have come meanwhile.
    #[cold]
    fn ask_all(&self, claims: &[Claim], now: u64) -> Option<Charge> {
        let (mut waits, mut all_told) = (false, 0);
        for (index, claim) in claims.iter().enumerate() {
            if claim.shared.is_none() || self.look(claim, now).is_ok() {
                continue;
            }
            match self.take(claim, now, self.first(name(claim))) {
                Outcome::Denied(Denial::Unanswered { told }) => {
                    waits = true;
                    all_told |= bit(index, told);
                }
                Outcome::Denied(denial) => return Some(denied(denial, index, 0)),
                Outcome::Met(Some(taken)) if !self.give_back(&taken) => {
                    let _ = self.change(name(claim), now, |word| Stock::of_word(word).with(1).to_word());
                }
                Outcome::Met(_) | Outcome::Overflow => {}
            }
        }
        waits.then_some(Charge::Unanswered { told: all_told, forfeited: 0 })
    }

    /// Would a claim be met now?
    fn look(&self, claim: &Claim, now: u64) -> Result<(), Denial> {
        let word = self.tat(claim.key, now);
        if let Some(shared) = claim.shared {
            return self.ask(word, claim, shared, now).verdict;
        }
        let tat = claim.rate.emptied(word, now).unwrap_or(word);
        conforms(tat, now, claim.rate, claim.cost).map(|_| ()).map_err(Denial::Empty)
    }

    /// What a claim makes of a stock.
    fn ask(&self, word: u64, claim: &Claim, shared: Shared, now: u64) -> Decision {
        stock::take(word, claim, shared, self.charger.terms(shared.row), now)
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
                Outcome::Denied(denial) => {
                    return denied(denial, index, self.give_all_back(&taken, index));
                }
                Outcome::Overflow if claim.must_fit => {
                    return Charge::NoPlace { claim: index, forfeited: self.give_all_back(&taken, index) };
                }
                Outcome::Overflow => overflow |= bit(index, true),
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

    /// Takes tokens from one bucket. A claim of nothing takes nothing: of a bucket that only this gateway has it writes nothing, of a stock
    /// perhaps that more is wanted. `first`: what was found in the key's first place.
    fn take(&self, claim: &Claim, now: u64, first: Slot) -> Outcome {
        let Claim { rate, cost, .. } = *claim;
        match claim.shared {
            None => self.settle(claim, now, first, |tat| {
                own_decision(conforms(tat, now, rate, cost).map(|tat| Some(tat).filter(|_| cost > 0)))
            }),
            Some(shared) => self.settle(claim, now, first, |word| self.ask(word, claim, shared, now)),
        }
    }

    /// Does with a claim's bucket what `decide` says of its TAT, or its stock.
    fn settle(&self, claim: &Claim, now: u64, mut first: Slot, decide: impl Fn(u64) -> Decision) -> Outcome {
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

    /// What came of a decision that was carried out.
    #[inline]
    fn carried_out(&self, claim: &Claim, decision: &Decision, taken: Option<Taken>) -> Outcome {
        if let Some(shared) = claim.shared.filter(|_| decision.announce) {
            self.charger.want(
                name(claim),
                shared.row,
                matches!(decision.verdict, Err(Denial::Unanswered { .. })),
            );
        }
        match decision.verdict {
            Ok(()) => Outcome::Met(taken),
            Err(denial) => Outcome::Denied(denial),
        }
    }

    /// None: the slot changed meanwhile.
    #[inline]
    fn settle_live(
        &self,
        claim: &Claim,
        now: u64,
        index: usize,
        before: Slot,
        decide: impl Fn(u64) -> Decision,
    ) -> Option<Outcome> {
        let decision = decide(before.tat());
        if let Some(word) = decision.word {
            let after = Slot::live(before.key(), word);
            let taken = Taken { index, before, after };
            return self
                .replace(index, before, after)
                .then(|| self.carried_out(claim, &decision, Some(taken)));
        }
        let is_own = claim.shared.is_none() && decision.verdict.is_err();
        match claim.rate.emptied(before.tat(), now).filter(|_| is_own) {
            None => Some(self.carried_out(claim, &decision, None)),
            Some(empty) => {
                self.replace(index, before, Slot::live(before.key(), empty));
                None
            }
        }
    }

    /// A key without a slot has a full bucket. None: somebody else was at the key or at the place.
    fn settle_new(
        &self,
        claim: &Claim,
        index: usize,
        reusable: Slot,
        decide: impl Fn(u64) -> Decision,
    ) -> Option<Outcome> {
        let decision = decide(0);
        let Some(word) = decision.word else { return Some(self.carried_out(claim, &decision, None)) };
        let after = Slot::live(name(claim), word);
        let taken = Taken { index, before: Slot::VACANT, after };
        self.insert(index, reusable, after).then(|| self.carried_out(claim, &decision, Some(taken)))
    }

    /// Puts a key that has no live slot into a free one. False: start again, somebody else was at it.
    fn insert(&self, index: usize, reusable: Slot, after: Slot) -> bool {
        let mark = Slot::mark(after.key(), self.charger.next_mark());
        if !self.replace(index, reusable, mark) {
            return false;
        }
        match self.second_scan(after.key(), index) {
            Second::Alone => {
                let done = self.replace(index, mark, after);
                if done && reusable.key() != 0 && reusable.key() != after.key() {
                    self.charger.note_reuse();
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
