//! One connection of the reactor as Python sees it: `gateway._native.Transport`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use headgate_engine::proxy_protocol::Ends;
use headgate_reactor::token::Token;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::owner::Owner;
use crate::reactor::Reactor;
use crate::socket::Socket;

/// The worker's end of a connection; the part of asyncio's transport that protocols here need.
#[pyclass(frozen, module = "gateway._native")]
pub(crate) struct Transport {
    socket: Socket,
    /// Who has connected to us.
    peer: Option<SocketAddr>,
}

impl Transport {
    pub(crate) fn new(reactor: Py<Reactor>, token: Token, peer: Option<SocketAddr>) -> Self {
        Self { socket: Socket { reactor, token }, peer }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// A process of this machine has no address of its own.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip())
    }

    /// The ends of the connection of a client; `None` for a process of this machine.
    pub(crate) fn ends(&self, py: Python<'_>) -> Option<Ends> {
        let Socket { reactor, token } = &self.socket;
        let destination = reactor.borrow(py).sockets.local_address(*token)?;
        Some(Ends { source: self.peer?, destination })
    }

    fn reactor<'py>(&self, py: Python<'py>) -> PyRefMut<'py, Reactor> {
        self.socket.reactor.bind(py).borrow_mut()
    }
}

#[pymethods]
impl Transport {
    #[getter]
    fn peer_address(&self) -> String {
        self.peer().to_string()
    }

    fn write(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) {
        self.socket.send(py, data.as_bytes());
    }

    fn write_eof(&self, py: Python<'_>) {
        self.reactor(py).sockets.finish(self.socket.token);
    }

    fn close(&self, py: Python<'_>) {
        self.socket.close(py);
    }

    fn abort(&self, py: Python<'_>) {
        self.socket.abort(py);
    }

    fn send_reset(&self, py: Python<'_>) {
        self.reactor(py).sockets.reset_on_close(self.socket.token);
        self.socket.abort(py);
    }

    fn is_closing(&self, py: Python<'_>) -> bool {
        self.socket.is_closing(py)
    }

    fn pause_reading(&self, py: Python<'_>) {
        self.reactor(py).sockets.pause(self.socket.token);
    }

    fn resume_reading(&self, py: Python<'_>) {
        self.reactor(py).sockets.resume(self.socket.token);
    }

    fn get_write_buffer_size(&self, py: Python<'_>) -> usize {
        self.socket.unsent(py)
    }

    fn set_protocol(&self, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let owner = Owner::of(protocol)?;
        let before = self.reactor(protocol.py()).sockets.hand_over(self.socket.token, owner);
        drop(before); // not while the reactor is borrowed: it may run any destructor
        Ok(())
    }

    fn fileno(&self, py: Python<'_>) -> i32 {
        self.reactor(py).sockets.descriptor(self.socket.token).unwrap_or(-1)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<Transport {:?} of {}>", self.socket.kind(py), self.peer())
    }

    #[allow(clippy::needless_pass_by_value)] // the shape that Python's collector asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.socket.visit(&visit)
    }
}
