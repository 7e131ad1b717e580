//! The pages that take the place of the gateway's own: a status code, bytes and their type.

use serde::Deserialize;

use crate::reply::Page;
use crate::snapshot::SnapshotError;

/// A page for one status code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::snapshot) struct PageText {
    status: u16,
    content_type: String,
    body: String,
}

impl PageText {
    pub(in crate::snapshot) fn compile(self) -> Result<(u16, Page), SnapshotError> {
        if !(400..=599).contains(&self.status) {
            return Err(SnapshotError::invalid("status", "must be from 400 to 599"));
        }
        Ok((self.status, page(self.content_type, self.body)?))
    }
}

/// Bytes with their type, which stands in the head of answers, so nothing in it may end a line.
pub(in crate::snapshot) fn page(content_type: String, body: String) -> Result<Page, SnapshotError> {
    if content_type.is_empty() || !content_type.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return Err(SnapshotError::invalid("content_type", "must be printable ASCII"));
    }
    let body = body.into_bytes().into_boxed_slice();
    Ok(Page { content_type: content_type.into_boxed_str(), body })
}
