//! What a route changes in the messages that it passes on: fields of both heads, path and host of requests.
//!
//! The laws: what the gateway itself sets (framing, hop by hop, forwarding) is no route's to change; whatever a request
//! holds, a rule writes one well-formed line, and a rewritten path is canonical. All that depends on the configuration
//! alone is done when a snapshot is compiled: rules without variables are bytes to copy.

mod fields;
mod target;
mod template;

pub use fields::{Direction, FieldEdits, FieldRules};
pub use target::{PathRewrite, Rewrite};
pub use template::{Names, Template, Words};

/// The changes of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Of the fields that instances get.
    pub request: FieldEdits,
    /// Of the fields that clients get with an instance's answer.
    pub response: FieldEdits,
    /// Of what instances are asked for.
    pub rewrite: Rewrite,
}

/// What a route changes in one answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerEdits<'a> {
    /// The fields that are left out.
    pub fields: &'a FieldEdits,
    /// The lines that are added.
    pub lines: &'a [u8],
}
