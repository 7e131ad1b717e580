//! The cookie by which a client comes back to its instance. It needs no memory of the gateway's: all is in the cookie.
//!
//! Its token is the instance's identity, sealed by the service's secret: a tag over the identity (a keyed BLAKE3), and the
//! identity masked with a second keyed BLAKE3 of the tag. So a client can neither choose an instance nor learn addresses,
//! and of two clients with one instance it can only be told that they have the same. (The construction is SIV, RFC 5297,
//! with one hash for both of its halves: deterministic, and safe without a nonce.)

use std::fmt;

use constant_time_eq::constant_time_eq_16;
use serde::Deserialize;

/// A shorter secret can be guessed.
pub const MIN_SECRET_BYTES: usize = 16;

const TAG_BYTES: usize = 16;
const IDENTITY_BYTES: usize = 8;
const TOKEN_BYTES: usize = TAG_BYTES + IDENTITY_BYTES;
/// In hexadecimal digits.
const TOKEN_DIGITS: usize = 2 * TOKEN_BYTES;

/// Which requests from other sites bring the cookie (RFC 6265bis §5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameSite {
    /// None does.
    Strict,
    /// Those by which a user comes from there.
    Lax,
    /// All do.
    None,
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// The sticky cookie of a service: its name, its attributes and its keys.
#[derive(Clone, PartialEq, Eq)]
pub struct StickyCookie {
    name: Box<str>,
    /// What follows the value in `Set-Cookie`.
    attributes: Box<str>,
    tag_key: [u8; 32],
    mask_key: [u8; 32],
}

impl fmt::Debug for StickyCookie {
    /// Without the keys.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, attributes, .. } = self;
        out.debug_struct("StickyCookie").field("name", name).field("attributes", attributes).finish()
    }
}

/// What a cookie is made of beside its keys.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Its name, a token.
    pub name: &'a str,
    /// The paths that it is for.
    pub path: &'a str,
    /// It travels encrypted only.
    pub secure: bool,
    /// Which requests from other sites bring it.
    pub same_site: SameSite,
    /// Seconds that a client keeps it; `None` for as long as its session.
    pub max_age: Option<u64>,
}

impl StickyCookie {
    /// The cookie of one service; another service's tokens are none of its own, even where the secret is the same.
    /// `HttpOnly` always: no script has a use for it.
    pub fn new(service: &str, secret: &[u8], attributes: &Attributes<'_>) -> Self {
        let Attributes { name, path, secure, same_site, max_age } = *attributes;
        let key = |context| {
            // The name of a service has no zero byte, so no two pairs are written alike.
            let material = [service.as_bytes(), b"\0", secret].concat();
            blake3::derive_key(context, &material)
        };
        let max_age = max_age.map_or(String::new(), |seconds| format!("; Max-Age={seconds}"));
        let secure = if secure { "; Secure" } else { "" };
        let same_site = same_site.as_str();
        Self {
            name: name.into(),
            attributes: format!("; Path={path}{max_age}; HttpOnly{secure}; SameSite={same_site}").into(),
            tag_key: key("Headgate 2026: the tag of a sticky cookie"),
            mask_key: key("Headgate 2026: the mask of a sticky cookie"),
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// What sends a client back to the instance of this identity.
    pub fn seal(&self, identity: u64) -> SetCookie<'_> {
        let tag = self.tag(identity);
        let mut token = [0; TOKEN_BYTES];
        let (front, back) = token.split_at_mut(TAG_BYTES);
        front.copy_from_slice(&tag);
        back.copy_from_slice(&(identity ^ self.mask(&tag)).to_le_bytes());
        SetCookie { cookie: self, token: to_hexadecimal(&token) }
    }

    /// The identity in a token that [`StickyCookie::seal`] has made; `None` for any other bytes.
    pub fn open(&self, token: &[u8]) -> Option<u64> {
        let token = from_hexadecimal(token)?;
        let (tag, masked) = token.split_first_chunk::<TAG_BYTES>()?;
        let identity = u64::from_le_bytes(masked.try_into().ok()?) ^ self.mask(tag);
        constant_time_eq_16(tag, &self.tag(identity)).then_some(identity)
    }

    fn tag(&self, identity: u64) -> [u8; TAG_BYTES] {
        first_bytes(&blake3::keyed_hash(&self.tag_key, &identity.to_le_bytes()))
    }

    fn mask(&self, tag: &[u8; TAG_BYTES]) -> u64 {
        u64::from_le_bytes(first_bytes(&blake3::keyed_hash(&self.mask_key, tag)))
    }
}

/// A cookie with its value: what a response is to set.
#[derive(Clone, Copy, Debug)]
pub struct SetCookie<'a> {
    cookie: &'a StickyCookie,
    token: [u8; TOKEN_DIGITS],
}

impl SetCookie<'_> {
    /// The token alone.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// Appends the line of the head.
    pub fn put(&self, output: &mut Vec<u8>) {
        let StickyCookie { name, attributes, .. } = self.cookie;
        for part in [b"Set-Cookie: ", name.as_bytes(), b"=", &self.token, attributes.as_bytes(), b"\r\n"] {
            output.extend_from_slice(part);
        }
    }
}

fn first_bytes<const N: usize>(hash: &blake3::Hash) -> [u8; N] {
    hash.as_bytes().first_chunk().copied().unwrap_or([0; N])
}

fn to_hexadecimal(bytes: &[u8; TOKEN_BYTES]) -> [u8; TOKEN_DIGITS] {
    let mut digits = [0; TOKEN_DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        let digit = |half: u8| b"0123456789abcdef"[usize::from(half & 0xf)];
        pair.copy_from_slice(&[digit(byte >> 4), digit(*byte)]);
    }
    digits
}

/// Small letters only, as they are made: a token has one spelling.
fn from_hexadecimal(digits: &[u8]) -> Option<[u8; TOKEN_BYTES]> {
    let half = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let digits: &[u8; TOKEN_DIGITS] = digits.try_into().ok()?;
    let mut bytes = [0; TOKEN_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = half(pair[0])? << 4 | half(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAX: Attributes<'_> =
        Attributes { name: "hg", path: "/", secure: false, same_site: SameSite::Lax, max_age: None };

    fn cookie(service: &str, secret: &[u8]) -> StickyCookie {
        StickyCookie::new(service, secret, &LAX)
    }

    fn line(attributes: &Attributes<'_>) -> String {
        let cookie = StickyCookie::new("api", b"0123456789abcdef", attributes);
        let mut output = Vec::new();
        let set = cookie.seal(7);
        set.put(&mut output);
        String::from_utf8(output).unwrap().replace(std::str::from_utf8(set.token()).unwrap(), "TOKEN")
    }

    #[test]
    fn the_line_has_the_attributes() {
        assert_eq!(line(&LAX), "Set-Cookie: hg=TOKEN; Path=/; HttpOnly; SameSite=Lax\r\n");
        let all = Attributes {
            name: "__Secure-b",
            path: "/shop",
            secure: true,
            same_site: SameSite::None,
            max_age: Some(60),
        };
        let expected =
            "Set-Cookie: __Secure-b=TOKEN; Path=/shop; Max-Age=60; HttpOnly; Secure; SameSite=None\r\n";
        assert_eq!(line(&all), expected);
    }

    #[test]
    fn a_token_is_for_one_service_and_one_secret() {
        let ours = cookie("api", b"0123456789abcdef");
        let sealed = ours.seal(42);
        assert_eq!(ours.open(sealed.token()), Some(42));
        assert_eq!(cookie("apj", b"0123456789abcdef").open(sealed.token()), None);
        assert_eq!(cookie("api", b"0123456789abcdeg").open(sealed.token()), None);
        assert_eq!(cookie("ap", b"i0123456789abcdef").open(sealed.token()), None);
    }

    /// The token that stands here was made once: another way to make it would part every client from its instance at an
    /// upgrade.
    #[test]
    fn tokens_stay_as_they_are() {
        let token = cookie("api", b"0123456789abcdef").seal(42).token().to_vec();
        assert_eq!(String::from_utf8(token).unwrap(), "9b4a015e09316ef05b7baa9098749cc5cf657171082a013a");
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", cookie("api", b"0123456789abcdef"));
        assert_eq!(shown, r#"StickyCookie { name: "hg", attributes: "; Path=/; HttpOnly; SameSite=Lax" }"#);
    }

    proptest! {
        /// Every identity comes back; a token with one byte changed, cut short or continued is none.
        #[test]
        fn only_whole_tokens_open(identity: u64, at in 0..TOKEN_DIGITS, byte: u8) {
            let cookie = cookie("api", b"0123456789abcdef");
            let mut token = cookie.seal(identity).token().to_vec();
            prop_assert_eq!(cookie.open(&token), Some(identity));
            prop_assert_eq!(cookie.open(&token[..at]), None);
            token.push(byte);
            prop_assert_eq!(cookie.open(&token), None);
            token.pop();
            if std::mem::replace(&mut token[at], byte) != byte {
                prop_assert_eq!(cookie.open(&token), None);
            }
        }
    }
}
