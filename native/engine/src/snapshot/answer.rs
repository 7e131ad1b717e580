//! The answers that routes give themselves as they are published, and what makes them valid.

use std::sync::Arc;

use serde::Deserialize;

use super::edits::{host, EditsText, PathText};
use super::SnapshotError;
use crate::answer::{Answer, Content, Redirect};
use crate::edits::{Names, PathRewrite};
use crate::reply::Page;
use crate::routing::host_without_port;

/// What a client that follows a redirect is told by its status (RFC 9110 §15.4).
const REDIRECT_STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// An answer.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerText {
    /// The client is to ask somewhere else.
    Redirect(RedirectText),
    /// The same for everybody.
    Fixed(FixedText),
}

impl AnswerText {
    /// `prefix`: the beginning of paths that the route matches, if it matches one. `edits`: its rules for answers.
    pub(super) fn compile(
        self,
        prefix: Option<&str>,
        edits: &EditsText,
        route: &str,
    ) -> Result<Arc<Answer>, SnapshotError> {
        let fields = edits.answer_fields(Names { route, service: "" })?;
        let (status, content) = match self {
            Self::Redirect(redirect) => redirect.compile(prefix).map_err(|it| it.within("redirect"))?,
            Self::Fixed(fixed) => fixed.compile().map_err(|error| error.within("fixed"))?,
        };
        Ok(Arc::new(Answer { status, content, fields }))
    }
}

/// Where a client is to ask.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedirectText {
    status: u16,
    scheme: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    path: Option<PathText>,
}

impl RedirectText {
    fn compile(self, prefix: Option<&str>) -> Result<(u16, Content), SnapshotError> {
        if !REDIRECT_STATUSES.contains(&self.status) {
            return Err(SnapshotError::invalid("status", "no status of a redirect"));
        }
        if self.scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
            return Err(SnapshotError::invalid("scheme", "must be http or https"));
        }
        if self.port == Some(0) {
            return Err(SnapshotError::invalid("port", "must be above 0"));
        }
        let host = self.host.as_deref().map(host).transpose()?;
        if host.as_deref().is_some_and(|host| host_without_port(host) != host) {
            return Err(SnapshotError::invalid("host", "has a port"));
        }
        let path = self.path.map_or(Ok(PathRewrite::Keep), |path| path.compile(prefix))?;
        let scheme = self.scheme.map(String::into_boxed_str);
        Ok((self.status, Content::Redirect(Redirect { scheme, host, port: self.port, path })))
    }
}

/// An answer that is the same for everybody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixedText {
    status: u16,
    content_type: String,
    body: String,
}

impl FixedText {
    fn compile(self) -> Result<(u16, Content), SnapshotError> {
        if !(200..=599).contains(&self.status) {
            return Err(SnapshotError::invalid("status", "must be from 200 to 599"));
        }
        if !self.body.is_empty() && matches!(self.status, 204 | 205 | 304) {
            return Err(SnapshotError::invalid("body", "the status has none (RFC 9110 §15)"));
        }
        let Page { content_type, body } = super::document::page(self.content_type, self.body)?;
        Ok((self.status, Content::Fixed { content_type, body }))
    }
}
