//! Entity tags: which of them are weak, and what is the same but for that (RFC 9110 §8.8.3).

/// What a weak tag begins with; it is case-sensitive.
const WEAK: &[u8] = b"W/";

/// Might a list of tags have a weak one?
pub(super) fn has_weak(list: &[u8]) -> bool {
    list.windows(WEAK.len()).any(|bytes| bytes == WEAK)
}

/// A tag without what makes it weak, in its quotes; `None` for what is no tag.
pub(super) fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let quoted = tag.strip_prefix(WEAK).unwrap_or(tag);
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inner.contains(&b'"')).then_some(quoted)
}

/// Does a list of tags, such as `If-None-Match` (RFC 9110 §13.1.2), have this one as a weak tag? It is read as far as it is one.
pub(super) fn names_weakly(mut list: &[u8], tag: &[u8]) -> bool {
    let Some(wanted) = opaque(tag) else { return false };
    loop {
        let blank = list.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b',')).count();
        let weak = list[blank..].strip_prefix(WEAK);
        let quoted = weak.unwrap_or(&list[blank..]);
        // A comma may stand within a tag, a quote may not.
        let inner = quoted.strip_prefix(b"\"").and_then(|it| it.iter().position(|&byte| byte == b'"'));
        let Some((found, rest)) = inner.and_then(|length| quoted.split_at_checked(length + 2)) else {
            return false;
        };
        if weak.is_some() && found == wanted {
            return true;
        }
        list = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_by_what_is_in_its_quotes() {
        for tag in ["\"a\"", "W/\"a\"", "\"\"", "\"W/\"", "\"a,b\""] {
            assert_eq!(opaque(tag.as_bytes()), Some(tag.trim_start_matches("W/").as_bytes()), "{tag}");
        }
        for other in ["", "a", "\"", "W/", "W/a", "w/\"a\"", "\"a", "a\"", "\"a\", \"b\"", "*"] {
            assert_eq!(opaque(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_list_is_searched_tag_by_tag() {
        for (list, tag, named) in [
            ("W/\"a\"", "\"a\"", true),
            ("W/\"a\"", "W/\"a\"", true),
            ("\"a\"", "\"a\"", false),
            ("\"a\"", "W/\"a\"", false),
            ("\"b\", W/\"a\"", "\"a\"", true),
            ("\"a\",,\t W/\"a\" ,", "\"a\"", true),
            ("W/\"b\"W/\"a\"", "\"a\"", true),
            ("W/\"a,b\"", "\"a,b\"", true),
            ("\"xW/\",\"y\"", "\",\"", false),
            ("w/\"a\"", "\"a\"", false),
            ("W/ \"a\"", "\"a\"", false),
            ("W/\"a", "\"a\"", false),
            ("W/\"aa\"", "\"a\"", false),
            ("x, W/\"a\"", "\"a\"", false),
            ("*", "\"a\"", false),
            ("W/\"a\"", "a", false),
            ("", "\"a\"", false),
        ] {
            assert_eq!(names_weakly(list.as_bytes(), tag.as_bytes()), named, "{list} {tag}");
            assert!(!named || has_weak(list.as_bytes()), "{list}");
        }
    }
}
