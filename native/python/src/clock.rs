//! Times as Python passes them.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

/// Nanoseconds of `CLOCK_MONOTONIC`.
///
/// Read as a signed number: the interpreter puts that together from the two digits of its int, and an unsigned one
/// byte by byte, which takes 180 instructions.
#[derive(Clone, Copy)]
pub(crate) struct Nanoseconds(pub(crate) u64);

impl<'py> FromPyObject<'_, 'py> for Nanoseconds {
    type Error = PyErr;

    #[inline]
    fn extract(number: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let signed: i64 = number.extract()?;
        u64::try_from(signed).map(Self).map_err(|_| PyOverflowError::new_err("a time is not negative"))
    }
}
