//! The properties of `native/engine/tests/connection`, for targets that look for bytes that break them.

#![allow(dead_code)] // the tests use more of these modules

#[path = "../../engine/tests/connection/codings.rs"]
mod codings;
#[path = "../../engine/tests/connection/expressions.rs"]
mod expressions;
#[path = "../../engine/tests/connection/pieces.rs"]
mod pieces;
#[path = "../../engine/tests/connection/properties.rs"]
mod properties;
#[path = "../../engine/tests/connection/reference.rs"]
mod reference;
#[path = "../../engine/tests/connection/rules.rs"]
mod rules;
#[path = "../../engine/tests/connection/shell.rs"]
mod shell;

/// Checks the property with this name; panics where the bytes break it.
pub fn check(name: &str, bytes: &[u8]) {
    let (_, property) =
        properties::PROPERTIES.into_iter().find(|(known, _)| *known == name).expect("a property");
    property(bytes);
}
