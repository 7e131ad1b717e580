//! The forwarded head: a message is written anew from what was understood of it, never copied through.
//!
//! Fields that end at this hop are left out, in both directions (RFC 9110 §7.6.1); the length of the body is stated
//! once, by the gateway; to instances the client is named as [`forwarding`] says.

use httparse::Header;

use crate::affinity::SetCookie;
use crate::compression::{self, Change};
use crate::edits::{AnswerEdits, Edits, Words};
use crate::forwarding::{self, Sender};
use crate::http1::fields::Field;
use crate::http1::framing::Framing;
use crate::http1::head::{Fields, Request, Response};
use crate::limit::Level;
use crate::reply::put_quotas;
use crate::request_id::RequestId;
use crate::routing::host_without_port;
use crate::snapshot::Limit;

/// What the gateway tells an instance about the client.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Who the request comes from.
    pub sender: &'a Sender,
    /// `http` or `https`.
    pub scheme: &'a [u8],
    /// The identity of its request.
    pub request_id: RequestId<'a>,
}

impl<'a> Client<'a> {
    /// What the variables of a route's rules stand for.
    pub fn words(&'a self, request: &'a Request<'_, '_>) -> Words<'a> {
        Words {
            client_ip: self.sender.client.text(),
            host: host_without_port(request.host),
            method: request.method,
            path: request.path(),
            request_id: self.request_id.as_bytes(),
            scheme: forwarding::scheme(&request.fields, self.sender, self.scheme),
        }
    }
}

/// What the gateway tells a client about the message and the connection.
#[derive(Clone, Copy, Debug)]
pub struct Onward<'a> {
    /// How the body is framed towards the client.
    pub framing: Framing,
    /// The response has no body, so a `Content-Length` only tells what a GET would have brought: pass it on.
    pub keeps_length: bool,
    /// The client's connection is closed after the response.
    pub close: bool,
    /// The client speaks HTTP/1.0 and asked for a persistent connection, which must be confirmed.
    pub confirm_keep_alive: bool,
    /// The value of the Date field for a response without one (RFC 9110 §6.6.1).
    pub date: &'a [u8; 29],
    /// The limits that the client is told of, and what is in their buckets.
    pub quotas: &'a [(&'a Limit, Level)],
    /// The cookie by which the client is to come back to the instance, if it does not bring it already.
    pub set_cookie: Option<SetCookie<'a>>,
    /// What the route changes.
    pub edits: Option<AnswerEdits<'a>>,
    /// What the coding of the content changes.
    pub change: Change,
}

/// Writes the head of a request as the instance gets it, always in HTTP/1.1.
pub fn request(
    output: &mut Vec<u8>,
    request: &Request<'_, '_>,
    client: Client<'_>,
    edits: Option<&Edits>,
    expects_continue: bool,
) {
    let hops_left = request.hops_left();
    if let Some(Edits { request: fields, rewrite, .. }) = edits {
        put(output, &[request.method, b" "]);
        rewrite.path.put(output, request);
        let host = rewrite.host.as_deref().unwrap_or(request.host);
        put(output, &[request.behind_path(), b" HTTP/1.1\r\nHost: ", host, b"\r\n"]);
        put_fields(output, &request.fields, |header, kind| {
            request.passes_on(kind) && !fields.leaves_out(header.name.as_bytes())
        });
        fields.put(output, &client.words(request));
    } else {
        put(output, &[request.method, b" ", &request.target, b" HTTP/1.1\r\nHost: ", request.host, b"\r\n"]);
        put_fields(output, &request.fields, |_, kind| request.passes_on(kind));
    }
    forwarding::put(output, request, client.sender, client.scheme);
    output.extend_from_slice(if request.minor_version == 0 {
        b"Via: 1.0 headgate\r\n"
    } else {
        b"Via: 1.1 headgate\r\n"
    });
    put(output, &[b"X-Request-Id: ", client.request_id.as_bytes(), b"\r\n"]);
    if let Some(left) = hops_left {
        let left = left.saturating_sub(1);
        put(output, &[b"Max-Forwards: ", itoa::Buffer::new().format(left).as_bytes(), b"\r\n"]);
    }
    if expects_continue {
        output.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    if let Some(protocols) = request.upgrade() {
        put_upgrade(output, protocols);
    } else if request.wants_trailers() {
        output.extend_from_slice(b"Connection: TE\r\nTE: trailers\r\n");
    }
    // A length of 0 that the client stated is passed on: some instances ask for one with every POST.
    put_framing(output, request.framing, request.fields.content_length());
    output.extend_from_slice(b"\r\n");
}

/// Writes the head of a final response as the client gets it.
pub fn response(output: &mut Vec<u8>, response: &Response<'_, '_>, onward: &Onward<'_>) {
    put_status_line(output, response);
    let passes = |kind| {
        matches!(
            kind,
            Field::Other
                | Field::Accept
                | Field::Date
                | Field::Expect
                | Field::Host
                | Field::Forwarded
                | Field::MaxForwards
                | Field::RequestId
                | Field::Via
        ) || (kind == Field::Trailer && onward.framing == Framing::Chunked)
    };
    if onward.change != Change::Nothing {
        put_recoded(output, response, onward, passes);
    } else if let Some(AnswerEdits { fields, lines }) = onward.edits {
        put_fields(output, &response.fields, |header, kind| {
            passes(kind) && !fields.leaves_out(header.name.as_bytes())
        });
        output.extend_from_slice(lines);
    } else {
        put_fields(output, &response.fields, |_, kind| passes(kind));
    }
    if !response.fields.has_date() {
        put(output, &[b"Date: ", onward.date, b"\r\n"]);
    }
    if !onward.quotas.is_empty() {
        put_quotas(output, onward.quotas);
    }
    if let Some(cookie) = onward.set_cookie {
        cookie.put(output);
    }
    let stated = response.fields.content_length().filter(|length| onward.keeps_length || *length == 0);
    put_framing(output, onward.framing, stated.filter(|_| response.status != 204)); // RFC 9110 §8.6
    if onward.close {
        output.extend_from_slice(b"Connection: close\r\n");
    } else if onward.confirm_keep_alive {
        output.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    output.extend_from_slice(b"\r\n");
}

/// Writes the fields of an answer whose coding is not for everybody the one that it came in, those of its route and of its
/// coding included.
#[cold] // of most answers
fn put_recoded(
    output: &mut Vec<u8>,
    response: &Response<'_, '_>,
    onward: &Onward<'_>,
    passes: impl Fn(Field) -> bool,
) {
    let keeps = |name: &[u8]| onward.edits.is_none_or(|edits| !edits.fields.leaves_out(name));
    put_fields(output, &response.fields, |header, kind| {
        let name = header.name.as_bytes();
        passes(kind) && keeps(name) && !onward.change.leaves_out(name)
    });
    if let Some(AnswerEdits { lines, .. }) = onward.edits {
        output.extend_from_slice(lines);
    }
    compression::put(output, onward.change, &response.fields, keeps);
}

/// Writes the head of an interim response (1xx) as the client gets it.
pub fn interim(output: &mut Vec<u8>, response: &Response<'_, '_>) {
    put_interim(output, response);
    output.extend_from_slice(b"\r\n");
}

/// Writes the head of a 101 as the client gets it; behind it the connection speaks `protocol`.
pub fn switching(
    output: &mut Vec<u8>,
    response: &Response<'_, '_>,
    protocol: &[u8],
    set_cookie: Option<SetCookie<'_>>,
) {
    put_interim(output, response);
    if let Some(cookie) = set_cookie {
        cookie.put(output);
    }
    put_upgrade(output, protocol);
    output.extend_from_slice(b"\r\n");
}

fn put_interim(output: &mut Vec<u8>, response: &Response<'_, '_>) {
    put_status_line(output, response);
    put_fields(output, &response.fields, |_, kind| {
        matches!(kind, Field::Other | Field::Accept | Field::Date | Field::RequestId | Field::Via)
    });
}

/// `Connection` speaks for one hop alone, so this is the gateway's own (RFC 9110 §7.6.1).
fn put_upgrade(output: &mut Vec<u8>, protocols: &[u8]) {
    put(output, &[b"Connection: Upgrade\r\nUpgrade: ", protocols, b"\r\n"]);
}

fn put(output: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        output.extend_from_slice(part);
    }
}

/// Writes the fields that do not end at this hop: those that pass and that `Connection` does not name.
///
/// A line that came as it would be written is copied, and neighbours are copied together: most heads need one or two
/// copies. Four for each field take 600 instructions more in an exchange of 13,300.
fn put_fields(output: &mut Vec<u8>, fields: &Fields<'_, '_>, passes: impl Fn(&Header<'_>, Field) -> bool) {
    let mut lines = 0..0;
    for (header, _) in fields.iter().filter(|(header, kind)| passes(header, *kind)) {
        if fields.is_nominated(header.name.as_bytes()) {
            continue;
        }
        match fields.line(header) {
            Some(line) if line.start == lines.end => lines.end = line.end,
            line => {
                output.extend_from_slice(&fields.bytes()[lines]);
                lines = line.unwrap_or_else(|| {
                    put_field(output, header);
                    0..0
                });
            }
        }
    }
    output.extend_from_slice(&fields.bytes()[lines]);
}

fn put_field(output: &mut Vec<u8>, header: &Header<'_>) {
    put(output, &[header.name.as_bytes(), b": ", header.value, b"\r\n"]);
}

fn put_status_line(output: &mut Vec<u8>, response: &Response<'_, '_>) {
    let mut number = itoa::Buffer::new();
    put(output, &[b"HTTP/1.1 ", number.format(response.status).as_bytes(), b" ", response.reason, b"\r\n"]);
}

fn put_framing(output: &mut Vec<u8>, framing: Framing, stated: Option<u64>) {
    let length = match framing {
        Framing::Length(length) => Some(length),
        Framing::Empty => stated,
        Framing::Chunked => return output.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::UntilClose => None,
    };
    if let Some(length) = length {
        put(output, &[b"Content-Length: ", itoa::Buffer::new().format(length).as_bytes(), b"\r\n"]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::address::Address;
    use crate::edits::{Direction, FieldEdits, FieldRules, Names, PathRewrite, Rewrite};
    use crate::http1::head::{slots, HeadLimits};
    use crate::http1::path::Kept;
    use crate::random::Random;

    const LIMITS: HeadLimits = HeadLimits { head: 8192, line: 1024, fields: 100, target: 1024 };

    fn forwarded(head: &str) -> String {
        edited(head, None)
    }

    fn edited(head: &str, edits: Option<&Edits>) -> String {
        let (mut slots, mut output) = (slots(), Vec::new());
        let parsed = Request::parse(head.as_bytes(), &mut slots, &LIMITS, Kept::NONE).unwrap();
        let request_id = RequestId::of(parsed.fields.request_id(), &mut Random::new(1_234_567));
        let peer = Address::from(IpAddr::from([192, 0, 2, 1]));
        let sender = Sender { peer, client: peer, is_trusted: false };
        let client = Client { sender: &sender, scheme: b"http", request_id };
        request(&mut output, &parsed, client, edits, parsed.expects_continue().unwrap());
        String::from_utf8(output).unwrap()
    }

    fn answered(head: &str, framing: Framing, close: bool, keeps_length: bool) -> String {
        answered_with(head, framing, close, keeps_length, None)
    }

    fn answered_with(
        head: &str,
        framing: Framing,
        close: bool,
        keeps_length: bool,
        edits: Option<AnswerEdits<'_>>,
    ) -> String {
        let (mut slots, mut output) = (slots(), Vec::new());
        let parsed = Response::parse(head.as_bytes(), &mut slots, &LIMITS).unwrap();
        let date = crate::reply::http_date(0);
        let onward = Onward {
            framing,
            keeps_length,
            close,
            confirm_keep_alive: false,
            date: &date,
            quotas: &[],
            set_cookie: None,
            edits,
            change: Change::Nothing,
        };
        response(&mut output, &parsed, &onward);
        String::from_utf8(output).unwrap()
    }

    /// A field line as a client may send it, and as it is to be written.
    fn field_line() -> impl Strategy<Value = (String, String)> {
        let line = ("[A-Z]x?", " {0,2}", "[a-z]{0,3}", "[ \t]{0,1}");
        prop_oneof![
            line.prop_map(|(name, before, value, behind)| {
                (format!("{name}:{before}{value}{behind}\r\n"), format!("{name}: {value}\r\n"))
            }),
            Just(("Keep-Alive: 5\r\n".to_string(), String::new())),
            Just(("nominated: 1\r\n".to_string(), String::new())),
        ]
    }

    proptest! {
        /// Whatever stands between them, however they came: what passes is written alike and in order.
        #[test]
        fn lines_are_copied_as_they_would_be_written(lines in prop::collection::vec(field_line(), 0..12)) {
            let (sent, written): (String, String) = lines.into_iter().unzip();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: nominated\r\nDate: d\r\n{sent}\r\n");
            prop_assert_eq!(
                answered(&head, Framing::Length(1), false, false),
                format!("HTTP/1.1 200 OK\r\nDate: d\r\n{written}Content-Length: 1\r\n\r\n")
            );
        }
    }

    const OURS: &str = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n";
    const ID: &str = "X-Request-Id: 599ed017fb08fc852c73f08458540fa5\r\n";

    #[test]
    fn end_to_end_fields_pass_in_order_and_ours_follow() {
        assert_eq!(
            forwarded("GET /a?b HTTP/1.1\r\nHost: h\r\nB: 2\r\na:  1 \r\nB: 3\r\nVia: 1.1 x\r\n\r\n"),
            format!(
                "GET /a?b HTTP/1.1\r\nHost: h\r\nB: 2\r\na: 1\r\nB: 3\r\nVia: 1.1 x\r\n{OURS}\
                 X-Forwarded-Host: h\r\nVia: 1.1 headgate\r\n{ID}\r\n"
            )
        );
    }

    #[test]
    fn what_ends_at_this_hop_is_left_out() {
        assert_eq!(
            forwarded(
                "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Mine\r\nx-mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
                 Upgrade: h2c\r\nProxy-Connection: x\r\nProxy: evil\r\nProxy-Authorization: y\r\nX-Forwarded-For: 1.2.3.4\r\n\
                 X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=evil\r\n\r\n"
            ),
            format!("GET / HTTP/1.1\r\nHost: h\r\n{OURS}X-Forwarded-Host: h\r\nVia: 1.1 headgate\r\n{ID}\r\n")
        );
    }

    #[test]
    fn imitations_and_names_of_other_paths_are_left_out() {
        assert_eq!(
            forwarded(
                "GET / HTTP/1.1\r\nHost: h\r\nX_Forwarded_For: 1.2.3.4\r\ncontent_length: 5\r\nTransfer_Encoding: chunked\r\n\
                 X-Real-IP: 1.2.3.4\r\nTrue-Client-IP: 1.2.3.4\r\nX-Forwarded-Prefix: /x\r\nX-Original-URL: /admin\r\n\
                 X-Rewrite-URL: /admin\r\nX-REQUEST_ID: 1\r\nmy_own: kept\r\n\r\n"
            ),
            format!("GET / HTTP/1.1\r\nHost: h\r\nmy_own: kept\r\n{OURS}X-Forwarded-Host: h\r\nVia: 1.1 headgate\r\n{ID}\r\n")
        );
        let head = "HTTP/1.1 200 OK\r\nTransfer_Encoding: chunked\r\nDate: d\r\nVia: 1.1 x\r\n\r\n";
        assert_eq!(
            answered(head, Framing::Empty, false, false),
            "HTTP/1.1 200 OK\r\nDate: d\r\nVia: 1.1 x\r\n\r\n"
        );
    }

    #[test]
    fn hops_left_are_counted_down_where_they_count() {
        let head = "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 10\r\nConnection: Max-Forwards\r\n\r\n";
        assert!(forwarded(head).contains("\r\nMax-Forwards: 9\r\n"));
        let other = "GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 10\r\n\r\n";
        assert!(forwarded(other).contains("\r\nMax-Forwards: 10\r\n"));
    }

    #[test]
    fn the_identity_of_a_request_is_the_clients_or_ours_and_stands_once() {
        let with = |fields: &str| forwarded(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
        assert!(with("x-request-id: A-1\r\n").contains("\r\nX-Request-Id: A-1\r\n"));
        assert!(with("Connection: x-request-id\r\nX-Request-Id: A-1\r\n").contains("X-Request-Id: A-1\r\n"));
        for bad in
            ["", "X-Request-Id: a b\r\n", "X-Request-Id:\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n"]
        {
            let head = with(bad);
            assert!(head.contains(ID) && head.to_lowercase().matches("x-request-id").count() == 1, "{head}");
        }
        let head = "HTTP/1.1 200 OK\r\nX-Request-Id: of the instance\r\n\r\n";
        assert!(answered(head, Framing::Empty, false, false).contains("X-Request-Id: of the instance\r\n"));
    }

    #[test]
    fn trailers_are_announced_where_a_chunked_body_brings_them() {
        let announced =
            forwarded("POST / HTTP/1.1\r\nHost: h\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(announced.contains("\r\nTrailer: X\r\n"));
        assert!(!forwarded("GET / HTTP/1.1\r\nHost: h\r\nTrailer: X\r\n\r\n").contains("Trailer"));
        let head = "HTTP/1.1 200 OK\r\nTrailer: X\r\n\r\n";
        assert!(answered(head, Framing::Chunked, false, false).contains("\r\nTrailer: X\r\n"));
        assert!(!answered(head, Framing::UntilClose, true, false).contains("Trailer"));
    }

    #[test]
    fn only_who_says_it_as_it_must_wants_trailers() {
        let wanted =
            forwarded("GET / HTTP/1.1\r\nHost: h\r\nConnection: te, X\r\nTE: gzip, trailers\r\n\r\n");
        assert!(wanted.ends_with("\r\nConnection: TE\r\nTE: trailers\r\n\r\n"));
        for other in [
            "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: gzip;q=0.5\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: h\r\nConnection: TE\r\nTE: trailers\r\n\r\n",
        ] {
            assert!(!forwarded(other).contains("TE"), "{other:?}");
        }
    }

    fn fields(
        direction: Direction,
        set: &[(&str, &str)],
        add: &[(&str, &str)],
        remove: &[&str],
    ) -> FieldEdits {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
        };
        let remove: Vec<String> = remove.iter().map(|&name| name.into()).collect();
        let rules = FieldRules { set: &pairs(set), add: &pairs(add), remove: &remove };
        FieldEdits::compile(direction, rules, Names { route: "all", service: "api" }).unwrap()
    }

    #[test]
    fn a_route_changes_what_an_instance_gets() {
        let edits = Edits {
            request: fields(
                Direction::Request,
                &[("X-Team", "{service}"), ("X-From", "{client_ip} {scheme}://{host}{path}")],
                &[("Accept", "b/c")],
                &["Cookie"],
            ),
            rewrite: Rewrite {
                path: PathRewrite::prefix("/v1", "/api"),
                host: Some(b"inner:81".as_slice().into()),
            },
            ..Edits::default()
        };
        assert_eq!(
            edited(
                "GET /v1/a?b=/v1 HTTP/1.1\r\nHost: h:80\r\nX-TEAM: me\r\nA: 1\r\nx_team: me\r\nConnection: x-from\r\n\
                 Cookie: c\r\nAccept: a/b\r\n\r\n",
                Some(&edits)
            ),
            format!(
                "GET /api/a?b=/v1 HTTP/1.1\r\nHost: inner:81\r\nA: 1\r\nAccept: a/b\r\nX-Team: api\r\n\
                 X-From: 192.0.2.1 http://h/v1/a\r\nAccept: b/c\r\n{OURS}X-Forwarded-Host: h:80\r\n\
                 Via: 1.1 headgate\r\n{ID}\r\n"
            )
        );
    }

    #[test]
    fn a_route_changes_what_a_client_gets() {
        let rules =
            fields(Direction::Response, &[("Cache-Control", "no-store")], &[("Vary", "A")], &["Server"]);
        let edits = AnswerEdits { fields: &rules, lines: rules.lines().bytes() };
        assert_eq!(
            answered_with(
                "HTTP/1.1 200 OK\r\nServer: s\r\nDate: d\r\nCACHE-CONTROL: x\r\nVary: B\r\nContent-Length: 1\r\n\r\n",
                Framing::Length(1),
                false,
                false,
                Some(edits)
            ),
            "HTTP/1.1 200 OK\r\nDate: d\r\nVary: B\r\nCache-Control: no-store\r\nVary: A\r\nContent-Length: 1\r\n\r\n"
        );
    }

    /// Edits that change nothing write the very same head.
    #[test]
    fn no_changes_are_no_edits() {
        for head in [
            "GET /a%20b?c HTTP/1.1\r\nHost: h\r\nA: 1\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 3\r\n\r\n",
            "GET http://real HTTP/1.1\r\nHost: other\r\n\r\n",
        ] {
            assert_eq!(edited(head, Some(&Edits::default())), forwarded(head));
        }
    }

    #[test]
    fn the_body_is_framed_once_and_anew() {
        assert!(forwarded("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 005\r\n\r\n")
            .ends_with("Content-Length: 5\r\n\r\n"));
        assert!(forwarded("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
            .ends_with("Content-Length: 0\r\n\r\n"));
        let chunked = forwarded(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n",
        );
        assert!(chunked.ends_with("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn a_host_cannot_be_nominated_away_and_the_target_decides() {
        let head = forwarded("GET http://real/x HTTP/1.1\r\nHost: other\r\nConnection: host\r\n\r\n");
        assert!(head.starts_with("GET /x HTTP/1.1\r\nHost: real\r\n") && !head.contains("other"));
        assert!(forwarded("GET http://real HTTP/1.1\r\nHost: real\r\n\r\n").starts_with("GET / HTTP/1.1\r\n"));
        assert!(forwarded("GET / HTTP/1.0\r\n\r\n").starts_with("GET / HTTP/1.1\r\nHost: \r\n"));
    }

    #[test]
    fn a_response_is_cleaned_and_framed_for_the_client() {
        assert_eq!(
            answered(
                "HTTP/1.0 200 Fine\r\nServer: s\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 3\r\nContent-Length: 7\r\nDate: d\r\n\r\n",
                Framing::Length(7),
                true,
                false
            ),
            "HTTP/1.1 200 Fine\r\nServer: s\r\nDate: d\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            answered("HTTP/1.1 200 OK\r\n\r\n", Framing::Chunked, false, false),
            "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_to_head_keeps_its_length_and_a_204_loses_it() {
        let head = "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 7\r\n\r\n";
        assert!(answered(head, Framing::Empty, false, true).contains("Content-Length: 7\r\n"));
        let none = "HTTP/1.1 204 No Content\r\nDate: d\r\nContent-Length: 7\r\n\r\n";
        assert!(!answered(none, Framing::Empty, false, false).contains("Content-Length"));
        let zero = "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n";
        assert!(answered(zero, Framing::Empty, false, false).contains("Content-Length: 0\r\n"));
    }
}
