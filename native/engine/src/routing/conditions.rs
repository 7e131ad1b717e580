//! What a route asks of a request beside host, path and method: header fields, cookies, query parameters, its client, its
//! listener.
//!
//! Only what the instance would get, or the gateway believes, counts: a field that ends here, one that imitates a known
//! name, and forwarding fields of a sender that is not trusted are as if they had not been sent. What comes several times
//! meets a condition when one of them does, so that a second value leads around no rule.

use std::net::IpAddr;

use httparse::Header;

use super::query;
use crate::address::Networks;
use crate::http1::fields::{is_spelled, Field};
use crate::http1::head::Request;
use crate::key::cookies_of;
use crate::pattern::Pattern;
use crate::request_id::is_well_formed;

/// A request, and what the gateway knows of how it came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The head.
    pub request: &'a Request<'a, 'a>,
    /// Who it comes from.
    pub client: IpAddr,
    /// Was it sent by a trusted proxy?
    pub is_trusted: bool,
    /// Number of the listener that it came in at.
    pub listener: u32,
}

/// What is asked of a value.
#[derive(Clone, Debug)]
pub enum Test {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It is this one, byte by byte.
    Exact(Box<[u8]>),
    /// The expression matches it.
    Pattern(Pattern),
}

impl Test {
    /// Do all the values that there are of one name pass?
    fn accepts<V: AsRef<[u8]>>(&self, mut values: impl Iterator<Item = V>) -> bool {
        match self {
            Self::Present => values.next().is_some(),
            Self::Absent => values.next().is_none(),
            Self::Exact(expected) => values.any(|value| value.as_ref() == &**expected),
            Self::Pattern(pattern) => values.any(|value| pattern.matches(value.as_ref())),
        }
    }
}

/// What is asked of the values of one name.
#[derive(Clone, Debug)]
pub struct Named {
    /// Of a header field in lower case and with dashes for underscores; otherwise as it stands.
    pub name: Box<str>,
    /// What is asked.
    pub test: Test,
}

/// Everything that a route asks beside host, path and method.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Header fields.
    pub headers: Box<[Named]>,
    /// Cookies, whose names are case-sensitive.
    pub cookies: Box<[Named]>,
    /// Query parameters, whose names are case-sensitive.
    pub query: Box<[Named]>,
    /// Networks that the client is in one of; `None` for any.
    pub clients: Option<Networks>,
    /// Numbers of the listeners that the request came in at one of; empty for any.
    pub listeners: Box<[u32]>,
}

/// A condition that a request does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet<'c> {
    /// It came in elsewhere.
    Listener,
    /// It comes from somebody else.
    Client,
    /// A header field of this name.
    Header(&'c str),
    /// A cookie of this name.
    Cookie(&'c str),
    /// A query parameter of this name.
    Query(&'c str),
}

impl Conditions {
    /// Is nothing asked?
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
            && self.cookies.is_empty()
            && self.query.is_empty()
            && self.clients.is_none()
            && self.listeners.is_empty()
    }

    /// What precedence goes by: header fields (a cookie is a part of one), parameters, clients, listeners.
    pub(super) fn rank(&self) -> (usize, usize, bool, bool) {
        let fields = self.headers.len() + self.cookies.len();
        (fields, self.query.len(), self.clients.is_some(), !self.listeners.is_empty())
    }

    /// Does the request meet them all?
    #[inline]
    pub fn are_met(&self, arrival: &Arrival<'_>) -> bool {
        self.first_unmet(arrival).is_none()
    }

    /// The first that the request does not meet, the cheapest to tell first.
    pub fn first_unmet(&self, arrival: &Arrival<'_>) -> Option<Unmet<'_>> {
        let request = arrival.request;
        if !self.listeners.is_empty() && !self.listeners.contains(&arrival.listener) {
            return Some(Unmet::Listener);
        }
        if self.clients.as_ref().is_some_and(|networks| !networks.contains(arrival.client)) {
            return Some(Unmet::Client);
        }
        let header = |it: &&Named| !it.test.accepts(fields(arrival, it.name.as_bytes()));
        let cookie =
            |it: &&Named| !it.test.accepts(cookies_of(fields(arrival, b"cookie"), it.name.as_bytes()));
        let parameter = |it: &&Named| !it.test.accepts(query::values(request.query(), &it.name));
        let headers = || self.headers.iter().find(header).map(|it| Unmet::Header(&it.name));
        let in_cookies = || self.cookies.iter().find(cookie).map(|it| Unmet::Cookie(&it.name));
        let in_query = || self.query.iter().find(parameter).map(|it| Unmet::Query(&it.name));
        headers().or_else(in_cookies).or_else(in_query)
    }
}

/// The values of the fields of this name that count: those that go on as they came, and those that the gateway puts in their place
/// with the same value.
fn fields<'a>(arrival: &'a Arrival<'_>, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let Arrival { request, is_trusted, .. } = arrival;
    let counts = move |header: &Header<'_>, kind: Field| match kind {
        Field::Host | Field::Expect => true,
        Field::Forwarded => *is_trusted,
        Field::Upgrade => request.upgrade().is_some(),
        Field::RequestId => request.fields.request_id().is_some_and(is_well_formed),
        _ => request.passes_on(kind) && !request.fields.is_nominated(header.name.as_bytes()),
    };
    request
        .fields
        .iter()
        .filter(move |(header, kind)| is_spelled(header.name.as_bytes(), name) && counts(header, *kind))
        .map(|(header, _)| header.value)
}

#[cfg(test)]
mod tests;
