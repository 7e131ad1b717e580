//! The fast path of an exchange, without a line of Python: a request and a response that each come in one piece, over
//! a connection from the pool. Everything else becomes one call of the Python shell that these classes are the base of.
//!
//! The law: no borrow is held across a call into Python, for uvloop calls `pause_writing` inside `write`.

use headgate_engine::connection::{Action, Payload};
use headgate_engine::pool::Ticket;
use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::connection::{Connection, Step};
use crate::pool::Pool;

/// A request up to this size has left our write buffer by the time its answer comes; a larger one may not have.
const UNNOTICED_BYTES: usize = 8 * 1024;

/// A transport with its `write`, which is looked up once.
struct Transport {
    transport: Py<PyAny>,
    write: Py<PyAny>,
}

impl Transport {
    fn new(transport: Bound<'_, PyAny>) -> PyResult<Self> {
        let write = transport.getattr(intern!(transport.py(), "write"))?.unbind();
        Ok(Self { transport: transport.unbind(), write })
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.transport)?;
        visit.call(&self.write)
    }
}

fn not_connected() -> PyErr {
    PyAttributeError::new_err("there is no connection yet")
}

/// The client's side: base of the shell's client connections.
#[pyclass(subclass, module = "gateway._native")]
pub(crate) struct ClientFastPath {
    #[pyo3(get, name = "_pool")]
    pool: Py<Pool>,
    machine: Option<Py<Connection>>,
    transport: Option<Transport>,
    #[pyo3(get, set, name = "_paused")]
    paused: u32,
    #[pyo3(get, set, name = "_upstream")]
    upstream: Option<Py<UpstreamFastPath>>,
    #[pyo3(get, set, name = "_written")]
    written: bool,
    #[pyo3(get, set, name = "_replay")]
    replay: Option<Py<PyList>>,
    #[pyo3(get, set, name = "_replay_bytes")]
    replay_bytes: usize,
}

impl ClientFastPath {
    fn perform(slf: &Bound<'_, Self>, step: Step<'_>) -> PyResult<()> {
        let Step { verdict, payload, .. } = step;
        let arguments = (verdict.action as u8, verdict.argument, payload);
        slf.call_method1(intern!(slf.py(), "_perform"), arguments).map(drop)
    }

    /// A whole request head goes to an instance that there is an idle connection to.
    fn forward(slf: &Bound<'_, Self>, step: Step<'_>) -> PyResult<()> {
        let py = slf.py();
        let taken = slf.borrow().pool.bind(py).borrow_mut().take(py, step.verdict.argument);
        let Some(upstream) = taken else {
            return Self::perform(slf, step);
        };
        let write = {
            let mut upstream = upstream.bind(py).borrow_mut();
            upstream.client = Some(slf.clone().unbind());
            upstream.transport.as_ref().ok_or_else(not_connected)?.write.clone_ref(py)
        };
        {
            let mut client = slf.borrow_mut();
            client.replay = Some(PyList::new(py, [&step.payload])?.unbind());
            client.replay_bytes = step.payload.as_bytes().len();
            client.written = true;
            client.upstream = Some(upstream);
        }
        write.call1(py, (step.payload,)).map(drop)
    }

    /// The end of a response. First the instance's connection goes back to the pool: a slow client must not pause one
    /// that is there by then.
    fn finish(slf: &Bound<'_, Self>, step: Step<'_>) -> PyResult<()> {
        let py = slf.py();
        let (upstream, write, replay) = {
            let mut client = slf.borrow_mut();
            let whole = step.verdict.argument == 0 && client.paused == 0;
            if !whole || client.replay_bytes > UNNOTICED_BYTES {
                drop(client);
                return Self::perform(slf, step);
            }
            let write = client.transport.as_ref().ok_or_else(not_connected)?.write.clone_ref(py);
            (client.upstream.take(), write, client.replay.take())
        };
        drop(replay); // not while the client is borrowed: it may run any destructor
        if let Some(upstream) = upstream {
            let upstream = upstream.into_bound(py);
            let client = upstream.borrow_mut().client.take();
            drop(client);
            let surplus = slf.borrow().pool.bind(py).borrow_mut().give(&upstream, step.now);
            if let Some(surplus) = surplus {
                surplus.call_method0(py, intern!(py, "close"))?;
            }
        }
        write.call1(py, (step.payload,)).map(drop)
    }
}

#[pymethods]
impl ClientFastPath {
    #[classattr]
    const UNNOTICED_BYTES: usize = UNNOTICED_BYTES;

    #[new]
    fn new(pool: Py<Pool>) -> Self {
        Self {
            pool,
            machine: None,
            transport: None,
            paused: 0,
            upstream: None,
            written: false,
            replay: None,
            replay_bytes: 0,
        }
    }

    fn data_received(slf: &Bound<'_, Self>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let py = slf.py();
        let step = {
            let client = slf.borrow();
            let machine = client.machine.as_ref().ok_or_else(not_connected)?;
            machine.bind(py).borrow_mut().receive_now(data)?
        };
        match step.verdict.action {
            Action::Forward if step.verdict.payload != Payload::Nothing => Self::forward(slf, step),
            Action::Wait => Ok(()),
            _ => Self::perform(slf, step),
        }
    }

    fn instance_sent(slf: &Bound<'_, Self>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let py = slf.py();
        let step = {
            let client = slf.borrow();
            let machine = client.machine.as_ref().ok_or_else(not_connected)?;
            machine.bind(py).borrow_mut().respond_now(data)?
        };
        match step.verdict.action {
            Action::Finish => Self::finish(slf, step),
            Action::Wait => Ok(()),
            _ => Self::perform(slf, step),
        }
    }

    #[getter(_machine)]
    fn machine(&self, py: Python<'_>) -> PyResult<Py<Connection>> {
        self.machine.as_ref().map(|machine| machine.clone_ref(py)).ok_or_else(not_connected)
    }

    #[setter(_machine)]
    fn set_machine(&mut self, machine: Py<Connection>) {
        self.machine = Some(machine);
    }

    #[getter(_transport)]
    fn transport(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.transport.as_ref().map(|it| it.transport.clone_ref(py)).ok_or_else(not_connected)
    }

    #[setter(_transport)]
    fn set_transport(&mut self, transport: Bound<'_, PyAny>) -> PyResult<()> {
        self.transport = Some(Transport::new(transport)?);
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.pool)?;
        visit.call(&self.machine)?;
        visit.call(&self.upstream)?;
        visit.call(&self.replay)?;
        self.transport.as_ref().map_or(Ok(()), |transport| transport.visit(&visit))
    }

    fn __clear__(&mut self) {
        self.machine = None;
        self.upstream = None;
        self.replay = None;
        self.transport = None;
    }
}

/// The instance's side: base of the shell's connections to instances.
#[pyclass(subclass, module = "gateway._native")]
pub(crate) struct UpstreamFastPath {
    #[pyo3(get)]
    pub(crate) instance: u64,
    pub(crate) keepalive_ns: u64,
    pub(crate) max_idle: usize,
    /// Where it stands in the pool while it is idle.
    pub(crate) ticket: Option<Ticket>,
    transport: Option<Transport>,
    #[pyo3(get, set)]
    client: Option<Py<ClientFastPath>>,
}

#[pymethods]
impl UpstreamFastPath {
    #[new]
    fn new(instance: u64, keepalive_ns: u64, max_idle: usize) -> Self {
        Self { instance, keepalive_ns, max_idle, ticket: None, transport: None, client: None }
    }

    fn data_received(slf: &Bound<'_, Self>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let py = slf.py();
        let client = slf.borrow().client.as_ref().map(|client| client.clone_ref(py));
        match client {
            Some(client) => ClientFastPath::instance_sent(client.bind(py), data),
            None => slf.call_method0(intern!(py, "close")).map(drop),
        }
    }

    #[getter]
    fn transport(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.transport.as_ref().map(|it| it.transport.clone_ref(py)).ok_or_else(not_connected)
    }

    #[setter]
    fn set_transport(&mut self, transport: Bound<'_, PyAny>) -> PyResult<()> {
        self.transport = Some(Transport::new(transport)?);
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.client)?;
        self.transport.as_ref().map_or(Ok(()), |transport| transport.visit(&visit))
    }

    fn __clear__(&mut self) {
        self.client = None;
        self.transport = None;
    }
}

/// Registers both classes.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ClientFastPath>()?;
    module.add_class::<UpstreamFastPath>()
}
