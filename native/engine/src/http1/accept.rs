//! What `Accept` says about the two forms that an answer of the gateway's own can have (RFC 9110 §12.5.1).

use memchr::memchr;

use super::syntax::{list, trim};

/// The forms of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Text of any kind.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// The form that a client would rather have: of equals the one that is named first; who names neither wants text.
///
/// Every request asks this, and most never name JSON, which one search for its first letter tells.
pub fn preferred(accept: &[u8]) -> Form {
    if memchr(b'j', accept).is_none() {
        return Form::Text;
    }
    let (mut preferred, mut best) = (Form::default(), 0);
    for element in list(accept) {
        let (range, quality) = qualified(element);
        if let Some(form) = form(range).filter(|_| quality > best) {
            (preferred, best) = (form, quality);
        }
    }
    preferred
}

/// An element of a list without its parameters, and its quality in thousandths (RFC 9110 §12.4.2): 1000 where it has
/// none, 0 where that is no quality.
pub(crate) fn qualified(element: &[u8]) -> (&[u8], u32) {
    let mut parts = element.split(|&byte| byte == b';').map(trim);
    let name = parts.next().unwrap_or_default();
    (name, parts.find_map(quality).unwrap_or(1000))
}

/// The form that a media range names; `None` for any other.
fn form(range: &[u8]) -> Option<Form> {
    let is = |known: &[u8]| range.eq_ignore_ascii_case(known);
    match range {
        _ if is(b"application/json") || is(b"application/problem+json") => Some(Form::Json),
        _ if is(b"text/plain") || is(b"text/html") || is(b"text/*") => Some(Form::Text),
        _ => None,
    }
}

/// A quality in thousandths; 0 for one that is none. `None` for another parameter.
fn quality(parameter: &[u8]) -> Option<u32> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, digits) = match value {
        [whole @ (b'0' | b'1')] => (whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return Some(0),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Some(0);
    }
    let fraction =
        (0..3).fold(0, |sum, at| sum * 10 + digits.get(at).map_or(0, |digit| u32::from(digit - b'0')));
    let thousandths = u32::from(whole - b'0') * 1000 + fraction;
    Some(if thousandths > 1000 { 0 } else { thousandths })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_who_prefers_it() {
        for accept in [
            "application/json",
            "application/json, text/plain, */*",
            "application/problem+json",
            "Application/json;charset=utf-8",
            "text/html;q=0.8, application/json;q=0.9",
            "text/*;q=0, application/json;q=0.001",
            "image/png, application/json",
        ] {
            assert_eq!(preferred(accept.as_bytes()), Form::Json, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html, application/json",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/json;q=0",
            "application/json;q=0.5, text/plain;q=0.500, text/html;q=0.6",
            "application/json;q=2",
            "application/json;q=1.001",
            "application/json;q=0.x",
            "application/json;q=0.1234",
            "application/jsonx",
            "application/xml, x/json",
        ] {
            assert_eq!(preferred(accept.as_bytes()), Form::Text, "{accept}");
        }
    }
}
