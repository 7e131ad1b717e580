//! Compression of answers: which of them, for whom, in which content coding, and what that changes in their heads.
//!
//! The laws: an answer is encoded only if its client accepts that, and nothing but the client's own wish decides between two
//! answers that its `Vary` does not tell apart; what was cut off never gets the end of its coding, so it cannot look
//! complete; and no answer that may hold a secret of one client is compressed unless the route says so, because its length
//! would tell of the secret to whoever can have the client ask for more and see how long the answers are (BREACH).

mod accept;
#[cfg(test)]
pub(crate) mod decoding;
mod encoder;
mod fields;
mod stock;
mod tags;
mod types;

pub use accept::Accepted;
pub use encoder::{Encoder, EncoderFault};
pub use fields::describes_bytes;
pub(crate) use fields::put;
pub use stock::Encoders;
pub use types::{InvalidType, MediaTypes};

use std::sync::Arc;

use serde::Deserialize;

use crate::http1::head::{Fields, Request, Response};
use crate::http1::syntax::list;

/// A content coding that answers can be put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// RFC 1952, which every client knows.
    Gzip,
    /// RFC 8878 and 9659: smaller answers for less work.
    Zstd,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// As the IANA registry and `Content-Encoding` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The coding of that name, in any case; `x-gzip` is an old one of gzip (RFC 9110 §8.4.1.3).
    fn named(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        Self::ALL.into_iter().find(|coding| is(coding.name())).or_else(|| is("x-gzip").then_some(Self::Gzip))
    }
}

/// A coding, and how much work it may be: from 1 to [`Grade::MAX_LEVEL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// The coding.
    pub coding: Coding,
    /// Its level.
    pub level: u8,
}

impl Grade {
    /// The most work: beyond it, a worker would be at one read of an answer for tens of milliseconds.
    pub const MAX_LEVEL: u8 = 9;
}

/// What a route compresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The codings, the one first that is taken among those that a client likes alike.
    pub grades: Box<[Grade]>,
    /// The media types of answers that are worth it.
    pub types: MediaTypes,
    /// Bytes of a body below which it is not worth it, where its length is known beforehand.
    pub min_length: u64,
    /// Answers that may hold a secret of their client are compressed as well.
    pub with_credentials: bool,
}

/// What compression changes in the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: every client gets the answer as it came.
    Nothing,
    /// Others may get it in a coding.
    Varies,
    /// It confirms what a client has that would get it in a coding (304).
    Confirms {
        /// The client has it by a weak tag, as it has what was encoded.
        weakly: bool,
    },
    /// It goes out in a coding.
    Encodes(Grade),
}

impl Change {
    /// May the head say how long the body is that a GET would have got? One that is encoded has no known length.
    pub(crate) fn keeps_length(self) -> bool {
        matches!(self, Self::Nothing | Self::Varies)
    }
}

/// What a request asks of the form of its answer, by the rules of its route.
#[derive(Clone, Debug)]
pub struct Wish {
    rules: Arc<Compression>,
    accepted: Accepted,
    has_credentials: bool,
    /// The lines of `If-None-Match` that have a weak tag, behind one another.
    weak_tags: Vec<u8>,
}

impl Wish {
    /// What a request asks. HTTP/1.0 has no chunked coding, without which a compressed answer could not be told from one
    /// that was cut off: its clients get none.
    pub fn of(rules: &Arc<Compression>, request: &Request<'_, '_>) -> Self {
        let mut codings = accept::Reader::new(&rules.grades);
        let (mut has_credentials, mut may_transform) = (false, request.minor_version > 0);
        let mut weak_tags = Vec::new();
        for (header, _) in request.fields.iter() {
            match Known::of(header.name) {
                Some(Known::AcceptEncoding) => codings.read(header.value),
                Some(Known::Credentials) => has_credentials = true,
                Some(Known::CacheControl) => may_transform &= !has(header.value, b"no-transform"),
                Some(Known::IfNoneMatch) if tags::has_weak(header.value) => {
                    weak_tags.extend_from_slice(header.value);
                    weak_tags.push(b',');
                }
                _ => {}
            }
        }
        let accepted = if may_transform { codings.accepted() } else { Accepted::default() };
        Self { rules: Arc::clone(rules), accepted, has_credentials, weak_tags }
    }

    /// The coding that an answer gets that is compressed; `None`: whatever it is, it is not compressed.
    pub fn grade(&self) -> Option<Grade> {
        self.accepted.grade
    }

    /// Is no answer compressed unless it says that it is for everybody?
    pub fn is_guarded(&self) -> bool {
        self.has_credentials && !self.rules.with_credentials
    }

    /// What becomes of the head of a final answer.
    pub fn judge(&self, response: &Response<'_, '_>) -> Change {
        let known = Content::of(&response.fields);
        if !self.is_eligible(response, &known) {
            return Change::Nothing;
        }
        let is_secret = known.sets_cookie || self.has_credentials && !known.is_public;
        match self.accepted.grade.filter(|_| self.rules.with_credentials || !is_secret) {
            None => Change::Varies,
            Some(_) if response.status == 304 => Change::Confirms { weakly: self.names_weakly(&known) },
            Some(_) if self.is_too_short(response) => Change::Varies,
            Some(grade) => Change::Encodes(grade),
        }
    }

    /// Might some client get it in a coding? The answer to HEAD says what GET would have got.
    fn is_eligible(&self, response: &Response<'_, '_>, known: &Content<'_>) -> bool {
        // 206 is a part of what it is, and its place in it was told (RFC 9110 §15.3.7).
        if known.is_final || matches!(response.status, 204..=206) {
            return false;
        }
        if response.status == 304 {
            return known.media_type.is_none_or(|media_type| self.rules.types.contain(media_type));
        }
        known.media_type.is_some_and(|media_type| self.rules.types.contain(media_type))
            && response.fields.content_length() != Some(0)
    }

    /// Does the client name the tag as a weak one, as what was encoded has it? It may have the answer plain by the tag that the instance
    /// gave: because it was short, there was no room for an encoder, or its type, which a 304 need not tell, is none of the rules'.
    fn names_weakly(&self, known: &Content<'_>) -> bool {
        known.tag.is_some_and(|tag| tags::names_weakly(&self.weak_tags, tag))
    }

    /// Is it not worth a coding? A client that refuses what is in none gets even that in one (RFC 9110 §12.5.3), so it varies.
    fn is_too_short(&self, response: &Response<'_, '_>) -> bool {
        !self.accepted.refuses_identity
            && response.fields.content_length().is_some_and(|length| length < self.rules.min_length)
    }
}

/// What the fields of an answer say of its content.
#[derive(Default)]
struct Content<'b> {
    /// It is in a coding, is a part, or is not to be changed.
    is_final: bool,
    media_type: Option<&'b [u8]>,
    tag: Option<&'b [u8]>,
    sets_cookie: bool,
    /// It is the same for everybody (RFC 9111 §5.2.2.9).
    is_public: bool,
}

impl<'b> Content<'b> {
    fn of(fields: &Fields<'_, 'b>) -> Self {
        let mut known = Self::default();
        for (header, _) in fields.iter() {
            match Known::of(header.name) {
                Some(Known::Encoded) => known.is_final = true,
                Some(Known::ContentType) => known.media_type = known.media_type.or(Some(header.value)),
                Some(Known::EntityTag) => known.tag = known.tag.or(Some(header.value)),
                Some(Known::SetCookie) => known.sets_cookie = true,
                Some(Known::CacheControl) => {
                    known.is_final |= has(header.value, b"no-transform");
                    known.is_public |= has(header.value, b"public");
                }
                _ => {}
            }
        }
        known
    }
}

/// Does a list name this, in any case?
fn has(value: &[u8], directive: &[u8]) -> bool {
    list(value).any(|element| element.eq_ignore_ascii_case(directive))
}

/// A field that decides about compression.
enum Known {
    AcceptEncoding,
    CacheControl,
    /// `Cookie` or `Authorization`.
    Credentials,
    ContentType,
    /// `Content-Encoding` or `Content-Range`.
    Encoded,
    EntityTag,
    IfNoneMatch,
    SetCookie,
}

impl Known {
    fn of(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        Some(match name.len() {
            4 if is("etag") => Self::EntityTag,
            6 if is("cookie") => Self::Credentials,
            10 if is("set-cookie") => Self::SetCookie,
            12 if is("content-type") => Self::ContentType,
            13 if is("cache-control") => Self::CacheControl,
            13 if is("authorization") => Self::Credentials,
            13 if is("content-range") => Self::Encoded,
            13 if is("if-none-match") => Self::IfNoneMatch,
            15 if is("accept-encoding") => Self::AcceptEncoding,
            16 if is("content-encoding") => Self::Encoded,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
