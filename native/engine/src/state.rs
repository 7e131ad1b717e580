//! What the engine needs from the memory that all workers share, as a trait: the engine decides, the state remembers.
//!
//! Every method is wait-free or bounded, takes no lock and never panics, whatever the memory holds: an index that
//! makes no sense is answered as "nothing there". `headgate-shm` implements it over the shared segment;
//! [`fake::FakeState`] is the in-process stand-in for tests.

pub mod fake;

use crate::limit::{Charge, Claim};
use crate::pass_through::{End, Passed};
use crate::queue::{Front, WaitEnd};
use crate::retry_budget::RetryBudget;
use crate::selection::ring::Point;
use crate::selection::{Latency, Panic};

/// No slot: what an index that makes no sense is answered with.
pub const NO_SLOT: u32 = u32::MAX;

/// One instance of a service, named by its slot and by how often that slot was given out before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Index of the instance's words in shared memory.
    pub slot: u32,
    /// How often the slot was given to another instance before this one.
    pub generation: u32,
}

impl Instance {
    /// Both halves as one number; what Python keys its connection pools by.
    pub fn key(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The inverse of [`Instance::key`].
    pub fn from_key(key: u64) -> Self {
        Self { slot: key as u32, generation: (key >> 32) as u32 }
    }
}

/// One published set of members of a service: where it lies and how long its parts are.
///
/// A bank may be used until the worker's callback ends; the supervisor reuses its memory only after every worker
/// has ticked past the epoch that replaced it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bank {
    /// Where the bank lies, in units of the implementation.
    pub offset: u32,
    /// Number of instances the service has.
    pub members: u32,
    /// Number of those that exchanges are spread over.
    pub eligible: u32,
    /// Numbers of those that stand by for exchanges which can have none of the eligible, in two groups: the second is asked when
    /// none of the first can be had.
    pub standby: [u32; 2],
    /// Length of the smooth weighted sequence over the eligible ones.
    pub turns: u32,
    /// Too few members are fit, and the eligible include the unfit.
    pub panic: Panic,
    /// When the last of the members started, in nanoseconds; 0 if all were always there.
    pub last_start: u64,
}

/// One published ring of a service: where it lies and how large it is; empty by default. It may be used for as long as a
/// [`Bank`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishedRing {
    /// Where it lies, in units of the implementation.
    pub offset: u32,
    /// Its arcs.
    pub arcs: u32,
    /// Its lines: one for each arc, and those that the last arcs run over into. Their points can be numbered by 32 bits.
    pub lines: u32,
}

/// What became of a request at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LimitDecision {
    /// The request was within the limit.
    Allowed = 0,
    /// The request was beyond the limit.
    Refused = 1,
    /// The table had no place for the key; the limit's own rule answered.
    Overflow = 2,
    /// A token was taken and the request refused by another limit; it could not be given back.
    Forfeited = 3,
    /// The request was beyond the limit, which only counts.
    WouldRefuse = 4,
    /// The request did not have the limit's key and was not limited.
    Skipped = 5,
    /// The request did not have the limit's key and was refused.
    KeyMissing = 6,
}

impl LimitDecision {
    /// Every decision with its name in the metrics, in the order of their numbers.
    pub const NAMES: [&'static str; 7] =
        ["allowed", "refused", "overflow", "forfeited", "would_refuse", "skipped", "key_missing"];
}

/// What became of an attempt to be counted by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It counts, until this place is given to [`State::release_hold`].
    Held {
        /// Where it is counted.
        place: u32,
    },
    /// There are as many of the key as there may be.
    Full,
    /// There is no room to count it.
    Uncounted,
}

/// Things a worker counts that belong to no route and no service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Counter {
    /// Client connections accepted.
    ConnectionsAccepted = 0,
    /// Client connections ended; accepted − ended is what is open.
    ConnectionsEnded = 1,
    /// Connections opened to instances.
    UpstreamConnects = 2,
    /// Connects to instances that failed or timed out.
    UpstreamConnectFailures = 3,
    /// Exchanges sent to another instance after a failed try.
    Retries = 4,
    /// Panics of the engine and exceptions in callbacks; each cost one connection.
    Faults = 5,
    /// Words in shared memory that made no sense and were answered from local state.
    Nonsense = 6,
    /// Lines of the access log that nobody took in time.
    AccessLogLinesDropped = 7,
    /// Connections closed because their PROXY header was malformed, late, missing, or not theirs to send.
    ProxyHeadersRefused = 8,
    /// Connections of clients that were at rest, closed for want of descriptors.
    ClientsEvicted = 9,
    /// Idle connections to instances, closed for want of descriptors.
    UpstreamsEvicted = 10,
    /// Times that a worker began to accept no more clients, for want of descriptors.
    AcceptPauses = 11,
    /// Client connections refused because their client had as many as it may have.
    ConnectionsRejected = 12,
    /// Slots of the bucket table given to another key, because their bucket had been full for long.
    LimitSlotsReused = 13,
    /// Times that a client could not be accepted because the system had no descriptor or memory for it.
    AcceptFailures = 14,
    /// Exchanges that were not retried because their service had no retry left in its budget.
    RetriesOverBudget = 15,
    /// Copies for mirrors that were not made because as many were under way as may be.
    MirrorsFull = 16,
    /// Copies that were not made because no instance of the mirror had a place for them.
    MirrorsUnavailable = 17,
    /// Copies cut off because the mirror took them too slowly.
    MirrorsSlow = 18,
    /// Copies cut off because their request did not get to its end, or to make room for requests.
    MirrorsIncomplete = 19,
    /// Answers that clients got in a content coding that the gateway put them into.
    ResponsesCompressed = 20,
    /// Bytes of their bodies as instances sent them.
    CompressionInputBytes = 21,
    /// Bytes of their bodies as clients got them.
    CompressionOutputBytes = 22,
    /// Answers that went out as they came because the worker had no room for another encoder.
    CompressionsSkipped = 23,
    /// Requests that waited because their route injects delays.
    InjectedDelays = 24,
    /// Requests that were answered in an instance's stead because their route injects that.
    InjectedAborts = 25,
}

impl Counter {
    /// Every counter with its name in the metrics, in the order of their numbers.
    pub const NAMES: [&'static str; 26] = [
        "connections_accepted",
        "connections_ended",
        "upstream_connects",
        "upstream_connect_failures",
        "retries",
        "faults",
        "nonsense",
        "access_log_lines_dropped",
        "proxy_headers_refused",
        "clients_evicted",
        "upstreams_evicted",
        "accept_pauses",
        "connections_rejected",
        "limit_slots_reused",
        "accept_failures",
        "retries_over_budget",
        "mirrors_dropped_full",
        "mirrors_dropped_unavailable",
        "mirrors_dropped_slow",
        "mirrors_dropped_incomplete",
        "responses_compressed",
        "compression_input_bytes",
        "compression_output_bytes",
        "compressions_skipped",
        "injected_delays",
        "injected_aborts",
    ];
}

/// Health, load, members, token buckets and counters, shared by all workers.
pub trait State {
    /// The members of a service as last published; an empty bank where there are none.
    fn bank(&self, service: u32) -> Bank;
    /// The slot of candidate `index` of a bank: the eligible come first, then those that stand by; [`NO_SLOT`] beyond
    /// their end.
    fn candidate(&self, bank: Bank, index: u32) -> u32;
    /// The slot whose turn `index` is in the bank's smooth weighted sequence, [`NO_SLOT`] beyond its end.
    fn turn(&self, bank: Bank, index: u32) -> u32;
    /// Takes the next number of a service's round robin, shared by all workers.
    fn next_turn(&self, service: u32) -> u64;

    /// The ring of a service as last published; an empty one where there is none. It lags behind the bank by a moment:
    /// it may name members that have left, which are not eligible, and lack some that have just come.
    fn ring(&self, service: u32) -> PublishedRing;
    /// How many of the points of a line lie before a position; 0 of a line beyond the last.
    fn ring_before(&self, ring: PublishedRing, line: u32, position: u32) -> u32;
    /// A point of the ring's lines, by its number; one of [`NO_SLOT`] at the very end of the ring beyond the last.
    fn ring_point(&self, ring: PublishedRing, index: u32) -> Point;
    /// What the instance is known by for ever: a hash of its address, the same in every gateway.
    fn identity(&self, slot: u32) -> u64;

    /// May the instance be selected now? One load of its health word.
    fn is_eligible(&self, slot: u32) -> bool;
    /// Does the instance stand back for the primaries?
    fn is_backup(&self, slot: u32) -> bool;
    /// Has no operator taken the instance out?
    fn is_enabled(&self, slot: u32) -> bool;
    /// Which occupant of the slot this is.
    fn generation(&self, slot: u32) -> u32;
    /// Appends the instance's address as a configuration writes it; false when its slot has another occupant by now.
    fn put_address(&self, instance: Instance, out: &mut String) -> bool;
    /// Configured weight, at least 1 for an eligible instance.
    fn weight(&self, slot: u32) -> u32;
    /// How much the instance can carry, compared to others; at least 1 for an eligible one.
    fn capacity(&self, slot: u32) -> u32;
    /// When the instance came or came back, in nanoseconds; 0 if it was always there.
    fn started(&self, slot: u32) -> u64;
    /// What is known of the latency of the instance.
    fn latency(&self, slot: u32) -> Latency;
    /// Replaces what is known of the latency of the instance, unless that has changed meanwhile: one try.
    fn replace_latency(&self, slot: u32, known: Latency, new: Latency);
    /// Exchanges that all workers together hold on the instance.
    fn in_flight(&self, slot: u32) -> u32;
    /// As [`State::in_flight`], of two that are compared: the workers are gone through once for both.
    fn in_flight_of(&self, slots: [u32; 2]) -> [u32; 2] {
        slots.map(|slot| self.in_flight(slot))
    }
    /// Adds one exchange to the instance, unless its cap is reached. A refusal may be spurious: never spin on it.
    fn reserve(&self, slot: u32) -> bool;
    /// Gives back what one successful [`State::reserve`] took.
    fn release(&self, slot: u32);
    /// As [`State::release`], and the worker whose turn is next in the queue of the service hears of it.
    fn hand_on(&self, slot: u32, service: u32, now: u64);

    /// Adds one to the instance's failures in a row, which all workers count together.
    fn note_failure(&self, slot: u32);
    /// Ends the instance's row of failures. One load where there is none.
    fn note_answer(&self, slot: u32);

    /// Begins to wait in the queue of a service, unless so many do at all workers. A refusal may be spurious when several
    /// come at once.
    fn enter_queue(&self, service: u32, size: u32) -> bool;
    /// Ends what one successful [`State::enter_queue`] began.
    fn leave_queue(&self, service: u32);
    /// Tells the other workers whose turn is next in this worker's line; `None`: nobody waits in it any more. Whoever looks
    /// for a place afterwards finds it, or the worker is woken when there is one.
    fn publish_front(&self, service: u32, front: Option<Front>);
    /// Does somebody wait for the service at another worker, one that runs, whose turn is before this one?
    fn is_ahead(&self, service: u32, mine: Front, now: u64) -> bool;
    /// Wakes the worker whose turn is next in the queue of the service: a place may have come free, by whatever was given back
    /// before.
    fn wake_next(&self, service: u32, now: u64);
    /// Counts how one that wanted to wait ended, and how long it had waited, in nanoseconds.
    fn count_wait(&self, service: u32, end: WaitEnd, waited: u64);

    /// Counts one more of what this key stands for, such as the connections of a client, unless all workers together
    /// then held more than `most`. A refusal may be spurious when several come at once.
    fn hold(&self, key: u64, most: u32) -> Hold;
    /// Are at least `most` of this key counted, at all workers together?
    fn is_full(&self, key: u64, most: u32) -> bool;
    /// As [`State::hold`], for a place that others may be waiting for: looks first, to be in nobody's way.
    fn hold_in_turn(&self, key: u64, most: u32) -> Hold;
    /// Gives back what one [`Hold::Held`] took.
    fn release_hold(&self, place: u32);

    /// Counts a retry at a service, unless that were more than the budget has for the last seconds of all workers.
    fn retry(&self, service: u32, budget: RetryBudget, now: u64) -> bool;
    /// The retry that was counted last did not come about.
    fn take_retry_back(&self, service: u32);

    /// Takes tokens from all the claimed buckets, or from none; the claims are checked in order. The keeper of the stocks is told of
    /// all that wait for it, and has a look at once.
    fn charge(&self, claims: &[Claim], now: u64) -> Charge;
    /// Takes what the claim wants whether it is there or not: its bucket may come to owe it ([`Gcra::owing`]). False: the
    /// table has no place for the key.
    ///
    /// [`Gcra::owing`]: crate::limit::Gcra::owing
    fn owe(&self, claim: &Claim, now: u64) -> bool;
    /// The theoretical arrival time of a bucket; 0, that of a full one, where there is none.
    fn tat(&self, key: u64, now: u64) -> u64;
    /// The secret that seeds the hash of bucket keys, one per segment.
    fn hash_seed(&self) -> u64;

    /// Counts one answered request in a row of the request table by its status code.
    fn count_request(&self, row: u32, code: u16);
    /// Adds to what a row counts of connections that are passed through. A row of the request table counts these or requests.
    fn count_passed(&self, row: u32, what: Passed, amount: u64);
    /// Counts the end of one of them.
    fn count_pass_end(&self, row: u32, end: End);
    /// Adds one duration in nanoseconds to a service's histogram.
    fn observe_duration(&self, service: u32, nanos: u64);
    /// Counts one decision of a limit.
    fn count_limit(&self, row: u32, decision: LimitDecision);
    /// Adds to a counter of the worker.
    fn count(&self, counter: Counter, amount: u64);
}
