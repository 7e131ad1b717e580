//! What becomes of a request that matches: who gets it, and on which terms.

use std::sync::Arc;

use serde::Deserialize;

use super::limit::{compile_concurrency, compile_limits, ConcurrencyText, RateLimitText};
use super::{for_each, tries};
use crate::access_log;
use crate::edits::Names;
use crate::selection::Policy;
use crate::snapshot::answer::AnswerText;
use crate::snapshot::compression::CompressionText;
use crate::snapshot::edits::EditsText;
use crate::snapshot::fault::FaultText;
use crate::snapshot::limit::Owner;
use crate::snapshot::maintenance::MaintenanceText;
use crate::snapshot::matching::Conditions;
use crate::snapshot::mirror::MirrorText;
use crate::snapshot::naming::{NamedText, NamingText};
use crate::snapshot::split::{SideText, SplitText};
use crate::snapshot::terms::{TermsText, TimeoutsText};
use crate::snapshot::{
    Backend, Destination, Destinations, Extras, Route, Service, SnapshotError, Target, Usage,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct RouteText {
    name: String,
    pub(in crate::snapshot) host: Option<String>,
    pub(in crate::snapshot) path: Option<String>,
    /// An expression in place of a path.
    pub(in crate::snapshot) pattern: Option<String>,
    pub(in crate::snapshot) methods: Vec<String>,
    #[serde(default)]
    pub(in crate::snapshot) conditions: Conditions,
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
    limits: Vec<RateLimitText>,
    #[serde(default)]
    concurrency: Vec<ConcurrencyText>,
    rows: Vec<u32>,
    #[serde(default)]
    edits: EditsText,
    #[serde(default)]
    compression: Option<CompressionText>,
}

impl RouteText {
    /// `services`: those of the document; `listeners`: how many it has.
    pub(in crate::snapshot) fn compile(
        mut self,
        services: &[Service],
        listeners: usize,
    ) -> Result<Route, SnapshotError> {
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
        Ok(Route {
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
        services: &[Service],
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
        services: &[Service],
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
