//! Whose a socket is, and what its owner is told.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::fast_path::{ClientFastPath, UpstreamFastPath};
use crate::piece::Piece;

/// The owner of a socket. What a connection brings goes straight to the fast path where the protocol leaves that to it.
pub(crate) enum Owner {
    /// Nobody yet.
    Nobody,
    /// Makes a protocol for each connection that is accepted.
    Listener(Py<PyAny>),
    Client(Py<ClientFastPath>),
    Upstream(Py<UpstreamFastPath>),
    /// As asyncio knows it.
    Protocol(Py<PyAny>),
}

impl Owner {
    /// A protocol; one that has a `data_received` of its own gets its bytes there.
    pub(crate) fn of(protocol: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = protocol.py();
        let name = intern!(py, "data_received");
        let leaves_it_to = |base: Bound<'_, pyo3::types::PyType>| -> PyResult<bool> {
            Ok(protocol.get_type().getattr(name)?.is(&base.getattr(name)?))
        };
        if let Ok(client) = protocol.cast::<ClientFastPath>() {
            if leaves_it_to(py.get_type::<ClientFastPath>())? {
                return Ok(Self::Client(client.clone().unbind()));
            }
        } else if let Ok(upstream) = protocol.cast::<UpstreamFastPath>() {
            if leaves_it_to(py.get_type::<UpstreamFastPath>())? {
                return Ok(Self::Upstream(upstream.clone().unbind()));
            }
        }
        Ok(Self::Protocol(protocol.clone().unbind()))
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Nobody => Self::Nobody,
            Self::Listener(accepted) => Self::Listener(accepted.clone_ref(py)),
            Self::Client(client) => Self::Client(client.clone_ref(py)),
            Self::Upstream(upstream) => Self::Upstream(upstream.clone_ref(py)),
            Self::Protocol(protocol) => Self::Protocol(protocol.clone_ref(py)),
        }
    }

    /// The object that asyncio's calls go to.
    pub(crate) fn protocol<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyAny>> {
        match self {
            Self::Nobody | Self::Listener(_) => None,
            Self::Client(client) => Some(client.bind(py).as_any()),
            Self::Upstream(upstream) => Some(upstream.bind(py).as_any()),
            Self::Protocol(protocol) => Some(protocol.bind(py)),
        }
    }

    /// Bytes have come.
    pub(crate) fn received(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        match self {
            Self::Client(client) => ClientFastPath::received(client.bind(py), Piece::Read(bytes)),
            Self::Upstream(upstream) => UpstreamFastPath::received(upstream.bind(py), Piece::Read(bytes)),
            Self::Protocol(protocol) => {
                let bytes = PyBytes::new(py, bytes);
                protocol.call_method1(py, intern!(py, "data_received"), (bytes,)).map(drop)
            }
            Self::Nobody | Self::Listener(_) => Ok(()),
        }
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Nobody => Ok(()),
            Self::Listener(accepted) => visit.call(accepted),
            Self::Client(client) => visit.call(client),
            Self::Upstream(upstream) => visit.call(upstream),
            Self::Protocol(protocol) => visit.call(protocol),
        }
    }
}
