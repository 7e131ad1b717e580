//! Stickiness: a client that brings an instance's token goes back to that instance, for as long as it can be had.

use super::hash::find;
use super::{Affinity, Decision};
use crate::random::Random;
use crate::state::{Bank, Instance, State};

impl<S: State, R: Fn(u32) -> bool> Decision<'_, S, R> {
    /// The instance that the client was with. One that is gone, out of service, tried already or at its cap is no answer:
    /// then, as for a client that comes for the first time, it is the less loaded of two.
    pub(super) fn same_again(&mut self, row: u32, bank: Bank, random: &mut Random) -> Option<Instance> {
        let wanted = match self.affinity {
            Affinity::Instance(identity) => {
                find(self.state, self.state.ring(row), identity).filter(|&slot| self.state.weight(slot) > 0)
            }
            Affinity::None | Affinity::Key(_) => None,
        };
        wanted.and_then(|slot| self.take(bank, slot)).or_else(|| self.least_loaded(bank, 2, random))
    }
}
