//! Sends requests when they are due, whether or not earlier ones have been answered.
//!
//! Every request has its time from the start, evenly spaced, and its latency counts from then: what waits because the gateway is
//! late counts as the gateway's latency, so that no omission is coordinated with it. Timers of milliseconds, as most load
//! generators have them, would send bursts of dozens and measure the bursts.
//!
//! It shares its core with the origin, so it costs little: a stretch at half of a gateway's capacity would otherwise show how
//! long requests queue on this side.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::mem::take;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{epoll, poll, PollFd, PollFlags, Timespec};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::{clock_gettime, ClockId};

use crate::answer::Answer;

const SECOND: u64 = 1_000_000_000;
const GRACE: u64 = 10 * SECOND;
/// For an answer, where nothing is to be sent.
const PATIENCE: u64 = SECOND / 10;
const CONNECT: Duration = Duration::from_secs(5);
const RECEIVED_AT_ONCE: usize = 65_536;
const EVENTS_AT_ONCE: usize = 256;

/// What became of some time of load.
pub(crate) struct Stretch {
    /// Nanoseconds from when each request was due to the last byte of its answer, in the order in which they were due.
    pub(crate) latencies: Vec<u64>,
    /// Nanoseconds by which the generator overslept at the most: the machine gave its core to others, or did not run at all.
    pub(crate) woke_late: u64,
}

struct Client {
    socket: TcpStream,
    answer: Answer,
    /// The number of the request that is under way, and when it was due.
    asked: Option<(usize, u64)>,
}

/// Clients of one gateway, which keep their connections.
pub(crate) struct OpenLoop {
    clients: Vec<Client>,
    /// The longest idle first: all of them are used, as by many clients.
    free: VecDeque<usize>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    request: Vec<u8>,
    body: usize,
}

impl OpenLoop {
    /// So many connections to a port of the loopback address. Each sends this `request`, whose answer has a body of `body` bytes.
    pub(crate) fn connect(
        port: u16,
        connections: usize,
        body: usize,
        request: Vec<u8>,
    ) -> Result<Self, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let mut clients = Vec::with_capacity(connections);
        for index in 0..connections {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let socket = TcpStream::connect_timeout(&address, CONNECT).map_err(failed)?;
            socket.set_nodelay(true).map_err(failed)?;
            socket.set_nonblocking(true).map_err(failed)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &socket, data, epoll::EventFlags::IN).map_err(failed)?;
            clients.push(Client { socket, answer: Answer::default(), asked: None });
        }
        Ok(Self {
            clients,
            free: (0..connections).collect(),
            epoll,
            events: Vec::with_capacity(EVENTS_AT_ONCE),
            buffer: vec![0; RECEIVED_AT_ONCE],
            request,
            body,
        })
    }

    /// So many requests, `rate` in a second; all of them are answered when it returns.
    pub(crate) fn run(&mut self, rate: f64, total: usize) -> Result<Stretch, String> {
        let interval = SECOND as f64 / rate;
        let start = now();
        let due = |number: usize| start + (number as f64 * interval) as u64;
        let deadline = due(total) + GRACE;
        let mut stretch = Stretch { latencies: vec![0; total], woke_late: 0 };
        let (mut sent, mut answered) = (0, 0);
        while answered < total {
            let looked = now();
            if looked > deadline {
                let seconds = GRACE / SECOND;
                return Err(format!("{} requests are not answered {seconds} s later", total - answered));
            }
            while sent < total && due(sent) <= looked {
                let Some(client) = self.free.pop_front() else {
                    break;
                };
                self.send(client, sent, due(sent))?;
                sent += 1;
            }
            let until = if sent < total && !self.free.is_empty() { due(sent) } else { now() + PATIENCE };
            self.wait(until)?;
            stretch.woke_late = stretch.woke_late.max(now().saturating_sub(until));
            let mut events = take(&mut self.events);
            for event in events.drain(..) {
                let client = event.data.u64() as usize;
                if self.receive(client)? {
                    let asked = self.clients[client].asked.take();
                    let (number, due) = asked.ok_or("an answer came that nobody had asked for")?;
                    stretch.latencies[number] = now().saturating_sub(due).max(1);
                    answered += 1;
                    self.free.push_back(client);
                }
            }
            self.events = events;
        }
        Ok(stretch)
    }

    fn send(&mut self, client: usize, number: usize, due: u64) -> Result<(), String> {
        let client = &mut self.clients[client];
        client.asked = Some((number, due));
        match client.socket.write(&self.request) {
            Ok(written) if written == self.request.len() => Ok(()),
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(failed(error)),
            _ => Err("a request does not fit into the buffer of its socket".to_owned()),
        }
    }

    /// Until an answer comes in, or that time is there. The time-out of `epoll_wait` has whole milliseconds, that of `ppoll`
    /// nanoseconds.
    fn wait(&mut self, until: u64) -> Result<(), String> {
        let left = Duration::from_nanos(until.saturating_sub(now()));
        let timeout = Timespec::try_from(left).map_err(failed)?;
        let come = poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&timeout));
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let come =
            come.and_then(|_| epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&at_once)));
        match come {
            Ok(_) | Err(Errno::INTR) => Ok(()), // whoever was stopped meanwhile is interrupted
            Err(error) => Err(failed(error)),
        }
    }

    /// Takes what came; is the answer whole?
    fn receive(&mut self, client: usize) -> Result<bool, String> {
        let client = &mut self.clients[client];
        let received = client.socket.read(&mut self.buffer).map_err(failed)?;
        if received == 0 {
            return Err("a connection was closed".to_owned());
        }
        client.answer.take(&self.buffer[..received], self.body)
    }
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("a connection failed: {error}")
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * SECOND + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn it_sleeps_for_less_than_a_millisecond() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut load = OpenLoop::connect(port, 1, 0, vec![]).unwrap();
        let slept = (0..50).map(|_| {
            let start = now();
            load.wait(start + SECOND / 10_000).unwrap();
            now() - start
        });
        let least = slept.min().unwrap();
        assert!((SECOND / 10_000..SECOND / 1_000).contains(&least), "{least} ns");
    }
}
