//! A list that mostly has one entry, which then lies in place: reading it takes no other cache line than its owner's.

use std::mem::size_of;
use std::ops::Deref;
use std::sync::Arc;

/// Entries in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Few<T> {
    /// The only one.
    One(T),
    /// None, or several.
    Many(Box<[T]>),
}

const _: () = assert!(size_of::<Few<u32>>() == 16 && size_of::<Few<Arc<u64>>>() == 16);

impl<T> Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut entries: Vec<T> = entries.into_iter().collect();
        match entries.pop() {
            Some(only) if entries.is_empty() => Self::One(only),
            last => {
                entries.extend(last);
                Self::Many(entries.into_boxed_slice())
            }
        }
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None, one and several arrive in their order, and one alone lies in place.
    #[test]
    fn entries_keep_their_order() {
        for count in 0..4 {
            let few: Few<u32> = (0..count).collect();
            assert!(few.iter().copied().eq(0..count), "{few:?}");
            assert_eq!(matches!(few, Few::One(_)), count == 1);
        }
    }
}
