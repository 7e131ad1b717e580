//! The pool of idle connections to instances: `gateway._native.Pool`.

use headgate_engine::pool::{self, Idle};
use headgate_engine::state::Instance;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::fast_path::UpstreamFastPath;

/// The idle connections of one worker.
#[pyclass(module = "gateway._native")]
pub(crate) struct Pool(pool::Pool<Py<UpstreamFastPath>>);

impl Pool {
    /// What has left the pool no longer stands in it.
    fn out(py: Python<'_>, removed: Option<Py<UpstreamFastPath>>) -> Option<Py<UpstreamFastPath>> {
        if let Some(connection) = &removed {
            connection.bind(py).borrow_mut().ticket = None;
        }
        removed
    }

    fn all_out(py: Python<'_>, removed: Vec<Py<UpstreamFastPath>>) -> Vec<Py<UpstreamFastPath>> {
        removed.into_iter().filter_map(|connection| Self::out(py, Some(connection))).collect()
    }
}

#[pymethods]
impl Pool {
    #[new]
    fn new(max_idle: usize) -> Self {
        Self(pool::Pool::new(max_idle))
    }

    pub(crate) fn take(&mut self, py: Python<'_>, instance: u64) -> Option<Py<UpstreamFastPath>> {
        let instance = Instance::from_key(instance);
        loop {
            let taken = Self::out(py, self.0.take(instance))?;
            // One that has broken in this very turn is yet to be told so, and would swallow a request.
            if !taken.borrow(py).is_closed(py) {
                return Some(taken);
            }
        }
    }

    pub(crate) fn give(
        &mut self,
        connection: &Bound<'_, UpstreamFastPath>,
        now: u64,
    ) -> Option<Py<UpstreamFastPath>> {
        let idle = {
            let connection = connection.borrow();
            let until = now.saturating_add(connection.keepalive_ns);
            let instance = Instance::from_key(connection.instance);
            Idle { instance, max_idle: connection.max_idle, until }
        };
        let (ticket, surplus) = self.0.give(connection.clone().unbind(), idle);
        connection.borrow_mut().ticket = ticket;
        Self::out(connection.py(), surplus)
    }

    fn discard(&mut self, connection: &Bound<'_, UpstreamFastPath>) {
        let ticket = connection.borrow_mut().ticket.take();
        if let Some(ticket) = ticket {
            self.0.discard(ticket);
        }
    }

    fn evict(&mut self, py: Python<'_>, most: usize) -> Vec<Py<UpstreamFastPath>> {
        Self::all_out(py, self.0.evict(most))
    }

    fn expired(&mut self, py: Python<'_>, now: u64, most: usize) -> Vec<Py<UpstreamFastPath>> {
        Self::all_out(py, self.0.expired(now, most))
    }

    fn connections(&self, py: Python<'_>) -> Vec<Py<UpstreamFastPath>> {
        self.0.iter().map(|connection| connection.clone_ref(py)).collect()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("<Pool {} idle to {} instances>", self.0.len(), self.0.instances())
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.iter().try_for_each(|connection| visit.call(connection))
    }
}
