//! The decisions of an HTTP edge gateway, without I/O: bytes and the time go in, bytes and a verdict come out.
//!
//! No socket, no clock, no thread, no `unsafe`. Read in this order: [`http1`] understands messages, [`client_address`] finds
//! who asks, [`routing`] the route ([`dispatch`] puts these together, and [`explain`] says why), [`key`] what counts as one, [`split`] or [`naming`] tells which service of a route it gets to, [`limit`] counts tokens, [`selection`] picks the instance, [`rewrite`] makes the forwarded head
//! with what the route changes in it ([`edits`]), the content coding of its body ([`compression`]) and whose pages may read it ([`cors`]),
//! [`answer`] those that routes give themselves, [`reply`] the gateway's own, and [`connection`] is the state machine that puts them together,
//! also for what is no HTTP ([`pass_through`]).
//! [`snapshot`] is the compiled configuration; [`state`] is what is shared with the other workers.

#![forbid(unsafe_code)]

pub mod access_log;
pub mod address;
pub mod affinity;
pub mod answer;
pub mod askers;
pub mod client_address;
pub mod compression;
pub mod connection;
pub mod cors;
pub mod deadline;
pub mod dispatch;
pub mod edits;
pub mod explain;
pub mod fault;
pub mod forwarding;
pub mod http1;
pub mod key;
pub mod limit;
pub mod mirror;
pub mod naming;
pub mod pace;
pub mod pass_through;
pub mod pattern;
pub mod pool;
pub mod proxy_protocol;
pub mod queue;
pub mod random;
pub mod reply;
pub mod request_id;
pub mod rest;
pub mod retry_budget;
pub mod rewrite;
pub mod routing;
pub mod selection;
pub mod snapshot;
pub mod split;
pub mod state;
pub mod stock;
pub mod worker;
