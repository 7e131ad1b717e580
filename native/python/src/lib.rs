//! `gateway._native`: conversion between Python and the engine, nothing else. Decisions live in `headgate-engine`,
//! memory in `headgate-shm`.

mod connection;
mod control;
mod lane;
mod panics;
mod segment;
mod view;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("build_profile", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    segment::register(module)?;
    control::register(module)?;
    view::register(module)?;
    panics::register(module)?;
    module.add_class::<lane::Snapshot>()?;
    module.add_class::<lane::Lane>()?;
    connection::register(module)
}
