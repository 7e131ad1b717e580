//! Sets of media types (RFC 9110 §8.3.1).

use crate::http1::syntax::{is_token, trim};

/// What is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidType;

/// Media types, each by itself or all of a kind (`text/*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaTypes {
    /// In lower case.
    whole: Box<[Box<[u8]>]>,
    /// In lower case, up to the slash.
    kinds: Box<[Box<[u8]>]>,
}

impl MediaTypes {
    /// Compiles a list. The error is the place of what is no type.
    pub fn compile(list: &[String]) -> Result<Self, (usize, InvalidType)> {
        let (mut whole, mut kinds) = (Vec::new(), Vec::new());
        for (index, text) in list.iter().enumerate() {
            let text = text.to_ascii_lowercase().into_bytes();
            match text.split(|&byte| byte == b'/').collect::<Vec<_>>()[..] {
                [kind, b"*"] if is_token(kind) && !kind.contains(&b'*') => {
                    kinds.push([kind, b"/"].concat().into());
                }
                [kind, name] if is_token(kind) && is_token(name) && !text.contains(&b'*') => {
                    whole.push(text.into_boxed_slice());
                }
                _ => return Err((index, InvalidType)),
            }
        }
        Ok(Self { whole: whole.into(), kinds: kinds.into() })
    }

    /// Is the type of this `Content-Type` among them, whatever its parameters?
    pub fn contain(&self, content_type: &[u8]) -> bool {
        let name = trim(content_type.split(|&byte| byte == b';').next().unwrap_or_default());
        let begins = |known: &[u8]| name.get(..known.len()).is_some_and(|it| it.eq_ignore_ascii_case(known));
        self.whole.iter().any(|known| known.len() == name.len() && begins(known))
            || self.kinds.iter().any(|kind| begins(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(list: &[&str]) -> Result<MediaTypes, (usize, InvalidType)> {
        MediaTypes::compile(&list.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_type_is_found_by_itself_or_by_its_kind_in_any_case() {
        let types = types(&["text/*", "Application/JSON"]).unwrap();
        for found in
            ["text/html", "TEXT/x", "application/json", "application/json; charset=utf-8", " text/a ;q"]
        {
            assert!(types.contain(found.as_bytes()), "{found:?}");
        }
        for other in
            ["", "text", "textual/html", "application/jsonx", "application/jso", "x/application/json", ";"]
        {
            assert!(!types.contain(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_type_is_told_by_its_place() {
        for wrong in
            ["", "text", "text/", "/x", "*/*", "*", "text/x*", "te*/*", "a/b/c", "a/b; c=d", "a /b", "é/b"]
        {
            assert_eq!(types(&["a/b", wrong]), Err((1, InvalidType)), "{wrong:?}");
        }
    }
}
