//! `Stocks`: the keeper of what this gateway holds of shared buckets.

use headgate_shm::stocks::{Stocks as Keeper, Terms};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;

use crate::segment::{duplicated, Segment};

/// Hears what workers want of shared buckets, and hands out what was granted.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Stocks {
    keeper: Keeper,
}

#[pymethods]
impl Stocks {
    #[new]
    #[pyo3(signature = (segment, *, wakes = None))]
    fn new(segment: &Segment, wakes: Option<Vec<i32>>) -> PyResult<Self> {
        Ok(Self { keeper: Keeper::new(segment.memory()).waking(duplicated(wakes)?) })
    }

    fn wanted(&self, most: usize) -> Vec<(u64, u32)> {
        self.keeper.wanted(most).into_iter().map(|want| (want.key, want.row)).collect()
    }

    fn balance(&self, key: u64, now: u64) -> Option<i32> {
        self.keeper.balance(key, now)
    }

    #[pyo3(signature = (key, tokens, *, credit, quiet, until, now))]
    fn settle(&self, key: u64, tokens: i64, credit: bool, quiet: bool, until: u64, now: u64) -> Option<i32> {
        self.keeper.settle(key, tokens, Terms { credit, quiet, until }, now)
    }

    fn take_back(&self, key: u64, now: u64) -> i32 {
        self.keeper.take_back(key, now)
    }

    fn wake(&self) {
        self.keeper.wake();
    }

    #[pyo3(signature = (row, tokens, *, waits))]
    fn set_credit(&self, row: u32, tokens: u32, waits: bool) -> PyResult<()> {
        let missing = || PyIndexError::new_err(format!("row {row} of the limit table does not exist"));
        self.keeper.set_credit(row, tokens, waits).then_some(()).ok_or_else(missing)
    }
}

/// Adds the class and the most that a stock can hold to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("MOST_IN_STOCK", headgate_engine::stock::MOST)?;
    module.add_class::<Stocks>()
}
