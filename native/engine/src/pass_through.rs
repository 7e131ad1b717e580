//! What is known of connections whose bytes are passed through as they are, at listeners of `mode = "tcp"`: what is counted of
//! them, and how they end. What becomes of one is decided in [`crate::connection`].

use crate::reply::Reason;

/// What is counted of them, beside their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Passed {
    /// Connections that were to be passed on.
    Connections = 0,
    /// Bytes of clients.
    Received = 1,
    /// Bytes for clients.
    Sent = 2,
}

impl Passed {
    /// How many kinds there are.
    pub const COUNT: usize = 3;
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// Both sides have sent their FIN.
    Closed = 0,
    /// The client's connection has failed, by a reset for instance.
    ClientReset = 1,
    /// The instance's connection has failed.
    InstanceReset = 2,
    /// Nothing moved for as long as nothing may.
    IdleTimeout = 3,
    /// One side did not take the last bytes.
    WriteTimeout = 4,
    /// The gateway has ended it, because it had to stop.
    Cut = 5,
    /// The client has left before there was a connection to an instance.
    ClientClosed = 6,
    /// No instance accepted a connection.
    ConnectionRefused = 7,
    /// No connection to an instance came about in time.
    ConnectionTimeout = 8,
    /// There is no instance that may be used, or the service keeps the client out.
    DestinationUnavailable = 9,
    /// Every instance is at its cap, the gateway at one of its own, or the client has as many connections as it may have.
    LimitReached = 10,
    /// A bug of the gateway.
    Fault = 11,
}

impl End {
    /// Every end with its name in metrics and access log, in the order of their numbers: where RFC 9209 §2.3 has a word, it is that.
    pub const NAMES: [&'static str; 12] = [
        "closed",
        "client_reset",
        "instance_reset",
        "idle_timeout",
        "write_timeout",
        "cut",
        "client_closed",
        "connection_refused",
        "connection_timeout",
        "destination_unavailable",
        "connection_limit_reached",
        "fault",
    ];

    const ALL: [Self; 12] = [
        Self::Closed,
        Self::ClientReset,
        Self::InstanceReset,
        Self::IdleTimeout,
        Self::WriteTimeout,
        Self::Cut,
        Self::ClientClosed,
        Self::ConnectionRefused,
        Self::ConnectionTimeout,
        Self::DestinationUnavailable,
        Self::LimitReached,
        Self::Fault,
    ];

    /// The end of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|index| Self::ALL[index])
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl From<Reason> for End {
    /// The end of a connection for which an HTTP client would get this answer.
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::ConnectFailed => Self::ConnectionRefused,
            Reason::ConnectTimeout => Self::ConnectionTimeout,
            Reason::NoInstance | Reason::Maintenance => Self::DestinationUnavailable,
            Reason::InstancesFull
            | Reason::QueueFull
            | Reason::QueueTimeout
            | Reason::ConnectsPending
            | Reason::NoDescriptor
            | Reason::TooManyConnections => Self::LimitReached,
            _ => Self::Fault, // none of which comes to be without a request
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_name() {
        for (number, end) in End::ALL.into_iter().enumerate() {
            assert_eq!((end as usize, End::named(end.name())), (number, Some(end)));
        }
        assert_eq!(End::named("other"), None);
    }
}
