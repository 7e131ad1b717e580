//! A word of which every lane has one: the lanes are all of one size, so those words lie at one distance from each other.

use core::marker::PhantomData;
use core::ptr::NonNull;

/// The words, one in each lane.
pub(crate) struct Column<'a, T> {
    /// That of lane 0.
    first: NonNull<T>,
    /// Bytes from the word of one lane to that of the next.
    step: usize,
    lanes: u32,
    of: PhantomData<&'a T>,
}

impl<T> Clone for Column<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Column<'_, T> {}

impl<'a, T> Column<'a, T> {
    /// Of so many lanes.
    ///
    /// # Safety
    /// For each number below `lanes`, that many times `step` bytes behind `first` lies an aligned `T` that may be shared for as
    /// long as `'a`, all of them in one allocation.
    #[inline]
    pub(crate) unsafe fn new(first: NonNull<T>, step: usize, lanes: u32) -> Self {
        Self { first, step, lanes, of: PhantomData }
    }

    /// That of a lane; None of one that has none.
    #[inline]
    pub(crate) fn of_lane(self, lane: u32) -> Option<&'a T> {
        // SAFETY: by the contract of `new` a word lies there.
        (lane < self.lanes).then(|| unsafe { self.first.byte_add(lane as usize * self.step).as_ref() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each lane has its own word, and there are no more words than lanes.
    #[test]
    fn lanes_lie_a_step_apart() {
        let words: [[u32; 3]; 4] = [[0, 10, 0], [0, 11, 0], [0, 12, 0], [0, 13, 0]];
        // SAFETY: the second numbers of the rows, but for the last row's; the array outlives the column.
        let column = unsafe {
            let first = NonNull::from(&words).cast::<u32>().add(1);
            Column::new(first, size_of::<[u32; 3]>(), 3)
        };
        let found = [0, 1, 2, 3, u32::MAX].map(|lane| column.of_lane(lane).copied());
        assert_eq!(found, [Some(10), Some(11), Some(12), None, None]);
    }
}
