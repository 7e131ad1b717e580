//! The parameters of a query as applications read them: names and values decoded (WHATWG URL §5.1), so that no encoding
//! leads around a rule.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// The decoded values of all parameters of this name; one without `=` has the empty value.
pub(super) fn values<'r>(query: &'r [u8], name: &'r str) -> impl Iterator<Item = Cow<'r, [u8]>> {
    query.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).filter_map(move |pair| {
        let end = memchr(b'=', pair).unwrap_or(pair.len());
        let (key, value) = (&pair[..end], pair.get(end + 1..).unwrap_or_default());
        decoded_bytes(key).eq(name.bytes()).then(|| decoded(value))
    })
}

/// Only what is encoded is copied.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    match memchr2(b'%', b'+', text) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(decoded_bytes(text).collect()),
    }
}

/// `+` is a space; `%` without two hexadecimal digits behind it stands for itself.
fn decoded_bytes(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&first, behind) = rest.split_first()?;
        let triple = if first == b'%' { triple(behind) } else { None };
        rest = if triple.is_some() { &behind[2..] } else { behind };
        Some(triple.unwrap_or(if first == b'+' { b' ' } else { first }))
    })
}

fn triple(behind: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
    Some((digit(0)? << 4 | digit(1)?) as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(query: &str, name: &str) -> Vec<String> {
        values(query.as_bytes(), name).map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
    }

    /// Every spelling of a name and a value is found, in the order of the query.
    #[test]
    fn parameters_are_found_decoded() {
        assert_eq!(all("a=1&b=2&a=3", "a"), ["1", "3"]);
        assert_eq!(all("%61=%31&A=2&aa=3&a", "a"), ["1", ""]);
        assert_eq!(all("q=two+words&q=100%25&q=%zz&q=%4", "q"), ["two words", "100%", "%zz", "%4"]);
        assert_eq!(all("x=a=b&x=&&=y", "x"), ["a=b", ""]);
        assert_eq!(all("=y&", ""), ["y"]);
        assert!(all("", "").is_empty() && all("&&", "").is_empty());
        assert_eq!(all("two+words=1&two%20words=2", "two words"), ["1", "2"]);
    }

    proptest! {
        /// However much of a pair is encoded, it is found with the same value, and nothing else is.
        #[test]
        fn encoding_makes_no_difference(name in "[ -~]{1,6}", value in "[ -~]{0,6}", seed: u64) {
            let encode = |text: &str, seed: u64| -> String {
                let spelled = |(at, byte): (usize, u8)| match byte {
                    b' ' if seed >> at & 1 == 0 => "+".to_string(),
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' if seed >> at & 1 == 0 => char::from(byte).to_string(),
                    _ if seed >> at & 2 == 0 => format!("%{byte:02x}"),
                    _ => format!("%{byte:02X}"),
                };
                text.bytes().enumerate().map(spelled).collect()
            };
            let query = format!("{}={}", encode(&name, seed), encode(&value, seed.rotate_left(17)));
            prop_assert_eq!(all(&query, &name), [value]);
            prop_assert!(all(&query, &(name + "x")).is_empty());
        }

        /// Any bytes are read.
        #[test]
        fn any_bytes_are_read(query: Vec<u8>, name: String) {
            for value in values(&query, &name) {
                prop_assert!(value.len() <= query.len());
            }
        }
    }
}
