//! A worker's hold on the shared memory: the engine's `State` over the segment and the worker's own lane.

use core::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use headgate_engine::limit::{Charge, Claim};
use headgate_engine::pass_through::{End, Passed};
use headgate_engine::queue::{Front, WaitEnd};
use headgate_engine::retry_budget::{RetryBudget, Traffic};
use headgate_engine::selection::ring::Point;
use headgate_engine::selection::Latency;
use headgate_engine::state::{Bank, Counter, Hold, Instance, LimitDecision, PublishedRing, State, NO_SLOT};
use headgate_engine::stock::Terms;

use crate::bank;
use crate::bucket::{Charger, Table};
use crate::budget;
use crate::cap::{self, Reservation};
use crate::holds;
use crate::instance::{
    may_be_selected, note_answer, note_failure, read_address, Address, HEALTH_DISABLED, TIER_BACKUP,
};
use crate::latency;
use crate::layout::LaneHeader;
use crate::live::{is_live, LiveLanes};
use crate::metrics::{code_index, duration_bucket, DURATION_WORDS, QUEUE_WORDS};
use crate::queue;
use crate::retire;
use crate::ring;
use crate::segment::{OwnLane, Segment};
use crate::stocks::credit_of;
use crate::wakes::{News, Wakes};
use crate::wants::Want;
use crate::word::add_alone;

/// Why a worker has no lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneError {
    /// The lane that was asked for: it does not exist, or the supervisor has not opened it.
    pub lane: u32,
}

impl core::fmt::Display for LaneError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "lane {} is not open", self.lane)
    }
}

impl core::error::Error for LaneError {}

/// Numbers for marks in the bucket table: the lane, its generation and a running number, so no two are the same.
struct LaneMarks {
    next: AtomicU64,
    /// Slots that have changed their key since the last tick.
    reused: AtomicU64,
}

/// Bits of a mark for the running number and, above them, for the lane's generation; 8 more carry the lane.
const RUNNING_BITS: u32 = 40;
const GENERATION_BITS: u32 = 15;

impl LaneMarks {
    fn new(lane: u32, generation: u64) -> Self {
        let generation = generation & ((1 << GENERATION_BITS) - 1);
        let origin = u64::from(lane) << (RUNNING_BITS + GENERATION_BITS) | generation << RUNNING_BITS;
        Self { next: AtomicU64::new(origin), reused: AtomicU64::new(0) }
    }

    fn next(&self) -> u64 {
        // Only the worker's own thread asks.
        let number = self.next.load(Ordering::Relaxed);
        self.next.store(number.wrapping_add(1), Ordering::Relaxed);
        number
    }
}

/// One worker: the segment and the lane that it alone writes.
pub struct Worker {
    lane: OwnLane,
    generation: u64,
    marks: LaneMarks,
    /// None where nobody is to be woken.
    wakes: Wakes,
}

impl Worker {
    /// Takes up a lane that the supervisor has opened.
    pub fn attach(segment: Arc<Segment>, lane: u32) -> Result<Self, LaneError> {
        let header =
            segment.lane_header(lane).filter(|_| is_live(segment.live(), lane)).ok_or(LaneError { lane })?;
        let generation = header.generation.load(Ordering::Acquire);
        let marks = LaneMarks::new(lane, generation);
        Ok(Self { lane: OwnLane::of(segment, lane), generation, marks, wakes: Wakes::default() })
    }

    /// By which it wakes the others.
    #[must_use]
    pub fn waking(self, wakes: Wakes) -> Self {
        Self { wakes, ..self }
    }

    /// The segment.
    #[inline]
    pub fn segment(&self) -> &Arc<Segment> {
        self.lane.segment()
    }

    /// The lane.
    pub fn lane(&self) -> u32 {
        self.lane.number()
    }

    /// Publishes the heartbeat, the epoch of the snapshot and the membership epoch. False: the lane is another
    /// process's by now, nothing was written, and this one must exit. To be called between callbacks, when no bank
    /// is in use.
    pub fn tick(&self, now: u64, snapshot: u64) -> bool {
        let Some((header, membership)) = self.lane.header().zip(self.segment().membership()) else {
            return false;
        };
        let mine = header.generation.load(Ordering::Acquire) == self.generation;
        if !mine || !is_live(self.segment().live(), self.lane()) {
            return false;
        }
        self.count(Counter::LimitSlotsReused, self.marks.reused.swap(0, Ordering::Relaxed));
        let seen = &header.seen.0;
        seen.membership.store(membership.load(Ordering::Acquire), Ordering::Release);
        seen.snapshot.store(snapshot, Ordering::Release);
        seen.heartbeat.store(now, Ordering::Release);
        true
    }

    /// Where an instance listens; None when its slot has another occupant by now.
    pub fn address(&self, slot: u32, generation: u32) -> Option<Address> {
        read_address(self.segment().addresses().get(slot as usize)?, generation)
    }

    /// The health word of a slot's occupant; None when it has another one.
    pub fn health(&self, slot: u32, generation: u32) -> Option<u32> {
        let word = |words: &[AtomicU32]| Some(words.get(slot as usize)?.load(Ordering::Acquire));
        let health = word(self.segment().health())?;
        (word(self.segment().generations())? == generation).then_some(health)
    }

    /// Notes how far the counts of these services have come, once a second, for their retry budgets.
    pub fn note_traffic(&self, services: impl Iterator<Item = u32>, now: u64) {
        let Some(header) = self.lane.header() else { return };
        let (noted, second) = (&header.seen.0.noted, budget::second(now));
        let last = noted.load(Ordering::Relaxed);
        if last >= second {
            return;
        }
        for service in services {
            let row = self.segment().lane_budget(self.lane(), service);
            budget::note(row, self.requests(self.lane(), service), last, second);
        }
        noted.store(second, Ordering::Release);
    }

    /// Requests of a service that a lane has seen to their end.
    fn requests(&self, lane: u32, service: u32) -> u64 {
        let Some(row) = self.segment().layout().rows.durations(service) else { return 0 };
        let buckets = self.segment().lane_counters(lane).get(row.start..row.end - 1).unwrap_or_default();
        buckets.iter().fold(0, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)))
    }

    /// What all lanes have seen of a service in the window that ends in this second.
    fn traffic(&self, service: u32, second: u64) -> Traffic {
        LiveLanes::new(self.segment().live()).fold(Traffic::default(), |sum, lane| {
            let noted = self
                .segment()
                .lane_header(lane)
                .map_or(0, |header| header.seen.0.noted.load(Ordering::Acquire));
            let row = self.segment().lane_budget(lane, service);
            let Traffic { requests, retries } =
                budget::traffic(row, self.requests(lane, service), noted, second);
            Traffic {
                requests: sum.requests.saturating_add(requests),
                retries: sum.retries.saturating_add(retries),
            }
        })
    }

    /// Wakes whoever waits for anything: a place was there for a moment less than it seemed.
    #[cold]
    fn wake_all(&self) {
        self.wakes.all_that_wait(self.segment(), News::Place);
    }

    /// Adds one exchange to the own word for an instance, unless it has as many as its cap by then.
    #[inline]
    fn reserve_below(&self, slot: u32, own: &AtomicU32, cap: u32) -> bool {
        let Some(words) = self.segment().in_flight_column(slot) else {
            self.nonsense();
            return false;
        };
        let others = self.segment().lanes_of_others(self.lane()).filter_map(|lane| words.of_lane(lane));
        let reservation = cap::reserve_below(own, cap, others);
        if reservation == Reservation::Crossed {
            self.wake_all();
        }
        reservation == Reservation::Held
    }

    /// Has the worker of a lane ticked lately?
    fn hears(&self, lane: u32, now: u64) -> bool {
        let heartbeat = |header: &LaneHeader| header.seen.0.heartbeat.load(Ordering::Relaxed);
        let heartbeat = self.segment().lane_header(lane).map_or(0, heartbeat);
        now.saturating_sub(heartbeat) < queue::DEAF_NANOS
    }

    /// The word in the own lane that counts those who wait for a service, and the one that counts all who wait.
    fn waiting(&self, service: u32) -> Option<(&AtomicU32, &AtomicU64)> {
        let own = self.segment().lane_waiting(self.lane()).get(service as usize)?;
        Some((own, &self.lane.header()?.seen.0.waiting))
    }

    /// What is in flight at two instances that are not both there.
    #[cold]
    fn in_flight_of_any(&self, slots: [u32; 2]) -> [u32; 2] {
        slots.map(|slot| self.in_flight(slot))
    }

    #[cold]
    fn nonsense(&self) {
        self.count(Counter::Nonsense, 1);
    }

    /// The value, or its default and a count of what made no sense.
    #[inline]
    fn sensible<T>(&self, value: Option<T>, otherwise: T) -> T {
        value.unwrap_or_else(|| {
            self.nonsense();
            otherwise
        })
    }

    #[inline]
    fn add(&self, index: Option<usize>, amount: u64) {
        let counters = self.lane.counters();
        if !index.is_some_and(|index| retire::count(counters, index, amount)) {
            self.nonsense();
        }
    }
}

impl Charger for Worker {
    fn next_mark(&self) -> u64 {
        self.marks.next()
    }

    fn note_reuse(&self) {
        add_alone(&self.marks.reused, 1);
    }

    fn terms(&self, row: u32) -> Terms {
        let word = self.segment().credits().get(row as usize).map(|word| word.load(Ordering::Relaxed));
        let (credit, waits) = credit_of(self.sensible(word, 0));
        let reachable = self.lane.wants().is_some_and(|wants| wants.has_room());
        Terms { credit, waits, reachable }
    }

    fn want(&self, key: u64, row: u32, at_once: bool) {
        if let Some(wants) = self.lane.wants() {
            wants.push(Want { key, row });
        }
        if at_once {
            self.wakes.keeper(self.segment());
        }
    }
}

impl State for Worker {
    #[inline]
    fn bank(&self, service: u32) -> Bank {
        let word = self.segment().banks().get(service as usize).map(|word| word.load(Ordering::Acquire));
        self.sensible(
            word.and_then(|word| bank::read(self.segment().arena(), word, service)),
            Bank::default(),
        )
    }

    #[inline]
    fn candidate(&self, bank: Bank, index: u32) -> u32 {
        self.sensible(bank::candidate(self.segment().arena(), bank, index), NO_SLOT)
    }

    #[inline]
    fn turn(&self, bank: Bank, index: u32) -> u32 {
        self.sensible(bank::turn(self.segment().arena(), bank, index), NO_SLOT)
    }

    #[inline]
    fn next_turn(&self, service: u32) -> u64 {
        let turn =
            self.segment().turns().get(service as usize).map(|turn| turn.0.fetch_add(1, Ordering::Relaxed));
        self.sensible(turn, 0)
    }

    #[inline]
    fn ring(&self, service: u32) -> PublishedRing {
        let word = self.segment().rings().get(service as usize).map(|word| word.load(Ordering::Acquire));
        let ring = word.and_then(|word| ring::read(self.segment().ring_arena(), word, service));
        self.sensible(ring, PublishedRing::default())
    }

    #[inline]
    fn ring_before(&self, ring: PublishedRing, line: u32, position: u32) -> u32 {
        self.sensible(ring::before(self.segment().ring_arena(), ring, line, position), 0)
    }

    #[inline]
    fn ring_point(&self, ring: PublishedRing, index: u32) -> Point {
        let nowhere = Point { position: u32::MAX, slot: NO_SLOT };
        self.sensible(ring::point(self.segment().ring_arena(), ring, index), nowhere)
    }

    #[inline]
    fn identity(&self, slot: u32) -> u64 {
        let word = self.segment().identities().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn is_eligible(&self, slot: u32) -> bool {
        let health = self.segment().health().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(health.and_then(may_be_selected), false)
    }

    fn is_backup(&self, slot: u32) -> bool {
        let word = self.segment().tiers().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0) & TIER_BACKUP != 0
    }

    #[inline]
    fn is_enabled(&self, slot: u32) -> bool {
        let health = self.segment().health().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(health, HEALTH_DISABLED) & HEALTH_DISABLED == 0
    }

    #[inline]
    fn generation(&self, slot: u32) -> u32 {
        let word = self.segment().generations().get(slot as usize).map(|word| word.load(Ordering::Acquire));
        self.sensible(word, 0)
    }

    fn put_address(&self, instance: Instance, out: &mut String) -> bool {
        let address = self.address(instance.slot, instance.generation);
        address.inspect(|address| address.put(out)).is_some()
    }

    #[inline]
    fn weight(&self, slot: u32) -> u32 {
        let word = self.segment().weights().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn capacity(&self, slot: u32) -> u32 {
        let word = self.segment().room().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn started(&self, slot: u32) -> u64 {
        let word = self.segment().starts().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn latency(&self, slot: u32) -> Latency {
        let word = self.segment().latencies().get(slot as usize);
        self.sensible(word.map(latency::read), Latency::default())
    }

    #[inline]
    fn replace_latency(&self, slot: u32, known: Latency, new: Latency) {
        let word = self.segment().latencies().get(slot as usize);
        self.sensible(word.map(|word| latency::replace(word, known, new)), ());
    }

    #[inline]
    fn in_flight(&self, slot: u32) -> u32 {
        cap::total(self.segment().in_flight(slot), Ordering::Relaxed)
    }

    #[inline]
    fn in_flight_of(&self, slots: [u32; 2]) -> [u32; 2] {
        let columns = slots.map(|slot| self.segment().in_flight_column(slot));
        let [Some(of_a), Some(of_b)] = columns else { return self.in_flight_of_any(slots) };
        let load = |word: Option<&AtomicU32>| word.map_or(0, |word| word.load(Ordering::Relaxed));
        let add = |(a, b): (u32, u32), lane| {
            (a.saturating_add(load(of_a.of_lane(lane))), b.saturating_add(load(of_b.of_lane(lane))))
        };
        LiveLanes::new(self.segment().live()).fold((0, 0), add).into()
    }

    #[inline]
    fn reserve(&self, slot: u32) -> bool {
        let own = self.lane.in_flight().get(slot as usize);
        let Some((own, cap)) = own.zip(self.segment().caps().get(slot as usize)) else {
            self.nonsense();
            return false;
        };
        match cap.load(Ordering::Relaxed) {
            0 => {
                cap::reserve(own);
                true
            }
            cap => self.reserve_below(slot, own, cap),
        }
    }

    #[inline]
    fn release(&self, slot: u32) {
        let own = self.lane.in_flight().get(slot as usize);
        if !own.is_some_and(cap::release) {
            self.nonsense();
        }
    }

    fn hand_on(&self, slot: u32, service: u32, now: u64) {
        let own = self.lane.in_flight().get(slot as usize);
        if !own.is_some_and(cap::release_in_order) {
            self.nonsense();
        }
        self.wake_next(service, now);
    }

    fn enter_queue(&self, service: u32, size: u32) -> bool {
        let Some((own, all)) = self.waiting(service) else {
            self.nonsense();
            return false;
        };
        let others = self.segment().waiting(service).filter(|word| !core::ptr::eq(*word, own));
        let entered = cap::reserve_below(own, size, others) == Reservation::Held;
        if entered {
            all.store(all.load(Ordering::Relaxed).saturating_add(1), Ordering::SeqCst);
        }
        entered
    }

    fn leave_queue(&self, service: u32) {
        let Some((_, all)) = self.waiting(service).filter(|(own, _)| cap::release(*own)) else {
            return self.nonsense();
        };
        all.store(all.load(Ordering::Relaxed).saturating_sub(1), Ordering::Release);
    }

    fn publish_front(&self, service: u32, front: Option<Front>) {
        match self.segment().lane_fronts(self.lane()).get(service as usize) {
            Some(own) => queue::publish(own, front),
            None => self.nonsense(),
        }
    }

    #[inline]
    fn is_ahead(&self, service: u32, mine: Front, now: u64) -> bool {
        let others = self.segment().fronts(service).filter(|&(lane, _)| lane != self.lane());
        queue::is_ahead(others, |lane| self.hears(lane, now), mine)
    }

    #[inline]
    fn wake_next(&self, service: u32, now: u64) {
        fence(Ordering::SeqCst); // holds are given back without an order of their own
        let next = queue::next(self.segment().fronts(service), |lane| self.hears(lane, now));
        if let Some(lane) = next {
            self.wakes.lane(lane, News::Place);
        }
    }

    fn count_wait(&self, service: u32, end: WaitEnd, waited: u64) {
        let start = self.segment().layout().rows.queues(service).map(|row| row.start);
        self.add(start.map(|start| start + end as usize), 1);
        if end == WaitEnd::Served {
            self.add(start.map(|start| start + QUEUE_WORDS - 1), waited);
        }
    }

    #[inline]
    fn hold(&self, key: u64, most: u32) -> Hold {
        let Some(own) = self.lane.holds() else { return Hold::Uncounted };
        holds::hold(&own, key, most, self.segment().holds_of_others(self.lane()))
    }

    fn is_full(&self, key: u64, most: u32) -> bool {
        let others = self.segment().holds_of_others(self.lane());
        holds::total(key, others.chain(self.lane.holds())) >= most
    }

    fn hold_in_turn(&self, key: u64, most: u32) -> Hold {
        let Some(own) = self.lane.holds() else { return Hold::Uncounted };
        if self.is_full(key, most) {
            return Hold::Full;
        }
        let hold = holds::hold(&own, key, most, self.segment().holds_of_others(self.lane()));
        if hold == Hold::Full {
            self.wake_all();
        }
        hold
    }

    #[inline]
    fn release_hold(&self, place: u32) {
        let own = self.lane.holds();
        if !own.is_some_and(|own| holds::release(own.slots, place)) {
            self.nonsense();
        }
    }

    #[inline]
    fn note_failure(&self, slot: u32) {
        self.sensible(self.segment().failures().get(slot as usize).map(note_failure), ());
    }

    #[inline]
    fn note_answer(&self, slot: u32) {
        self.sensible(self.segment().failures().get(slot as usize).map(note_answer), ());
    }

    fn retry(&self, service: u32, budget: RetryBudget, now: u64) -> bool {
        let own = self.segment().lane_budget(self.lane(), service);
        if !budget::add(own) {
            self.nonsense();
            return false;
        }
        let allowed = budget.allows(self.traffic(service, budget::second(now)));
        if !allowed {
            budget::take_back(own);
        }
        allowed
    }

    fn take_retry_back(&self, service: u32) {
        budget::take_back(self.segment().lane_budget(self.lane(), service));
    }

    #[inline]
    fn charge(&self, claims: &[Claim], now: u64) -> Charge {
        Table::new(self.segment().buckets(), self).charge(claims, now)
    }

    fn owe(&self, claim: &Claim, now: u64) -> bool {
        Table::new(self.segment().buckets(), self).owe(claim, now)
    }

    fn tat(&self, key: u64, now: u64) -> u64 {
        Table::new(self.segment().buckets(), self).tat(key, now)
    }

    #[inline]
    fn hash_seed(&self) -> u64 {
        self.segment().hash_seed()
    }

    #[inline]
    fn count_request(&self, row: u32, code: u16) {
        self.add(self.segment().layout().rows.request(row, code_index(code)), 1);
    }

    #[inline]
    fn count_passed(&self, row: u32, what: Passed, amount: u64) {
        self.add(self.segment().layout().rows.request(row, what as usize), amount);
    }

    fn count_pass_end(&self, row: u32, end: End) {
        self.add(self.segment().layout().rows.request(row, Passed::COUNT + end as usize), 1);
    }

    #[inline]
    fn observe_duration(&self, service: u32, nanos: u64) {
        let start = self.segment().layout().rows.durations(service).map(|row| row.start);
        self.add(start.map(|start| start + duration_bucket(nanos)), 1);
        self.add(start.map(|start| start + DURATION_WORDS - 1), nanos);
    }

    #[inline]
    fn count_limit(&self, row: u32, decision: LimitDecision) {
        self.add(self.segment().layout().rows.limit(row, decision), 1);
    }

    #[inline]
    fn count(&self, counter: Counter, amount: u64) {
        // A lane always has these words.
        let _ = retire::count(self.lane.counters(), counter as usize, amount);
    }
}
