//! Where everything lies: offsets computed from capacities, in one place, the same in every process.

use core::fmt;
use core::marker::PhantomData;
use core::mem::{align_of, offset_of, size_of};
use core::sync::atomic::{AtomicU32, AtomicU64};

use portable_atomic::AtomicU128;

use headgate_engine::selection::ring::{MAX_POINTS, MAX_POINTS_PER_MEMBER};

use crate::budget::BUDGET_WORDS;
use crate::live::MAX_LANES;
use crate::metrics::{Rows, COUNTER_WORDS, DURATION_WORDS, LIMIT_WORDS, QUEUE_WORDS, REQUEST_WORDS};
use crate::wants::WORDS_OF_A_WANT;

/// Raised by hand when the meaning of a word changes and its place does not.
const LAYOUT_VERSION: u64 = 6;

/// Two cache lines: neighbouring lines are fetched in pairs, so words of different writers keep this distance.
const ROW: usize = 128;
const PAGE: usize = 4096;

/// "HEADGATE" in ASCII.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"HEADGATE");

/// How many of everything a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacities {
    /// Workers at the same time, the leaving ones included; at most 256.
    pub lanes: u32,
    /// Instances of all services together.
    pub instances: u32,
    /// Services.
    pub services: u32,
    /// Rows of the request table.
    pub series: u32,
    /// Rows of the limit table.
    pub limits: u32,
    /// Clients that all limits together remember; the table has at least twice as many slots.
    pub limit_keys: u32,
}

impl Capacities {
    /// Names and values, in the order of the header's words.
    pub fn named(&self) -> [(&'static str, u32); 6] {
        [
            ("lanes", self.lanes),
            ("instances", self.instances),
            ("services", self.services),
            ("series", self.series),
            ("limits", self.limits),
            ("limit_keys", self.limit_keys),
        ]
    }

    pub(crate) fn from_words(words: [u64; 6]) -> Option<Self> {
        let mut values = [0; 6];
        for (value, word) in values.iter_mut().zip(words) {
            *value = u32::try_from(word).ok()?;
        }
        let [lanes, instances, services, series, limits, limit_keys] = values;
        Some(Self { lanes, instances, services, series, limits, limit_keys })
    }
}

/// The most of each that a segment may be made for: far above any gateway, low enough that no size overflows.
const LARGEST: Capacities = Capacities {
    lanes: MAX_LANES,
    instances: 1 << 20,
    services: 1 << 16,
    series: 1 << 20,
    limits: 1 << 20,
    limit_keys: 1 << 28,
};

/// A capacity out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityError {
    /// Name of the capacity.
    pub name: &'static str,
    /// What was asked for.
    pub value: u32,
    /// The most that is possible; the least is 1.
    pub largest: u32,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "capacity {} is {}, must be 1 to {}", self.name, self.value, self.largest)
    }
}

impl core::error::Error for CapacityError {}

/// The start of the segment. The first row never changes after creation; the others have one writer each.
#[repr(C, align(128))]
pub(crate) struct Header {
    /// [`MAGIC`].
    pub(crate) magic: AtomicU64,
    /// [`LAYOUT_HASH`].
    pub(crate) layout: AtomicU64,
    /// [`Capacities`], in the order of their declaration.
    pub(crate) capacities: [AtomicU64; 6],
    /// Seeds the hash of bucket keys.
    pub(crate) hash_seed: AtomicU64,
    /// Number of the last change of any service's members.
    pub(crate) membership: Row<AtomicU64>,
    /// See [`crate::retire`].
    pub(crate) flip: Row<AtomicU64>,
    /// See [`crate::live`].
    pub(crate) live: Row<[AtomicU64; MAX_LANES as usize / 64]>,
}

/// The start of a lane: a row that the supervisor writes, then a row that the worker writes.
#[repr(C, align(128))]
pub(crate) struct LaneHeader {
    /// The worker's process, 0 while it is not known.
    pub(crate) pid: AtomicU64,
    /// How often the lane was retired.
    pub(crate) generation: AtomicU64,
    /// How many of the lane's wants were read; see [`crate::wants`].
    pub(crate) wants_read: AtomicU64,
    /// What the worker last said of itself.
    pub(crate) seen: Row<Seen>,
}

/// What a worker publishes at every tick.
#[repr(C)]
pub(crate) struct Seen {
    /// Epoch of the snapshot by which it decides.
    pub(crate) snapshot: AtomicU64,
    /// Membership epoch it has seen.
    pub(crate) membership: AtomicU64,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) heartbeat: AtomicU64,
    /// The last second that it has noted for retry budgets; see [`crate::budget`].
    pub(crate) noted: AtomicU64,
    /// How far anybody need look in the worker's table of holds; see [`crate::holds`].
    pub(crate) reach: AtomicU64,
    /// Exchanges that wait in its lines, of all services; see [`crate::queue`].
    pub(crate) waiting: AtomicU64,
    /// How many wants the worker has written; see [`crate::wants`].
    pub(crate) wants_written: AtomicU64,
}

/// Something on a row of its own.
#[repr(C, align(128))]
pub(crate) struct Row<T>(pub(crate) T);

/// An instance's address; see [`crate::instance`].
pub(crate) type AddressRecord = Row<[AtomicU64; 16]>;

/// A service's round robin, on a row of its own because every worker writes it.
pub(crate) type Turn = Row<AtomicU64>;

const _: () = assert!(size_of::<Header>() == 4 * ROW && align_of::<Header>() == ROW);
const _: () = assert!(offset_of!(Header, magic) == 0 && offset_of!(Header, layout) == 8);
const _: () = assert!(offset_of!(Header, capacities) == 16 && offset_of!(Header, hash_seed) == 64);
const _: () = assert!(offset_of!(Header, membership) == ROW && offset_of!(Header, flip) == 2 * ROW);
const _: () = assert!(offset_of!(Header, live) == 3 * ROW);
const _: () = assert!(size_of::<LaneHeader>() == 2 * ROW && offset_of!(LaneHeader, generation) == 8);
const _: () = assert!(offset_of!(LaneHeader, seen) == ROW && offset_of!(Seen, heartbeat) == 16);
const _: () = assert!(size_of::<AddressRecord>() == ROW && size_of::<Turn>() == ROW);
const _: () = assert!(size_of::<AtomicU128>() == 16 && align_of::<AtomicU128>() == 16);

/// Hash of everything that two processes must agree on beyond the capacities.
pub const LAYOUT_HASH: u64 = layout_hash();

const fn layout_hash() -> u64 {
    let facts = [
        LAYOUT_VERSION,
        size_of::<Header>() as u64,
        offset_of!(Header, membership) as u64,
        offset_of!(Header, flip) as u64,
        offset_of!(Header, live) as u64,
        size_of::<LaneHeader>() as u64,
        offset_of!(LaneHeader, seen) as u64,
        size_of::<AddressRecord>() as u64,
        size_of::<Turn>() as u64,
        size_of::<AtomicU128>() as u64,
        COUNTER_WORDS as u64,
        REQUEST_WORDS as u64,
        DURATION_WORDS as u64,
        LIMIT_WORDS as u64,
        QUEUE_WORDS as u64,
        HOLD_SLOTS as u64,
        BUDGET_WORDS as u64,
        WANTS as u64,
        TURNS_PER_SERVICE as u64,
        TURNS_PER_INSTANCE as u64,
        RING_WORDS_PER_INSTANCE as u64,
        u64::from_le_bytes(*b"LITTLE\0\0") >> (cfg!(target_endian = "big") as u32),
    ];
    // FNV-1a over the bytes of the facts.
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < facts.len() * 8 {
        hash = (hash ^ (facts[index / 8] >> (index % 8 * 8) & 0xff)).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

/// Keys that a lane can count holds of, with as much room again: their number is bounded by the worker's descriptors. A
/// power of two.
const HOLD_SLOTS: usize = 1 << 16;

/// Wants that a lane can hold: the supervisor reads them every few milliseconds. A power of two.
const WANTS: usize = 1 << 11;

/// Words in front of an extent's lists; see [`crate::bank`].
pub(crate) const EXTENT_HEADER: usize = 9;
/// A service may always have this many turns, so that any two weights of up to 1,000 have their exact sequence.
const TURNS_PER_SERVICE: usize = 2_048;
/// And this many for each eligible instance, up to [`MANY_TURNS`]: exact where the weights are 64 on average.
const TURNS_PER_INSTANCE: usize = 64;
/// A longer sequence takes milliseconds to build, at each change of a large service.
const MANY_TURNS: usize = 16_384;
/// But always this many, so that the largest services keep a resolution of 1/8 of an average weight.
const LEAST_TURNS_PER_INSTANCE: usize = 8;
/// Every extent may be replaced three times before the first one is free again: bursts fit into one tick.
const ARENA_COPIES: usize = 4;

/// The most turns that the sequence of a service with so many eligible instances may have.
pub(crate) fn most_turns(eligible: usize) -> usize {
    let of_each = |turns| eligible.saturating_mul(turns);
    of_each(TURNS_PER_INSTANCE).min(MANY_TURNS).max(of_each(LEAST_TURNS_PER_INSTANCE)).max(TURNS_PER_SERVICE)
}

/// Words for the extents of all services: every instance is listed twice and has its turns, each service has its
/// header and its least turns, and each of that [`ARENA_COPIES`] times.
fn arena_words(capacities: &Capacities) -> usize {
    let members = capacities.instances as usize * (2 + TURNS_PER_INSTANCE);
    let services = capacities.services as usize * (EXTENT_HEADER + TURNS_PER_SERVICE);
    (members + services) * ARENA_COPIES
}

/// Words for an instance on the largest ring that it may make, twice: a ring that is replaced stays until nobody uses it.
/// (Sixteen words for six points, and a ninth more for the header and for what runs over the last arcs.)
const RING_WORDS_PER_INSTANCE: usize = 2 * 3 * (MAX_POINTS_PER_MEMBER as usize + 1);
/// More are not set aside: these are 128 MiB of address space, the rings of 10,000 instances of equal weights in services of
/// any size, or two of the largest rings with their successors.
const MAX_RING_WORDS: usize = 1 << 25;
const _: () = assert!(MAX_RING_WORDS > 2 * 3 * (MAX_POINTS as usize + 1));

/// Words for the rings of all services; always enough for the largest ring and its successor.
fn ring_words(capacities: &Capacities) -> usize {
    (capacities.instances as usize * RING_WORDS_PER_INSTANCE).min(MAX_RING_WORDS)
}

/// Where an array lies. Only [`Layout`] makes one, aligned for `T` and inside the size it states.
pub(crate) struct Array<T> {
    offset: usize,
    len: usize,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Array<T> {}

impl<T> Array<T> {
    fn new(offset: usize, len: usize) -> Self {
        Self { offset, len, of: PhantomData }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Places one array after another.
struct Plan {
    end: usize,
}

impl Plan {
    fn place<T>(&mut self, len: usize) -> Array<T> {
        let offset = self.end.next_multiple_of(ROW);
        self.end = offset + len * size_of::<T>();
        Array::new(offset, len)
    }

    fn page(&mut self) {
        self.end = self.end.next_multiple_of(PAGE);
    }
}

/// Where the parts of one lane lie.
#[derive(Clone, Copy)]
pub(crate) struct LaneLayout {
    pub(crate) header: Array<LaneHeader>,
    pub(crate) in_flight: Array<AtomicU32>,
    pub(crate) counters: Array<AtomicU64>,
    pub(crate) budgets: Array<AtomicU32>,
    pub(crate) waiting: Array<AtomicU32>,
    pub(crate) fronts: Array<AtomicU64>,
    pub(crate) holds: Array<AtomicU64>,
    pub(crate) wants: Array<AtomicU64>,
}

/// The map of a segment with given capacities.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) capacities: Capacities,
    pub(crate) size: usize,
    pub(crate) rows: Rows,
    pub(crate) header: Array<Header>,
    pub(crate) health: Array<AtomicU32>,
    pub(crate) weights: Array<AtomicU32>,
    pub(crate) room: Array<AtomicU32>,
    pub(crate) caps: Array<AtomicU32>,
    pub(crate) tiers: Array<AtomicU32>,
    pub(crate) starts: Array<AtomicU64>,
    pub(crate) latencies: Array<AtomicU64>,
    pub(crate) generations: Array<AtomicU32>,
    pub(crate) addresses: Array<AddressRecord>,
    pub(crate) failures: Array<AtomicU32>,
    pub(crate) identities: Array<AtomicU64>,
    pub(crate) banks: Array<AtomicU64>,
    pub(crate) turns: Array<Turn>,
    pub(crate) arena: Array<AtomicU32>,
    pub(crate) rings: Array<AtomicU64>,
    pub(crate) ring_arena: Array<AtomicU32>,
    pub(crate) credits: Array<AtomicU32>,
    pub(crate) buckets: Array<AtomicU128>,
    pub(crate) retired: [Array<AtomicU64>; 2],
    /// Words of the set of live lanes that may have a bit.
    pub(crate) live: Array<AtomicU64>,
    /// Lane 0; the others follow at a distance of `lane_size`.
    pub(crate) first_lane: LaneLayout,
    pub(crate) lane_size: usize,
}

impl Layout {
    pub(crate) fn new(capacities: Capacities) -> Result<Self, CapacityError> {
        for ((name, value), (_, largest)) in capacities.named().into_iter().zip(LARGEST.named()) {
            if value == 0 || value > largest {
                return Err(CapacityError { name, value, largest });
            }
        }
        Ok(Self::of(capacities))
    }

    fn of(capacities: Capacities) -> Self {
        let rows = Rows::new(capacities.series, capacities.services, capacities.limits);
        let (instances, services) = (capacities.instances as usize, capacities.services as usize);
        let mut plan = Plan { end: 0 };
        let segment_header: Array<Header> = plan.place(1);
        let live_words = capacities.lanes.min(MAX_LANES).div_ceil(64) as usize;
        let live = Array::new(segment_header.offset + offset_of!(Header, live), live_words);
        let health = plan.place(instances);
        let weights = plan.place(instances);
        let room = plan.place(instances);
        let caps = plan.place(instances);
        let tiers = plan.place(instances);
        let starts = plan.place(instances);
        let latencies = plan.place(instances);
        let generations = plan.place(instances);
        let addresses = plan.place(instances);
        let failures = plan.place(instances);
        let identities = plan.place(instances);
        let banks = plan.place(services);
        let turns = plan.place(services);
        let arena = plan.place(arena_words(&capacities));
        let rings = plan.place(services);
        let ring_arena = plan.place(ring_words(&capacities));
        let credits = plan.place(capacities.limits as usize);
        plan.page();
        let buckets = plan.place((capacities.limit_keys as usize * 2).next_power_of_two().max(64));
        plan.page();
        let retired = [plan.place(rows.words()), plan.place(rows.words())];
        plan.page();
        let header: Array<LaneHeader> = plan.place(1);
        let in_flight = plan.place(instances);
        let counters = plan.place(rows.words());
        let budgets = plan.place(services * BUDGET_WORDS);
        let waiting = plan.place(services);
        let fronts = plan.place(services);
        plan.page();
        let holds = plan.place(HOLD_SLOTS);
        let wants = plan.place(WANTS * WORDS_OF_A_WANT);
        plan.page();
        let first_lane = LaneLayout { header, in_flight, counters, budgets, waiting, fronts, holds, wants };
        let lane_size = plan.end - header.offset();
        let size = header.offset() + lane_size * capacities.lanes as usize;
        Self {
            capacities,
            size,
            rows,
            header: segment_header,
            health,
            weights,
            room,
            caps,
            tiers,
            starts,
            latencies,
            generations,
            addresses,
            failures,
            identities,
            banks,
            turns,
            arena,
            rings,
            ring_arena,
            credits,
            buckets,
            retired,
            live,
            first_lane,
            lane_size,
        }
    }

    /// Where the parts of a lane lie; empty ones of a lane that does not exist.
    #[inline]
    pub(crate) fn lane(&self, lane: u32) -> LaneLayout {
        let LaneLayout { header, in_flight, counters, budgets, waiting, fronts, holds, wants } =
            self.first_lane;
        LaneLayout {
            header: self.of_lane(lane, header),
            in_flight: self.of_lane(lane, in_flight),
            counters: self.of_lane(lane, counters),
            budgets: self.of_lane(lane, budgets),
            waiting: self.of_lane(lane, waiting),
            fronts: self.of_lane(lane, fronts),
            holds: self.of_lane(lane, holds),
            wants: self.of_lane(lane, wants),
        }
    }

    #[inline]
    fn of_lane<T>(&self, lane: u32, first: Array<T>) -> Array<T> {
        if lane < self.capacities.lanes {
            Array::new(first.offset + lane as usize * self.lane_size, first.len)
        } else {
            Array::new(first.offset, 0)
        }
    }
}
