//! Request and response heads: found, bounded and parsed (crate `httparse`), then read field by field once.
//!
//! `httparse` accepts a bare LF as a line end; RFC 9112 §2.2 allows that, request smuggling lives on it, so every line
//! end is checked again here. Nothing is copied but a path that is not canonical: a head borrows from the bytes it was
//! read from.

use core::mem::MaybeUninit;
use core::ops::Range;
use std::borrow::Cow;
use std::sync::LazyLock;

use httparse::Header;
use memchr::memchr;
use memchr::memmem::Finder;

use super::accept::{preferred, Form};
use super::fields::{classify, Field};
use super::framing::{Framing, FramingFault, FramingFields};
use super::path::{AmbiguousPath, Kept};
use super::syntax;
use super::target::Target;
use super::upgrade::is_tunnelled;

/// Fields that a head can have at the most, whatever the configuration says; each costs 32 bytes of stack.
pub const MAX_FIELDS: usize = 256;
/// Field names that `Connection` may nominate; more come from nobody honest.
const MAX_NOMINATED: usize = 16;
/// What the gateway calls itself in `Via`.
pub const PSEUDONYM: &str = "headgate";
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

/// The fields of one head with what each is, and what they say about the connection.
#[derive(Debug)]
pub struct Fields<'h, 'b> {
    /// The head that they stand in.
    bytes: &'b [u8],
    headers: &'h [Header<'b>],
    kinds: &'h [Field],
    nominated: &'h [&'b [u8]],
    framing: FramingFields,
    close: bool,
    keep_alive: bool,
    has_date: bool,
    request_id: RequestIdField<'b>,
    upgrade: Option<&'b [u8]>,
    form: Form,
    hops: usize,
}

/// The `X-Request-Id` fields of a head.
#[derive(Clone, Copy, Debug)]
enum RequestIdField<'b> {
    None,
    One(&'b [u8]),
    Several,
}

impl<'b> RequestIdField<'b> {
    fn note(&mut self, value: &'b [u8]) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }
}

impl<'h, 'b> Fields<'h, 'b> {
    /// Classifies every field of the head that they were parsed from.
    fn read(
        bytes: &'b [u8],
        headers: &'h [Header<'b>],
        kinds: &'h mut [Field; MAX_FIELDS],
        nominated: &'h mut [&'b [u8]; MAX_NOMINATED],
        limits: &HeadLimits,
    ) -> Result<Self, HeadFault> {
        check_lines(bytes, headers, limits)?;
        let mut fields = Self {
            bytes,
            headers,
            kinds: &[],
            nominated: &[],
            framing: FramingFields::default(),
            close: false,
            keep_alive: false,
            has_date: false,
            request_id: RequestIdField::None,
            upgrade: None,
            form: Form::Text,
            hops: 0,
        };
        let mut nominations = 0;
        for (kind, header) in kinds.iter_mut().zip(headers) {
            *kind = classify(header.name.as_bytes());
            match *kind {
                Field::Connection => fields.connection(header.value, nominated, &mut nominations)?,
                Field::ContentLength => fields.framing.content_length(header.value),
                Field::TransferEncoding => fields.framing.transfer_encoding(header.value),
                Field::Accept if fields.form == Form::Text => fields.form = preferred(header.value),
                Field::Date => fields.has_date = true,
                Field::RequestId => fields.request_id.note(header.value),
                // Two such fields would be one list; nobody sends that, so it counts as naming nothing.
                Field::Upgrade => fields.upgrade = Some(fields.upgrade.map_or(header.value, |_| b"")),
                Field::Via => fields.hops += syntax::list(header.value).filter(|hop| is_ours(hop)).count(),
                _ => {}
            }
        }
        (fields.kinds, fields.nominated) = (&kinds[..], &nominated[..nominations]);
        Ok(fields)
    }

    /// One `Connection` value; the fields that it names are added to the `nominated`.
    fn connection(
        &mut self,
        value: &'b [u8],
        nominated: &mut [&'b [u8]; MAX_NOMINATED],
        nominations: &mut usize,
    ) -> Result<(), HeadFault> {
        for option in syntax::list(value) {
            match option.len() {
                5 if option.eq_ignore_ascii_case(b"close") => self.close = true,
                10 if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                _ => {
                    *nominated.get_mut(*nominations).ok_or(HeadFault::TooLarge)? = option;
                    *nominations += 1;
                }
            }
        }
        Ok(())
    }

    /// The fields with what each is.
    pub fn iter(&self) -> impl Iterator<Item = (&Header<'b>, Field)> + '_ {
        self.headers.iter().zip(self.kinds.iter().copied())
    }

    /// The head, which [`Fields::line`] gives places in.
    pub fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The place of a field's line in the head, with its CRLF, if it came as it would be written:
    /// a colon, one space, and nothing behind the value.
    pub fn line(&self, header: &Header<'b>) -> Option<Range<usize>> {
        let place = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        let (start, value) = (place(header.name.as_bytes()), place(header.value));
        let end = value.checked_add(header.value.len())?;
        let separated = value.checked_sub(start)? == header.name.len() + 2
            && self.bytes.get(value - 2..value)? == b": "
            && self.bytes.get(end..end + 2)? == b"\r\n";
        separated.then_some(start..end + 2)
    }

    /// The value of the only field of a kind; `None` when there is none, an error when there are two.
    fn only(&self, kind: Field) -> Result<Option<&'b [u8]>, HeadFault> {
        let mut values = self.iter().filter(|(_, found)| *found == kind).map(|(header, _)| header.value);
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            _ => Err(HeadFault::Host),
        }
    }

    /// The names of fields that `Connection` says end here.
    pub fn nominated(&self) -> &'h [&'b [u8]] {
        self.nominated
    }

    /// Does `Connection` name this field as one that ends here?
    pub fn is_nominated(&self, name: &[u8]) -> bool {
        self.nominated.iter().any(|nominated| nominated.eq_ignore_ascii_case(name))
    }

    /// Is there a `Date`?
    pub fn has_date(&self) -> bool {
        self.has_date
    }

    /// The value of the only `X-Request-Id`; of several none is better than the others.
    pub fn request_id(&self) -> Option<&'b [u8]> {
        match self.request_id {
            RequestIdField::One(value) => Some(value),
            RequestIdField::None | RequestIdField::Several => None,
        }
    }

    /// The good `Content-Length` of the message, if it has one.
    pub fn content_length(&self) -> Option<u64> {
        self.framing.length()
    }

    /// The form of an answer that the sender prefers.
    pub fn preferred_form(&self) -> Form {
        self.form
    }

    /// How often the message has passed a gateway of our kind.
    pub fn hops(&self) -> usize {
        self.hops
    }

    /// The protocols of `Upgrade`, if a tunnel may carry them.
    fn upgrade(&self) -> Option<&'b [u8]> {
        self.upgrade.filter(|protocols| is_tunnelled(protocols))
    }

    /// Does the sender keep the connection open after this message (RFC 9112 §9.3)?
    fn persists(&self, minor_version: u8) -> bool {
        !self.close && (minor_version == 1 || self.keep_alive)
    }
}

/// Is this entry of `Via` one of a gateway of our kind: a protocol, white space, our name?
fn is_ours(hop: &[u8]) -> bool {
    hop.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .nth(1)
        .is_some_and(|name| name.eq_ignore_ascii_case(PSEUDONYM.as_bytes()))
}

/// Every line ends with CRLF and is no longer than allowed. Names start where lines start, so their places tell.
fn check_lines(bytes: &[u8], headers: &[Header<'_>], limits: &HeadLimits) -> Result<(), HeadFault> {
    if headers.len() > limits.fields {
        return Err(HeadFault::TooLarge);
    }
    let base = bytes.as_ptr() as usize;
    let mut previous = None;
    for header in headers {
        let start = (header.name.as_ptr() as usize).wrapping_sub(base);
        if start < 2 || bytes.get(start - 2..start) != Some(b"\r\n") {
            return Err(HeadFault::Malformed);
        }
        if previous.is_some_and(|previous| start - previous > limits.line) {
            return Err(HeadFault::TooLarge);
        }
        previous = Some(start);
    }
    match previous {
        Some(start) if bytes.len() - start > limits.line.saturating_add(2) => Err(HeadFault::TooLarge),
        _ => Ok(()),
    }
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
        let asked = self.fields.upgrade.is_some() && self.minor_version == 1;
        self.fields.upgrade().filter(|_| asked && self.fields.is_nominated(b"upgrade"))
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
