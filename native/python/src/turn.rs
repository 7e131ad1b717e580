//! A turn of the reactor: what becomes of each socket that is ready.
//!
//! The law: no borrow is held across a call into Python.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use headgate_reactor::listener::Accepted;
use headgate_reactor::reactor::{Kind, Ready};
use headgate_reactor::stream::{Phase, Read, Sent};
use headgate_reactor::token::Token;
use pyo3::intern;
use pyo3::prelude::*;
use rustix::io::Errno;

use crate::owner::Owner;
use crate::reactor::Reactor;
use crate::telling::{guarded, to_python, Outcome, Reason};
use crate::transport::Transport;

/// Reads of a full buffer from one connection in one turn; then it is the others' turn.
const FULL_READS_A_TURN: usize = 8;
/// Connections accepted from one listening socket in one turn.
const ACCEPTS_A_TURN: usize = 32;
/// How long clients wait for a descriptor, unless one is given back before.
const EXHAUSTED_SECONDS: f64 = 0.1;

impl Reactor {
    pub(crate) fn attend(slf: &Bound<'_, Self>, ready: Ready, buffer: &mut [u8]) {
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
            Sent::Broken(errno) => Self::refused(slf, token, errno),
        }
    }

    /// The kernel sends nothing more to a peer. An instance that has closed or reset its connection, because it did not want
    /// the rest of a request, may have said why before, which its client is to hear: reading on ends with the connection's
    /// end. Of any other peer nothing more is wanted, and after another failure nothing more can come.
    pub(crate) fn refused(slf: &Bound<'_, Self>, token: Token, errno: Errno) {
        let is_instance = matches!(slf.borrow().sockets.owner(token), Some(Owner::Upstream(_)));
        if is_instance && matches!(errno, Errno::PIPE | Errno::CONNRESET) {
            slf.borrow_mut().sockets.send_no_more(token, errno);
        } else {
            Self::end(slf, token, Reason::System(errno));
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
                Accepted::Exhausted(errno) => return Self::wait_for_descriptors(slf, errno),
                Accepted::Over => {
                    let accepted = slf.borrow_mut().sockets.remove(token);
                    return drop(accepted);
                }
            }
        }
    }

    /// A client has connected.
    fn take_in(slf: &Bound<'_, Self>, listener: Token, fd: OwnedFd, peer: Option<SocketAddr>) {
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

    /// Tries again in a while, though a descriptor may be given back before, and tells who wants to know.
    fn wait_for_descriptors(slf: &Bound<'_, Self>, errno: Errno) {
        let py = slf.py();
        let again = || {
            let again = slf.getattr(intern!(py, "accept_again"))?;
            let event_loop = slf.borrow().event_loop.clone_ref(py);
            event_loop.call_method1(py, intern!(py, "call_later"), (EXHAUSTED_SECONDS, again)).map(drop)
        };
        if let Err(error) = again() {
            error.write_unraisable(py, None);
        }
        let Some(told) = slf.borrow().exhausted.as_ref().map(|told| told.clone_ref(py)) else { return };
        if let Err(error) = guarded(py, || told.call1(py, (errno.raw_os_error(),)).map(drop)) {
            Self::fault(slf, None, &Owner::Nobody, error);
        }
    }
}
