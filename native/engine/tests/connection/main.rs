//! Whole connections from outside: rows of messages however they are cut, and random lives against a strict reader.

// The functions around the tests are tests, too; clippy sees only what is marked so.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod codings;
mod expressions;
mod model;
mod mutations;
mod pieces;
mod properties;
mod reference;
mod requests;
mod responses;
mod rules;
mod shell;
