//! Bytes that have come in, which become an object of Python's only where Python is to have them.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Bytes of a client or of an instance.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a, 'py> {
    /// In the buffer that was read into.
    Read(&'a [u8]),
    /// As Python has passed them.
    Passed(&'a Bound<'py, PyBytes>),
}

impl<'py> Piece<'_, 'py> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Passed(bytes) => bytes.as_bytes(),
        }
    }

    pub(crate) fn object(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        match self {
            Self::Read(bytes) => PyBytes::new(py, bytes),
            Self::Passed(bytes) => (*bytes).clone(),
        }
    }
}
