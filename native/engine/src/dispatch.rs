//! Where a request goes, and what refuses it on its way there, before anything is counted or taken for it: pure functions
//! of a configuration and a head, so that [`crate::explain`] tells what [`crate::connection`] does.

use crate::address::Address;
use crate::client_address::{client_address, ForwardingFault};
use crate::cors::announced_method;
use crate::forwarding::{self, Sender};
use crate::http1::framing::Framing;
use crate::http1::head::{HeadLimits, Request};
use crate::http1::path::Kept;
use crate::reply::Reason;
use crate::routing::{host_without_port, Arrival, Conditions};
use crate::snapshot::{Cors, Listener, Route, Snapshot, Terms};

/// How often a request may have passed a gateway of our kind. A chain of a few is legal, an edge before a sidecar, say.
const MAX_HOPS: usize = 8;

/// What holds for a connection whose listener is gone; its requests find no route anyway.
const NO_LISTENER: HeadLimits = HeadLimits { head: 32 * 1024, line: 8 * 1024, fields: 100, target: 8 * 1024 };

/// How a head is to be parsed that came in at a listener.
pub fn head_rules(listener: Option<&Listener>) -> (HeadLimits, Kept) {
    let Some(listener) = listener else { return (NO_LISTENER, Kept::NONE) };
    let limits = HeadLimits {
        head: listener.max_head_bytes,
        line: listener.max_line_bytes,
        fields: listener.max_fields,
        target: listener.max_target_bytes,
    };
    (limits, listener.kept)
}

/// Who a request comes from, as far as those through whom it came are trusted.
pub fn sender(
    snapshot: &Snapshot,
    peer: Address,
    request: &Request<'_, '_>,
) -> Result<Sender, ForwardingFault> {
    let trusted = &snapshot.trusted_proxies;
    if !trusted.contains(peer.ip()) {
        return Ok(Sender::of(peer));
    }
    let client = client_address(peer.ip(), trusted, forwarding::fields(&request.fields))?;
    Ok(Sender { peer, client: client.into(), is_trusted: true })
}

/// The index of the route that takes a request, and the route.
pub fn find_route<'s>(snapshot: &'s Snapshot, arrival: &Arrival<'_>) -> Option<(u32, &'s Route)> {
    find_by_method(snapshot, arrival, arrival.request.method, |conditions| conditions.are_met(arrival))
}

/// The route that a preflight is for, and what that allows: the one that takes the request which is announced. Where that
/// route says nothing of other origins, or where there is none, an OPTIONS is a request like any other.
#[inline]
pub fn find_preflight<'s>(
    snapshot: &'s Snapshot,
    arrival: &Arrival<'_>,
) -> Option<(u32, &'s Route, &'s Cors)> {
    find_announced(snapshot, arrival, announced_method(arrival.request)?)
}

#[cold] // of most requests
fn find_announced<'s>(
    snapshot: &'s Snapshot,
    arrival: &Arrival<'_>,
    method: &[u8],
) -> Option<(u32, &'s Route, &'s Cors)> {
    let met = |conditions: &Conditions| conditions.are_met(arrival);
    let (index, route) = find_by_method(snapshot, arrival, method, met)?;
    Some((index, route, route.cors()?))
}

/// `met` is each caller's own, though they are alike: so each has its own copy of the lookup, and that of ordinary requests
/// stands where it is called, which saves 30 instructions of each.
fn find_by_method<'s>(
    snapshot: &'s Snapshot,
    arrival: &Arrival<'_>,
    method: &[u8],
    met: impl Fn(&Conditions) -> bool,
) -> Option<(u32, &'s Route)> {
    let request = arrival.request;
    let index = snapshot.table.find(host_without_port(request.host), request.path(), method, met)?;
    Some((index, snapshot.routes.get(index as usize)?))
}

/// Bytes that a request's body may have, by its route or else by its listener; `None` for no bound.
#[inline]
pub fn max_body_bytes(terms: Option<&Terms>, listener: Option<&Listener>) -> Option<u64> {
    let own = terms.and_then(|terms| terms.max_body_bytes);
    own.or_else(|| listener.and_then(|listener| listener.max_body_bytes))
}

/// Why a route does not take a request that it matches.
pub fn objection(route: &Route, listener: Option<&Listener>, request: &Request<'_, '_>) -> Option<Reason> {
    if request.method == b"TRACE" && !route.traces {
        return Some(Reason::TraceNotOffered);
    }
    if request.hops_left() == Some(0) {
        return Some(Reason::LastHop);
    }
    if request.fields.hops() >= MAX_HOPS {
        return Some(Reason::Loop);
    }
    if request.framing != Framing::Empty && request.upgrade().is_some() {
        return Some(Reason::UpgradeWithBody);
    }
    let most = max_body_bytes(route.terms.as_deref(), listener)?;
    matches!(request.framing, Framing::Length(length) if length > most).then_some(Reason::BodyTooLarge)
}
