//! Rules about header fields: which are left out, and which lines are written.

use super::template::{Names, Template, Words};
use crate::http1::fields::{classify, fold, is_spelled, Field};
use crate::http1::syntax::is_token;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a client to an instance.
    Request,
    /// From an instance to a client.
    Response,
}

impl Direction {
    /// May a route change fields of this kind? The gateway sets the others itself, or takes them out.
    fn lets_change(self, kind: Field) -> bool {
        match self {
            Self::Request => matches!(kind, Field::Other | Field::Accept),
            Self::Response => {
                matches!(kind, Field::Other | Field::Accept | Field::Forwarded | Field::RequestId)
            }
        }
    }
}

/// The rules as the configuration has them.
#[derive(Clone, Copy, Debug)]
pub struct FieldRules<'a> {
    /// Fields that get a value in place of any that the message has.
    pub set: &'a [(String, String)],
    /// Lines that are written beside those that the message has.
    pub add: &'a [(String, String)],
    /// Fields that are left out.
    pub remove: &'a [String],
}

/// The rules for one direction, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldEdits {
    /// Lower case and with dashes for underscores, as names are compared: instances that hand fields on as variables (CGI,
    /// WSGI, PHP) cannot tell the two apart.
    left_out: Box<[Box<[u8]>]>,
    /// A bit for each length of those names, the last one for all longer ones: almost every field is passed by it.
    lengths: u64,
    lines: Template,
    /// Other lines are written beside these, which each request makes for itself.
    has_further: bool,
}

impl FieldEdits {
    /// Compiles rules. The error is the name that it is about, and what is wrong.
    pub fn compile<'a>(
        direction: Direction,
        rules: FieldRules<'a>,
        names: Names<'_>,
    ) -> Result<Self, (&'a str, &'static str)> {
        let mut edits = Self::default();
        let mut left_out = Vec::new();
        for (name, value) in rules.set.iter().chain(rules.add) {
            check(direction, name).map_err(|problem| (name.as_str(), problem))?;
            edits.lines.push(name.as_bytes());
            edits.lines.push(b": ");
            edits.lines.push_value(value, names).map_err(|problem| (name.as_str(), problem))?;
            edits.lines.push(b"\r\n");
        }
        for name in rules.set.iter().map(|(name, _)| name).chain(rules.remove) {
            check(direction, name).map_err(|problem| (name.as_str(), problem))?;
            edits.lengths |= length_bit(name.as_bytes());
            left_out.push(fold(name.as_bytes()));
        }
        edits.left_out = left_out.into_boxed_slice();
        Ok(edits)
    }

    /// These rules, and fields that are left out because each request makes lines of its own in their place.
    #[must_use]
    pub fn replacing(mut self, names: &[&str]) -> Self {
        let mut left_out = self.left_out.into_vec();
        for name in names {
            self.lengths |= length_bit(name.as_bytes());
            left_out.push(fold(name.as_bytes()));
        }
        self.left_out = left_out.into_boxed_slice();
        self.has_further = true;
        self
    }

    /// Nothing is changed?
    pub fn is_empty(&self) -> bool {
        self.left_out.is_empty() && self.lines.is_empty()
    }

    /// Are other lines written for one request than for another?
    #[inline]
    pub fn depend_on_requests(&self) -> bool {
        self.has_further || self.lines.has_variables()
    }

    /// Is a field of this name left out?
    #[inline]
    pub fn leaves_out(&self, name: &[u8]) -> bool {
        self.lengths & length_bit(name) != 0 && self.left_out.iter().any(|known| is_spelled(name, known))
    }

    /// The lines that are written.
    pub fn lines(&self) -> &Template {
        &self.lines
    }

    /// Writes the lines for one request.
    #[inline]
    pub fn put(&self, output: &mut Vec<u8>, words: &Words<'_>) {
        self.lines.put(output, words);
    }
}

fn check(direction: Direction, name: &str) -> Result<(), &'static str> {
    match classify(name.as_bytes()) {
        _ if !is_token(name.as_bytes()) => Err("no name of a field"),
        kind if direction.lets_change(kind) => Ok(()),
        _ => Err("a field of the gateway's own"),
    }
}

fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names { route: "r", service: "s" };
    const NONE: FieldRules<'_> = FieldRules { set: &[], add: &[], remove: &[] };

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_string(), value.to_string())
    }

    #[test]
    fn what_is_set_replaces_and_what_is_added_does_not() {
        let set = [pair("X-Team", "a"), pair("X-Empty", "")];
        let add = [pair("X-More", "{service}")];
        let remove = ["X-Gone".to_string()];
        let rules = FieldRules { set: &set, add: &add, remove: &remove };
        let edits = FieldEdits::compile(Direction::Request, rules, NAMES).unwrap();
        assert_eq!(edits.lines().bytes(), b"X-Team: a\r\nX-Empty: \r\nX-More: s\r\n");
        for name in ["x-team", "X_TEAM", "X-Empty", "x-gone"] {
            assert!(edits.leaves_out(name.as_bytes()), "{name}");
        }
        for name in ["X-More", "X-Tea", "X-Teams", "Y-Team", ""] {
            assert!(!edits.leaves_out(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_of_any_length_are_told_apart() {
        for length in [1, 62, 63, 64, 200] {
            let remove = ["a".repeat(length)];
            let edits =
                FieldEdits::compile(Direction::Response, FieldRules { remove: &remove, ..NONE }, NAMES)
                    .unwrap();
            for other in [1, 62, 63, 64, 200] {
                assert_eq!(
                    edits.leaves_out("a".repeat(other).as_bytes()),
                    other == length,
                    "{length} {other}"
                );
            }
        }
    }

    #[test]
    fn what_requests_replace_is_left_out_beside_the_rest() {
        let (set, remove) = ([pair("X-Team", "a")], ["X-Gone".to_string()]);
        let rules = FieldRules { set: &set, remove: &remove, ..NONE };
        let plain = FieldEdits::compile(Direction::Response, rules, NAMES).unwrap();
        assert!(!plain.depend_on_requests() && !plain.leaves_out(b"X-Own"));
        let edits = plain.replacing(&["X-Own", "X-Other-Field"]);
        assert!(edits.depend_on_requests());
        for name in ["x-team", "x-gone", "X_OWN", "x-other-field"] {
            assert!(edits.leaves_out(name.as_bytes()), "{name}");
        }
        assert_eq!(edits.lines().bytes(), b"X-Team: a\r\n");
    }

    #[test]
    fn nothing_is_left_out_without_rules() {
        let edits = FieldEdits::compile(Direction::Request, NONE, NAMES).unwrap();
        assert!(edits.is_empty() && !edits.leaves_out(b"x"));
    }

    #[test]
    fn what_the_gateway_sets_itself_is_no_routes_to_change() {
        for name in [
            "Connection",
            "content-length",
            "Transfer-Encoding",
            "Host",
            "Via",
            "TE",
            "Trailer",
            "Upgrade",
            "Keep-Alive",
            "Proxy",
            "Proxy-Authorization",
            "Date",
            "Expect",
            "Max-Forwards",
            "X-Original-URL",
            "Content_Length",
            "X_Forwarded_For",
        ] {
            for direction in [Direction::Request, Direction::Response] {
                assert_eq!(check(direction, name), Err("a field of the gateway's own"), "{name}");
            }
        }
        for name in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Request-Id"] {
            assert!(
                check(Direction::Request, name).is_err() && check(Direction::Response, name).is_ok(),
                "{name}"
            );
        }
        for name in ["", "a b", "a:", "ä", "a\r\nb"] {
            assert_eq!(check(Direction::Request, name), Err("no name of a field"), "{name:?}");
        }
    }

    #[test]
    fn an_error_names_its_field() {
        let set = [pair("X-A", "1"), pair("X-B", "{nothing}")];
        let rules = FieldRules { set: &set, ..NONE };
        let error = FieldEdits::compile(Direction::Request, rules, NAMES).unwrap_err();
        assert_eq!(error, ("X-B", "no variable of this name"));
        let remove = ["Host".to_string()];
        let rules = FieldRules { remove: &remove, ..NONE };
        let error = FieldEdits::compile(Direction::Request, rules, NAMES).unwrap_err();
        assert_eq!(error, ("Host", "a field of the gateway's own"));
    }
}
