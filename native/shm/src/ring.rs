//! Rings: the consistent hashing of a service as one extent of their arena, built by the supervisor, read by every worker.
//!
//! An extent is `[service, points, starts of the arcs…, position and slot of each point…]`. The service's ring word names
//! it by offset and length, and is swapped in one store.
//!
//! Rings have an arena to themselves: one may be as large as the banks of all services together, and a health flip must not
//! wait until there is room for it.

use core::sync::atomic::{AtomicU32, Ordering};

use headgate_engine::selection::ring::{arc_bits, Point, Ring};
use headgate_engine::state::PublishedRing;

use crate::extents::Extent;

/// Words in front of a ring's lists: service, points.
const HEADER: usize = 2;

/// The words of a service's extent; none for a ring without points.
pub(crate) fn build(service: u32, ring: &Ring) -> Vec<u32> {
    if ring.points.is_empty() {
        return Vec::new();
    }
    let mut words = Vec::with_capacity(HEADER + ring.starts.len() + 2 * ring.points.len());
    words.extend([service, ring.points.len() as u32]);
    words.extend(&ring.starts);
    words.extend(ring.points.iter().flat_map(|point| [point.position, point.slot]));
    words
}

/// The ring that a service's word names; None when the word or the extent makes no sense.
#[inline]
pub(crate) fn read(arena: &[AtomicU32], word: u64, service: u32) -> Option<PublishedRing> {
    if word == 0 {
        return Some(PublishedRing::default());
    }
    let Extent { offset, len } = Extent::from_word(word);
    let words = arena.get(offset as usize..)?.get(..len as usize)?;
    let [owner, points] = words.first_chunk::<HEADER>()?;
    let points = points.load(Ordering::Relaxed);
    let whole = owner.load(Ordering::Relaxed) == service
        && points > 0
        && first_point(points) + 2 * points as usize == words.len();
    whole.then_some(PublishedRing { offset, points })
}

/// How many points lie before an arc.
#[inline]
pub(crate) fn start(arena: &[AtomicU32], ring: PublishedRing, arc: u32) -> Option<u32> {
    let inside = u64::from(arc) < 1 << arc_bits(ring.points);
    inside.then(|| word(arena, ring, HEADER + arc as usize)).flatten()
}

/// A point by its number.
#[inline]
pub(crate) fn point(arena: &[AtomicU32], ring: PublishedRing, index: u32) -> Option<Point> {
    let at = first_point(ring.points) + 2 * index as usize;
    let inside = index < ring.points;
    inside
        .then(|| Some(Point { position: word(arena, ring, at)?, slot: word(arena, ring, at + 1)? }))
        .flatten()
}

/// Where the points begin behind so many arcs as they have.
#[inline]
fn first_point(points: u32) -> usize {
    HEADER + (1usize << arc_bits(points))
}

#[inline]
fn word(arena: &[AtomicU32], ring: PublishedRing, index: usize) -> Option<u32> {
    arena.get(ring.offset as usize + index).map(|word| word.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use headgate_engine::selection::ring::Member;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A ring reads back as it was built, for its own service only.
        #[test]
        fn rings_read_back(identities in prop::collection::vec(any::<u64>(), 0..9), service: u32) {
            let members: Vec<Member> =
                (0..).zip(&identities).map(|(slot, &identity)| Member { slot, identity, weight: 1 }).collect();
            let built = Ring::of(&members);
            let words = build(service, &built);
            let extent = Extent { offset: 3, len: words.len() as u32 };
            let arena: Vec<AtomicU32> = [0; 3].into_iter().chain(words).map(AtomicU32::new).collect();
            if identities.is_empty() {
                return Ok(());
            }
            let ring = read(&arena, extent.to_word(), service).unwrap();
            let points: Vec<Point> = (0..ring.points).filter_map(|index| point(&arena, ring, index)).collect();
            let arcs = 1 << arc_bits(ring.points);
            let starts: Vec<u32> = (0..arcs).filter_map(|arc| start(&arena, ring, arc)).collect();
            prop_assert_eq!((starts, points), (built.starts, built.points));
            prop_assert_eq!((start(&arena, ring, arcs), point(&arena, ring, ring.points)), (None, None));
            prop_assert_eq!(read(&arena, extent.to_word(), service.wrapping_add(1)), None);
        }

        /// Any word over any arena gives a ring or none, and any number a point or none: never a panic.
        #[test]
        fn garbage_is_no_ring(words in prop::collection::vec(any::<u32>(), 0..20), word: u64, index: u32) {
            let arena: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
            for word in [0, word, word & 0x0000_000f_0000_000f] {
                for ring in [read(&arena, word, 0).unwrap_or_default(), PublishedRing { offset: index, points: index }] {
                    let _ = (start(&arena, ring, index), point(&arena, ring, index));
                }
            }
        }
    }
}
