//! The fast path of an exchange, without a line of Python: a request over a connection from the pool and its response,
//! in however many pieces they come. Everything else becomes one call of the Python shell that these classes are the
//! base of.
//!
//! The law: no borrow is held across a call into Python, and a write may make one (`pause_writing`).

use headgate_engine::connection::{Action, Payload};
use headgate_engine::pool::Ticket;
use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::connection::{Connection, Step};
use crate::lane::Lane;
use crate::link::{Link, Wire};
use crate::piece::Piece;
use crate::pool::Pool;
use crate::replay::Replay;

/// A request up to this size has left our write buffer by the time its answer comes; a larger one may not have.
const UNNOTICED_BYTES: usize = 8 * 1024;
/// How much of a request that was written is kept for another try. A larger one is not sent again.
const REPLAY_BYTES: usize = 64 * 1024;

fn not_connected() -> PyErr {
    PyAttributeError::new_err("there is no connection yet")
}

fn wire_of(link: Option<&Link>, py: Python<'_>) -> PyResult<Wire> {
    link.map(|link| link.wire(py)).ok_or_else(not_connected)
}

/// The client's side: base of the shell's client connections.
#[pyclass(subclass, module = "gateway._native")]
pub(crate) struct ClientFastPath {
    /// The data plane, which is told when the connection begins and when it is over.
    #[pyo3(get, name = "_plane")]
    plane: Py<PyAny>,
    lane: Py<Lane>,
    #[pyo3(get, name = "_pool")]
    pool: Py<Pool>,
    #[pyo3(get, name = "_listener")]
    listener: u32,
    machine: Option<Py<Connection>>,
    link: Option<Link>,
    #[pyo3(get, set, name = "_paused")]
    paused: u32,
    #[pyo3(get, set, name = "_upstream")]
    upstream: Option<Py<UpstreamFastPath>>,
    #[pyo3(get, set, name = "_written")]
    written: bool,
    replay: Replay,
    #[pyo3(get, set, name = "_most_replayed")]
    most_replayed: usize,
    /// The copy of the request for a mirror, as long as the request goes on.
    #[pyo3(get, set, name = "_copy")]
    copy: Option<Py<PyAny>>,
}

impl ClientFastPath {
    /// With an instance, or waiting for one: then at least the request is at hand.
    fn is_in_exchange(&self) -> bool {
        self.upstream.is_some() || self.replay.bytes().is_some()
    }

    fn perform(slf: &Bound<'_, Self>, step: &Step<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        let arguments = (step.verdict.action as u8, step.verdict.argument, step.object(py));
        slf.call_method1(intern!(py, "_perform"), arguments).map(drop)
    }

    fn machine_of(slf: &Bound<'_, Self>) -> PyResult<Py<Connection>> {
        let client = slf.borrow();
        client.machine.as_ref().map(|machine| machine.clone_ref(slf.py())).ok_or_else(not_connected)
    }

    fn wire(slf: &Bound<'_, Self>) -> PyResult<Wire> {
        wire_of(slf.borrow().link.as_ref(), slf.py())
    }

    /// Bytes from the client.
    pub(crate) fn received(slf: &Bound<'_, Self>, data: Piece<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        let machine = Self::machine_of(slf)?;
        let step = machine.borrow_mut(py).receive_now(py, data)?;
        match step.verdict.action {
            Action::Wait => {}
            Action::Forward if step.verdict.payload != Payload::Nothing => Self::forward(slf, &step)?,
            Action::Send => Self::send(slf, &step)?,
            Action::Reply => Self::reply(slf, &step)?,
            _ => Self::perform(slf, &step)?,
        }
        machine.borrow(py).done(py, step);
        Ok(())
    }

    /// Bytes from the instance.
    fn responded(slf: &Bound<'_, Self>, data: Piece<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        let machine = Self::machine_of(slf)?;
        let step = machine.borrow_mut(py).respond_now(py, data)?;
        match step.verdict.action {
            Action::Wait => {}
            Action::Relay => Self::relay(slf, &step)?,
            Action::Finish | Action::FinishClose => Self::finish(slf, &step)?,
            _ => Self::perform(slf, &step)?,
        }
        machine.borrow(py).done(py, step);
        Ok(())
    }

    /// A whole request head goes to an instance that there is an idle connection to; else the shell opens one.
    fn forward(slf: &Bound<'_, Self>, step: &Step<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        let taken = slf.borrow().pool.bind(py).borrow_mut().take(py, step.verdict.argument);
        let Some(upstream) = taken else {
            let arguments = (step.verdict.argument, step.object(py));
            return slf.call_method1(intern!(py, "_forward_afresh"), arguments).map(drop);
        };
        let wire = {
            let mut upstream = upstream.bind(py).borrow_mut();
            upstream.client = Some(slf.clone().unbind());
            wire_of(upstream.link.as_ref(), py)?
        };
        {
            let mut client = slf.borrow_mut();
            client.replay.begin(step.payload());
            client.written = true;
            client.upstream = Some(upstream);
        }
        wire.write(py, step.payload())
    }

    /// More of a request for an instance that has some of it.
    fn send(slf: &Bound<'_, Self>, step: &Step<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        let wire = {
            let mut client = slf.borrow_mut();
            let upstream = client.upstream.as_ref().filter(|_| client.copy.is_none());
            let Some(upstream) = upstream.map(|upstream| upstream.clone_ref(py)) else {
                drop(client);
                return Self::perform(slf, step);
            };
            let most = client.most_replayed;
            client.replay.go_on(step.payload(), Some(most));
            let upstream = upstream.bind(py).borrow();
            wire_of(upstream.link.as_ref(), py)?
        };
        wire.write(py, step.payload())
    }

    /// More of a response, after which the request is not sent again.
    fn relay(slf: &Bound<'_, Self>, step: &Step<'_, '_>) -> PyResult<()> {
        slf.borrow_mut().replay.forget();
        Self::wire(slf)?.write(slf.py(), step.payload())
    }

    /// An answer of our own to a request that no instance has heard of.
    fn reply(slf: &Bound<'_, Self>, step: &Step<'_, '_>) -> PyResult<()> {
        {
            let client = slf.borrow();
            if client.is_in_exchange() || step.verdict.argument != 0 || client.paused != 0 {
                drop(client);
                return Self::perform(slf, step);
            }
        }
        Self::wire(slf)?.write(slf.py(), step.payload())
    }

    /// The end of a response. First the instance's connection goes back to the pool: a slow client must not pause one
    /// that is there by then.
    fn finish(slf: &Bound<'_, Self>, step: &Step<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        if step.verdict.argument != 0 || slf.borrow().paused != 0 {
            return Self::perform(slf, step);
        }
        Self::release_instance(slf, step.now)?;
        let wire = Self::wire(slf)?;
        wire.write(py, step.payload())?;
        if step.verdict.action == Action::FinishClose {
            wire.close(py)?;
        }
        Ok(())
    }

    /// Has the instance answered before it was sent all of the request?
    fn is_unsent(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        let wire = {
            let client = slf.borrow();
            if client.replay.len() <= UNNOTICED_BYTES {
                return Ok(false);
            }
            let Some(upstream) = &client.upstream else { return Ok(false) };
            let upstream = upstream.bind(py).borrow();
            wire_of(upstream.link.as_ref(), py)?
        };
        Ok(wire.unsent(py)? > 0)
    }
}

#[pymethods]
impl ClientFastPath {
    #[classattr]
    const REPLAY_BYTES: usize = REPLAY_BYTES;

    #[new]
    fn new(plane: &Bound<'_, PyAny>, listener: u32) -> PyResult<Self> {
        let py = plane.py();
        Ok(Self {
            lane: plane.getattr(intern!(py, "lane"))?.extract()?,
            pool: plane.getattr(intern!(py, "pool"))?.extract()?,
            plane: plane.clone().unbind(),
            listener,
            machine: None,
            link: None,
            paused: 0,
            upstream: None,
            written: false,
            replay: Replay::default(),
            most_replayed: REPLAY_BYTES,
            copy: None,
        })
    }

    fn connection_made(slf: &Bound<'_, Self>, transport: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let link = Link::new(transport)?;
        let (lane, plane, listener) = {
            let mut client = slf.borrow_mut();
            client.link = Some(link.clone_ref(py));
            (client.lane.clone_ref(py), client.plane.clone_ref(py), client.listener)
        };
        let mut machine = Connection::open(py, lane, listener, link.peer(py)?)?;
        if machine.is_passed_through(py) {
            link.ends(py).into_iter().for_each(|ends| machine.lies_between(ends));
        }
        let index = machine.index();
        let machine = Py::new(py, machine)?;
        slf.borrow_mut().machine = Some(machine.clone_ref(py));
        plane.call_method1(py, intern!(py, "opened"), (slf, index))?;
        let step = machine.borrow_mut(py).admit_now(py)?;
        if step.verdict.action != Action::Wait {
            Self::perform(slf, &step)?;
        }
        machine.borrow(py).done(py, step);
        Ok(())
    }

    #[allow(unused_variables)] // the end is the same for every reason
    fn connection_lost(slf: &Bound<'_, Self>, exc: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let (plane, machine, exchange) = {
            let client = slf.borrow();
            let machine = client.machine.as_ref().map(|machine| machine.clone_ref(py));
            (client.plane.clone_ref(py), machine, client.is_in_exchange())
        };
        if exchange {
            slf.call_method0(intern!(py, "_give_up"))?;
        }
        let Some(machine) = machine else { return Ok(()) };
        plane.call_method1(py, intern!(py, "closed"), (machine.borrow(py).index(),))?;
        machine.bind(py).borrow_mut().close_now(py)?;
        Ok(())
    }

    fn data_received(slf: &Bound<'_, Self>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        Self::received(slf, Piece::Passed(data))
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
        self.link.as_ref().map(|link| link.object(py)).ok_or_else(not_connected)
    }

    #[setter(_transport)]
    fn set_transport(&mut self, transport: Bound<'_, PyAny>) -> PyResult<()> {
        self.link = Some(Link::new(transport)?);
        Ok(())
    }

    #[getter(_replay)]
    fn replay<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.replay.bytes().map(|bytes| PyBytes::new(py, bytes))
    }

    #[getter(_is_replayable)]
    fn is_replayable(&self) -> bool {
        self.replay.bytes().is_some() && self.replay.len() <= self.most_replayed
    }

    #[getter(_replay_bytes)]
    fn replay_bytes(&self) -> usize {
        self.replay.len()
    }

    #[pyo3(name = "_begin_replay")]
    fn begin_replay(&mut self, head: &[u8]) {
        self.replay.begin(head);
    }

    #[pyo3(name = "_go_on_replay")]
    fn go_on_replay(&mut self, piece: &[u8]) {
        let most = self.upstream.as_ref().map(|_| self.most_replayed); // without a connection everything is kept
        self.replay.go_on(piece, most);
    }

    /// The exchange is over, and the instance's connection may serve another. One that answered before it was sent all of
    /// the request stands at no message boundary: it is closed.
    #[pyo3(name = "_release_instance")]
    fn release_instance(slf: &Bound<'_, Self>, now: u64) -> PyResult<()> {
        let py = slf.py();
        let unsent = Self::is_unsent(slf)?;
        let upstream = {
            let mut client = slf.borrow_mut();
            client.replay.forget();
            client.upstream.take()
        };
        let Some(upstream) = upstream else { return Ok(()) };
        let upstream = upstream.into_bound(py);
        let client = upstream.borrow_mut().client.take();
        drop(client);
        let over = if unsent {
            Some(upstream.unbind())
        } else {
            slf.borrow().pool.bind(py).borrow_mut().give(&upstream, now)
        };
        over.map_or(Ok(()), |over| over.call_method0(py, intern!(py, "close")).map(drop))
    }

    #[pyo3(name = "_forget_replay")]
    fn forget_replay(&mut self) {
        self.replay.forget();
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.plane)?;
        visit.call(&self.lane)?;
        visit.call(&self.pool)?;
        visit.call(&self.machine)?;
        visit.call(&self.upstream)?;
        visit.call(&self.copy)?;
        self.link.as_ref().map_or(Ok(()), |link| link.visit(&visit))
    }

    fn __clear__(&mut self) {
        self.machine = None;
        self.upstream = None;
        self.copy = None;
        self.link = None;
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
    link: Option<Link>,
    #[pyo3(get, set)]
    client: Option<Py<ClientFastPath>>,
}

impl UpstreamFastPath {
    /// Is the connection closed, though nobody has been told yet?
    pub(crate) fn is_closed(&self, py: Python<'_>) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_closed(py))
    }

    /// Bytes from the instance.
    pub(crate) fn received(slf: &Bound<'_, Self>, data: Piece<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        let client = slf.borrow().client.as_ref().map(|client| client.clone_ref(py));
        match client {
            Some(client) => ClientFastPath::responded(client.bind(py), data),
            None => slf.call_method0(intern!(py, "close")).map(drop),
        }
    }
}

#[pymethods]
impl UpstreamFastPath {
    #[new]
    fn new(instance: u64, keepalive_ns: u64, max_idle: usize) -> Self {
        Self { instance, keepalive_ns, max_idle, ticket: None, link: None, client: None }
    }

    fn data_received(slf: &Bound<'_, Self>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        Self::received(slf, Piece::Passed(data))
    }

    #[getter]
    fn transport(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.link.as_ref().map(|link| link.object(py)).ok_or_else(not_connected)
    }

    #[setter]
    fn set_transport(&mut self, transport: Bound<'_, PyAny>) -> PyResult<()> {
        self.link = Some(Link::new(transport)?);
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.client)?;
        self.link.as_ref().map_or(Ok(()), |link| link.visit(&visit))
    }

    fn __clear__(&mut self) {
        self.client = None;
        self.link = None;
    }
}

/// Registers both classes.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ClientFastPath>()?;
    module.add_class::<UpstreamFastPath>()
}
