//! The shared memory of a gateway: the one place where processes see each other's words, and the one home of `unsafe`.
//!
//! Nothing here takes a lock, everything read is checked, and any process may be killed between any two instructions.
//! Read in this order: [`word`] is one atomic word; [`bucket`], [`cap`], [`holds`], [`queue`], [`budget`], [`latency`], [`wants`] and [`retire`] are the
//! algorithms over it,
//! with [`live`], the set of lanes; [`layout`] says where everything lies and [`segment`] maps it; [`instance`],
//! [`metrics`], `bank` and `extents` give words their meaning, and `column` goes through
//! those of all lanes; [`state`] is a worker, [`control`] the
//! supervisor, [`stocks`] the keeper of what gateways share, [`view`] a reader; [`wakes`] is how they wake each other. [`descriptor`] is what a process inherits.

pub mod bucket;
pub mod budget;
pub mod cap;
pub mod control;
pub mod descriptor;
pub mod holds;
pub mod instance;
pub mod latency;
pub mod layout;
pub mod live;
pub mod metrics;
pub mod queue;
pub mod retire;
pub mod segment;
pub mod state;
pub mod stocks;
pub mod view;
pub mod wakes;
pub mod wants;
pub mod word;

mod bank;
mod column;
mod extents;
mod ring;
