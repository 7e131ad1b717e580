//! Costs as Python passes them: nearly always the same one.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

/// Remembers what the last cost was by the int object itself, as [`crate::names::Names`] does with strings: an int does not
/// change, and is kept alive here. To read one takes 70 instructions.
#[derive(Default)]
pub(crate) struct LastCost {
    known: Option<(Py<PyAny>, u32)>,
}

impl LastCost {
    /// The cost, at least 1. Raises `ValueError` for 0, `OverflowError` or `TypeError` for what is no number of tokens.
    #[inline]
    pub(crate) fn read(&mut self, cost: &Bound<'_, PyAny>) -> PyResult<u32> {
        match &self.known {
            Some((known, tokens)) if known.is(cost) => Ok(*tokens),
            _ => self.read_anew(cost),
        }
    }

    #[inline(never)]
    fn read_anew(&mut self, cost: &Bound<'_, PyAny>) -> PyResult<u32> {
        let tokens = cost.extract()?;
        if tokens == 0 {
            return Err(PyValueError::new_err("a cost is at least 1"));
        }
        // What only behaves like an int may be another number the next time.
        if cost.is_exact_instance_of::<PyInt>() {
            self.known = Some((cost.clone().unbind(), tokens));
        }
        Ok(tokens)
    }
}
