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
    if members.len() as u64 * total <= EXACT_WORK {
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
