//! Sums over the lanes, for status and metrics: reads everything, writes nothing.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use headgate_engine::pass_through::{End, Passed};
use headgate_engine::queue::WaitEnd;
use headgate_engine::state::{Counter, LimitDecision};
use rustix::io::Errno;

use crate::bucket;
use crate::cap;
use crate::live::LiveLanes;
use crate::metrics::{CODES, DURATION_WORDS, LIMIT_WORDS, QUEUE_WORDS, REQUEST_WORDS};
use crate::segment::Segment;

/// What a live lane's worker last said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// Number of the lane.
    pub lane: u32,
    /// The process; 0 while it is not known.
    pub pid: u64,
    /// Epoch of the snapshot that it has.
    pub snapshot: u64,
    /// Membership epoch that it has seen.
    pub membership: u64,
    /// Its last tick, in nanoseconds of `CLOCK_MONOTONIC`; 0 before the first.
    pub heartbeat: u64,
}

/// The queue of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Exchanges that wait in it now.
    pub waiting: u32,
    /// How those ended that wanted to wait, in the order of [`WaitEnd::NAMES`].
    pub ends: Vec<u64>,
    /// How long those waited that got a place, in nanoseconds.
    pub waited: u64,
}

/// The connections that a listener has passed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedStatus {
    /// How many there were.
    pub connections: u64,
    /// Bytes of their clients.
    pub received: u64,
    /// Bytes for their clients.
    pub sent: u64,
    /// How those ended that have, in the order of [`End::NAMES`].
    pub ends: Vec<u64>,
}

/// How full the bucket table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitTable {
    /// Its slots.
    pub slots: usize,
    /// Those that hold a key.
    pub keys: usize,
    /// Those whose key cannot be replaced by another yet, because its bucket is not full.
    pub busy: usize,
}

const SLOT_BYTES: usize = 16;
/// Bytes that are read at once.
const SCANNED_PAGE: usize = 1 << 16;
/// Slots that are looked at, to tell how full the table is: 64 MiB take some 10 ms.
const SCANNED_SLOTS: usize = 1 << 22;

/// A reader of the whole segment.
pub struct View {
    segment: Arc<Segment>,
}

impl View {
    /// Over a segment.
    pub fn new(segment: Arc<Segment>) -> Self {
        Self { segment }
    }

    /// The live lanes.
    pub fn lanes(&self) -> impl Iterator<Item = LaneStatus> + '_ {
        LiveLanes::new(self.segment.live()).filter_map(|lane| {
            let header = self.segment.lane_header(lane)?;
            let seen = &header.seen.0;
            Some(LaneStatus {
                lane,
                pid: header.pid.load(Ordering::Acquire),
                snapshot: seen.snapshot.load(Ordering::Acquire),
                membership: seen.membership.load(Ordering::Acquire),
                heartbeat: seen.heartbeat.load(Ordering::Acquire),
            })
        })
    }

    /// Exchanges in flight on an instance; 0 for a slot that does not exist.
    pub fn in_flight(&self, slot: u32) -> u32 {
        cap::total(self.segment.in_flight(slot), Ordering::Relaxed)
    }

    /// The health word of a slot; None for one that does not exist.
    pub fn health(&self, slot: u32) -> Option<u32> {
        Some(self.segment.health().get(slot as usize)?.load(Ordering::Relaxed))
    }

    /// The first `slots` slots: those whose occupants have failed the last exchange, and how many in a row. Looking at
    /// slots that were never used would take memory for them.
    pub fn failing(&self, slots: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let words = self.segment.failures().iter().take(slots as usize);
        let failures = words.map(|word| word.load(Ordering::Relaxed));
        (0..).zip(failures).filter(|&(_, failures)| failures > 0)
    }

    /// Counts by status code of a row of the request table, those above 0 only; code 0 stands for the unregistered.
    pub fn requests(&self, row: u32) -> Option<Vec<(u16, u64)>> {
        let counts = self.sum::<REQUEST_WORDS>(&self.segment.layout().rows.requests(row)?);
        Some(CODES.into_iter().zip(counts).filter(|&(_, count)| count > 0).collect())
    }

    /// What a row of the request table counts of connections that are passed through.
    pub fn passed(&self, row: u32) -> Option<PassedStatus> {
        let counts = self.sum::<REQUEST_WORDS>(&self.segment.layout().rows.requests(row)?);
        let ([connections, received, sent], ends) = counts.split_first_chunk::<{ Passed::COUNT }>()?;
        let ends = ends[..End::NAMES.len()].to_vec();
        Some(PassedStatus { connections: *connections, received: *received, sent: *sent, ends })
    }

    /// Counts by bucket of a service's histogram, and the sum of the durations in nanoseconds.
    pub fn durations(&self, service: u32) -> Option<(Vec<u64>, u64)> {
        let [buckets @ .., sum] = self.sum::<DURATION_WORDS>(&self.segment.layout().rows.durations(service)?);
        Some((buckets.to_vec(), sum))
    }

    /// Decisions of a limit, in the order of [`LimitDecision::NAMES`].
    pub fn limit_decisions(&self, row: u32) -> Option<Vec<u64>> {
        let counts = self.sum::<LIMIT_WORDS>(&self.segment.layout().rows.limits(row)?);
        Some(counts[..LimitDecision::NAMES.len()].to_vec())
    }

    /// The queue of a service.
    pub fn queue(&self, service: u32) -> Option<QueueStatus> {
        let [ends @ .., waited] = self.sum::<QUEUE_WORDS>(&self.segment.layout().rows.queues(service)?);
        let waiting = cap::total(self.segment.waiting(service), Ordering::Relaxed);
        Some(QueueStatus { waiting, ends: ends[..WaitEnd::NAMES.len()].to_vec(), waited })
    }

    /// The workers' own counters, in the order of [`Counter::NAMES`].
    pub fn counters(&self) -> Vec<u64> {
        const NAMES: usize = Counter::NAMES.len();
        self.sum::<NAMES>(&self.segment.layout().rows.counters()).to_vec()
    }

    /// Client connections that are open: those of the live lanes, since those of a worker that was killed never end.
    pub fn connections(&self) -> u64 {
        let open = |lane| {
            let counters = self.segment.lane_counters(lane);
            let count = |counter: Counter| Some(counters.get(counter as usize)?.load(Ordering::Acquire));
            let ended = count(Counter::ConnectionsEnded)?; // first, so that none has ended before it was accepted
            Some(count(Counter::ConnectionsAccepted)?.saturating_sub(ended))
        };
        LiveLanes::new(self.segment.live()).filter_map(open).sum()
    }

    /// What is in the bucket table at this time.
    ///
    /// Reads through the file: looking at the mapping would take memory for every page that no key ever touched. Of a table
    /// beyond [`SCANNED_SLOTS`] it reads every so manieth page, which is as good: keys lie where their hash says.
    pub fn limit_table(&self, now: u64) -> Result<LimitTable, Errno> {
        let (offset, slots) = self.segment.bucket_bytes();
        let stride = slots.div_ceil(SCANNED_SLOTS);
        let mut table = LimitTable { slots, keys: 0, busy: 0 };
        let mut buffer = vec![0; SCANNED_PAGE];
        for page in (0..(slots * SLOT_BYTES).div_ceil(SCANNED_PAGE)).step_by(stride) {
            let start = page * SCANNED_PAGE;
            let wanted = SCANNED_PAGE.min(slots * SLOT_BYTES - start);
            let read = rustix::io::pread(self.segment.fd(), &mut buffer[..wanted], offset + start as u64)?;
            for slot in buffer[..read].chunks_exact(SLOT_BYTES) {
                let (holds_key, is_busy) =
                    bucket::occupancy(slot.try_into().map_or(0, u128::from_ne_bytes), now);
                table.keys += usize::from(holds_key);
                table.busy += usize::from(is_busy);
            }
        }
        Ok(LimitTable {
            keys: (table.keys * stride).min(slots),
            busy: (table.busy * stride).min(slots),
            ..table
        })
    }

    fn sum<const N: usize>(&self, words: &(impl Iterator<Item = usize> + Clone)) -> [u64; N] {
        let mut sums = [0; N];
        let lanes = || LiveLanes::new(self.segment.live()).filter_map(|lane| self.segment.lane(lane));
        if let Some(retired) = self.segment.retired() {
            retired.sum(words, lanes, &mut sums);
        }
        sums
    }
}
