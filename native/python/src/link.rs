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
use crate::transport::Transport;

/// A transport.
pub(crate) enum Link {
    Native(Py<Transport>),
    /// Its `write` is looked up once.
    Foreign {
        transport: Py<PyAny>,
        write: Py<PyAny>,
    },
}

impl Link {
    pub(crate) fn new(transport: Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(native) = transport.cast::<Transport>() {
            return Ok(Self::Native(native.clone().unbind()));
        }
        let write = transport.getattr(intern!(transport.py(), "write"))?.unbind();
        Ok(Self::Foreign { transport: transport.unbind(), write })
    }

    /// Who is at the other end of an accepted connection.
    pub(crate) fn peer(&self, py: Python<'_>) -> PyResult<IpAddr> {
        match self {
            Self::Native(transport) => Ok(transport.get().peer()),
            Self::Foreign { transport, .. } => {
                let address = transport.bind(py).getattr(intern!(py, "peer_address"))?;
                parse(address.extract::<PyBackedStr>()?.as_ref())
            }
        }
    }

    /// The ends of an accepted connection, as far as they are known.
    pub(crate) fn ends(&self, py: Python<'_>) -> Option<Ends> {
        match self {
            Self::Native(transport) => transport.get().ends(py),
            Self::Foreign { .. } => None,
        }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Native(transport) => Self::Native(transport.clone_ref(py)),
            Self::Foreign { transport, write } => {
                Self::Foreign { transport: transport.clone_ref(py), write: write.clone_ref(py) }
            }
        }
    }

    pub(crate) fn object(&self, py: Python<'_>) -> Py<PyAny> {
        match self {
            Self::Native(transport) => transport.clone_ref(py).into_any(),
            Self::Foreign { transport, .. } => transport.clone_ref(py),
        }
    }

    /// Calls `pause_writing` of the transport's protocol where there is too much.
    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        match self {
            Self::Native(transport) => {
                transport.get().send(py, bytes);
                Ok(())
            }
            Self::Foreign { write, .. } => write.call1(py, (PyBytes::new(py, bytes),)).map(drop),
        }
    }

    pub(crate) fn unsent(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Self::Native(transport) => Ok(transport.get().unsent(py)),
            Self::Foreign { transport, .. } => {
                transport.call_method0(py, intern!(py, "get_write_buffer_size"))?.extract(py)
            }
        }
    }

    /// Is what is written to it lost, though its protocol may not have heard of that yet?
    pub(crate) fn is_closed(&self, py: Python<'_>) -> bool {
        matches!(self, Self::Native(transport) if transport.get().is_closing(py))
    }

    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Native(transport) => {
                transport.get().close(py);
                Ok(())
            }
            Self::Foreign { transport, .. } => transport.call_method0(py, intern!(py, "close")).map(drop),
        }
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Native(transport) => visit.call(transport),
            Self::Foreign { transport, write } => {
                visit.call(transport)?;
                visit.call(write)
            }
        }
    }
}
