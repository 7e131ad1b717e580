//! Which connections are at rest, and since when, in a dense array: a store keeps it, and only when descriptors run
//! short somebody looks through it for the connections that can be spared.

/// A connection that was answered is spared when it has rested for so long: the next request of a busy client would
/// cross the close on its way, and be lost.
const ANSWERED_REST: u64 = 1_000_000_000;
/// One that has never asked for anything is given this time to begin.
const SILENT_REST: u64 = 10_000_000_000;

/// Sorts a connection that has never asked behind every one that was answered.
const SILENT: u64 = 1 << 63;
const BUSY: u64 = u64::MAX;

/// How a connection can be spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Not at all: there is something under way.
    Busy,
    /// It has had its answers, the last one at this time.
    Answered(u64),
    /// It has connected at this time, and has asked for nothing.
    Silent(u64),
}

/// The rests of all connections of a worker, by connection index.
#[derive(Debug, Default)]
pub struct Rests {
    since: Vec<u64>,
}

impl Rests {
    /// Makes room for a connection under an index of [`crate::deadline::Deadlines::open`].
    pub fn open(&mut self, index: u32) {
        if index as usize == self.since.len() {
            self.since.push(BUSY);
        }
    }

    /// Sets how a connection rests; of one that is closed nothing is kept.
    pub fn set(&mut self, index: u32, rest: Rest) {
        if let Some(since) = self.since.get_mut(index as usize) {
            *since = match rest {
                Rest::Busy => BUSY,
                Rest::Answered(since) => since & !SILENT,
                Rest::Silent(since) => since | SILENT,
            };
        }
    }

    /// At most `most` connections that can be spared: those that were answered, longest at rest first, and then
    /// those that have never asked.
    pub fn spared(&self, now: u64, most: usize) -> Vec<u32> {
        let answered = now.saturating_sub(ANSWERED_REST);
        let silent = now.saturating_sub(SILENT_REST) | SILENT;
        let mut found: Vec<(u64, u32)> = (0..)
            .zip(&self.since)
            .filter(|&(_, &since)| since <= answered || (SILENT..=silent).contains(&since))
            .map(|(index, &since)| (since, index))
            .collect();
        if most < found.len() {
            found.select_nth_unstable(most);
            found.truncate(most);
        }
        found.sort_unstable();
        found.into_iter().map(|(_, index)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 1_000 * SECOND;

    /// Connections with these rests, by index.
    fn rests(all: &[Rest]) -> Rests {
        let mut rests = Rests::default();
        for (index, &rest) in (0..).zip(all) {
            rests.open(index);
            rests.set(index, rest);
        }
        rests
    }

    #[test]
    fn the_longest_at_rest_come_first_and_the_silent_last() {
        let all = [
            Rest::Silent(NOW - 50 * SECOND),
            Rest::Answered(NOW - 2 * SECOND),
            Rest::Busy,
            Rest::Answered(NOW - 9 * SECOND),
            Rest::Silent(NOW - 60 * SECOND),
        ];
        let rests = rests(&all);
        assert_eq!(rests.spared(NOW, 10), [3, 1, 4, 0]);
        for most in 0..4 {
            assert_eq!(rests.spared(NOW, most), [3, 1, 4, 0][..most]);
        }
    }

    #[test]
    fn a_short_rest_spares_nobody() {
        let all = [Rest::Answered(NOW - SECOND + 1), Rest::Silent(NOW - 10 * SECOND + 1), Rest::Busy];
        assert!(rests(&all).spared(NOW, 10).is_empty());
        assert_eq!(rests(&all).spared(NOW + 1, 10), [0, 1]);
    }

    #[test]
    fn who_becomes_busy_is_not_spared() {
        let mut rests = rests(&[Rest::Answered(0), Rest::Answered(0)]);
        rests.set(0, Rest::Busy);
        assert_eq!(rests.spared(NOW, 10), [1]);
    }
}
