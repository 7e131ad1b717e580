//! Connections that are passed through as they are: to which instance, what it is told before, and how their end is counted.
//!
//! Such a connection is an exchange from its first moment, as one whose request is complete: its instance is chosen, waited for and tried
//! again like any other's. It becomes a tunnel as soon as the instance has accepted. Where an exchange would be answered, it is reset: a FIN
//! would say that all is well.

use std::sync::Arc;

use super::queueing::Search;
use super::{Action, Connection, Exchange, Payload, Phase, Verdict};
use crate::access_log::Record;
use crate::pass_through::{End, Passed};
use crate::proxy_protocol::{self, Ends, Version};
use crate::reply::Reason;
use crate::selection::{Criteria, Tried};
use crate::snapshot::{Passage, Service, Snapshot};
use crate::state::{Instance, State};
use crate::worker::Worker;

/// What is known of a connection that is passed through.
#[derive(Debug, Default)]
pub(super) struct PassThrough {
    /// The row that counts it; `None` until it is decided that it is passed through.
    row: Option<u32>,
    /// Its ends: those of the socket, or those that its PROXY header names.
    ends: Option<Ends>,
    /// The PROXY header that its instance is sent.
    header: Option<Version>,
    /// Bytes that the client has sent.
    received: u64,
    end: Option<End>,
}

impl Connection {
    /// Are the bytes of its listener's clients passed through?
    pub fn is_passed_through<S>(&self, worker: &Worker<S>) -> bool {
        self.listener(worker).is_some_and(|listener| listener.passage.is_some())
    }

    /// The ends of its socket, for instances that want to hear of them. To be said before anything else.
    pub fn lies_between(&mut self, ends: Ends) {
        self.passed = Some(Box::new(PassThrough { ends: Some(ends), ..PassThrough::default() }));
    }

    /// So many bytes are on their way through the tunnel.
    pub fn carried<S: State>(&mut self, worker: &Worker<S>, from_client: bool, bytes: u64) {
        let Some((passed, row)) = self.passed.as_mut().and_then(|passed| passed.row.map(|row| (passed, row)))
        else {
            return;
        };
        if from_client {
            passed.received += bytes;
            worker.state.count_passed(row, Passed::Received, bytes);
        } else {
            self.record_sent(bytes as usize);
            worker.state.count_passed(row, Passed::Sent, bytes);
        }
    }

    /// Why the tunnel ends; what is said first counts.
    pub fn ends_by(&mut self, end: End) {
        if let Some(passed) = &mut self.passed {
            passed.end.get_or_insert(end);
        }
    }

    /// Was it decided that the connection is passed through?
    pub fn passes(&self) -> bool {
        self.passed.as_ref().is_some_and(|passed| passed.row.is_some())
    }

    /// The client is known and may connect: an instance is chosen. `named`: the ends that its PROXY header names.
    pub(super) fn pass_through<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        named: Option<Ends>,
        now: u64,
    ) -> Verdict {
        let snapshot = Arc::clone(&worker.snapshot);
        let Some((passage, service)) = self.begin_passage(worker, &snapshot, named, now) else {
            return self.leave(worker, now);
        };
        match service {
            Some(service) => self.pass_to(worker, service, passage.tries, now),
            None => self.fail_passing(worker, End::DestinationUnavailable, now),
        }
    }

    /// The client is known and may not connect: it is counted and recorded as one that was to be passed through.
    pub(super) fn refuse_passing<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        reason: Reason,
        now: u64,
    ) -> Verdict {
        let snapshot = Arc::clone(&worker.snapshot);
        self.begin_passage(worker, &snapshot, None, now);
        self.fail_passing(worker, reason.into(), now)
    }

    /// Counts a connection that is to be passed through, and begins its line: how, and to which service, if that is configured
    /// still. `None`: its listener carries requests.
    fn begin_passage<'s, S: State>(
        &mut self,
        worker: &mut Worker<S>,
        snapshot: &'s Snapshot,
        named: Option<Ends>,
        now: u64,
    ) -> Option<(&'s Passage, Option<&'s Service>)> {
        let listener = snapshot.listeners.get(self.listener as usize)?;
        let passage = listener.passage.as_ref()?;
        let service = passage.service.and_then(|index| snapshot.services.get(index as usize));
        let passed = self.passed.get_or_insert_default();
        passed.row = Some(listener.row);
        passed.ends = named.or(passed.ends);
        passed.header = service.and_then(|service| service.proxy_protocol);
        worker.state.count_passed(listener.row, Passed::Connections, 1);
        self.record_passage(worker, passage, now);
        Some((passage, service))
    }

    fn pass_to<S: State>(
        &mut self,
        worker: &mut Worker<S>,
        service: &Service,
        tries: u8,
        now: u64,
    ) -> Verdict {
        if service.keeps_out(self.peer.ip()) {
            return self.fail_passing(worker, Reason::Maintenance.into(), now);
        }
        worker.fresh_output();
        let Worker { state, random, lines, deadlines, .. } = worker;
        let affinity = service.reading.of_client(self.peer.ip());
        let criteria = Criteria { policy: service.usage.policy, tried: &Tried::default(), affinity, now };
        let mut search = Search { state, lines, deadlines, random, criteria, gate: None };
        let instance = match self.seek_place(&mut search, service.slot, service.queue) {
            Ok(instance) => instance,
            Err(reason) => return self.fail_passing(worker, reason.into(), now),
        };
        let tunnel_timeout = Some(service.usage.timeouts.tunnel);
        let exchange = Exchange::new(tries, &service.usage, service, instance, affinity, now);
        self.phase = Phase::Exchange(Exchange { tunnel_timeout, ..exchange });
        self.record_try();
        if self.queued.is_some() {
            return self.park(worker, now);
        }
        self.flowing(worker, now);
        let argument = instance.map_or(u64::MAX, Instance::key);
        Verdict { action: Action::Connect, argument, payload: Payload::Nothing }
    }

    /// The instance has accepted: it gets its PROXY header, and what has come of the client meanwhile.
    pub(super) fn begin_passing<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Verdict {
        let Phase::Exchange(exchange) = &self.phase else { return Verdict::WAIT };
        let idle_timeout = exchange.tunnel_timeout.unwrap_or(exchange.idle_timeout);
        if let Some(instance) = exchange.instance {
            worker.state.note_answer(instance.slot);
        }
        let early = std::mem::take(&mut self.inbound);
        self.carried(worker, true, early.len() as u64);
        if let Some(passed) = &self.passed {
            if let Some(version) = passed.header {
                proxy_protocol::write(version, passed.ends, &mut self.inbound);
            }
        }
        self.inbound.extend_from_slice(&early);
        self.become_tunnel(worker, idle_timeout, now);
        Verdict::bare(Action::Switch)
    }

    /// There is no connection to an instance, nor will there be.
    pub(super) fn fail_passing<S: State>(&mut self, worker: &mut Worker<S>, end: End, now: u64) -> Verdict {
        self.ends_by(end);
        self.end_exchange(worker, None, now);
        self.end_passing(worker, now); // where it had not become an exchange
        self.phase = Phase::Closed;
        Verdict::bare(Action::Abort)
    }

    /// Counts the end and writes the line of a connection that is passed through. False: it is none, or that is done.
    pub(super) fn end_passing<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> bool {
        if !self.passes() {
            return false;
        }
        let Some(passed) = self.passed.take() else { return false };
        let end = passed.end.unwrap_or(End::ClientClosed);
        if let Some(row) = passed.row {
            worker.state.count_pass_end(row, end);
        }
        if let Some(mut record) = self.record.take() {
            record.received(passed.received);
            let reason = (end != End::Closed).then(|| end.name());
            worker.access_log.finish(record, &worker.state, None, reason, now);
        }
        true
    }

    fn record_passage<S: State>(&mut self, worker: &mut Worker<S>, passage: &Passage, now: u64) {
        if worker.snapshot.access_log {
            let wall = worker.wall(now);
            let log = &mut worker.access_log;
            let mut record = Record::begin_passage(log, now, wall, &self.peer, &self.socket);
            record.routed(Some(&passage.logged));
            self.record = Some(record);
        }
    }
}
