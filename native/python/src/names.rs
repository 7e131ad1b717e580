//! What the names stand for that Python passes at every call.

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// How many names are remembered; two that share a place take turns.
const PLACES: usize = 8;

/// Remembers what names stand for by the string object itself, which for a literal or an attribute is the same one
/// at every call: it is compared instead of hashed and looked up. A string does not change, and is kept alive here, so
/// the same object is the same name.
pub(crate) struct Names<T> {
    known: [Option<(Py<PyString>, T)>; PLACES],
}

impl<T: Copy> Names<T> {
    /// What the name stands for; `find` is asked for a name that is not remembered. Raises `KeyError` if it knows none.
    #[inline]
    pub(crate) fn resolve(
        &mut self,
        name: &Bound<'_, PyString>,
        find: impl FnOnce(&str) -> Option<T>,
    ) -> PyResult<T> {
        // Objects lie at least 16 bytes apart.
        let place = &mut self.known[name.as_ptr() as usize / 16 % PLACES];
        if let Some((known, meaning)) = place {
            if known.is(name) {
                return Ok(*meaning);
            }
        }
        let text = name.to_str()?;
        let meaning = find(text).ok_or_else(|| PyKeyError::new_err(text.to_owned()))?;
        *place = Some((name.clone().unbind(), meaning));
        Ok(meaning)
    }

    /// From here on the names may stand for something else.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { known: [const { None }; PLACES] }
    }
}
