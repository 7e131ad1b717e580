//! The match of a route as it is published: what [`crate::routing`] is built from.

use serde::Deserialize;

use super::{compile_all, SnapshotError};
use crate::address::Networks;
use crate::http1::fields::fold;
use crate::http1::syntax::is_token;
use crate::pattern::Pattern;
use crate::routing::{self, RouteMatch};

/// What a route asks beside host, path and methods.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Conditions {
    headers: Vec<Named>,
    cookies: Vec<Named>,
    query: Vec<Named>,
    clients: Option<Vec<String>>,
    listeners: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    test: Test,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Test {
    Present,
    Absent,
    Exact(String),
    Pattern(String),
}

/// Everything that a route matches by, ready for the table.
pub(super) struct Match<'d> {
    host: Option<&'d str>,
    path: Option<&'d str>,
    methods: &'d [String],
    pattern: Option<Pattern>,
    conditions: routing::Conditions,
}

impl<'d> Match<'d> {
    /// `listeners`: how many the document has.
    pub(super) fn compile(
        route: &'d super::document::RouteText,
        listeners: usize,
    ) -> Result<Self, SnapshotError> {
        Ok(Self {
            host: route.host.as_deref(),
            path: route.path.as_deref(),
            methods: &route.methods,
            pattern: route.pattern.as_deref().map(|text| pattern("pattern", text)).transpose()?,
            conditions: route.conditions.compile(listeners).map_err(|error| error.within("conditions"))?,
        })
    }

    pub(super) fn as_route(&self) -> RouteMatch<'_> {
        RouteMatch {
            host: self.host,
            path: self.path,
            pattern: self.pattern.as_ref(),
            methods: self.methods,
            conditions: Some(&self.conditions),
        }
    }

    pub(super) fn into_conditions(self) -> routing::Conditions {
        self.conditions
    }
}

impl Conditions {
    fn compile(&self, listeners: usize) -> Result<routing::Conditions, SnapshotError> {
        if self.listeners.iter().any(|&number| number as usize >= listeners) {
            return Err(SnapshotError::invalid("listeners", format!("there are {listeners}")));
        }
        let clients = self.clients.as_ref().map(|networks| {
            Networks::parse(networks)
                .map_err(|index| SnapshotError::invalid(format!("clients[{index}]"), "no network"))
        });
        let as_it_stands = |name: &str| Some(name.into());
        Ok(routing::Conditions {
            headers: named("headers", &self.headers, field_name)?,
            cookies: named("cookies", &self.cookies, as_it_stands)?,
            query: named("query", &self.query, as_it_stands)?,
            clients: clients.transpose()?,
            listeners: self.listeners.as_slice().into(),
        })
    }
}

fn named(
    list: &str,
    entries: &[Named],
    name: impl Fn(&str) -> Option<Box<str>>,
) -> Result<Box<[routing::Named]>, SnapshotError> {
    let compile = |entry: &Named| {
        let name = name(&entry.name).ok_or_else(|| SnapshotError::invalid("name", "no name of a field"))?;
        Ok(routing::Named { name, test: entry.test.compile()? })
    };
    compile_all(list, entries, compile).map(Vec::into_boxed_slice)
}

/// The name of a header field as [`routing::Named`] has it.
fn field_name(name: &str) -> Option<Box<str>> {
    let folded = is_token(name.as_bytes()).then(|| fold(name.as_bytes()))?;
    String::from_utf8(folded.into()).ok().map(Into::into)
}

impl Test {
    fn compile(&self) -> Result<routing::Test, SnapshotError> {
        Ok(match self {
            Self::Present => routing::Test::Present,
            Self::Absent => routing::Test::Absent,
            Self::Exact(value) => routing::Test::Exact(value.as_bytes().into()),
            Self::Pattern(text) => routing::Test::Pattern(pattern("test", text)?),
        })
    }
}

fn pattern(place: &str, text: &str) -> Result<Pattern, SnapshotError> {
    Pattern::parse(text).map_err(|error| SnapshotError::invalid(place, error.to_string()))
}
