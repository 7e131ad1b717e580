//! Mirrors as they are published, and what makes them valid.

use serde::Deserialize;

use super::{Backend, Service, SnapshotError};
use crate::mirror::Mirror;
use crate::split::WHOLE;

/// The mirror of a route.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MirrorText {
    service: u32,
    share: u32,
    row: u32,
}

impl MirrorText {
    pub(super) fn compile(self, services: &[Service]) -> Result<Box<Mirror>, SnapshotError> {
        if self.service as usize >= services.len() {
            return Err(SnapshotError::invalid("service", format!("there are {} services", services.len())));
        }
        if !(1..=WHOLE).contains(&self.share) {
            return Err(SnapshotError::invalid("share", format!("must be from 1 to {WHOLE}")));
        }
        let backend = Backend::plain(self.service);
        Ok(Box::new(Mirror { backend, share: self.share, row: self.row }))
    }
}
