//! The access log: one line of JSON per request, made of what the engine holds anyway, into a bounded buffer.
//!
//! The laws: a line is whole or not there; no byte of a request can end a line or a string in it; every line fits into
//! one atomic write on a pipe. Whoever drains the buffer does the I/O; when nobody does, lines are dropped and counted,
//! and requests are not held up.
//!
//! A line takes 1,400 instructions beside the 14,200 that the engine takes for a request with 12 fields and its answer
//! (`bench/instructions`): it allocates nothing, its constant parts are copied in one piece, and what many lines share (the
//! date, the names of a route, the address of an instance) is written once for them.

mod escape;
mod instances;
mod record;
mod time;

use crate::state::{Counter, Instance, State};
use instances::Instances;
pub(crate) use record::{names, Record};
use time::Clock;

/// Longest line with its newline: what Linux writes to a pipe in one piece (`PIPE_BUF`, pipe(7)), so that the lines of
/// several workers never mix.
pub const MAX_LINE_BYTES: usize = 4096;
/// How much waits to be drained at the most; 3,000 usual lines.
const CAPACITY: usize = 1024 * 1024;
/// How much may wait before somebody is told; until then the worker's tick is soon enough.
const DUE: usize = 64 * 1024;
/// Capacity that the buffer keeps when it is drained.
const KEPT: usize = 2 * DUE;
/// Records that wait for requests to come: as many as a busy worker has under way, so that a request allocates none.
const SPARE_RECORDS: usize = 64;

/// The lines of one worker that wait to be drained, and what is kept from line to line.
#[derive(Debug, Default)]
pub struct AccessLog {
    lines: Vec<u8>,
    told: bool,
    spare: Vec<Record>,
    clock: Clock,
    instances: Instances,
}

impl AccessLog {
    /// Whole lines, oldest first.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The lines have been taken.
    pub fn drained(&mut self) {
        self.lines.clear();
        self.lines.shrink_to(KEPT);
        self.told = false;
    }

    /// Is there more than should wait for the next tick? Says so once until it is drained.
    #[inline]
    pub fn falls_due(&mut self) -> bool {
        let due = self.lines.len() >= DUE && !self.told;
        self.told |= due;
        due
    }

    /// Writes the line of a request that has ended, or of a connection without a status, or counts that there is no room for it. `reason`: why there is no
    /// whole answer of an instance.
    pub(crate) fn finish<S: State>(
        &mut self,
        mut record: Record,
        state: &S,
        status: Option<u16>,
        reason: Option<&str>,
        now: u64,
    ) {
        if self.lines.len() + MAX_LINE_BYTES <= CAPACITY {
            let instance = record.instance().and_then(|instance| self.instances.written(instance, state));
            record.complete(instance, status, reason, now);
            self.lines.extend_from_slice(record.line());
        } else {
            state.count(Counter::AccessLogLinesDropped, 1);
        }
        if self.spare.len() < SPARE_RECORDS && record.is_small() {
            self.spare.push(record);
        }
    }
}

#[cfg(test)]
mod tests;
