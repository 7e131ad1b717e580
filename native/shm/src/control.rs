//! The supervisor's pen: the only writer of instances, members and the set of live lanes.

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use headgate_engine::affinity;
use headgate_engine::selection::ring::{self as hash_ring, Ring};
use headgate_engine::selection::{candidates, median, Fitness, Latency, Member, Panic};

use crate::bank::build;
use crate::extents::{ArenaFull, Extent, Extents};
use crate::holds::Table;
use crate::instance::{
    may_be_selected, write_address, Address, HEALTH_DISABLED, HEALTH_HEALTHY, TIER_BACKUP, TIER_ELSEWHERE,
};
use crate::latency;
use crate::live::{is_live, set_live, LiveLanes};
use crate::ring;
use crate::segment::Segment;

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// There is no such slot, service or lane in this segment.
    OutOfRange {
        /// What was named.
        what: &'static str,
        /// Its number.
        number: u32,
        /// How many there are.
        capacity: u32,
    },
    /// A health word that has no meaning.
    Health(u32),
    /// The lane belongs to a worker already.
    LaneInUse(u32),
    /// The lane belongs to nobody.
    LaneNotOpen(u32),
    /// Workers still use what was replaced: try again after their next tick.
    ArenaFull(ArenaFull),
}

impl fmt::Display for ControlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { what, number, capacity } => {
                write!(out, "{what} {number} does not exist: the shared memory has {capacity}")
            }
            Self::Health(word) => write!(out, "{word} is no health word"),
            Self::LaneInUse(lane) => write!(out, "lane {lane} is in use"),
            Self::LaneNotOpen(lane) => write!(out, "lane {lane} is not open"),
            Self::ArenaFull(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for ControlError {}

/// What is written into an instance's slot.
#[derive(Clone, Debug)]
pub struct InstanceWords {
    /// How often the slot was given out before.
    pub generation: u32,
    /// Where the instance listens.
    pub address: Address,
    /// Share of the service's exchanges; 0 gets none.
    pub weight: u32,
    /// How much it can carry, compared to the service's others.
    pub capacity: u32,
    /// Most exchanges that all workers together hold on it; 0 is no cap.
    pub max_in_flight: u32,
    /// It stands in for the primaries.
    pub backup: bool,
    /// It is in another zone than the gateway.
    pub elsewhere: bool,
    /// When it came, in nanoseconds, if it is to start slowly; 0 if it was always there.
    pub started: u64,
    /// Health word.
    pub health: u32,
}

impl InstanceWords {
    /// A healthy one with nothing but an address, the first in its slot.
    pub fn plain(address: Address) -> Self {
        Self {
            generation: 1,
            address,
            weight: 1,
            capacity: 1,
            max_in_flight: 0,
            backup: false,
            elsewhere: false,
            started: 0,
            health: HEALTH_HEALTHY,
        }
    }
}

/// What a change of members came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The membership epoch from which it is seen.
    pub epoch: u64,
    /// Too few of the members are fit, and all are used.
    pub panicking: bool,
}

/// Writes for the supervisor. One process at a time may hold one.
pub struct Control {
    segment: Arc<Segment>,
    extents: Extents,
    ring_extents: Extents,
}

impl Control {
    /// Takes over a segment, a fresh one or one that another supervisor wrote to, and finishes what that one left.
    pub fn new(segment: Arc<Segment>) -> Self {
        let epoch = segment.membership().map_or(0, |word| word.load(Ordering::Acquire));
        let control = Self {
            extents: book(segment.arena(), segment.banks(), epoch),
            ring_extents: book(segment.ring_arena(), segment.rings(), epoch),
            segment,
        };
        control.finish_retiring();
        control
    }

    /// Fills a slot. Writing the same generation again changes weight, cap and health and leaves the address alone.
    pub fn write_instance(&self, slot: u32, words: &InstanceWords) -> Result<(), ControlError> {
        check_health(words.health)?;
        let segment = &*self.segment;
        let health = slot_of(segment.health(), slot)?;
        let generation = slot_of(segment.generations(), slot)?;
        if generation.load(Ordering::Relaxed) != words.generation {
            // The next occupant is not selected before all its words are there.
            health.store(HEALTH_DISABLED, Ordering::Release);
            self.clear_failures(slot)?;
            if let Some(latency) = segment.latencies().get(slot as usize) {
                latency.store(0, Ordering::Relaxed);
            }
        }
        if let Some(record) = segment.addresses().get(slot as usize) {
            write_address(record, words.generation, &words.address);
        }
        let identity = affinity::hash(words.address.to_string().as_bytes());
        slot_of(segment.identities(), slot)?.store(identity, Ordering::Release);
        slot_of(segment.weights(), slot)?.store(words.weight, Ordering::Release);
        slot_of(segment.room(), slot)?.store(words.capacity, Ordering::Release);
        slot_of(segment.caps(), slot)?.store(words.max_in_flight, Ordering::Release);
        let tier = (u32::from(words.backup) * TIER_BACKUP) | (u32::from(words.elsewhere) * TIER_ELSEWHERE);
        slot_of(segment.tiers(), slot)?.store(tier, Ordering::Release);
        self.set_started(slot, words.started)?;
        generation.store(words.generation, Ordering::Release);
        health.store(words.health, Ordering::Release);
        Ok(())
    }

    /// Writes the health word of a slot; every worker sees it at its next decision.
    pub fn set_health(&self, slot: u32, health: u32) -> Result<(), ControlError> {
        check_health(health)?;
        slot_of(self.segment.health(), slot)?.store(health, Ordering::Release);
        Ok(())
    }

    /// Says that an instance comes back now, in nanoseconds, and starts slowly; 0 that it was always there.
    pub fn set_started(&self, slot: u32, started: u64) -> Result<(), ControlError> {
        let starts = self.segment.starts();
        let word =
            starts.get(slot as usize).ok_or_else(|| out_of_range("instance slot", slot, starts.len()))?;
        word.store(started, Ordering::Release);
        Ok(())
    }

    /// Ends an instance's row of failures. The workers count on it meanwhile.
    pub fn clear_failures(&self, slot: u32) -> Result<(), ControlError> {
        slot_of(self.segment.failures(), slot)?.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The health word of a slot.
    pub fn health(&self, slot: u32) -> Result<u32, ControlError> {
        Ok(slot_of(self.segment.health(), slot)?.load(Ordering::Relaxed))
    }

    /// Builds the bank of a row from the slots of a service or a subset, by their words, and swaps it in. Below `panic_percent` of
    /// fit members all are used. `now`, in nanoseconds, is when unknown latencies are estimated from the others'.
    pub fn publish_members(
        &mut self,
        row: u32,
        slots: &[u32],
        panic_percent: u8,
        now: u64,
    ) -> Result<Published, ControlError> {
        let segment = Arc::clone(&self.segment);
        let bank = of_service(segment.banks(), row)?;
        let members = slots.iter().map(|&slot| self.member(slot)).collect::<Result<Vec<_>, _>>()?;
        let candidates = candidates(&members, panic_percent);
        let words = build(row, &members, &candidates, self.last_start(slots));
        self.estimate_latencies(slots, now);
        self.extents.reclaim(self.seen_by_all());
        let epoch = swap_in(&segment, segment.arena(), &mut self.extents, bank, &words)?;
        Ok(Published { epoch, panicking: candidates.panic != Panic::None })
    }

    /// Draws the ring of a row from the addresses and the weights of its slots and swaps it in; as an `index` it has one point
    /// for each and finds them by their identity. Returns the new membership epoch.
    ///
    /// A slot that leaves the row must not be selected any more before the next ring is there: its health word says so. A
    /// ring without points withdraws the one that is published.
    pub fn publish_ring(&mut self, row: u32, slots: &[u32], index: bool) -> Result<u64, ControlError> {
        let segment = Arc::clone(&self.segment);
        let place = of_service(segment.rings(), row)?;
        let members = slots.iter().map(|&slot| self.ring_member(slot)).collect::<Result<Vec<_>, _>>()?;
        let ring = if index { Ring::index_of(&members) } else { Ring::of(&members) };
        self.ring_extents.reclaim(self.seen_by_all());
        swap_in(&segment, segment.ring_arena(), &mut self.ring_extents, place, &ring::build(row, &ring))
    }

    fn ring_member(&self, slot: u32) -> Result<hash_ring::Member, ControlError> {
        let weight = slot_of(self.segment.weights(), slot)?.load(Ordering::Relaxed);
        let identity = slot_of(self.segment.identities(), slot)?.load(Ordering::Relaxed);
        Ok(hash_ring::Member { slot, identity, weight })
    }

    fn member(&self, slot: u32) -> Result<Member, ControlError> {
        let health = self.health(slot)?;
        let weight = slot_of(self.segment.weights(), slot)?.load(Ordering::Relaxed);
        let tier = slot_of(self.segment.tiers(), slot)?.load(Ordering::Relaxed);
        let fitness = match may_be_selected(health) {
            Some(true) => Fitness::Fit,
            _ if health & HEALTH_DISABLED != 0 => Fitness::Disabled,
            _ => Fitness::Unfit,
        };
        Ok(Member {
            slot,
            weight,
            fitness,
            backup: tier & TIER_BACKUP != 0,
            elsewhere: tier & TIER_ELSEWHERE != 0,
        })
    }

    /// When the last of the slots started; 0 if all were always there.
    fn last_start(&self, slots: &[u32]) -> u64 {
        let starts = self.segment.starts();
        let start = |&slot: &u32| starts.get(slot as usize).map(|word| word.load(Ordering::Relaxed));
        slots.iter().filter_map(start).max().unwrap_or(0)
    }

    /// Gives members whose latency nobody knows the median of the others, where there is one: services that do not go by
    /// latencies know none.
    fn estimate_latencies(&self, slots: &[u32], now: u64) {
        let words = self.segment.latencies();
        let words = || slots.iter().filter_map(|&slot| words.get(slot as usize));
        let expected = |word| latency::read(word).expected(now);
        let mut known: Vec<u64> = words().filter_map(expected).collect();
        if known.len() == slots.len() {
            return;
        }
        if let Some(median) = median(&mut known) {
            for word in words().filter(|&word| expected(word).is_none()) {
                latency::replace(word, latency::read(word), Latency::new(median, now));
            }
        }
    }

    /// The latest membership epoch that every live lane has seen.
    fn seen_by_all(&self) -> u64 {
        let seen = |lane| Some(self.segment.lane_header(lane)?.seen.0.membership.load(Ordering::Acquire));
        LiveLanes::new(self.segment.live()).filter_map(seen).min().unwrap_or(u64::MAX)
    }

    /// Clears a free lane and makes it live for a process that is about to start.
    pub fn open_lane(&self, lane: u32, pid: u32) -> Result<(), ControlError> {
        let header = self.lane_header(lane)?;
        if is_live(self.segment.live(), lane) {
            return Err(ControlError::LaneInUse(lane));
        }
        self.finish_retiring();
        self.clear_holdings(lane);
        self.segment.lane_counters(lane).iter().for_each(|word| word.store(0, Ordering::Release));
        header.pid.store(u64::from(pid), Ordering::Release);
        let seen = &header.seen.0;
        // A process that starts after this line finds every bank as it is now.
        let epoch = self.segment.membership().map_or(0, |word| word.load(Ordering::Acquire));
        seen.membership.store(epoch, Ordering::Release);
        seen.snapshot.store(0, Ordering::Release);
        seen.heartbeat.store(0, Ordering::Release);
        if let Some(wants) = self.segment.lane_wants(lane) {
            wants.clear();
        }
        set_live(self.segment.live(), lane, true);
        Ok(())
    }

    /// Notes the process that a lane belongs to.
    pub fn set_lane_pid(&self, lane: u32, pid: u32) -> Result<(), ControlError> {
        let header = self.lane_header(lane)?;
        if !is_live(self.segment.live(), lane) {
            return Err(ControlError::LaneNotOpen(lane));
        }
        header.pid.store(u64::from(pid), Ordering::Release);
        Ok(())
    }

    /// Folds the counters of a dead worker's lane into the retired totals, exactly once, and frees the lane. The
    /// process must be dead: what a live one counts meanwhile is lost.
    pub fn close_lane(&self, lane: u32) -> Result<(), ControlError> {
        self.lane_header(lane)?;
        self.finish_retiring();
        if !is_live(self.segment.live(), lane) {
            return Err(ControlError::LaneNotOpen(lane));
        }
        // First what the other workers decide by: a dead worker holds nothing.
        self.clear_holdings(lane);
        if let Some((retired, lane)) = self.segment.retired().zip(self.segment.lane(lane)) {
            retired.retire(&lane);
        }
        set_live(self.segment.live(), lane, false);
        Ok(())
    }

    /// Finishes the fold that a killed supervisor began.
    fn finish_retiring(&self) {
        let Some(retired) = self.segment.retired() else { return };
        let Some(lane) = retired.unfinished(|lane| self.segment.lane(lane)) else { return };
        self.clear_holdings(lane.number);
        retired.retire(&lane);
        set_live(self.segment.live(), lane.number, false);
    }

    /// Clears what a worker holds: exchanges, those who wait, whatever it counts by key, and its part in retry budgets.
    fn clear_holdings(&self, lane: u32) {
        if let Some(header) =
            self.segment.lane_header(lane).filter(|it| it.seen.0.noted.load(Ordering::Acquire) != 0)
        {
            for word in self.segment.lane_budgets(lane) {
                word.store(0, Ordering::Release);
            }
            header.seen.0.noted.store(0, Ordering::Release);
        }
        self.segment.lane_in_flight(lane).iter().for_each(|word| word.store(0, Ordering::Release));
        self.clear_lines(lane);
        let Some(Table { reach, slots }) = self.segment.lane_holds(lane) else { return };
        if reach.load(Ordering::Acquire) != 0 {
            for word in slots {
                word.store(0, Ordering::Release);
            }
            reach.store(0, Ordering::Release);
        }
    }

    /// Nobody waits in the lines of a dead worker: a wake-up for them would be lost.
    fn clear_lines(&self, lane: u32) {
        self.segment.lane_fronts(lane).iter().for_each(|word| word.store(0, Ordering::SeqCst));
        self.segment.lane_waiting(lane).iter().for_each(|word| word.store(0, Ordering::Release));
        if let Some(header) = self.segment.lane_header(lane) {
            header.seen.0.waiting.store(0, Ordering::Release);
        }
    }

    fn lane_header(&self, lane: u32) -> Result<&crate::layout::LaneHeader, ControlError> {
        let lanes = self.segment.capacities().lanes as usize;
        self.segment.lane_header(lane).ok_or_else(|| out_of_range("lane", lane, lanes))
    }
}

/// The book of an arena, taken over with what the words of its services name.
fn book(arena: &[AtomicU32], services: &[AtomicU64], epoch: u64) -> Extents {
    let words = arena.len() as u32;
    let named = |word: &AtomicU64| Extent::from_word(word.load(Ordering::Acquire));
    let inside = |extent: &Extent| {
        extent.len > 0 && extent.offset.checked_add(extent.len).is_some_and(|end| end <= words)
    };
    let used = services.iter().map(named).filter(inside).collect();
    Extents::taking_over(words, used, epoch)
}

/// Writes an extent, has the service's word name it in one store, and begins the next membership epoch, with which the
/// replaced one is free when all have seen it. No words are no extent.
fn swap_in(
    segment: &Segment,
    arena: &[AtomicU32],
    extents: &mut Extents,
    place: &AtomicU64,
    words: &[u32],
) -> Result<u64, ControlError> {
    let extent = match words.len() as u32 {
        0 => Extent { offset: 0, len: 0 },
        len => extents.take(len).map_err(ControlError::ArenaFull)?,
    };
    let target = arena.iter().skip(extent.offset as usize);
    target.zip(words).for_each(|(place, &word)| place.store(word, Ordering::Relaxed));
    let replaced = Extent::from_word(place.swap(extent.to_word(), Ordering::AcqRel));
    let epoch = segment.membership().map_or(0, |word| word.fetch_add(1, Ordering::AcqRel).wrapping_add(1));
    extents.hold(replaced, epoch);
    Ok(epoch)
}

fn of_service(words: &[AtomicU64], service: u32) -> Result<&AtomicU64, ControlError> {
    words.get(service as usize).ok_or_else(|| out_of_range("service", service, words.len()))
}

fn slot_of<W>(words: &[W], slot: u32) -> Result<&W, ControlError> {
    words.get(slot as usize).ok_or_else(|| out_of_range("instance slot", slot, words.len()))
}

fn out_of_range(what: &'static str, number: u32, capacity: usize) -> ControlError {
    ControlError::OutOfRange { what, number, capacity: capacity as u32 }
}

fn check_health(word: u32) -> Result<(), ControlError> {
    may_be_selected(word).map(|_| ()).ok_or(ControlError::Health(word))
}
