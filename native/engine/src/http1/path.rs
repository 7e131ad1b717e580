//! The canonical form of a path (RFC 3986 §6.2.2): one spelling, which routes, limits, the access log and the instance
//! see alike.
//!
//! The laws: the canonical form of a canonical form is itself; a spelling that two readers could resolve to two places is
//! refused, unless the listener keeps it.
//!
//! Canonical: no empty segment but the last, no dot segment; unreserved characters as they are, all others that a
//! segment cannot hold (`pchar`, RFC 3986 §3.3) percent-encoded, with hexadecimal digits in upper case. What is encoded
//! and reserved stays encoded: it may mean something else than the character itself (RFC 3986 §2.2).

use serde::Deserialize;

use super::syntax::hex_digit;

/// A spelling that readers resolve differently. What becomes of one that is kept stands with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Spelling {
    /// `%2F`: a slash within a segment to some, between two to others. It stays as it is and separates nothing.
    EncodedSlash = 1,
    /// `%5C` and `\`: a slash on some systems. It goes on as `%5C`.
    EncodedBackslash = 2,
    /// `%00`: the end of a string in some languages. It stays as it is.
    EncodedNul = 4,
    /// A `%` without two hexadecimal digits behind it. It goes on as `%25`.
    BadPercent = 8,
    /// A dot segment with parameters, such as `..;v=1`: some servers cut them off before they resolve the dots. It stays.
    DotParameters = 16,
    /// `//`: an empty segment. It stays; where it is not kept, it is no fault but left out.
    DuplicateSlashes = 32,
}

/// The spellings that a listener keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept(u8);

impl Kept {
    /// None of them: the default.
    pub const NONE: Self = Self(0);

    fn has(self, spelling: Spelling) -> bool {
        self.0 & spelling as u8 != 0
    }

    fn check(self, spelling: Spelling) -> Result<(), AmbiguousPath> {
        if self.has(spelling) {
            Ok(())
        } else {
            Err(AmbiguousPath)
        }
    }
}

impl FromIterator<Spelling> for Kept {
    fn from_iter<I: IntoIterator<Item = Spelling>>(spellings: I) -> Self {
        Self(spellings.into_iter().fold(0, |kept, spelling| kept | spelling as u8))
    }
}

/// A path with a spelling that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousPath;

/// Which bytes stand in a canonical path for themselves wherever they stand: `pchar` without its dot.
const PLAIN: [bool; 256] = table(b"-_~!$&'()*+,;=:@");
/// Which bytes are never percent-encoded (`unreserved`, RFC 3986 §2.3).
const UNRESERVED: [bool; 256] = table(b"-._~");

const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
}

/// How far a target is a canonical path that keeps nothing: up to its end, its query, or the first byte that does not
/// stand as it should. One table look-up for almost every byte, because each request pays it.
pub(super) fn canonical_length(target: &[u8]) -> usize {
    let mut previous = 0;
    for (at, &byte) in target.iter().enumerate() {
        let stands = PLAIN[usize::from(byte)]
            || match byte {
                b'/' => previous != b'/',
                b'.' => previous != b'/' || !is_dot_segment(&target[at..]),
                b'%' => is_canonical_triple(&target[at..]),
                _ => false,
            };
        if !stands {
            return at;
        }
        previous = byte;
    }
    target.len()
}

/// Is this a path in canonical form that keeps nothing, without a query?
pub fn is_canonical(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && canonical_length(path) == path.len()
}

/// The canonical form of a path of visible ASCII that starts with a slash; its query is not part of it.
pub(super) fn canonical(path: &[u8], kept: Kept) -> Result<Vec<u8>, AmbiguousPath> {
    resolve(&respell(path, kept)?, kept)
}

/// Does a segment begin here that is `.` or `..`, perhaps with parameters, perhaps the last one before a query?
fn is_dot_segment(rest: &[u8]) -> bool {
    let behind = rest.strip_prefix(b"..").or_else(|| rest.strip_prefix(b".")).unwrap_or(rest);
    matches!(behind.first(), None | Some(b'/' | b';' | b'?'))
}

fn is_canonical_triple(rest: &[u8]) -> bool {
    let upper = |digit: &u8| digit.is_ascii_digit() || (b'A'..=b'F').contains(digit);
    matches!(rest.get(1..3), Some(digits) if digits.iter().all(upper))
        && matches!(decoded(rest), Some(byte) if !UNRESERVED[usize::from(byte)] && !matches!(byte, b'/' | b'\\' | 0))
}

/// The byte that a percent sign and two hexadecimal digits stand for.
fn decoded(rest: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *rest else { return None };
    Some((hex_digit(high)? << 4 | hex_digit(low)?) as u8)
}

/// Spells every byte in the canonical way; slashes and dots are still as they came.
fn respell(path: &[u8], kept: Kept) -> Result<Vec<u8>, AmbiguousPath> {
    let mut output = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match (byte, decoded(&path[path.len() - behind.len() - 1..])) {
            (b'%', Some(byte)) => {
                match byte {
                    b'/' => kept.check(Spelling::EncodedSlash)?,
                    b'\\' => kept.check(Spelling::EncodedBackslash)?,
                    0 => kept.check(Spelling::EncodedNul)?,
                    _ => {}
                }
                if UNRESERVED[usize::from(byte)] {
                    output.push(byte);
                } else {
                    encode(&mut output, byte);
                }
                rest = &behind[2..];
            }
            (b'%', None) => {
                kept.check(Spelling::BadPercent)?;
                encode(&mut output, b'%');
            }
            (b'\\', _) => {
                kept.check(Spelling::EncodedBackslash)?;
                encode(&mut output, b'\\');
            }
            (b'/' | b'.', _) => output.push(*byte),
            (byte, _) if PLAIN[usize::from(*byte)] => output.push(*byte),
            (byte, _) => encode(&mut output, *byte),
        }
    }
    Ok(output)
}

fn encode(output: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    output.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
}

/// Resolves dot segments (RFC 3986 §5.2.4) and leaves empty segments out.
fn resolve(spelled: &[u8], kept: Kept) -> Result<Vec<u8>, AmbiguousPath> {
    let mut output = Vec::with_capacity(spelled.len());
    let mut segments = spelled[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" if !last && !kept.has(Spelling::DuplicateSlashes) => continue,
            b"." | b".." => {
                if segment == b".." {
                    output.truncate(memchr::memrchr(b'/', &output).unwrap_or(0));
                }
                if last {
                    output.push(b'/');
                }
                continue;
            }
            _ if is_dot_segment(segment) && segment.first() == Some(&b'.') => {
                kept.check(Spelling::DotParameters)?;
            }
            _ => {}
        }
        output.push(b'/');
        output.extend_from_slice(segment);
    }
    if output.is_empty() {
        output.push(b'/');
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Spelling; 6] = [
        Spelling::EncodedSlash,
        Spelling::EncodedBackslash,
        Spelling::EncodedNul,
        Spelling::BadPercent,
        Spelling::DotParameters,
        Spelling::DuplicateSlashes,
    ];

    fn form(path: &str, kept: Kept) -> Option<String> {
        let form = canonical(path.as_bytes(), kept).ok()?;
        Some(String::from_utf8(form).unwrap())
    }

    #[test]
    fn a_canonical_path_is_its_own_form() {
        for path in [
            "/",
            "/a/b/",
            "/.well-known/x",
            "/...",
            "/a.b/c..",
            "/a;v=1/b",
            "/%20%25%3F%C3%A4",
            "/%252e%252e/a%25",
            "/~a-_!$&'()*+,;=:@",
        ] {
            assert_eq!(canonical_length(path.as_bytes()), path.len());
            assert_eq!(canonical_length(format!("{path}?../%zz").as_bytes()), path.len());
            assert_eq!(form(path, Kept::NONE).as_deref(), Some(path));
        }
    }

    #[test]
    fn every_other_spelling_becomes_the_canonical_one() {
        for (path, expected) in [
            ("//", "/"),
            ("//a///b//", "/a/b/"),
            ("/./a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a//../b", "/b"),
            ("/%2e%2E/a/%2e", "/a/"),
            ("/a/.%2e/b", "/b"),
            ("/%61%7E%7a", "/a~z"),
            ("/%c3%a4", "/%C3%A4"),
            ("/a|b\"<>^`{}[]", "/a%7Cb%22%3C%3E%5E%60%7B%7D%5B%5D"),
        ] {
            assert_eq!(form(path, Kept::NONE).as_deref(), Some(expected), "{path}");
            for target in [path.to_string(), format!("{path}?")] {
                assert!(canonical_length(target.as_bytes()) < path.len(), "{target}");
            }
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused_or_kept() {
        for (path, spelling, form_if_kept) in [
            ("/a%2fb", ALL[0], "/a%2Fb"),
            ("/a/..%2F..", ALL[0], "/a/..%2F.."),
            ("/a%5cb", ALL[1], "/a%5Cb"),
            ("/a\\..\\b", ALL[1], "/a%5C..%5Cb"),
            ("/a%00", ALL[2], "/a%00"),
            ("/%zz", ALL[3], "/%25zz"),
            ("/a%", ALL[3], "/a%25"),
            ("/%%32%65", ALL[3], "/%252e"),
            ("/a/..;/b", ALL[4], "/a/..;/b"),
            ("/.;v=1", ALL[4], "/.;v=1"),
            ("/%2e%2e;/b", ALL[4], "/..;/b"),
        ] {
            assert_eq!(form(path, Kept::NONE), None, "{path}");
            let others = ALL.into_iter().filter(|it| *it != spelling).collect();
            assert_eq!(form(path, others), None, "{path}");
            assert_eq!(form(path, [spelling].into_iter().collect()).as_deref(), Some(form_if_kept), "{path}");
        }
        assert_eq!(form("//a//../b", [ALL[5]].into_iter().collect()).as_deref(), Some("//a/b"));
    }

    #[test]
    fn every_visible_byte_is_spelled_in_one_way() {
        for byte in 0x21..=0x7e_u8 {
            let raw = form(&format!("/x{}y", byte as char), Kept::NONE);
            let encoded = form(&format!("/x%{byte:02x}y"), Kept::NONE);
            let ambiguous = matches!(byte, b'%' | b'\\');
            assert_eq!(raw.is_none(), ambiguous, "{:?}", byte as char);
            assert_eq!(encoded.is_none(), matches!(byte, b'/' | b'\\'), "{:?}", byte as char);
            if UNRESERVED[usize::from(byte)] {
                assert_eq!(raw, encoded);
            }
        }
    }

    proptest! {
        /// The canonical form is canonical, and no reader that decodes it once or not at all finds a dot segment, an
        /// empty segment or another separator in it.
        #[test]
        fn the_form_of_a_form_is_itself(path in "/([a/.;%25EefF0\\\\|]|%2e|%2f|%5c|%00|\\.\\.|//){0,12}", kept in 0..64_u8) {
            if let Some(once) = form(&path, Kept(kept)) {
                prop_assert_eq!(form(&once, Kept(kept)), Some(once.clone()));
                if kept == 0 {
                    prop_assert_eq!(canonical_length(once.as_bytes()), once.len());
                    let decoded = once.replace("%2E", ".").replace("%2e", ".");
                    prop_assert!(!decoded.split('/').any(|it| it == "." || it == ".."), "{once}");
                    prop_assert!(!once.contains("//") && !once.contains('\\'), "{once}");
                }
            }
        }
    }
}
