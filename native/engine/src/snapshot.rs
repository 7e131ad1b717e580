//! The compiled configuration: one immutable value that every decision of a worker is made by.
//!
//! The supervisor publishes it as JSON; [`Snapshot::compile`] checks every index and every number once, so that the
//! request path need not. Times are nanoseconds from here on.

mod answer;
mod compression;
mod cors;
mod destination;
mod document;
mod edits;
mod error;
mod failure_statuses;
mod fault;
mod few;
mod limit;
mod maintenance;
mod matching;
mod mirror;
mod naming;
mod parts;
mod route;
mod split;
mod terms;

pub use cors::Cors;
pub use destination::{Backend, Destination, Destinations, Leads, Target, Usage};
pub use document::Scheme;
pub use error::SnapshotError;
pub use failure_statuses::FailureStatuses;
pub use few::Few;
pub use limit::{ConcurrencyLimit, Cost, Fields, Limit, Missing, Mode, Overflow, Owner, Rule, Sharing};
pub use maintenance::Maintenance;
pub use parts::{Misfit, Parts};
pub use route::{Extras, Route};
pub use terms::{Terms, Timeouts};

use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::address::Networks;
use crate::affinity::Reading;
use crate::http1::path::Kept;
use crate::pace::MinRate;
use crate::proxy_protocol::Version;
use crate::queue::Queue;
use crate::reply::Pages;
use crate::retry_budget::RetryBudget;
use crate::routing::Table;
use crate::selection::Tried;
use document::Document;
use matching::Match;

/// What a listener asks of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its configured address, which is also its name.
    pub name: String,
    /// What its clients speak.
    pub scheme: Scheme,
    /// Its connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// The row of the request table for requests that matched no route, or for connections that are passed through.
    pub row: u32,
    /// Nanoseconds a client has for a request head.
    pub header_timeout: u64,
    /// Nanoseconds a client may pause within a request body.
    pub body_idle_timeout: u64,
    /// Nanoseconds a client may be idle between requests.
    pub keepalive_timeout: u64,
    /// Nanoseconds a client may take nothing of what is ready for it.
    pub write_timeout: u64,
    /// How fast a client must send a body and take an answer; `None` for no bound.
    pub min_rate: Option<MinRate>,
    /// Bytes of a request head in all.
    pub max_head_bytes: usize,
    /// Bytes of one line of a request head.
    pub max_line_bytes: usize,
    /// Fields of a request head.
    pub max_fields: usize,
    /// Bytes of a request target.
    pub max_target_bytes: usize,
    /// The ambiguous spellings of a path that its requests may have.
    pub kept: Kept,
    /// Bytes of a request body; `None` for no bound.
    pub max_body_bytes: Option<u64>,
    /// Requests on one connection; `None` for no bound.
    pub max_requests: Option<u64>,
    /// Nanoseconds after which a connection carries no further request; `None` for no bound.
    pub max_age: Option<u64>,
    /// Connections that one client may have, over all workers; `None` for no bound.
    pub max_connections_per_client: Option<u32>,
    /// Where its connections are passed through to; `None` where they carry requests.
    pub passage: Option<Passage>,
}

/// Where connections are passed through to, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Index into [`Snapshot::services`]; `None` where the service is configured no more.
    pub service: Option<u32>,
    /// Extra tries after the first.
    pub tries: u8,
    /// What the access log says of route and service.
    pub logged: Box<[u8]>,
}

/// What holds for every exchange with a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name in the configuration.
    pub name: String,
    /// Its row in shared memory.
    pub slot: u32,
    /// How it is used where a route says nothing else: an instance is chosen from all that it has, and messages pass on as they are.
    pub usage: Usage,
    /// What of a request decides for one of them.
    pub reading: Reading,
    /// Whom it lets in for now; `None` for all.
    pub maintenance: Option<Arc<Maintenance>>,
    /// Statuses of answers that are failures of the instance.
    pub failure_statuses: FailureStatuses,
    /// The PROXY header with which connections to its instances begin that are passed through; `None` for none.
    pub proxy_protocol: Option<Version>,
    /// The bound of its retries; `None` for no bound.
    pub retry_budget: Option<RetryBudget>,
    /// The bounds of its queue; `None` where nobody waits for a place.
    pub queue: Option<Queue>,
    /// The limits on what all its routes send, charged after those of the route.
    pub limits: Vec<Arc<Limit>>,
    /// The limits on how much of what all its routes send is under way.
    pub concurrency: Vec<ConcurrencyLimit>,
    /// The one of them whose places are waited for in the queue: the least that enforces a bound on all requests together.
    pub gate: Option<usize>,
}

impl Service {
    /// Does it keep this client out for now?
    pub fn keeps_out(&self, client: IpAddr) -> bool {
        self.maintenance.as_ref().is_some_and(|maintenance| maintenance.keeps_out(client))
    }
}

/// A compiled configuration; the default is the empty one.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Its number.
    pub epoch: u64,
    /// The listeners, in the order that connections name them by.
    pub listeners: Vec<Listener>,
    /// The services, in the order that routes name them by.
    pub services: Vec<Service>,
    /// The routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Who is believed about the client that it speaks for.
    pub trusted_proxies: Networks,
    /// The operator's own pages for answers of the gateway's own.
    pub pages: Pages,
    /// Is a line of the access log to be written for every request?
    pub access_log: bool,
    /// Finds the index of a request's route.
    pub table: Table,
    services_by_name: HashMap<Box<str>, u32, FixedState>,
    limits: Vec<Arc<Limit>>,
    /// Indexes into `limits`, by `ROUTE/NAME` and by `SERVICE/NAME`.
    limits_of_routes: HashMap<Box<str>, u32, FixedState>,
    limits_of_services: HashMap<Box<str>, u32, FixedState>,
}

impl Snapshot {
    /// The most extra tries a route may ask for: an exchange remembers every instance it was sent to.
    pub const MAX_TRIES: u8 = Tried::CAPACITY as u8 - 1;

    /// The most limits a route and its service may have together: each request is charged at all of them, from an array
    /// of this size.
    pub const MAX_LIMITS: usize = 8;

    /// The most concurrency limits of a route and its service together: a connection remembers where each counts it.
    pub const MAX_CONCURRENCY_LIMITS: usize = 4;

    /// Compiles what the supervisor published; the error names the first thing that makes no sense.
    pub fn compile(blob: &[u8]) -> Result<Self, SnapshotError> {
        let document: Document =
            serde_json::from_slice(blob).map_err(|error| SnapshotError::malformed(&error))?;
        let table = routing_table(&document)?;
        let trusted_proxies = trusted_proxies(&document)?;
        let services = compile_all("services", document.services, document::ServiceText::compile)?;
        let listeners = document.listeners.len();
        let mut snapshot = Self {
            epoch: document.epoch,
            trusted_proxies,
            access_log: document.access_log,
            pages: compile_all("errors", document.errors, document::PageText::compile)?.into_iter().collect(),
            listeners: compile_all("listeners", document.listeners, |listener| listener.compile(&services))?,
            routes: compile_all("routes", document.routes, |route| route.compile(&services, listeners))?,
            services,
            table,
            services_by_name: HashMap::default(),
            limits: Vec::new(),
            limits_of_routes: HashMap::default(),
            limits_of_services: HashMap::default(),
        };
        snapshot.index_services()?;
        snapshot.index_limits()?;
        Ok(snapshot)
    }

    /// The index of the service with this name.
    pub fn find_service(&self, name: &str) -> Option<u32> {
        self.services_by_name.get(name).copied()
    }

    /// The index of the limit with this name: `ROUTE/NAME` of a route, `services.SERVICE/NAME` of a service.
    pub fn find_limit(&self, name: &str) -> Option<u32> {
        let of_service = || self.limits_of_services.get(name.strip_prefix("services.")?);
        self.limits_of_routes.get(name).or_else(of_service).copied()
    }

    /// Where requests to a destination get to; `None` if its service is not there, which [`Snapshot::compile`] rules out.
    #[inline]
    pub fn leads<'a>(&'a self, destination: &'a Destination) -> Option<Leads<'a>> {
        Some(match &destination.target {
            Target::Service(backend) => Leads::Service(backend, self.services.get(backend.service as usize)?),
            Target::Answer(answer) => Leads::Answer(answer),
        })
    }

    /// The limit of this index.
    pub fn limit(&self, index: u32) -> Option<&Arc<Limit>> {
        self.limits.get(index as usize)
    }

    fn index_services(&mut self) -> Result<(), SnapshotError> {
        for (index, service) in (0..).zip(&self.services) {
            if self.services_by_name.insert(service.name.as_str().into(), index).is_some() {
                return Err(SnapshotError::invalid(format!("services[{index}]"), "the name is taken"));
            }
        }
        Ok(())
    }

    /// A limit's full name is its identity, so two limits that share one would share their buckets.
    fn index_limits(&mut self) -> Result<(), SnapshotError> {
        let Self { routes, services, limits, limits_of_routes, limits_of_services, .. } = self;
        for (index, service) in services.iter().enumerate() {
            index_limits(limits, limits_of_services, &service.name, &service.limits)
                .map_err(|error| error.within(&format!("services[{index}]")))?;
        }
        for (index, route) in routes.iter().enumerate() {
            for service in route.destinations.all().iter().filter_map(Destination::service) {
                let Some(service) = services.get(service as usize) else { continue };
                count_limits(route, service).map_err(|error| error.within(&format!("routes[{index}]")))?;
            }
            index_limits(limits, limits_of_routes, &route.name, &route.limits)
                .map_err(|error| error.within(&format!("routes[{index}]")))?;
        }
        Ok(())
    }
}

/// A request passes so many limits of its route and its service at the most.
fn count_limits(route: &Route, service: &Service) -> Result<(), SnapshotError> {
    for (place, count, most) in [
        ("limits", route.limits.len() + service.limits.len(), Snapshot::MAX_LIMITS),
        (
            "concurrency",
            route.concurrency().len() + service.concurrency.len(),
            Snapshot::MAX_CONCURRENCY_LIMITS,
        ),
    ] {
        if count > most {
            return Err(SnapshotError::invalid(place, format!("more than {most} with those of the service")));
        }
    }
    Ok(())
}

fn index_limits(
    all: &mut Vec<Arc<Limit>>,
    by_name: &mut HashMap<Box<str>, u32, FixedState>,
    owner: &str,
    limits: &[Arc<Limit>],
) -> Result<(), SnapshotError> {
    for (index, limit) in limits.iter().enumerate() {
        let name = format!("{owner}/{}", limit.rule.name).into_boxed_str();
        if by_name.insert(name, all.len() as u32).is_some() {
            return Err(SnapshotError::invalid(format!("limits[{index}]"), "the name is taken"));
        }
        all.push(Arc::clone(limit));
    }
    Ok(())
}

fn routing_table(document: &Document) -> Result<Table, SnapshotError> {
    let listeners = document.listeners.len();
    let matches = compile_all("routes", &document.routes, |route| Match::compile(route, listeners))?;
    let routes: Vec<_> = matches.iter().map(Match::as_route).collect();
    Ok(Table::build(&routes)?)
}

fn trusted_proxies(document: &Document) -> Result<Networks, SnapshotError> {
    Networks::parse(&document.trusted_proxies)
        .map_err(|index| SnapshotError::invalid(format!("trusted_proxies[{index}]"), "no network"))
}

/// Compiles every entry of a list; an error is placed at the entry it came from.
fn compile_all<D, C>(
    list: &str,
    entries: impl IntoIterator<Item = D>,
    compile: impl Fn(D) -> Result<C, SnapshotError>,
) -> Result<Vec<C>, SnapshotError> {
    let placed = |(index, entry)| compile(entry).map_err(|error| error.within(&format!("{list}[{index}]")));
    entries.into_iter().enumerate().map(placed).collect()
}

#[cfg(test)]
mod tests;
