//! Regular expressions of the configuration against a slow matcher: which are refused and why, and what the others match.

use std::collections::HashMap;

use headgate_engine::pattern::Pattern;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use regex_syntax::ParserBuilder;

/// Bytes of an expression, a line feed, and bytes of a text: it is refused in one line that says why, or it matches what the slow
/// matcher says that it does. That it does so in linear time shows in that it ends at all.
pub(crate) fn pattern(bytes: &[u8]) {
    let at = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (expression, text) = (String::from_utf8_lossy(&bytes[..at]), bytes.get(at + 1..).unwrap_or_default());
    let parsed = hir(&expression);
    match Pattern::parse(&expression) {
        Ok(pattern) => {
            let hir = parsed.expect("an expression to everybody");
            if let Some(expected) = matched(&hir, text) {
                assert_eq!(pattern.matches(text), expected, "{expression:?} and {:?}", text.escape_ascii());
            }
        }
        Err(refusal) => {
            let refusal = refusal.to_string();
            assert!(!refusal.is_empty() && !refusal.contains(char::is_control), "{refusal:?}");
            let is_bound = refusal.starts_with("compiled, it is larger than ") || refusal.starts_with("it ");
            assert_eq!(parsed.is_some(), is_bound, "{expression:?}: {refusal}");
        }
    }
}

/// Does this expression match this text from its first byte to its last? `None` where the slow matcher cannot say.
pub(crate) fn slow_match(expression: &str, text: &[u8]) -> Option<bool> {
    matched(&hir(expression)?, text)
}

fn hir(expression: &str) -> Option<Hir> {
    ParserBuilder::new().unicode(false).utf8(false).nest_limit(32).build().parse(expression).ok()
}

/// Longer texts would take the slow matcher too long.
const MAX_TEXT_BYTES: usize = 127;

/// `None` for a text that is too long, and for words of other alphabets, which the slow matcher does not know.
fn matched(hir: &Hir, text: &[u8]) -> Option<bool> {
    let is_known = text.len() <= MAX_TEXT_BYTES && !hir.properties().look_set().contains_word_unicode();
    is_known.then(|| Matcher { text, known: HashMap::new() }.ends(hir, 0) >> text.len() & 1 == 1)
}

/// Places in a text of [`MAX_TEXT_BYTES`], a bit for each.
type Places = u128;

/// Finds where matches end by the meaning of each part, without any order among them.
struct Matcher<'t> {
    text: &'t [u8],
    /// By part and where its match begins.
    known: HashMap<(*const Hir, usize), Places>,
}

impl Matcher<'_> {
    /// Where the matches of a part end that begin here.
    fn ends(&mut self, hir: &Hir, start: usize) -> Places {
        let key = (std::ptr::from_ref(hir), start);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let behind = |length: Option<usize>| length.map_or(0, |length| 1 << (start + length));
        let rest = &self.text[start..];
        let ends = match hir.kind() {
            HirKind::Empty => behind(Some(0)),
            HirKind::Literal(text) => behind(rest.starts_with(&text.0).then_some(text.0.len())),
            HirKind::Class(class) => behind(class_length(class, rest)),
            HirKind::Look(look) => behind(holds(*look, self.text, start).then_some(0)),
            HirKind::Capture(capture) => self.ends(&capture.sub, start),
            HirKind::Concat(parts) => {
                parts.iter().fold(1 << start, |starts, part| self.all_ends(part, starts))
            }
            HirKind::Alternation(parts) => parts.iter().fold(0, |ends, part| ends | self.ends(part, start)),
            HirKind::Repetition(repetition) => self.repeated(repetition, 1 << start),
        };
        self.known.insert(key, ends);
        ends
    }

    fn all_ends(&mut self, hir: &Hir, starts: Places) -> Places {
        let is_start = |place: &usize| starts >> place & 1 == 1;
        (0..=self.text.len()).filter(is_start).fold(0, |ends, start| ends | self.ends(hir, start))
    }

    fn repeated(&mut self, repetition: &Repetition, mut reached: Places) -> Places {
        for _ in 0..repetition.min {
            reached = self.all_ends(&repetition.sub, reached);
        }
        for _ in repetition.min..repetition.max.unwrap_or(u32::MAX) {
            let further = self.all_ends(&repetition.sub, reached) | reached;
            if further == reached {
                break;
            }
            reached = further;
        }
        reached
    }
}

/// How many bytes of the text are one of the class.
fn class_length(class: &Class, text: &[u8]) -> Option<usize> {
    match class {
        Class::Bytes(class) => {
            let byte = text.first()?;
            class.iter().any(|range| (range.start()..=range.end()).contains(byte)).then_some(1)
        }
        Class::Unicode(class) => {
            let known = text.utf8_chunks().next()?.valid();
            let character = known.chars().next()?;
            let is_in = class.iter().any(|range| (range.start()..=range.end()).contains(&character));
            is_in.then(|| character.len_utf8())
        }
    }
}

/// Does an assertion hold at this place?
fn holds(look: Look, text: &[u8], at: usize) -> bool {
    let (before, behind) = (at.checked_sub(1).map(|before| text[before]), text.get(at).copied());
    let is_word = |byte: Option<u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || it == b'_');
    let (after_word, before_word) = (is_word(before), is_word(behind));
    match look {
        Look::Start => before.is_none(),
        Look::End => behind.is_none(),
        Look::StartLF => matches!(before, None | Some(b'\n')),
        Look::EndLF => matches!(behind, None | Some(b'\n')),
        // Between CR and LF no line begins or ends.
        Look::StartCRLF => {
            matches!(before, None | Some(b'\n')) || before == Some(b'\r') && behind != Some(b'\n')
        }
        Look::EndCRLF => {
            matches!(behind, None | Some(b'\r')) || behind == Some(b'\n') && before != Some(b'\r')
        }
        Look::WordAscii => after_word != before_word,
        Look::WordAsciiNegate => after_word == before_word,
        Look::WordStartAscii => !after_word && before_word,
        Look::WordEndAscii => after_word && !before_word,
        Look::WordStartHalfAscii => !after_word,
        Look::WordEndHalfAscii => !before_word,
        _ => unreachable!("words of other alphabets were sorted out"),
    }
}
