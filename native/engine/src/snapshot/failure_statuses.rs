//! The final status codes of a service's answers that count as a failure of the instance.

use super::SnapshotError;

const FIRST: u16 = 500;
const LAST: u16 = 599;

/// A set of server errors (RFC 9110 §15.6), one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureStatuses([u64; 2]);

impl FailureStatuses {
    /// The set of these codes, each from 500 to 599.
    pub(super) fn compile(codes: &[u16]) -> Result<Self, SnapshotError> {
        let mut set = Self::default();
        for &code in codes {
            if !(FIRST..=LAST).contains(&code) {
                return Err(SnapshotError::invalid(
                    "failure_statuses",
                    format!("not from {FIRST} to {LAST}"),
                ));
            }
            let (word, bit) = Self::place(code);
            set.0[word] |= bit;
        }
        Ok(set)
    }

    /// Is this code in the set?
    #[inline]
    pub fn contains(&self, code: u16) -> bool {
        let (word, bit) = Self::place(code);
        (FIRST..=LAST).contains(&code) && self.0[word] & bit != 0
    }

    /// The word and the bit of a code; those of another one for a code out of range.
    fn place(code: u16) -> (usize, u64) {
        let index = usize::from(code.wrapping_sub(FIRST)) % 128;
        (index / 64, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code is in the set of it, alone among all codes; no other than a server error may be in one.
    #[test]
    fn the_codes_that_were_named() {
        for code in 0..1000 {
            let Ok(set) = FailureStatuses::compile(&[code]) else {
                assert!(!(500..600).contains(&code));
                continue;
            };
            assert!((0..=u16::MAX).all(|other| set.contains(other) == (other == code)), "{code}");
        }
        assert!((0..=u16::MAX).all(|code| !FailureStatuses::default().contains(code)));
    }
}
