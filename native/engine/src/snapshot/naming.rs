//! Routes that select a service by name as they are published, and what makes them valid.

use serde::Deserialize;

use super::{compile_all, Destination, Destinations, Service, SnapshotError};
use crate::key::Part;
use crate::naming::{Naming, Place};

/// The services of a route that requests name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamingText {
    place: PlaceText,
    services: Vec<NamedText>,
}

/// Where requests name them.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PlaceText {
    /// In the segment behind the prefix that the route matches.
    Segment,
    /// In what stands for the `*` of the host that the route matches.
    Host,
    /// In a part of its own.
    Part(String),
}

/// One service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedText {
    pub(super) service: u32,
    pub(super) rows: Vec<u32>,
}

impl NamingText {
    /// `prefix` and `host` are what the route matches; `destination` makes that of a service from the prefix that its
    /// requests have.
    pub(super) fn compile(
        self,
        prefix: Option<&str>,
        host: Option<&str>,
        services: &[Service],
        destination: impl Fn(NamedText, Option<&str>) -> Result<Destination, SnapshotError>,
    ) -> Result<Destinations, SnapshotError> {
        let place = self.place.compile(prefix, host)?;
        let name =
            |named: &NamedText| services.get(named.service as usize).map_or("", |service| &service.name);
        let naming = Naming::new(place.clone(), self.services.iter().map(name))
            .map_err(|index| SnapshotError::invalid(format!("services[{index}]"), "the name is taken"))?;
        let destinations = compile_all("services", self.services, |named| {
            let segment = |prefix: &str| format!("{prefix}/{}", name(&named));
            let segment = matches!(place, Place::Segment(_)).then(|| prefix.map(segment)).flatten();
            destination(named, segment.as_deref().or(prefix))
        })?;
        Ok(Destinations::Named(Box::new(naming), destinations.into_boxed_slice()))
    }
}

impl PlaceText {
    fn compile(self, prefix: Option<&str>, host: Option<&str>) -> Result<Place, SnapshotError> {
        match self {
            Self::Segment => prefix
                .map(|prefix| Place::Segment(prefix.len()))
                .ok_or_else(|| SnapshotError::invalid("place", "the route matches no prefix")),
            Self::Host => host
                .and_then(|host| host.strip_prefix('*'))
                .map(|end| Place::Host(end.strip_suffix('.').unwrap_or(end).len()))
                .ok_or_else(|| SnapshotError::invalid("place", "the route matches no hosts below another")),
            Self::Part(part) => Part::parse(&part)
                .map(Place::Part)
                .ok_or_else(|| SnapshotError::invalid("place", "no part of a request")),
        }
    }
}
