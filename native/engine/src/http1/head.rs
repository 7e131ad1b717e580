//! Request and response heads: found, bounded and parsed (crate `httparse`), then read field by field once.
//!
//! `httparse` accepts a bare LF as a line end; RFC 9112 §2.2 allows that, request smuggling lives on it, so every line
//! end is checked again here. Nothing is copied: a head borrows from the bytes it was read from.

use core::mem::MaybeUninit;

use httparse::Header;
use memchr::{memchr, memmem};

use super::fields::{classify, Field};
use super::framing::{Framing, FramingFault, FramingFields};
use super::syntax;

/// Fields that a head can have at the most, whatever the configuration says; each costs 32 bytes of stack.
pub const MAX_FIELDS: usize = 256;
/// Field names that `Connection` may nominate; more come from nobody honest.
const MAX_NOMINATED: usize = 16;
/// Room on the stack for the fields of one head.
pub type Slots<'a> = [MaybeUninit<Header<'a>>; MAX_FIELDS];

/// Room for the fields of one head.
pub const fn slots<'a>() -> Slots<'a> {
    [const { MaybeUninit::uninit() }; MAX_FIELDS]
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
    /// No Host in HTTP/1.1, more than one, or one with bytes that no host has.
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

/// Where the head in `bytes` ends, including its empty line; `None` while it is incomplete.
///
/// `searched` bytes were looked at by earlier calls, so that a head that comes byte by byte is searched once.
pub fn find_end(bytes: &[u8], searched: usize, limits: &HeadLimits) -> Result<Option<usize>, HeadFault> {
    let from = searched.saturating_sub(3).min(bytes.len());
    if let Some(found) = memmem::find(&bytes[from..], b"\r\n\r\n") {
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

/// Bytes of empty lines before a request line, which robust servers ignore (RFC 9112 §2.2): two at the most.
pub fn leading_empty_lines(bytes: &[u8]) -> usize {
    let mut length = 0;
    while length < 4 && bytes[length..].starts_with(b"\r\n") {
        length += 2;
    }
    length
}

/// The fields of one head with what each is, and what they say about the connection.
#[derive(Debug)]
pub struct Fields<'h, 'b> {
    headers: &'h [Header<'b>],
    kinds: [Field; MAX_FIELDS],
    nominated: [&'b [u8]; MAX_NOMINATED],
    nominations: usize,
    framing: FramingFields,
    close: bool,
    keep_alive: bool,
    has_date: bool,
}

impl<'h, 'b> Fields<'h, 'b> {
    /// Classifies every field; `bytes` is the head they were parsed from, for the check of its line ends.
    fn read(bytes: &[u8], headers: &'h [Header<'b>], limits: &HeadLimits) -> Result<Self, HeadFault> {
        let mut fields = Self {
            headers,
            kinds: [Field::Other; MAX_FIELDS],
            nominated: [&[]; MAX_NOMINATED],
            nominations: 0,
            framing: FramingFields::default(),
            close: false,
            keep_alive: false,
            has_date: false,
        };
        check_lines(bytes, headers, limits)?;
        for (kind, header) in fields.kinds.iter_mut().zip(headers) {
            *kind = classify(header.name.as_bytes());
            match *kind {
                Field::ContentLength => fields.framing.content_length(header.value),
                Field::TransferEncoding => fields.framing.transfer_encoding(header.value),
                Field::Date => fields.has_date = true,
                _ => {}
            }
        }
        fields.read_connection()?;
        Ok(fields)
    }

    fn read_connection(&mut self) -> Result<(), HeadFault> {
        for (header, _) in self.headers.iter().zip(self.kinds).filter(|(_, kind)| *kind == Field::Connection) {
            for option in syntax::list(header.value) {
                match option.len() {
                    5 if option.eq_ignore_ascii_case(b"close") => self.close = true,
                    10 if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                    _ => {
                        let place = self.nominated.get_mut(self.nominations).ok_or(HeadFault::TooLarge)?;
                        *place = option;
                        self.nominations += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// The fields with what each is.
    pub fn iter(&self) -> impl Iterator<Item = (&Header<'b>, Field)> + '_ {
        self.headers.iter().zip(self.kinds)
    }

    /// The value of the only field of a kind; `None` when there is none, an error when there are two.
    fn only(&self, kind: Field) -> Result<Option<&'b [u8]>, HeadFault> {
        let mut values = self.iter().filter(|(_, found)| *found == kind).map(|(header, _)| header.value);
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            _ => Err(HeadFault::Host),
        }
    }

    /// Does `Connection` name this field as one that ends here?
    pub fn is_nominated(&self, name: &[u8]) -> bool {
        self.nominated[..self.nominations].iter().any(|nominated| nominated.eq_ignore_ascii_case(name))
    }

    /// Is there a `Date`?
    pub fn has_date(&self) -> bool {
        self.has_date
    }

    /// The good `Content-Length` of the message, if it has one.
    pub fn content_length(&self) -> Option<u64> {
        self.framing.length()
    }

    /// Does the sender keep the connection open after this message (RFC 9112 §9.3)?
    fn persists(&self, minor_version: u8) -> bool {
        !self.close && (minor_version == 1 || self.keep_alive)
    }
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
        Some(start) if bytes.len() - start > limits.line + 2 => Err(HeadFault::TooLarge),
        _ => Ok(()),
    }
}

/// One request's head, strictly parsed.
#[derive(Debug)]
pub struct Request<'h, 'b> {
    /// The method, a token.
    pub method: &'b [u8],
    /// Path and query as they are forwarded; `/` is to be put before it when `rootless`.
    pub target: &'b [u8],
    /// The target was in absolute form without a path.
    pub rootless: bool,
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
    /// Parses a complete head, as [`find_end`] found it.
    pub fn parse(bytes: &'b [u8], slots: &'h mut Slots<'b>, limits: &HeadLimits) -> Result<Self, HeadFault> {
        let mut parsed = httparse::Request::new(&mut []);
        let outcome = parsed.parse_with_uninit_headers(bytes, slots);
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
        let fields = Fields::read(bytes, parsed.headers, limits)?;
        let Target { authority, rest, rootless } = Target::parse(method, target)?;
        let field_host = fields.only(Field::Host)?;
        if !syntax::is_host(field_host.unwrap_or_default()) || (field_host.is_none() && minor_version == 1) {
            return Err(HeadFault::Host);
        }
        Ok(Self {
            method,
            target: rest,
            rootless,
            host: authority.or(field_host).unwrap_or_default(),
            minor_version,
            framing: fields.framing.request(minor_version)?,
            persists: fields.persists(minor_version),
            fields,
        })
    }

    /// The path, without the query; what routes are matched by.
    pub fn path(&self) -> &'b [u8] {
        if self.rootless {
            return b"/";
        }
        memchr(b'?', self.target).map_or(self.target, |end| &self.target[..end])
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

/// A request target taken apart.
struct Target<'b> {
    authority: Option<&'b [u8]>,
    rest: &'b [u8],
    rootless: bool,
}

impl<'b> Target<'b> {
    /// Origin form, absolute form or asterisk form (RFC 9112 §3.2); the authority form is CONNECT's alone.
    fn parse(method: &[u8], target: &'b [u8]) -> Result<Self, HeadFault> {
        if method == b"CONNECT" {
            return Err(HeadFault::Connect);
        }
        if !syntax::is_target(target) {
            return Err(HeadFault::Malformed);
        }
        if target[0] == b'/' || (target == b"*" && method == b"OPTIONS") {
            return Ok(Self { authority: None, rest: target, rootless: false });
        }
        Self::absolute(target)
    }

    fn absolute(target: &'b [u8]) -> Result<Self, HeadFault> {
        let scheme = memmem::find(target, b"://").ok_or(HeadFault::Malformed)?;
        if !target[..scheme].eq_ignore_ascii_case(b"http") && !target[..scheme].eq_ignore_ascii_case(b"https") {
            return Err(HeadFault::Malformed);
        }
        let after = &target[scheme + 3..];
        let end = after.iter().position(|&byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        if authority.is_empty() || !syntax::is_host(authority) {
            return Err(HeadFault::Host);
        }
        Ok(Self { authority: Some(authority), rest, rootless: !rest.starts_with(b"/") })
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
        let outcome =
            httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, slots);
        check_outcome(outcome, bytes)?;
        let status = parsed.code.filter(|code| (100..=999).contains(code)).ok_or(HeadFault::Malformed)?;
        let minor_version = parsed.version.ok_or(HeadFault::Malformed)?;
        if memchr(b'\n', bytes).is_none_or(|end| end == 0 || bytes[end - 1] != b'\r') {
            return Err(HeadFault::Malformed);
        }
        let fields = Fields::read(bytes, parsed.headers, limits)?;
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
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { head: 1024, line: 256, fields: 8, target: 64 };

    fn request<T>(bytes: &[u8], look: impl FnOnce(Result<Request<'_, '_>, HeadFault>) -> T) -> T {
        let mut slots = slots();
        look(Request::parse(bytes, &mut slots, &LIMITS))
    }

    fn fault(bytes: &[u8]) -> Option<HeadFault> {
        request(bytes, |outcome| outcome.err())
    }

    #[test]
    fn a_head_is_found_however_it_is_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for cut in 0..head.len() {
            let first = find_end(&head[..cut], 0, &LIMITS);
            assert_eq!(first, Ok((cut >= 27).then_some(27)), "cut at {cut}");
            assert_eq!(find_end(head, cut.min(26), &LIMITS), Ok(Some(27)));
        }
    }

    #[test]
    fn a_bare_line_feed_is_refused_at_once() {
        for head in [&b"GET / HTTP/1.1\nHost: a\n\n"[..], b"\n", b"GET / HTTP/1.1\r\nHost: a\n"] {
            assert_eq!(find_end(head, 0, &LIMITS), Err(HeadFault::Malformed));
        }
        assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), Some(HeadFault::Malformed));
        assert_eq!(fault(b"GET / HTTP/1.1\nHost: a\r\n\r\n"), Some(HeadFault::Malformed));
        assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n\r\n"), Some(HeadFault::Malformed));
    }

    #[test]
    fn sizes_are_bounded() {
        let long_target = [b"GET /", &[b'a'; 2000][..]].concat();
        assert_eq!(find_end(&long_target, 0, &LIMITS), Err(HeadFault::TargetTooLong));
        let long_head = [b"GET / HTTP/1.1\r\n", &[b'a'; 2000][..]].concat();
        assert_eq!(find_end(&long_head, 0, &LIMITS), Err(HeadFault::TooLarge));
        let line = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", &[b'a'; 300][..], b"\r\n\r\n"].concat();
        assert_eq!(fault(&line), Some(HeadFault::TooLarge));
        let early = [b"GET / HTTP/1.1\r\nX: ", &[b'a'; 300][..], b"\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(fault(&early), Some(HeadFault::TooLarge));
        let fields = [b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec(), b"X: y\r\n".repeat(8), b"\r\n".to_vec()].concat();
        assert_eq!(fault(&fields), Some(HeadFault::TooLarge));
    }

    #[test]
    fn every_byte_of_names_values_methods_and_targets_is_judged() {
        for byte in 0..=255_u8 {
            let name = [b"GET / HTTP/1.1\r\nHost: a\r\nX", &[byte][..], b"Y: z\r\n\r\n"].concat();
            let token = syntax::is_token(&[byte]) || byte == b':';
            assert_eq!(fault(&name).is_none(), token, "name with {byte:#x}");
            let value = [b"GET / HTTP/1.1\r\nHost: a\r\nX: y", &[byte][..], b"z\r\n\r\n"].concat();
            let legal = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            assert_eq!(fault(&value).is_none(), legal, "value with {byte:#x}");
            let method = [b"G", &[byte][..], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            assert_eq!(fault(&method).is_none(), syntax::is_token(&[byte]), "method with {byte:#x}");
            let target = [b"GET /a", &[byte][..], b"b HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            assert_eq!(fault(&target).is_none(), syntax::is_target(&[byte]), "target with {byte:#x}");
            let host = [b"GET / HTTP/1.1\r\nHost: a", &[byte][..], b"b\r\n\r\n"].concat();
            assert_eq!(fault(&host).is_none(), syntax::is_host(&[b'a', byte, b'b']), "host with {byte:#x}");
        }
    }

    #[test]
    fn malformed_heads_are_refused() {
        for head in [
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(fault(head.as_bytes()), Some(HeadFault::Malformed), "{head:?}");
        }
        for head in ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"] {
            assert_eq!(fault(head.as_bytes()), Some(HeadFault::Version), "{head:?}");
        }
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(fault(head.as_bytes()), Some(HeadFault::Host), "{head:?}");
        }
        assert_eq!(fault(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), Some(HeadFault::Connect));
    }

    #[test]
    fn the_three_forms_of_a_target_give_host_and_path() {
        let row = |head: &str| {
            request(head.as_bytes(), |outcome| {
                let request = outcome.unwrap();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                (text(request.host), text(request.path()), text(request.target), request.rootless)
            })
        };
        let expect = |host: &str, path: &str, target: &str, rootless| (host.into(), path.into(), target.into(), rootless);
        assert_eq!(row("GET /p?q HTTP/1.1\r\nHost: h:1\r\n\r\n"), expect("h:1", "/p", "/p?q", false));
        assert_eq!(row("GET http://b/p HTTP/1.1\r\nHost: h\r\n\r\n"), expect("b", "/p", "/p", false));
        assert_eq!(row("GET HTTP://b HTTP/1.1\r\nHost: h\r\n\r\n"), expect("b", "/", "", true));
        assert_eq!(row("GET http://b?q HTTP/1.1\r\nHost: h\r\n\r\n"), expect("b", "/", "?q", true));
        assert_eq!(row("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), expect("h", "*", "*", false));
        assert_eq!(row("GET / HTTP/1.0\r\n\r\n"), expect("", "/", "/", false));
    }

    #[test]
    fn connection_options_persist_close_and_nominate() {
        let row = |connection: &str, minor: u8| {
            let head = format!("GET / HTTP/1.{minor}\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
            request(head.as_bytes(), |outcome| {
                let request = outcome.unwrap();
                (request.persists, request.fields.is_nominated(b"x-secret"))
            })
        };
        assert_eq!(row("keep-alive", 1), (true, false));
        assert_eq!(row("Close", 1), (false, false));
        assert_eq!(row("x-other, X-Secret", 1), (true, true));
        assert_eq!(row("x-other", 0), (false, false));
        assert_eq!(row("Keep-Alive", 0), (true, false));
        let many = (0..20).map(|i| format!("x{i}")).collect::<Vec<_>>().join(",");
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {many}\r\n\r\n");
        assert_eq!(fault(head.as_bytes()), Some(HeadFault::TooLarge));
    }

    #[test]
    fn only_one_expectation_is_known() {
        let row = |head: &str| request(head.as_bytes(), |outcome| outcome.unwrap().expects_continue());
        assert_eq!(row("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n"), Ok(true));
        assert_eq!(row("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), Ok(false));
        assert_eq!(row("PUT / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"), Err(HeadFault::Expectation));
    }

    #[test]
    fn responses_are_as_strict() {
        let row = |bytes: &[u8]| {
            let mut slots = slots();
            Response::parse(bytes, &mut slots, &LIMITS).map(|response| (response.status, response.persists))
        };
        assert_eq!(row(b"HTTP/1.1 200 OK\r\n\r\n"), Ok((200, true)));
        assert_eq!(row(b"HTTP/1.0 404\r\nConnection: keep-alive\r\n\r\n"), Ok((404, true)));
        assert_eq!(row(b"HTTP/1.0 404 \r\n\r\n"), Ok((404, false)));
        for bytes in [
            &b"HTTP/1.1 200 OK\n\r\n\r\n"[..],
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
        ] {
            assert_eq!(row(bytes), Err(HeadFault::Malformed), "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(row(b"HTTP/3.0 200 OK\r\n\r\n").is_err(), true);
    }
}
