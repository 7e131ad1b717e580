//! Finds the route of a request, with the precedence of the Kubernetes Gateway API.
//!
//! Of all routes that match, the most specific wins: an exact host before a longer wildcard before a shorter one before
//! any host; then an exact path before a pattern before a longer prefix before a shorter one before any path; then what
//! [`rules`] says: a route that names the method before one that takes all, then the one with more [`conditions`], then the
//! earlier in the file. The levels are tried in this order and the first that answers wins, so a route that fails at
//! the path, the method or a condition stops no less specific one. What a lookup costs depends on the depth of the
//! registered names, the patterns of the host, and the routes that share host and path; never on the number of all
//! routes. It allocates nothing, but where a query parameter that is asked for came encoded.

mod by_path;
mod conditions;
mod host;
mod path;
mod query;
mod rules;

use std::fmt;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

pub use conditions::{Arrival, Conditions, Named, Test, Unmet};
pub use host::host_without_port;
pub(crate) use host::{canonical as canonical_host, MAX_HOST};

use crate::pattern::Pattern;
use host::HostPattern;
use path::PathRoutes;
use rules::Rule;

/// Keys come from the configuration, never from a request, so a fixed seed gives an attacker nothing to collide.
type ByName<V> = HashMap<Box<[u8]>, V, FixedState>;

/// What a route asks of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteMatch<'a> {
    /// `None` for any host, `api.example.com`, or `*.example.com` for one or more labels to the left of `example.com`.
    pub host: Option<&'a str>,
    /// `None` for any path, `/v1` for exactly that, `/v1/*` for `/v1` and everything below it.
    pub path: Option<&'a str>,
    /// What the path matches; beside it there is no `path`.
    pub pattern: Option<&'a Pattern>,
    /// Method names, which are case-sensitive (RFC 9110 §9.1); empty for all.
    pub methods: &'a [String],
    /// What else is asked.
    pub conditions: Option<&'a Conditions>,
}

/// A route that cannot be put into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingError {
    /// Index of the route.
    pub route: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for RoutingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "routes[{}]: {}", self.route, self.problem)
    }
}

impl std::error::Error for RoutingError {}

/// All routes of a configuration, immutable once built.
#[derive(Debug, Default)]
pub struct Table {
    exact: ByName<PathRoutes>,
    /// By the part after `*.`.
    wildcard: ByName<PathRoutes>,
    any: PathRoutes,
    /// The most labels that a wildcard has after its `*.`: longer ends of a host need no look.
    wildcard_labels: usize,
}

impl Table {
    /// Builds the table; a route is known by its index from here on.
    pub fn build(routes: &[RouteMatch]) -> Result<Self, RoutingError> {
        let mut table = Self::default();
        for (index, route) in routes.iter().enumerate() {
            table.add(index, route).map_err(|problem| RoutingError { route: index, problem })?;
        }
        Ok(table)
    }

    fn add(&mut self, index: usize, route: &RouteMatch) -> Result<(), &'static str> {
        let number = u32::try_from(index).map_err(|_| "too many routes")?;
        let paths = match HostPattern::parse(route.host)? {
            HostPattern::Any => &mut self.any,
            HostPattern::Exact(name) => self.exact.entry(name).or_default(),
            HostPattern::Below(name) => {
                self.wildcard_labels = self.wildcard_labels.max(host::labels(&name));
                self.wildcard.entry(name).or_default()
            }
        };
        paths.add(route, Rule::new(route, number))
    }

    /// The index of the route that answers the request.
    ///
    /// `host` comes without its port (see [`host_without_port`]) in any case and with or without the root's dot; `path`
    /// comes without its query. `met` is asked whether the request meets the conditions of a route that fits otherwise.
    pub fn find(
        &self,
        host: &[u8],
        path: &[u8],
        method: &[u8],
        met: impl Fn(&Conditions) -> bool,
    ) -> Option<u32> {
        let find = |paths: &PathRoutes| paths.find(path, method, &met);
        self.find_by_host(host, find).or_else(|| find(&self.any))
    }

    fn find_by_host(&self, host: &[u8], find: impl Fn(&PathRoutes) -> Option<u32>) -> Option<u32> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return None;
        }
        let mut buffer = [0; host::MAX_HOST];
        let host = host::canonical(host, &mut buffer)?;
        self.exact.get(host).and_then(&find).or_else(|| self.find_by_parent(host, find))
    }

    fn find_by_parent(&self, host: &[u8], find: impl Fn(&PathRoutes) -> Option<u32>) -> Option<u32> {
        if self.wildcard.is_empty() {
            return None;
        }
        host::parents(host, self.wildcard_labels).find_map(|parent| find(self.wildcard.get(parent)?))
    }
}

#[cfg(test)]
mod tests;
