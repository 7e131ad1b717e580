//! How many tries more a service may get than it gets requests: retries help while little fails, and finish off what is
//! overloaded when much does.

/// The time that is looked back on, in seconds.
pub const WINDOW_SECONDS: u64 = 10;

/// The bound of a service's retries in any [`WINDOW_SECONDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Retries per hundred requests.
    pub percent: u32,
    /// Retries that there may be however few requests there are.
    pub least: u32,
}

/// What a service got in the last [`WINDOW_SECONDS`], at all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that have ended.
    pub requests: u64,
    /// Retries, the one that is asked for included.
    pub retries: u64,
}

impl RetryBudget {
    /// So many retries per hundred requests, but no fewer than `tokens` per `period_ms`, rounded up to whole ones in the
    /// window.
    pub fn new(percent: u32, tokens: u64, period_ms: u64) -> Self {
        let least = tokens.saturating_mul(WINDOW_SECONDS * 1_000).div_ceil(period_ms.max(1));
        Self { percent, least: u32::try_from(least).unwrap_or(u32::MAX) }
    }

    /// Are there no more retries than there may be?
    pub fn allows(self, traffic: Traffic) -> bool {
        let share = traffic.requests.saturating_mul(u64::from(self.percent)) / 100;
        traffic.retries <= share.max(u64::from(self.least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A floor is what ten seconds have of it, rounded up.
    #[test]
    fn the_floor_is_in_whole_retries() {
        for (tokens, period, least) in [
            (3, 1_000, 30),
            (7, 60_000, 2),
            (1, 3_600_000, 1),
            (0, 1_000, 0),
            (1_000_000_000, 1_000, u32::MAX),
        ] {
            assert_eq!(RetryBudget::new(20, tokens, period), RetryBudget { percent: 20, least });
        }
    }

    /// The larger of share and floor counts; the share is rounded down.
    #[test]
    fn the_share_counts_above_the_floor() {
        let budget = RetryBudget { percent: 20, least: 30 };
        for (requests, most) in [(0, 30), (100, 30), (150, 30), (154, 30), (155, 31), (1_000, 200)] {
            assert!(budget.allows(Traffic { requests, retries: most }), "{requests}");
            assert!(!budget.allows(Traffic { requests, retries: most + 1 }), "{requests}");
        }
        assert!(budget.allows(Traffic { requests: u64::MAX, retries: u64::MAX / 100 }));
    }
}
