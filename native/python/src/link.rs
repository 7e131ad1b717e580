//! The transport of a connection as the fast path uses it: one of ours, without a call into Python, or any that asyncio
//! would take for one.

use std::net::IpAddr;

use headgate_engine::proxy_protocol::Ends;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;

use crate::connection::parse;
use crate::socket::Socket;
use crate::transport::Transport;

/// A transport, and the way to write to it.
pub(crate) struct Link {
    wire: Wire,
    transport: Py<PyAny>,
}

/// What is written to. Of a transport of ours that is its socket: the object itself is not looked at, for of a connection whose turn
/// comes rarely each object is a wait for the memory.
pub(crate) enum Wire {
    Native(Socket),
    /// Its `write` is looked up once.
    Foreign {
        transport: Py<PyAny>,
        write: Py<PyAny>,
    },
}

impl Link {
    pub(crate) fn new(transport: Bound<'_, PyAny>) -> PyResult<Self> {
        let py = transport.py();
        let wire = if let Ok(native) = transport.cast::<Transport>() {
            Wire::Native(native.get().socket().clone_ref(py))
        } else {
            let write = transport.getattr(intern!(py, "write"))?.unbind();
            Wire::Foreign { transport: transport.clone().unbind(), write }
        };
        Ok(Self { wire, transport: transport.unbind() })
    }

    /// Who is at the other end of an accepted connection.
    pub(crate) fn peer(&self, py: Python<'_>) -> PyResult<IpAddr> {
        if let Ok(native) = self.transport.bind(py).cast::<Transport>() {
            return Ok(native.get().peer());
        }
        let address = self.transport.bind(py).getattr(intern!(py, "peer_address"))?;
        parse(address.extract::<PyBackedStr>()?.as_ref())
    }

    /// The ends of an accepted connection, as far as they are known.
    pub(crate) fn ends(&self, py: Python<'_>) -> Option<Ends> {
        self.transport.bind(py).cast::<Transport>().ok()?.get().ends(py)
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { wire: self.wire(py), transport: self.object(py) }
    }

    /// To write to without a borrow of whose it is.
    pub(crate) fn wire(&self, py: Python<'_>) -> Wire {
        match &self.wire {
            Wire::Native(socket) => Wire::Native(socket.clone_ref(py)),
            Wire::Foreign { transport, write } => {
                Wire::Foreign { transport: transport.clone_ref(py), write: write.clone_ref(py) }
            }
        }
    }

    pub(crate) fn object(&self, py: Python<'_>) -> Py<PyAny> {
        self.transport.clone_ref(py)
    }

    /// Is what is written to it lost, though its protocol may not have heard of that yet?
    pub(crate) fn is_closed(&self, py: Python<'_>) -> bool {
        matches!(&self.wire, Wire::Native(socket) if socket.is_closing(py))
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.transport)?;
        match &self.wire {
            Wire::Native(socket) => socket.visit(visit),
            Wire::Foreign { transport, write } => {
                visit.call(transport)?;
                visit.call(write)
            }
        }
    }
}

impl Wire {
    /// Calls `pause_writing` of the transport's protocol where there is too much.
    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        match self {
            Self::Native(socket) => {
                socket.send(py, bytes);
                Ok(())
            }
            Self::Foreign { write, .. } => write.call1(py, (PyBytes::new(py, bytes),)).map(drop),
        }
    }

    pub(crate) fn unsent(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Self::Native(socket) => Ok(socket.unsent(py)),
            Self::Foreign { transport, .. } => {
                transport.call_method0(py, intern!(py, "get_write_buffer_size"))?.extract(py)
            }
        }
    }

    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Native(socket) => {
                socket.close(py);
                Ok(())
            }
            Self::Foreign { transport, .. } => transport.call_method0(py, intern!(py, "close")).map(drop),
        }
    }
}
