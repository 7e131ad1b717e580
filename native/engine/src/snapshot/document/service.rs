//! Who answers requests: how a service's instances are chosen, what it has time for, and what it bounds.

use std::sync::Arc;

use serde::Deserialize;

use super::limit::{compile_concurrency, compile_limits, gate, ConcurrencyText, RateLimitText};
use super::{nanos, nanos_or_0, positive};
use crate::affinity::{Attributes, Reading, SameSite, StickyCookie, MIN_SECRET_BYTES};
use crate::http1::syntax::is_token;
use crate::key::Part;
use crate::proxy_protocol::Version;
use crate::queue::Queue;
use crate::retry_budget::RetryBudget;
use crate::selection::{Balance, Policy};
use crate::snapshot::limit::Owner;
use crate::snapshot::maintenance::MaintenanceText;
use crate::snapshot::{FailureStatuses, Service, SnapshotError, Timeouts, Usage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct ServiceText {
    name: String,
    slot: u32,
    balance: Balance,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    cookie: Option<CookieText>,
    slow_start_ms: u64,
    connect_timeout_ms: u64,
    first_byte_timeout_ms: u64,
    idle_timeout_ms: u64,
    tunnel_timeout_ms: u64,
    #[serde(default)]
    failure_statuses: Vec<u16>,
    proxy_protocol: Option<Version>,
    retry_budget: Option<BudgetText>,
    maintenance: Option<MaintenanceText>,
    queue: Option<QueueText>,
    #[serde(default)]
    limits: Vec<RateLimitText>,
    #[serde(default)]
    concurrency: Vec<ConcurrencyText>,
}

impl ServiceText {
    pub(in crate::snapshot) fn compile(self) -> Result<Service, SnapshotError> {
        let concurrency = compile_concurrency(self.concurrency, Owner::Service(&self.name))?;
        Ok(Service {
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
            retry_budget: self.retry_budget.map(BudgetText::compile).transpose()?,
            limits: compile_limits(self.limits, Owner::Service(&self.name))?,
            gate: self.queue.as_ref().and_then(|_| gate(&concurrency)),
            queue: self.queue.map(QueueText::compile).transpose()?,
            concurrency,
            name: self.name,
            slot: self.slot,
        })
    }
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
    cookie: Option<CookieText>,
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

/// The cookie by which clients come back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CookieText {
    name: String,
    secret: String,
    path: String,
    secure: bool,
    same_site: SameSite,
    max_age_s: Option<u64>,
}

impl CookieText {
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
struct BudgetText {
    percent: u32,
    tokens: u64,
    period_ms: u64,
}

impl BudgetText {
    fn compile(self) -> Result<RetryBudget, SnapshotError> {
        let percent = positive("retry_budget.percent", self.percent)?;
        let period = positive("retry_budget.period_ms", self.period_ms)?;
        Ok(RetryBudget::new(percent, self.tokens, period))
    }
}

/// The bounds of a service's queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueText {
    size: u32,
    timeout_ms: u64,
}

impl QueueText {
    fn compile(self) -> Result<Queue, SnapshotError> {
        Ok(Queue {
            size: positive("queue.size", self.size)?,
            timeout: nanos("queue.timeout_ms", self.timeout_ms)?,
        })
    }
}
