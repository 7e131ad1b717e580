//! Slow start: an instance that has just come, or come back, gets little at first, so that it can warm up.

/// What stands for a whole share.
pub(super) const WHOLE: u32 = 1 << 10;

/// The share that an instance starts from: a tenth.
const LEAST: u32 = WHOLE / 10;

/// The part of its share that an instance gets which started at `started` and is to be at its whole share after
/// `duration`, both in nanoseconds: from a tenth to [`WHOLE`], in a straight line. `started` 0: it was always there.
#[inline]
pub(super) fn warmth(started: u64, duration: u64, now: u64) -> u32 {
    let since = now.saturating_sub(started);
    if started == 0 || since >= duration {
        return WHOLE;
    }
    // Below 1 of `duration`, so below WHOLE; a duration of a day in nanoseconds has 47 bits.
    let reached = u128::from(since) * u128::from(WHOLE) / u128::from(duration);
    (reached as u32).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// From a tenth in a straight line to the whole, and whole for those without a start.
    #[test]
    fn grows_in_a_straight_line() {
        let at = |seconds: u64| warmth(100 * SECOND, 15 * SECOND, (100 + seconds) * SECOND);
        assert_eq!([0, 1, 3, 9, 15, 1000].map(at), [102, 102, 204, 614, 1024, 1024]);
        assert_eq!(warmth(0, 15 * SECOND, SECOND), WHOLE);
        assert_eq!(warmth(SECOND, 0, SECOND), WHOLE, "no slow start is configured");
    }

    /// A start in the future, or any other nonsense, is a start just now and no fault.
    #[test]
    fn nonsense_is_a_start_just_now() {
        assert_eq!(warmth(u64::MAX, 15 * SECOND, SECOND), LEAST);
        assert_eq!(warmth(1, u64::MAX, u64::MAX - 1), WHOLE - 1);
    }
}
