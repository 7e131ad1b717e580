//! Which origins are allowed, and what each is told, line by line.

use proptest::prelude::*;

use super::*;
use crate::http1::head::{slots, HeadLimits};
use crate::http1::path::Kept;

const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 4096, fields: 20, target: 1024 };

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// A policy that allows these origins everything that there is to allow.
fn policy(origins: &[&str]) -> Policy {
    let (origins, credentials) = (texts(origins), origins != ["*"]);
    let (methods, headers, expose) = (texts(&["PUT", "DELETE"]), texts(&["X-Token"]), texts(&["X-Total"]));
    let rules = Rules {
        origins: &origins,
        methods: &methods,
        headers: &headers,
        expose: &expose,
        credentials,
        max_age: Some(600),
    };
    Policy::compile(rules).unwrap()
}

/// Rules that name origins and nothing else.
fn bare(origins: &[String]) -> Rules<'_> {
    Rules { origins, methods: &[], headers: &[], expose: &[], credentials: false, max_age: None }
}

fn told(policy: &Policy, origin: Option<&str>, answering: Answering) -> String {
    let mut output = Vec::new();
    policy.put(&mut output, origin.map(str::as_bytes), answering);
    String::from_utf8(output).unwrap()
}

fn allows(pattern: &str, origin: &str) -> bool {
    policy(&[pattern]).allows(Some(origin.as_bytes()))
}

#[test]
fn an_origin_is_the_same_in_any_case_and_with_the_port_of_its_scheme() {
    for (allowed, origins) in [
        (
            "https://app.example.com",
            &["https://app.example.com", "HTTPS://App.Example.COM", "https://app.example.com:443"][..],
        ),
        ("HTTPS://App.Example.com:443", &["https://app.example.com", "https://app.example.com:443"]),
        ("http://localhost:3000", &["http://localhost:3000", "http://LOCALHOST:3000"]),
        ("http://localhost:80", &["http://localhost"]),
        ("http://[::1]:8080", &["http://[::1]:8080"]),
        ("https://[2001:db8::A]", &["https://[2001:db8::a]:443"]),
        ("http://127.0.0.1", &["http://127.0.0.1:80"]),
        ("chrome-extension://abcdef", &["chrome-extension://abcdef"]),
        ("https://*.example.com", &["https://a.example.com", "https://A.b.Example.com:443"]),
        ("https://*.example.com:8443", &["https://a.example.com:8443"]),
        ("null", &["null"]),
    ] {
        for origin in origins {
            assert!(allows(allowed, origin), "{allowed} {origin}");
        }
    }
}

#[test]
fn what_only_resembles_an_allowed_origin_is_another() {
    for (allowed, origins) in [
        (
            "https://example.com",
            &[
                "http://example.com",
                "https://example.com:8443",
                "https://example.com:80",
                "https://example.com.evil.org",
                "https://example.com.",
                "https://evilexample.com",
                "https://a.example.com",
                "https://example.co",
                "https://example.com@evil.org",
                "https://example.com:443@evil.org",
                "https://evil.org/https://example.com",
                "https://example.com/",
                "https://example.com/path",
                "https://example.com?",
                "https://example.com#",
                "https://example.com\\.evil.org",
                "https://user@example.com",
                "https://user:443@example.com",
                "https://example.com https://evil.org",
                "https://example.com, https://evil.org",
                "https://example.com:",
                "https://example.com:0443",
                "https://example.com:+443",
                "https://example.com:65979", // 443 modulo 2¹⁶
                "https:example.com",
                "https:/example.com",
                "https:///example.com",
                "//example.com",
                "://example.com",
                "example.com",
                "xhttps://example.com",
                "https://example%2ecom",
                "https://example.com\u{212a}",
                "https://[example.com]",
                "null",
                "*",
                "",
            ][..],
        ),
        (
            "https://*.example.com",
            &[
                "https://example.com",
                "https://.example.com",
                "https://a..example.com",
                "https://evilexample.com",
                "https://a.example.com.evil.org",
                "https://evil.org/.example.com",
                "https://evil.org#.example.com",
                "https://evil.org?.example.com",
                "https://evil.org\\.example.com",
                "https://evil.org:80.example.com",
                "https://evil.org:443:.example.com",
                "https://evil.org@a.example.com",
                "https://*.example.com",
                "https://a.example.com:8443",
                "http://a.example.com",
                "https://a.example.comm",
                "https://[::1].example.com",
                "https://a_example.com",
                "null",
            ],
        ),
        ("https://*.example.com:8443", &["https://a.example.com", "https://a.example.com:443"]),
        (
            "https://[::1]",
            &["https://[::1", "https://[::1]]", "https://[::1]x", "https://::1", "https://[::2]"],
        ),
        ("null", &["NULL", "null ", "https://null", "", "nul"]),
        ("http://localhost:8080", &["http://localhost", "http://localhost:80801", "http://localhost:808"]),
    ] {
        for origin in origins {
            assert!(!allows(allowed, origin), "{allowed} {origin}");
            assert_eq!(told(&policy(&[allowed]), Some(origin), Answering::Preflight), "Vary: Origin\r\n");
        }
    }
    assert!(!allows("https://*.example.com", &format!("https://{}.example.com", "a".repeat(300))));
}

#[test]
fn each_is_told_what_it_is_asked_for() {
    let listed = policy(&["https://a.example", "https://*.b.example"]);
    assert_eq!(
        told(&listed, Some("https://x.b.example"), Answering::Preflight),
        "Access-Control-Allow-Origin: https://x.b.example\r\nAccess-Control-Allow-Credentials: true\r\n\
         Access-Control-Allow-Methods: PUT, DELETE\r\nAccess-Control-Allow-Headers: X-Token\r\n\
         Access-Control-Max-Age: 600\r\nVary: Origin\r\n"
    );
    assert_eq!(
        told(&listed, Some("https://a.example"), Answering::Request),
        "Access-Control-Allow-Origin: https://a.example\r\nAccess-Control-Allow-Credentials: true\r\n\
         Access-Control-Expose-Headers: X-Total\r\nVary: Origin\r\n"
    );
    for origin in [None, Some("https://c.example")] {
        assert_eq!(told(&listed, origin, Answering::Request), "Vary: Origin\r\n");
        assert!(!listed.allows(origin.map(str::as_bytes)));
    }
}

/// One answer serves everybody then, so it need not vary, and says so to those who do not ask.
#[test]
fn all_origins_are_told_alike() {
    let all = policy(&["*"]);
    for origin in [None, Some("https://a.example"), Some("null"), Some("nonsense")] {
        assert_eq!(
            told(&all, origin, Answering::Request),
            "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: X-Total\r\n"
        );
    }
    let preflight = told(&all, Some("https://a.example"), Answering::Preflight);
    assert!(preflight
        .starts_with("Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: PUT, DELETE\r\n"));
}

#[test]
fn what_is_not_said_has_no_line() {
    let origins = texts(&["https://a.example"]);
    let policy = Policy::compile(bare(&origins)).unwrap();
    for answering in [Answering::Preflight, Answering::Request] {
        assert_eq!(
            told(&policy, Some("https://a.example"), answering),
            "Access-Control-Allow-Origin: https://a.example\r\nVary: Origin\r\n"
        );
    }
}

#[test]
fn wrong_rules_are_refused_with_their_place() {
    fn fault(change: impl Fn(&mut Rules<'_>)) -> Option<String> {
        let origins = ["https://a.example".to_string()];
        let mut rules = bare(&origins);
        change(&mut rules);
        Policy::compile(rules).err().map(|(place, problem)| format!("{place}: {problem}"))
    }
    assert_eq!(fault(|_| ()), None);
    assert_eq!(fault(|rules| rules.origins = &[]).as_deref(), Some("origins: must name one"));
    let all = texts(&["*"]);
    let split = texts(&["X\r\nY"]);
    for (list, place) in [("methods", 0), ("headers", 1), ("expose", 2)] {
        let with = |values: &[String], credentials| {
            let values = values.to_vec();
            fault(|rules| {
                rules.credentials = credentials;
                let values: &'static [String] = values.clone().leak();
                *[&mut rules.methods, &mut rules.headers, &mut rules.expose][place] = values;
            })
        };
        assert_eq!(with(&all, false), None, "{list}");
        let problem = format!("{list}[0]: stands for all without credentials only");
        assert_eq!(with(&all, true), Some(problem));
        assert_eq!(with(&split, false), Some(format!("{list}[0]: no token")));
    }
    for (origin, problem) in [
        ("*", "stands for all without credentials only"),
        ("https://a.example/", "no origin"),
        ("a.example", "no origin"),
        ("https://*", "no origin"),
        ("https://*.", "no origin"),
        ("https://a.*.example", "no origin"),
        ("https://*.[::1]", "no origin"),
        ("https://*.*.example", "no origin"),
        ("https://a.example:65536", "no origin"),
        ("https://a.example:0", "no origin"),
        ("https://a.example\r\nX: 1", "no origin"),
        ("", "no origin"),
    ] {
        let origins: &'static [String] = texts(&[origin]).leak();
        let change = |rules: &mut Rules<'_>| (rules.origins, rules.credentials) = (origins, true);
        assert_eq!(fault(change), Some(format!("origins[0]: {problem}")), "{origin:?}");
    }
    let beside: &'static [String] = texts(&["https://a.example", "*"]).leak();
    assert_eq!(fault(|rules| rules.origins = beside).as_deref(), Some("origins[1]: no origin"));
}

/// Only a whole preflight is one: the others are for whoever serves the route.
#[test]
fn a_preflight_is_known_by_method_and_both_fields() {
    let announced = |head: &str| {
        let mut slots = slots();
        let request = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
        announced_method(&request).map(<[u8]>::to_vec)
    };
    let head = |method: &str, fields: &str| format!("{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let (origin, method) = ("oRIGIN: https://a\r\n", "access-control-REQUEST-method: PUT\r\n");
    let both = [origin, method].concat();
    assert_eq!(announced(&head("OPTIONS", &both)).as_deref(), Some(&b"PUT"[..]));
    for (name, fields) in [
        ("PUT", both.clone()),
        ("options", both.clone()),
        ("OPTIONS", origin.into()),
        ("OPTIONS", method.into()),
        ("OPTIONS", [origin, &both].concat()),
        ("OPTIONS", [method, &both].concat()),
        ("OPTIONS", both.replace('-', "_")),
    ] {
        assert_eq!(announced(&head(name, &fields)), None, "{name} {fields}");
    }
}

/// What an origin is, once more and slowly: text is put together from the parts that are allowed and compared.
fn is_allowed_slowly(origin: &str) -> bool {
    let origin = origin.to_ascii_lowercase();
    let names = |tail: &str| ["", "a.", "b.", "a.b.", "b.a."].map(|labels| format!("{labels}{tail}"));
    let exact = ["https://x.y", "https://x.y:443", "http://a.b:81"].map(String::from);
    let below = names("z.w")
        .into_iter()
        .skip(1)
        .flat_map(|name| [format!("https://{name}"), format!("https://{name}:443")]);
    exact.into_iter().chain(below).any(|allowed| allowed == origin)
}

/// An origin that is allowed, or is like one, put together from parts that are right more often than not.
fn resembling() -> impl Strategy<Value = String> {
    let one_of = |parts: &'static [&'static str]| prop::sample::select(parts);
    (
        one_of(&["https", "https", "HTTPS", "http", "xhttps", "https "]),
        one_of(&["://", "://", "://", ":/", "//", "://u@"]),
        one_of(&["", "", "a.", "b.", "a.b.", "b.a.", ".", "a..", "*.", "evil.org/", "evil.org#"]),
        one_of(&["x.y", "X.Y", "z.w", "Z.w", "a.b", "x.yz", "xx.y"]),
        one_of(&["", "", ":443", ":81", ":80", ":", ":0443", ":81@z.w"]),
        one_of(&["", "", "", "", "/", ".", ".evil.org", "#", "?", "\\", "\t"]),
    )
        .prop_map(|(scheme, separator, labels, name, port, tail)| {
            [scheme, separator, labels, name, port, tail].concat()
        })
}

proptest! {
    /// However like an allowed origin another one looks: only the allowed ones are told so, with what they sent.
    #[test]
    fn nobody_else_is_told_that_it_is_allowed(origin in resembling()) {
        let policy = policy(&["https://x.y", "https://*.z.w", "http://a.b:81"]);
        for answering in [Answering::Preflight, Answering::Request] {
            let lines = told(&policy, Some(&origin), answering);
            if is_allowed_slowly(&origin) {
                let granted = format!("Access-Control-Allow-Origin: {origin}\r\n");
                prop_assert!(lines.starts_with(&granted), "{}", lines);
            } else {
                prop_assert_eq!(&lines, "Vary: Origin\r\n", "{}", origin);
            }
        }
    }

    /// Nor any other bytes.
    #[test]
    fn no_bytes_are_an_allowed_origin_by_chance(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert!(!policy(&["https://x.y", "https://*.z.w"]).allows(Some(&bytes)));
    }
}
