//! The request target in its forms (RFC 9112 §3.2): whom it names, its path in canonical form, its query.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::head::HeadFault;
use super::path::{canonical, canonical_length, Kept};
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
        match target {
            _ if method == b"CONNECT" => Err(HeadFault::Connect),
            [b'/', ..] => Self::origin(None, target, kept),
            b"*" if method == b"OPTIONS" => Ok(Self::asterisk(None)),
            _ => Self::absolute(method, target, kept),
        }
    }

    /// A path, perhaps none, and perhaps a query. Almost every path is canonical: then each byte is looked at once.
    fn origin(authority: Option<&'b [u8]>, target: &'b [u8], kept: Kept) -> Result<Self, HeadFault> {
        let path_length = canonical_length(target);
        let (path, rest) = target.split_at(path_length);
        if !syntax::is_target(rest) {
            return Err(HeadFault::Malformed);
        }
        if !path.is_empty() && matches!(rest.first(), None | Some(b'?')) {
            return Ok(Self { authority, path_and_query: Cow::Borrowed(target), path_length });
        }
        let (path, query) = target.split_at(memchr(b'?', target).unwrap_or(target.len()));
        let path = if path.is_empty() { b"/".to_vec() } else { canonical(path, kept)? };
        Ok(Self { authority, path_length: path.len(), path_and_query: Cow::Owned([&path, query].concat()) })
    }

    fn asterisk(authority: Option<&'b [u8]>) -> Self {
        Self { authority, path_and_query: Cow::Borrowed(b"*"), path_length: 1 }
    }

    fn absolute(method: &[u8], target: &'b [u8], kept: Kept) -> Result<Self, HeadFault> {
        if !syntax::is_target(target) {
            return Err(HeadFault::Malformed);
        }
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
