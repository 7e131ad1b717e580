//! HTTP/1.1 as RFC 9112 defines it, strictly: heads, framing and the chunked coding. Nothing here decides policy.

pub mod accept;
pub mod body;
pub mod chunked;
pub mod fields;
pub mod framing;
pub mod head;
pub mod path;
pub mod syntax;
mod target;
pub mod trailers;
pub mod upgrade;
