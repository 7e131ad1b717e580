//! What a route or a service admits: the rates and the numbers under way of each key.

use std::sync::Arc;

use serde::Deserialize;

use super::positive;
use crate::http1::syntax::is_token;
use crate::key::Key;
use crate::limit::Gcra;
use crate::snapshot::compile_all;
use crate::snapshot::limit::{
    ConcurrencyLimit, Cost, Fields, Limit, Missing, Mode, Overflow, Owner, Rule, Sharing,
};
use crate::snapshot::SnapshotError;

pub(super) fn compile_limits(
    limits: Vec<RateLimitText>,
    owner: Owner<'_>,
) -> Result<Vec<Arc<Limit>>, SnapshotError> {
    compile_all("limits", limits, |limit| limit.compile(owner))
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
pub(super) struct RateLimitText {
    name: String,
    row: u32,
    tokens: u64,
    period_ns: u64,
    burst: u64,
    key: Vec<String>,
    #[serde(default = "own")]
    missing: Missing,
    #[serde(default = "one")]
    cost: CostText,
    #[serde(default = "allow")]
    overflow: Overflow,
    #[serde(default = "enforce")]
    mode: Mode,
    #[serde(default = "refused")]
    fields: Fields,
    shared: Option<SharedText>,
}

/// What makes the buckets of a limit those of several gateways.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedText {
    seed: u64,
    low: u32,
}

const fn own() -> Missing {
    Missing::Own
}

const fn one() -> CostText {
    CostText::Constant(1)
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
enum CostText {
    Constant(u32),
    ResponseHeader(String),
}

impl RateLimitText {
    fn compile(self, owner: Owner<'_>) -> Result<Arc<Limit>, SnapshotError> {
        let tokens = positive("tokens", self.tokens)?;
        let period = positive("period_ns", self.period_ns)?;
        let burst = positive("burst", self.burst)?;
        let rate = Gcra::per(tokens, period, burst);
        let (rate, cost) = match self.cost {
            CostText::Constant(cost) => (rate, Cost::Constant(positive("cost", cost)?)),
            CostText::ResponseHeader(name) if !is_token(name.as_bytes()) => {
                return Err(SnapshotError::invalid("cost", "no name of a field"));
            }
            CostText::ResponseHeader(name) => (rate.with_debt(), Cost::ResponseHeader(name.into())),
        };
        if matches!(cost, Cost::Constant(cost) if u64::from(cost) > burst) {
            return Err(SnapshotError::invalid("cost", "more than the burst"));
        }
        let together = |SharedText { seed, low }| Sharing::Together { seed, low };
        let sharing = self.shared.map_or(Sharing::Alone, together);
        let Self { name, row, key, missing, overflow, mode, fields, .. } = self;
        let rule = RuleText { name, row, sharing, key, missing, overflow, mode }.compile(owner)?;
        Ok(Arc::new(Limit { policy: Limit::policy_of(&rule.name, rate), rule, rate, cost, fields }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConcurrencyText {
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

impl ConcurrencyText {
    fn compile(self, owner: Owner<'_>) -> Result<ConcurrencyLimit, SnapshotError> {
        let most = positive("most", self.most)?;
        let Self { name, row, key, missing, overflow, mode, .. } = self;
        let sharing = Sharing::Alone;
        let rule = RuleText { name, row, sharing, key, missing, overflow, mode }.compile(owner)?;
        Ok(ConcurrencyLimit { rule, most })
    }
}

/// The least of the limits that enforce a bound on all requests together.
pub(super) fn gate(limits: &[ConcurrencyLimit]) -> Option<usize> {
    let gates = |limit: &ConcurrencyLimit| limit.rule.mode == Mode::Enforce && limit.rule.key == Key::Nothing;
    let gates = limits.iter().enumerate().filter(|(_, limit)| gates(limit));
    gates.min_by_key(|(_, limit)| limit.most).map(|(index, _)| index)
}

pub(super) fn compile_concurrency(
    limits: Vec<ConcurrencyText>,
    owner: Owner<'_>,
) -> Result<Vec<ConcurrencyLimit>, SnapshotError> {
    compile_all("concurrency", limits, |limit| limit.compile(owner))
}

fn compile_key(parts: &[String], owner: Owner<'_>) -> Result<Key, SnapshotError> {
    Key::parse(parts, owner.common_parts())
        .map_err(|index| SnapshotError::invalid(format!("key[{index}]"), "no part of a request"))
}
