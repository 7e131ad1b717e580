//! Byte classes of RFC 9110 and RFC 3986 as tables, and the few conversions that HTTP/1.1 needs.

use core::net::Ipv6Addr;
use core::str;

use memchr::memchr;

/// Which bytes belong to a class.
type Class = [bool; 256];

const fn class(extra: &[u8], alphanumeric: bool) -> Class {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = alphanumeric && (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < extra.len() {
        table[extra[i] as usize] = true;
        i += 1;
    }
    table
}

const fn visible_except(excluded: u8) -> Class {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        table[byte] = byte as u8 != excluded;
        byte += 1;
    }
    table
}

/// `tchar` of RFC 9110 §5.6.2.
const TOKEN: Class = class(b"!#$%&'*+-.^_`|~", true);
/// What a name or an IPv4 address may hold (reg-name of RFC 3986 §3.2.2); never userinfo, and nothing percent-encoded,
/// because a name has one spelling.
const HOST: Class = class(b"-._~!$&'()*+,;=", true);
/// What a request target may hold: visible ASCII. A fragment is never sent (RFC 9110 §4.1), so no `#`.
const TARGET: Class = visible_except(b'#');

/// Is this a token of RFC 9110 §5.6.2?
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| TOKEN[usize::from(byte)])
}

/// May this be the value of a Host field: a host and, after a colon, a port? The empty value is legal (RFC 9112 §3.2).
pub fn is_host(bytes: &[u8]) -> bool {
    let (name, port) = if let Some(literal) = bytes.strip_prefix(b"[") {
        let Some(end) = memchr(b']', literal).filter(|&end| is_ipv6(&literal[..end])) else { return false };
        (&literal[..end], &literal[end + 1..])
    } else {
        bytes.split_at(bytes.iter().position(|&byte| !HOST[usize::from(byte)]).unwrap_or(bytes.len()))
    };
    port.is_empty() || (!name.is_empty() && port.strip_prefix(b":").is_some_and(is_port))
}

/// Is this an IPv6 address without a zone, which means nothing to anybody but its host?
fn is_ipv6(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// A port of TCP, or none behind the colon.
fn is_port(digits: &[u8]) -> bool {
    digits.is_empty() || decimal(digits).is_some_and(|port| u16::try_from(port).is_ok())
}

/// The port that a scheme of HTTP stands for (RFC 9110 §4.2).
pub fn own_port(scheme: &[u8]) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case(b"https") => Some(443),
        _ if scheme.eq_ignore_ascii_case(b"http") => Some(80),
        _ => None,
    }
}

/// Are these bytes that a request target may hold?
pub fn is_target(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| TARGET[usize::from(byte)])
}

/// A number written in decimal digits and nothing else, without overflow (`1*DIGIT`, RFC 9110 §8.6).
pub fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The value of one hexadecimal digit.
pub fn hex_digit(byte: u8) -> Option<u64> {
    (byte as char).to_digit(16).map(u64::from)
}

/// Without the spaces and tabs around it (OWS, RFC 9110 §5.6.3).
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma-separated list, trimmed, empty ones left out (RFC 9110 §5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_at_most_one_port_of_digits() {
        for host in ["", "a", "a:", "a:65535", "[::1]", "[::1]:80", "[2001:db8::1]:", "10.0.0.1:8080"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a:x",
            ":80",
            "a:65536",
            "a:99999999999999999999999",
            "a%2eb",
            "[]",
            "[a]",
            "[v1.a]",
            "[fe80::1%25eth0]",
            "[1.2.3.4]",
            "a:1:2",
            "::1",
            "[::1]:x",
            "[::1]:80:1",
            "a:80]",
            "[::1",
            "[::1]80",
            "::1]",
            "a[b]",
            "u@a",
            "a b",
            "a/b",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn every_byte_is_classified_as_the_grammar_says() {
        for byte in 0..=255_u8 {
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(&[byte]), token, "token {byte:#x}");
            assert_eq!(is_target(&[byte]), (0x21..=0x7e).contains(&byte) && byte != b'#', "target {byte:#x}");
            let host = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
            assert_eq!(is_host(&[b'a', byte, b'b']), host, "host {byte:#x}");
            let literal = byte.is_ascii_hexdigit() || byte == b':';
            assert_eq!(
                is_host(&[b'[', b':', b':', byte, b'1', b']']),
                literal && byte != b':',
                "literal {byte:#x}"
            );
            assert_eq!(decimal(&[byte]).is_some(), byte.is_ascii_digit(), "decimal {byte:#x}");
            assert_eq!(hex_digit(byte).is_some(), byte.is_ascii_hexdigit(), "hex {byte:#x}");
        }
    }

    #[test]
    fn decimals_are_digits_that_fit() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for wrong in [&b""[..], b"18446744073709551616", b"+5", b"-1", b"0x5", b"5_0", b"5 5", b" 5", b"5,5"]
        {
            assert_eq!(decimal(wrong), None, "{:?}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn lists_are_trimmed_and_lose_their_empty_elements() {
        let elements: Vec<&[u8]> = list(b" a ,, b\t,c d, ").collect();
        assert_eq!(elements, [&b"a"[..], b"b", b"c d"]);
    }
}
