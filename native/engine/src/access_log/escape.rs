//! Strings of JSON that no input can end early, and that end by themselves when they become too long.

/// What stands at the end of a string that was cut: `…`.
const CUT: &[u8] = "…".as_bytes();

/// How many bytes each byte takes in a string: 1 as it is, 2 behind a backslash, 6 as `\u00XX`.
const WIDTHS: [u8; 256] = widths();

const fn widths() -> [u8; 256] {
    let mut widths = [1; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte < 0x20 || byte >= 0x7f {
            widths[byte] = 6;
        }
        byte += 1;
    }
    widths[b'"' as usize] = 2;
    widths[b'\\' as usize] = 2;
    widths
}

/// Bytes of a message, each one a character of Latin-1 (as RFC 9110 §5.5 reads what is not ASCII): what is read back from the
/// log are the bytes that came. The string with its quotes takes `room` bytes at the most.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], room: usize) {
    let room = room.saturating_sub(2 + CUT.len());
    if bytes.len() <= room && is_plain(bytes) {
        return put_plain(out, bytes);
    }
    put_escaped_bytes(out, bytes, room);
}

/// Bytes that all stand for themselves, however many they are.
#[inline]
pub(super) fn put_plain(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

#[cold]
fn put_escaped_bytes(out: &mut Vec<u8>, bytes: &[u8], room: usize) {
    let fits = fitting(bytes, room);
    out.push(b'"');
    let mut rest = &bytes[..fits];
    while let Some(at) = rest.iter().position(|&byte| WIDTHS[usize::from(byte)] != 1) {
        out.extend_from_slice(&rest[..at]);
        put_escaped(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    if fits < bytes.len() {
        out.extend_from_slice(CUT);
    }
    out.push(b'"');
}

/// A name of the configuration: as [`put_bytes`], but what is not ASCII stays as it is.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str, room: usize) {
    if text.len() + 2 + CUT.len() <= room && is_plain(text.as_bytes()) {
        return put_plain(out, text.as_bytes());
    }
    put_escaped_text(out, text, room);
}

#[cold]
fn put_escaped_text(out: &mut Vec<u8>, text: &str, room: usize) {
    let mut left = room.saturating_sub(2 + CUT.len());
    out.push(b'"');
    for character in text.chars() {
        let width =
            if character.is_ascii() { usize::from(WIDTHS[character as usize]) } else { character.len_utf8() };
        let Some(after) = left.checked_sub(width) else {
            out.extend_from_slice(CUT);
            break;
        };
        left = after;
        match u8::try_from(character) {
            Ok(byte) if width != 1 && byte.is_ascii() => put_escaped(out, byte),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Does every byte stand for itself? Almost always; told eight bytes at a time. The last eight overlap the ones before, so
/// that no byte is left over for a loop of its own.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let odd = if let Some(last) = bytes.last_chunk::<8>() {
        let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        words.fold(odd(u64::from_le_bytes(*last)), |all, word| all | odd(word))
    } else if let Some((first, last)) = bytes.first_chunk::<4>().zip(bytes.last_chunk::<4>()) {
        odd(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
    } else {
        return bytes.iter().all(|&byte| WIDTHS[usize::from(byte)] == 1);
    };
    odd & HIGH_BITS == 0
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);

/// A high bit is set where any of eight bytes does not stand for itself, be it not the one of that byte: each term has one
/// where a byte is not ASCII, DEL, a control, a quote, or a backslash, and else none, since nothing else borrows or carries.
#[inline]
fn odd(bytes: u64) -> u64 {
    let quotes = bytes ^ u64::from_le_bytes([b'"'; 8]);
    let backslashes = bytes ^ u64::from_le_bytes([b'\\'; 8]);
    bytes
        | bytes.wrapping_add(ONES)
        | bytes.wrapping_sub(ONES * 0x20)
        | quotes.wrapping_sub(ONES)
        | backslashes.wrapping_sub(ONES)
}

/// How many of the bytes take no more than `room` when they are written.
fn fitting(bytes: &[u8], mut room: usize) -> usize {
    let too_wide = |byte: &u8| match room.checked_sub(usize::from(WIDTHS[usize::from(*byte)])) {
        Some(left) => {
            room = left;
            false
        }
        None => true,
    };
    bytes.iter().position(too_wide).unwrap_or(bytes.len())
}

fn put_escaped(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if WIDTHS[usize::from(byte)] == 2 {
        return out.extend_from_slice(&[b'\\', byte]);
    }
    let digit = |nibble: u8| DIGITS[usize::from(nibble)];
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: usize = 2048;

    fn written(bytes: &[u8], room: usize) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, bytes, room);
        out
    }

    /// The characters of a JSON string as bytes of Latin-1.
    fn read_back(string: &[u8]) -> Vec<u8> {
        let text: String = serde_json::from_slice(string).unwrap();
        text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
    }

    #[test]
    fn every_byte_round_trips_and_none_is_written_that_a_terminal_obeys() {
        for byte in 0..=255_u8 {
            let string = written(&[b'a', byte, b'b'], ROOM);
            assert_eq!(read_back(&string), [b'a', byte, b'b'], "{byte:#x}");
            assert!(string.iter().all(|it| (0x20..0x7f).contains(it)), "{byte:#x}");
            let inner = &string[1..string.len() - 1];
            assert_eq!(inner.len(), 2 + usize::from(WIDTHS[usize::from(byte)]), "{byte:#x}");
        }
    }

    #[test]
    fn one_byte_that_is_not_plain_is_found_wherever_it_stands() {
        for length in 1..=20 {
            for at in 0..length {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    assert_eq!(
                        is_plain(&bytes),
                        WIDTHS[usize::from(byte)] == 1,
                        "{byte:#x} at {at} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn names_keep_their_characters() {
        for name in ["GET a/*", "quo\"te\\", "é ☃ 𝄞", "a\u{1b}[0m\n\u{7f}é"] {
            let mut out = Vec::new();
            put_text(&mut out, name, ROOM);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), name);
            assert!(!out.iter().any(u8::is_ascii_control), "{name:?}");
        }
        let mut out = Vec::new();
        put_text(&mut out, &"é".repeat(20), 25);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), format!("{}…", "é".repeat(10)));
    }

    proptest! {
        #[test]
        fn any_bytes_round_trip_or_are_cut_within_their_room(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            room in 8_usize..400,
        ) {
            let string = written(&bytes, room);
            prop_assert!(string.len() <= room);
            let text: String = serde_json::from_slice(&string).unwrap();
            if let Some(cut) = text.strip_suffix('…') {
                let kept: Vec<u8> = cut.chars().map(|it| it as u8).collect();
                prop_assert!(bytes.starts_with(&kept) && kept.len() < bytes.len());
                prop_assert!(string.len() + 6 > room, "cut before it was full");
            } else {
                prop_assert_eq!(read_back(&string), bytes);
            }
        }
    }
}
