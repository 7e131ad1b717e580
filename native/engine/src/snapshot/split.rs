//! Splits as they are published, and what makes them valid.

use serde::Deserialize;

use super::{compile_all, Destination, Destinations, Service, SnapshotError};
use crate::key::Part;
use crate::split::{Side, Split, WHOLE};

/// A split of a route's requests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitText {
    sides: Vec<SideText>,
    /// The part of requests that may name a side.
    named_by: Option<String>,
    /// The part of requests by which they stay together.
    sticky: Option<String>,
}

/// One side.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SideText {
    pub(super) service: u32,
    share: u32,
    pub(super) rows: Vec<u32>,
}

impl SplitText {
    /// `destination` makes that of a side.
    pub(super) fn compile(
        self,
        services: &[Service],
        destination: impl Fn(SideText) -> Result<Destination, SnapshotError>,
    ) -> Result<Destinations, SnapshotError> {
        let named_by = part("named_by", self.named_by)?;
        let sticky = part("sticky", self.sticky)?;
        let name = |side: &SideText| services.get(side.service as usize).map_or("", |service| &service.name);
        let shares = self.sides.iter().map(|side| Side::new(name(side), side.share)).collect();
        let split = Split::new(shares, named_by, sticky).map_err(|total| {
            SnapshotError::invalid("sides", format!("add up to {total} and not to {WHOLE}"))
        })?;
        let destinations = compile_all("sides", self.sides, destination)?;
        Ok(Destinations::Split(Box::new(split), destinations.into_boxed_slice()))
    }
}

fn part(place: &str, text: Option<String>) -> Result<Option<Part>, SnapshotError> {
    let Some(text) = text else { return Ok(None) };
    Part::parse(&text).map(Some).ok_or_else(|| SnapshotError::invalid(place, "no part of a request"))
}
