//! An in-process [`State`](super::State) for tests.
