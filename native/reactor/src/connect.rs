//! Making a connection without waiting for it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, sockopt, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Over TCP.
    Ip(SocketAddr),
    /// The path of a socket of this machine.
    Unix(String),
}

/// How the kernel notices that the peer of a TCP connection is gone without a word.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Silence before the first probe.
    pub idle: Duration,
    /// From one probe to the next.
    pub interval: Duration,
    /// Probes without an answer.
    pub probes: u32,
    /// For how long what was sent may stay unacknowledged.
    pub user_timeout_ms: u32,
}

/// Opens a socket and begins to connect it: it is writable when that has succeeded or failed.
pub(crate) fn begin(address: &Address, watch: &Watch) -> Result<OwnedFd, Errno> {
    let (fd, begun) = match address {
        Address::Ip(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let fd = net::socket_with(family, SocketType::STREAM, FLAGS, None)?;
            sockopt::set_tcp_nodelay(&fd, true)?;
            watch.over(&fd)?;
            let begun = net::connect(&fd, address);
            (fd, begun)
        }
        Address::Unix(path) => {
            let fd = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
            let begun = SocketAddrUnix::new(path.as_str()).and_then(|address| net::connect(&fd, &address));
            (fd, begun)
        }
    };
    match begun {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(fd),
        Err(errno) => Err(errno),
    }
}

impl Watch {
    fn over(&self, fd: &OwnedFd) -> Result<(), Errno> {
        sockopt::set_socket_keepalive(fd, true)?;
        sockopt::set_tcp_keepidle(fd, self.idle)?;
        sockopt::set_tcp_keepintvl(fd, self.interval)?;
        sockopt::set_tcp_keepcnt(fd, self.probes)?;
        sockopt::set_tcp_user_timeout(fd, self.user_timeout_ms)
    }
}
