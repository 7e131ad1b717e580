//! What a route says of its exchanges for itself, in place of its listener, its services and the whole file or in their
//! absence: as it is published, and what makes it valid.

use std::sync::Arc;

use serde::Deserialize;

use super::cors::CorsText;
use super::document::{nanos, PageText};
use super::{compile_all, Cors, SnapshotError};
use crate::reply::Pages;

/// How long instances are waited for, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A connection may take to come about.
    pub connect: u64,
    /// An instance may take to begin its answer.
    pub first_byte: u64,
    /// An instance may pause within its answer.
    pub idle: u64,
    /// A tunnel may be idle in both directions.
    pub tunnel: u64,
}

/// What a route says of all answers to its requests, in place of its listener and of the whole file, whoever gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Bytes of a request body; `None` for what the listener says.
    pub max_body_bytes: Option<u64>,
    /// Pages for answers of the gateway's own; a status without one has that of the whole file.
    pub pages: Pages,
    /// What it allows pages of other origins; `None` where it says nothing of them.
    pub cors: Option<Cors>,
}

/// Time-outs in place of those of a service.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_field_names)] // each has its unit in its name
pub(super) struct TimeoutsText {
    connect_ms: Option<u64>,
    first_byte_ms: Option<u64>,
    idle_ms: Option<u64>,
    tunnel_ms: Option<u64>,
}

impl TimeoutsText {
    /// Those of the service but for what is said here.
    pub(super) fn compile(self, of_service: Timeouts) -> Result<Timeouts, SnapshotError> {
        let or = |place, own: Option<u64>, other| own.map_or(Ok(other), |millis| nanos(place, millis));
        Ok(Timeouts {
            connect: or("connect_ms", self.connect_ms, of_service.connect)?,
            first_byte: or("first_byte_ms", self.first_byte_ms, of_service.first_byte)?,
            idle: or("idle_ms", self.idle_ms, of_service.idle)?,
            tunnel: or("tunnel_ms", self.tunnel_ms, of_service.tunnel)?,
        })
    }
}

/// The terms of a route.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TermsText {
    max_body_bytes: Option<u64>,
    errors: Vec<PageText>,
    cors: Option<CorsText>,
}

impl TermsText {
    /// Do they say which pages may read answers?
    pub(super) fn says_who_reads(&self) -> bool {
        self.cors.is_some()
    }

    /// `None` where nothing is said. `route`: its name; `listeners`: how many the document has.
    pub(super) fn compile(self, route: &str, listeners: usize) -> Result<Option<Arc<Terms>>, SnapshotError> {
        let pages = compile_all("errors", self.errors, PageText::compile)?.into_iter().collect();
        let cors = self.cors.map(|cors| cors.compile(route, listeners)).transpose();
        let cors = cors.map_err(|error| error.within("cors"))?;
        let terms = Terms { max_body_bytes: self.max_body_bytes, pages, cors };
        Ok((terms != Terms::default()).then(|| Arc::new(terms)))
    }
}
