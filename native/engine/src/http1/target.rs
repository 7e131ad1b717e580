//! The request target in its forms (RFC 9112 §3.2): whom it names, its path in canonical form, its query.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::head::HeadFault;
use super::path::{canonical, Kept};
use super::syntax;

/// A request target taken apart.
pub(super) struct Target<'b> {
    /// Of a target in absolute form.
    pub(super) authority: Option<&'b [u8]>,
    /// The canonical path, or `*`, and the query as it came.
    pub(super) path_and_query: Cow<'b, [u8]>,
    pub(super) path_length: usize,
}

impl<'b> Target<'b> {
    /// Origin form, absolute form or asterisk form (RFC 9112 §3.2); the authority form is CONNECT's alone.
    pub(super) fn parse(method: &[u8], target: &'b [u8], kept: Kept) -> Result<Self, HeadFault> {
        if method == b"CONNECT" {
            return Err(HeadFault::Connect);
        }
        if !syntax::is_target(target) {
            return Err(HeadFault::Malformed);
        }
        if target[0] == b'/' {
            return Self::origin(None, target, kept);
        }
        if target == b"*" && method == b"OPTIONS" {
            return Ok(Self::asterisk(None));
        }
        Self::absolute(method, target, kept)
    }

    fn origin(authority: Option<&'b [u8]>, target: &'b [u8], kept: Kept) -> Result<Self, HeadFault> {
        let (path, query) = target.split_at(memchr(b'?', target).unwrap_or(target.len()));
        let path = if path.is_empty() { Cow::Borrowed(&b"/"[..]) } else { canonical(path, kept)? };
        let path_length = path.len();
        let path_and_query = match path {
            Cow::Borrowed(path) if path.len() + query.len() == target.len() => Cow::Borrowed(target),
            path => Cow::Owned([&*path, query].concat()),
        };
        Ok(Self { authority, path_and_query, path_length })
    }

    fn asterisk(authority: Option<&'b [u8]>) -> Self {
        Self { authority, path_and_query: Cow::Borrowed(b"*"), path_length: 1 }
    }

    fn absolute(method: &[u8], target: &'b [u8], kept: Kept) -> Result<Self, HeadFault> {
        let scheme = memmem::find(target, b"://").ok_or(HeadFault::Malformed)?;
        if !target[..scheme].eq_ignore_ascii_case(b"http") && !target[..scheme].eq_ignore_ascii_case(b"https")
        {
            return Err(HeadFault::Malformed);
        }
        let after = &target[scheme + 3..];
        let end = after.iter().position(|&byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        if authority.is_empty() || !syntax::is_host(authority) {
            return Err(HeadFault::Host);
        }
        if rest.is_empty() && method == b"OPTIONS" {
            return Ok(Self::asterisk(Some(authority))); // RFC 9112 §3.2.4
        }
        Self::origin(Some(authority), rest, kept)
    }
}
