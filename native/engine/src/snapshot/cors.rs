//! What a route allows pages of other origins as it is published, and what makes it valid.

use std::sync::Arc;

use serde::Deserialize;

use super::document::for_each;
use super::SnapshotError;
use crate::access_log;
use crate::answer::{Answer, Content};
use crate::cors::{Policy, Rules};
use crate::edits::FieldEdits;

/// What a route allows pages of other origins, and how it answers their preflights: itself, whoever answers what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whom it allows what.
    pub policy: Policy,
    /// A preflight's answer, but for what the policy says.
    pub answer: Arc<Answer>,
    /// For each listener the row of the request table that counts preflights.
    pub rows: Box<[u32]>,
    /// What the access log says of route and service.
    pub logged: Box<[u8]>,
}

/// What is allowed, as it is published.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CorsText {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    expose: Vec<String>,
    credentials: bool,
    max_age_s: Option<u64>,
    rows: Vec<u32>,
}

impl CorsText {
    /// `route`: its name; `listeners`: how many the document has.
    pub(super) fn compile(self, route: &str, listeners: usize) -> Result<Cors, SnapshotError> {
        let rules = Rules {
            origins: &self.origins,
            methods: &self.methods,
            headers: &self.headers,
            expose: &self.expose,
            credentials: self.credentials,
            max_age: self.max_age_s,
        };
        let policy =
            Policy::compile(rules).map_err(|(place, problem)| SnapshotError::invalid(place, problem))?;
        let content = Content::Fixed { content_type: "".into(), body: [].into() };
        Ok(Cors {
            policy,
            answer: Arc::new(Answer { status: 204, content, fields: FieldEdits::default() }),
            rows: for_each(self.rows, listeners)?.into(),
            logged: access_log::names(Some(route), None),
        })
    }
}
