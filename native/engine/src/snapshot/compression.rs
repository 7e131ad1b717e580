//! What a route compresses as it is published, and what makes it valid.

use std::sync::Arc;

use serde::Deserialize;

use super::SnapshotError;
use crate::compression::{Compression, Grade, InvalidType, MediaTypes};

/// What a route compresses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompressionText {
    /// In the order of preference.
    codings: Vec<Grade>,
    types: Vec<String>,
    min_length: u64,
    with_credentials: bool,
}

impl CompressionText {
    pub(super) fn compile(&self) -> Result<Arc<Compression>, SnapshotError> {
        let Self { codings, types, min_length, with_credentials } = self;
        if codings.is_empty() {
            return Err(SnapshotError::invalid("codings", "must name one"));
        }
        for (index, Grade { coding, level }) in codings.iter().enumerate() {
            let place = format!("codings[{index}]");
            if codings[..index].iter().any(|earlier| earlier.coding == *coding) {
                return Err(SnapshotError::invalid(place, "the coding stands twice"));
            }
            if !(1..=Grade::MAX_LEVEL).contains(level) {
                let message = format!("must be from 1 to {}", Grade::MAX_LEVEL);
                return Err(SnapshotError::invalid(format!("{place}.level"), message));
            }
        }
        let types = MediaTypes::compile(types).map_err(|(index, InvalidType)| {
            SnapshotError::invalid(format!("types[{index}]"), "no media type")
        })?;
        Ok(Arc::new(Compression {
            grades: codings.as_slice().into(),
            types,
            min_length: *min_length,
            with_credentials: *with_credentials,
        }))
    }
}
