//! Which protocols a connection may be handed over to by an upgrade (RFC 9110 §7.8).

use memchr::memchr;

use super::syntax::{is_token, list};

/// HTTP itself is not tunnelled: requests within would pass by routes and limits ("h2c smuggling").
const HTTP: [&[u8]; 3] = [b"h2c", b"h2", b"http"];

/// Is this the value of an `Upgrade` field that names protocols, and none of them is HTTP?
pub fn is_tunnelled(protocols: &[u8]) -> bool {
    list(protocols).next().is_some() && list(protocols).all(is_other_protocol)
}

fn is_other_protocol(protocol: &[u8]) -> bool {
    let (name, version) = match memchr(b'/', protocol) {
        Some(slash) => (&protocol[..slash], &protocol[slash + 1..]),
        None => (protocol, &b"0"[..]),
    };
    is_token(name) && is_token(version) && !HTTP.iter().any(|http| name.eq_ignore_ascii_case(http))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_with_and_without_a_version_are_tunnelled() {
        for value in ["websocket", "WebSocket", "foo/1.1", "a, b/2 ,c", "irc/6.9"] {
            assert!(is_tunnelled(value.as_bytes()), "{value:?}");
        }
    }

    #[test]
    fn http_and_what_names_no_protocol_are_not() {
        for value in
            ["", ",", "h2c", "H2C", "websocket, h2c", "HTTP/2.0", "h2", "a b", "/1", "a/", "a/b/c", "\"a\""]
        {
            assert!(!is_tunnelled(value.as_bytes()), "{value:?}");
        }
    }
}
