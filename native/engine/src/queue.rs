//! The waiting lines of a worker: who waits for a place at which service, and whose turn is next.
//!
//! The oldest comes first, as long as the line empties again and again. When its oldest has waited longer than a tenth of what
//! anybody may wait, and that for as long again, more comes than can be served. From then on the newest comes first: to
//! serve the old ones would only make the others as old, and clients give up on what is late. That is the adaptive LIFO of
//! Maurer, "Fail at Scale" (ACM Queue 13, 8, 2015); to judge a line by how long it stands, not by its length, is that of RFC 8289 (`CoDel`), §3.

use std::collections::{BTreeMap, VecDeque};

/// The part of its time-out that the oldest may wait before a line counts as standing.
const PATIENCE: u64 = 10;

/// The bounds of a service's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Requests that may wait, at all workers together.
    pub size: u32,
    /// Nanoseconds that each of them may wait.
    pub timeout: u64,
}

/// Whose turn is next in a worker's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Since when it has waited, in nanoseconds.
    pub since: u64,
    /// The line stands, and its newest is first.
    pub newest_first: bool,
}

impl Front {
    /// Is its turn before the other's? Where one line stands the service has too much to do, so the newest comes first in all.
    pub fn is_before(self, other: Self) -> bool {
        if self.newest_first || other.newest_first {
            self.since > other.since
        } else {
            self.since < other.since
        }
    }
}

/// What became of one that wanted to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WaitEnd {
    /// It got a place.
    Served = 0,
    /// As many waited as may; it did not begin to.
    Full = 1,
    /// It gave its place in the queue to a newer one.
    Displaced = 2,
    /// It waited as long as it may.
    Late = 3,
    /// Its client left, or sent what is no request.
    Left = 4,
    /// No instance was left to wait for.
    Failed = 5,
    /// The limit that it waited for had no token for it.
    Refused = 6,
}

impl WaitEnd {
    /// Every end with its name in the metrics, in the order of their numbers.
    pub const NAMES: [&'static str; 7] = ["served", "full", "displaced", "late", "left", "failed", "refused"];
}

/// The number of one that waits; none has the number of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

#[derive(Clone, Copy, Debug)]
struct Waiter {
    ticket: Ticket,
    connection: u32,
    since: u64,
}

/// The line of one service, oldest first.
#[derive(Debug)]
struct Line {
    waiters: VecDeque<Waiter>,
    /// How long its oldest may wait before it counts as standing.
    patience: u64,
    standing_since: Option<u64>,
    newest_first: bool,
    /// How many may still be asked in this round.
    turns_left: usize,
}

impl Line {
    fn new() -> Self {
        Self {
            waiters: VecDeque::new(),
            patience: 0,
            standing_since: None,
            newest_first: false,
            turns_left: 0,
        }
    }

    /// Judges whether the line stands.
    fn look(&mut self, now: u64) {
        let waited = |waiter: &Waiter| now.saturating_sub(waiter.since);
        let stands = self.waiters.front().is_some_and(|oldest| waited(oldest) > self.patience);
        self.standing_since = stands.then(|| self.standing_since.unwrap_or(now));
        self.newest_first =
            self.standing_since.is_some_and(|since| now.saturating_sub(since) >= self.patience);
    }

    fn next(&self) -> Option<&Waiter> {
        if self.newest_first {
            self.waiters.back()
        } else {
            self.waiters.front()
        }
    }
}

/// The lines of a worker by the rows of their services; there is none in which nobody waits.
#[derive(Debug, Default)]
pub struct Lines {
    lines: BTreeMap<u32, Line>,
    tickets: u64,
    /// The service whose line was asked last: the next one goes on from there, or those behind would never have a turn
    /// where rounds begin faster than they end.
    last: u32,
}

impl Lines {
    /// The connection begins to wait.
    pub fn join(&mut self, service: u32, connection: u32, queue: Queue, now: u64) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        let line = self.lines.entry(service).or_insert_with(Line::new);
        line.patience = queue.timeout / PATIENCE;
        line.waiters.push_back(Waiter { ticket, connection, since: now });
        ticket
    }

    /// It waits no longer. False: it was displaced before.
    pub fn leave(&mut self, service: u32, ticket: Ticket) -> bool {
        let Some(line) = self.lines.get_mut(&service) else { return false };
        let Ok(place) = line.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket) else {
            return false;
        };
        line.waiters.remove(place);
        if line.waiters.is_empty() {
            self.lines.remove(&service);
        }
        true
    }

    /// The oldest gives way to a newcomer, which takes over its place in the queue. Returns its connection; `None` unless the
    /// line stands.
    pub fn displace(&mut self, service: u32, now: u64) -> Option<u32> {
        let line = self.lines.get_mut(&service)?;
        line.look(now);
        if !line.newest_first {
            return None;
        }
        let oldest = line.waiters.pop_front()?;
        if line.waiters.is_empty() {
            self.lines.remove(&service);
        }
        Some(oldest.connection)
    }

    /// Whose turn is next; `None` where nobody waits.
    pub fn front(&mut self, service: u32, now: u64) -> Option<Front> {
        let line = self.lines.get_mut(&service)?;
        line.look(now);
        line.next().map(|next| Front { since: next.since, newest_first: line.newest_first })
    }

    /// Is it the turn of this one?
    pub fn is_next(&self, service: u32, ticket: Ticket) -> bool {
        self.lines.get(&service).and_then(Line::next).is_some_and(|next| next.ticket == ticket)
    }

    /// Does nobody wait?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Places may have come free: everybody who waits now may be asked once.
    pub fn begin_round(&mut self) {
        for line in self.lines.values_mut() {
            line.turns_left = line.waiters.len();
        }
    }

    /// The connection whose turn it is in this round; `None` when the round is over.
    pub fn next(&mut self, now: u64) -> Option<u32> {
        let from_last = self.lines.range(self.last..).chain(self.lines.range(..self.last));
        let next = from_last.into_iter().find(|(_, line)| line.turns_left > 0);
        let next = next.map(|(service, _)| *service);
        self.last = next.unwrap_or(0);
        let service = next?;
        let line = self.lines.get_mut(&service)?;
        line.turns_left -= 1;
        line.look(now);
        line.next().map(|next| next.connection)
    }

    /// There was no place for the next of a line, so there is none for those behind it: they are not asked in this round.
    pub fn end_round(&mut self, service: u32) {
        if let Some(line) = self.lines.get_mut(&service) {
            line.turns_left = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const QUEUE: Queue = Queue { size: 10, timeout: SECOND };
    const SERVICE: u32 = 3;
    const START: u64 = 1_000 * SECOND;

    /// A line of which `count` connections have joined, 1 ms after each other.
    fn line(count: u32) -> (Lines, Vec<Ticket>) {
        let mut lines = Lines::default();
        let at = |index: u32| START + u64::from(index) * SECOND / 1_000;
        let tickets = (0..count).map(|index| lines.join(SERVICE, index, QUEUE, at(index))).collect();
        (lines, tickets)
    }

    /// Who is asked in a round at `now`, when each gets a place.
    fn order(lines: &mut Lines, tickets: &[Ticket], now: u64) -> Vec<u32> {
        lines.begin_round();
        let mut order = vec![];
        while let Some(connection) = lines.next(now) {
            order.push(connection);
            assert!(lines.leave(SERVICE, tickets[connection as usize]));
        }
        order
    }

    #[test]
    fn the_oldest_comes_first() {
        let (mut lines, tickets) = line(3);
        assert_eq!(lines.front(SERVICE, START).map(|front| front.since), Some(START));
        assert!(lines.is_next(SERVICE, tickets[0]) && !lines.is_next(SERVICE, tickets[2]));
        assert_eq!(order(&mut lines, &tickets, START + SECOND / 20), [0, 1, 2]);
        assert!(lines.is_empty());
    }

    /// A line stands when its oldest has waited for a tenth of its time, and that for as long again; then the newest is first, until the
    /// line is young again.
    #[test]
    fn the_newest_comes_first_in_a_line_that_stands() {
        let (mut lines, tickets) = line(3);
        let newest_first = |lines: &mut Lines, millis: u64| {
            lines.front(SERVICE, START + millis * SECOND / 1_000).is_some_and(|front| front.newest_first)
        };
        assert!(!newest_first(&mut lines, 100), "as long as it may");
        assert!(!newest_first(&mut lines, 110), "it stands from here on");
        assert!(!newest_first(&mut lines, 209));
        assert!(newest_first(&mut lines, 210));
        let mut other = line(3).0;
        assert!(!newest_first(&mut other, 101));
        assert!(other.leave(SERVICE, tickets[0]) && other.leave(SERVICE, tickets[1]));
        assert!(!newest_first(&mut other, 101), "its oldest is younger now");
        assert!(!newest_first(&mut other, 202), "so it has only begun to stand");
        assert_eq!(order(&mut lines, &tickets, START + SECOND / 4), [2, 1, 0]);
    }

    /// Only from a line that stands is anybody displaced, and that is the oldest.
    #[test]
    fn the_oldest_gives_way_in_a_line_that_stands() {
        let (mut lines, tickets) = line(2);
        assert_eq!(lines.displace(SERVICE, START + SECOND / 8), None);
        assert_eq!(lines.displace(SERVICE, START + SECOND / 4), Some(0));
        assert!(!lines.leave(SERVICE, tickets[0]), "it stands there no more");
        assert!(lines.leave(SERVICE, tickets[1]));
        assert_eq!(lines.displace(SERVICE, START + SECOND), None);
    }

    /// Where the next one found no place nobody behind it is asked; other lines are.
    #[test]
    fn a_round_asks_each_line_until_it_is_refused() {
        let (mut lines, _) = line(3);
        lines.join(SERVICE + 1, 9, QUEUE, START);
        lines.begin_round();
        assert_eq!(lines.next(START), Some(0));
        lines.end_round(SERVICE);
        assert_eq!(lines.next(START), Some(9));
        assert_eq!(lines.next(START), None, "each is asked once, whatever came of it");
        lines.begin_round();
        assert_eq!(lines.next(START), Some(0));
    }

    /// A round that begins while another is under way goes on with the line that was asked last, and comes to all.
    #[test]
    fn rounds_that_never_end_come_to_all_lines() {
        let mut lines = Lines::default();
        for service in 0..4 {
            lines.join(service, service, QUEUE, START);
        }
        let asked: Vec<_> = (0..6)
            .map(|_| {
                lines.begin_round();
                let asked = [lines.next(START), lines.next(START)].map(Option::unwrap);
                asked.map(|connection| lines.end_round(connection));
                asked
            })
            .collect();
        assert_eq!(asked, [[0, 1], [1, 2], [2, 3], [3, 0], [0, 1], [1, 2]]);
    }

    /// Between lines the oldest goes first; once one of them stands, the newest.
    #[test]
    fn turns_of_several_lines() {
        let front = |since, newest_first| Front { since, newest_first };
        assert!(front(1, false).is_before(front(2, false)));
        assert!(!front(2, false).is_before(front(1, false)));
        for (one, other) in [(true, false), (false, true), (true, true)] {
            assert!(front(2, one).is_before(front(1, other)));
            assert!(!front(1, one).is_before(front(2, other)));
        }
        assert!(!front(1, false).is_before(front(1, false)), "nobody is before its equal");
    }
}
