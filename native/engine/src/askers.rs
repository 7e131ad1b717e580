//! Those of a worker who wait for a token of a limit that gateways share, in the order in which they came.
//!
//! They wait for answers to different questions, so everybody is asked in a round, whatever became of those before.

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
    /// The tickets that are still to be asked in this round.
    round: Range<u64>,
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
        self.round = 0..self.tickets;
    }

    /// The connection that is asked next in this round; `None` when the round is over.
    pub fn next_in_round(&mut self) -> Option<u32> {
        let (ticket, connection) = self.connections.range(self.round.clone()).next()?;
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
}
