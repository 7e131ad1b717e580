//! Maintenance: what a route or a service answers while it lets only some clients in, as it is published, and what makes it
//! valid.

use std::net::IpAddr;

use serde::Deserialize;

use super::document::page;
use super::SnapshotError;
use crate::address::Networks;
use crate::reply::Page;

/// A route or service that lets only some clients in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Whose requests go on.
    pub admitted: Networks,
    /// Seconds after which the others may try again.
    pub retry_after: Option<u64>,
    /// What they get to read.
    pub page: Option<Page>,
}

/// One as it is published.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaintenanceText {
    admitted: Vec<String>,
    retry_after_s: Option<u64>,
    page: Option<PageText>,
}

/// A page for whatever status.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageText {
    content_type: String,
    body: String,
}

impl Maintenance {
    /// Does it keep this client out?
    pub fn keeps_out(&self, client: IpAddr) -> bool {
        !self.admitted.contains(client)
    }
}

impl MaintenanceText {
    pub(super) fn compile(self) -> Result<Maintenance, SnapshotError> {
        let admitted = Networks::parse(&self.admitted).map_err(|index| {
            SnapshotError::invalid(format!("maintenance.admitted[{index}]"), "no network")
        })?;
        let of = |text: PageText| page(text.content_type, text.body);
        let page = self.page.map(of).transpose().map_err(|error| error.within("maintenance.page"))?;
        Ok(Maintenance { admitted, retry_after: self.retry_after_s, page })
    }
}
