//! Where connections come in: the bounds of a listener, and whom one that reads nothing passes them through to.

use serde::Deserialize;

use super::{nanos, positive, tries};
use crate::access_log;
use crate::http1::path::Spelling;
use crate::pace::MinRate;
use crate::snapshot::{Listener, Passage, Service, SnapshotError};

/// What the clients of a listener speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// Whatever it is, it is passed through.
    Tcp,
}

impl Scheme {
    /// The scheme as URIs and `X-Forwarded-Proto` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct ListenerText {
    name: String,
    scheme: Scheme,
    #[serde(default)]
    proxy_protocol: bool,
    row: u32,
    header_timeout_ms: u64,
    body_idle_timeout_ms: u64,
    keepalive_timeout_ms: u64,
    write_timeout_ms: u64,
    min_bytes_per_second: u64,
    max_head_bytes: usize,
    max_line_bytes: usize,
    max_fields: usize,
    max_target_bytes: usize,
    max_body_bytes: Option<u64>,
    max_requests: Option<u64>,
    max_age_ms: Option<u64>,
    #[serde(default)]
    keep_in_paths: Vec<Spelling>,
    max_connections_per_client: Option<u32>,
    passage: Option<PassageText>,
}

impl ListenerText {
    /// `services`: those of the document.
    pub(in crate::snapshot) fn compile(self, services: &[Service]) -> Result<Listener, SnapshotError> {
        if self.passage.is_some() != (self.scheme == Scheme::Tcp) {
            return Err(SnapshotError::invalid("passage", "belongs to the scheme \"tcp\", and to no other"));
        }
        Ok(Listener {
            header_timeout: nanos("header_timeout_ms", self.header_timeout_ms)?,
            body_idle_timeout: nanos("body_idle_timeout_ms", self.body_idle_timeout_ms)?,
            keepalive_timeout: nanos("keepalive_timeout_ms", self.keepalive_timeout_ms)?,
            write_timeout: nanos("write_timeout_ms", self.write_timeout_ms)?,
            min_rate: MinRate::per_second(self.min_bytes_per_second),
            max_head_bytes: positive("max_head_bytes", self.max_head_bytes)?,
            max_line_bytes: positive("max_line_bytes", self.max_line_bytes)?,
            max_fields: positive("max_fields", self.max_fields)?,
            max_target_bytes: positive("max_target_bytes", self.max_target_bytes)?,
            // No body at all is a bound that makes sense; no request at all is not.
            max_body_bytes: self.max_body_bytes,
            max_requests: self.max_requests.map(|most| positive("max_requests", most)).transpose()?,
            max_age: self.max_age_ms.map(|most| nanos("max_age_ms", most)).transpose()?,
            kept: self.keep_in_paths.into_iter().collect(),
            max_connections_per_client: self
                .max_connections_per_client
                .map(|most| positive("max_connections_per_client", most))
                .transpose()?,
            passage: self
                .passage
                .map(|passage| passage.compile(services).map_err(|error| error.within("passage")))
                .transpose()?,
            name: self.name,
            scheme: self.scheme,
            proxy_protocol: self.proxy_protocol,
            row: self.row,
        })
    }
}

/// Where a listener passes its connections through to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PassageText {
    /// `None`: the service is configured no more.
    service: Option<u32>,
    tries: u8,
}

impl PassageText {
    fn compile(self, services: &[Service]) -> Result<Passage, SnapshotError> {
        let find = |index| {
            let message = || format!("there are {} services", services.len());
            services.get(index as usize).ok_or_else(|| SnapshotError::invalid("service", message()))
        };
        let service = self.service.map(find).transpose()?;
        let logged = access_log::names(None, service.map(|service| service.name.as_str()));
        Ok(Passage { service: self.service, tries: tries(self.tries)?, logged })
    }
}
