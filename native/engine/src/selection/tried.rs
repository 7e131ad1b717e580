//! The instances that one exchange has been sent to already.

/// A small set of slots, stored in place; made for one exchange and its retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    slots: [u32; Tried::CAPACITY],
    len: u8,
}

impl Tried {
    /// How many slots it holds: the first try and 15 more, the most that a route may ask for.
    pub const CAPACITY: usize = 16;

    /// The empty set.
    pub const fn new() -> Self {
        Self { slots: [0; Self::CAPACITY], len: 0 }
    }

    /// Adds a slot. A full set forgets nothing and takes nothing more.
    pub fn insert(&mut self, slot: u32) {
        let len = usize::from(self.len);
        if len < Self::CAPACITY && !self.contains(slot) {
            self.slots[len] = slot;
            self.len += 1;
        }
    }

    /// Is the slot in the set?
    #[inline]
    pub fn contains(&self, slot: u32) -> bool {
        self.slots[..self.len()].contains(&slot)
    }

    /// How many slots are in the set.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.len).min(Self::CAPACITY)
    }

    /// Has nothing been tried yet?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything, so that a retry may use an instance again.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Tried;

    /// The set answers for exactly the slots put into it, slot 0 included, until it is cleared.
    #[test]
    fn holds_what_was_inserted() {
        let mut tried = Tried::new();
        assert!(tried.is_empty() && !tried.contains(0));
        tried.insert(0);
        tried.insert(9);
        tried.insert(9);
        assert!(tried.contains(0) && tried.contains(9) && !tried.contains(1));
        assert_eq!(tried.len(), 2);
        tried.clear();
        assert!(tried.is_empty() && !tried.contains(9));
    }

    /// Beyond its capacity the set keeps what it has and does not fault.
    #[test]
    fn a_full_set_takes_nothing_more() {
        let mut tried = Tried::new();
        for slot in 0..20 {
            tried.insert(slot);
        }
        assert_eq!(tried.len(), Tried::CAPACITY);
        assert!(tried.contains(15) && !tried.contains(16));
    }
}
