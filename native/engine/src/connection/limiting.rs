//! What limits say of a request, and what they have to do with its answer and its end.
//!
//! Of several limits all must agree: those that refuse are charged together or not at all, the others count what they
//! would have done with the requests that passed.

use std::sync::Arc;

use super::ending::Refusal;
use super::Connection;
use crate::http1::head::Fields as HeadFields;
use crate::http1::syntax::decimal;
use crate::key::{Incomplete, Subject};
use crate::limit::{Charge, Claim, Gcra, Level, RETRY_WITHOUT_PLACE};
use crate::reply::Reason;
use crate::snapshot::{
    ConcurrencyLimit, Cost, Fields, Limit, Missing, Mode, Overflow, Route, Rule, Service, Snapshot,
};
use crate::state::{Hold, LimitDecision, State};
use crate::worker::Worker;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// When to come again where too many requests are under way, in nanoseconds: nobody knows how long they take.
const RETRY_TOO_MANY: u64 = NANOS_PER_SECOND;

/// Limits on a request, with the keys of its buckets there.
pub(super) type Buckets = Vec<(Arc<Limit>, u64)>;

/// The limits that have to do with the answer. It takes memory where there are any only.
pub(super) type Due = Buckets;

/// What limits that do not refuse a request have to say.
pub(super) enum Consent {
    /// It passes.
    Given(Due),
    /// Buckets that gateways share are being asked: all limits on it are to be asked again when one of them has answered.
    Awaited(Awaited),
}

/// All limits on a request that waits for an answer.
#[derive(Debug)]
pub(super) struct Awaited {
    buckets: Buckets,
    /// Of those that may refuse it, the ones whose keeper knows that it waits.
    told: u16,
}

/// What a charge came to that nobody has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charged {
    Done,
    /// The keeper has been told of these.
    Unanswered {
        told: u16,
    },
}

/// Why a request goes no further.
pub(super) enum Stop<'a> {
    /// It does not have the key of a limit that asks for it.
    KeyMissing,
    /// A limit cannot count it.
    NoPlace,
    /// It is beyond a limit, for so many nanoseconds more.
    Beyond(&'a Arc<Limit>, u64),
    /// As many requests are under way as may be, of the client or of all.
    TooManyAtOnce { of_client: bool },
}

impl Stop<'_> {
    /// The answer, without the row that counts it.
    pub(super) fn into_refusal(self) -> Refusal {
        let seconds = |nanos: u64| Some(nanos.div_ceil(NANOS_PER_SECOND).max(1));
        match self {
            Self::KeyMissing => Refusal::because(Reason::LimitKeyMissing, None),
            Self::NoPlace => {
                let retry_after = seconds(RETRY_WITHOUT_PLACE);
                Refusal { retry_after, ..Refusal::because(Reason::Uncounted, None) }
            }
            Self::TooManyAtOnce { of_client } => {
                let reason = if of_client { Reason::ClientTooManyAtOnce } else { Reason::TooManyAtOnce };
                Refusal { retry_after: seconds(RETRY_TOO_MANY), ..Refusal::because(reason, None) }
            }
            Self::Beyond(limit, wait) => {
                let quota =
                    (limit.fields != Fields::None).then(|| (Arc::clone(limit), level_before(limit, wait)));
                Refusal { retry_after: seconds(wait), quota, ..Refusal::because(Reason::RateLimited, None) }
            }
        }
    }
}

/// What is in a bucket in which a claim would be met in `wait` nanoseconds.
fn level_before(limit: &Limit, wait: u64) -> Level {
    let Claim { rate, cost, .. } = limit.claim(1);
    let wanted = u64::from(cost).saturating_mul(rate.interval);
    rate.level(rate.tolerance.saturating_sub(wanted).saturating_add(wait), 0)
}

/// A request's claims on several limits that may refuse it.
struct Claims<'a> {
    wanted: [Claim; Snapshot::MAX_LIMITS],
    limits: [Option<&'a Arc<Limit>>; Snapshot::MAX_LIMITS],
    count: usize,
}

impl<'a> Claims<'a> {
    fn new() -> Self {
        const NONE: Claim = Claim {
            key: 1,
            rate: Gcra { interval: 1, tolerance: 0, debt: 0 },
            cost: 0,
            must_fit: false,
            shared: None,
        };
        Self { wanted: [NONE; Snapshot::MAX_LIMITS], limits: [None; Snapshot::MAX_LIMITS], count: 0 }
    }

    /// A snapshot has no more limits for one request than there is room for.
    fn add(&mut self, limit: &'a Arc<Limit>, key: u64) {
        if let Some((claim, place)) = self.wanted.get_mut(self.count).zip(self.limits.get_mut(self.count)) {
            (*claim, *place) = (limit.claim(key), Some(limit));
            self.count += 1;
        }
    }

    /// The same, by those that have waited for an answer, and of which these were told.
    fn add_again(&mut self, limit: &'a Arc<Limit>, key: u64, told: u16) {
        let is_told = told.checked_shr(self.count as u32).is_some_and(|told| told & 1 == 1);
        self.add(limit, key);
        if let Some(shared) = self.wanted[..self.count].last_mut().and_then(|claim| claim.shared.as_mut()) {
            shared.told = is_told;
        }
    }

    fn limits(&self) -> impl Iterator<Item = &'a Arc<Limit>> + Clone + '_ {
        self.limits.iter().map_while(|limit| *limit)
    }

    fn buckets(&self) -> impl Iterator<Item = (&'a Arc<Limit>, u64)> + '_ {
        self.limits().zip(self.wanted().iter().map(|claim| claim.key))
    }

    fn wanted(&self) -> &[Claim] {
        &self.wanted[..self.count]
    }

    /// Makes them, all or none.
    fn charge<S: State>(&self, state: &S, now: u64) -> Result<Charged, Stop<'a>> {
        match self.count {
            0 => Ok(Charged::Done),
            _ => told(state, self.limits(), state.charge(self.wanted(), now)),
        }
    }

    fn note_due(&self, due: &mut Due) {
        for (limit, key) in self.buckets().filter(|(limit, _)| limit.is_about_answers()) {
            due.push((Arc::clone(limit), key));
        }
    }
}

/// Counts what a charge of these limits came to, and tells which of them refuses.
#[inline]
fn told<'a, S: State>(
    state: &S,
    limits: impl Iterator<Item = &'a Arc<Limit>> + Clone,
    charge: Charge,
) -> Result<Charged, Stop<'a>> {
    let mut charged = Charged::Done;
    let stop = match charge {
        Charge::Allowed | Charge::Overflow { .. } => None,
        Charge::Unanswered { told, .. } => {
            charged = Charged::Unanswered { told };
            None
        }
        Charge::NoPlace { .. } => Some(Stop::NoPlace),
        Charge::Refused { claim, retry_after, .. } => {
            limits.clone().nth(claim).map(|limit| Stop::Beyond(limit, retry_after)).or(Some(Stop::NoPlace))
        }
    };
    for (index, limit) in limits.enumerate() {
        if let Some(decision) = decision(charge, index) {
            state.count_limit(limit.rule.row, decision);
        }
    }
    stop.map_or(Ok(charged), Err)
}

/// What a charge was for the limit at `index`; `None` when it was not asked.
#[inline]
fn decision(charge: Charge, index: usize) -> Option<LimitDecision> {
    match charge {
        Charge::Overflow { claims } if claims >> index & 1 == 1 => Some(LimitDecision::Overflow),
        Charge::Allowed | Charge::Overflow { .. } => Some(LimitDecision::Allowed),
        Charge::NoPlace { claim, .. } if claim == index => Some(LimitDecision::Overflow),
        Charge::Refused { claim, .. } if claim == index => Some(LimitDecision::Refused),
        Charge::Refused { forfeited, .. }
        | Charge::NoPlace { forfeited, .. }
        | Charge::Unanswered { forfeited, .. }
            if index < forfeited =>
        {
            Some(LimitDecision::Forfeited)
        }
        Charge::Refused { .. } | Charge::NoPlace { .. } | Charge::Unanswered { .. } => None,
    }
}

/// Asks all limits on a request, those of its route before those of its service.
pub(super) fn pass<'a, S: State>(
    state: &S,
    route: &'a Route,
    service: Option<&'a Service>,
    subject: &Subject<'_>,
    now: u64,
) -> Result<Consent, Stop<'a>> {
    let of_service = service.map_or(&[][..], |service| &service.limits);
    match (&route.limits[..], of_service) {
        ([], []) => Ok(Consent::Given(Due::new())),
        ([limit], []) | ([], [limit]) => pass_one(state, limit, subject, now),
        (of_route, of_service) => pass_several(state, of_route.iter().chain(of_service), subject, now),
    }
}

/// Asks the only limit on a request. Most have one or none, and then there is nothing to gather.
#[inline]
fn pass_one<'a, S: State>(
    state: &S,
    limit: &'a Arc<Limit>,
    subject: &Subject<'_>,
    now: u64,
) -> Result<Consent, Stop<'a>> {
    if limit.rule.mode == Mode::Shadow {
        let mut due = Due::new();
        count_shadow(state, limit, subject, &mut due, now);
        return Ok(Consent::Given(due));
    }
    let Some(key) = key(state, &limit.rule, subject)? else { return Ok(Consent::Given(Due::new())) };
    match state.charge(&[limit.claim(key)], now) {
        Charge::Allowed if !limit.is_about_answers() => {
            state.count_limit(limit.rule.row, LimitDecision::Allowed);
            Ok(Consent::Given(Due::new()))
        }
        charge => judge_one(state, limit, key, charge),
    }
}

/// What the charge of the only limit on a request makes of it, whatever that limit is about.
#[inline(never)] // so that those within their limit, as nearly all are, pass with nothing in memory
fn judge_one<'a, S: State>(
    state: &S,
    limit: &'a Arc<Limit>,
    key: u64,
    charge: Charge,
) -> Result<Consent, Stop<'a>> {
    let bucket = || vec![(Arc::clone(limit), key)];
    match told(state, std::iter::once(limit), charge)? {
        Charged::Unanswered { told } => Ok(Consent::Awaited(Awaited { buckets: bucket(), told })),
        Charged::Done if limit.is_about_answers() => Ok(Consent::Given(bucket())),
        Charged::Done => Ok(Consent::Given(Due::new())),
    }
}

/// Asks several limits on a request: first those that may refuse it, together.
fn pass_several<'a, S: State>(
    state: &S,
    limits: impl Iterator<Item = &'a Arc<Limit>> + Clone,
    subject: &Subject<'_>,
    now: u64,
) -> Result<Consent, Stop<'a>> {
    let (mut claims, mut due) = (Claims::new(), Due::new());
    for limit in limits.clone().filter(|limit| limit.rule.mode == Mode::Enforce) {
        if let Some(key) = key(state, &limit.rule, subject)? {
            claims.add(limit, key);
        }
    }
    let shadows = limits.filter(|limit| limit.rule.mode == Mode::Shadow);
    if let Charged::Unanswered { told } = claims.charge(state, now)? {
        let mut buckets: Buckets = claims.buckets().map(|(limit, key)| (Arc::clone(limit), key)).collect();
        for limit in shadows {
            let key = key(state, &limit.rule, subject).ok().flatten();
            buckets.extend(key.map(|key| (Arc::clone(limit), key)));
        }
        return Ok(Consent::Awaited(Awaited { buckets, told }));
    }
    for limit in shadows {
        count_shadow(state, limit, subject, &mut due, now);
    }
    claims.note_due(&mut due);
    Ok(Consent::Given(due))
}

/// Asks all limits on a request once more, which has waited for an answer. `None`: there is still one to wait for.
pub(super) fn pass_again<'a, S: State>(
    state: &S,
    Awaited { buckets, told }: &'a mut Awaited,
    now: u64,
) -> Result<Option<Due>, Stop<'a>> {
    let (buckets, mut claims, mut due) = (&*buckets, Claims::new(), Due::new());
    for (limit, key) in buckets.iter().filter(|(limit, _)| limit.rule.mode == Mode::Enforce) {
        claims.add_again(limit, *key, *told);
    }
    if let Charged::Unanswered { told: now_told } = claims.charge(state, now)? {
        *told = now_told;
        return Ok(None);
    }
    for (limit, key) in buckets.iter().filter(|(limit, _)| limit.rule.mode == Mode::Shadow) {
        charge_shadow(state, limit, *key, &mut due, now);
    }
    claims.note_due(&mut due);
    Ok(Some(due))
}

/// The name of a request's count at a limit; `None` where the limit does not ask those without its key.
#[inline]
fn key<'a, S: State>(state: &S, rule: &Rule, subject: &Subject<'_>) -> Result<Option<u64>, Stop<'a>> {
    match rule.count_key(state.hash_seed(), subject) {
        Ok(key) => Ok(Some(key)),
        Err(Incomplete) => without_key(state, rule),
    }
}

/// What a limit makes of a request that does not have its key.
#[cold]
fn without_key<'a, S: State>(state: &S, rule: &Rule) -> Result<Option<u64>, Stop<'a>> {
    let refuses = rule.missing == Missing::Refuse;
    let decision = if refuses { LimitDecision::KeyMissing } else { LimitDecision::Skipped };
    state.count_limit(rule.row, decision);
    if refuses && rule.mode == Mode::Enforce {
        return Err(Stop::KeyMissing);
    }
    Ok(None)
}

/// Charges a request that passes at a limit that only counts.
fn count_shadow<S: State>(state: &S, limit: &Arc<Limit>, subject: &Subject<'_>, due: &mut Due, now: u64) {
    if let Ok(Some(key)) = key(state, &limit.rule, subject) {
        charge_shadow(state, limit, key, due, now);
    }
}

fn charge_shadow<S: State>(state: &S, limit: &Arc<Limit>, key: u64, due: &mut Due, now: u64) {
    let decision = match state.charge(&[limit.claim(key)], now) {
        Charge::Allowed => LimitDecision::Allowed,
        // No request waits for a limit that only counts.
        Charge::Refused { .. } | Charge::Unanswered { .. } => LimitDecision::WouldRefuse,
        Charge::Overflow { .. } | Charge::NoPlace { .. } => LimitDecision::Overflow,
    };
    state.count_limit(limit.rule.row, decision);
    if decision == LimitDecision::Allowed && matches!(limit.cost, Cost::ResponseHeader(_)) {
        due.push((Arc::clone(limit), key));
    }
}

/// The limit on all requests of a service whose places are waited for, as one request meets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    key: u64,
    most: u32,
    row: u32,
    overflow: Overflow,
}

impl Gate {
    /// That of a service; `None` where it has none.
    pub(super) fn of<S: State>(state: &S, service: &Service) -> Option<Self> {
        let ConcurrencyLimit { rule, most } = service.concurrency.get(service.gate?)?;
        let key = rule.count_key_of(state.hash_seed(), service.name.as_bytes());
        Some(Self { key, most: *most, row: rule.row, overflow: rule.overflow })
    }

    /// Are as many of the service's requests under way as may be?
    pub(super) fn is_shut<S: State>(self, state: &S) -> bool {
        state.is_full(self.key, self.most)
    }

    /// Nobody could wait for it any more.
    pub(super) fn count_refused<S: State>(self, state: &S) {
        state.count_limit(self.row, LimitDecision::Refused);
    }
}

/// What one that wanted to pass a gate met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It has passed.
    Open,
    /// As many are under way as may be.
    Shut,
    /// It cannot be counted, and may not pass without.
    Uncounted,
}

/// Where the current request of a connection counts as under way.
#[derive(Debug, Default)]
pub(super) struct Holds {
    places: [u32; Snapshot::MAX_CONCURRENCY_LIMITS],
    count: usize,
    /// One of the places is that of a gate, for which others may wait.
    of_gate: bool,
}

impl Holds {
    /// Counts a request at all concurrency limits, those of its route before those of its service, but for the one whose places
    /// are waited for. Where one refuses, what was counted before is still to be given back.
    #[inline]
    pub(super) fn take<'a, S: State>(
        &mut self,
        state: &S,
        route: &Route,
        service: Option<&Service>,
        subject: &Subject<'_>,
    ) -> Result<(), Stop<'a>> {
        for limit in route.concurrency() {
            self.hold(state, limit, subject)?;
        }
        let Some(service) = service else { return Ok(()) };
        for (index, limit) in service.concurrency.iter().enumerate() {
            if service.gate != Some(index) {
                self.hold(state, limit, subject)?;
            }
        }
        Ok(())
    }

    /// Counts a request at the limit whose places are waited for.
    pub(super) fn pass_gate<S: State>(&mut self, state: &S, gate: Gate) -> Passage {
        let (decision, passage) = match state.hold_in_turn(gate.key, gate.most) {
            Hold::Held { place } => {
                self.add(state, place);
                self.of_gate = true;
                (LimitDecision::Allowed, Passage::Open)
            }
            Hold::Full => return Passage::Shut,
            Hold::Uncounted if gate.overflow == Overflow::Allow => (LimitDecision::Overflow, Passage::Open),
            Hold::Uncounted => (LimitDecision::Overflow, Passage::Uncounted),
        };
        state.count_limit(gate.row, decision);
        passage
    }

    fn hold<'a, S: State>(
        &mut self,
        state: &S,
        ConcurrencyLimit { rule, most }: &ConcurrencyLimit,
        subject: &Subject<'_>,
    ) -> Result<(), Stop<'a>> {
        let Some(key) = key(state, rule, subject)? else { return Ok(()) };
        let enforced = rule.mode == Mode::Enforce;
        let (decision, outcome) = match state.hold(key, *most) {
            Hold::Held { place } => {
                self.add(state, place);
                (LimitDecision::Allowed, Ok(()))
            }
            Hold::Full if enforced => {
                let of_client = rule.key.is_of_clients();
                (LimitDecision::Refused, Err(Stop::TooManyAtOnce { of_client }))
            }
            Hold::Full => (LimitDecision::WouldRefuse, Ok(())),
            Hold::Uncounted if enforced && rule.overflow == Overflow::Refuse => {
                (LimitDecision::Overflow, Err(Stop::NoPlace))
            }
            Hold::Uncounted => (LimitDecision::Overflow, Ok(())),
        };
        state.count_limit(rule.row, decision);
        outcome
    }

    /// A snapshot has no more limits for one request than there is room for.
    fn add<S: State>(&mut self, state: &S, place: u32) {
        match self.places.get_mut(self.count) {
            Some(free) => {
                *free = place;
                self.count += 1;
            }
            None => state.release_hold(place),
        }
    }

    /// The request is no longer under way. True: a place of a gate has come free.
    #[inline]
    pub(super) fn give_back<S: State>(&mut self, state: &S) -> bool {
        while self.count > 0 {
            self.count -= 1;
            if let Some(&place) = self.places.get(self.count) {
                state.release_hold(place);
            }
        }
        std::mem::take(&mut self.of_gate)
    }
}

impl Connection {
    /// Charges what the answer of an instance costs; once per exchange. `None`: there is no such answer, which costs 1.
    pub(super) fn charge_answer<S: State>(
        &mut self,
        worker: &Worker<S>,
        answer: Option<&HeadFields<'_, '_>>,
        now: u64,
    ) -> Due {
        let super::Phase::Exchange(exchange) = &mut self.phase else { return Due::new() };
        let mut due = std::mem::take(&mut exchange.due);
        charge_due(&worker.state, &due, answer, now);
        due.retain(|(limit, _)| limit.fields == Fields::All && limit.rule.mode == Mode::Enforce);
        due
    }
}

/// Charges what the answer of an instance costs. `None`: there is no such answer, which costs 1.
pub(super) fn charge_due<S: State>(
    state: &S,
    due: &[(Arc<Limit>, u64)],
    answer: Option<&HeadFields<'_, '_>>,
    now: u64,
) {
    for (limit, key) in due {
        let Cost::ResponseHeader(name) = &limit.cost else { continue };
        let cost = answer.map_or(1, |fields| stated_cost(fields, name));
        if cost > 0 && !state.owe(&Claim { cost, ..limit.claim(*key) }, now) {
            state.count_limit(limit.rule.row, LimitDecision::Overflow);
        }
    }
}

/// What a field says that an answer costs, in whole tokens; 1 without one that says so.
fn stated_cost(fields: &HeadFields<'_, '_>, name: &str) -> u32 {
    let field = fields.iter().find(|(header, _)| header.name.eq_ignore_ascii_case(name));
    match field.map_or(&b""[..], |(header, _)| header.value) {
        [] => 1,
        digits if digits.iter().all(u8::is_ascii_digit) => {
            decimal(digits).and_then(|cost| u32::try_from(cost).ok()).unwrap_or(u32::MAX)
        }
        _ => 1,
    }
}
