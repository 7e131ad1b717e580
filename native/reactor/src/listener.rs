//! A listening socket, and the connections that wait at it.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::{self, Errno};
use rustix::net::{self, sockopt, SocketAddrAny, SocketFlags};

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// A duplicate of a listening socket: the queue of connections is not lost with it.
#[derive(Debug)]
pub(crate) struct Listener<T> {
    pub(crate) fd: OwnedFd,
    pub(crate) owner: T,
    /// There was no descriptor for the next connection, which waits in the queue.
    pub(crate) held: bool,
}

/// What came of an attempt to accept.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, and the address of its client; `None`: a process of this machine.
    Client(OwnedFd, Option<IpAddr>),
    /// None waits any more.
    Nobody,
    /// There is no descriptor for it, or no memory. It waits, as all that follow.
    Exhausted(Errno),
    /// It listens no more.
    Over,
}

/// Lets connections in. What the accepted ones inherit costs no call for each.
pub(crate) fn open(listening: &OwnedFd, backlog: i32) -> Result<(), Errno> {
    io::ioctl_fionbio(listening, true)?;
    match sockopt::set_tcp_nodelay(listening, true) {
        Ok(()) | Err(Errno::OPNOTSUPP) => {} // no TCP
        Err(errno) => return Err(errno),
    }
    net::listen(listening, backlog)
}

/// The next connection of the queue.
pub(crate) fn accept(listening: &OwnedFd) -> Accepted {
    loop {
        match net::acceptfrom_with(listening, FLAGS) {
            Ok((fd, peer)) => return Accepted::Client(fd, peer.and_then(ip)),
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                return Accepted::Exhausted(errno)
            }
            Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => {} // the next one may be better
            Err(Errno::AGAIN) => return Accepted::Nobody,
            Err(_) => return Accepted::Over,
        }
    }
}

fn ip(address: SocketAddrAny) -> Option<IpAddr> {
    SocketAddr::try_from(address).ok().map(|address| address.ip())
}
