//! What a worker counts, and where in its lane: the rows of status codes, durations, limit decisions and ends of waits.

use core::ops::Range;

use headgate_engine::pass_through::{End, Passed};
use headgate_engine::queue::WaitEnd;
use headgate_engine::state::{Counter, LimitDecision};

/// Words for the worker's own counters; more than there are names, so that the rows behind them stay aligned.
pub const COUNTER_WORDS: usize = 32;
/// Words of a row of the request table: one per code of [`CODES`]; or, at a listener that passes its connections through, one per
/// kind of [`Passed`] and then one per [`End`].
pub const REQUEST_WORDS: usize = 64;
/// Words of a service's histogram: its buckets, then the sum of the durations in nanoseconds.
pub const DURATION_WORDS: usize = DURATION_BOUNDS_NS.len() + 2;
/// Words of a row of the limit table, by [`headgate_engine::state::LimitDecision`]; more than there are, so that rows stay
/// aligned.
pub const LIMIT_WORDS: usize = 8;

/// Words of what the queue of a service counts, by [`WaitEnd`]; the last is the time that those waited who got a place, in
/// nanoseconds.
pub const QUEUE_WORDS: usize = 8;

const _: () = assert!(Passed::COUNT + End::NAMES.len() <= REQUEST_WORDS);
const _: () = assert!(WaitEnd::NAMES.len() < QUEUE_WORDS);
const _: () = assert!(Counter::NAMES.len() <= COUNTER_WORDS);
const _: () = assert!(LimitDecision::NAMES.len() <= LIMIT_WORDS);
const _: () = assert!(DURATION_WORDS == 16, "a histogram fills one row of 128 bytes");

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

/// Upper bounds of the duration histogram in nanoseconds, 0.5 ms to 60 s; one more bucket lies above the last.
pub const DURATION_BOUNDS_NS: [u64; 14] = [
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    1_000 * MILLISECOND,
    2_500 * MILLISECOND,
    10_000 * MILLISECOND,
    60_000 * MILLISECOND,
];

/// The status codes that are counted by themselves: 0 stands for every other, then those of the IANA registry without
/// 104 (a temporary registration), and 499, the client that did not wait.
pub const CODES: [u16; REQUEST_WORDS] = [
    0, 100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305,
    307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418,
    421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510,
    511,
];

const FIRST_CODE: usize = 100;
const INDEX_BY_CODE: [u8; 512] = index_by_code();

const fn index_by_code() -> [u8; 512] {
    let mut table = [0; 512];
    let mut index = 1;
    while index < CODES.len() {
        table[CODES[index] as usize - FIRST_CODE] = index as u8;
        index += 1;
    }
    table
}

/// The index of a status code in its row; 0 for a code that has none.
#[inline]
pub fn code_index(code: u16) -> usize {
    let place = usize::from(code).wrapping_sub(FIRST_CODE);
    INDEX_BY_CODE.get(place).map_or(0, |&index| usize::from(index))
}

/// The bucket that a duration falls into; its upper bound belongs to it.
#[inline]
pub fn duration_bucket(nanos: u64) -> usize {
    DURATION_BOUNDS_NS.iter().take_while(|&&bound| nanos > bound).count()
}

/// Where the rows lie among a lane's counters, for given numbers of rows.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    series: usize,
    services: usize,
    limits: usize,
    first_duration: usize,
    first_limit: usize,
}

impl Rows {
    /// For the capacities of a segment.
    pub const fn new(series: u32, services: u32, limits: u32) -> Self {
        let (series, services, limits) = (series as usize, services as usize, limits as usize);
        let first_duration = COUNTER_WORDS + series * REQUEST_WORDS;
        let first_limit = first_duration + services * DURATION_WORDS;
        Self { series, services, limits, first_duration, first_limit }
    }

    /// Words in all.
    pub const fn words(&self) -> usize {
        self.first_queue() + self.services * QUEUE_WORDS
    }

    const fn first_queue(&self) -> usize {
        self.first_limit + self.limits * LIMIT_WORDS
    }

    /// The worker's own counters.
    pub const fn counters(&self) -> Range<usize> {
        0..Counter::NAMES.len()
    }

    /// A row of the request table; None beyond its end.
    #[inline]
    pub fn requests(&self, row: u32) -> Option<Range<usize>> {
        place(COUNTER_WORDS, row, self.series, REQUEST_WORDS)
    }

    /// The histogram of a service; None beyond the last.
    #[inline]
    pub fn durations(&self, service: u32) -> Option<Range<usize>> {
        place(self.first_duration, service, self.services, DURATION_WORDS)
    }

    /// A row of the limit table; None beyond its end.
    #[inline]
    pub fn limits(&self, row: u32) -> Option<Range<usize>> {
        place(self.first_limit, row, self.limits, LIMIT_WORDS)
    }

    /// What the queue of a service counts; None beyond the last.
    #[inline]
    pub fn queues(&self, service: u32) -> Option<Range<usize>> {
        place(self.first_queue(), service, self.services, QUEUE_WORDS)
    }
}

#[inline]
fn place(first: usize, row: u32, rows: usize, words: usize) -> Option<Range<usize>> {
    let row = row as usize;
    (row < rows).then(|| first + row * words..first + (row + 1) * words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code in the table finds its own place, every other number the place of the others.
    #[test]
    fn every_code_has_one_place() {
        for code in 0..=u16::MAX {
            let index = code_index(code);
            if index == 0 {
                assert!(!CODES[1..].contains(&code), "{code}");
            } else {
                assert_eq!(CODES[index], code);
            }
        }
        assert!(CODES.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// A bound belongs to its own bucket, and what exceeds all bounds to the last.
    #[test]
    fn buckets_include_their_bound() {
        assert_eq!(duration_bucket(0), 0);
        assert_eq!(duration_bucket(500_000), 0);
        assert_eq!(duration_bucket(500_001), 1);
        assert_eq!(duration_bucket(60_000_000_000), 13);
        assert_eq!(duration_bucket(u64::MAX), 14);
    }

    /// Rows tile the counters without a gap or an overlap, and end where the words end.
    #[test]
    fn rows_tile_the_counters() {
        let rows = Rows::new(3, 2, 5);
        let mut end = COUNTER_WORDS;
        for range in (0..3).filter_map(|row| rows.requests(row)) {
            assert_eq!((range.start, range.len()), (end, REQUEST_WORDS));
            end = range.end;
        }
        for range in (0..2).filter_map(|row| rows.durations(row)) {
            assert_eq!((range.start, range.len()), (end, DURATION_WORDS));
            end = range.end;
        }
        for range in (0..5).filter_map(|row| rows.limits(row)) {
            assert_eq!((range.start, range.len()), (end, LIMIT_WORDS));
            end = range.end;
        }
        for range in (0..2).filter_map(|row| rows.queues(row)) {
            assert_eq!((range.start, range.len()), (end, QUEUE_WORDS));
            end = range.end;
        }
        assert_eq!(end, rows.words());
        assert!(rows.requests(3).is_none() && rows.durations(2).is_none() && rows.limits(u32::MAX).is_none());
    }
}
