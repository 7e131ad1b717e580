//! The set of a worker's sockets.
//!
//! The law: a connection is registered once, edge-triggered, and every edge is used up: it is read until nothing is left
//! or registered anew, which brings another edge. Nothing here calls back, so nothing can change while it is looked at.

use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, sockopt};
use rustix::time::Timespec;

use crate::connect::{self, Address, Watch};
use crate::listener::{self, internet, Accepted, Listener};
use crate::stream::{Phase, Read, Sent, Stream, Written};
use crate::token::{Slab, Token};

/// Ready sockets of one turn; more of them wait for the next one.
const READY_A_TURN: usize = 256;
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
const INCOMING: EventFlags =
    EventFlags::IN.union(EventFlags::PRI).union(EventFlags::RDHUP).union(EventFlags::ET);

/// A socket that something has happened to.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Which one; it may be closed by the time one gets to it.
    pub token: Token,
    flags: EventFlags,
}

impl Ready {
    /// Is there anything to read, be it an end or an error?
    pub fn incoming(self) -> bool {
        self.flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
    }

    /// May there be room to send?
    pub fn room(self) -> bool {
        self.flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR)
    }

    /// Is there an end, an error or an urgent mark behind what can be read? A read stops short there, and that does not
    /// mean that nothing is left.
    pub fn over(self) -> bool {
        self.flags.intersects(EventFlags::PRI | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
    }

    /// Is the connection broken?
    pub fn broken(self) -> bool {
        self.flags.contains(EventFlags::ERR)
    }
}

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It listens.
    Listener,
    /// It is a connection.
    Stream(Phase),
}

#[derive(Debug)]
pub(crate) enum Socket<T> {
    Listener(Listener<T>),
    Stream(Stream<T>),
}

impl<T> Socket<T> {
    fn owner(&self) -> &T {
        match self {
            Self::Listener(listener) => &listener.owner,
            Self::Stream(stream) => &stream.owner,
        }
    }

    fn into_owner(self) -> T {
        match self {
            Self::Listener(listener) => listener.owner,
            Self::Stream(stream) => stream.owner,
        }
    }
}

/// The sockets of one worker, each with its owner.
pub struct Reactor<T> {
    epoll: OwnedFd,
    sockets: Slab<Socket<T>>,
    /// Some listener waits for a descriptor.
    held: bool,
    /// A descriptor was given back since one began to.
    freed: bool,
}

impl<T> Reactor<T> {
    /// An empty one.
    pub fn new() -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, sockets: Slab::new(), held: false, freed: false })
    }

    /// Readable when a socket is ready.
    pub fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// Puts the sockets that are ready into `ready`, which is emptied first.
    pub fn ready(&self, ready: &mut Vec<Ready>) -> Result<(), Errno> {
        ready.clear();
        let mut events = [const { MaybeUninit::<Event>::uninit() }; READY_A_TURN];
        let (events, _) = match epoll::wait(&self.epoll, &mut events[..], Some(&AT_ONCE)) {
            Err(Errno::INTR) => return Ok(()), // it stays readable
            told => told?,
        };
        ready.extend(
            events
                .iter()
                .map(|event| Ready { token: Token::from_number(event.data.u64()), flags: event.flags }),
        );
        Ok(())
    }

    /// What the socket is, unless it is closed.
    pub fn kind(&self, token: Token) -> Option<Kind> {
        Some(match self.sockets.get(token)? {
            Socket::Listener(_) => Kind::Listener,
            Socket::Stream(stream) => Kind::Stream(stream.phase),
        })
    }

    /// Whose it is.
    pub fn owner(&self, token: Token) -> Option<&T> {
        self.sockets.get(token).map(Socket::owner)
    }

    /// All owners.
    pub fn owners(&self) -> impl Iterator<Item = &T> {
        self.sockets.values().map(Socket::owner)
    }

    /// Gives a connection to somebody else, and returns whose it was.
    pub fn hand_over(&mut self, token: Token, owner: T) -> Result<T, T> {
        match self.stream(token) {
            Some(stream) => Ok(std::mem::replace(&mut stream.owner, owner)),
            None => Err(owner),
        }
    }

    // Listening

    /// Accepts from a duplicate of a listening socket, at which so many connections may wait.
    pub fn listen(&mut self, fd: OwnedFd, backlog: i32, owner: T) -> Result<Token, Errno> {
        listener::open(&fd, backlog)?;
        let data = EventData::new_u64(self.sockets.next().number());
        epoll::add(&self.epoll, &fd, data, EventFlags::IN)?;
        Ok(self.sockets.insert(Socket::Listener(Listener { fd, owner, held: false })))
    }

    /// The next connection that waits there.
    pub fn accept(&mut self, token: Token) -> Accepted {
        let Some(Socket::Listener(listener)) = self.sockets.get_mut(token) else { return Accepted::Nobody };
        let accepted = listener::accept(&listener.fd);
        if matches!(accepted, Accepted::Exhausted(_)) {
            let data = EventData::new_u64(token.number());
            // Its queue would be reported again and again.
            listener.held = epoll::modify(&self.epoll, &listener.fd, data, EventFlags::empty()).is_ok();
            self.held |= listener.held;
            self.freed = false;
        }
        accepted
    }

    /// Does a listener wait for a descriptor, and was one given back meanwhile?
    pub fn may_accept_again(&self) -> bool {
        self.held && self.freed
    }

    /// Descriptors may be had again.
    pub fn accept_again(&mut self) {
        self.held = false;
        for (token, socket) in self.sockets.values_mut() {
            let Socket::Listener(listener) = socket else { continue };
            if std::mem::take(&mut listener.held) {
                let data = EventData::new_u64(token.number());
                listener.held = epoll::modify(&self.epoll, &listener.fd, data, EventFlags::IN).is_err();
                self.held |= listener.held;
            }
        }
    }

    // Connections

    /// Takes in a connection that is there, or gives its owner back.
    pub fn adopt(&mut self, fd: OwnedFd, owner: T) -> Result<Token, (Errno, T)> {
        self.add(fd, owner, Phase::Open, INCOMING)
    }

    /// Begins to make a connection. It is ready when that has succeeded or failed: [`Self::connected`] tells.
    pub fn connect(&mut self, address: &Address, watch: &Watch, owner: T) -> Result<Token, (Errno, T)> {
        match connect::begin(address, watch) {
            Ok(fd) => self.add(fd, owner, Phase::Connecting, INCOMING | EventFlags::OUT),
            Err(errno) => Err((errno, owner)),
        }
    }

    /// The peer of a connection that is being made may speak before it was asked, as servers of many protocols do.
    pub fn let_speak(&mut self, token: Token) {
        if let Some(stream) = self.stream(token) {
            stream.may_speak = true;
        }
    }

    fn add(&mut self, fd: OwnedFd, owner: T, phase: Phase, flags: EventFlags) -> Result<Token, (Errno, T)> {
        let data = EventData::new_u64(self.sockets.next().number());
        if let Err(errno) = epoll::add(&self.epoll, &fd, data, flags) {
            return Err((errno, owner));
        }
        Ok(self.sockets.insert(Socket::Stream(Stream::new(fd, owner, phase))))
    }

    /// What became of a connection that was being made: it is there (`None`), or has failed.
    ///
    /// A peer that has hung up or spoken by then has failed too, unless it may speak: whatever it says is no answer.
    pub fn connected(&mut self, ready: Ready) -> Option<Errno> {
        let stream = self.stream(ready.token)?;
        match sockopt::socket_error(&stream.fd) {
            Err(errno) | Ok(Err(errno)) => Some(errno),
            Ok(Ok(())) if ready.incoming() && !stream.may_speak => Some(Errno::CONNRESET),
            Ok(Ok(())) => {
                stream.phase = Phase::Open;
                if ready.incoming() {
                    self.register_anew(ready.token); // this edge was that of the connection
                }
                None
            }
        }
    }

    /// Reads once.
    pub fn read(&mut self, token: Token, into: &mut [u8]) -> Read {
        self.stream(token).map_or(Read::Nothing, |stream| stream.read(into))
    }

    /// How a connection has broken that is not read at present. Nothing is said as long as there are bytes to read.
    pub fn broken_unread(&mut self, token: Token) -> Option<Errno> {
        self.stream(token)?.broken_unread()
    }

    /// Sends a piece, or keeps what the kernel does not take. To what is closed nothing is sent.
    pub fn write(&mut self, token: Token, piece: &[u8]) -> Written {
        let Some(stream) = self.stream(token) else { return Written::Done };
        let written = stream.write(piece);
        if !stream.told_of_room && !stream.backlog.is_empty() {
            stream.told_of_room = true;
            self.register_anew(token);
        }
        written
    }

    /// Sends what is unsent, as far as there is room.
    pub fn send_unsent(&mut self, token: Token) -> Sent {
        self.stream(token).map_or(Sent::Some, Stream::send_unsent)
    }

    /// A write has failed so: nothing is sent any more, and the connection lives on until what its peer has said before is
    /// read.
    pub fn send_no_more(&mut self, token: Token, errno: Errno) {
        if let Some(stream) = self.stream(token) {
            stream.send_no_more(errno);
        }
    }

    /// Sends a FIN behind what is unsent.
    pub fn finish(&mut self, token: Token) {
        if let Some(stream) = self.stream(token) {
            stream.finish();
        }
    }

    /// Reads no more for the time being.
    pub fn pause(&mut self, token: Token) {
        if let Some(stream) = self.stream(token) {
            stream.pause();
        }
    }

    /// Reads again.
    pub fn resume(&mut self, token: Token) {
        if let Some(stream) = self.stream(token) {
            if stream.resume() {
                self.register_anew(token);
            }
        }
    }

    /// Has a connection that is not read to its end be ready again.
    pub fn register_anew(&mut self, token: Token) {
        let Some(Socket::Stream(stream)) = self.sockets.get(token) else { return };
        let room = if stream.told_of_room { EventFlags::OUT } else { EventFlags::empty() };
        let data = EventData::new_u64(token.number());
        // The socket is registered, which leaves no reason to fail.
        let _ = epoll::modify(&self.epoll, &stream.fd, data, INCOMING | room);
    }

    /// Bytes that the kernel has not taken.
    pub fn unsent(&self, token: Token) -> usize {
        match self.sockets.get(token) {
            Some(Socket::Stream(stream)) => stream.backlog.len(),
            _ => 0,
        }
    }

    /// Its descriptor.
    pub fn descriptor(&self, token: Token) -> Option<RawFd> {
        Some(match self.sockets.get(token)? {
            Socket::Listener(listener) => listener.fd.as_raw_fd(),
            Socket::Stream(stream) => stream.fd.as_raw_fd(),
        })
    }

    /// Where a connection came to; `None` for one of this machine.
    pub fn local_address(&self, token: Token) -> Option<SocketAddr> {
        match self.sockets.get(token)? {
            Socket::Listener(_) => None,
            Socket::Stream(stream) => net::getsockname(&stream.fd).ok().and_then(internet),
        }
    }

    /// Is what is written lost: is the connection closed or about to be, or has a write to it failed?
    pub fn is_deaf(&self, token: Token) -> bool {
        match self.sockets.get(token) {
            Some(Socket::Stream(stream)) => stream.phase == Phase::Closing || stream.is_refused(),
            Some(Socket::Listener(_)) => false,
            None => true,
        }
    }

    // Ends

    /// Closes when everything is sent; returns the owner if that is so now.
    pub fn close(&mut self, token: Token) -> Option<T> {
        let stream = self.stream(token)?;
        if stream.backlog.is_empty() || stream.phase == Phase::Connecting {
            return self.remove(token);
        }
        stream.phase = Phase::Closing;
        None
    }

    /// Has the close of a connection, when it comes, be a reset.
    pub fn reset_on_close(&mut self, token: Token) {
        if let Some(stream) = self.stream(token) {
            let _ = sockopt::set_socket_linger(&stream.fd, Some(Duration::ZERO));
            // else it is an ordinary end
        }
    }

    /// Closes a socket now, whatever is unsent. Nothing is said of it any more.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let socket = self.sockets.remove(token)?;
        self.freed = true;
        if let Socket::Listener(listener) = &socket {
            // It has duplicates, for whose sake the kernel would keep it in the set.
            let _ = epoll::delete(&self.epoll, listener.fd.as_fd());
        }
        Some(socket.into_owner())
    }

    /// Closes everything.
    pub fn clear(&mut self) -> Vec<T> {
        let tokens = self.sockets.tokens();
        tokens.into_iter().filter_map(|token| self.remove(token)).collect()
    }

    fn stream(&mut self, token: Token) -> Option<&mut Stream<T>> {
        match self.sockets.get_mut(token)? {
            Socket::Stream(stream) => Some(stream),
            Socket::Listener(_) => None,
        }
    }
}
