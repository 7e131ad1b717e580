//! The header section of a head (RFC 9110 §6.3), read once: what each field is, and what they say about message and
//! connection.

use core::ops::Range;

use httparse::Header;

use super::{HeadFault, HeadLimits, MAX_FIELDS};
use crate::http1::accept::{preferred, Form};
use crate::http1::fields::{classify, Field};
use crate::http1::framing::FramingFields;
use crate::http1::syntax;
use crate::http1::upgrade::is_tunnelled;

/// Field names that `Connection` may nominate; more come from nobody honest.
pub(super) const MAX_NOMINATED: usize = 16;
/// What the gateway calls itself in `Via`.
const PSEUDONYM: &str = "headgate";

/// The fields of one head with what each is, and what they say about the connection.
#[derive(Debug)]
pub struct Fields<'h, 'b> {
    /// The head that they stand in.
    bytes: &'b [u8],
    headers: &'h [Header<'b>],
    kinds: &'h [Field],
    nominated: &'h [&'b [u8]],
    pub(super) framing: FramingFields,
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
    pub(super) fn read(
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
    pub(super) fn only(&self, kind: Field) -> Result<Option<&'b [u8]>, HeadFault> {
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
    pub(super) fn upgrade(&self) -> Option<&'b [u8]> {
        self.upgrade.filter(|protocols| is_tunnelled(protocols))
    }

    /// Does the sender keep the connection open after this message (RFC 9112 §9.3)?
    pub(super) fn persists(&self, minor_version: u8) -> bool {
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
