//! One client connection: `gateway._native.Connection` and the numbers of its actions.

use std::net::IpAddr;

use headgate_engine::connection::{self, Action, CutOff, Payload, Verdict};
use headgate_engine::pass_through::End;
use headgate_engine::proxy_protocol::Ends;
use headgate_engine::worker::Worker;
use headgate_shm::state::Worker as SharedState;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::clock::Nanoseconds;
use crate::lane::Lane;
use crate::piece::Piece;

/// The state machine of one client connection and its current exchange.
#[pyclass(module = "gateway._native")]
pub(crate) struct Connection {
    connection: connection::Connection,
    lane: Py<Lane>,
}

/// (action, argument, payload)
type Answer<'py> = (u8, u64, Bound<'py, PyBytes>);

/// One step of the state machine: what to do, and with what.
///
/// What the engine has made is taken out of it for that time, so that nothing stays borrowed.
pub(crate) struct Step<'a, 'py> {
    pub(crate) verdict: Verdict,
    input: Piece<'a, 'py>,
    output: Vec<u8>,
    /// When it was taken.
    pub(crate) now: u64,
}

impl<'py> Step<'_, 'py> {
    pub(crate) fn payload(&self) -> &[u8] {
        match self.verdict.payload {
            Payload::Input => self.input.bytes(),
            Payload::Output => &self.output,
            Payload::Nothing => &[],
        }
    }

    pub(crate) fn object(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        match self.verdict.payload {
            Payload::Input => self.input.object(py),
            Payload::Output => PyBytes::new(py, &self.output),
            Payload::Nothing => PyBytes::new(py, b""),
        }
    }
}

impl Connection {
    /// Bytes from the client, now by the lane's clock.
    pub(crate) fn receive_now<'a, 'py>(
        &mut self,
        py: Python<'py>,
        data: Piece<'a, 'py>,
    ) -> PyResult<Step<'a, 'py>> {
        self.step_now(py, data, |connection, worker, now| connection.receive(worker, data.bytes(), now))
    }

    /// Bytes from the instance, now by the lane's clock.
    pub(crate) fn respond_now<'a, 'py>(
        &mut self,
        py: Python<'py>,
        data: Piece<'a, 'py>,
    ) -> PyResult<Step<'a, 'py>> {
        self.step_now(py, data, |connection, worker, now| connection.respond(worker, data.bytes(), now))
    }

    fn step_now<'a, 'py>(
        &mut self,
        py: Python<'py>,
        input: Piece<'a, 'py>,
        step: impl FnOnce(&mut connection::Connection, &mut Worker<SharedState>, u64) -> Verdict,
    ) -> PyResult<Step<'a, 'py>> {
        let now = self.lane.borrow(py).now(py)?;
        let mut lane = self.lane.borrow_mut(py);
        let verdict = step(&mut self.connection, &mut lane.worker, now);
        let output = match verdict.payload {
            Payload::Output => std::mem::take(&mut lane.worker.output),
            Payload::Input | Payload::Nothing => Vec::new(),
        };
        tell_due(py, lane);
        Ok(Step { verdict, input, output, now })
    }

    /// The machine of a connection just accepted.
    pub(crate) fn open(py: Python<'_>, lane: Py<Lane>, listener: u32, peer: IpAddr) -> PyResult<Self> {
        let now = lane.borrow(py).now(py)?;
        let connection = connection::Connection::open(&mut lane.borrow_mut(py).worker, listener, peer, now);
        Ok(Self { connection, lane })
    }

    pub(crate) fn is_passed_through(&self, py: Python<'_>) -> bool {
        self.connection.is_passed_through(&self.lane.borrow(py).worker)
    }

    pub(crate) fn lies_between(&mut self, ends: Ends) {
        self.connection.lies_between(ends);
    }

    pub(crate) fn admit_now<'a, 'py>(&mut self, py: Python<'py>) -> PyResult<Step<'a, 'py>> {
        self.step_now(py, Piece::Read(&[]), connection::Connection::admit)
    }

    /// The connection is over, now by the lane's clock.
    pub(crate) fn close_now(&mut self, py: Python<'_>) -> PyResult<()> {
        let now = self.lane.borrow(py).now(py)?;
        self.connection.close(&mut self.lane.borrow_mut(py).worker, now);
        Ok(())
    }

    /// The step is done, and what the engine has made is its own again.
    pub(crate) fn done(&self, py: Python<'_>, step: Step<'_, '_>) {
        if step.output.capacity() > 0 {
            self.lane.borrow_mut(py).worker.output = step.output;
        }
    }

    fn answer<'py>(
        &mut self,
        py: Python<'py>,
        input: Option<&Bound<'py, PyBytes>>,
        step: impl FnOnce(&mut connection::Connection, &mut Worker<SharedState>) -> Verdict,
    ) -> Answer<'py> {
        let mut lane = self.lane.borrow_mut(py);
        let verdict = step(&mut self.connection, &mut lane.worker);
        let payload = match (verdict.payload, input) {
            (Payload::Output, _) => PyBytes::new(py, &lane.worker.output),
            (Payload::Input, Some(input)) => input.clone(),
            (Payload::Input | Payload::Nothing, _) => PyBytes::new(py, b""),
        };
        tell_due(py, lane);
        (verdict.action as u8, verdict.argument, payload)
    }
}

/// An IP address in text.
pub(crate) fn parse(address: &str) -> PyResult<IpAddr> {
    address.parse().map_err(|_| PyValueError::new_err(format!("{address:?} is no IP address")))
}

/// The access log may have to be drained.
fn tell_due(py: Python<'_>, mut lane: PyRefMut<'_, Lane>) {
    if let Some(callback) = lane.due(py) {
        drop(lane);
        if let Err(error) = callback.call0(py) {
            error.write_unraisable(py, None); // hot calls never raise
        }
    }
}

#[pymethods]
impl Connection {
    #[new]
    fn new(py: Python<'_>, lane: Py<Lane>, listener: u32, peer: &str, now: u64) -> PyResult<Self> {
        let peer = parse(peer)?;
        let connection = connection::Connection::open(&mut lane.borrow_mut(py).worker, listener, peer, now);
        Ok(Self { connection, lane })
    }

    #[getter]
    pub(crate) fn index(&self) -> u32 {
        self.connection.index()
    }

    #[getter]
    fn service(&self) -> i64 {
        self.connection.service().map_or(-1, i64::from)
    }

    #[getter]
    fn is_idle(&self) -> bool {
        self.connection.is_idle()
    }

    #[getter]
    fn is_lingering(&self) -> bool {
        self.connection.is_lingering()
    }

    #[getter]
    fn is_full(&self) -> bool {
        self.connection.is_full()
    }

    fn take_early<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.connection.take_early())
    }

    fn receive<'py>(&mut self, py: Python<'py>, data: &Bound<'py, PyBytes>, now: Nanoseconds) -> Answer<'py> {
        let bytes = data.as_bytes();
        self.answer(py, Some(data), |connection, worker| connection.receive(worker, bytes, now.0))
    }

    fn respond<'py>(&mut self, py: Python<'py>, data: &Bound<'py, PyBytes>, now: Nanoseconds) -> Answer<'py> {
        let bytes = data.as_bytes();
        self.answer(py, Some(data), |connection, worker| connection.respond(worker, bytes, now.0))
    }

    fn client_eof<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.client_eof(worker, now))
    }

    fn upstream_lost<'py>(
        &mut self,
        py: Python<'py>,
        clean: bool,
        written: bool,
        replayable: bool,
        now: u64,
    ) -> Answer<'py> {
        self.answer(py, None, |connection, worker| {
            connection.upstream_lost(worker, clean, written, replayable, now)
        })
    }

    fn upstream_failed<'py>(&mut self, py: Python<'py>, refused: bool, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.upstream_failed(worker, refused, now))
    }

    fn admit<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.admit(worker, now))
    }

    fn crowded<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.crowded(worker, now))
    }

    fn no_descriptor<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.no_descriptor(worker, now))
    }

    fn evict<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.evict(worker, now))
    }

    fn try_again<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.try_again(worker, now))
    }

    fn connecting(&mut self, py: Python<'_>, now: u64) {
        self.connection.connecting(&mut self.lane.borrow_mut(py).worker, now);
    }

    fn take_turn<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.take_turn(worker, now))
    }

    fn connected<'py>(&mut self, py: Python<'py>, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.connected(worker, now))
    }

    #[getter]
    fn passes(&self) -> bool {
        self.connection.passes()
    }

    fn carried(&mut self, py: Python<'_>, from_client: bool, bytes: u64) {
        self.connection.carried(&self.lane.borrow(py).worker, from_client, bytes);
    }

    fn ends_by(&mut self, end: &str) -> PyResult<()> {
        let end = End::named(end).ok_or_else(|| PyValueError::new_err(format!("{end:?} is no end")))?;
        self.connection.ends_by(end);
        Ok(())
    }

    fn stalled(&mut self, py: Python<'_>, client: bool, now: u64) {
        self.connection.stalled(&mut self.lane.borrow_mut(py).worker, client, now);
    }

    fn flowing(&mut self, py: Python<'_>, now: u64) {
        self.connection.flowing(&mut self.lane.borrow_mut(py).worker, now);
    }

    fn expire<'py>(&mut self, py: Python<'py>, taken: u64, now: u64) -> Answer<'py> {
        self.answer(py, None, |connection, worker| connection.expire(worker, taken, now))
    }

    #[getter]
    fn is_request_whole(&self) -> bool {
        self.connection.is_request_whole()
    }

    fn begin_copy(&mut self, py: Python<'_>, now: u64) -> Option<(Self, u64)> {
        let begun = self.connection.begin_copy(&mut self.lane.borrow_mut(py).worker, now);
        begun.map(|(connection, instance)| (Self { connection, lane: self.lane.clone_ref(py) }, instance))
    }

    fn copy_is_whole(&mut self, py: Python<'_>, now: u64) {
        self.connection.copy_is_whole(&mut self.lane.borrow_mut(py).worker, now);
    }

    fn cut_off(&mut self, py: Python<'_>, slow: bool, now: u64) {
        let why = if slow { CutOff::Slow } else { CutOff::Incomplete };
        self.connection.cut_off(&mut self.lane.borrow_mut(py).worker, why, now);
    }

    fn close(&mut self, py: Python<'_>, now: u64) {
        self.connection.close(&mut self.lane.borrow_mut(py).worker, now);
    }
}

/// Registers the class and one constant for every action.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for (name, action) in [
        ("WAIT", Action::Wait),
        ("HOLD", Action::Hold),
        ("FORWARD", Action::Forward),
        ("SEND", Action::Send),
        ("RELAY", Action::Relay),
        ("FINISH", Action::Finish),
        ("FINISH_DROP", Action::FinishDrop),
        ("FINISH_CLOSE", Action::FinishClose),
        ("FINISH_DROP_CLOSE", Action::FinishDropClose),
        ("REPLY", Action::Reply),
        ("REPLY_CLOSE", Action::ReplyClose),
        ("ABORT", Action::Abort),
        ("CLOSE", Action::Close),
        ("BACK_OFF", Action::BackOff),
        ("SWITCH", Action::Switch),
        ("PARK", Action::Park),
        ("FORWARD_COPIED", Action::ForwardCopied),
        ("PARK_COPIED", Action::ParkCopied),
        ("CONNECT", Action::Connect),
    ] {
        module.add(name, action as u8)?;
    }
    module.add_class::<Connection>()
}
