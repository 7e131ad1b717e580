//! Routes that select a service by name: where a request names it, and which of those that may be named this is.
//!
//! The name is read from what the request was routed by, so no other spelling leads to a service: a segment of the canonical
//! path, which is compared byte by byte, or the beginning of the host in any case, without its port and the root's dot.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::key::{Part, Subject};

/// Where a request names a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the segment of the path behind a prefix of so many bytes, which the paths of all requests have.
    Segment(usize),
    /// In the host before an end of so many bytes, which the hosts of all requests have.
    Host(usize),
    /// In a part of its own.
    Part(Part),
}

/// The services that may be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    place: Place,
    /// The keys come from the configuration: a fixed seed gives an attacker nothing to collide.
    indexes: HashMap<Box<[u8]>, usize, FixedState>,
}

impl Naming {
    /// A service is known by its index from here on; the error is that of one whose name is another's in this place.
    pub fn new<'a>(place: Place, names: impl IntoIterator<Item = &'a str>) -> Result<Self, usize> {
        let mut indexes = HashMap::default();
        for (index, name) in names.into_iter().enumerate() {
            let name = match place {
                Place::Host(_) => name.to_ascii_lowercase(),
                Place::Segment(_) | Place::Part(_) => name.to_owned(),
            };
            if indexes.insert(name.into_bytes().into_boxed_slice(), index).is_some() {
                return Err(index);
            }
        }
        Ok(Self { place, indexes })
    }

    /// The index of the service that the request names; `None` when it names none that may be named.
    #[inline]
    pub fn find(&self, subject: &Subject<'_>) -> Option<usize> {
        let find = |name: &[u8]| self.indexes.get(name).copied();
        match &self.place {
            Place::Segment(prefix) => find(segment(subject.request.path().get(*prefix..)?)?),
            Place::Host(end) => Part::Host.read(subject, |host| {
                let host = host?;
                find(&host[..host.len().checked_sub(*end)?])
            }),
            Place::Part(part) => part.read(subject, |name| find(name?)),
        }
    }
}

/// The first segment of a path.
fn segment(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(b"/")?.split(|&byte| byte == b'/').next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::head::{slots, HeadLimits, Request};
    use crate::http1::path::Kept;

    const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 4096, fields: 10, target: 4096 };
    const NAMES: [&str; 3] = ["api", "Web.v2", "a_b"];

    fn named(place: Place, target: &str, host: &str, fields: &str) -> Option<&'static str> {
        let naming = Naming::new(place, NAMES).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let mut slots = slots();
        let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
        let client = "192.0.2.1".parse().unwrap();
        let subject = Subject { request: &request, client, route: "r", service: "" };
        naming.find(&subject).map(|index| NAMES[index])
    }

    #[test]
    fn a_segment_names_a_service_in_its_canonical_form() {
        for (target, expected) in [
            ("/api", Some("api")),
            ("/api/", Some("api")),
            ("/api/x/y?z=/Web.v2", Some("api")),
            ("/%61pi/x", Some("api")),
            ("/x/../api/y", Some("api")),
            ("//api/x", Some("api")),
            ("/Web.v2", Some("Web.v2")),
            ("/web.v2", None),
            ("/API/x", None),
            ("/api.", None),
            ("/api;x=1/y", None),
            ("/api%20/x", None),
            ("/apis/x", None),
            ("/x/api", None),
            ("/", None),
        ] {
            assert_eq!(named(Place::Segment(0), target, "h", ""), expected, "{target}");
        }
        assert_eq!(named(Place::Segment("/apps".len()), "/apps/api/x", "h", ""), Some("api"));
        assert_eq!(named(Place::Segment("/apps".len()), "/apps", "h", ""), None);
    }

    #[test]
    fn a_host_names_a_service_in_any_case() {
        for (host, expected) in [
            ("api.internal", Some("api")),
            ("API.Internal.:8080", Some("api")),
            ("web.v2.internal", Some("Web.v2")),
            ("WEB.V2.INTERNAL", Some("Web.v2")),
            ("x.api.internal", None),
            ("v2.internal", None),
            ("internal", None),
        ] {
            assert_eq!(named(Place::Host(".internal".len()), "/", host, ""), expected, "{host}");
        }
    }

    #[test]
    fn a_field_names_a_service_as_it_stands() {
        let part = Place::Part(Part::parse("header:X-Service").unwrap());
        for (fields, expected) in [
            ("X-Service: api\r\n", Some("api")),
            ("x_service: api\r\n", Some("api")),
            ("X-Service: api\r\nX-Service: a_b\r\n", Some("api")),
            ("X-Service: API\r\n", None),
            ("X-Service: api, a_b\r\n", None),
            ("X-Service:\r\n", None),
            ("", None),
        ] {
            assert_eq!(named(part.clone(), "/", "h", fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn two_names_that_are_one_in_a_host_are_refused() {
        assert_eq!(Naming::new(Place::Host(1), ["api", "b", "API"]).err(), Some(2));
        assert!(Naming::new(Place::Segment(0), ["api", "b", "API"]).is_ok());
    }

    proptest! {
        /// Whatever spelling leads to a service, the canonical path shows its name in full.
        #[test]
        fn only_the_name_itself_leads_to_a_service(target in "(/|%2e|\\.|a|p|i|%61|%41|A|;){1,12}") {
            let head = format!("GET /{target} HTTP/1.1\r\nHost: h\r\n\r\n");
            let mut room = slots();
            let Ok(request) = Request::parse(head.as_bytes(), &mut room, &LIMITS, Kept::NONE) else { return Ok(()) };
            let shown = String::from_utf8(request.path().to_vec()).unwrap();
            let is_named = shown == "/api" || shown.starts_with("/api/");
            prop_assert_eq!(named(Place::Segment(0), &format!("/{target}"), "h", "").is_some(), is_named);
        }
    }
}
