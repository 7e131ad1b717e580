//! The snapshot as it is published: the shape of the JSON, a module for each table of it and what makes an entry valid.

mod limit;
mod listener;
mod page;
mod route;
mod service;

use serde::Deserialize;

pub(super) use listener::ListenerText;
pub use listener::Scheme;
pub(super) use page::{page, PageText};
pub(super) use route::RouteText;
pub(super) use service::ServiceText;

use super::{Snapshot, SnapshotError};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// The whole document. Unknown keys at this level are for other readers of the same snapshot.
#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) epoch: u64,
    #[serde(default)]
    pub(super) access_log: bool,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    #[serde(default)]
    pub(super) errors: Vec<PageText>,
    pub(super) listeners: Vec<ListenerText>,
    pub(super) services: Vec<ServiceText>,
    pub(super) routes: Vec<RouteText>,
}

/// One row for each listener.
pub(super) fn for_each(rows: Vec<u32>, listeners: usize) -> Result<Vec<u32>, SnapshotError> {
    if rows.len() == listeners {
        Ok(rows)
    } else {
        Err(SnapshotError::invalid("rows", format!("there are {listeners} listeners")))
    }
}

/// Extra tries after the first.
fn tries(tries: u8) -> Result<u8, SnapshotError> {
    if tries > Snapshot::MAX_TRIES {
        return Err(SnapshotError::invalid("tries", format!("more than {}", Snapshot::MAX_TRIES)));
    }
    Ok(tries)
}

/// A time-out in nanoseconds.
pub(super) fn nanos(place: &str, millis: u64) -> Result<u64, SnapshotError> {
    positive(place, millis)?
        .checked_mul(NANOS_PER_MILLI)
        .ok_or_else(|| SnapshotError::invalid(place, "longer than 64 bits of nanoseconds"))
}

/// A duration in nanoseconds that may be 0.
fn nanos_or_0(place: &str, millis: u64) -> Result<u64, SnapshotError> {
    if millis == 0 {
        Ok(0)
    } else {
        nanos(place, millis)
    }
}

/// A bound that must let something through.
fn positive<N: Default + PartialEq>(place: &str, number: N) -> Result<N, SnapshotError> {
    if number == N::default() {
        return Err(SnapshotError::invalid(place, "must be above 0"));
    }
    Ok(number)
}
