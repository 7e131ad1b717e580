//! Where the engine panicked: kept for the worker's log, which names it together with the connection that it cost.

use std::cell::Cell;
use std::panic;

use pyo3::prelude::*;

thread_local! {
    /// A panic reaches Python on the thread that it happened on.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// From now on a panic is not written to standard error, where each would take two lines or a hundred.
#[pyfunction]
fn keep_panic_places() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let _ = PLACE.try_with(|kept| kept.set(place)); // a thread that ends has nobody to tell
    }));
}

/// Where this thread panicked last, once; `file.rs:LINE:COLUMN`.
#[pyfunction]
fn take_panic_place() -> Option<String> {
    PLACE.take()
}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(keep_panic_places, module)?)?;
    module.add_function(wrap_pyfunction!(take_panic_place, module)?)
}
