//! The names of hosts: their canonical form, and the domains that a name lies below.

use memchr::{memchr_iter, memrchr_iter};

/// The longest name that DNS can carry (RFC 1035 §3.1); a longer host matches no named one.
pub(crate) const MAX_HOST: usize = 255;

/// The host of an authority or a Host field: `name`, `name:port`, `[v6]` or `[v6]:port`. An IPv6 address keeps its
/// brackets. Everything from the first colon on is port, because no name and no IPv4 address contains one.
pub fn host_without_port(authority: &[u8]) -> &[u8] {
    // Names are short: a search that is made for long texts takes longer to begin than this.
    let first = |wanted| authority.iter().position(|&byte| byte == wanted);
    let end = if authority.starts_with(b"[") { first(b']').map(|bracket| bracket + 1) } else { first(b':') };
    &authority[..end.unwrap_or(authority.len())]
}

/// What hosts a route is for, in canonical form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    Any,
    Exact(Box<[u8]>),
    /// One or more labels, then a dot, then this name.
    Below(Box<[u8]>),
}

impl HostPattern {
    pub(super) fn parse(host: Option<&str>) -> Result<Self, &'static str> {
        let Some(host) = host else { return Ok(Self::Any) };
        let below = host.strip_prefix("*.");
        let name = below.unwrap_or(host);
        if name.contains('*') {
            return Err("a host may have a '*' as its whole first label only");
        }
        let mut buffer = [0; MAX_HOST];
        match canonical(name.as_bytes(), &mut buffer) {
            Some([]) => Err("the host has no name"),
            Some(name) if below.is_some() => Ok(Self::Below(name.into())),
            Some(name) => Ok(Self::Exact(name.into())),
            None => Err("the host is longer than 255 bytes"),
        }
    }
}

/// The host in lower case and without the root's dot, in `buffer`; `None` when it does not fit.
pub(crate) fn canonical<'a>(host: &[u8], buffer: &'a mut [u8; MAX_HOST]) -> Option<&'a [u8]> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let room = buffer.get_mut(..host.len())?;
    room.copy_from_slice(host);
    room.make_ascii_lowercase();
    Some(room)
}

/// How many labels a name has.
pub(super) fn labels(name: &[u8]) -> usize {
    memchr_iter(b'.', name).count() + 1
}

/// The domains of at most `most` labels that `host` lies below, longest first. At least one byte stands left of the
/// dot before each: a name does not lie below itself.
pub(super) fn parents(host: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let first = memrchr_iter(b'.', host).take(most).last().unwrap_or(host.len());
    memchr_iter(b'.', &host[first..])
        .map(move |dot| first + dot)
        .filter(|&dot| dot > 0)
        .map(|dot| &host[dot + 1..])
}

#[cfg(test)]
mod tests {
    use super::{canonical, host_without_port, labels, parents, HostPattern, MAX_HOST};

    /// Every form of an authority loses exactly its port.
    #[test]
    fn a_port_is_cut_off_every_form_of_host() {
        let rows: [(&str, &str); 9] = [
            ("example.com", "example.com"),
            ("example.com:8080", "example.com"),
            ("example.com:", "example.com"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[::1", "[::1"),
            (":80", ""),
            ("", ""),
        ];
        for (authority, host) in rows {
            assert_eq!(host_without_port(authority.as_bytes()), host.as_bytes(), "{authority}");
        }
    }

    /// Case and the root's dot are no part of a name; one byte beyond the longest name is refused.
    #[test]
    fn canonical_form_is_lower_case_without_the_root() {
        let mut buffer = [0; MAX_HOST];
        assert_eq!(canonical(b"API.Example.COM.", &mut buffer), Some(&b"api.example.com"[..]));
        assert_eq!(canonical(b".", &mut buffer), Some(&b""[..]));
        assert_eq!(canonical(&[b'a'; 255], &mut buffer).map(<[u8]>::len), Some(255));
        assert_eq!(canonical(&[b'a'; 256], &mut buffer), None);
    }

    /// Only the ASCII letters change: all other byte values stand in the canonical form as they came.
    #[test]
    fn canonical_form_keeps_every_other_byte() {
        for byte in 0..=u8::MAX {
            let mut buffer = [0; MAX_HOST];
            let name = [b'x', byte, b'x'];
            let lower = [b'x', byte.to_ascii_lowercase(), b'x'];
            assert_eq!(canonical(&name, &mut buffer), Some(&lower[..]), "byte {byte}");
        }
    }

    /// The domains above a name come longest first, within the asked number of labels, without the name itself.
    #[test]
    fn parents_come_longest_first() {
        let of = |host: &'static str, most| parents(host.as_bytes(), most).collect::<Vec<_>>();
        assert_eq!(of("a.b.example.com", 9), [&b"b.example.com"[..], b"example.com", b"com"]);
        assert_eq!(of("a.b.example.com", 2), [&b"example.com"[..], b"com"]);
        assert_eq!(of("example.com", 2), [b"com"]);
        assert!(of("localhost", 2).is_empty());
        assert!(of(".com", 2).is_empty());
        assert!(of("a.b", 0).is_empty());
        assert_eq!(labels(b"b.example.com"), 3);
    }

    /// A pattern that could match nothing, or means something else than it says, is refused.
    #[test]
    fn senseless_patterns_are_refused() {
        for host in ["", ".", "*.", "*", "a.*.com", "*.*.com", "*x.com", &"a".repeat(256)] {
            assert!(HostPattern::parse(Some(host)).is_err(), "{host:?}");
        }
        assert_eq!(
            HostPattern::parse(Some("*.Example.com.")),
            Ok(HostPattern::Below((*b"example.com").into()))
        );
        assert_eq!(HostPattern::parse(None), Ok(HostPattern::Any));
    }
}
