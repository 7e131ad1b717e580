//! Request and response heads: found, bounded and parsed (crate `httparse`); their fields are read in [`section`].
//!
//! `httparse` accepts a bare LF as a line end; RFC 9112 §2.2 allows that, request smuggling lives on it, so every line
//! end is checked again here. Nothing is copied but a path that is not canonical: a head borrows from the bytes it was
//! read from.

mod section;

use core::mem::MaybeUninit;
use std::borrow::Cow;
use std::sync::LazyLock;

use httparse::Header;
use memchr::memchr;
use memchr::memmem::Finder;

use super::fields::Field;
use super::framing::{Framing, FramingFault};
use super::path::{AmbiguousPath, Kept};
use super::syntax;
use super::target::Target;
pub use section::Fields;
use section::MAX_NOMINATED;

/// Fields that a head can have at the most, whatever the configuration says; each costs 32 bytes of stack.
pub const MAX_FIELDS: usize = 256;

/// Room on the stack for the fields of one head and what is known of them. A parsed head borrows from it and is small
/// itself: it is moved several times on its way to whoever asked for it.
#[derive(Debug)]
pub struct Slots<'a> {
    headers: [MaybeUninit<Header<'a>>; MAX_FIELDS],
    kinds: [Field; MAX_FIELDS],
    nominated: [&'a [u8]; MAX_NOMINATED],
}

/// Room for the fields of one head.
pub const fn slots<'a>() -> Slots<'a> {
    Slots {
        headers: [const { MaybeUninit::uninit() }; MAX_FIELDS],
        kinds: [Field::Other; MAX_FIELDS],
        nominated: [&[]; MAX_NOMINATED],
    }
}

/// How large a head may be, in bytes and in fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub head: usize,
    /// Bytes of one field line.
    pub line: usize,
    /// Number of fields.
    pub fields: usize,
    /// Bytes of a request target.
    pub target: usize,
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// Not HTTP/1, or not strictly.
    Malformed,
    /// HTTP, but neither 1.0 nor 1.1.
    Version,
    /// The head, one of its lines or the number of its fields is beyond the limit.
    TooLarge,
    /// The request target is beyond the limit.
    TargetTooLong,
    /// The target is in the form for CONNECT, or the method is CONNECT: this is no forward proxy.
    Connect,
    /// The path has a spelling that readers resolve differently.
    AmbiguousPath,
    /// No Host in HTTP/1.1, more than one, or one that is none.
    Host,
    /// The length of the body cannot be told.
    Framing(FramingFault),
    /// An `Expect` other than `100-continue`.
    Expectation,
}

impl From<FramingFault> for HeadFault {
    fn from(fault: FramingFault) -> Self {
        Self::Framing(fault)
    }
}

impl From<AmbiguousPath> for HeadFault {
    fn from(AmbiguousPath: AmbiguousPath) -> Self {
        Self::AmbiguousPath
    }
}

/// The empty line behind a head. To prepare the search takes as long as to search a head of 400 bytes.
static EMPTY_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// Where the head in `bytes` ends, including its empty line; `None` while it is incomplete.
///
/// `searched` bytes were looked at by earlier calls, so that a head that comes byte by byte is searched once.
pub fn find_end(bytes: &[u8], searched: usize, limits: &HeadLimits) -> Result<Option<usize>, HeadFault> {
    let from = searched.saturating_sub(3).min(bytes.len());
    if let Some(found) = EMPTY_LINE.find(&bytes[from..]) {
        let end = from + found + 4;
        return if end > limits.head { Err(too_large(bytes, limits)) } else { Ok(Some(end)) };
    }
    if bytes.len() >= limits.head {
        return Err(too_large(bytes, limits));
    }
    // Not complete yet: a bare LF never will be, so say so now instead of waiting for the deadline.
    let mut at = from;
    while let Some(found) = memchr(b'\n', &bytes[at..]) {
        at += found;
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(HeadFault::Malformed);
        }
        at += 1;
    }
    Ok(None)
}

/// Which of the limits an oversized head broke: the target's when the first line alone does.
fn too_large(bytes: &[u8], limits: &HeadLimits) -> HeadFault {
    match memchr(b'\n', bytes) {
        Some(end) if end <= limits.target => HeadFault::TooLarge,
        _ => HeadFault::TargetTooLong,
    }
}

/// How many empty lines stand before a request line. Robust servers ignore some (RFC 9112 §2.2).
pub fn leading_empty_lines(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|line| line == b"\r\n").count()
}

/// One request's head, strictly parsed.
#[derive(Debug)]
pub struct Request<'h, 'b> {
    /// The method, a token.
    pub method: &'b [u8],
    /// The path in its one canonical form, or `*`, and the query as it came: what is logged and forwarded.
    pub target: Cow<'b, [u8]>,
    path_length: usize,
    /// The authority that the request is for: of the target in absolute form, else of Host; empty when neither says.
    pub host: &'b [u8],
    /// 0 or 1.
    pub minor_version: u8,
    /// The length of the body.
    pub framing: Framing,
    /// The client keeps the connection open.
    pub persists: bool,
    /// The fields.
    pub fields: Fields<'h, 'b>,
}

impl<'h, 'b> Request<'h, 'b> {
    /// Parses a complete head, as [`find_end`] found it. `kept`: the ambiguous spellings that a path may have.
    pub fn parse(
        bytes: &'b [u8],
        slots: &'h mut Slots<'b>,
        limits: &HeadLimits,
        kept: Kept,
    ) -> Result<Self, HeadFault> {
        let mut parsed = httparse::Request::new(&mut []);
        let Slots { headers, kinds, nominated } = slots;
        let outcome = parsed.parse_with_uninit_headers(bytes, headers);
        check_outcome(outcome, bytes)?;
        let method = parsed.method.ok_or(HeadFault::Malformed)?.as_bytes();
        let target = parsed.path.ok_or(HeadFault::Malformed)?.as_bytes();
        let minor_version = parsed.version.ok_or(HeadFault::Malformed)?;
        if target.len() > limits.target {
            return Err(HeadFault::TargetTooLong);
        }
        let line = method.len() + target.len() + b"  HTTP/1.1".len();
        if bytes.get(line..line + 2) != Some(b"\r\n") {
            return Err(HeadFault::Malformed);
        }
        let fields = Fields::read(bytes, parsed.headers, kinds, nominated, limits)?;
        let Target { authority, path_and_query: target, path_length } = Target::parse(method, target, kept)?;
        let field_host = fields.only(Field::Host)?;
        if !syntax::is_host(field_host.unwrap_or_default()) || (field_host.is_none() && minor_version == 1) {
            return Err(HeadFault::Host);
        }
        Ok(Self {
            method,
            target,
            path_length,
            host: authority.or(field_host).unwrap_or_default(),
            minor_version,
            framing: fields.framing.request(minor_version)?,
            persists: fields.persists(minor_version),
            fields,
        })
    }

    /// The path, without the query; what routes are matched by.
    pub fn path(&self) -> &[u8] {
        self.target.get(..self.path_length).unwrap_or_default()
    }

    /// What follows the path: the query with its question mark, as it came, or nothing.
    pub fn behind_path(&self) -> &[u8] {
        self.target.get(self.path_length..).unwrap_or_default()
    }

    /// The query as it came, without the question mark; empty where there is none.
    pub fn query(&self) -> &[u8] {
        self.behind_path().get(1..).unwrap_or_default()
    }

    /// Does a field of this kind go on as it came, unless `Connection` names it? The gateway writes the others itself, or takes them out.
    pub fn passes_on(&self, kind: Field) -> bool {
        match kind {
            Field::Other | Field::Accept | Field::Date | Field::Via => true,
            Field::Trailer => self.framing == Framing::Chunked,
            Field::MaxForwards => self.hops_left().is_none(),
            _ => false,
        }
    }

    /// How many more hops an OPTIONS or TRACE may take; other methods do not count them (RFC 9110 §7.6.2).
    pub fn hops_left(&self) -> Option<u64> {
        if !matches!(self.method, b"OPTIONS" | b"TRACE") {
            return None;
        }
        syntax::decimal(self.fields.only(Field::MaxForwards).ok()??)
    }

    /// The protocols that the client would switch to, if it asks for that as it must (RFC 9110 §7.8): in HTTP/1.1, and
    /// with `Connection: upgrade`. Otherwise the request is an ordinary one, and its `Upgrade` field ends here.
    pub fn upgrade(&self) -> Option<&'b [u8]> {
        self.fields.upgrade().filter(|_| self.minor_version == 1 && self.fields.is_nominated(b"upgrade"))
    }

    /// Does the client say, as it must (RFC 9110 §10.1.4), that it wants trailers?
    pub fn wants_trailers(&self) -> bool {
        let said = |value| syntax::list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
        self.minor_version == 1
            && self.fields.is_nominated(b"te")
            && self.fields.iter().any(|(header, kind)| kind == Field::Te && said(header.value))
    }

    /// Does the client wait for a 100 before it sends the body? Any other expectation is an error (RFC 9110 §10.1.1);
    /// of an HTTP/1.0 client it is ignored.
    pub fn expects_continue(&self) -> Result<bool, HeadFault> {
        let mut expects = false;
        for (header, _) in self.fields.iter().filter(|(_, kind)| *kind == Field::Expect) {
            if !header.value.eq_ignore_ascii_case(b"100-continue") {
                return Err(HeadFault::Expectation);
            }
            expects = self.minor_version == 1;
        }
        Ok(expects)
    }
}

/// One response's head, strictly parsed.
#[derive(Debug)]
pub struct Response<'h, 'b> {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: &'b [u8],
    /// 0 or 1.
    pub minor_version: u8,
    /// The instance keeps the connection open.
    pub persists: bool,
    /// The fields.
    pub fields: Fields<'h, 'b>,
}

impl<'h, 'b> Response<'h, 'b> {
    /// Parses a complete head, as [`find_end`] found it.
    pub fn parse(bytes: &'b [u8], slots: &'h mut Slots<'b>, limits: &HeadLimits) -> Result<Self, HeadFault> {
        let mut parsed = httparse::Response::new(&mut []);
        let Slots { headers, kinds, nominated } = slots;
        let outcome =
            httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, headers);
        check_outcome(outcome, bytes)?;
        let status = parsed.code.filter(|code| (100..=999).contains(code)).ok_or(HeadFault::Malformed)?;
        let minor_version = parsed.version.ok_or(HeadFault::Malformed)?;
        if memchr(b'\n', bytes).is_none_or(|end| end == 0 || bytes[end - 1] != b'\r') {
            return Err(HeadFault::Malformed);
        }
        let fields = Fields::read(bytes, parsed.headers, kinds, nominated, limits)?;
        Ok(Self {
            status,
            reason: parsed.reason.unwrap_or_default().as_bytes(),
            minor_version,
            persists: fields.persists(minor_version),
            fields,
        })
    }

    /// The length of the body; `to_head` for an answer to HEAD.
    pub fn framing(&self, to_head: bool) -> Result<Framing, HeadFault> {
        Ok(self.fields.framing.response(self.minor_version, self.status, to_head)?)
    }

    /// The protocol that a 101 switches to.
    pub fn upgrade(&self) -> Option<&'b [u8]> {
        self.fields.upgrade()
    }

    /// Do the fields speak of a body, whether one may follow or not?
    pub fn announces_body(&self) -> bool {
        self.fields.framing.announces_body()
    }
}

fn check_outcome(outcome: httparse::Result<usize>, bytes: &[u8]) -> Result<(), HeadFault> {
    match outcome {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(HeadFault::TooLarge),
        Err(httparse::Error::Version) if names_other_version(bytes) => Err(HeadFault::Version),
        _ => Err(HeadFault::Malformed),
    }
}

/// Does the first line end with ` HTTP/D.D`, well-formed but not ours?
fn names_other_version(bytes: &[u8]) -> bool {
    let line = memchr(b'\r', bytes).map_or(bytes, |end| &bytes[..end]);
    let Some(version) = line.len().checked_sub(9).and_then(|start| line.get(start..)) else { return false };
    version.starts_with(b" HTTP/")
        && version[6].is_ascii_digit()
        && version[7] == b'.'
        && version[8].is_ascii_digit()
        && !matches!(&version[6..], b"1.0" | b"1.1")
}

#[cfg(test)]
mod tests;
