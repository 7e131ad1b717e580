//! A listening socket, and the connections that wait at it.

use std::net::SocketAddr;
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
    Client(OwnedFd, Option<SocketAddr>),
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
            Ok((fd, peer)) => return Accepted::Client(fd, peer.and_then(internet)),
            Err(errno) => {
                if let Some(accepted) = without_client(errno) {
                    return accepted;
                }
            }
        }
    }
}

/// What a failure means; `None`: the next connection may be better. Linux passes on what has become of a connection while it
/// waited (accept(2)), which says nothing about those behind it.
fn without_client(errno: Errno) -> Option<Accepted> {
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Some(Accepted::Exhausted(errno)),
        Errno::AGAIN => Some(Accepted::Nobody),
        Errno::INTR
        | Errno::CONNABORTED
        | Errno::PERM
        | Errno::PROTO
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::NONET => None,
        _ => Some(Accepted::Over),
    }
}

/// The address, if it is one of IP.
pub(crate) fn internet(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_one_connection_does_not_end_the_listening() {
        for errno in [Errno::CONNABORTED, Errno::PROTO, Errno::PERM, Errno::NETDOWN, Errno::HOSTUNREACH] {
            assert!(without_client(errno).is_none(), "{errno}");
        }
        assert!(matches!(without_client(Errno::NFILE), Some(Accepted::Exhausted(Errno::NFILE))));
        assert!(matches!(without_client(Errno::INVAL), Some(Accepted::Over)));
    }
}
