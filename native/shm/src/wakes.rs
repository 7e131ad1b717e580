//! The eventfds by which processes wake each other: one for each lane, whose worker it wakes, and one for the keeper of the
//! stocks.
//!
//! What keeps somebody from being woken (there is nothing to wake it with, or it has been woken 2⁶⁴ times) its next tick makes up for.

use core::sync::atomic::Ordering;
use std::os::fd::OwnedFd;

use crate::layout::LaneHeader;
use crate::live::LiveLanes;
use crate::segment::Segment;

/// The eventfds, those of the lanes first.
#[derive(Debug, Default)]
pub struct Wakes(Vec<OwnedFd>);

impl Wakes {
    /// Of all lanes in their order, and then that of the keeper; with fewer of them not everybody can be woken.
    pub fn new(eventfds: Vec<OwnedFd>) -> Self {
        Self(eventfds)
    }

    /// Wakes the worker of a lane.
    pub fn lane(&self, lane: u32) {
        self.wake(lane as usize);
    }

    /// Wakes the keeper of a segment's stocks.
    pub fn keeper(&self, segment: &Segment) {
        self.wake(segment.capacities().lanes as usize);
    }

    /// Wakes all workers at which anybody waits.
    pub fn all_that_wait(&self, segment: &Segment) {
        let waits = |header: &LaneHeader| header.seen.0.waiting.load(Ordering::SeqCst) > 0;
        for lane in LiveLanes::new(segment.live()) {
            if segment.lane_header(lane).is_some_and(waits) {
                self.lane(lane);
            }
        }
    }

    fn wake(&self, index: usize) {
        if let Some(eventfd) = self.0.get(index) {
            let _ = rustix::io::write(eventfd, &1_u64.to_ne_bytes());
        }
    }
}
