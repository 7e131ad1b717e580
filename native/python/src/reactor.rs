//! The worker's sockets inside the event loop: `gateway._native.Reactor`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use headgate_reactor::backlog::{HIGH_WATER_BYTES, LOW_WATER_BYTES};
use headgate_reactor::connect::{Address, Watch};
use headgate_reactor::reactor::{self, Ready};
use headgate_reactor::token::Token;
use headgate_shm::descriptor::duplicate;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use rustix::io::Errno;

use crate::owner::Owner;
use crate::telling::{to_python, Outcome};
use crate::transport::Transport;

/// What one read takes at the most. All connections share the buffer: what is not passed on at once is copied.
/// Together with the high-water mark of a connection it bounds what one that takes nothing costs.
const READ_BYTES: usize = 188 * 1024;

/// The sockets of one process.
#[pyclass(module = "gateway._native")]
pub(crate) struct Reactor {
    pub(crate) sockets: reactor::Reactor<Owner>,
    pub(crate) event_loop: Py<PyAny>,
    keepalive: (u64, u64, u32),
    /// Is told that clients wait for a descriptor.
    pub(crate) exhausted: Option<Py<PyAny>>,
    buffer: Vec<u8>,
    ready: Vec<Ready>,
    pub(crate) outcomes: VecDeque<Outcome>,
    /// The outcomes will be told: a turn is under way, or the loop has been asked for one.
    pub(crate) telling: bool,
}

#[pymethods]
impl Reactor {
    #[new]
    fn new(event_loop: Py<PyAny>, keepalive: (u64, u64, u32)) -> PyResult<Self> {
        Ok(Self {
            sockets: reactor::Reactor::new().map_err(to_python)?,
            event_loop,
            keepalive,
            exhausted: None,
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

    fn on_exhausted(&mut self, told: Option<Py<PyAny>>) {
        self.exhausted = told;
    }

    fn listen(slf: &Bound<'_, Self>, fd: i32, backlog: i32, accepted: Py<PyAny>) -> PyResult<Listener> {
        let duplicate = duplicate(fd).map_err(to_python)?;
        let token = slf.borrow_mut().sockets.listen(duplicate, backlog, Owner::Listener(accepted));
        Ok(Listener { reactor: slf.clone().unbind(), token: token.map_err(to_python)? })
    }

    #[pyo3(signature = (address, protocol, user_timeout_ms, may_speak = false))]
    fn connect(
        slf: &Bound<'_, Self>,
        address: Destination,
        protocol: &Bound<'_, PyAny>,
        user_timeout_ms: u32,
        may_speak: bool,
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
            Ok(token) => {
                if may_speak {
                    slf.borrow_mut().sockets.let_speak(token);
                }
                Ok(Some(Transport::new(slf.clone().unbind(), token, None)))
            }
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
        visit.call(&self.exhausted)?;
        for outcome in &self.outcomes {
            let (Outcome::Lost(owner, _) | Outcome::Failed(owner, _)) = outcome;
            owner.visit(&visit)?;
        }
        self.sockets.owners().try_for_each(|owner| owner.visit(&visit))
    }

    fn __clear__(&mut self) {
        self.exhausted = None;
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
