//! The state machine event by event: what each one leads to, and what is counted and given back.

mod access_log;
mod admission;
mod affinity;
mod answering;
mod deadlines;
mod delaying;
mod edits;
mod endings;
mod evictions;
mod forwarding;
mod judging;
mod latencies;
mod limiting;
mod mirroring;
mod panics;
mod pipelining;
mod preamble;
mod queueing;
mod requests;
mod responses;
mod retrying;
mod scene;
mod splitting;
mod upgrades;
