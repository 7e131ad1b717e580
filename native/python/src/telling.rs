//! What protocols are told of their connections besides bytes: flow control, ends, failures; and what becomes of what they
//! raise.
//!
//! The law: a protocol hears of its connection's end exactly once, and never inside a call of its own: at the end of the
//! turn, or in the loop's next one. What goes wrong in a protocol costs its connection and nothing else.

use std::panic::{catch_unwind, AssertUnwindSafe};

use headgate_reactor::token::Token;
use pyo3::intern;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use rustix::io::Errno;

use crate::owner::Owner;
use crate::reactor::Reactor;

/// Why a connection has ended.
pub(crate) enum Reason {
    /// It was closed, by one side or the other.
    Nothing,
    System(Errno),
    /// The exception of a protocol.
    Fault(Py<PyAny>),
}

/// What a protocol is still to be told.
pub(crate) enum Outcome {
    Lost(Owner, Reason),
    /// The connection could not be made.
    Failed(Owner, Errno),
}

impl Reactor {
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

    pub(crate) fn tell(slf: &Bound<'_, Self>, outcome: Outcome) {
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

    pub(crate) fn settle_one(slf: &Bound<'_, Self>, outcome: &Outcome) {
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
    pub(crate) fn fault(slf: &Bound<'_, Self>, token: Option<Token>, owner: &Owner, error: Py<PyAny>) {
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

    pub(crate) fn owner(slf: &Bound<'_, Self>, token: Token) -> Option<Owner> {
        slf.borrow().sockets.owner(token).map(|owner| owner.clone_ref(slf.py()))
    }
}

/// What a step raises, a panic included, which is none of the turn's.
pub(crate) fn guarded<T>(py: Python<'_>, step: impl FnOnce() -> PyResult<T>) -> Result<T, Py<PyAny>> {
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

pub(crate) fn to_python(errno: Errno) -> PyErr {
    std::io::Error::from(errno).into()
}
