//! The trailer section behind a chunked body: which of its fields pass, and how they are written anew.

use memchr::memchr;

use super::fields::{classify, Field};
use super::syntax::trim;
use crate::compression::describes_bytes;

/// What a recipient must know before the body, or would act on as if it had come with the head: no trailers
/// (RFC 9110 §6.5.1). With them everything that [`classify`] knows is dropped: framing, routing, hop-by-hop.
const HEAD_ONLY: [&[u8]; 22] = [
    // how the content is to be read
    b"content-encoding",
    b"content-range",
    b"content-type",
    // what modifies a request
    b"cache-control",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"pragma",
    b"range",
    // who sends it, and by which way
    b"authorization",
    b"cookie",
    b"set-cookie",
    b"www-authenticate",
    // what controls the response
    b"age",
    b"expires",
    b"location",
    b"retry-after",
    b"vary",
    b"warning",
    b"allow",
];

/// A trailer section as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trailers<'a> {
    /// A line for every field, its name and value as they came, an LF behind each.
    pub section: &'a [u8],
    /// The names of fields that end at this hop because the head's `Connection` says so, an LF behind each.
    pub nominated: &'a [u8],
    /// The body goes out in another coding than it came in, so that what speaks of its very bytes is wrong.
    pub is_recoded: bool,
}

impl Trailers<'_> {
    fn is_nominated(&self, name: &[u8]) -> bool {
        self.nominated.split(|&byte| byte == b'\n').any(|nominated| nominated.eq_ignore_ascii_case(name))
    }
}

/// Writes what of a trailer section may pass.
pub fn write(output: &mut Vec<u8>, trailers: Trailers<'_>) {
    for line in trailers.section.split(|&byte| byte == b'\n') {
        let Some(colon) = memchr(b':', line) else { continue }; // behind the last line
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if passes(name) && !trailers.is_nominated(name) && !(trailers.is_recoded && describes_bytes(name)) {
            for part in [name, b": ", value, b"\r\n"] {
                output.extend_from_slice(part);
            }
        }
    }
}

fn passes(name: &[u8]) -> bool {
    classify(name) == Field::Other && !HEAD_ONLY.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(section: &str) -> String {
        written_beside("", section)
    }

    fn written_beside(nominated: &str, section: &str) -> String {
        let mut output = Vec::new();
        let (section, nominated) = (section.as_bytes(), nominated.as_bytes());
        write(&mut output, Trailers { section, nominated, is_recoded: false });
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn fields_pass_in_their_order_with_their_case() {
        assert_eq!(written(""), "");
        assert_eq!(
            written("X-Sum:3\nb:  two: 2\t\nGrpc-Status:0\nEmpty:\n"),
            "X-Sum: 3\r\nb: two: 2\r\nGrpc-Status: 0\r\nEmpty: \r\n"
        );
    }

    #[test]
    fn what_the_connection_nominates_does_not_pass() {
        assert_eq!(
            written_beside("x-mine\nTE\n", "a: 1\nX-Mine: 2\nX-Mine-Too: 3\n"),
            "a: 1\r\nX-Mine-Too: 3\r\n"
        );
    }

    #[test]
    fn what_speaks_of_the_bytes_does_not_pass_behind_others() {
        let section = b"Content-Digest: a\nETag: \"b\"\nServer-Timing: c\n";
        for (is_recoded, expected) in [
            (false, "Content-Digest: a\r\nETag: \"b\"\r\nServer-Timing: c\r\n"),
            (true, "Server-Timing: c\r\n"),
        ] {
            let mut output = Vec::new();
            write(&mut output, Trailers { section, nominated: b"", is_recoded });
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        }
    }

    #[test]
    fn what_belongs_into_a_head_does_not_pass() {
        for name in [
            "Content-Length",
            "Transfer-Encoding",
            "Trailer",
            "TE",
            "Host",
            "Connection",
            "Keep-Alive",
            "Upgrade",
            "Expect",
            "Date",
            "Proxy-Authorization",
            "X-Forwarded-For",
            "Forwarded",
            "X-Real-IP",
            "Via",
            "Max-Forwards",
            "content_length",
            "X-Request-Id",
        ] {
            assert_eq!(written(&format!("{name}: 1\n")), "", "{name}");
        }
        for name in HEAD_ONLY {
            let name = String::from_utf8_lossy(name).to_uppercase();
            assert_eq!(written(&format!("a: 1\n{name}: 1\n")), "a: 1\r\n", "{name}");
        }
    }
}
