//! One deadline per connection in a dense array, swept by the worker's tick: no timer per connection or request.

/// A deadline that never passes.
pub const NEVER: u64 = u64::MAX;

/// The deadlines of all connections of a worker, by connection index.
#[derive(Debug, Default)]
pub struct Deadlines {
    at: Vec<u64>,
    free: Vec<u32>,
}

impl Deadlines {
    /// Takes an index, the lowest kind of reuse first so that the array stays dense.
    pub fn open(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.at.push(NEVER);
            (self.at.len() - 1) as u32
        })
    }

    /// Gives an index back. It must not be used again.
    pub fn close(&mut self, index: u32) {
        self.set(index, NEVER);
        self.free.push(index);
    }

    /// Sets a connection's deadline in nanoseconds; [`NEVER`] disarms it.
    pub fn set(&mut self, index: u32, at: u64) {
        if let Some(deadline) = self.at.get_mut(index as usize) {
            *deadline = at;
        }
    }

    /// When a connection's deadline is.
    #[cfg(test)]
    pub(crate) fn at(&self, index: u32) -> u64 {
        self.at[index as usize]
    }

    /// At most so many of the connections whose deadline has passed; each is disarmed, so that none is told twice. The
    /// others stay armed: what comes for them before they are asked for again counts.
    pub fn expired(&mut self, now: u64, most: usize) -> Vec<u32> {
        let passed = self.at.iter_mut().enumerate().filter(|(_, at)| **at <= now);
        let disarmed = passed.map(|(index, at)| {
            *at = NEVER;
            index as u32
        });
        disarmed.take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_told_once_and_not_early() {
        let mut deadlines = Deadlines::default();
        let (a, b) = (deadlines.open(), deadlines.open());
        deadlines.set(a, 10);
        deadlines.set(b, 20);
        assert!(deadlines.expired(9, 2).is_empty());
        assert_eq!(deadlines.expired(10, 2), [a]);
        assert!(deadlines.expired(10, 2).is_empty());
        assert_eq!(deadlines.expired(100, 2), [b]);
    }

    #[test]
    fn of_many_that_have_passed_some_are_told_and_the_others_may_still_be_set_anew() {
        let mut deadlines = Deadlines::default();
        let all: Vec<u32> = (0..5).map(|_| deadlines.open()).collect();
        for &index in &all {
            deadlines.set(index, 10);
        }
        assert_eq!(deadlines.expired(10, 2), all[..2]);
        deadlines.set(all[2], 11);
        assert_eq!(deadlines.expired(10, 2), all[3..]);
        assert!(deadlines.expired(10, 2).is_empty());
    }

    #[test]
    fn an_index_given_back_is_disarmed_and_used_again() {
        let mut deadlines = Deadlines::default();
        let first = deadlines.open();
        deadlines.set(first, 10);
        deadlines.close(first);
        assert!(deadlines.expired(u64::MAX - 1, 1).is_empty());
        assert_eq!(deadlines.open(), first);
    }
}
