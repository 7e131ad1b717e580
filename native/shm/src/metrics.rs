//! What a worker counts, and where in its lane: the rows of status codes, durations, limit decisions and ends of waits.
//!
//! The tables of requests and of limits, which have a row for each route, lie by columns: what all routes count of one code lies
//! together. Nearly every request adds to the same two columns, so the words for eight routes share a cache line, and those for
//! 10,000 take 20 pages rather than 1,250.

use core::iter::StepBy;
use core::ops::Range;

use headgate_engine::pass_through::{End, Passed};
use headgate_engine::queue::WaitEnd;
use headgate_engine::state::{Counter, LimitDecision};

/// Words of a cache line.
const LINE: usize = 8;

/// Words for the worker's own counters; more than there are names, so that the rows behind them stay aligned.
pub const COUNTER_WORDS: usize = 32;
/// Words of a row of the request table: one per code of [`CODES`]; or, at a listener that passes its connections through, one per
/// kind of [`Passed`] and then one per [`End`].
pub const REQUEST_WORDS: usize = 64;
/// Words of a service's histogram: its buckets, then the sum of the durations in nanoseconds.
pub const DURATION_WORDS: usize = DURATION_BOUNDS_NS.len() + 2;
/// Words of a row of the limit table, by [`headgate_engine::state::LimitDecision`]; more than there are, for those to come.
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

/// A table that lies by columns.
#[derive(Clone, Copy, Debug)]
struct Table<const COLUMNS: usize> {
    first: usize,
    rows: usize,
    /// Words from a column to the next: whole cache lines, and an odd number of them, so that the words of one row do not all
    /// fall to the same place of a cache when it is read.
    step: usize,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    const fn new(first: usize, rows: u32) -> Self {
        let rows = rows as usize;
        Self { first, rows, step: (rows.div_ceil(LINE) | 1) * LINE }
    }

    const fn end(&self) -> usize {
        self.first + COLUMNS * self.step
    }

    /// The word of a row in a column; None outside the table.
    #[inline]
    fn word(&self, row: u32, column: usize) -> Option<usize> {
        let row = row as usize;
        (row < self.rows && column < COLUMNS).then(|| self.first + column * self.step + row)
    }

    /// The words of a row; None beyond the last.
    fn row(&self, row: u32) -> Option<StepBy<Range<usize>>> {
        let first = self.word(row, 0)?;
        Some((first..first + COLUMNS * self.step).step_by(self.step))
    }
}

/// Where the rows lie among a lane's counters, for given numbers of rows.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    requests: Table<REQUEST_WORDS>,
    services: usize,
    limits: Table<LIMIT_WORDS>,
}

impl Rows {
    /// For the capacities of a segment.
    pub const fn new(series: u32, services: u32, limits: u32) -> Self {
        let requests = Table::new(COUNTER_WORDS, series);
        let services = services as usize;
        let limits = Table::new(requests.end() + services * DURATION_WORDS, limits);
        Self { requests, services, limits }
    }

    /// Words in all.
    pub const fn words(&self) -> usize {
        self.first_queue() + self.services * QUEUE_WORDS
    }

    const fn first_queue(&self) -> usize {
        self.limits.end()
    }

    /// The worker's own counters.
    pub const fn counters(&self) -> Range<usize> {
        0..Counter::NAMES.len()
    }

    /// The words of a row of the request table; None beyond its end.
    pub fn requests(&self, row: u32) -> Option<StepBy<Range<usize>>> {
        self.requests.row(row)
    }

    /// One word of a row of the request table; None outside it.
    #[inline]
    pub fn request(&self, row: u32, word: usize) -> Option<usize> {
        self.requests.word(row, word)
    }

    /// The histogram of a service; None beyond the last.
    #[inline]
    pub fn durations(&self, service: u32) -> Option<Range<usize>> {
        place(self.requests.end(), service, self.services, DURATION_WORDS)
    }

    /// The words of a row of the limit table; None beyond its end.
    pub fn limits(&self, row: u32) -> Option<StepBy<Range<usize>>> {
        self.limits.row(row)
    }

    /// The word of a decision in a row of the limit table; None beyond its end.
    #[inline]
    pub fn limit(&self, row: u32, decision: LimitDecision) -> Option<usize> {
        self.limits.word(row, decision as usize)
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

    /// No two rows share a word, each has as many as it should, and all lie within the words; beyond the last row there is none.
    #[test]
    fn rows_share_no_word() {
        for (series, services, limits) in [(1, 1, 1), (3, 2, 5), (8, 1, 16), (9, 3, 17)] {
            let rows = Rows::new(series, services, limits);
            let mut words: Vec<usize> = (0..COUNTER_WORDS).collect();
            for (count, row) in [
                (REQUEST_WORDS, rows.requests(series - 1)),
                (LIMIT_WORDS, rows.limits(limits - 1)),
                (0, rows.requests(series)),
                (0, rows.limits(u32::MAX)),
            ] {
                assert_eq!(row.map_or(0, Iterator::count), count);
            }
            words.extend((0..series).filter_map(|row| rows.requests(row)).flatten());
            words.extend((0..services).filter_map(|row| rows.durations(row)).flatten());
            words.extend((0..limits).filter_map(|row| rows.limits(row)).flatten());
            words.extend((0..services).filter_map(|row| rows.queues(row)).flatten());
            let of_services = services as usize * (DURATION_WORDS + QUEUE_WORDS);
            let of_routes = series as usize * REQUEST_WORDS + limits as usize * LIMIT_WORDS;
            assert_eq!(words.len(), COUNTER_WORDS + of_services + of_routes);
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), COUNTER_WORDS + of_services + of_routes);
            assert!(words.last().is_some_and(|&last| last < rows.words()));
            assert!(rows.durations(services).is_none() && rows.queues(services).is_none());
        }
    }

    /// What is counted of one code, or of one decision, lies together for all routes, and words of a row are told alike one by
    /// one and all together.
    #[test]
    fn a_column_lies_together() {
        let rows = Rows::new(100, 1, 100);
        let ok = code_index(200);
        let allowed = LimitDecision::Allowed;
        for row in 0..99 {
            assert_eq!(rows.request(row + 1, ok), rows.request(row, ok).map(|word| word + 1));
            assert_eq!(rows.limit(row + 1, allowed), rows.limit(row, allowed).map(|word| word + 1));
            assert_eq!(rows.requests(row).and_then(|mut row| row.nth(ok)), rows.request(row, ok));
            let words = rows.limits(row).and_then(|mut row| row.nth(allowed as usize));
            assert_eq!(words, rows.limit(row, allowed));
        }
        assert!(rows.request(100, ok).is_none() && rows.request(0, REQUEST_WORDS).is_none());
        assert!(rows.limit(100, allowed).is_none());
    }
}
