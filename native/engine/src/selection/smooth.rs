//! The order of a weighted round robin, spread as evenly as the weights allow.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The longest sequence that is built.
pub const MAX_TURNS: u64 = 1 << 20;

/// Members × turns up to which the exact form is built; it looks at every member for every turn.
const EXACT_WORK: u64 = 1_000_000;

/// The order in which members of these weights take their turns, as indexes into `weights`; those of weight 0 take none.
///
/// The weights are reduced by their greatest common divisor, so equal weights give the plain order. It is the smooth
/// weighted round robin that nginx defines while members × turns stay within a million, otherwise the earliest-deadline
/// order, which is as even but not the same. A sum above [`MAX_TURNS`] is scaled down: each member gets its share of
/// (`MAX_TURNS` − members) turns rounded down, but at least one, so a share is less than one turn off unless it
/// was below one turn. More members than `MAX_TURNS` get one turn each.
///
/// This is work for the control plane: it allocates, and takes up to a second for a million turns.
pub fn smooth_sequence(weights: &[u32]) -> Vec<u32> {
    let members = turns_of(weights);
    let total: u64 = members.iter().map(|member| member.turns).sum();
    if members.len() as u64 == total {
        members.iter().map(|member| member.index).collect() // equal weights: both orders are that of the list
    } else if members.len() as u64 * total <= EXACT_WORK {
        exact(&members, total)
    } else {
        earliest_deadline(&members, total)
    }
}

/// A member that takes turns: its place in the caller's list and how many turns it has in the sequence.
#[derive(Clone, Copy)]
struct Member {
    index: u32,
    turns: u64,
}

/// The members with their turns, reduced and bounded.
fn turns_of(weights: &[u32]) -> Vec<Member> {
    let divisor = u64::from(weights.iter().copied().fold(0, gcd).max(1));
    let mut members: Vec<Member> = (0..)
        .zip(weights)
        .filter(|(_, &weight)| weight > 0)
        .map(|(index, &weight)| Member { index, turns: u64::from(weight) / divisor })
        .collect();
    let total: u64 = members.iter().map(|member| member.turns).sum();
    if total > MAX_TURNS {
        let room = MAX_TURNS.saturating_sub(members.len() as u64);
        for member in &mut members {
            // The product of a weight and the room fits 64 bits, and one more turn each fits what the room leaves.
            member.turns = (member.turns * room / total).max(1);
        }
    }
    members
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

/// nginx: every turn each member gains its weight, the richest takes the turn (the earlier one on a tie) and pays the
/// sum of all weights.
fn exact(members: &[Member], total: u64) -> Vec<u32> {
    let mut credit = vec![0i64; members.len()];
    let mut sequence = Vec::with_capacity(total as usize);
    for _ in 0..total {
        let mut richest = 0;
        for (place, member) in members.iter().enumerate() {
            credit[place] = credit[place].saturating_add_unsigned(member.turns);
            if credit[place] > credit[richest] {
                richest = place;
            }
        }
        credit[richest] = credit[richest].saturating_sub_unsigned(total);
        sequence.push(members[richest].index);
    }
    sequence
}

/// Turn k of a member of weight w is due at (k + ½) / w; turns come in the order in which they are due.
fn earliest_deadline(members: &[Member], total: u64) -> Vec<u32> {
    let mut due: BinaryHeap<Reverse<Deadline>> =
        members.iter().map(|&member| Reverse(Deadline { member, taken: 0 })).collect();
    let mut sequence = Vec::with_capacity(total as usize);
    while let Some(Reverse(Deadline { member, taken })) = due.pop() {
        sequence.push(member.index);
        if taken + 1 < member.turns {
            due.push(Reverse(Deadline { member, taken: taken + 1 }));
        }
    }
    sequence
}

/// When a member's next turn is due: (`taken` + ½) / `turns`, compared exactly as fractions.
#[derive(Clone, Copy)]
struct Deadline {
    member: Member,
    taken: u64,
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Ordering {
        let scaled = |this: &Self, that: &Self| (2 * this.taken + 1) * that.member.turns;
        scaled(self, other).cmp(&scaled(other, self)).then(self.member.index.cmp(&other.member.index))
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Deadline {}

#[cfg(test)]
mod tests {
    use super::{earliest_deadline, exact, gcd, smooth_sequence, turns_of, MAX_TURNS};

    /// The sequence that nginx publishes for its algorithm, and small ones worked out by hand.
    #[test]
    fn follows_the_published_sequence() {
        assert_eq!(smooth_sequence(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(smooth_sequence(&[1, 2]), [1, 0, 1]);
        assert_eq!(smooth_sequence(&[4, 2]), [0, 1, 0]);
    }

    /// Equal weights give the plain order, whatever their size.
    #[test]
    fn equal_weights_are_the_order() {
        assert_eq!(smooth_sequence(&[7, 7, 7]), [0, 1, 2]);
        assert_eq!(smooth_sequence(&[u32::MAX; 4]), [0, 1, 2, 3]);
    }

    /// Weight 0 takes no turn, and the others keep their own indexes.
    #[test]
    fn zero_weights_are_skipped() {
        assert_eq!(smooth_sequence(&[0, 2, 0, 2]), [1, 3]);
        assert!(smooth_sequence(&[0, 0]).is_empty());
        assert!(smooth_sequence(&[]).is_empty());
    }

    /// The earliest-deadline order of small weights, worked out by hand: a at .1 .3 .5 .7 .9, b and c at .5.
    #[test]
    fn earliest_deadline_goes_by_the_middle_of_each_turn() {
        assert_eq!(earliest_deadline(&turns_of(&[5, 1, 1]), 7), [0, 0, 0, 1, 2, 0, 0]);
    }

    fn turns(sequence: &[u32], member: u32) -> u64 {
        sequence.iter().filter(|&&index| index == member).count() as u64
    }

    /// Beyond the exact form every member still has exactly its share, and its turns lie evenly: after any number of
    /// turns no member is a whole turn away from its due, give or take rounding at the ends.
    #[test]
    fn earliest_deadline_is_fair_and_even() {
        let weights = [400_001u32, 300_000, 7, 1];
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let sequence = smooth_sequence(&weights);
        assert_eq!(sequence.len() as u64, total);
        let mut taken = [0u64; 4];
        for (position, &member) in (1u64..).zip(&sequence) {
            taken[member as usize] += 1;
            for (&got, &weight) in taken.iter().zip(&weights) {
                let off = (got * total).abs_diff(position * u64::from(weight));
                assert!(off < 2 * total, "turn {position}: {taken:?}");
            }
        }
        assert_eq!(taken, weights.map(u64::from));
    }

    /// Both forms give each member the same number of turns.
    #[test]
    fn the_two_forms_agree_on_the_shares() {
        let members = turns_of(&[9, 4, 4, 1, 30]);
        let total = members.iter().map(|member| member.turns).sum();
        let (one, other) = (exact(&members, total), earliest_deadline(&members, total));
        assert_eq!((one.len(), other.len()), (48, 48));
        for member in 0..5 {
            assert_eq!(turns(&one, member), turns(&other, member));
        }
    }

    /// Weights too large for a sequence are scaled down: within the bound, shares less than a turn off, nobody left out.
    #[test]
    fn huge_weights_are_scaled_down() {
        let weights = [u32::MAX, u32::MAX / 3, 1, 12_345_678];
        let sequence = smooth_sequence(&weights);
        assert!(sequence.len() as u64 <= MAX_TURNS);
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        for (member, &weight) in (0..).zip(&weights) {
            let due = (MAX_TURNS - 4) as f64 * f64::from(weight) / total as f64;
            let got = turns(&sequence, member);
            assert!(got >= 1 && (got as f64 - due.max(1.0)).abs() <= 1.0, "member {member}: {got} of {due}");
        }
        let lone = sequence.iter().position(|&member| member == 2).unwrap();
        assert!(
            (sequence.len() / 3..sequence.len() * 2 / 3).contains(&lone),
            "a single turn lies in the middle"
        );
    }

    /// The greatest common divisor is what Euclid says, with 0 as the neutral element.
    #[test]
    fn gcd_of_weights() {
        assert_eq!(
            [(0, 6), (12, 18), (7, 5), (u32::MAX, u32::MAX)].map(|(a, b)| gcd(a, b)),
            [6, 6, 1, u32::MAX]
        );
    }
}
