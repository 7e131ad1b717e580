//! Injected faults as they are published, and what makes them valid.

use serde::Deserialize;

use super::document::nanos;
use super::SnapshotError;
use crate::fault::Fault;
use crate::split::WHOLE;

/// The faults of a route.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultText {
    abort: Option<AbortText>,
    delay: Option<DelayText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AbortText {
    status: u16,
    share: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DelayText {
    delay_ms: u64,
    share: u32,
}

impl FaultText {
    pub(super) fn compile(self) -> Result<Box<Fault>, SnapshotError> {
        let abort = self.abort.map(|abort| abort.compile().map_err(|it| it.within("abort"))).transpose()?;
        let delay = self.delay.map(|delay| delay.compile().map_err(|it| it.within("delay"))).transpose()?;
        Ok(Box::new(Fault { abort, delay }))
    }
}

impl AbortText {
    fn compile(self) -> Result<(u32, u16), SnapshotError> {
        if !(400..=599).contains(&self.status) {
            return Err(SnapshotError::invalid("status", "must be from 400 to 599"));
        }
        Ok((share(self.share)?, self.status))
    }
}

impl DelayText {
    fn compile(self) -> Result<(u32, u64), SnapshotError> {
        Ok((share(self.share)?, nanos("delay_ms", self.delay_ms)?))
    }
}

fn share(share: u32) -> Result<u32, SnapshotError> {
    if (1..=WHOLE).contains(&share) {
        Ok(share)
    } else {
        Err(SnapshotError::invalid("share", format!("must be from 1 to {WHOLE}")))
    }
}
