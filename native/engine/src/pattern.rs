//! Regular expressions of the configuration: matched in time linear in the text, and always against the whole of it.
//!
//! The crate `regex` has neither look-around nor back-references, so that no text takes more than (size of the
//! expression) × (length of the text) steps. Both are bounded: the size here, the text by the limits of a head. What is
//! matched are the bytes of a message, so classes and case are those of ASCII, and `.` is any byte but a line feed.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// The most characters of an expression.
const MAX_CHARACTERS: usize = 1024;
/// The most bytes of a compiled expression: some thousand states, each of which may be looked at for every byte.
const MAX_COMPILED_BYTES: usize = 64 * 1024;
/// The most bytes that a worker spends to remember where matches of one expression have been.
const MAX_CACHE_BYTES: usize = 256 * 1024;
/// Groups and repetitions within each other.
const MAX_NESTING: u32 = 32;
/// What the frame adds to them: a group, in a sequence.
const FRAME_NESTING: u32 = 2;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    whole: Regex,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Compiles an expression in the syntax of the crate `regex`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError("it is empty".into()));
        }
        if text.chars().count() > MAX_CHARACTERS {
            return Err(PatternError(format!("it has more than {MAX_CHARACTERS} characters")));
        }
        // First by itself, so that no parenthesis of it can pass for one of ours.
        compile(text, MAX_NESTING)?;
        let framed = |text: String| compile(&text, MAX_NESTING + FRAME_NESTING);
        let whole = framed(format!(r"\A(?:{text})\z"));
        // In its verbose form (`(?x)`) it may end within a comment, which takes the rest of a line with it.
        let whole = whole.or_else(|error| framed(format!("\\A(?:{text}\n)\\z")).map_err(|_| error));
        Ok(Self { whole: whole? })
    }

    /// Does the expression match the text from its first byte to its last?
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.whole.is_match(text)
    }
}

fn compile(text: &str, nesting: u32) -> Result<Regex, PatternError> {
    RegexBuilder::new(text)
        .unicode(false)
        .nest_limit(nesting)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_CACHE_BYTES)
        .build()
        .map_err(|error| PatternError(in_one_line(&error)))
}

/// The crate draws an expression that does not parse with a caret below it; the last line says what is wrong. One that parses can
/// only be too large, or ask for what the crate was built without.
fn in_one_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(most) => format!("compiled, it is larger than {most} bytes"),
        error => {
            let drawn = error.to_string();
            let wrong = drawn.lines().last().and_then(|last| last.strip_prefix("error: "));
            wrong.unwrap_or("it asks for words of other alphabets than that of ASCII").to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &[u8]) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    /// An expression speaks of the whole text, whatever alternatives it has.
    #[test]
    fn the_whole_text_is_matched() {
        assert!(matches("/items/[0-9]+", b"/items/42"));
        assert!(!matches("/items/[0-9]+", b"/items/42/photos"));
        assert!(!matches("/items/[0-9]+", b"/v1/items/42"));
        assert!(matches("a|bc", b"bc") && matches("a|bc", b"a"));
        assert!(!matches("a|bc", b"ac") && !matches("a|bc", b"a\n"));
        assert!(matches("a|ab", b"ab"), "not only the alternative that is tried first");
    }

    /// A comment at the end takes nothing of the frame around the expression away.
    #[test]
    fn the_verbose_form_may_end_in_a_comment() {
        for pattern in ["(?x)a | b # or", "(?x)a | b # or)|(?:.*", "(?x)a | b #\n"] {
            assert!(matches(pattern, b"a") && matches(pattern, b"b"), "{pattern:?}");
            assert!(!matches(pattern, b"ab") && !matches(pattern, b"a\n"), "{pattern:?}");
        }
        assert!(!matches("a#", b"a") && matches("a#", b"a#") && !matches("a#", b"a#\n"));
    }

    /// Classes, case and `.` are those of bytes: what is no UTF-8 has no way around an expression.
    #[test]
    fn bytes_are_matched() {
        assert!(matches("a.c", b"a\xFFc"));
        assert!(!matches(r"\d", "٣".as_bytes()) && matches(r"\d", b"3"));
        assert!(matches("(?i)straße", "STRAßE".as_bytes()));
        assert!(matches("[^x]", b"\x80"));
    }

    /// What is wrong is said in one line.
    #[test]
    fn a_wrong_expression_is_refused() {
        for (text, problem) in [
            ("", "it is empty"),
            ("a(b", "unclosed group"),
            ("a)(b", "unopened group"),
            ("[z-a]", "invalid character class range, the start must be <= the end"),
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            (r"(a)\1", "backreferences are not supported"),
            (r"(?u)\bä", "it asks for words of other alphabets than that of ASCII"),
            ("[a-z]{1,1000}{1,1000}", "compiled, it is larger than 65536 bytes"),
            (&"a".repeat(1025), "it has more than 1024 characters"),
        ] {
            assert_eq!(Pattern::parse(text).unwrap_err().to_string(), problem, "{text:?}");
        }
        assert!(Pattern::parse(&"(".repeat(500)).is_err());
        let nested = |depth| Pattern::parse(&("(".repeat(depth) + "a" + &")".repeat(depth)));
        assert!(nested(32).is_ok() && nested(33).is_err());
    }

    proptest! {
        /// Any text is an expression or is refused, and an expression answers about any bytes.
        #[test]
        fn any_text_is_judged(text in "[a-c()\\[\\]|*+?{}0-9,.^$\\\\-]{0,24}", bytes: Vec<u8>) {
            if let Ok(pattern) = Pattern::parse(&text) {
                pattern.matches(&bytes);
            }
        }

        /// A text without a meaning of its own matches itself and nothing else.
        #[test]
        fn plain_text_matches_itself(text in "[a-z/]{1,12}", other in "[a-z/]{0,12}") {
            prop_assert_eq!(matches(&text, other.as_bytes()), text == other);
        }
    }
}
