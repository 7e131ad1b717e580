//! The worker's sockets inside the event loop: `gateway._native.Reactor`.
//!
//! The laws: no borrow is held across a call into Python. A protocol hears of its connection's end exactly once, and
//! never inside a call of its own: at the end of the turn, or in the loop's next one. What goes wrong in a protocol
//! costs its connection and nothing else.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Duration;

use headgate_reactor::backlog::{HIGH_WATER_BYTES, LOW_WATER_BYTES};
use headgate_reactor::connect::{Address, Watch};
use headgate_reactor::listener::Accepted;
use headgate_reactor::reactor::{self, Kind, Ready};
use headgate_reactor::stream::{Phase, Read, Sent};
use headgate_reactor::token::Token;
use headgate_shm::descriptor::duplicate;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use rustix::io::Errno;

use crate::owner::Owner;
use crate::transport::Transport;

/// What one read takes at the most. All connections share the buffer: what is not passed on at once is copied.
/// Together with the high-water mark of a connection it bounds what one that takes nothing costs.
const READ_BYTES: usize = 128 * 1024;
/// Reads of a full buffer from one connection in one turn; then it is the others' turn.
const FULL_READS_A_TURN: usize = 4;
/// Connections accepted from one listening socket in one turn.
const ACCEPTS_A_TURN: usize = 32;
/// How long clients wait for a descriptor, unless one is given back before.
const EXHAUSTED_SECONDS: f64 = 0.1;

/// Why a connection has ended.
pub(crate) enum Reason {
    /// It was closed, by one side or the other.
    Nothing,
    System(Errno),
    /// The exception of a protocol.
    Fault(Py<PyAny>),
}

/// What a protocol is still to be told.
enum Outcome {
    Lost(Owner, Reason),
    /// The connection could not be made.
    Failed(Owner, Errno),
}

/// The sockets of one worker.
#[pyclass(module = "gateway._native")]
pub(crate) struct Reactor {
    pub(crate) sockets: reactor::Reactor<Owner>,
    event_loop: Py<PyAny>,
    keepalive: (u64, u64, u32),
    buffer: Vec<u8>,
    ready: Vec<Ready>,
    outcomes: VecDeque<Outcome>,
    /// The outcomes will be told: a turn is under way, or the loop has been asked for one.
    telling: bool,
}

impl Reactor {
    // Events

    fn attend(slf: &Bound<'_, Self>, ready: Ready, buffer: &mut [u8]) {
        let kind = slf.borrow().sockets.kind(ready.token);
        match kind {
            None => {} // closed meanwhile
            Some(Kind::Listener) => Self::accept(slf, ready.token),
            Some(Kind::Stream(Phase::Connecting)) => Self::connected(slf, ready),
            Some(Kind::Stream(_)) => {
                if ready.incoming() {
                    Self::read(slf, ready, buffer);
                }
                if ready.room() {
                    Self::send_unsent(slf, ready.token);
                }
            }
        }
    }

    fn read(slf: &Bound<'_, Self>, ready: Ready, buffer: &mut [u8]) {
        let token = ready.token;
        let mut full = 0;
        loop {
            let read = slf.borrow_mut().sockets.read(token, buffer);
            match read {
                Read::Bytes(count) => {
                    Self::received(slf, token, &buffer[..count]);
                    if count < buffer.len() && !ready.over() {
                        return; // an edge will tell of more
                    }
                    full += usize::from(count == buffer.len());
                    if full == FULL_READS_A_TURN {
                        return slf.borrow_mut().sockets.register_anew(token);
                    }
                }
                Read::End => Self::ended(slf, token),
                Read::Nothing => {
                    let broken = ready.broken().then(|| slf.borrow_mut().sockets.broken_unread(token));
                    if let Some(errno) = broken.flatten() {
                        Self::end(slf, token, Reason::System(errno));
                    }
                    return;
                }
                Read::Broken(errno) => return Self::end(slf, token, Reason::System(errno)),
            }
        }
    }

    fn received(slf: &Bound<'_, Self>, token: Token, bytes: &[u8]) {
        let py = slf.py();
        let Some(owner) = Self::owner(slf, token) else { return };
        let step = || owner.received(py, bytes);
        if let Err(error) = guarded(py, step) {
            Self::fault(slf, Some(token), &owner, error);
        }
    }

    fn ended(slf: &Bound<'_, Self>, token: Token) {
        let py = slf.py();
        let Some(owner) = Self::owner(slf, token) else { return };
        let Some(protocol) = owner.protocol(py) else { return };
        let told = guarded(py, || protocol.call_method0(intern!(py, "eof_received"))?.is_truthy());
        match told {
            Ok(true) => {}
            Ok(false) => {
                let owner = slf.borrow_mut().sockets.close(token);
                if let Some(owner) = owner {
                    Self::lost(slf, owner, Reason::Nothing);
                }
            }
            Err(error) => Self::fault(slf, Some(token), &owner, error),
        }
    }

    fn send_unsent(slf: &Bound<'_, Self>, token: Token) {
        let sent = slf.borrow_mut().sockets.send_unsent(token);
        match sent {
            Sent::Some => {}
            Sent::Resume => Self::tell_flow(slf, token, intern!(slf.py(), "resume_writing")),
            Sent::Over => Self::end(slf, token, Reason::Nothing),
            Sent::Broken(errno) => Self::end(slf, token, Reason::System(errno)),
        }
    }

    fn connected(slf: &Bound<'_, Self>, ready: Ready) {
        let py = slf.py();
        let failed = slf.borrow_mut().sockets.connected(ready);
        if let Some(errno) = failed {
            let owner = slf.borrow_mut().sockets.remove(ready.token);
            if let Some(owner) = owner {
                Self::tell(slf, Outcome::Failed(owner, errno));
            }
            return;
        }
        let transport = Transport::new(slf.clone().unbind(), ready.token, None);
        if let Ok(transport) = Py::new(py, transport) {
            Self::made(slf, ready.token, &transport);
        }
    }

    fn made(slf: &Bound<'_, Self>, token: Token, transport: &Py<Transport>) {
        let py = slf.py();
        let Some(owner) = Self::owner(slf, token) else { return };
        let Some(protocol) = owner.protocol(py) else { return };
        let step = || protocol.call_method1(intern!(py, "connection_made"), (transport,)).map(drop);
        if let Err(error) = guarded(py, step) {
            Self::fault(slf, Some(token), &owner, error);
        }
    }

    // Accepting

    fn accept(slf: &Bound<'_, Self>, token: Token) {
        for _ in 0..ACCEPTS_A_TURN {
            let accepted = slf.borrow_mut().sockets.accept(token);
            match accepted {
                Accepted::Client(fd, peer) => Self::take_in(slf, token, fd, peer),
                Accepted::Nobody => return,
                Accepted::Exhausted => return Self::wait_for_descriptors(slf),
                Accepted::Over => {
                    let accepted = slf.borrow_mut().sockets.remove(token);
                    return drop(accepted);
                }
            }
        }
    }

    /// A client has connected.
    fn take_in(slf: &Bound<'_, Self>, listener: Token, fd: OwnedFd, peer: Option<IpAddr>) {
        let py = slf.py();
        let Some(makes) = Self::owner(slf, listener) else { return };
        let Owner::Listener(accepted) = &makes else { return };
        let adopted = slf.borrow_mut().sockets.adopt(fd, Owner::Nobody);
        let token = match adopted {
            Ok(token) => token,
            Err((errno, nobody)) => {
                let error = to_python(errno).into_value(py).into_any();
                return Self::fault(slf, None, &nobody, error);
            }
        };
        let step = || {
            let protocol = accepted.bind(py).call0()?;
            let owner = Owner::of(&protocol)?;
            let nobody = slf.borrow_mut().sockets.hand_over(token, owner);
            drop(nobody);
            Py::new(py, Transport::new(slf.clone().unbind(), token, peer))
        };
        match guarded(py, step) {
            Ok(transport) => Self::made(slf, token, &transport),
            Err(error) => Self::fault(slf, Some(token), &Owner::Nobody, error),
        }
    }

    /// Tries again in a while, though a descriptor may be given back before.
    fn wait_for_descriptors(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let again = || {
            let again = slf.getattr(intern!(py, "accept_again"))?;
            let event_loop = slf.borrow().event_loop.clone_ref(py);
            event_loop.call_method1(py, intern!(py, "call_later"), (EXHAUSTED_SECONDS, again)).map(drop)
        };
        if let Err(error) = again() {
            error.write_unraisable(py, None);
        }
    }

    // Ends

    /// Closes a connection now; its protocol will hear of it.
    pub(crate) fn end(slf: &Bound<'_, Self>, token: Token, reason: Reason) {
        let owner = slf.borrow_mut().sockets.remove(token);
        if let Some(owner) = owner {
            Self::lost(slf, owner, reason);
        }
    }

    /// The connection of an owner is closed.
    pub(crate) fn lost(slf: &Bound<'_, Self>, owner: Owner, reason: Reason) {
        Self::tell(slf, Outcome::Lost(owner, reason));
    }

    fn tell(slf: &Bound<'_, Self>, outcome: Outcome) {
        let py = slf.py();
        let told = {
            let mut reactor = slf.borrow_mut();
            reactor.outcomes.push_back(outcome);
            std::mem::replace(&mut reactor.telling, true)
        };
        if !told {
            let soon = || {
                let settle = slf.getattr(intern!(py, "settle"))?;
                let event_loop = slf.borrow().event_loop.clone_ref(py);
                event_loop.call_method1(py, intern!(py, "call_soon"), (settle,)).map(drop)
            };
            if let Err(error) = soon() {
                error.write_unraisable(py, None); // the loop is closed
            }
        }
    }

    fn settle_one(slf: &Bound<'_, Self>, outcome: &Outcome) {
        let py = slf.py();
        let (Outcome::Lost(owner, _) | Outcome::Failed(owner, _)) = outcome;
        let Some(protocol) = owner.protocol(py) else { return };
        let step = || match outcome {
            Outcome::Lost(_, reason) => {
                let reason = match reason {
                    Reason::Nothing => None,
                    Reason::System(errno) => Some(to_python(*errno).into_value(py).into_any()),
                    Reason::Fault(error) => Some(error.clone_ref(py)),
                };
                protocol.call_method1(intern!(py, "connection_lost"), (reason,)).map(drop)
            }
            Outcome::Failed(_, errno) => {
                protocol.call_method1(intern!(py, "connection_failed"), (errno.raw_os_error(),)).map(drop)
            }
        };
        if let Err(error) = guarded(py, step) {
            Self::fault(slf, None, owner, error);
        }
    }

    // Faults

    /// Has a protocol pause or resume what it sends. A failure is reported and leaves the connection to it.
    pub(crate) fn tell_flow(slf: &Bound<'_, Self>, token: Token, call: &Bound<'_, PyString>) {
        let py = slf.py();
        let Some(owner) = Self::owner(slf, token) else { return };
        let Some(protocol) = owner.protocol(py) else { return };
        if let Err(error) = guarded(py, || protocol.call_method0(call).map(drop)) {
            Self::fault(slf, None, &owner, error);
        }
    }

    /// Reports what a protocol has raised, and closes its connection.
    fn fault(slf: &Bound<'_, Self>, token: Option<Token>, owner: &Owner, error: Py<PyAny>) {
        let py = slf.py();
        let report = || {
            let context = PyDict::new(py);
            context.set_item(intern!(py, "message"), intern!(py, "a protocol has raised"))?;
            context.set_item(intern!(py, "exception"), &error)?;
            if let Some(protocol) = owner.protocol(py) {
                context.set_item(intern!(py, "protocol"), protocol)?;
            }
            let event_loop = slf.borrow().event_loop.clone_ref(py);
            event_loop.call_method1(py, intern!(py, "call_exception_handler"), (context,)).map(drop)
        };
        if let Err(error) = guarded(py, report) {
            PyErr::from_value(error.into_bound(py)).write_unraisable(py, None);
        }
        if let Some(token) = token {
            Self::end(slf, token, Reason::Fault(error));
        }
    }

    fn owner(slf: &Bound<'_, Self>, token: Token) -> Option<Owner> {
        slf.borrow().sockets.owner(token).map(|owner| owner.clone_ref(slf.py()))
    }
}

/// What a step raises, a panic included, which is none of the turn's.
fn guarded<T>(py: Python<'_>, step: impl FnOnce() -> PyResult<T>) -> Result<T, Py<PyAny>> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into_value(py).into_any()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            Err(PanicException::new_err(text.to_owned()).into_value(py).into_any())
        }
    }
}

fn to_python(errno: Errno) -> PyErr {
    std::io::Error::from(errno).into()
}

#[pymethods]
impl Reactor {
    #[new]
    fn new(event_loop: Py<PyAny>, keepalive: (u64, u64, u32)) -> PyResult<Self> {
        Ok(Self {
            sockets: reactor::Reactor::new().map_err(to_python)?,
            event_loop,
            keepalive,
            buffer: vec![0; READ_BYTES],
            ready: Vec::new(),
            outcomes: VecDeque::new(),
            telling: false,
        })
    }

    fn fileno(&self) -> i32 {
        self.sockets.fd()
    }

    fn turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (ready, mut buffer) = {
            let mut reactor = slf.borrow_mut();
            if reactor.buffer.is_empty() {
                return Ok(()); // within a turn
            }
            let mut ready = std::mem::take(&mut reactor.ready);
            reactor.sockets.ready(&mut ready).map_err(to_python)?;
            reactor.telling = true;
            (ready, std::mem::take(&mut reactor.buffer))
        };
        for one in &ready {
            Self::attend(slf, *one, &mut buffer);
        }
        {
            let mut reactor = slf.borrow_mut();
            reactor.ready = ready;
            reactor.buffer = buffer;
        }
        Self::settle(slf);
        Ok(())
    }

    /// Tells protocols what is still to be told.
    fn settle(slf: &Bound<'_, Self>) {
        loop {
            let outcome = slf.borrow_mut().outcomes.pop_front();
            let Some(outcome) = outcome else { break };
            Self::settle_one(slf, &outcome);
        }
        let mut reactor = slf.borrow_mut();
        reactor.telling = false;
        if reactor.sockets.may_accept_again() {
            reactor.sockets.accept_again();
        }
    }

    fn accept_again(&mut self) {
        self.sockets.accept_again();
    }

    fn listen(slf: &Bound<'_, Self>, fd: i32, backlog: i32, accepted: Py<PyAny>) -> PyResult<Listener> {
        let duplicate = duplicate(fd).map_err(to_python)?;
        let token = slf.borrow_mut().sockets.listen(duplicate, backlog, Owner::Listener(accepted));
        Ok(Listener { reactor: slf.clone().unbind(), token: token.map_err(to_python)? })
    }

    fn connect(
        slf: &Bound<'_, Self>,
        address: Destination,
        protocol: &Bound<'_, PyAny>,
        user_timeout_ms: u32,
    ) -> PyResult<Option<Transport>> {
        let address = address.parse()?;
        let owner = Owner::of(protocol)?;
        let begun = {
            let mut reactor = slf.borrow_mut();
            let (idle, interval, probes) = reactor.keepalive;
            let (idle, interval) = (Duration::from_secs(idle), Duration::from_secs(interval));
            reactor.sockets.connect(&address, &Watch { idle, interval, probes, user_timeout_ms }, owner)
        };
        match begun {
            Ok(token) => Ok(Some(Transport::new(slf.clone().unbind(), token, None))),
            Err((errno, owner)) => {
                Self::tell(slf, Outcome::Failed(owner, errno));
                Ok(None)
            }
        }
    }

    fn fail(slf: &Bound<'_, Self>, protocol: &Bound<'_, PyAny>, errno: i32) -> PyResult<()> {
        let owner = Owner::of(protocol)?;
        Self::tell(slf, Outcome::Failed(owner, Errno::from_raw_os_error(errno)));
        Ok(())
    }

    /// Closes everything, without a word to anybody.
    fn close(slf: &Bound<'_, Self>) {
        let owners = slf.borrow_mut().sockets.clear();
        drop(owners); // not while the reactor is borrowed: it may run any destructor
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        for outcome in &self.outcomes {
            let (Outcome::Lost(owner, _) | Outcome::Failed(owner, _)) = outcome;
            owner.visit(&visit)?;
        }
        self.sockets.owners().try_for_each(|owner| owner.visit(&visit))
    }

    fn __clear__(&mut self) {
        self.outcomes.clear();
        self.sockets.clear();
    }
}

/// An address as Python has it.
#[derive(FromPyObject)]
enum Destination {
    Ip(String, u16),
    Unix(String),
}

impl Destination {
    fn parse(self) -> PyResult<Address> {
        match self {
            Self::Unix(path) => Ok(Address::Unix(path)),
            Self::Ip(host, port) => match host.parse() {
                Ok(host) => Ok(Address::Ip(SocketAddr::new(host, port))),
                Err(_) => Err(PyValueError::new_err(format!("{host:?} is no IP address"))),
            },
        }
    }
}

/// A listening socket that is accepted from.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Listener {
    reactor: Py<Reactor>,
    token: Token,
}

#[pymethods]
impl Listener {
    fn close(&self, py: Python<'_>) {
        let owner = self.reactor.borrow_mut(py).sockets.remove(self.token);
        drop(owner);
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}

/// Adds the classes and the marks to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("HIGH_WATER_BYTES", HIGH_WATER_BYTES)?;
    module.add("LOW_WATER_BYTES", LOW_WATER_BYTES)?;
    module.add_class::<Reactor>()?;
    module.add_class::<Transport>()?;
    module.add_class::<Listener>()
}
