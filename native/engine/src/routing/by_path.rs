//! The routes of one host by their paths: a table whose entries fill a cache line each.
//!
//! Among many routes hardly a request finds the entry of its own in a cache, so what a lookup takes is the lines that it
//! reads. It reads one, where the path is not long and one route takes all its requests, as nearly everywhere.

use std::hash::{BuildHasher, Hasher};
use std::mem::size_of;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::rules::Rules;

/// Paths come from the configuration, never from a request, so a fixed seed gives an attacker nothing to collide.
#[derive(Debug, Default)]
pub(super) struct ByPath {
    entries: HashTable<Entry>,
    hashes: FixedState,
}

#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    path: Text,
    rules: Rules,
}

const _: () = assert!(size_of::<Entry>() == 64);

/// Bytes of a path that lie in its entry.
const SHORT: usize = 38;

/// A path, in place where it is short.
#[derive(Debug)]
enum Text {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl Text {
    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                Self::Short { length: text.len() as u8, bytes }
            }
            None => Self::Long(text.into()),
        }
    }

    #[inline]
    fn is(&self, text: &[u8]) -> bool {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)) == Some(text),
            Self::Long(bytes) => **bytes == *text,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

impl ByPath {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The routes of a path.
    #[inline]
    pub(super) fn get(&self, path: &[u8]) -> Option<&Rules> {
        if self.entries.is_empty() {
            return None;
        }
        let entry = self.entries.find(hash(&self.hashes, path), |entry| entry.path.is(path));
        entry.map(|entry| &entry.rules)
    }

    /// The same, to be added to.
    pub(super) fn of(&mut self, path: &[u8]) -> &mut Rules {
        let Self { entries, hashes } = self;
        let (found, rehash) =
            (|entry: &Entry| entry.path.is(path), |entry: &Entry| hash(hashes, entry.path.bytes()));
        let entry = entries.entry(hash(hashes, path), found, rehash);
        let entry = entry.or_insert_with(|| Entry { path: Text::new(path), rules: Rules::default() });
        &mut entry.into_mut().rules
    }
}

#[inline]
fn hash(hashes: &FixedState, path: &[u8]) -> u64 {
    let mut hasher = hashes.build_hasher();
    hasher.write(path);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::rules::Rule;
    use super::super::RouteMatch;
    use super::*;

    /// Each path finds its own route, whether it lies in its entry or beside it, and no path finds one that it only begins.
    #[test]
    fn paths_of_any_length_find_their_route() {
        let mut table = ByPath::default();
        assert!(table.is_empty() && table.get(b"").is_none());
        let paths: Vec<Vec<u8>> = (0..3 * SHORT).map(|length| vec![b'x'; length]).collect();
        for (path, number) in paths.iter().zip(0..) {
            table.of(path).add(Rule::new(&RouteMatch::default(), number));
        }
        for (path, number) in paths.iter().zip(0..) {
            let found = table.get(path).and_then(|rules| rules.find(b"GET", &|_| false));
            assert_eq!(found, Some(number));
        }
        assert!(table.get(&[b'x'; 3 * SHORT]).is_none() && table.get(b"xy").is_none());
    }
}
