//! One connection: what is unsent, and how its two directions stand.

use std::os::fd::OwnedFd;

use rustix::io::{self, Errno};
use rustix::net::{self, RecvFlags, SendFlags, Shutdown};

use crate::backlog::Backlog;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is being made.
    Connecting,
    /// Bytes may come and go.
    Open,
    /// It is over for its owner, and lives on until what is unsent has been taken.
    Closing,
}

/// What came of an attempt to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// The peer will send no more. Said once.
    End,
    /// Nothing now.
    Nothing,
    /// The connection is broken.
    Broken(Errno),
}

/// What became of bytes that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// They were taken, or are kept.
    Done,
    /// They are kept, and with them there is too much: the sender is to be paused until [`Sent::Resume`].
    Full,
    /// The connection is broken.
    Broken(Errno),
}

/// What became of the unsent bytes when there was room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing that somebody waits for.
    Some,
    /// The sender may go on.
    Resume,
    /// The last byte before the close is sent.
    Over,
    /// The connection is broken.
    Broken(Errno),
}

/// How the peer's direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    On,
    /// Not for the time being.
    Paused,
    /// The peer's FIN was read.
    Ended,
}

/// A connection and whose it is.
#[derive(Debug)]
pub(crate) struct Stream<T> {
    pub(crate) fd: OwnedFd,
    pub(crate) owner: T,
    pub(crate) phase: Phase,
    pub(crate) backlog: Backlog,
    reading: Reading,
    /// Our FIN is to follow what is unsent, or has.
    pub(crate) finished: bool,
    /// How a write has failed. The peer takes nothing any more; what it has said before can still be read.
    refused: Option<Errno>,
    /// While the connection is being made: its peer may speak before it was asked.
    pub(crate) may_speak: bool,
    /// The kernel tells when there is room to send. Only what was ever full asks for that.
    pub(crate) told_of_room: bool,
}

impl<T> Stream<T> {
    pub(crate) fn new(fd: OwnedFd, owner: T, phase: Phase) -> Self {
        Self {
            fd,
            owner,
            phase,
            backlog: Backlog::default(),
            reading: Reading::On,
            finished: false,
            refused: None,
            may_speak: false,
            told_of_room: phase == Phase::Connecting,
        }
    }

    fn is_read(&self) -> bool {
        self.phase == Phase::Open && self.reading == Reading::On
    }

    pub(crate) fn pause(&mut self) {
        if self.reading == Reading::On {
            self.reading = Reading::Paused;
        }
    }

    /// True: what has come meanwhile is to be read.
    pub(crate) fn resume(&mut self) -> bool {
        let resume = self.reading == Reading::Paused;
        if resume {
            self.reading = Reading::On;
        }
        resume
    }

    pub(crate) fn read(&mut self, into: &mut [u8]) -> Read {
        if !self.is_read() {
            return Read::Nothing;
        }
        loop {
            return match net::recv(&self.fd, &mut *into, RecvFlags::empty()) {
                Ok((0, _)) => self.end(),
                Ok((count, _)) => Read::Bytes(count),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Read::Nothing,
                Err(errno) => Read::Broken(errno),
            };
        }
    }

    /// Nothing more will come. The write that failed has taken the error of a reset with it, and without that its end
    /// looks like a FIN; after one, a write fails with EPIPE.
    fn end(&mut self) -> Read {
        self.reading = Reading::Ended;
        match self.refused {
            None | Some(Errno::PIPE) => Read::End,
            Some(errno) => Read::Broken(errno),
        }
    }

    /// How a connection that is not read has broken, unless there is something to read before one hears of that.
    pub(crate) fn broken_unread(&self) -> Option<Errno> {
        let unread = self.reading != Reading::Ended && io::ioctl_fionread(&self.fd) != Ok(0);
        if self.is_read() || unread {
            return None;
        }
        net::sockopt::socket_error(&self.fd).ok()?.err().or(self.refused)
    }

    /// Can anything be sent?
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// A write has failed so, and nothing is sent any more.
    pub(crate) fn send_no_more(&mut self, errno: Errno) {
        self.refused = Some(errno);
        self.backlog = Backlog::default();
    }

    /// The kernel gets the piece first, and what it does not take is kept.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Written {
        if self.phase != Phase::Open || self.finished || self.is_refused() {
            return Written::Done;
        }
        let taken = if self.backlog.is_empty() {
            match self.send(piece) {
                Ok(taken) => taken,
                Err(errno) => return Written::Broken(errno),
            }
        } else {
            0
        };
        if taken == piece.len() {
            return Written::Done;
        }
        if self.backlog.keep(&piece[taken..], piece.len()) {
            Written::Full
        } else {
            Written::Done
        }
    }

    pub(crate) fn send_unsent(&mut self) -> Sent {
        let mut resume = false;
        if !self.backlog.is_empty() {
            match self.send(self.backlog.unsent()) {
                Ok(taken) => resume = self.backlog.taken(taken), // an edge will tell of more room
                Err(errno) => return Sent::Broken(errno),
            }
        }
        if self.backlog.is_empty() {
            if self.phase == Phase::Closing {
                return Sent::Over;
            }
            if self.finished {
                self.say_fin();
            }
        }
        if resume {
            Sent::Resume
        } else {
            Sent::Some
        }
    }

    /// Our FIN, behind what is unsent.
    pub(crate) fn finish(&mut self) {
        if self.phase == Phase::Open && !self.finished {
            self.finished = true;
            if self.backlog.is_empty() {
                self.say_fin();
            }
        }
    }

    fn say_fin(&self) {
        let _ = net::shutdown(&self.fd, Shutdown::Write); // of a broken connection the kernel tells otherwise
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        loop {
            return match net::send(&self.fd, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Ok(0),
                other => other,
            };
        }
    }
}
