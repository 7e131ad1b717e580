//! What the rules of a route make of messages, beside what a route without any makes of them: whatever stands in the rules, and
//! whatever clients and instances send.

use std::sync::{Arc, LazyLock};

use headgate_engine::snapshot::Snapshot;
use serde_json::{json, Value};

use super::expressions::slow_match;
use super::pieces::{exchange, whole, End};
use super::reference::{is_canonical, Message};
use super::shell::document;

/// Takes every request, and changes nothing.
static PLAIN: LazyLock<Arc<Snapshot>> = LazyLock::new(|| compiled(|_| ()).expect("a configuration"));

/// What no rule may name, in either direction.
const OWN: [&str; 18] = [
    "connection",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "max-forwards",
    "proxy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-original-url",
    "x-rewrite-url",
];
/// What no rule for requests may name beside them, nor what has a name behind `x-forwarded-`.
const OWN_OF_REQUESTS: [&str; 4] = ["forwarded", "true-client-ip", "x-real-ip", "x-request-id"];

/// Three lines (what paths the route takes: any, this one, those below it with `/*`, those of the expression behind `~`; which
/// path instances are asked for: the same, this one behind `=`, one with this beginning; which host), then a target. The route takes
/// just the requests that it says, by their canonical paths, and what the instance is asked for is canonical again.
pub(crate) fn rewrite(bytes: &[u8]) {
    let ([taken, path, host], target) = settings(bytes);
    let method: &[u8] = if target == b"*" { b"OPTIONS" } else { b"GET" };
    let head = [method, b" ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let snapshot = compiled(|route| {
        match taken.strip_prefix('~') {
            Some(expression) => route["pattern"] = expression.into(),
            None if taken.is_empty() => {}
            None => route["path"] = taken.as_str().into(),
        }
        let rewrite = &mut route["edits"]["rewrite"];
        *rewrite = json!({});
        match path.strip_prefix('=') {
            Some(whole) => rewrite["path"] = json!({ "whole": whole }),
            None if path.is_empty() => {}
            None => rewrite["path"] = json!({ "prefix": path }),
        }
        if !host.is_empty() {
            rewrite["host"] = host.as_str().into();
        }
    });
    let Some(snapshot) = snapshot else { return };
    let found = forwarded(&snapshot, &head);
    let Some(plain) = forwarded(&PLAIN, &head) else { return assert_eq!(found, None) };
    let (asked, query) = path_and_query(&plain);
    let Some(is_taken) = takes(&taken, asked) else { return };
    assert_eq!(found.is_some(), is_taken, "{taken:?} and {asked:?}");
    let Some(found) = found else { return };
    let expected = rewritten(&taken, &path, asked);
    assert!(expected == "*" || is_canonical(&expected), "{expected:?}");
    assert_eq!(found.line, format!("{} {expected}{query} HTTP/1.1", plain.method()));
    assert!(host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@%\\".contains(&byte)), "{host:?}");
    let fields = plain.fields.iter().map(|(name, value)| {
        let is_new = name == "host" && !host.is_empty();
        (name.clone(), if is_new { host.clone() } else { value.clone() })
    });
    assert_eq!(found.fields, fields.collect::<Vec<_>>());
}

/// Lines of rules (`>` for requests and `<` for answers; `=` sets, `+` adds, `-` removes; a name and perhaps `: ` and a value), an
/// empty line, the bytes of a request, another one, those of its answer. What is passed on has just what the rules say of it in place of what
/// it had, and all that the gateway sets itself.
pub(crate) fn edits(bytes: &[u8]) {
    let (rules, messages) = cut(bytes, b"\n\n");
    let (request, answer) = cut(messages, b"\n\n");
    let (of_requests, of_answers) = (Rules::parse(rules, '>'), Rules::parse(rules, '<'));
    let snapshot = compiled(|route| {
        route["edits"] = json!({ "request": of_requests.document(), "response": of_answers.document() });
    });
    let Some(snapshot) = snapshot else { return };
    for name in of_requests.names() {
        let tells = name.strip_prefix("x-forwarded-").is_some_and(|what| !what.is_empty())
            || OWN_OF_REQUESTS.contains(&name.as_str());
        assert!(!tells && !OWN.contains(&name.as_str()), "{name}");
    }
    assert!(of_answers.names().all(|name| !OWN.contains(&name.as_str())), "{:?}", of_answers.document());
    let (plain, plain_outcome) = exchange(&PLAIN, request, &[answer], End::Fin);
    // Beside the words of a host that is empty spaces are left, which all readers trim (RFC 9112 §5.1) and the strict one does not.
    let Some(plain) = plain.filter(|plain| !named_host(plain).is_empty()) else { return };
    let (found, outcome) = exchange(&snapshot, request, &[answer], End::Fin);
    let words = words(&plain);
    let found = found.expect("a request that is forwarded without the rules");
    assert_eq!((&found.line, &found.body), (&plain.line, &plain.body));
    assert_eq!(sorted(found.fields.clone()), sorted(of_requests.applied(&plain, &words)));
    let (Some((last, interim)), Some((plain, plain_interim))) =
        (whole(outcome.as_ref()), whole(plain_outcome.as_ref()))
    else {
        return assert_eq!(
            whole(outcome.as_ref()),
            whole(plain_outcome.as_ref()),
            "whole by one of them only"
        );
    };
    assert_eq!(interim, plain_interim);
    assert_eq!((&last.line, &last.body), (&plain.line, &plain.body));
    assert_eq!(sorted(last.fields.clone()), sorted(of_answers.applied(plain, &words)));
}

/// Two lines (a prefix of paths, or behind `.` the end of hosts, before or behind which the service is named; its name), then the bytes of a
/// request. The service gets just the requests whose canonical path or host shows its whole name, and of the path what is below that.
pub(crate) fn naming(bytes: &[u8]) {
    let ([place, name], request) = settings(bytes);
    if !name.starts_with(|it: char| it.is_ascii_alphanumeric())
        || !name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._".contains(&it))
    {
        return; // what the configuration takes for no name
    }
    let mut described = document();
    described["services"][0]["name"] = name.as_str().into();
    let snapshot = compiled_from(described, |route| {
        let below = place.starts_with('.');
        route["host"] = if below { format!("*{place}").into() } else { Value::Null };
        route["path"] = if below { Value::Null } else { format!("{place}/*").into() };
        let rows = route["rows"].take();
        route["named"] = json!({"place": if below { "host" } else { "segment" }, "services": [{"service": 0, "rows": rows}]});
        route["rows"] = json!([]);
        route["service"] = Value::Null;
        route["edits"] = json!({"request": {"set": [["X-Service", "{service}"]]}});
        if !below {
            route["edits"]["rewrite"] = json!({"path": {"prefix": "/"}});
        }
    });
    let Some(snapshot) = snapshot else { return };
    let found = forwarded(&snapshot, request);
    let Some(plain) = forwarded(&PLAIN, request) else { return assert_eq!(found, None) };
    let (path, query) = path_and_query(&plain);
    let expected = if place.starts_with('.') {
        let (host, end) = (named_host(&plain).to_ascii_lowercase(), place.to_ascii_lowercase());
        let host = host.strip_suffix('.').unwrap_or(&host);
        let end = end.strip_suffix('.').unwrap_or(&end);
        (host.strip_suffix(end) == Some(&name.to_ascii_lowercase())).then_some(path)
    } else {
        let behind = path.strip_prefix(&place).and_then(|rest| rest.strip_prefix('/'));
        let below = behind.and_then(|rest| rest.strip_prefix(&name));
        let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
        below.map(|below| if below.is_empty() { "/" } else { below })
    };
    let line = expected.map(|path| format!("{} {path}{query} HTTP/1.1", plain.method()));
    assert_eq!(found.as_ref().map(|found| &found.line), line.as_ref());
    assert!(found.is_none_or(|found| found.values("x-service") == [&name]));
}

/// The document with another route; `None` where it makes no sense.
fn compiled(change: impl FnOnce(&mut Value)) -> Option<Arc<Snapshot>> {
    compiled_from(document(), change)
}

fn compiled_from(mut document: Value, change: impl FnOnce(&mut Value)) -> Option<Arc<Snapshot>> {
    document["routes"][0]["host"] = Value::Null;
    change(&mut document["routes"][0]);
    Snapshot::compile(document.to_string().as_bytes()).ok().map(Arc::new)
}

/// The first request as the instance has it.
fn forwarded(snapshot: &Arc<Snapshot>, request: &[u8]) -> Option<Message> {
    exchange(snapshot, request, &[], End::Open).0
}

/// The first lines as texts, and what follows them.
fn settings<const N: usize>(mut bytes: &[u8]) -> ([String; N], &[u8]) {
    let texts = std::array::from_fn(|_| {
        let (line, rest) = cut(bytes, b"\n");
        bytes = rest;
        String::from_utf8_lossy(line).into_owned()
    });
    (texts, bytes)
}

/// What is before and behind the first of these marks; all and nothing where there is none.
pub(crate) fn cut<'b>(bytes: &'b [u8], mark: &[u8]) -> (&'b [u8], &'b [u8]) {
    let at = bytes.windows(mark.len()).position(|window| window == mark);
    at.map_or((bytes, b""), |at| (&bytes[..at], &bytes[at + mark.len()..]))
}

/// The path of a request, and its query with the question mark.
fn path_and_query(request: &Message) -> (&str, &str) {
    let target = request.line.split(' ').nth(1).expect("a target");
    target.split_at(target.find('?').unwrap_or(target.len()))
}

/// The host of a request without its port.
fn named_host(request: &Message) -> &str {
    let host = request.values("host")[0];
    match host.find(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Does a route that says this take this path?
fn takes(taken: &str, path: &str) -> Option<bool> {
    match (taken.strip_prefix('~'), taken.strip_suffix("/*")) {
        (Some(expression), _) => slow_match(expression, path.as_bytes()),
        (None, Some(prefix)) => {
            Some(path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        }
        (None, None) => Some(taken.is_empty() || path == taken),
    }
}

/// The path that instances are asked for.
fn rewritten(taken: &str, rule: &str, path: &str) -> String {
    if rule.is_empty() || path == "*" {
        return path.into();
    }
    if let Some(whole) = rule.strip_prefix('=') {
        return whole.into();
    }
    let below = path.strip_prefix(taken.strip_suffix("/*").unwrap_or("")).expect("a path below the prefix");
    match rule.strip_suffix('/').unwrap_or(rule) {
        "" if below.is_empty() => "/".into(),
        beginning => format!("{beginning}{below}"),
    }
}

/// Rules about the fields of messages of one direction.
#[derive(Default)]
struct Rules {
    set: Vec<(String, String)>,
    add: Vec<(String, String)>,
    remove: Vec<String>,
}

impl Rules {
    fn parse(bytes: &[u8], direction: char) -> Self {
        let mut rules = Self::default();
        for line in String::from_utf8_lossy(bytes).split('\n') {
            let Some(rule) = line.strip_prefix(direction) else { continue };
            let (name, value) = rule.split_once(": ").unwrap_or((rule, ""));
            let value = value.to_string();
            if let Some(name) = name.strip_prefix('=') {
                rules.set.push((name.into(), value));
            } else if let Some(name) = name.strip_prefix('+') {
                rules.add.push((name.into(), value));
            } else if let Some(name) = name.strip_prefix('-') {
                rules.remove.push(name.into());
            }
        }
        rules
    }

    fn document(&self) -> Value {
        json!({ "set": self.set, "add": self.add, "remove": self.remove })
    }

    /// All names, folded.
    fn names(&self) -> impl Iterator<Item = String> + '_ {
        let names = self.set.iter().chain(&self.add).map(|(name, _)| name).chain(&self.remove);
        names.map(|name| folded(name))
    }

    /// The fields that a message has by these rules.
    fn applied(&self, message: &Message, words: &[(&str, String)]) -> Vec<(String, String)> {
        let replaced = self.set.iter().map(|(name, _)| name);
        let gone: Vec<_> = replaced.chain(&self.remove).map(|name| folded(name)).collect();
        let kept = message.fields.iter().filter(|(name, _)| !gone.contains(&folded(name))).cloned();
        let lines = self.set.iter().chain(&self.add);
        let lines = lines.map(|(name, value)| (name.to_ascii_lowercase(), expanded(value, words)));
        kept.chain(lines).collect()
    }
}

/// A name as instances see it that hand fields on as variables.
fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn sorted(mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
    fields.sort();
    fields
}

/// What the variables stand for in a request.
fn words(request: &Message) -> [(&'static str, String); 8] {
    [
        ("client_ip", "192.0.2.1".into()),
        ("host", named_host(request).into()),
        ("method", request.method().into()),
        ("path", path_and_query(request).0.into()),
        ("request_id", request.values("x-request-id")[0].into()),
        ("scheme", "http".into()),
        ("route", "all".into()),
        ("service", "api".into()),
    ]
}

/// A value with words for its variables, and single braces for doubled ones.
fn expanded(value: &str, words: &[(&str, String)]) -> String {
    let (mut output, mut rest) = (String::new(), value);
    while let Some(at) = rest.find(['{', '}']) {
        output += &rest[..at];
        rest = &rest[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            output += &rest[..1];
            rest = &rest[2..];
        } else {
            let (name, behind) = rest[1..].split_once('}').expect("a whole variable");
            let word = words.iter().find(|(known, _)| *known == name).expect("a variable that there is");
            output += &word.1;
            rest = behind;
        }
    }
    output + rest
}
