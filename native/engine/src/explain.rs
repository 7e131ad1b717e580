//! Tells what becomes of a request and why, by the functions that decide it: nothing is counted, taken or sent.

use std::net::IpAddr;

use crate::address::Address;
use crate::answer::{Answer, Content, NoHost};
use crate::compression::{Coding, Wish};
use crate::cors::{announced_method, origin_of};
use crate::dispatch::{find_preflight, find_route, head_rules, objection, sender};
use crate::forwarding::{self, Sender};
use crate::http1::head::{find_end, slots, HeadFault, Request};
use crate::key::Subject;
use crate::reply::Reason;
use crate::routing::{host_without_port, Arrival};
use crate::snapshot::{Destination, Listener, Misfit, Parts, Route, Snapshot, SnapshotError};

/// A configuration whose decisions can be asked for.
#[derive(Debug)]
pub struct Explainer {
    snapshot: Snapshot,
    parts: Vec<Parts>,
}

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'e> {
    /// Who the request comes from.
    pub client: IpAddr,
    /// The host that it is routed by, and its path in the form that it is routed by; empty when it was not understood.
    pub host: String,
    /// See `host`.
    pub path: String,
    /// The index of the route that matches.
    pub route: Option<u32>,
    /// Why the gateway refuses it; `None` when the request goes on to the limits of its route.
    pub refusal: Option<Reason>,
    /// The index of the service that the request names; `None` where its route does not ask for a name.
    pub service: Option<u32>,
    /// What the route answers itself behind its limits; `None` where there is no such route, or where it leads to services.
    pub answer: Option<Answered>,
    /// How answers of instances go out that the route compresses; `None` where it compresses nothing.
    pub compressed: Option<Compressed>,
    /// What the page that asks is allowed; `None` where the route says nothing of pages of other origins.
    pub cross_origin: Option<CrossOrigin>,
    /// For each route that was not taken what does not fit; `None` where all fits and a more specific route was taken.
    /// Empty when the request was not understood.
    pub others: Vec<(u32, Option<Misfit<'e>>)>,
}

/// The answer of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// Where the client is to ask instead; `None` where it is not.
    pub location: Option<String>,
}

/// What a page is told of a route that says something of other origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossOrigin {
    /// The request is a preflight, which is answered before anything else is asked.
    pub is_preflight: bool,
    /// The page may read the answer, or make the request that it announces.
    pub is_allowed: bool,
}

/// How the answers to one request are compressed that its route compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressed {
    /// The coding; `None` where the request accepts none of them.
    pub coding: Option<Coding>,
    /// Only those are that say that they are for everybody.
    pub public_only: bool,
}

impl Explainer {
    /// Compiles what the supervisor would publish.
    pub fn compile(blob: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self { snapshot: Snapshot::compile(blob)?, parts: Parts::of_routes(blob)? })
    }

    /// The configuration.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What becomes of a request with this head that `peer` sends to a listener.
    pub fn explain(&self, head: &[u8], listener: u32, peer: IpAddr) -> Explanation<'_> {
        let (limits, kept) = head_rules(self.snapshot.listeners.get(listener as usize));
        let mut slots = slots();
        let parsed = match find_end(head, 0, &limits) {
            Ok(Some(end)) => Request::parse(&head[..end], &mut slots, &limits, kept),
            Ok(None) => Err(HeadFault::Malformed),
            Err(fault) => Err(fault),
        };
        let peer = Address::from(peer);
        match parsed.and_then(|request| request.expects_continue().map(|_| request)) {
            Ok(request) => self.explain_request(&request, listener, peer),
            Err(fault) => Explanation::refused(peer.ip(), fault.into()),
        }
    }

    fn explain_request(&self, request: &Request<'_, '_>, listener: u32, peer: Address) -> Explanation<'_> {
        let (host, path) = (text(host_without_port(request.host)), text(request.path()));
        let sender = match sender(&self.snapshot, peer, request) {
            Ok(sender) => sender,
            Err(fault) => {
                return Explanation { host, path, ..Explanation::refused(peer.ip(), fault.into()) };
            }
        };
        let client = sender.client.ip();
        let arrival = Arrival { request, client, is_trusted: sender.is_trusted, listener };
        let preflight = find_preflight(&self.snapshot, &arrival).map(|(index, route, _)| (index, route));
        let found = preflight.or_else(|| find_route(&self.snapshot, &arrival));
        let cross_origin = found.and_then(|(_, route)| route.cors()).map(|cors| CrossOrigin {
            is_preflight: preflight.is_some(),
            is_allowed: cors.policy.allows(origin_of(request)),
        });
        let snapshot = &self.snapshot;
        let listener = snapshot.listeners.get(listener as usize);
        let outcome = found.ok_or(Reason::NoRoute).and_then(|(_, route)| {
            if let Some(cors) = route.cors().filter(|_| preflight.is_some()) {
                return Ok((None, Some(Answered { status: cors.answer.status, location: None })));
            }
            let named = named_destination(route, request, client)?;
            let service = named.and_then(Destination::service);
            let mut destinations = named.map_or(route.destinations.all(), std::slice::from_ref).iter();
            let service_of =
                |destination: &Destination| snapshot.services.get(destination.service()? as usize);
            let is_closed =
                destinations.all(|destination| route.closed_to(service_of(destination), client).is_some());
            let objection = objection(route, listener, request).or(is_closed.then_some(Reason::Maintenance));
            match (objection, route.destinations.answer()) {
                (Some(reason), _) => Err(reason),
                (None, Some(answer)) => Ok((service, Some(answered(answer, request, &sender, listener)?))),
                (None, None) => Ok((service, None)),
            }
        });
        let ((service, answer), refusal) =
            outcome.map_or_else(|reason| ((None, None), Some(reason)), |told| (told, None));
        let goes_on = refusal.is_none() && preflight.is_none();
        let compressed = found.filter(|_| goes_on).and_then(|(_, it)| compressed(it, request));
        let route = found.map(|(index, _)| index);
        let others = (0..).zip(&self.parts).filter(|(index, _)| Some(*index) != route);
        let method = preflight.and_then(|_| announced_method(request)).unwrap_or(request.method);
        let others = others.map(|(index, parts)| (index, parts.first_misfit(&arrival, method))).collect();
        Explanation { client, host, path, route, refusal, service, answer, compressed, cross_origin, others }
    }
}

impl Explanation<'_> {
    fn refused(client: IpAddr, reason: Reason) -> Self {
        let (host, path, others) = (String::new(), String::new(), Vec::new());
        let (route, service, answer, compressed, cross_origin) = (None, None, None, None, None);
        let refusal = Some(reason);
        Self { client, host, path, route, refusal, service, answer, compressed, cross_origin, others }
    }
}

/// Where a request goes by the name that it gives; `None` where its route does not ask for a name.
fn named_destination<'r>(
    route: &'r Route,
    request: &Request<'_, '_>,
    client: IpAddr,
) -> Result<Option<&'r Destination>, Reason> {
    let subject = Subject { request, client, route: &route.name, service: "" };
    match route.destinations.named(&subject) {
        None => Ok(None),
        Some(named) => named.map(Some).ok_or(Reason::NoService),
    }
}

/// How the answers of instances to a request of this route are compressed: alike, whichever side of a split gives them.
fn compressed(route: &Route, request: &Request<'_, '_>) -> Option<Compressed> {
    let rules = route.destinations.all().iter().find_map(Destination::compression)?;
    let wish = Wish::of(rules, request);
    Some(Compressed { coding: wish.grade().map(|grade| grade.coding), public_only: wish.is_guarded() })
}

/// What a route answers, by the function that writes it.
fn answered(
    answer: &Answer,
    request: &Request<'_, '_>,
    sender: &Sender,
    listener: Option<&Listener>,
) -> Result<Answered, Reason> {
    let Content::Redirect(redirect) = &answer.content else {
        return Ok(Answered { status: answer.status, location: None });
    };
    let scheme = listener.map_or("http", |listener| listener.scheme.as_str());
    let scheme = forwarding::scheme(&request.fields, sender, scheme.as_bytes());
    let mut location = Vec::new();
    redirect.put_location(&mut location, request, scheme).map_err(|NoHost| Reason::BadHost)?;
    Ok(Answered { status: answer.status, location: Some(text(&location)) })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
