//! The snapshot as it is published: the shape of the JSON, and what makes each entry valid.

use std::sync::Arc;

use serde::Deserialize;

use super::answer::AnswerText;
use super::compression::CompressionText;
use super::edits::EditsText;
use super::fault::FaultText;
use super::limit::{ConcurrencyLimit, Cost, Fields, Missing, Mode, Overflow, Owner, Rule, Sharing};
use super::maintenance::MaintenanceText;
use super::matching::Conditions;
use super::mirror::MirrorText;
use super::naming::{NamedText, NamingText};
use super::split::{SideText, SplitText};
use super::terms::{TermsText, TimeoutsText};
use super::{
    Backend, Destination, Destinations, Extras, FailureStatuses, Limit, Passage, Snapshot, SnapshotError,
    Target, Timeouts, Usage,
};
use crate::access_log;
use crate::affinity::{Attributes, Reading, SameSite, StickyCookie, MIN_SECRET_BYTES};
use crate::edits::Names;
use crate::http1::path::Spelling;
use crate::http1::syntax::is_token;
use crate::key::{Key, Part};
use crate::limit::Gcra;
use crate::pace::MinRate;
use crate::proxy_protocol::Version;
use crate::queue::Queue;
use crate::reply::Page;
use crate::retry_budget::RetryBudget;
use crate::selection::{Balance, Policy};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// What the clients of a listener speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// Whatever it is, it is passed through.
    Tcp,
}

impl Scheme {
    /// The scheme as URIs and `X-Forwarded-Proto` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

/// The whole document. Unknown keys at this level are for other readers of the same snapshot.
#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) epoch: u64,
    #[serde(default)]
    pub(super) access_log: bool,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    #[serde(default)]
    pub(super) errors: Vec<ErrorPage>,
    pub(super) listeners: Vec<Listener>,
    pub(super) services: Vec<Service>,
    pub(super) routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    name: String,
    scheme: Scheme,
    #[serde(default)]
    proxy_protocol: bool,
    row: u32,
    header_timeout_ms: u64,
    body_idle_timeout_ms: u64,
    keepalive_timeout_ms: u64,
    write_timeout_ms: u64,
    min_bytes_per_second: u64,
    max_head_bytes: usize,
    max_line_bytes: usize,
    max_fields: usize,
    max_target_bytes: usize,
    max_body_bytes: Option<u64>,
    max_requests: Option<u64>,
    max_age_ms: Option<u64>,
    #[serde(default)]
    keep_in_paths: Vec<Spelling>,
    max_connections_per_client: Option<u32>,
    passage: Option<PassageText>,
}

impl Listener {
    /// `services`: those of the document.
    pub(super) fn compile(self, services: &[super::Service]) -> Result<super::Listener, SnapshotError> {
        if self.passage.is_some() != (self.scheme == Scheme::Tcp) {
            return Err(SnapshotError::invalid("passage", "belongs to the scheme \"tcp\", and to no other"));
        }
        Ok(super::Listener {
            header_timeout: nanos("header_timeout_ms", self.header_timeout_ms)?,
            body_idle_timeout: nanos("body_idle_timeout_ms", self.body_idle_timeout_ms)?,
            keepalive_timeout: nanos("keepalive_timeout_ms", self.keepalive_timeout_ms)?,
            write_timeout: nanos("write_timeout_ms", self.write_timeout_ms)?,
            min_rate: MinRate::per_second(self.min_bytes_per_second),
            max_head_bytes: positive("max_head_bytes", self.max_head_bytes)?,
            max_line_bytes: positive("max_line_bytes", self.max_line_bytes)?,
            max_fields: positive("max_fields", self.max_fields)?,
            max_target_bytes: positive("max_target_bytes", self.max_target_bytes)?,
            // No body at all is a bound that makes sense; no request at all is not.
            max_body_bytes: self.max_body_bytes,
            max_requests: self.max_requests.map(|most| positive("max_requests", most)).transpose()?,
            max_age: self.max_age_ms.map(|most| nanos("max_age_ms", most)).transpose()?,
            kept: self.keep_in_paths.into_iter().collect(),
            max_connections_per_client: self
                .max_connections_per_client
                .map(|most| positive("max_connections_per_client", most))
                .transpose()?,
            passage: self
                .passage
                .map(|passage| passage.compile(services).map_err(|error| error.within("passage")))
                .transpose()?,
            name: self.name,
            scheme: self.scheme,
            proxy_protocol: self.proxy_protocol,
            row: self.row,
        })
    }
}

/// Where a listener passes its connections through to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PassageText {
    /// `None`: the service is configured no more.
    service: Option<u32>,
    tries: u8,
}

impl PassageText {
    fn compile(self, services: &[super::Service]) -> Result<Passage, SnapshotError> {
        let find = |index| {
            let message = || format!("there are {} services", services.len());
            services.get(index as usize).ok_or_else(|| SnapshotError::invalid("service", message()))
        };
        let service = self.service.map(find).transpose()?;
        let logged = access_log::names(None, service.map(|service| service.name.as_str()));
        Ok(Passage { service: self.service, tries: tries(self.tries)?, logged })
    }
}

/// Extra tries after the first.
fn tries(tries: u8) -> Result<u8, SnapshotError> {
    if tries > Snapshot::MAX_TRIES {
        return Err(SnapshotError::invalid("tries", format!("more than {}", Snapshot::MAX_TRIES)));
    }
    Ok(tries)
}

/// A page for one status code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorPage {
    status: u16,
    content_type: String,
    body: String,
}

impl ErrorPage {
    pub(super) fn compile(self) -> Result<(u16, Page), SnapshotError> {
        if !(400..=599).contains(&self.status) {
            return Err(SnapshotError::invalid("status", "must be from 400 to 599"));
        }
        Ok((self.status, page(self.content_type, self.body)?))
    }
}

/// Bytes with their type, which stands in the head of answers, so nothing in it may end a line.
pub(super) fn page(content_type: String, body: String) -> Result<Page, SnapshotError> {
    if content_type.is_empty() || !content_type.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return Err(SnapshotError::invalid("content_type", "must be printable ASCII"));
    }
    let body = body.into_bytes().into_boxed_slice();
    Ok(Page { content_type: content_type.into_boxed_str(), body })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    name: String,
    slot: u32,
    balance: Balance,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    cookie: Option<Cookie>,
    slow_start_ms: u64,
    connect_timeout_ms: u64,
    first_byte_timeout_ms: u64,
    idle_timeout_ms: u64,
    tunnel_timeout_ms: u64,
    #[serde(default)]
    failure_statuses: Vec<u16>,
    proxy_protocol: Option<Version>,
    retry_budget: Option<Budget>,
    maintenance: Option<MaintenanceText>,
    queue: Option<WaitingLine>,
    #[serde(default)]
    limits: Vec<RateLimit>,
    #[serde(default)]
    concurrency: Vec<Concurrency>,
}

fn balance(balance: Balance) -> Result<Balance, SnapshotError> {
    match balance {
        Balance::P2c { choices: 0 | 1 } => Err(SnapshotError::invalid("choices", "must be at least 2")),
        // At 100 % everybody would have to hold the same, and most requests would go elsewhere.
        Balance::Hash { bounded_load: Some(0..=100) } => {
            Err(SnapshotError::invalid("bounded_load", "must be above 100"))
        }
        balance => Ok(balance),
    }
}

/// What is read of requests, as the balance needs it.
fn reading(
    balance: Balance,
    key: Option<&str>,
    cookie: Option<Cookie>,
    service: &str,
) -> Result<Reading, SnapshotError> {
    match (balance, key, cookie) {
        (Balance::Hash { .. }, Some(key), None) => {
            let key = Part::parse(key).ok_or_else(|| SnapshotError::invalid("key", "no key of requests"))?;
            Ok(Reading::Key(key))
        }
        (Balance::Sticky, None, Some(cookie)) => Ok(Reading::Cookie(cookie.compile(service)?.into())),
        (Balance::Hash { .. } | Balance::Sticky, ..) | (_, Some(_), _) | (_, _, Some(_)) => {
            Err(SnapshotError::invalid("balance", "must have what it goes by, and nothing else"))
        }
        _ => Ok(Reading::Nothing),
    }
}

impl Service {
    pub(super) fn compile(self) -> Result<super::Service, SnapshotError> {
        let concurrency = compile_concurrency(self.concurrency, Owner::Service(&self.name))?;
        Ok(super::Service {
            reading: reading(self.balance, self.key.as_deref(), self.cookie, &self.name)?,
            maintenance: self.maintenance.map(MaintenanceText::compile).transpose()?.map(Arc::new),
            usage: Usage {
                policy: Policy {
                    bank: self.slot,
                    balance: balance(self.balance)?,
                    slow_start: nanos_or_0("slow_start_ms", self.slow_start_ms)?,
                },
                timeouts: Timeouts {
                    connect: nanos("connect_timeout_ms", self.connect_timeout_ms)?,
                    first_byte: nanos("first_byte_timeout_ms", self.first_byte_timeout_ms)?,
                    idle: nanos("idle_timeout_ms", self.idle_timeout_ms)?,
                    tunnel: nanos("tunnel_timeout_ms", self.tunnel_timeout_ms)?,
                },
                edits: None,
                compression: None,
            },
            failure_statuses: FailureStatuses::compile(&self.failure_statuses)?,
            proxy_protocol: self.proxy_protocol,
            retry_budget: self.retry_budget.map(Budget::compile).transpose()?,
            limits: compile_limits(self.limits, Owner::Service(&self.name))?,
            gate: self.queue.as_ref().and_then(|_| gate(&concurrency)),
            queue: self.queue.map(WaitingLine::compile).transpose()?,
            concurrency,
            name: self.name,
            slot: self.slot,
        })
    }
}

/// The cookie by which clients come back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cookie {
    name: String,
    secret: String,
    path: String,
    secure: bool,
    same_site: SameSite,
    max_age_s: Option<u64>,
}

impl Cookie {
    /// Name and path stand in the head of answers, so nothing in them may end a line or an attribute.
    fn compile(&self, service: &str) -> Result<StickyCookie, SnapshotError> {
        if !is_token(self.name.as_bytes()) {
            return Err(SnapshotError::invalid("name", "no name of a cookie"));
        }
        if !(self.path.starts_with('/') && self.path.bytes().all(|it| it.is_ascii_graphic() && it != b';')) {
            return Err(SnapshotError::invalid("path", "no path of a cookie"));
        }
        if self.secret.len() < MIN_SECRET_BYTES {
            return Err(SnapshotError::invalid("secret", format!("shorter than {MIN_SECRET_BYTES} bytes")));
        }
        let attributes = Attributes {
            name: &self.name,
            path: &self.path,
            secure: self.secure,
            same_site: self.same_site,
            max_age: self.max_age_s,
        };
        Ok(StickyCookie::new(service, self.secret.as_bytes(), &attributes))
    }
}

/// The bound of a service's retries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    percent: u32,
    tokens: u64,
    period_ms: u64,
}

impl Budget {
    fn compile(self) -> Result<RetryBudget, SnapshotError> {
        let percent = positive("retry_budget.percent", self.percent)?;
        let period = positive("retry_budget.period_ms", self.period_ms)?;
        Ok(RetryBudget::new(percent, self.tokens, period))
    }
}

/// The bounds of a service's queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitingLine {
    size: u32,
    timeout_ms: u64,
}

impl WaitingLine {
    fn compile(self) -> Result<Queue, SnapshotError> {
        Ok(Queue {
            size: positive("queue.size", self.size)?,
            timeout: nanos("queue.timeout_ms", self.timeout_ms)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    name: String,
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    /// An expression in place of a path.
    pub(super) pattern: Option<String>,
    pub(super) methods: Vec<String>,
    #[serde(default)]
    pub(super) conditions: Conditions,
    /// Who gets its requests; without it there is a split, a choice by name, or an answer.
    service: Option<u32>,
    split: Option<SplitText>,
    named: Option<NamingText>,
    answer: Option<AnswerText>,
    /// Who gets copies.
    mirror: Option<MirrorText>,
    /// What is injected.
    fault: Option<FaultText>,
    /// The row of the bank that instances are chosen from, if not the service's own.
    subset: Option<u32>,
    tries: u8,
    /// Time-outs in place of those of its services.
    #[serde(default)]
    timeouts: TimeoutsText,
    #[serde(default)]
    terms: TermsText,
    maintenance: Option<MaintenanceText>,
    limits: Vec<RateLimit>,
    #[serde(default)]
    concurrency: Vec<Concurrency>,
    rows: Vec<u32>,
    #[serde(default)]
    edits: EditsText,
    #[serde(default)]
    compression: Option<CompressionText>,
}

impl Route {
    /// `services`: those of the document; `listeners`: how many it has.
    pub(super) fn compile(
        mut self,
        services: &[super::Service],
        listeners: usize,
    ) -> Result<super::Route, SnapshotError> {
        let tries = tries(self.tries)?;
        let has_several = self.split.is_some() || self.named.is_some();
        let destinations = self.destinations(services, listeners)?;
        let maintenance = self.maintenance.map(MaintenanceText::compile).transpose()?.map(Arc::new);
        let mirror = self.mirror.map(|mirror| mirror.compile(services)).transpose();
        let mirror = mirror.map_err(|error| error.within("mirror"))?;
        let fault = self.fault.map(FaultText::compile).transpose();
        let fault = fault.map_err(|error| error.within("fault"))?;
        let owner = if has_several { Owner::Split(&self.name) } else { Owner::Route(&self.name) };
        let concurrency = compile_concurrency(self.concurrency, owner)?.into_boxed_slice();
        Ok(super::Route {
            destinations,
            limits: compile_limits(self.limits, owner)?.into_iter().collect(),
            extras: Extras { mirror, fault, concurrency, maintenance }.boxed(),
            terms: self.terms.compile(&self.name, listeners).map_err(|error| error.within("terms"))?,
            name: self.name.into(),
            tries,
            traces: self.methods.iter().any(|method| method == "TRACE"),
        })
    }

    fn destinations(
        &mut self,
        services: &[super::Service],
        listeners: usize,
    ) -> Result<Destinations, SnapshotError> {
        let rows = std::mem::take(&mut self.rows);
        let (split, named, answer) = (self.split.take(), self.named.take(), self.answer.take());
        let to_service =
            |service, rows, prefix: Option<&str>| self.to_service(service, rows, prefix, services, listeners);
        match (self.service, split, named, answer) {
            (Some(service), None, None, None) => {
                to_service(service, rows, self.prefix()).map(Destinations::One)
            }
            (None, Some(split), None, None) => {
                let side = |side: SideText| to_service(side.service, side.rows, self.prefix());
                split.compile(services, side).map_err(|error| error.within("split"))
            }
            (None, None, Some(named), None) => {
                let one = |one: NamedText, prefix: Option<&str>| to_service(one.service, one.rows, prefix);
                let compiled = named.compile(self.prefix(), self.host.as_deref(), services, one);
                compiled.map_err(|error| error.within("named"))
            }
            (None, None, None, Some(answer)) => {
                let answer = answer.compile(self.prefix(), &self.edits, &self.name);
                let target = Target::Answer(answer.map_err(|error| error.within("answer"))?);
                let logged = access_log::names(Some(&self.name), None);
                let rows = for_each(rows, listeners)?.into_iter().collect();
                Ok(Destinations::One(Destination { target, rows, logged }))
            }
            _ => {
                let message = "must be there, or a split, a choice by name or an answer in its place";
                Err(SnapshotError::invalid("service", message))
            }
        }
    }

    /// The beginning that the paths of all its requests have, up to a slash or to their end; `None` where they need have
    /// none in common: an exact path is no beginning, and nobody knows that of an expression.
    fn prefix(&self) -> Option<&str> {
        match (&self.path, &self.pattern) {
            (None, None) => Some(""),
            (Some(path), None) => path.strip_suffix("/*"),
            (_, Some(_)) => None,
        }
    }

    /// The service of this index as the route uses it. `prefix`: the beginning that the paths of all requests for it have.
    fn to_service(
        &self,
        index: u32,
        rows: Vec<u32>,
        prefix: Option<&str>,
        services: &[super::Service],
        listeners: usize,
    ) -> Result<Destination, SnapshotError> {
        let Some(service) = services.get(index as usize) else {
            let message = format!("there are {} services", services.len());
            return Err(SnapshotError::invalid("service", message));
        };
        let names = Names { route: &self.name, service: &service.name };
        let usage = Usage {
            policy: Policy { bank: self.subset.unwrap_or(service.slot), ..service.usage.policy },
            timeouts: self.timeouts.compile(service.usage.timeouts).map_err(|it| it.within("timeouts"))?,
            edits: self
                .edits
                .compile(prefix, names, self.terms.says_who_reads())
                .map_err(|it| it.within("edits"))?,
            compression: self
                .compression
                .as_ref()
                .map(|text| text.compile().map_err(|error| error.within("compression")))
                .transpose()?,
        };
        let logged = access_log::names(Some(&self.name), Some(&service.name));
        let rows = for_each(rows, listeners)?.into_iter().collect();
        Ok(Destination { target: Target::Service(Backend::new(index, usage, service)), rows, logged })
    }
}

/// One row for each listener.
pub(super) fn for_each(rows: Vec<u32>, listeners: usize) -> Result<Vec<u32>, SnapshotError> {
    if rows.len() == listeners {
        Ok(rows)
    } else {
        Err(SnapshotError::invalid("rows", format!("there are {listeners} listeners")))
    }
}

fn compile_limits(limits: Vec<RateLimit>, owner: Owner<'_>) -> Result<Vec<Arc<Limit>>, SnapshotError> {
    super::compile_all("limits", limits, |limit| limit.compile(owner))
}

/// What limits of all kinds say.
struct RuleText {
    name: String,
    row: u32,
    sharing: Sharing,
    key: Vec<String>,
    missing: Missing,
    overflow: Overflow,
    mode: Mode,
}

impl RuleText {
    fn compile(self, owner: Owner<'_>) -> Result<Rule, SnapshotError> {
        if !self.name.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte)) {
            return Err(SnapshotError::invalid(
                "name",
                "must be printable ASCII without quotes and backslashes",
            ));
        }
        Ok(Rule {
            identity: Rule::identity_of(owner, &self.name),
            key: compile_key(&self.key, owner)?,
            name: self.name.into(),
            row: self.row,
            sharing: self.sharing,
            missing: self.missing,
            overflow: self.overflow,
            mode: self.mode,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimit {
    name: String,
    row: u32,
    tokens: u64,
    period_ns: u64,
    burst: u64,
    key: Vec<String>,
    #[serde(default = "own")]
    missing: Missing,
    #[serde(default = "one")]
    cost: CostRule,
    #[serde(default = "allow")]
    overflow: Overflow,
    #[serde(default = "enforce")]
    mode: Mode,
    #[serde(default = "refused")]
    fields: Fields,
    shared: Option<SharedBuckets>,
}

/// What makes the buckets of a limit those of several gateways.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedBuckets {
    seed: u64,
    low: u32,
}

const fn own() -> Missing {
    Missing::Own
}

const fn one() -> CostRule {
    CostRule::Constant(1)
}

const fn allow() -> Overflow {
    Overflow::Allow
}

const fn enforce() -> Mode {
    Mode::Enforce
}

const fn refused() -> Fields {
    Fields::Refused
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum CostRule {
    Constant(u32),
    ResponseHeader(String),
}

impl RateLimit {
    fn compile(self, owner: Owner<'_>) -> Result<Arc<Limit>, SnapshotError> {
        let tokens = positive("tokens", self.tokens)?;
        let period = positive("period_ns", self.period_ns)?;
        let burst = positive("burst", self.burst)?;
        let rate = Gcra::per(tokens, period, burst);
        let (rate, cost) = match self.cost {
            CostRule::Constant(cost) => (rate, Cost::Constant(positive("cost", cost)?)),
            CostRule::ResponseHeader(name) if !is_token(name.as_bytes()) => {
                return Err(SnapshotError::invalid("cost", "no name of a field"));
            }
            CostRule::ResponseHeader(name) => (rate.with_debt(), Cost::ResponseHeader(name.into())),
        };
        if matches!(cost, Cost::Constant(cost) if u64::from(cost) > burst) {
            return Err(SnapshotError::invalid("cost", "more than the burst"));
        }
        let together = |SharedBuckets { seed, low }| Sharing::Together { seed, low };
        let sharing = self.shared.map_or(Sharing::Alone, together);
        let Self { name, row, key, missing, overflow, mode, fields, .. } = self;
        let rule = RuleText { name, row, sharing, key, missing, overflow, mode }.compile(owner)?;
        Ok(Arc::new(Limit { policy: Limit::policy_of(&rule.name, rate), rule, rate, cost, fields }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Concurrency {
    name: String,
    row: u32,
    most: u32,
    key: Vec<String>,
    #[serde(default = "own")]
    missing: Missing,
    #[serde(default = "allow")]
    overflow: Overflow,
    #[serde(default = "enforce")]
    mode: Mode,
}

impl Concurrency {
    fn compile(self, owner: Owner<'_>) -> Result<ConcurrencyLimit, SnapshotError> {
        let most = positive("most", self.most)?;
        let Self { name, row, key, missing, overflow, mode, .. } = self;
        let sharing = Sharing::Alone;
        let rule = RuleText { name, row, sharing, key, missing, overflow, mode }.compile(owner)?;
        Ok(ConcurrencyLimit { rule, most })
    }
}

/// The least of the limits that enforce a bound on all requests together.
fn gate(limits: &[ConcurrencyLimit]) -> Option<usize> {
    let gates = |limit: &ConcurrencyLimit| limit.rule.mode == Mode::Enforce && limit.rule.key == Key::Nothing;
    let gates = limits.iter().enumerate().filter(|(_, limit)| gates(limit));
    gates.min_by_key(|(_, limit)| limit.most).map(|(index, _)| index)
}

fn compile_concurrency(
    limits: Vec<Concurrency>,
    owner: Owner<'_>,
) -> Result<Vec<ConcurrencyLimit>, SnapshotError> {
    super::compile_all("concurrency", limits, |limit| limit.compile(owner))
}

fn compile_key(parts: &[String], owner: Owner<'_>) -> Result<Key, SnapshotError> {
    Key::parse(parts, owner.common_parts())
        .map_err(|index| SnapshotError::invalid(format!("key[{index}]"), "no part of a request"))
}

/// A time-out in nanoseconds.
pub(super) fn nanos(place: &str, millis: u64) -> Result<u64, SnapshotError> {
    positive(place, millis)?
        .checked_mul(NANOS_PER_MILLI)
        .ok_or_else(|| SnapshotError::invalid(place, "longer than 64 bits of nanoseconds"))
}

/// A duration in nanoseconds that may be 0.
fn nanos_or_0(place: &str, millis: u64) -> Result<u64, SnapshotError> {
    if millis == 0 {
        Ok(0)
    } else {
        nanos(place, millis)
    }
}

/// A bound that must let something through.
fn positive<N: Default + PartialEq>(place: &str, number: N) -> Result<N, SnapshotError> {
    if number == N::default() {
        return Err(SnapshotError::invalid(place, "must be above 0"));
    }
    Ok(number)
}
