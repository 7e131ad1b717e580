//! How long a message's body is, decided once from its head (RFC 9112 §6.3), strictly: what two readers could
//! understand in two ways is refused.

use super::syntax::{decimal, list};

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// Exactly so many bytes, at least one.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Everything until the sender closes; responses only.
    UntilClose,
}

/// Why a body's length cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingFault {
    /// Lengths that contradict each other or are no numbers, or a coding where none may be.
    Ambiguous,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
}

/// The longest length that is believed: many readers count in signed 64 bits, and what is beyond means another number
/// to them.
pub const MAX_LENGTH: u64 = i64::MAX as u64;

/// The framing fields of one head, collected field by field.
#[derive(Clone, Copy, Debug, Default)]
pub struct FramingFields {
    length: Option<u64>,
    chunked: bool,
    fault: Option<FramingFault>,
}

impl FramingFields {
    /// One `Content-Length` value. A second one is refused even if equal, and so is a list (RFC 9112 §6.3 rule 5
    /// allows to refuse; two equal lengths come from nobody honest).
    pub fn content_length(&mut self, value: &[u8]) {
        match decimal(value) {
            Some(length) if self.length.is_none() && length <= MAX_LENGTH => self.length = Some(length),
            _ => self.fault = Some(FramingFault::Ambiguous),
        }
    }

    /// One `Transfer-Encoding` value. Only a single `chunked` is understood.
    pub fn transfer_encoding(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"chunked") && !self.chunked {
            self.chunked = true;
        } else if self.fault.is_none() {
            let repeats = list(value).any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            let plain = value.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let unknown = plain && !value.is_empty() && !repeats;
            self.fault = Some(if unknown { FramingFault::UnknownCoding } else { FramingFault::Ambiguous });
        }
    }

    /// The `Content-Length`, if there was a good one.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Does the head speak of a body, whether one may follow or not?
    pub fn announces_body(&self) -> bool {
        self.chunked || self.length.is_some_and(|length| length > 0)
    }

    /// The body of a request. Both fields together are how requests are smuggled (RFC 9112 §6.1), and HTTP/1.0
    /// has no transfer codings.
    pub fn request(&self, minor_version: u8) -> Result<Framing, FramingFault> {
        self.check(minor_version)?;
        Ok(match self.length {
            _ if self.chunked => Framing::Chunked,
            Some(length) if length > 0 => Framing::Length(length),
            _ => Framing::Empty,
        })
    }

    /// The body of a final response; `bodiless` for an answer to HEAD.
    pub fn response(&self, minor_version: u8, status: u16, bodiless: bool) -> Result<Framing, FramingFault> {
        self.check(minor_version)?;
        Ok(match self.length {
            _ if bodiless || matches!(status, 204 | 304) => Framing::Empty,
            _ if self.chunked => Framing::Chunked,
            Some(0) => Framing::Empty,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }

    fn check(&self, minor_version: u8) -> Result<(), FramingFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.chunked && (self.length.is_some() || minor_version == 0) => {
                Err(FramingFault::Ambiguous)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lengths: &[&str], codings: &[&str]) -> FramingFields {
        let mut fields = FramingFields::default();
        for value in lengths {
            fields.content_length(value.as_bytes());
        }
        for value in codings {
            fields.transfer_encoding(value.as_bytes());
        }
        fields
    }

    #[test]
    fn one_length_or_one_coding_tells_the_body() {
        assert_eq!(fields(&[], &[]).request(1), Ok(Framing::Empty));
        assert_eq!(fields(&["0"], &[]).request(1), Ok(Framing::Empty));
        assert_eq!(fields(&["9223372036854775807"], &[]).request(1), Ok(Framing::Length(MAX_LENGTH)));
        assert_eq!(fields(&["5"], &[]).request(0), Ok(Framing::Length(5)));
        assert_eq!(fields(&[], &["Chunked"]).request(1), Ok(Framing::Chunked));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (lengths, codings) in [
            (&["5", "6"][..], &[][..]),
            (&["5", "5"], &[]),
            (&["5, 5"], &[]),
            (&["9223372036854775808"], &[]),
            (&["+5"], &[]),
            (&[""], &[]),
            (&["5"], &["chunked"]),
            (&[], &["chunked", "chunked"]),
            (&[], &["chunked, chunked"]),
            (&[], &["gzip, chunked"]),
            (&[], &["chunked, gzip"]),
            (&[], &[",chunked"]),
            (&[], &[""]),
            (&[], &["chunked;q=1"]),
            (&[], &["\"chunked\""]),
        ] {
            assert_eq!(
                fields(lengths, codings).request(1),
                Err(FramingFault::Ambiguous),
                "{lengths:?} {codings:?}"
            );
        }
        assert_eq!(fields(&[], &["chunked"]).request(0), Err(FramingFault::Ambiguous));
        assert_eq!(fields(&[], &["gzip"]).request(1), Err(FramingFault::UnknownCoding));
        assert_eq!(fields(&[], &["identity"]).request(1), Err(FramingFault::UnknownCoding));
    }

    #[test]
    fn a_response_without_framing_lasts_until_the_close() {
        assert_eq!(fields(&[], &[]).response(1, 200, false), Ok(Framing::UntilClose));
        assert_eq!(fields(&[], &[]).response(1, 204, false), Ok(Framing::Empty));
        assert_eq!(fields(&["9"], &[]).response(1, 304, false), Ok(Framing::Empty));
        assert_eq!(fields(&["9"], &[]).response(1, 200, true), Ok(Framing::Empty));
        assert_eq!(fields(&["9"], &[]).response(1, 200, false), Ok(Framing::Length(9)));
        assert_eq!(fields(&["9"], &["chunked"]).response(1, 200, false), Err(FramingFault::Ambiguous));
    }
}
