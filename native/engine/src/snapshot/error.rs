//! Why a snapshot cannot be compiled.

use std::fmt;

use crate::routing::RoutingError;

/// A snapshot that cannot be compiled: what is wrong, and where in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Not JSON, or JSON of another shape.
    Malformed(String),
    /// The right shape with a value that makes no sense.
    Invalid {
        /// Path of the value, such as `routes[3].service`.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl SnapshotError {
    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }

    pub(super) fn invalid(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), problem: problem.into() }
    }

    /// The same error, seen from one level further out.
    pub(super) fn within(self, outer: &str) -> Self {
        match self {
            Self::Malformed(_) => self,
            Self::Invalid { place, problem } => Self::Invalid { place: format!("{outer}.{place}"), problem },
        }
    }
}

impl From<RoutingError> for SnapshotError {
    fn from(error: RoutingError) -> Self {
        Self::invalid(format!("routes[{}]", error.route), error.problem)
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "not a snapshot: {reason}"),
            Self::Invalid { place, problem } => write!(f, "{place}: {problem}"),
        }
    }
}

impl std::error::Error for SnapshotError {}
