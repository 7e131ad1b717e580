//! Mirrors: which requests of a route another service gets a copy of.

use crate::random::Random;
use crate::snapshot::Backend;
use crate::split::WHOLE;

/// The service that gets copies, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The service, all of it, without changes of its own: a copy is what the instance of the request is sent.
    pub backend: Backend,
    /// How many of [`WHOLE`] requests are copied.
    pub share: u32,
    /// The row of the request table that counts the copies.
    pub row: u32,
}

impl Mirror {
    /// Is this request one of those that are copied? Each is drawn by itself.
    pub fn takes(&self, random: &mut Random) -> bool {
        random.below(WHOLE) < self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies are as many as their share of all requests, within one part in a hundred of these.
    #[test]
    fn a_share_is_kept() {
        const DRAWS: u32 = 100_000;
        for share in [1, 10, 50, 99, 100] {
            let mirror = Mirror { backend: Backend::plain(0), share, row: 0 };
            let mut random = Random::new(7);
            let taken = (0..DRAWS).filter(|_| mirror.takes(&mut random)).count();
            let off = taken as f64 - f64::from(DRAWS * share) / f64::from(WHOLE);
            assert!(off.abs() <= f64::from(DRAWS) / 100.0, "{taken} of {share} %");
            assert!(share < WHOLE || taken == DRAWS as usize);
        }
    }
}
