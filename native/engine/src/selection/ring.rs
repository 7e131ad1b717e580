//! The ring of consistent hashing, a circle: every member stands at many points of it, and a key belongs to the member at the
//! next point clockwise (Karger et al., "Consistent Hashing and Random Trees", 1997).
//!
//! Where a member stands follows from its identity alone: neither its place in the list nor the other members move
//! it. So a member that leaves takes nobody's keys but its own along, and every gateway with the same members has
//! the same ring.

use crate::random::Random;

/// Points of the lightest member; the others have more in proportion to their weights. The share of a member with so
/// many is within 3 % of its due in two of three cases (1 / √1024).
pub const POINTS: u32 = 1 << 10;
/// The most points of a ring; beyond it every member has fewer.
pub const MAX_POINTS: u32 = 1 << 21;
/// The most points that a member may have on average, whatever the weights.
pub const MAX_POINTS_PER_MEMBER: u32 = 1 << 14;

/// Points of a line: 64 bytes, which a processor fetches from memory as one.
pub const LINE: u32 = 8;
/// Points that an arc has on average. With so many, one key in ten has its point in the second line that is looked at, one in a
/// thousand in a third; with five, one in thirty, for a fifth more memory.
const POINTS_PER_ARC: usize = 6;

/// A member of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its slot.
    pub slot: u32,
    /// What it is known by for ever: a hash of its address.
    pub identity: u64,
    /// Its share; 0 has no point.
    pub weight: u32,
}

/// A place on the ring, and who stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Where: the ring is 2³² long.
    pub position: u32,
    /// The slot of the member.
    pub slot: u32,
}

/// A ring whose points lie where they are looked for: its equal arcs have a line each, so that the next point is found without
/// an index, most often in the first line.
///
/// The lines are sorted as a whole. What an arc has beyond its line stands at the beginning of the next ones, as in a hash table
/// with linear probing; what it lacks is filled up with copies of the point that comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// How many arcs there are. The search for a position begins at the line of its [`arc`].
    pub arcs: u32,
    /// The lines, [`LINE`] points each: all points of the ring, clockwise, and the copies. At the very end stands the first
    /// member's point once more, so that every position has a point at it or behind it.
    pub points: Vec<Point>,
}

impl Ring {
    /// A ring of members with as many points each as their weights ask for: at least [`POINTS`], fewer where that would
    /// be more than [`MAX_POINTS`] together.
    ///
    /// This is work for the control plane: it allocates, and two million points take a tenth of a second.
    pub fn of(members: &[Member]) -> Self {
        Self::with_points(members, &points_of(members))
    }

    /// A ring on which every member has one point, [`first_position`]: it finds members by their identity.
    pub fn index_of(members: &[Member]) -> Self {
        Self::with_points(members, &vec![1; members.len()])
    }

    fn with_points(members: &[Member], counts: &[u32]) -> Self {
        let mut points = Vec::with_capacity(counts.iter().map(|&count| count as usize).sum());
        for (member, &count) in members.iter().zip(counts) {
            let mut positions = Random::new(member.identity);
            let point = |_| Point { position: next_position(&mut positions), slot: member.slot };
            points.extend((0..count).map(point));
        }
        // As one number each, they are compared without a branch.
        points.sort_unstable_by_key(|point| u64::from(point.position) << u32::BITS | u64::from(point.slot));
        Self::in_lines(&points)
    }

    /// The ring of these points, which are in order.
    fn in_lines(points: &[Point]) -> Self {
        let Some(first) = points.first() else { return Self::default() };
        let (line, arcs) = (LINE as usize, points.len().div_ceil(POINTS_PER_ARC));
        // What runs over the last arc takes another line as a rule, and seldom two.
        let mut lines: Vec<Point> = Vec::with_capacity((arcs + 2) * line);
        for &point in points {
            let begin = arc(point.position, arcs as u32) as usize * line;
            lines.resize(lines.len().max(begin), point);
            lines.push(point);
        }
        let whole = (lines.len() + 1).next_multiple_of(line).max(arcs * line);
        lines.resize(whole, Point { position: u32::MAX, slot: first.slot });
        Self { arcs: arcs as u32, points: lines }
    }
}

/// The arc that a position lies in, of so many.
#[inline]
pub fn arc(position: u32, arcs: u32) -> u32 {
    ((u64::from(position) * u64::from(arcs)) >> u32::BITS) as u32
}

/// Where the first point of a member stands.
#[inline]
pub fn first_position(identity: u64) -> u32 {
    next_position(&mut Random::new(identity))
}

#[inline]
fn next_position(positions: &mut Random) -> u32 {
    (positions.bits() >> u32::BITS) as u32
}

/// How many points each member has: in proportion to its weight, and at least one where that is not 0.
fn points_of(members: &[Member]) -> Vec<u32> {
    let weights = || members.iter().map(|member| u64::from(member.weight)).filter(|&weight| weight > 0);
    let (count, total) = (weights().count() as u64, weights().sum::<u64>());
    let lightest = weights().min().unwrap_or(1);
    let most = u64::from(MAX_POINTS).min(count.saturating_mul(u64::from(MAX_POINTS_PER_MEMBER)));
    let room = most.saturating_sub(count); // what is rounded up to one point has its place beside it
    let fits = u128::from(total) * u128::from(POINTS) <= u128::from(most) * u128::from(lightest);
    // `wanted` points for every `per` of weight.
    let (wanted, per) = if fits { (u64::from(POINTS), lightest) } else { (room, total) };
    let points = |weight: u32| match weight {
        0 => 0,
        weight => (u128::from(weight) * u128::from(wanted) / u128::from(per)).max(1) as u32,
    };
    members.iter().map(|member| points(member.weight)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(weights: &[u32]) -> Vec<Member> {
        let mut identities = Random::new(42);
        (0..)
            .zip(weights)
            .map(|(slot, &weight)| Member { slot, weight, identity: identities.bits() })
            .collect()
    }

    /// The points without the copies.
    fn points(ring: &Ring) -> Vec<Point> {
        let mut points = ring.points.clone();
        let end = points.last().copied();
        points.dedup();
        points.retain(|point| Some(*point) != end);
        points
    }

    fn counts(ring: &Ring, members: usize) -> Vec<usize> {
        let mut counts = vec![0; members];
        for point in points(ring) {
            counts[point.slot as usize] += 1;
        }
        counts
    }

    /// Equal members have a thousand points each, heavier ones more in proportion, and who has no weight has none.
    #[test]
    fn points_follow_the_weights() {
        assert_eq!(counts(&Ring::of(&members(&[1, 1, 1])), 3), [1024; 3]);
        assert_eq!(counts(&Ring::of(&members(&[20, 0, 50])), 3), [1024, 0, 2560]);
        assert_eq!(Ring::of(&members(&[0, 0])), Ring::default());
        assert_eq!(Ring::of(&[]), Ring::default());
    }

    /// Beyond the bound the members have fewer points, in the same proportion, and nobody is left out.
    #[test]
    fn large_rings_are_bounded() {
        let many = points_of(&members(&vec![3; 10_000]));
        assert!(
            many.iter().all(|&points| points == many[0]) && (200..=209).contains(&many[0]),
            "{}",
            many[0]
        );
        let uneven = points_of(&members(&[u32::MAX, 1, 1]));
        assert_eq!(uneven[1..], [1, 1]);
        assert!((48_000..=1 << 16).contains(&uneven.iter().sum::<u32>()), "{uneven:?}");
    }

    /// An index of identities has every member at its first place.
    #[test]
    fn an_index_has_each_member_once() {
        let members = members(&[1, 7, 0]);
        let ring = Ring::index_of(&members);
        assert_eq!(counts(&ring, 3), [1, 1, 1]);
        for member in members {
            let place = Point { position: first_position(member.identity), slot: member.slot };
            assert!(ring.points.contains(&place));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        /// The lines are whole and in order, and the next point from any position on is in its arc's line or in one of the four
        /// behind it.
        #[test]
        fn the_next_point_is_near_its_arc(weights in prop::collection::vec(0u32..4, 1..8), position: u32) {
            let ring = Ring::of(&members(&weights));
            prop_assert!(ring.points.is_sorted_by_key(|point| point.position));
            prop_assert_eq!(ring.points.len() % LINE as usize, 0);
            prop_assert!(ring.points.len() >= (ring.arcs * LINE) as usize);
            if ring.points.is_empty() {
                return Ok(());
            }
            prop_assert_eq!(ring.points.last().unwrap().position, u32::MAX);
            let line = (arc(position, ring.arcs) * LINE) as usize;
            let next = ring.points.partition_point(|point| point.position < position);
            let near = ring.points[line..].iter().position(|point| point.position >= position).unwrap();
            prop_assert!(near < 5 * LINE as usize, "{near}");
            prop_assert_eq!(ring.points[line + near], ring.points[next]);
        }

        /// Points of any places keep their order, and none is lost: all at one place, at the ends, or in one arc.
        #[test]
        fn no_point_is_lost(places in prop::collection::vec((0u32..3, 0u32..9), 0..60)) {
            let place = |&(part, offset)| [offset, (1 << 31) + offset, u32::MAX - 1 - offset][part as usize];
            let mut sorted: Vec<Point> =
                (0..).zip(&places).map(|(slot, at)| Point { position: place(at), slot }).collect();
            sorted.sort_unstable();
            let ring = Ring::in_lines(&sorted);
            prop_assert!(ring.points.is_sorted_by_key(|point| point.position));
            prop_assert_eq!(ring.points.len() % LINE as usize, 0);
            prop_assert_eq!(ring.points.is_empty(), places.is_empty());
            for point in &sorted {
                let line = (arc(point.position, ring.arcs) * LINE) as usize;
                let found = ring.points[line..].iter().find(|other| other.position >= point.position).unwrap();
                let first = sorted.iter().find(|other| other.position == point.position).unwrap();
                prop_assert_eq!(found, first);
            }
            prop_assert_eq!(points(&ring), sorted);
        }

        /// A member that comes or goes moves no point of the others while there is room for all.
        #[test]
        fn the_others_stay_where_they_are(count in 2usize..8, leaver in any::<prop::sample::Index>()) {
            let mut members = members(&vec![1; count]);
            let before = Ring::of(&members);
            let gone = members.remove(leaver.index(count));
            let after = Ring::of(&members);
            let left: Vec<Point> = points(&before).into_iter().filter(|point| point.slot != gone.slot).collect();
            prop_assert_eq!(points(&after), left);
        }
    }
}
