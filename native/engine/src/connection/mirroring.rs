//! Copies of requests for mirrors. A copy is an exchange whose client is nobody: it has a place on an instance, deadlines and
//! an outcome like any other, and what it is answered reaches no one.
//!
//! The laws: the exchange that is copied never waits for its copy and never learns what becomes of it; a copy is sent once and never
//! again; and there are [`MOST_COPIES`] at the most, so that a mirror that is slow costs no more than these.

use super::limiting::{Gate, Holds};
use super::queueing::Search;
use super::{Action, Connection, Exchange, Phase, Verdict};
use crate::http1::body::Body;
use crate::http1::head::Request;
use crate::key::Subject;
use crate::mirror::Mirror;
use crate::random::Random;
use crate::selection::{Selection, Tried};
use crate::snapshot::Snapshot;
use crate::state::{Counter, State};
use crate::worker::Worker;

/// Copies that one worker has under way. A mirror that answers in 100 ms gets 2,560 a second by it; one that says nothing costs
/// as many descriptors and not one more.
pub const MOST_COPIES: u32 = 256;

/// What a connection has to do with copies.
#[derive(Debug, Default)]
pub(super) enum Copying {
    /// Nothing.
    #[default]
    Nothing,
    /// One is to be made of its current request.
    Planned(Box<Planned>),
    /// It is one itself, and has no client.
    IsCopy,
}

/// A copy that is to be made of a request.
#[derive(Debug)]
pub(super) struct Planned {
    /// As it will be, but for its instance.
    exchange: Exchange,
    gate: Option<Gate>,
    /// The mirror is under maintenance, and does not let in whoever sent the request.
    is_kept_out: bool,
}

/// Why a copy is not sent or answered to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// The mirror takes the body more slowly than it comes, and as much waits for it as may.
    Slow,
    /// The request itself did not get to its end, or what the copy takes is needed for requests.
    Incomplete,
}

/// Plans the copy of a request that goes on to an instance, if its mirror gets one. What switches protocols is a
/// conversation, and has no copy.
#[cold]
pub(super) fn plan<S: State>(
    mirror: &Mirror,
    (snapshot, state): (&Snapshot, &S),
    request: &Request<'_, '_>,
    subject: &Subject<'_>,
    random: &mut Random,
    now: u64,
) -> Copying {
    if !mirror.takes(random) || request.upgrade().is_some() {
        return Copying::Nothing;
    }
    let Some(service) = snapshot.services.get(mirror.backend.service as usize) else {
        return Copying::Nothing;
    };
    let affinity = service.reading.read(&Subject { service: &service.name, ..*subject });
    let exchange =
        Exchange::of_request(request, 0, mirror.backend.usage(service), service, None, affinity, now);
    let exchange = Exchange { row: mirror.row, ..exchange };
    let is_kept_out = service.keeps_out(subject.client);
    Copying::Planned(Box::new(Planned { exchange, gate: Gate::of(state, service), is_kept_out }))
}

impl Connection {
    /// The verdict on a request that goes on, with its copy in mind. There is none yet of one that waits for a token, which may be
    /// refused.
    pub(super) fn with_copy(&self, verdict: Verdict) -> Verdict {
        let Copying::Planned(_) = self.copying else { return verdict };
        let action = match verdict.action {
            _ if self.asked.is_some() => verdict.action,
            Action::Forward => Action::ForwardCopied,
            Action::Park => Action::ParkCopied,
            other => other,
        };
        Verdict { action, ..verdict }
    }

    /// The verdict on one that has its token, and goes on waiting for something else: it is held back already.
    pub(super) fn waiting_with_copy(&self) -> Verdict {
        match self.copying {
            Copying::Planned(_) => Verdict::bare(Action::ParkCopied),
            Copying::Nothing | Copying::IsCopy => Verdict::WAIT,
        }
    }

    /// Begins the copy of the request that was just forwarded or parked, or was held back before: a connection without a client, and
    /// the key of the instance to which the same bytes go. `None`: there is no place for it, which is counted.
    pub fn begin_copy<S: State>(&mut self, worker: &mut Worker<S>, now: u64) -> Option<(Self, u64)> {
        let Copying::Planned(planned) = std::mem::take(&mut self.copying) else { return None };
        let Planned { mut exchange, gate, is_kept_out } = *planned;
        if worker.copies >= MOST_COPIES {
            worker.state.count(Counter::MirrorsFull, 1);
            return None;
        }
        let Worker { state, lines, deadlines, random, .. } = &mut *worker;
        let (mut holds, tried) = (Holds::default(), Tried::default());
        let criteria = exchange.criteria(&tried, now);
        let mut search = Search { state, lines, deadlines, random, criteria, gate };
        // It does not wait in line, nor overtake those who do.
        let may = !is_kept_out && (exchange.queue.is_none() || search.is_its_turn(exchange.service));
        let selection = if may { search.take_places(&mut holds, exchange.service) } else { Selection::Full };
        let Selection::Instance(instance) = selection else {
            worker.state.count(Counter::MirrorsUnavailable, 1);
            return None;
        };
        worker.copies += 1;
        exchange.instance = Some(instance);
        (exchange.started, exchange.asked) = (now, now);
        let whole = self.request_body.is_complete();
        let mut copy = Self {
            copying: Copying::IsCopy,
            persists: false,
            client_persists: false,
            holds,
            request_body: if whole { Body::default() } else { Body::UntilClose },
            phase: Phase::Exchange(exchange),
            ..Self::at_rest(worker, self.listener, self.socket, now)
        };
        copy.flowing(worker, now);
        Some((copy, instance.key()))
    }

    /// Is all of the current request here?
    pub fn is_request_whole(&self) -> bool {
        self.request_body.is_complete()
    }

    /// All of the request that this is the copy of has been handed on.
    pub fn copy_is_whole<S: State>(&mut self, worker: &mut Worker<S>, now: u64) {
        self.request_body = Body::default();
        self.received(worker, now);
    }

    /// Ends a copy before its time.
    pub fn cut_off<S: State>(&mut self, worker: &mut Worker<S>, why: CutOff, now: u64) {
        let counter = match why {
            CutOff::Slow => Counter::MirrorsSlow,
            CutOff::Incomplete => Counter::MirrorsIncomplete,
        };
        worker.state.count(counter, 1);
        self.close(worker, now);
    }
}
