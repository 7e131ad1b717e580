//! The changes of a route as they are published, and what makes them valid.

use std::sync::Arc;

use serde::Deserialize;

use super::SnapshotError;
use crate::cors;
use crate::edits::{Direction, Edits, FieldEdits, FieldRules, Names, PathRewrite, Rewrite};
use crate::http1::path;
use crate::http1::syntax::is_host;

/// What a route changes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EditsText {
    request: FieldsText,
    response: FieldsText,
    rewrite: RewriteText,
}

impl EditsText {
    /// `None` if it changes nothing. `prefix`: the beginning of paths that the route matches, if it matches one;
    /// `says_who_reads`: the fields of CORS in answers are its own.
    pub(super) fn compile(
        &self,
        prefix: Option<&str>,
        names: Names<'_>,
        says_who_reads: bool,
    ) -> Result<Option<Arc<Edits>>, SnapshotError> {
        let response = self.response.compile(Direction::Response, names);
        let response = response.map_err(|it| it.within("response"))?;
        let edits = Edits {
            request: self.request.compile(Direction::Request, names).map_err(|it| it.within("request"))?,
            response: if says_who_reads { response.replacing(&cors::FIELDS) } else { response },
            rewrite: self.rewrite.compile(prefix).map_err(|error| error.within("rewrite"))?,
        };
        Ok((edits != Edits::default()).then(|| Arc::new(edits)))
    }

    /// The rules for answers alone, where nothing is passed on.
    pub(super) fn answer_fields(&self, names: Names<'_>) -> Result<FieldEdits, SnapshotError> {
        self.response.compile(Direction::Response, names).map_err(|it| it.within("edits.response"))
    }
}

/// Rules about fields: names and values in the order of the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FieldsText {
    set: Vec<(String, String)>,
    add: Vec<(String, String)>,
    remove: Vec<String>,
}

impl FieldsText {
    fn compile(&self, direction: Direction, names: Names<'_>) -> Result<FieldEdits, SnapshotError> {
        let Self { set, add, remove } = self;
        FieldEdits::compile(direction, FieldRules { set, add, remove }, names)
            .map_err(|(name, problem)| SnapshotError::invalid(name, problem))
    }
}

/// Another path or host.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RewriteText {
    path: Option<PathText>,
    host: Option<String>,
}

impl RewriteText {
    fn compile(&self, prefix: Option<&str>) -> Result<Rewrite, SnapshotError> {
        let host = self.host.as_deref().map(host).transpose()?;
        let path = self.path.as_ref().map_or(Ok(PathRewrite::Keep), |path| path.compile(prefix))?;
        Ok(Rewrite { path, host })
    }
}

/// Another path.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PathText {
    /// This one.
    Whole(String),
    /// This beginning in place of the prefix that the route matches.
    Prefix(String),
}

impl PathText {
    /// Only what is canonical may stand in a path that instances or clients get.
    pub(super) fn compile(&self, prefix: Option<&str>) -> Result<PathRewrite, SnapshotError> {
        let (Self::Whole(path) | Self::Prefix(path)) = self;
        if !path::is_canonical(path.as_bytes()) {
            return Err(SnapshotError::invalid("path", "no canonical path"));
        }
        match self {
            Self::Whole(path) => Ok(PathRewrite::Whole(path.as_bytes().into())),
            Self::Prefix(with) => prefix
                .map(|matched| PathRewrite::prefix(matched, with))
                .ok_or_else(|| SnapshotError::invalid("path", "the route matches no prefix")),
        }
    }
}

/// A host, perhaps with a port.
pub(super) fn host(host: &str) -> Result<Box<[u8]>, SnapshotError> {
    if host.is_empty() || !is_host(host.as_bytes()) {
        return Err(SnapshotError::invalid("host", "no host"));
    }
    Ok(host.as_bytes().into())
}
