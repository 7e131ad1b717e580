//! `gateway._native`: conversion between Python and the engine, the worker's sockets inside the event loop, and the fast
//! path of an exchange between two of them. Decisions live in `headgate-engine`, memory in `headgate-shm`, readiness and
//! buffers in `headgate-reactor`.

mod clock;
mod connection;
mod control;
mod cost;
mod explain;
mod fast_path;
mod lane;
mod link;
mod names;
mod owner;
mod panics;
mod piece;
mod pool;
mod reactor;
mod replay;
mod segment;
mod socket;
mod stocks;
mod telling;
mod transport;
mod turn;
mod view;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("build_profile", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    segment::register(module)?;
    control::register(module)?;
    stocks::register(module)?;
    view::register(module)?;
    explain::register(module)?;
    panics::register(module)?;
    module.add_class::<lane::Snapshot>()?;
    module.add_class::<lane::Lane>()?;
    module.add_class::<pool::Pool>()?;
    reactor::register(module)?;
    fast_path::register(module)?;
    connection::register(module)
}
