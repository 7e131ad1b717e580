//! An in-process [`State`](super::State) for tests: exact, single-threaded, and open to whoever sets the scene.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use super::{Bank, Counter, Hold, Instance, LimitDecision, PublishedRing, State, NO_SLOT};
use crate::limit::{conforms, Charge, Claim, Denial};
use crate::pass_through::{End, Passed};
use crate::queue::{Front, WaitEnd};
use crate::random::Random;
use crate::retry_budget::{RetryBudget, Traffic};
use crate::selection::ring::{self, Point, Ring};
use crate::selection::{candidates, smooth_sequence, Candidates, Fitness, Latency, Member};
use crate::stock::{self, Decision, Stock, Terms};

/// The words of one instance.
#[derive(Clone, Copy, Debug)]
struct Words {
    generation: u32,
    weight: u32,
    /// `None` is the weight.
    capacity: Option<u32>,
    fitness: Fitness,
    backup: bool,
    elsewhere: bool,
    started: u64,
    latency: Latency,
    /// 0 is no cap.
    cap: u32,
    in_flight: u32,
    failures: u32,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            generation: 0,
            weight: 1,
            capacity: None,
            fitness: Fitness::Fit,
            backup: false,
            elsewhere: false,
            started: 0,
            latency: Latency::default(),
            cap: 0,
            in_flight: 0,
            failures: 0,
        }
    }
}

/// One published bank. Banks are never taken back, so one that was read before a change stays as it was.
#[derive(Clone, Debug, Default)]
struct Published {
    /// But for its offset.
    bank: Bank,
    candidates: Vec<u32>,
    turns: Vec<u32>,
}

/// Shared state that is not shared. A slot that was never written is a healthy instance of weight 1 without a cap.
#[derive(Debug, Default)]
pub struct FakeState {
    instances: RefCell<HashMap<u32, Words>>,
    members: RefCell<HashMap<u32, Vec<u32>>>,
    published: RefCell<Vec<Published>>,
    panic: Cell<u8>,
    banks: RefCell<HashMap<u32, usize>>,
    turns: RefCell<HashMap<u32, u64>>,
    drawn_rings: RefCell<Vec<Ring>>,
    rings: RefCell<HashMap<u32, PublishedRing>>,
    /// Theoretical arrival time by bucket key.
    buckets: RefCell<HashMap<u64, u64>>,
    bucket_capacity: Cell<Option<usize>>,
    /// Claims beyond the credit wait for an answer.
    waits: Cell<bool>,
    /// Requests that began to wait for one.
    wants: Cell<u32>,
    calls_of_keeper: Cell<u32>,
    granted_when_called: Cell<Option<(i64, bool)>>,
    /// What stocks with credit may owe, of every limit.
    credit: Cell<u32>,
    /// Retries by service.
    retries: RefCell<HashMap<u32, u64>>,
    /// Those who wait, by service.
    waiting: RefCell<HashMap<u32, u32>>,
    /// What this worker and another one have published of their lines.
    fronts: RefCell<HashMap<u32, Front>>,
    front_elsewhere: Cell<Option<Front>>,
    /// Whose cap is raised by one as soon as somebody waits.
    freed_late: Cell<Option<u32>>,
    woken: Cell<u32>,
    wait_ends: RefCell<HashMap<u32, [u64; WaitEnd::NAMES.len()]>>,
    /// Nanoseconds of those who were served.
    waited: Cell<u64>,
    /// Holds by key; their places are counted up.
    holds: RefCell<Vec<(u64, bool)>>,
    holds_uncounted: Cell<bool>,
    requests: RefCell<BTreeMap<(u32, u16), u64>>,
    passed: RefCell<BTreeMap<u32, [u64; Passed::COUNT]>>,
    pass_ends: RefCell<BTreeMap<u32, Vec<End>>>,
    durations: RefCell<HashMap<u32, Vec<u64>>>,
    decisions: RefCell<HashMap<u32, [u64; LimitDecision::NAMES.len()]>>,
    counters: Cell<[u64; Counter::NAMES.len()]>,
    calls_until_panic: Cell<Option<u32>>,
}

/// Setting the scene.
impl FakeState {
    /// No services, no instances, empty buckets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a service its members and publishes them.
    pub fn set_members(&self, service: u32, slots: &[u32]) {
        self.members.borrow_mut().insert(service, slots.to_vec());
        self.publish(service);
    }

    /// Publishes a service's bank anew, as the supervisor does after a change of health or weight. Until then a
    /// change is seen in the instance's words only.
    pub fn publish(&self, service: u32) {
        let slots = self.members.borrow().get(&service).cloned().unwrap_or_default();
        let Candidates { eligible, standby, panic } =
            candidates(&slots.iter().map(|&slot| self.member(slot)).collect::<Vec<_>>(), self.panic.get());
        let weights: Vec<u32> = eligible.iter().map(|member| member.weight).collect();
        let turns: Vec<u32> =
            smooth_sequence(&weights).into_iter().map(|index| eligible[index as usize].slot).collect();
        let listed = eligible.iter().chain(standby.iter().flatten());
        let candidates: Vec<u32> = listed.map(|member| member.slot).collect();
        let bank = Bank {
            offset: 0,
            members: slots.len() as u32,
            eligible: eligible.len() as u32,
            standby: standby.map(|group| group.len() as u32),
            turns: turns.len() as u32,
            panic,
            last_start: candidates.iter().map(|&slot| self.started(slot)).max().unwrap_or(0),
        };
        let mut published = self.published.borrow_mut();
        published.push(Published { bank, candidates, turns });
        self.banks.borrow_mut().insert(service, published.len() - 1);
    }

    /// Publishes the ring of a service's members, or, as an `index`, one with a single point for each.
    pub fn publish_ring(&self, service: u32, index: bool) {
        let slots = self.members.borrow().get(&service).cloned().unwrap_or_default();
        let member =
            |&slot: &u32| ring::Member { slot, identity: self.identity(slot), weight: self.weight(slot) };
        let members: Vec<ring::Member> = slots.iter().map(member).collect();
        let drawn = if index { Ring::index_of(&members) } else { Ring::of(&members) };
        let mut drawn_rings = self.drawn_rings.borrow_mut();
        let lines = drawn.points.len() as u32 / ring::LINE;
        let ring = PublishedRing { offset: drawn_rings.len() as u32, arcs: drawn.arcs, lines };
        self.rings.borrow_mut().insert(service, ring);
        drawn_rings.push(drawn);
    }

    fn member(&self, slot: u32) -> Member {
        let Words { weight, fitness, backup, elsewhere, .. } = self.words(slot);
        Member { slot, weight, fitness, backup, elsewhere }
    }

    /// Sets below which percentage of fit members all are used; without it never.
    pub fn set_panic(&self, percent: u8) {
        self.panic.set(percent);
    }

    /// An operator takes the instance out.
    pub fn disable(&self, slot: u32) {
        self.write(slot, |words| words.fitness = Fitness::Disabled);
    }

    /// Makes the instance a backup, or a primary again.
    pub fn set_backup(&self, slot: u32, backup: bool) {
        self.write(slot, |words| words.backup = backup);
    }

    /// Puts the instance into another zone than the gateway's, or into that.
    pub fn set_elsewhere(&self, slot: u32, elsewhere: bool) {
        self.write(slot, |words| words.elsewhere = elsewhere);
    }

    /// Sets how much the instance can carry; without it that is its weight.
    pub fn set_capacity(&self, slot: u32, capacity: u32) {
        self.write(slot, |words| words.capacity = Some(capacity));
    }

    /// Sets when the instance came, in nanoseconds; 0 for always.
    pub fn set_started(&self, slot: u32, started: u64) {
        self.write(slot, |words| words.started = started);
    }

    /// Sets what is known of the instance's latency.
    pub fn set_latency(&self, slot: u32, latency: Latency) {
        self.write(slot, |words| words.latency = latency);
    }

    /// Sets the health word: may the instance be selected?
    pub fn set_health(&self, slot: u32, healthy: bool) {
        self.write(slot, |words| words.fitness = if healthy { Fitness::Fit } else { Fitness::Unfit });
    }

    /// Sets the weight; the turns of its services follow at the next [`FakeState::publish`].
    pub fn set_weight(&self, slot: u32, weight: u32) {
        self.write(slot, |words| words.weight = weight);
    }

    /// Sets how many exchanges the instance may hold; 0 for any number.
    pub fn set_cap(&self, slot: u32, cap: u32) {
        self.write(slot, |words| words.cap = cap);
    }

    /// Sets how many exchanges the instance holds.
    pub fn set_in_flight(&self, slot: u32, in_flight: u32) {
        self.write(slot, |words| words.in_flight = in_flight);
    }

    /// Sets how often in a row the instance has failed.
    pub fn set_failures(&self, slot: u32, failures: u32) {
        self.write(slot, |words| words.failures = failures);
    }

    /// Has the instance take one exchange more from the moment on at which all workers can see that somebody waits.
    pub fn free_a_place_when_somebody_waits(&self, slot: u32) {
        self.freed_late.set(Some(slot));
    }

    /// Somebody waits at another worker, for every service.
    pub fn set_front_elsewhere(&self, front: Option<Front>) {
        self.front_elsewhere.set(front);
    }

    /// Gives the slot to another occupant.
    pub fn set_generation(&self, slot: u32, generation: u32) {
        self.write(slot, |words| words.generation = generation);
    }

    /// Bounds the number of bucket keys; a further one overflows.
    pub fn set_bucket_capacity(&self, keys: usize) {
        self.bucket_capacity.set(Some(keys));
    }

    /// What a stock with credit may owe.
    pub fn set_credit(&self, tokens: u32) {
        self.credit.set(tokens);
    }

    fn terms(&self) -> Terms {
        Terms { credit: self.credit.get(), waits: self.waits.get(), reachable: true }
    }

    /// Has claims beyond that wait for the keeper's answer, or refuses them.
    pub fn set_waits(&self, waits: bool) {
        self.waits.set(waits);
    }

    /// The keeper adds to all stocks. `short`: that is all there is.
    pub fn grant(&self, tokens: i64, short: bool) {
        for word in self.buckets.borrow_mut().values_mut() {
            let stock = Stock::of_word(*word).with(tokens);
            *word = Stock { credit: !short, wanted: false, ..stock }.to_word();
        }
    }

    /// The keeper adds so many as soon as it is called, as [`FakeState::grant`] does.
    pub fn grant_when_called(&self, tokens: i64, short: bool) {
        self.granted_when_called.set(Some((tokens, short)));
    }

    /// Requests that the keeper was told of because they wait, and how often it was called.
    pub fn asked(&self) -> (u32, u32) {
        (self.wants.get(), self.calls_of_keeper.get())
    }

    /// The keeper is told of what waits, and called: by key, with what the claim makes of the stock, and its bit if told.
    fn ask(&self, unanswered: &[(u64, Decision, u16)]) -> Charge {
        let mut told = 0;
        for (key, decision, bit) in unanswered {
            told |= bit;
            decision.word.and_then(|word| self.buckets.borrow_mut().insert(*key, word));
            self.wants.set(self.wants.get() + u32::from(decision.announce));
        }
        if unanswered.iter().any(|(_, decision, _)| decision.announce) {
            self.calls_of_keeper.set(self.calls_of_keeper.get() + 1);
            if let Some((tokens, short)) = self.granted_when_called.take() {
                self.grant(tokens, short);
            }
        }
        Charge::Unanswered { told, forfeited: 0 }
    }

    /// Breaks the promise of [`State`]: the call after so many of those that change something panics. (One that gives a
    /// reservation back does not: nobody could do it then.)
    pub fn panic_after(&self, calls: u32) {
        self.calls_until_panic.set(Some(calls));
    }

    /// Has the panic come?
    pub fn has_panicked(&self) -> bool {
        self.calls_until_panic.get().is_none()
    }

    fn call(&self) {
        if let Some(left) = self.calls_until_panic.take() {
            assert!(left > 0, "a panic that was asked for");
            self.calls_until_panic.set(Some(left - 1));
        }
    }

    /// The instance that occupies a slot.
    pub fn instance(&self, slot: u32) -> Instance {
        Instance { slot, generation: self.generation(slot) }
    }

    fn write(&self, slot: u32, change: impl FnOnce(&mut Words)) {
        change(self.instances.borrow_mut().entry(slot).or_default());
    }

    fn words(&self, slot: u32) -> Words {
        self.instances.borrow().get(&slot).copied().unwrap_or_default()
    }

    fn in_bank<T>(&self, bank: Bank, read: impl FnOnce(&Published) -> Option<T>) -> Option<T> {
        self.published.borrow().get(bank.offset as usize).and_then(read)
    }
}

/// Reading what was counted.
impl FakeState {
    /// Requests counted in a row, as (status code, count).
    pub fn requests(&self, row: u32) -> Vec<(u16, u64)> {
        let requests = self.requests.borrow();
        requests.range((row, 0)..=(row, u16::MAX)).map(|(&(_, code), &count)| (code, count)).collect()
    }

    /// What a row counts of connections that are passed through: their number, bytes of clients, bytes for clients.
    pub fn passed(&self, row: u32) -> [u64; Passed::COUNT] {
        self.passed.borrow().get(&row).copied().unwrap_or_default()
    }

    /// How those have ended.
    pub fn pass_ends(&self, row: u32) -> Vec<End> {
        self.pass_ends.borrow().get(&row).cloned().unwrap_or_default()
    }

    /// Every duration observed for a service, in nanoseconds.
    pub fn durations(&self, service: u32) -> Vec<u64> {
        self.durations.borrow().get(&service).cloned().unwrap_or_default()
    }

    /// Decisions of a limit, indexed by [`LimitDecision`].
    pub fn limit_decisions(&self, row: u32) -> [u64; LimitDecision::NAMES.len()] {
        self.decisions.borrow().get(&row).copied().unwrap_or_default()
    }

    /// Failures in a row of an instance.
    pub fn failures(&self, slot: u32) -> u32 {
        self.words(slot).failures
    }

    /// Those who wait in the queue of a service, and whose turn is next.
    pub fn queue(&self, service: u32) -> (u32, Option<Front>) {
        let waiting = self.waiting.borrow().get(&service).copied().unwrap_or_default();
        (waiting, self.fronts.borrow().get(&service).copied())
    }

    /// How often somebody was woken because a place may have come free.
    pub fn woken(&self) -> u32 {
        self.woken.get()
    }

    /// Ends of those who wanted to wait for a service, indexed by [`WaitEnd`].
    pub fn wait_ends(&self, service: u32) -> [u64; WaitEnd::NAMES.len()] {
        self.wait_ends.borrow().get(&service).copied().unwrap_or_default()
    }

    /// Nanoseconds that those waited, of all services together, who got what they waited for.
    pub fn waited(&self) -> u64 {
        self.waited.get()
    }

    /// What is held by a key.
    pub fn held_by(&self, key: u64) -> u32 {
        self.holds.borrow().iter().filter(|&&hold| hold == (key, true)).count() as u32
    }

    /// From here on nothing more can be held.
    pub fn set_no_room_for_holds(&self) {
        self.holds_uncounted.set(true);
    }

    /// What is held by all keys.
    pub fn held_by_keys(&self) -> usize {
        self.holds.borrow().iter().filter(|(_, held)| *held).count()
    }

    /// One of the worker's counters.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters.get()[counter as usize]
    }
}

impl State for FakeState {
    fn bank(&self, service: u32) -> Bank {
        let Some(&offset) = self.banks.borrow().get(&service) else { return Bank::default() };
        let offset = offset as u32;
        let bank = Bank { offset, ..Bank::default() };
        self.in_bank(bank, |published| Some(Bank { offset, ..published.bank })).unwrap_or_default()
    }

    fn candidate(&self, bank: Bank, index: u32) -> u32 {
        self.in_bank(bank, |published| published.candidates.get(index as usize).copied()).unwrap_or(NO_SLOT)
    }

    fn turn(&self, bank: Bank, index: u32) -> u32 {
        self.in_bank(bank, |published| published.turns.get(index as usize).copied()).unwrap_or(NO_SLOT)
    }

    fn next_turn(&self, service: u32) -> u64 {
        let mut turns = self.turns.borrow_mut();
        let next = turns.entry(service).or_default();
        let turn = *next;
        *next = turn.wrapping_add(1);
        turn
    }

    fn ring(&self, service: u32) -> PublishedRing {
        self.rings.borrow().get(&service).copied().unwrap_or_default()
    }

    fn ring_before(&self, ring: PublishedRing, line: u32, position: u32) -> u32 {
        let is_before = |index: &u32| self.ring_point(ring, *index).position < position;
        (line * ring::LINE..(line + 1) * ring::LINE).filter(is_before).count() as u32
    }

    fn ring_point(&self, ring: PublishedRing, index: u32) -> Point {
        let drawn_rings = self.drawn_rings.borrow();
        let point =
            drawn_rings.get(ring.offset as usize).and_then(|it| it.points.get(index as usize).copied());
        point.unwrap_or(Point { position: u32::MAX, slot: NO_SLOT })
    }

    /// As if hashed from the slot and its generation.
    fn identity(&self, slot: u32) -> u64 {
        Random::new(u64::from(self.generation(slot)) << 32 | u64::from(slot)).bits()
    }

    fn is_eligible(&self, slot: u32) -> bool {
        self.words(slot).fitness == Fitness::Fit
    }

    fn is_backup(&self, slot: u32) -> bool {
        self.words(slot).backup
    }

    fn is_enabled(&self, slot: u32) -> bool {
        self.words(slot).fitness != Fitness::Disabled
    }

    fn generation(&self, slot: u32) -> u32 {
        self.words(slot).generation
    }

    fn put_address(&self, instance: Instance, out: &mut String) -> bool {
        let occupied = self.generation(instance.slot) == instance.generation;
        if occupied {
            let _ = write!(out, "10.0.0.{}:80", instance.slot); // a String takes everything
        }
        occupied
    }

    fn weight(&self, slot: u32) -> u32 {
        self.words(slot).weight
    }

    fn capacity(&self, slot: u32) -> u32 {
        let words = self.words(slot);
        words.capacity.unwrap_or(words.weight)
    }

    fn started(&self, slot: u32) -> u64 {
        self.words(slot).started
    }

    fn latency(&self, slot: u32) -> Latency {
        self.words(slot).latency
    }

    fn replace_latency(&self, slot: u32, known: Latency, new: Latency) {
        self.call();
        self.write(slot, |words| {
            if words.latency == known {
                words.latency = new;
            }
        });
    }

    fn in_flight(&self, slot: u32) -> u32 {
        self.words(slot).in_flight
    }

    fn reserve(&self, slot: u32) -> bool {
        self.call();
        let words = self.words(slot);
        let room = words.cap == 0 || words.in_flight < words.cap;
        if room {
            self.set_in_flight(slot, words.in_flight + 1);
        }
        room
    }

    fn release(&self, slot: u32) {
        self.write(slot, |words| words.in_flight = words.in_flight.saturating_sub(1));
    }

    fn hand_on(&self, slot: u32, service: u32, now: u64) {
        self.release(slot);
        self.wake_next(service, now);
    }

    fn enter_queue(&self, service: u32, size: u32) -> bool {
        self.call();
        let mut all = self.waiting.borrow_mut();
        let waiting = all.entry(service).or_default();
        let room = *waiting < size;
        *waiting += u32::from(room);
        room
    }

    fn leave_queue(&self, service: u32) {
        *self.waiting.borrow_mut().entry(service).or_default() -= 1;
    }

    fn publish_front(&self, service: u32, front: Option<Front>) {
        let mut fronts = self.fronts.borrow_mut();
        match front {
            Some(front) => fronts.insert(service, front),
            None => fronts.remove(&service),
        };
        if let Some(slot) = self.freed_late.take() {
            self.write(slot, |words| words.cap += 1);
        }
    }

    fn is_ahead(&self, _: u32, mine: Front, _: u64) -> bool {
        self.front_elsewhere.get().is_some_and(|front| front.is_before(mine))
    }

    fn wake_next(&self, service: u32, _: u64) {
        let awaited = self.fronts.borrow().contains_key(&service) || self.front_elsewhere.get().is_some();
        self.woken.set(self.woken.get() + u32::from(awaited));
    }

    fn count_wait(&self, service: u32, end: WaitEnd, waited: u64) {
        self.call();
        if end == WaitEnd::Served {
            self.waited.set(self.waited.get() + waited);
        }
        self.wait_ends.borrow_mut().entry(service).or_default()[end as usize] += 1;
    }

    fn note_failure(&self, slot: u32) {
        self.call();
        self.write(slot, |words| words.failures += 1);
    }

    fn note_answer(&self, slot: u32) {
        self.call();
        self.write(slot, |words| words.failures = 0);
    }

    fn hold(&self, key: u64, most: u32) -> Hold {
        if self.held_by(key) >= most {
            return Hold::Full;
        }
        if self.holds_uncounted.get() {
            return Hold::Uncounted;
        }
        let mut holds = self.holds.borrow_mut();
        holds.push((key, true));
        Hold::Held { place: holds.len() as u32 - 1 }
    }

    fn is_full(&self, key: u64, most: u32) -> bool {
        self.call();
        self.held_by(key) >= most
    }

    fn hold_in_turn(&self, key: u64, most: u32) -> Hold {
        self.hold(key, most)
    }

    fn release_hold(&self, place: u32) {
        let held = std::mem::take(&mut self.holds.borrow_mut()[place as usize].1);
        assert!(held, "given back twice");
    }

    /// As if everything had happened within the window.
    fn retry(&self, service: u32, budget: RetryBudget, _: u64) -> bool {
        self.call();
        let mut all = self.retries.borrow_mut();
        let retries = all.entry(service).or_default();
        let traffic = Traffic { requests: self.durations(service).len() as u64, retries: *retries + 1 };
        let allowed = budget.allows(traffic);
        *retries += u64::from(allowed);
        allowed
    }

    fn take_retry_back(&self, service: u32) {
        *self.retries.borrow_mut().entry(service).or_default() -= 1;
    }

    /// Charges a copy of the buckets claim by claim, so that claims on one bucket see each other, and keeps the copy
    /// only when no claim was refused.
    fn charge(&self, claims: &[Claim], now: u64) -> Charge {
        self.call();
        let mut buckets = self.buckets.borrow().clone();
        let (mut overflow, mut unanswered) = (0, vec![]);
        for (index, claim) in claims.iter().enumerate() {
            let known = buckets.contains_key(&claim.key);
            if !known && self.bucket_capacity.get().is_some_and(|capacity| buckets.len() >= capacity) {
                if claim.must_fit {
                    return Charge::NoPlace { claim: index, forfeited: 0 };
                }
                overflow |= 1 << index;
                continue;
            }
            let stored = buckets.get(&claim.key).copied().unwrap_or(0);
            if let Some(shared) = claim.shared {
                let decision = stock::take(stored, claim, shared, self.terms(), now);
                match decision.verdict {
                    Ok(()) => buckets.insert(claim.key, decision.word.unwrap_or(stored)),
                    Err(Denial::Empty(retry_after)) => {
                        return Charge::Refused { claim: index, retry_after, forfeited: 0 };
                    }
                    Err(Denial::Unanswered { told }) => {
                        unanswered.push((claim.key, decision, u16::from(told) << index));
                        None
                    }
                };
                continue;
            }
            let tat = claim.rate.emptied(stored, now).unwrap_or(stored);
            match conforms(tat, now, claim.rate, claim.cost) {
                Ok(_) if claim.cost == 0 => None,
                Ok(tat) => buckets.insert(claim.key, tat),
                Err(retry_after) => return Charge::Refused { claim: index, retry_after, forfeited: 0 },
            };
        }
        if !unanswered.is_empty() {
            return self.ask(&unanswered);
        }
        self.buckets.replace(buckets);
        match overflow {
            0 => Charge::Allowed,
            claims => Charge::Overflow { claims },
        }
    }

    fn owe(&self, claim: &Claim, now: u64) -> bool {
        self.call();
        let mut buckets = self.buckets.borrow_mut();
        let tat = buckets.get(&claim.key).copied().unwrap_or(0);
        let has_room = self.bucket_capacity.get().is_none_or(|capacity| buckets.len() < capacity);
        let fits = buckets.contains_key(&claim.key) || has_room;
        if fits {
            let owing = match claim.shared {
                None => claim.rate.owing(tat, now, claim.cost),
                Some(shared) => stock::owe(tat, claim, shared, self.terms(), now).word.unwrap_or(tat),
            };
            buckets.insert(claim.key, owing);
        }
        fits
    }

    fn tat(&self, key: u64, _: u64) -> u64 {
        self.buckets.borrow().get(&key).copied().unwrap_or(0)
    }

    fn hash_seed(&self) -> u64 {
        0x5EED
    }

    fn count_request(&self, row: u32, code: u16) {
        self.call();
        *self.requests.borrow_mut().entry((row, code)).or_default() += 1;
    }

    fn count_passed(&self, row: u32, what: Passed, amount: u64) {
        self.call();
        self.passed.borrow_mut().entry(row).or_default()[what as usize] += amount;
    }

    fn count_pass_end(&self, row: u32, end: End) {
        self.call();
        self.pass_ends.borrow_mut().entry(row).or_default().push(end);
    }

    fn observe_duration(&self, service: u32, nanos: u64) {
        self.call();
        self.durations.borrow_mut().entry(service).or_default().push(nanos);
    }

    fn count_limit(&self, row: u32, decision: LimitDecision) {
        self.call();
        self.decisions.borrow_mut().entry(row).or_default()[decision as usize] += 1;
    }

    fn count(&self, counter: Counter, amount: u64) {
        self.call();
        let mut counters = self.counters.get();
        counters[counter as usize] += amount;
        self.counters.set(counters);
    }
}
