//! The sockets of a worker, without HTTP and without Python: an epoll set, and for each socket what the kernel has not
//! taken yet. It calls nobody: it says which sockets are ready, and is asked to read, write, accept and connect.
//!
//! Read in this order: [`token`] names a socket, [`backlog`] keeps what is unsent, [`stream`] is one connection,
//! [`listener`] one listening socket, [`connect`] makes connections, and [`reactor`] is the set of them all.

#![forbid(unsafe_code)]

pub mod backlog;
pub mod connect;
pub mod listener;
pub mod reactor;
pub mod stream;
pub mod token;

#[cfg(test)]
mod tests;
