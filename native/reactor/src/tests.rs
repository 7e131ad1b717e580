//! The set at work, over real sockets.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt;

use crate::backlog::{HIGH_WATER_BYTES, LOW_WATER_BYTES};
use crate::connect::{Address, Watch};
use crate::listener::Accepted;
use crate::reactor::{Kind, Reactor, Ready};
use crate::stream::{Phase, Read, Sent, Written};
use crate::token::Token;

const WATCH: Watch = Watch {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(15),
    probes: 4,
    user_timeout_ms: 120_000,
};

struct Set {
    reactor: Reactor<&'static str>,
    buffer: Vec<u8>,
}

impl Set {
    fn new() -> Self {
        Self { reactor: Reactor::new().unwrap(), buffer: vec![0; 4096] }
    }

    fn pair(&mut self) -> (Token, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (self.reactor.adopt(ours.into(), "pair").unwrap(), theirs)
    }

    fn tcp(&mut self) -> (Token, TcpStream) {
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let theirs = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
        let (ours, _) = listening.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        (self.reactor.adopt(ours.into(), "tcp").unwrap(), theirs)
    }

    fn ready(&mut self) -> Vec<Ready> {
        let mut ready = Vec::new();
        self.reactor.ready(&mut ready).unwrap();
        ready
    }

    /// The next time that something is ready.
    fn soon(&mut self) -> Ready {
        for _ in 0..1_000_000 {
            if let Some(ready) = self.ready().pop() {
                return ready;
            }
            std::thread::yield_now();
        }
        panic!("nothing became ready");
    }

    fn read(&mut self, token: Token) -> Read {
        self.reactor.read(token, &mut self.buffer)
    }
}

fn take(from: &mut UnixStream, count: usize) {
    from.read_exact(&mut vec![0; count]).unwrap();
}

#[test]
fn what_is_sent_is_told_once_and_read() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    assert!(set.ready().is_empty(), "room to send alone is no event");
    peer.write_all(b"abc").unwrap();
    let ready = set.soon();
    assert!(ready.incoming() && !ready.over() && ready.token == token);
    assert!(set.ready().is_empty());
    assert_eq!(set.read(token), Read::Bytes(3));
    assert_eq!(&set.buffer[..3], b"abc");
    assert_eq!(set.read(token), Read::Nothing);
}

#[test]
fn what_is_left_unread_is_told_again_on_demand() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    peer.write_all(&[1; 5000]).unwrap();
    assert_eq!((set.soon().token, set.read(token)), (token, Read::Bytes(4096)));
    assert!(set.ready().is_empty());
    set.reactor.register_anew(token);
    assert_eq!((set.soon().token, set.read(token)), (token, Read::Bytes(904)));
}

#[test]
fn an_event_of_a_closed_socket_does_not_reach_its_successor() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    peer.write_all(b"for the first").unwrap();
    let stale = set.soon();
    assert_eq!(set.reactor.remove(token), Some("pair"));
    let (successor, mut other) = set.pair();
    other.write_all(b"x").unwrap();
    assert_eq!(set.read(stale.token), Read::Nothing);
    assert_eq!(set.reactor.write(stale.token, b"y"), Written::Done);
    assert_eq!(set.reactor.close(stale.token), None);
    assert_eq!(set.reactor.kind(stale.token), None);
    assert_eq!(set.read(successor), Read::Bytes(1));
    other.set_nonblocking(true).unwrap();
    assert!(other.read(&mut [0]).is_err(), "nothing was sent to it");
}

#[test]
fn a_paused_connection_is_not_read_and_forgets_nothing() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    set.reactor.pause(token);
    peer.write_all(b"abc").unwrap();
    assert_eq!(set.soon().token, token);
    assert_eq!(set.read(token), Read::Nothing);
    set.reactor.resume(token);
    assert_eq!((set.soon().token, set.read(token)), (token, Read::Bytes(3)));
    set.reactor.resume(token);
    assert!(set.ready().is_empty());
}

#[test]
fn an_end_is_told_once_behind_the_last_bytes() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    peer.write_all(b"abc").unwrap();
    drop(peer);
    assert!(set.soon().over());
    assert_eq!(
        [set.read(token), set.read(token), set.read(token)],
        [Read::Bytes(3), Read::End, Read::Nothing]
    );
    set.reactor.resume(token);
    assert_eq!(set.read(token), Read::Nothing);
}

#[test]
fn a_slow_reader_pauses_its_sender_between_the_marks() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    let piece = vec![7; 1000];
    let mut written = 0;
    let mut full = false;
    while !full {
        written += piece.len();
        full = set.reactor.write(token, &piece) == Written::Full;
    }
    let unsent = set.reactor.unsent(token);
    assert!(unsent > HIGH_WATER_BYTES && unsent <= HIGH_WATER_BYTES + piece.len());
    let mut read = 0;
    loop {
        take(&mut peer, 4096);
        read += 4096;
        if set.ready().iter().any(|ready| ready.room()) && set.reactor.send_unsent(token) == Sent::Resume {
            break;
        }
    }
    assert!(set.reactor.unsent(token) <= LOW_WATER_BYTES);
    while read < written {
        let _ = set.reactor.send_unsent(token);
        let count = peer.read(&mut [0; 4096]).unwrap();
        read += count;
    }
    assert_eq!((read, set.reactor.unsent(token)), (written, 0));
}

#[test]
fn a_close_waits_for_what_is_unsent() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    let piece = vec![7; 1_000_000];
    assert_eq!(set.reactor.write(token, &piece), Written::Full);
    assert_eq!(set.reactor.close(token), None);
    assert_eq!(set.reactor.kind(token), Some(Kind::Stream(Phase::Closing)));
    assert_eq!(set.reactor.write(token, b"late"), Written::Done);
    let mut read = 0;
    loop {
        take(&mut peer, 10_000);
        read += 10_000;
        match set.reactor.send_unsent(token) {
            Sent::Some | Sent::Resume => {}
            other => break assert_eq!(other, Sent::Over),
        }
    }
    assert_eq!(set.reactor.remove(token), Some("pair"));
    take(&mut peer, piece.len() - read);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_fin_waits_for_what_is_unsent() {
    let mut set = Set::new();
    let (token, mut peer) = set.pair();
    assert_eq!(set.reactor.write(token, &vec![7; 1_000_000]), Written::Full);
    set.reactor.finish(token);
    assert_eq!(set.reactor.write(token, b"late"), Written::Done);
    for _ in 0..100 {
        take(&mut peer, 10_000);
        assert!(matches!(set.reactor.send_unsent(token), Sent::Some | Sent::Resume));
    }
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    peer.write_all(b"heard").unwrap();
    assert_eq!(set.read(token), Read::Bytes(5));
}

#[test]
fn a_reset_is_known_while_the_connection_is_paused_once_nothing_is_left_to_read() {
    let mut set = Set::new();
    for (left, expected) in [(&b""[..], Some(Errno::CONNRESET)), (b"abc", None)] {
        let (token, mut peer) = set.tcp();
        set.reactor.pause(token);
        peer.write_all(left).unwrap();
        sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
        drop(peer);
        while !set.soon().broken() {}
        assert_eq!(set.reactor.broken_unread(token), expected);
        set.reactor.remove(token);
    }
}

#[test]
fn what_was_said_before_a_write_failed_is_heard_and_so_is_how_it_ended() {
    for (resets, errno, end) in
        [(true, Errno::CONNRESET, Read::Broken(Errno::CONNRESET)), (false, Errno::PIPE, Read::End)]
    {
        let mut set = Set::new();
        let (token, mut peer) = set.tcp();
        peer.write_all(b"early").unwrap();
        if resets {
            sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
        }
        drop(peer);
        let failed = loop {
            match set.reactor.write(token, b"more") {
                Written::Broken(errno) => break errno,
                _ => std::thread::yield_now(), // the first one behind a FIN makes the kernel there answer with RST
            }
        };
        assert_eq!(failed, errno);
        assert!(!set.reactor.is_deaf(token));
        set.reactor.send_no_more(token, failed);
        assert!(set.reactor.is_deaf(token));
        assert_eq!(set.reactor.write(token, b"and more"), Written::Done);
        assert!(set.soon().over());
        assert_eq!([set.read(token), set.read(token)], [Read::Bytes(5), end]);
        assert_eq!(&set.buffer[..5], b"early");
    }
}

#[test]
fn a_failed_write_is_known_while_the_connection_is_paused_once_nothing_is_left_to_read() {
    let mut set = Set::new();
    let (token, peer) = set.tcp();
    set.reactor.pause(token);
    sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
    while !matches!(set.reactor.write(token, b"more"), Written::Broken(_)) {}
    set.reactor.send_no_more(token, Errno::CONNRESET);
    assert_eq!(set.reactor.broken_unread(token), Some(Errno::CONNRESET));
}

#[test]
fn what_cannot_be_sent_any_more_takes_no_memory() {
    let mut set = Set::new();
    let (token, peer) = set.pair();
    assert_eq!(set.reactor.write(token, &vec![7; 1_000_000]), Written::Full);
    drop(peer);
    let Sent::Broken(errno) = set.reactor.send_unsent(token) else { panic!("it is sent") };
    set.reactor.send_no_more(token, errno);
    assert_eq!((set.reactor.unsent(token), set.reactor.send_unsent(token)), (0, Sent::Some));
}

#[test]
fn our_reset_is_none_to_mistake() {
    let mut set = Set::new();
    let (token, mut peer) = set.tcp();
    set.reactor.reset_on_close(token);
    set.reactor.remove(token);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_connection_is_made_and_watched() {
    let mut set = Set::new();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = Address::Ip(listening.local_addr().unwrap());
    let token = set.reactor.connect(&address, &WATCH, "made").unwrap();
    let ready = set.soon();
    assert!(ready.room() && set.reactor.kind(token) == Some(Kind::Stream(Phase::Connecting)));
    assert_eq!(set.reactor.connected(ready), None);
    let (mut peer, _) = listening.accept().unwrap();
    assert_eq!(set.reactor.write(token, b"abc"), Written::Done);
    peer.read_exact(&mut [0; 3]).unwrap();
    peer.write_all(b"de").unwrap();
    assert_eq!((set.soon().token, set.read(token)), (token, Read::Bytes(2)));
}

#[test]
fn a_connection_over_a_unix_socket() {
    let mut set = Set::new();
    let path = std::env::temp_dir().join(format!("headgate-reactor-{}", std::process::id()));
    let listening = UnixListener::bind(&path).unwrap();
    let address = Address::Unix(path.to_str().unwrap().to_owned());
    let token = set.reactor.connect(&address, &WATCH, "unix").unwrap();
    let ready = set.soon();
    assert_eq!((ready.token, set.reactor.connected(ready)), (token, None));
    drop(listening);
    std::fs::remove_file(path).unwrap();
    let (errno, owner) = set.reactor.connect(&address, &WATCH, "nowhere").unwrap_err();
    assert_eq!((errno, owner), (Errno::NOENT, "nowhere"));
}

#[test]
fn a_refused_connection_says_so() {
    let mut set = Set::new();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = Address::Ip(listening.local_addr().unwrap());
    drop(listening);
    let errno = match set.reactor.connect(&address, &WATCH, "refused") {
        Ok(_) => {
            let ready = set.soon();
            set.reactor.connected(ready)
        }
        Err((errno, _)) => Some(errno),
    };
    assert_eq!(errno, Some(Errno::CONNREFUSED));
}

#[test]
fn who_speaks_or_hangs_up_before_it_was_asked_has_failed() {
    let mut set = Set::new();
    for spoken in [&b"220 hello"[..], b""] {
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = Address::Ip(listening.local_addr().unwrap());
        let token = set.reactor.connect(&address, &WATCH, "early").unwrap();
        let (mut peer, _) = listening.accept().unwrap();
        peer.write_all(spoken).unwrap();
        drop(peer);
        let ready = set.soon();
        assert_eq!((ready.token, set.reactor.connected(ready)), (token, Some(Errno::CONNRESET)));
        set.reactor.remove(token);
    }
}

#[test]
fn who_may_speak_first_is_heard_when_its_connection_is_there() {
    let mut set = Set::new();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = Address::Ip(listening.local_addr().unwrap());
    let token = set.reactor.connect(&address, &WATCH, "early").unwrap();
    set.reactor.let_speak(token);
    let (mut peer, _) = listening.accept().unwrap();
    peer.write_all(b"220 hello").unwrap();
    drop(peer);
    let ready = set.soon();
    assert!(ready.incoming());
    assert_eq!((ready.token, set.reactor.connected(ready)), (token, None));
    assert_eq!(set.soon().token, token, "it is told again");
    let mut buffer = [0; 64];
    assert!(matches!(set.reactor.read(token, &mut buffer), Read::Bytes(9)));
    assert_eq!(&buffer[..9], b"220 hello");
    assert!(matches!(set.reactor.read(token, &mut buffer), Read::End));
}

#[test]
fn clients_are_accepted_with_their_address() {
    let mut set = Set::new();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let token = set.reactor.listen(listening.as_fd().try_clone_to_owned().unwrap(), 64, "listener").unwrap();
    assert!(set.ready().is_empty());
    let address = listening.local_addr().unwrap();
    let clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!((set.soon().token, set.soon().token), (token, token));
    for _ in &clients {
        let Accepted::Client(fd, peer) = set.reactor.accept(token) else { panic!("nobody") };
        assert!(clients.iter().any(|client| Some(client.local_addr().unwrap()) == peer));
        assert!(sockopt::tcp_nodelay(&fd).unwrap(), "inherited");
        let accepted = set.reactor.adopt(fd, "client").unwrap();
        assert_eq!(set.reactor.local_address(accepted), Some(address));
    }
    assert_eq!(set.reactor.local_address(token), None, "nobody has come there");
    assert!(matches!(set.reactor.accept(token), Accepted::Nobody));
    assert!(set.ready().is_empty());
}

#[test]
fn a_socket_that_listens_no_more_says_so() {
    let mut set = Set::new();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let token = set.reactor.listen(listening.as_fd().try_clone_to_owned().unwrap(), 64, "listener").unwrap();
    rustix::net::shutdown(&listening, rustix::net::Shutdown::Both).unwrap();
    assert_eq!(set.soon().token, token);
    assert!(matches!(set.reactor.accept(token), Accepted::Over));
    set.reactor.remove(token);
    assert!(set.ready().is_empty());
}

#[test]
fn a_closed_listener_is_silent_and_its_queue_stays() {
    let mut set = Set::new();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let token = set.reactor.listen(listening.as_fd().try_clone_to_owned().unwrap(), 64, "listener").unwrap();
    let _client = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    set.soon();
    assert_eq!(set.reactor.remove(token), Some("listener"));
    assert!(set.ready().is_empty());
    assert!(matches!(set.reactor.accept(token), Accepted::Nobody));
    listening.accept().unwrap();
}

#[test]
fn an_idle_connection_keeps_no_buffer_and_fills_a_cache_line() {
    assert!(size_of::<crate::stream::Stream<[usize; 2]>>() <= 48);
    assert_eq!(size_of::<crate::token::Slot<crate::reactor::Socket<[usize; 2]>>>(), 64);
}
