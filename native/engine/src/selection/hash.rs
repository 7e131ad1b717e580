//! Consistent hashing: requests with one key go to one instance, for as long as it can be had.

use super::ring::{arc, first_position, Point, LINE};
use super::{Affinity, Decision};
use crate::random::Random;
use crate::state::{Bank, Instance, PublishedRing, State};

/// Points that are looked at for one that can be had, a quarter of which are copies. Where even nine of ten instances are down,
/// one key in 10¹³ finds none.
const MAX_WALK: u32 = 384;
/// Members whose load stands for that of all, where there are more.
const LOAD_SAMPLE: u32 = 64;
/// Lines that are looked at for the next point. It is in the first four of the largest rings, and only in memory that makes no sense
/// farther.
const MAX_LINES: u32 = 16;
/// Members that may stand at one position.
const MAX_AT_POSITION: usize = 128;

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    /// The member at the key's place on the ring, or the next one clockwise that can be had. A request without a key
    /// goes to the less loaded of two.
    pub(super) fn next_on_ring(
        &mut self,
        row: u32,
        bank: Bank,
        bounded_load: Option<u32>,
        random: &mut Random,
    ) -> Option<Instance> {
        let Affinity::Key(key) = self.affinity else { return self.least_loaded(bank, 2, random) };
        let most = bounded_load.map(|percent| self.load_bound(bank, percent, key));
        let ring = self.state.ring(row);
        let mut last = None;
        for point in clockwise(self.state, ring, (key >> u32::BITS) as u32).take(MAX_WALK as usize) {
            // A copy, or a neighbour of its own. A ring may be a moment older than the weights.
            if last.replace(point.slot) == Some(point.slot)
                || self.state.weight(point.slot) == 0
                || most.is_some_and(|most| self.is_above(point.slot, most))
            {
                continue;
            }
            if let Some(instance) = self.take(bank, point.slot) {
                return Some(instance);
            }
        }
        // Nobody near, or no ring yet: the list has an order as well, and every worker begins at the same place of it.
        self.scan(bank, ((u128::from(key) * u128::from(bank.eligible)) >> u64::BITS) as u32)
    }

    /// What a member may hold per weight: so much of what all hold on average, this exchange included, counted by their
    /// weights (Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016).
    ///
    /// Where there are more than [`LOAD_SAMPLE`] members, as many that lie evenly between the others speak for all.
    fn load_bound(&self, bank: Bank, percent: u32, key: u64) -> Load {
        let sample = bank.eligible.min(LOAD_SAMPLE);
        let first = (key as u32) % bank.eligible;
        let (mut held, mut weight) = (1u64, 0u64);
        for number in 0..sample {
            let step = (u64::from(number) * u64::from(bank.eligible) / u64::from(sample)) as u32;
            let index = (u64::from(first) + u64::from(step)) % u64::from(bank.eligible);
            let slot = self.state.candidate(bank, index as u32);
            held += u64::from(self.state.in_flight(slot));
            weight += u64::from(self.state.weight(slot));
        }
        Load { held: held.saturating_mul(u64::from(percent)), weight: weight.max(1).saturating_mul(100) }
    }

    /// Would one exchange more take the member above the bound, rounded up to whole exchanges?
    fn is_above(&self, slot: u32, most: Load) -> bool {
        let share = u128::from(most.held) * u128::from(self.state.weight(slot));
        u128::from(self.state.in_flight(slot)) >= share.div_ceil(u128::from(most.weight))
    }
}

/// So many exchanges held for so much weight.
#[derive(Clone, Copy)]
struct Load {
    held: u64,
    weight: u64,
}

/// The points from a position on, once around.
fn clockwise<S: State>(state: &S, ring: PublishedRing, position: u32) -> impl Iterator<Item = Point> + '_ {
    let next_in = |line| {
        let before = state.ring_before(ring, line, position);
        (before < LINE).then(|| line * LINE + before)
    };
    let line = arc(position, ring.arcs);
    let start = (line..ring.lines).take(MAX_LINES as usize).find_map(next_in).unwrap_or(0);
    let end = ring.lines * LINE;
    (start..end).chain(0..start).map(move |index| state.ring_point(ring, index))
}

/// The slot of the member with this identity, on a ring that has every member's first point.
pub(super) fn find<S: State>(state: &S, ring: PublishedRing, identity: u64) -> Option<u32> {
    let position = first_position(identity);
    clockwise(state, ring, position)
        .take(MAX_AT_POSITION)
        .take_while(|point| point.position == position)
        .map(|point| point.slot)
        .find(|&slot| state.identity(slot) == identity)
}
