//! Those of a worker who wait for a token of a limit that gateways share, in the order in which they came.
//!
//! They wait for answers to different questions, so everybody is asked in a round, whatever became of those before. A round
//! that begins before the last one is over goes on where that is, or those behind would never have a turn.

use std::collections::BTreeMap;
use std::ops::Range;

/// The number of one that waits; none has the number of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// Who waits, by ticket.
#[derive(Debug, Default)]
pub struct Askers {
    connections: BTreeMap<u64, u32>,
    tickets: u64,
    /// The tickets that are still to be asked in this round: first these,
    round: Range<u64>,
    /// and then these, who were asked before it began.
    behind: Range<u64>,
}

impl Askers {
    /// The connection begins to wait.
    pub fn join(&mut self, connection: u32) -> Ticket {
        let ticket = self.tickets;
        self.tickets += 1;
        self.connections.insert(ticket, connection);
        Ticket(ticket)
    }

    /// It waits no longer.
    pub fn leave(&mut self, Ticket(ticket): Ticket) {
        self.connections.remove(&ticket);
    }

    /// Does nobody wait?
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Answers may have come: everybody who waits now is to be asked once.
    pub fn begin_round(&mut self) {
        (self.round, self.behind) = (self.round.start..self.tickets, 0..self.round.start);
    }

    /// The connection that is asked next in this round; `None` when the round is over.
    pub fn next_in_round(&mut self) -> Option<u32> {
        let next = self.connections.range(self.round.clone()).next();
        let next = next.or_else(|| {
            self.round = std::mem::take(&mut self.behind);
            self.connections.range(self.round.clone()).next()
        });
        let Some((ticket, connection)) = next else {
            self.round = 0..0;
            return None;
        };
        self.round.start = ticket + 1;
        Some(*connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is asked once in a round, in the order in which they came, whoever leaves or comes meanwhile.
    #[test]
    fn everybody_is_asked_once() {
        let mut askers = Askers::default();
        assert_eq!((askers.next_in_round(), askers.is_empty()), (None, true));
        let tickets: Vec<Ticket> = (10..14).map(|connection| askers.join(connection)).collect();
        assert_eq!(askers.next_in_round(), None, "no round has begun");
        askers.begin_round();
        assert_eq!(askers.next_in_round(), Some(10));
        askers.leave(tickets[0]);
        askers.leave(tickets[2]);
        askers.join(14);
        assert_eq!(
            [askers.next_in_round(), askers.next_in_round(), askers.next_in_round()],
            [Some(11), Some(13), None]
        );
        askers.begin_round();
        assert_eq!(
            [askers.next_in_round(), askers.next_in_round(), askers.next_in_round()],
            [Some(11), Some(13), Some(14)]
        );
        assert!(!askers.is_empty());
    }

    /// A round that begins while another is under way asks everybody once more, and those first whom that has not come to.
    #[test]
    fn a_round_goes_on_where_the_last_one_was() {
        let mut askers = Askers::default();
        for connection in 0..5 {
            askers.join(connection);
        }
        let ask = |askers: &mut Askers, most: usize| -> Vec<u32> {
            (0..most).map_while(|_| askers.next_in_round()).collect()
        };
        askers.begin_round();
        assert_eq!(ask(&mut askers, 2), [0, 1]);
        askers.begin_round();
        askers.join(5);
        assert_eq!(ask(&mut askers, 4), [2, 3, 4, 0]);
        askers.begin_round();
        assert_eq!(ask(&mut askers, 9), [1, 2, 3, 4, 5, 0]);
        askers.begin_round();
        assert_eq!(ask(&mut askers, 9), [0, 1, 2, 3, 4, 5], "a new one begins with the oldest");
    }
}
