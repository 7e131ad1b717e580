//! One connection of the reactor as Python sees it: `gateway._native.Transport`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use headgate_engine::proxy_protocol::Ends;
use headgate_reactor::reactor::Kind;
use headgate_reactor::stream::{Phase, Written};
use headgate_reactor::token::Token;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::owner::Owner;
use crate::reactor::Reactor;
use crate::telling::Reason;

/// The worker's end of a connection; the part of asyncio's transport that protocols here need.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Transport {
    reactor: Py<Reactor>,
    token: Token,
    /// Who has connected to us.
    peer: Option<SocketAddr>,
}

impl Transport {
    pub(crate) fn new(reactor: Py<Reactor>, token: Token, peer: Option<SocketAddr>) -> Self {
        Self { reactor, token, peer }
    }

    /// A process of this machine has no address of its own.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip())
    }

    /// The ends of the connection of a client; `None` for a process of this machine.
    pub(crate) fn ends(&self, py: Python<'_>) -> Option<Ends> {
        let destination = self.reactor.borrow(py).sockets.local_address(self.token)?;
        Some(Ends { source: self.peer?, destination })
    }

    /// Writes, and tells the protocol where it has to pause. Of a failure it hears by the connection's end.
    pub(crate) fn send(&self, py: Python<'_>, bytes: &[u8]) {
        let written = self.reactor.borrow_mut(py).sockets.write(self.token, bytes);
        match written {
            Written::Done => {}
            Written::Full => {
                Reactor::tell_flow(self.reactor.bind(py), self.token, intern!(py, "pause_writing"));
            }
            Written::Broken(errno) => Reactor::refused(self.reactor.bind(py), self.token, errno),
        }
    }

    pub(crate) fn unsent(&self, py: Python<'_>) -> usize {
        self.reactor.borrow(py).sockets.unsent(self.token)
    }

    fn kind(&self, py: Python<'_>) -> Option<Kind> {
        self.reactor.borrow(py).sockets.kind(self.token)
    }
}

#[pymethods]
impl Transport {
    #[getter]
    fn peer_address(&self) -> String {
        self.peer().to_string()
    }

    fn write(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) {
        self.send(py, data.as_bytes());
    }

    fn write_eof(&self, py: Python<'_>) {
        self.reactor.borrow_mut(py).sockets.finish(self.token);
    }

    pub(crate) fn close(&self, py: Python<'_>) {
        if self.kind(py) == Some(Kind::Stream(Phase::Connecting)) {
            return self.abort(py);
        }
        let owner = self.reactor.borrow_mut(py).sockets.close(self.token);
        if let Some(owner) = owner {
            Reactor::lost(self.reactor.bind(py), owner, Reason::Nothing);
        }
    }

    fn abort(&self, py: Python<'_>) {
        let reactor = self.reactor.bind(py);
        if self.kind(py) == Some(Kind::Stream(Phase::Connecting)) {
            // Its protocol has not heard of it, and shall not any more.
            let owner = reactor.borrow_mut().sockets.remove(self.token);
            drop(owner);
        } else {
            Reactor::end(reactor, self.token, Reason::Nothing);
        }
    }

    fn send_reset(&self, py: Python<'_>) {
        self.reactor.borrow_mut(py).sockets.reset_on_close(self.token);
        self.abort(py);
    }

    pub(crate) fn is_closing(&self, py: Python<'_>) -> bool {
        self.reactor.borrow(py).sockets.is_deaf(self.token)
    }

    fn pause_reading(&self, py: Python<'_>) {
        self.reactor.borrow_mut(py).sockets.pause(self.token);
    }

    fn resume_reading(&self, py: Python<'_>) {
        self.reactor.borrow_mut(py).sockets.resume(self.token);
    }

    fn get_write_buffer_size(&self, py: Python<'_>) -> usize {
        self.unsent(py)
    }

    fn set_protocol(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let owner = Owner::of(protocol)?;
        let before = self.reactor.borrow_mut(protocol.py()).sockets.hand_over(self.token, owner);
        drop(before); // not while the reactor is borrowed: it may run any destructor
        Ok(())
    }

    fn fileno(&self, py: Python<'_>) -> i32 {
        self.reactor.borrow(py).sockets.descriptor(self.token).unwrap_or(-1)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<Transport {:?} of {}>", self.kind(py), self.peer())
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}
