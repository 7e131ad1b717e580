//! Regular expressions of the configuration against a slow matcher: which are refused and why, and what the others match.

use std::collections::BTreeSet;

use headgate_engine::pattern::Pattern;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
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

/// Does this expression match this text from its first byte to its last? `None` where the slow matcher cannot say: it knows no
/// words of other alphabets.
pub(crate) fn slow_match(expression: &str, text: &[u8]) -> Option<bool> {
    matched(&hir(expression)?, text)
}

fn hir(expression: &str) -> Option<Hir> {
    ParserBuilder::new().unicode(false).utf8(false).nest_limit(32).build().parse(expression).ok()
}

fn matched(hir: &Hir, text: &[u8]) -> Option<bool> {
    let knows_words = !hir.properties().look_set().contains_word_unicode();
    knows_words.then(|| ends(hir, text, &BTreeSet::from([0])).contains(&text.len()))
}

/// Where matches end that begin at one of these places: by the meaning of each part, without any order among them.
fn ends(hir: &Hir, text: &[u8], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
    match hir.kind() {
        HirKind::Empty => starts.clone(),
        HirKind::Literal(literal) => {
            let fits =
                |&start: &usize| text[start..].starts_with(&literal.0).then(|| start + literal.0.len());
            starts.iter().filter_map(fits).collect()
        }
        HirKind::Class(class) => {
            starts.iter().filter_map(|&start| Some(start + class_length(class, &text[start..])?)).collect()
        }
        HirKind::Look(look) => starts.iter().copied().filter(|&at| holds(*look, text, at)).collect(),
        HirKind::Capture(capture) => ends(&capture.sub, text, starts),
        HirKind::Concat(parts) => parts.iter().fold(starts.clone(), |starts, part| ends(part, text, &starts)),
        HirKind::Alternation(parts) => parts.iter().flat_map(|part| ends(part, text, starts)).collect(),
        HirKind::Repetition(repetition) => {
            let mut reached = starts.clone();
            for _ in 0..repetition.min {
                reached = ends(&repetition.sub, text, &reached);
            }
            for _ in repetition.min..repetition.max.unwrap_or(u32::MAX) {
                let further = &ends(&repetition.sub, text, &reached) | &reached;
                if further == reached {
                    break;
                }
                reached = further;
            }
            reached
        }
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
