//! A worker's hold on the shared memory: the engine's `State` over the segment and the worker's own lane.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use headgate_engine::limit::{Charge, Claim};
use headgate_engine::selection::ring::Point;
use headgate_engine::selection::Latency;
use headgate_engine::state::{Bank, Counter, Hold, Instance, LimitDecision, PublishedRing, State, NO_SLOT};
use headgate_engine::stock::Terms;

use crate::bank;
use crate::bucket::{Charger, Table};
use crate::cap;
use crate::holds;
use crate::instance::{may_be_selected, note_answer, note_failure, read_address, Address, HEALTH_DISABLED};
use crate::latency;
use crate::live::is_live;
use crate::metrics::{code_index, duration_bucket, DURATION_WORDS};
use crate::retire;
use crate::ring;
use crate::segment::Segment;
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
    segment: Arc<Segment>,
    lane: u32,
    generation: u64,
    marks: LaneMarks,
}

impl Worker {
    /// Takes up a lane that the supervisor has opened.
    pub fn attach(segment: Arc<Segment>, lane: u32) -> Result<Self, LaneError> {
        let header =
            segment.lane_header(lane).filter(|_| is_live(segment.live(), lane)).ok_or(LaneError { lane })?;
        let generation = header.generation.load(Ordering::Acquire);
        Ok(Self { segment, lane, generation, marks: LaneMarks::new(lane, generation) })
    }

    /// The segment.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The lane.
    pub fn lane(&self) -> u32 {
        self.lane
    }

    /// Publishes the heartbeat, the epoch of the snapshot and the membership epoch. False: the lane is another
    /// process's by now, nothing was written, and this one must exit. To be called between callbacks, when no bank
    /// is in use.
    pub fn tick(&self, now: u64, snapshot: u64) -> bool {
        let Some((header, membership)) = self.segment.lane_header(self.lane).zip(self.segment.membership())
        else {
            return false;
        };
        let mine = header.generation.load(Ordering::Acquire) == self.generation;
        if !mine || !is_live(self.segment.live(), self.lane) {
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
        read_address(self.segment.addresses().get(slot as usize)?, generation)
    }

    /// The health word of a slot's occupant; None when it has another one.
    pub fn health(&self, slot: u32, generation: u32) -> Option<u32> {
        let word = |words: &[AtomicU32]| Some(words.get(slot as usize)?.load(Ordering::Acquire));
        let health = word(self.segment.health())?;
        (word(self.segment.generations())? == generation).then_some(health)
    }

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
        let counters = self.segment.lane_counters(self.lane);
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
        let credit = self.segment.credits().get(row as usize).map(|word| word.load(Ordering::Relaxed));
        let reachable = self.segment.lane_wants(self.lane).is_some_and(|wants| wants.has_room());
        Terms { credit: self.sensible(credit, 0), reachable }
    }

    fn want(&self, key: u64, row: u32) {
        if let Some(wants) = self.segment.lane_wants(self.lane) {
            wants.push(Want { key, row });
        }
    }
}

impl State for Worker {
    #[inline]
    fn bank(&self, service: u32) -> Bank {
        let word = self.segment.banks().get(service as usize).map(|word| word.load(Ordering::Acquire));
        self.sensible(word.and_then(|word| bank::read(self.segment.arena(), word, service)), Bank::default())
    }

    #[inline]
    fn candidate(&self, bank: Bank, index: u32) -> u32 {
        self.sensible(bank::candidate(self.segment.arena(), bank, index), NO_SLOT)
    }

    #[inline]
    fn turn(&self, bank: Bank, index: u32) -> u32 {
        self.sensible(bank::turn(self.segment.arena(), bank, index), NO_SLOT)
    }

    #[inline]
    fn next_turn(&self, service: u32) -> u64 {
        let turn =
            self.segment.turns().get(service as usize).map(|turn| turn.0.fetch_add(1, Ordering::Relaxed));
        self.sensible(turn, 0)
    }

    #[inline]
    fn ring(&self, service: u32) -> PublishedRing {
        let word = self.segment.rings().get(service as usize).map(|word| word.load(Ordering::Acquire));
        let ring = word.and_then(|word| ring::read(self.segment.ring_arena(), word, service));
        self.sensible(ring, PublishedRing::default())
    }

    #[inline]
    fn ring_start(&self, ring: PublishedRing, arc: u32) -> u32 {
        self.sensible(ring::start(self.segment.ring_arena(), ring, arc), 0)
    }

    #[inline]
    fn ring_point(&self, ring: PublishedRing, index: u32) -> Point {
        let nowhere = Point { position: u32::MAX, slot: NO_SLOT };
        self.sensible(ring::point(self.segment.ring_arena(), ring, index), nowhere)
    }

    #[inline]
    fn identity(&self, slot: u32) -> u64 {
        let word = self.segment.identities().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn is_eligible(&self, slot: u32) -> bool {
        let health = self.segment.health().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(health.and_then(may_be_selected), false)
    }

    #[inline]
    fn is_enabled(&self, slot: u32) -> bool {
        let health = self.segment.health().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(health, HEALTH_DISABLED) & HEALTH_DISABLED == 0
    }

    #[inline]
    fn generation(&self, slot: u32) -> u32 {
        let word = self.segment.generations().get(slot as usize).map(|word| word.load(Ordering::Acquire));
        self.sensible(word, 0)
    }

    fn put_address(&self, instance: Instance, out: &mut String) -> bool {
        let address = self.address(instance.slot, instance.generation);
        address.inspect(|address| address.put(out)).is_some()
    }

    #[inline]
    fn weight(&self, slot: u32) -> u32 {
        let word = self.segment.weights().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn capacity(&self, slot: u32) -> u32 {
        let word = self.segment.room().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn started(&self, slot: u32) -> u64 {
        let word = self.segment.starts().get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        self.sensible(word, 0)
    }

    #[inline]
    fn latency(&self, slot: u32) -> Latency {
        let word = self.segment.latencies().get(slot as usize);
        self.sensible(word.map(latency::read), Latency::default())
    }

    #[inline]
    fn replace_latency(&self, slot: u32, known: Latency, new: Latency) {
        let word = self.segment.latencies().get(slot as usize);
        self.sensible(word.map(|word| latency::replace(word, known, new)), ());
    }

    #[inline]
    fn in_flight(&self, slot: u32) -> u32 {
        cap::total(self.segment.in_flight(slot), Ordering::Relaxed)
    }

    #[inline]
    fn reserve(&self, slot: u32) -> bool {
        let own = self.segment.lane_in_flight(self.lane).get(slot as usize);
        let Some((own, cap)) = own.zip(self.segment.caps().get(slot as usize)) else {
            self.nonsense();
            return false;
        };
        match cap.load(Ordering::Relaxed) {
            0 => {
                cap::reserve(own);
                true
            }
            cap => cap::reserve_below(
                own,
                cap,
                self.segment.in_flight(slot).filter(|word| !core::ptr::eq(*word, own)),
            ),
        }
    }

    #[inline]
    fn release(&self, slot: u32) {
        let own = self.segment.lane_in_flight(self.lane).get(slot as usize);
        if !own.is_some_and(cap::release) {
            self.nonsense();
        }
    }

    #[inline]
    fn hold(&self, key: u64, most: u32) -> Hold {
        let Some(own) = self.segment.lane_holds(self.lane) else { return Hold::Uncounted };
        holds::hold(&own, key, most, self.segment.holds_of_others(self.lane))
    }

    #[inline]
    fn release_hold(&self, place: u32) {
        let own = self.segment.lane_holds(self.lane);
        if !own.is_some_and(|own| holds::release(own.slots, place)) {
            self.nonsense();
        }
    }

    #[inline]
    fn note_failure(&self, slot: u32) {
        self.sensible(self.segment.failures().get(slot as usize).map(note_failure), ());
    }

    #[inline]
    fn note_answer(&self, slot: u32) {
        self.sensible(self.segment.failures().get(slot as usize).map(note_answer), ());
    }

    #[inline]
    fn charge(&self, claims: &[Claim], now: u64) -> Charge {
        Table::new(self.segment.buckets(), self).charge(claims, now)
    }

    fn owe(&self, claim: &Claim, now: u64) -> bool {
        Table::new(self.segment.buckets(), self).owe(claim, now)
    }

    fn tat(&self, key: u64, now: u64) -> u64 {
        Table::new(self.segment.buckets(), self).tat(key, now)
    }

    #[inline]
    fn hash_seed(&self) -> u64 {
        self.segment.hash_seed()
    }

    #[inline]
    fn count_request(&self, row: u32, code: u16) {
        let row = self.segment.layout().rows.requests(row);
        self.add(row.map(|row| row.start + code_index(code)), 1);
    }

    #[inline]
    fn observe_duration(&self, service: u32, nanos: u64) {
        let start = self.segment.layout().rows.durations(service).map(|row| row.start);
        self.add(start.map(|start| start + duration_bucket(nanos)), 1);
        self.add(start.map(|start| start + DURATION_WORDS - 1), nanos);
    }

    #[inline]
    fn count_limit(&self, row: u32, decision: LimitDecision) {
        let row = self.segment.layout().rows.limits(row);
        self.add(row.map(|row| row.start + decision as usize), 1);
    }

    #[inline]
    fn count(&self, counter: Counter, amount: u64) {
        // A lane always has these words.
        let _ = retire::count(self.segment.lane_counters(self.lane), counter as usize, amount);
    }
}
