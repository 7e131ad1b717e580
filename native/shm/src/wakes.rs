//! The eventfds by which processes wake each other: one for each lane, whose worker it wakes, and one for the keeper of the
//! stocks.
//!
//! What keeps somebody from being woken (there is nothing to wake it with, or it has been woken 2³² times) its next tick makes up for.

use core::sync::atomic::Ordering;
use std::os::fd::OwnedFd;

use crate::layout::LaneHeader;
use crate::live::LiveLanes;
use crate::segment::Segment;

/// What whoever is woken is to look for. The sum that is read from an eventfd says which of them there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum News {
    /// A place may have come free.
    Place = 1,
    /// The keeper of the stocks may have answered; for the keeper itself: somebody waits for that.
    Answer = 1 << 32,
}

impl News {
    /// Is it in what was read from an eventfd? Of one that was not read for very long there is perhaps more than there was.
    pub fn is_in(self, sum: u64) -> bool {
        match self {
            Self::Place => sum % Self::Answer as u64 > 0,
            Self::Answer => sum >= Self::Answer as u64,
        }
    }
}

/// The eventfds, those of the lanes first.
#[derive(Debug, Default)]
pub struct Wakes(Vec<OwnedFd>);

impl Wakes {
    /// Of all lanes in their order, and then that of the keeper; with fewer of them not everybody can be woken.
    pub fn new(eventfds: Vec<OwnedFd>) -> Self {
        Self(eventfds)
    }

    /// Wakes the worker of a lane.
    pub fn lane(&self, lane: u32, news: News) {
        self.wake(lane as usize, news);
    }

    /// Wakes the keeper of a segment's stocks.
    pub fn keeper(&self, segment: &Segment) {
        self.wake(segment.capacities().lanes as usize, News::Answer);
    }

    /// Wakes all workers at which anybody waits.
    pub fn all_that_wait(&self, segment: &Segment, news: News) {
        let waits = |header: &LaneHeader| header.seen.0.waiting.load(Ordering::SeqCst) > 0;
        for lane in LiveLanes::new(segment.live()) {
            if segment.lane_header(lane).is_some_and(waits) {
                self.lane(lane, news);
            }
        }
    }

    fn wake(&self, index: usize, news: News) {
        if let Some(eventfd) = self.0.get(index) {
            let _ = rustix::io::write(eventfd, &(news as u64).to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However often somebody was woken before it looks, it learns of both, and of neither that was not there.
    #[test]
    fn a_sum_says_what_was_in_it() {
        for (places, answers) in [(0, 0), (1, 0), (0, 1), (3, 2), (0, 1_000_000), (1_000_000, 0)] {
            let sum = places * News::Place as u64 + answers * News::Answer as u64;
            assert_eq!([News::Place, News::Answer].map(|news| news.is_in(sum)), [places > 0, answers > 0]);
        }
    }
}
