//! How slow a peer may be: the least average rate that a client must keep, the clock that its rate is measured by, and
//! how a peer is watched that does not take what is sent to it.

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// How long a body may come as slowly as it likes: shorter ones are not worth a verdict, and TCP starts slowly.
const GRACE: u64 = 10 * NANOS_PER_SECOND;

/// The least rate at which a client must send a body, or take what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// Rounded up, so that nobody who keeps the rate is found too slow.
    nanos_per_byte: u64,
}

impl MinRate {
    /// So many bytes a second; `None` for 0, which asks for nothing.
    pub fn per_second(bytes: u64) -> Option<Self> {
        (bytes > 0).then(|| Self { nanos_per_byte: NANOS_PER_SECOND.div_ceil(bytes) })
    }

    /// Nanoseconds after its beginning until which a body of which so many bytes have come is not too slow.
    pub fn patience(self, bytes: u64) -> u64 {
        self.time_for(bytes).max(GRACE)
    }

    /// Are so many bytes enough for so many nanoseconds?
    pub fn is_kept(self, bytes: u64, nanos: u64) -> bool {
        self.time_for(bytes) >= nanos
    }

    fn time_for(self, bytes: u64) -> u64 {
        bytes.saturating_mul(self.nanos_per_byte)
    }
}

/// The time that counts for something: it can be stopped, and goes on where it stood.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    /// When it would have been started had it never been stopped.
    start: u64,
    stopped: Option<u64>,
}

impl Stopwatch {
    /// One that runs since `now`.
    pub fn start(now: u64) -> Self {
        Self { start: now, stopped: None }
    }

    /// From `now` on no time counts. Idempotent.
    pub fn stop(&mut self, now: u64) {
        self.stopped.get_or_insert(now);
    }

    /// Time counts again. Idempotent.
    pub fn go_on(&mut self, now: u64) {
        if let Some(stopped) = self.stopped.take() {
            self.start += now.saturating_sub(stopped);
        }
    }

    /// Of so many nanoseconds since its start, those that are left `now`, while it runs.
    pub fn left(&self, nanos: u64, now: u64) -> u64 {
        self.start.saturating_add(nanos).saturating_sub(now)
    }
}

/// How a peer takes what it has let pile up. It is looked at several times in the time for a write: what the kernel takes
/// at first, on its way to a peer that reads nothing, must not earn the peer the whole time once more.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// When the rate began to be measured.
    since: u64,
    /// Bytes taken since then.
    taken: u64,
    /// When something was seen to be taken last.
    moved: u64,
}

impl Stall {
    /// Looks in the time for a write: so much of it can be added to that time.
    const LOOKS: u64 = 8;

    /// One that begins `now`.
    pub fn begin(now: u64) -> Self {
        Self { since: now, taken: 0, moved: now }
    }

    /// So many bytes were taken since the last look. The nanoseconds until the next one; `None` when nothing was taken for
    /// `timeout`, or less in it than is asked for.
    pub fn look(&mut self, taken: u64, timeout: u64, rate: Option<MinRate>, now: u64) -> Option<u64> {
        if taken > 0 {
            self.taken = self.taken.saturating_add(taken);
            self.moved = now;
        }
        let measured = now.saturating_sub(self.since);
        if measured >= timeout {
            if rate.is_some_and(|rate| !rate.is_kept(self.taken, measured)) {
                return None;
            }
            (self.since, self.taken) = (now, 0);
        }
        let left = self.moved.saturating_add(timeout).saturating_sub(now);
        (left > 0).then(|| left.min(Self::until_look(timeout)))
    }

    /// Nanoseconds until the next look, at the most.
    pub fn until_look(timeout: u64) -> u64 {
        (timeout / Self::LOOKS).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOS_PER_SECOND;

    #[test]
    fn a_rate_of_nothing_is_none() {
        assert_eq!(MinRate::per_second(0), None);
    }

    #[test]
    fn every_byte_buys_time_beyond_the_grace() {
        let rate = MinRate::per_second(500).unwrap();
        for (bytes, seconds) in [(0, 10), (1, 10), (5_000, 10), (5_001, 10), (5_500, 11), (500_000, 1_000)] {
            assert_eq!(rate.patience(bytes) / SECOND, seconds, "{bytes}");
        }
        assert_eq!(rate.patience(u64::MAX), u64::MAX);
    }

    #[test]
    fn who_keeps_a_rate_exactly_keeps_it() {
        for bytes in [1, 3, 7, 500, 999_999, SECOND, u64::MAX] {
            let rate = MinRate::per_second(bytes).unwrap();
            assert!(rate.is_kept(bytes, SECOND), "{bytes}");
            assert!(!rate.is_kept(0, 1), "{bytes}");
        }
        assert!(!MinRate::per_second(500).unwrap().is_kept(499, SECOND));
    }

    /// Looks as the deadlines come, with what is taken before each: seconds until the stall is over.
    fn stalled(rate: Option<MinRate>, mut taken: impl FnMut(u64) -> u64) -> Option<u64> {
        let timeout = 80 * SECOND;
        let (mut stall, mut now) = (Stall::begin(0), Stall::until_look(timeout));
        while now < 10_000 * SECOND {
            match stall.look(taken(now / SECOND), timeout, rate, now) {
                Some(wait) => now += wait,
                None => return Some(now / SECOND),
            }
        }
        None
    }

    #[test]
    fn who_takes_nothing_has_the_time_for_a_write_from_the_last_byte_on() {
        assert_eq!(stalled(None, |_| 0), Some(80));
        assert_eq!(stalled(None, |second| u64::from(second == 10)), Some(90), "the kernel's buffers");
        assert_eq!(stalled(None, |second| u64::from(second <= 300)), Some(380));
        assert_eq!(stalled(None, |second| u64::from(second % 70 == 0)), None);
    }

    #[test]
    fn who_takes_too_little_has_the_time_for_one_write() {
        let rate = MinRate::per_second(500);
        assert_eq!(stalled(rate, |_| 4_999), Some(80));
        assert_eq!(stalled(rate, |_| 5_000), None);
        assert_eq!(stalled(rate, |second| if second <= 80 { 5_000 } else { 1 }), Some(160));
        assert_eq!(stalled(rate, |second| if second == 10 { SECOND } else { 0 }), Some(90));
    }

    #[test]
    fn a_stopwatch_counts_the_time_that_it_runs() {
        let mut watch = Stopwatch::start(100);
        assert_eq!(watch.left(50, 120), 30);
        watch.stop(120);
        watch.stop(130);
        watch.go_on(150);
        watch.go_on(155);
        assert_eq!(watch.left(50, 150), 30);
        assert_eq!(watch.left(50, 180), 0);
        assert_eq!(watch.left(50, 500), 0);
        assert_eq!(watch.left(u64::MAX, 500), u64::MAX - 500);
    }
}
