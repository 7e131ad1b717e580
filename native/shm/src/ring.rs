//! Rings: the consistent hashing of a service as one extent of their arena, built by the supervisor, read by every worker.
//!
//! An extent is `[service, arcs, 0…]`, filled up to a cache line, and the ring's lines, `[position and slot of each point]`, a
//! cache line each. The service's ring word names it by offset and length, and is swapped in one store.
//!
//! Rings have an arena to themselves: one may be as large as the banks of all services together, and a health flip must not
//! wait until there is room for it.

use core::sync::atomic::{AtomicU32, Ordering};

use headgate_engine::selection::ring::{Point, Ring, LINE};
use headgate_engine::state::PublishedRing;

use crate::extents::Extent;

/// Words of a line. The arena begins with a cache line and its extents are whole lines, so that each of them is one.
const LINE_WORDS: usize = 2 * LINE as usize;
/// Words in front of a ring's lines: service, arcs.
const HEADER: usize = LINE_WORDS;

/// The words of a service's extent; none for a ring without points.
pub(crate) fn build(service: u32, ring: &Ring) -> Vec<u32> {
    if ring.points.is_empty() {
        return Vec::new();
    }
    let mut words = Vec::with_capacity(HEADER + 2 * ring.points.len());
    words.extend([service, ring.arcs]);
    words.resize(HEADER, 0);
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
    let ([owner, arcs, ..], lines) = words.split_first_chunk::<HEADER>()?;
    let arcs = arcs.load(Ordering::Relaxed);
    let whole = owner.load(Ordering::Relaxed) == service && lines.len() % LINE_WORDS == 0;
    let lines = (lines.len() / LINE_WORDS) as u32;
    (whole && (1..=lines).contains(&arcs)).then_some(PublishedRing { offset, arcs, lines })
}

/// How many of the points of a line lie before a position. All are compared, without a branch: which is the first that does not
/// is as good as random.
#[inline]
pub(crate) fn before(arena: &[AtomicU32], ring: PublishedRing, line: u32, position: u32) -> Option<u32> {
    let at = ring.offset as usize + HEADER + line as usize * LINE_WORDS;
    let words = arena.get(at..)?.first_chunk::<LINE_WORDS>().filter(|_| line < ring.lines)?;
    let is_before = |place: &AtomicU32| u32::from(place.load(Ordering::Relaxed) < position);
    Some(words.chunks_exact(2).map(|point| is_before(&point[0])).sum())
}

/// A point by its number.
#[inline]
pub(crate) fn point(arena: &[AtomicU32], ring: PublishedRing, index: u32) -> Option<Point> {
    let at = ring.offset as usize + HEADER + 2 * index as usize;
    let words = arena.get(at..)?.first_chunk().filter(|_| index / LINE < ring.lines)?;
    let [position, slot] = words.each_ref().map(|word| word.load(Ordering::Relaxed));
    Some(Point { position, slot })
}

#[cfg(test)]
mod tests {
    use headgate_engine::selection::ring::Member;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A ring reads back as it was built, for its own service only.
        #[test]
        fn rings_read_back(
            identities in prop::collection::vec(any::<u64>(), 0..9),
            service: u32,
            position: u32,
        ) {
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
            let points: Vec<Point> =
                (0..ring.lines * LINE).filter_map(|index| point(&arena, ring, index)).collect();
            for (line, number) in points.chunks(LINE as usize).zip(0..) {
                // At a point the answer is not what it is beside it.
                for position in [position, line[3].position] {
                    let slow = line.iter().filter(|point| point.position < position).count() as u32;
                    prop_assert_eq!(before(&arena, ring, number, position), Some(slow));
                }
            }
            prop_assert_eq!((ring.arcs, points), (built.arcs, built.points));
            prop_assert_eq!(before(&arena, ring, ring.lines, position), None);
            prop_assert_eq!(point(&arena, ring, ring.lines * LINE), None);
            prop_assert_eq!(read(&arena, extent.to_word(), service.wrapping_add(1)), None);
        }

        /// Any word over any arena gives a ring or none, and any number a point or none: never a panic.
        #[test]
        fn garbage_is_no_ring(
            words in prop::collection::vec(prop_oneof![0u32..3, any::<u32>()], 0..70),
            word in prop_oneof![
                any::<u64>(),
                (0u64..3, 1u64..5).prop_map(|(at, lines)| (at << 32) | (lines * LINE_WORDS as u64)),
            ],
            index: u32,
        ) {
            let arena: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
            for word in [0, word, word & 0x0000_000f_0000_000f] {
                let read = read(&arena, word, 0).unwrap_or_default();
                prop_assert!(read.arcs <= read.lines && (read.lines as usize * LINE_WORDS) < arena.len().max(1));
                for ring in [read, PublishedRing { offset: index, arcs: index, lines: index }] {
                    let _ = (before(&arena, ring, index, index), point(&arena, ring, index));
                }
            }
        }
    }
}
