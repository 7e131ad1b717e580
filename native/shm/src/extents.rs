//! Who may use which words of the arena: the supervisor's private book of free, used and held extents.
//!
//! A replaced extent is *held* until every live lane has seen an epoch in which no service names it any more.

use core::fmt;

/// A stretch of words of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

impl Extent {
    fn end(self) -> u32 {
        self.offset.saturating_add(self.len)
    }

    /// As a service's bank word; 0 is no extent.
    pub(crate) fn to_word(self) -> u64 {
        u64::from(self.offset) << 32 | u64::from(self.len)
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Self { offset: (word >> 32) as u32, len: word as u32 }
    }
}

/// There is no free extent of this length now; later there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaFull {
    /// Words that were wanted.
    pub words: u32,
}

impl fmt::Display for ArenaFull {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "no {} words of shared memory are free: workers still use replaced members", self.words)
    }
}

/// The book. Its free list is sorted and no two of its extents touch.
#[derive(Debug)]
pub(crate) struct Extents {
    free: Vec<Extent>,
    held: Vec<(u64, Extent)>,
}

impl Extents {
    /// Takes over an arena in which `used` is named by services. What lies between was given up by somebody else
    /// before `epoch`, nobody knows when.
    pub(crate) fn taking_over(len: u32, mut used: Vec<Extent>, epoch: u64) -> Self {
        used.sort_unstable();
        used.push(Extent { offset: len, len: 0 });
        let (mut held, mut end) = (Vec::new(), 0);
        for extent in used {
            if extent.offset > end {
                held.push((epoch, Extent { offset: end, len: extent.offset - end }));
            }
            end = end.max(extent.end());
        }
        Self { free: Vec::new(), held }
    }

    /// The first free extent that is long enough.
    pub(crate) fn take(&mut self, len: u32) -> Result<Extent, ArenaFull> {
        let found = self.free.iter_mut().enumerate().find(|(_, extent)| extent.len >= len);
        let (index, extent) = found.ok_or(ArenaFull { words: len })?;
        let taken = Extent { offset: extent.offset, len };
        if extent.len == len {
            self.free.remove(index);
        } else {
            *extent = Extent { offset: extent.offset + len, len: extent.len - len };
        }
        Ok(taken)
    }

    /// The extent was replaced at `epoch`; it is free once every worker has seen that.
    pub(crate) fn hold(&mut self, extent: Extent, epoch: u64) {
        if extent.len > 0 {
            self.held.push((epoch, extent));
        }
    }

    /// Frees what was replaced at an epoch that every live lane has seen.
    pub(crate) fn reclaim(&mut self, seen_by_all: u64) {
        let (free, held) = self.held.drain(..).partition(|&(epoch, _)| epoch <= seen_by_all);
        self.held = held;
        let free: Vec<(u64, Extent)> = free;
        for (_, extent) in free {
            self.insert(extent);
        }
    }

    fn insert(&mut self, mut extent: Extent) {
        let at = self.free.partition_point(|other| other.offset < extent.offset);
        if let Some(next) = self.free.get(at).filter(|next| next.offset == extent.end()) {
            extent.len += next.len;
            self.free.remove(at);
        }
        match at.checked_sub(1).and_then(|before| self.free.get_mut(before)) {
            Some(before) if before.end() == extent.offset => before.len += extent.len,
            _ => self.free.insert(at, extent),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fresh(len: u32) -> Extents {
        let mut extents = Extents::taking_over(len, Vec::new(), 0);
        extents.reclaim(0);
        extents
    }

    /// A replaced extent is not given out before its epoch was seen by all.
    #[test]
    fn held_until_seen() {
        let mut extents = fresh(10);
        let first = extents.take(10).unwrap();
        extents.hold(first, 3);
        extents.reclaim(2);
        assert_eq!(extents.take(1), Err(ArenaFull { words: 1 }));
        extents.reclaim(3);
        assert_eq!(extents.take(10), Ok(first));
    }

    /// Taking over leaves what services name alone and frees the rest after one epoch.
    #[test]
    fn taking_over_keeps_what_is_named() {
        let used = vec![Extent { offset: 6, len: 2 }, Extent { offset: 0, len: 3 }];
        let mut extents = Extents::taking_over(10, used, 5);
        assert!(extents.take(1).is_err());
        extents.reclaim(5);
        assert_eq!(extents.take(3), Ok(Extent { offset: 3, len: 3 }));
        assert_eq!(extents.take(2), Ok(Extent { offset: 8, len: 2 }));
        assert!(extents.take(1).is_err());
    }

    proptest! {
        /// Extents in use never overlap, and when all come back the arena is one piece again.
        #[test]
        fn extents_never_overlap(steps in prop::collection::vec((1u32..40, any::<bool>()), 1..200)) {
            let (mut extents, mut used, mut words) = (fresh(200), Vec::<Extent>::new(), [false; 200]);
            for (len, give) in steps {
                if give && !used.is_empty() {
                    let extent = used.swap_remove(len as usize % used.len());
                    words[extent.offset as usize..extent.end() as usize].fill(false);
                    extents.hold(extent, 1);
                    extents.reclaim(1);
                } else if let Ok(extent) = extents.take(len) {
                    let place = &mut words[extent.offset as usize..extent.end() as usize];
                    prop_assert!(place.len() == len as usize && place.iter().all(|used| !used));
                    place.fill(true);
                    used.push(extent);
                }
            }
            for extent in used {
                extents.hold(extent, 1);
            }
            extents.reclaim(1);
            prop_assert_eq!(extents.free, vec![Extent { offset: 0, len: 200 }]);
        }
    }
}
