//! The matches of all routes taken apart, so that each part can be asked for itself why a route does not match.

use super::document::Document;
use super::matching::Match;
use super::{compile_all, SnapshotError};
use crate::routing::{host_without_port, Arrival, Conditions, RouteMatch, Table, Unmet};

/// The first part of a match that a request does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit<'p> {
    /// The host.
    Host,
    /// The path.
    Path,
    /// The method.
    Method,
    /// A condition.
    Condition(Unmet<'p>),
}

/// The match of one route: for each part a table with a route that has that part alone. What such a table finds, the
/// table of all routes finds as well.
#[derive(Debug)]
pub struct Parts {
    host: Table,
    path: Table,
    method: Table,
    conditions: Conditions,
}

impl Parts {
    /// Takes the matches of a published snapshot apart, in the order of its routes.
    pub fn of_routes(blob: &[u8]) -> Result<Vec<Self>, SnapshotError> {
        let document: Document =
            serde_json::from_slice(blob).map_err(|error| SnapshotError::malformed(&error))?;
        let listeners = document.listeners.len();
        compile_all("routes", &document.routes, |route| {
            let matched = Match::compile(route, listeners)?;
            let RouteMatch { host, path, pattern, methods, .. } = matched.as_route();
            Ok(Self {
                host: Table::build(&[RouteMatch { host, ..RouteMatch::default() }])?,
                path: Table::build(&[RouteMatch { path, pattern, ..RouteMatch::default() }])?,
                method: Table::build(&[RouteMatch { methods, ..RouteMatch::default() }])?,
                conditions: matched.into_conditions(),
            })
        })
    }

    /// What of the match the request does not fit first, in the order of precedence; `None` when it fits it all. `method`: the
    /// one that it is matched by.
    pub fn first_misfit(&self, arrival: &Arrival<'_>, method: &[u8]) -> Option<Misfit<'_>> {
        let request = arrival.request;
        let host = host_without_port(request.host);
        let fits = |table: &Table| table.find(host, request.path(), method, |_| false).is_some();
        if !fits(&self.host) {
            return Some(Misfit::Host);
        }
        if !fits(&self.path) {
            return Some(Misfit::Path);
        }
        if !fits(&self.method) {
            return Some(Misfit::Method);
        }
        self.conditions.first_unmet(arrival).map(Misfit::Condition)
    }
}
