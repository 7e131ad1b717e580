//! Rewrites: another path, or another host, than the client asked for.

use crate::http1::head::Request;

/// What instances are asked for in place of what the client asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The path.
    pub path: PathRewrite,
    /// The value of `Host`.
    pub host: Option<Box<[u8]>>,
}

impl Rewrite {
    /// Nothing is changed?
    pub fn is_empty(&self) -> bool {
        self.path == PathRewrite::Keep && self.host.is_none()
    }
}

/// Another path. What stands in it is canonical, so that the whole is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PathRewrite {
    /// None.
    #[default]
    Keep,
    /// This one, whatever was asked for.
    Whole(Box<[u8]>),
    /// What was asked for with another beginning.
    Prefix {
        /// Bytes of the path by which the route was found: all of it up to a slash or to the end.
        length: usize,
        /// What stands in their place, without a slash at its end.
        with: Box<[u8]>,
    },
}

impl PathRewrite {
    /// Another beginning. `matched`: the one that the paths of all requests of the route have, up to a slash or to their
    /// end; empty where it takes every path.
    pub fn prefix(matched: &str, with: &str) -> Self {
        let with = with.strip_suffix('/').unwrap_or(with).as_bytes().into();
        Self::Prefix { length: matched.len(), with }
    }

    /// Writes the path for a request: `*` (OPTIONS) stays what it is.
    #[inline]
    pub fn put(&self, output: &mut Vec<u8>, request: &Request<'_, '_>) {
        let path = request.path();
        match self {
            _ if path.first() != Some(&b'/') => output.extend_from_slice(path),
            Self::Keep => output.extend_from_slice(path),
            Self::Whole(path) => output.extend_from_slice(path),
            Self::Prefix { length, with } => {
                let rest = path.get(*length..).unwrap_or(path);
                output.extend_from_slice(with);
                output.extend_from_slice(rest);
                if with.is_empty() && rest.is_empty() {
                    output.push(b'/');
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::head::{slots, HeadLimits};
    use crate::http1::path::Kept;

    const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 4096, fields: 10, target: 4096 };

    fn rewritten(rewrite: &PathRewrite, method: &str, target: &str) -> String {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let (mut slots, mut output) = (slots(), Vec::new());
        let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
        rewrite.put(&mut output, &request);
        String::from_utf8(output).unwrap()
    }

    /// The rows of the Gateway API's `ReplacePrefixMatch`, and those for a route to every path.
    #[test]
    fn a_prefix_is_replaced_by_segments() {
        for (matched, with, path, expected) in [
            ("/foo", "/xyz", "/foo/bar", "/xyz/bar"),
            ("/foo", "/xyz/", "/foo/bar", "/xyz/bar"),
            ("/foo", "/xyz", "/foo", "/xyz"),
            ("/foo", "/xyz", "/foo/", "/xyz/"),
            ("/foo", "/", "/foo/bar", "/bar"),
            ("/foo", "/", "/foo/", "/"),
            ("/foo", "/", "/foo", "/"),
            ("", "/xyz", "/bar", "/xyz/bar"),
            ("", "/xyz", "/", "/xyz/"),
            ("", "/xyz", "/foo/bar?q", "/xyz/foo/bar"),
            ("", "/", "/", "/"),
        ] {
            let rewrite = PathRewrite::prefix(matched, with);
            assert_eq!(rewritten(&rewrite, "GET", path), expected, "{matched} {with} {path}");
        }
    }

    #[test]
    fn a_whole_path_is_replaced_and_an_asterisk_is_not() {
        let whole = PathRewrite::Whole(b"/fixed".as_slice().into());
        assert_eq!(rewritten(&whole, "GET", "/a/b?c"), "/fixed");
        for rewrite in [whole, PathRewrite::prefix("", "/xyz"), PathRewrite::Keep] {
            assert_eq!(rewritten(&rewrite, "OPTIONS", "*"), "*");
        }
    }

    proptest! {
        /// Whatever was asked for below the prefix, the result is a canonical path: reading it again changes nothing.
        #[test]
        fn a_rewritten_path_is_canonical(rest in "(/([a-z.]|%[2-7][0-9A-Fa-f]){0,4}){1,4}", with in "(/[a-z]{1,3}){1,3}/?|/") {
            let head = format!("GET /foo{rest} HTTP/1.1\r\nHost: h\r\n\r\n");
            let mut room = slots();
            let parsed = Request::parse(head.as_bytes(), &mut room, &LIMITS, Kept::NONE);
            if !parsed.as_ref().is_ok_and(|request| request.path().starts_with(b"/foo/")) {
                return Ok(()); // one of ten is no legal path, or leads elsewhere
            }
            let rewrite = PathRewrite::prefix("/foo", &with);
            let once = rewritten(&rewrite, "GET", &format!("/foo{rest}"));
            prop_assert_eq!(rewritten(&PathRewrite::Keep, "GET", &once), once);
        }
    }
}
