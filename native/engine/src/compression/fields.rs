//! What a coding changes in the fields of an answer.

use super::tags::opaque;
use super::Change;
use crate::http1::head::Fields;
use crate::http1::syntax::list;

/// Does a field of this name speak of the very bytes of the content, so that it is wrong of any other coding of it? Ranges of
/// it (RFC 9110 §14.3), digests (RFC 9530; `Content-MD5` and `Digest` before it), and the tag of just these bytes
/// (RFC 9110 §8.8.3), which goes out as a weak one.
pub fn describes_bytes(name: &[u8]) -> bool {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        4 => is(b"etag"),
        6 => is(b"digest"),
        11 => is(b"content-md5") || is(b"repr-digest"),
        13 => is(b"accept-ranges"),
        14 => is(b"content-digest"),
        _ => false,
    }
}

impl Change {
    /// Is a field left out of the head, or written anew by [`put`]?
    pub(crate) fn leaves_out(self, name: &[u8]) -> bool {
        match self {
            Self::Nothing | Self::Varies => false,
            Self::Confirms { weakly } => weakly && name.eq_ignore_ascii_case(b"etag"),
            Self::Encodes(_) => describes_bytes(name),
        }
    }
}

/// Writes the lines that a change brings. `keeps`: does a field of this name of the answer reach the client, as far as its
/// route goes?
#[cold] // of most answers
pub(crate) fn put(
    output: &mut Vec<u8>,
    change: Change,
    fields: &Fields<'_, '_>,
    keeps: impl Fn(&[u8]) -> bool,
) {
    if change == Change::Nothing {
        return;
    }
    if let Change::Encodes(grade) = change {
        for part in ["Content-Encoding: ", grade.coding.name(), "\r\n"] {
            output.extend_from_slice(part.as_bytes());
        }
    }
    let (mut varies, weakens) = (false, change.leaves_out(b"etag"));
    for (header, _) in fields.iter().filter(|(header, _)| keeps(header.name.as_bytes())) {
        if weakens && header.name.eq_ignore_ascii_case("etag") {
            put_weak(output, header.value);
        } else if header.name.eq_ignore_ascii_case("vary") {
            varies |= list(header.value).any(|it| it == b"*" || it.eq_ignore_ascii_case(b"accept-encoding"));
        }
    }
    if !varies {
        output.extend_from_slice(b"Vary: Accept-Encoding\r\n");
    }
}

/// Writes a tag as one of whatever has the same meaning: the bytes are others now (RFC 9110 §8.8.3.3). What is no tag is
/// left out.
fn put_weak(output: &mut Vec<u8>, tag: &[u8]) {
    if let Some(opaque) = opaque(tag) {
        for part in [&b"ETag: W/"[..], opaque, b"\r\n"] {
            output.extend_from_slice(part);
        }
    }
}
