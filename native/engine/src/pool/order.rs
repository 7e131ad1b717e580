//! An order of slots, each of which stands in it at most once: the links of two lists that a pool keeps.

const NONE: u32 = u32::MAX;

/// A slot's neighbours.
#[derive(Clone, Copy, Debug)]
struct Link {
    older: u32,
    newer: u32,
}

const ALONE: Link = Link { older: NONE, newer: NONE };

/// Slots by when they came. Several ends may share the links, as long as no slot stands in two of their orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    oldest: u32,
    newest: u32,
    len: u32,
}

impl Ends {
    pub(super) const EMPTY: Self = Self { oldest: NONE, newest: NONE, len: 0 };

    /// The one that came first.
    pub(super) fn oldest(&self) -> Option<u32> {
        some(self.oldest)
    }

    /// The one that came last.
    pub(super) fn newest(&self) -> Option<u32> {
        some(self.newest)
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }
}

fn some(index: u32) -> Option<u32> {
    (index != NONE).then_some(index)
}

/// What the slots of an order are linked by: eight bytes each, and nothing else between them. A step of the pool goes to neighbours
/// that it wants nothing else of, and the links of a thousand are a few pages of the cache.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

impl Links {
    /// Makes room for a slot.
    pub(super) fn cover(&mut self, index: u32) {
        let covered = index as usize + 1;
        if self.0.len() < covered {
            self.0.resize(covered, ALONE);
        }
    }

    /// The next older one.
    pub(super) fn older(&self, index: u32) -> Option<u32> {
        some(self.0.get(index as usize)?.older)
    }

    /// The next newer one.
    pub(super) fn newer(&self, index: u32) -> Option<u32> {
        some(self.0.get(index as usize)?.newer)
    }

    /// Puts a slot that is covered and stands in no order at the end of this one.
    pub(super) fn append(&mut self, ends: &mut Ends, index: u32) {
        let older = std::mem::replace(&mut ends.newest, index);
        ends.len += 1;
        self.0[index as usize] = Link { older, newer: NONE };
        match self.0.get_mut(older as usize) {
            Some(link) => link.newer = index,
            None => ends.oldest = index,
        }
    }

    /// Takes a slot out of the order that it stands in.
    pub(super) fn remove(&mut self, ends: &mut Ends, index: u32) {
        let Link { older, newer } = self.0[index as usize];
        ends.len -= 1;
        match self.0.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => ends.oldest = newer,
        }
        match self.0.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => ends.newest = older,
        }
    }
}
