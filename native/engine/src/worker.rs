//! What all connections of one worker share in the engine: configuration, shared state, deadlines, scratch space.

use std::sync::Arc;

use crate::access_log::AccessLog;
use crate::askers::Askers;
use crate::compression::Encoders;
use crate::deadline::Deadlines;
use crate::queue::Lines;
use crate::random::Random;
use crate::reply::http_date;
use crate::rest::Rests;
use crate::snapshot::Snapshot;
use crate::state::State;

/// Bytes the output buffer may keep between two events; one large event must not cost memory for ever.
const KEPT_OUTPUT_BYTES: usize = 256 * 1024;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The engine of one worker.
#[derive(Debug)]
pub struct Worker<S> {
    /// Health, load, buckets and counters, shared with the other workers.
    pub state: S,
    /// The configuration that new requests are decided by.
    pub snapshot: Arc<Snapshot>,
    /// When each connection has waited long enough.
    pub deadlines: Deadlines,
    /// Who waits for a place at a service.
    pub lines: Lines,
    /// How many copies of requests for mirrors are under way.
    pub(crate) copies: u32,
    /// Who waits for a token of a limit that gateways share.
    pub askers: Askers,
    /// One who waits for a token was asked last.
    askers_turn: bool,
    /// Since when each connection is at rest.
    pub rests: Rests,
    /// The random numbers of this worker.
    pub random: Random,
    /// What puts answers into content codings.
    pub encoders: Encoders,
    /// Where payloads are made; valid until the next call into the engine.
    pub output: Vec<u8>,
    /// The value of Date fields, renewed by [`Worker::tick`].
    pub date: [u8; 29],
    /// The lines of the access log that wait to be written.
    pub access_log: AccessLog,
    /// Unix time minus the monotonic clock, in nanoseconds and modulo 2⁶⁴, renewed by [`Worker::tick`].
    wall_offset: u64,
    /// The worker is on its way out: answers announce the close of their connection.
    pub draining: bool,
}

impl<S: State> Worker<S> {
    /// A worker without configuration: every request finds no listener and is answered 404.
    pub fn new(state: S, random_seed: u64) -> Self {
        Self {
            state,
            snapshot: Arc::default(),
            deadlines: Deadlines::default(),
            lines: Lines::default(),
            copies: 0,
            askers: Askers::default(),
            askers_turn: false,
            rests: Rests::default(),
            random: Random::new(random_seed),
            encoders: Encoders::default(),
            output: Vec::new(),
            date: http_date(0),
            access_log: AccessLog::default(),
            wall_offset: 0,
            draining: false,
        }
    }

    /// Renews what changes with time. `wall` is Unix time in nanoseconds at `now`.
    pub fn tick(&mut self, now: u64, wall: u64) {
        self.date = http_date(wall / NANOS_PER_SECOND);
        self.wall_offset = wall.wrapping_sub(now);
    }

    /// What Unix time it is `now`, in nanoseconds, as far as the last tick can tell.
    pub(crate) fn wall(&self, now: u64) -> u64 {
        now.wrapping_add(self.wall_offset)
    }

    /// The connection that is asked next of those who wait: one for a place, one for a token. However long the round of those is, it
    /// does not keep these from their turn.
    pub fn next_turn(&mut self, now: u64) -> Option<u32> {
        let Self { lines, askers, .. } = self;
        self.askers_turn = !self.askers_turn;
        if self.askers_turn {
            askers.next_in_round().or_else(|| lines.next(now))
        } else {
            lines.next(now).or_else(|| askers.next_in_round())
        }
    }

    /// Empties the output for the next payload.
    pub(crate) fn fresh_output(&mut self) -> &mut Vec<u8> {
        self.output.clear();
        if self.output.capacity() > KEPT_OUTPUT_BYTES {
            self.output.shrink_to(KEPT_OUTPUT_BYTES);
        }
        &mut self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;
    use crate::state::fake::FakeState;

    /// Though there is news before every handful of turns, each is asked in its turn: those behind as those in front, those in line
    /// as those who ask.
    #[test]
    fn nobody_is_kept_from_its_turn() {
        const A_TURN: usize = 32;
        const QUEUE: Queue = Queue { size: 1_000, timeout: NANOS_PER_SECOND };
        let mut worker = Worker::new(FakeState::new(), 1);
        for connection in 0..100 {
            worker.askers.join(connection);
        }
        worker.lines.join(7, 100, QUEUE, 0);
        let mut asked = [0; 101];
        for _ in 0..20 {
            worker.lines.begin_round();
            worker.askers.begin_round();
            for connection in (0..A_TURN).map_while(|_| worker.next_turn(0)) {
                asked[connection as usize] += 1;
            }
        }
        let of_askers = 20 * (A_TURN - 1) / 100;
        assert_eq!(asked[100], 20, "one turn in each round");
        assert!(asked[..100].iter().all(|times| (of_askers..=of_askers + 1).contains(times)), "{asked:?}");
    }
}
