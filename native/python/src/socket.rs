//! A socket of the reactor: what is done with it by its name, and what its owner is told of that.

use headgate_reactor::reactor::Kind;
use headgate_reactor::stream::{Phase, Written};
use headgate_reactor::token::Token;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use crate::reactor::Reactor;
use crate::telling::Reason;

/// The name of a socket, and the reactor that knows it.
pub(crate) struct Socket {
    pub(crate) reactor: Py<Reactor>,
    pub(crate) token: Token,
}

impl Socket {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { reactor: self.reactor.clone_ref(py), token: self.token }
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

    pub(crate) fn kind(&self, py: Python<'_>) -> Option<Kind> {
        self.reactor.borrow(py).sockets.kind(self.token)
    }

    /// Is what is written to it lost, though its protocol may not have heard of that yet?
    pub(crate) fn is_closing(&self, py: Python<'_>) -> bool {
        self.reactor.borrow(py).sockets.is_deaf(self.token)
    }

    /// Closes it when everything is sent.
    pub(crate) fn close(&self, py: Python<'_>) {
        if self.kind(py) == Some(Kind::Stream(Phase::Connecting)) {
            return self.abort(py);
        }
        let owner = self.reactor.borrow_mut(py).sockets.close(self.token);
        if let Some(owner) = owner {
            Reactor::lost(self.reactor.bind(py), owner, Reason::Nothing);
        }
    }

    /// Closes it now.
    pub(crate) fn abort(&self, py: Python<'_>) {
        let reactor = self.reactor.bind(py);
        if self.kind(py) == Some(Kind::Stream(Phase::Connecting)) {
            // Its protocol has not heard of it, and shall not any more.
            let owner = reactor.borrow_mut().sockets.remove(self.token);
            drop(owner);
        } else {
            Reactor::end(reactor, self.token, Reason::Nothing);
        }
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}
