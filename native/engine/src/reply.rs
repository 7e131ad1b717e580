//! The gateway's own answers: one table from reason to status code, RFC 9209 error type and text.
//!
//! The body is a line of text, an object of JSON (RFC 9457) for clients that prefer it, or the operator's own page. It
//! never repeats a byte of the request.

mod pages;

pub use pages::{Page, Pages};

use crate::answer::phrase;
use crate::client_address::ForwardingFault;
use crate::http1::accept::Form;
use crate::http1::framing::FramingFault;
use crate::http1::head::HeadFault;
use crate::limit::Level;
use crate::snapshot::Limit;

/// Why the gateway answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The request is not HTTP/1 as RFC 9112 defines it.
    MalformedRequest,
    /// The request's path has a spelling that readers resolve differently.
    AmbiguousPath,
    /// The request's host is missing, repeated or impossible.
    BadHost,
    /// The request's body has a length that two readers could understand in two ways.
    AmbiguousLength,
    /// The request's body breaks the chunked coding.
    MalformedBody,
    /// A request to switch protocols has a body, which the new protocol could not be told from.
    UpgradeWithBody,
    /// What trusted proxies say of the client contradicts itself, or cannot be read.
    BadForwarding,
    /// No route matches.
    NoRoute,
    /// The request names no service that may be named.
    NoService,
    /// Route or service let only some clients in for now.
    Maintenance,
    /// CONNECT is not offered.
    ConnectNotOffered,
    /// TRACE is not offered by this route.
    TraceNotOffered,
    /// The request may take no further hop, so the gateway is its recipient.
    LastHop,
    /// The request comes by again and again.
    Loop,
    /// The request's head or body did not come in time.
    RequestTimeout,
    /// The request's body is beyond the limit.
    BodyTooLarge,
    /// The request target is beyond the limit.
    TargetTooLong,
    /// An expectation other than `100-continue`.
    UnknownExpectation,
    /// A limit refused the request.
    RateLimited,
    /// The bucket of a limit that gateways share was asked, and did not answer for as long as a request may wait.
    LimitUnanswered,
    /// A limit could not count the request, and refuses what it cannot count.
    Uncounted,
    /// Of the client as many requests are under way as may be.
    ClientTooManyAtOnce,
    /// Of the route or service as many requests are under way as may be.
    TooManyAtOnce,
    /// The request does not have the key that a limit asks for.
    LimitKeyMissing,
    /// The client has as many connections as it may have.
    TooManyConnections,
    /// The request's head is beyond the limits.
    HeadTooLarge,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
    /// No instance accepted a connection.
    ConnectFailed,
    /// The instance closed before it answered.
    ConnectionTerminated,
    /// The instance's answer is not HTTP/1.
    MalformedResponse,
    /// The instance's response head is beyond the limits.
    ResponseHeadTooLarge,
    /// The service has no instance that may be used.
    NoInstance,
    /// Every instance is at its cap.
    InstancesFull,
    /// Every instance is at its cap, and as many requests wait as may.
    QueueFull,
    /// Every instance was at its cap for as long as a request may wait.
    QueueTimeout,
    /// To every instance as many connections are under way as may be.
    ConnectsPending,
    /// The worker has no descriptor left for a connection to an instance.
    NoDescriptor,
    /// No connection to the instance within the connect time-out.
    ConnectTimeout,
    /// The instance did not begin its answer in time.
    FirstByteTimeout,
    /// The instance did not take the request in time.
    WriteTimeout,
    /// Another version of HTTP.
    UnsupportedVersion,
    /// The route injects an answer with this status.
    Injected(u16),
}

/// One row of the table.
struct Answer {
    status: u16,
    phrase: &'static str,
    /// Error type of RFC 9209 §2.3; empty for what is no error.
    error: &'static str,
    details: &'static str,
}

const fn answer(status: u16, phrase: &'static str, error: &'static str, details: &'static str) -> Answer {
    Answer { status, phrase, error, details }
}

impl Reason {
    const fn answer(self) -> Answer {
        const REQUEST: &str = "http_request_error";
        match self {
            Self::MalformedRequest => answer(400, "Bad Request", REQUEST, "malformed request"),
            Self::AmbiguousPath => answer(400, "Bad Request", REQUEST, "ambiguous path"),
            Self::BadHost => answer(400, "Bad Request", REQUEST, "missing, repeated or impossible host"),
            Self::AmbiguousLength => answer(400, "Bad Request", REQUEST, "ambiguous body length"),
            Self::MalformedBody => answer(400, "Bad Request", REQUEST, "malformed chunked body"),
            Self::UpgradeWithBody => answer(400, "Bad Request", REQUEST, "upgrade with a body"),
            Self::BadForwarding => answer(400, "Bad Request", REQUEST, "contradictory forwarding fields"),
            Self::NoRoute => answer(404, "Not Found", "destination_not_found", "no route"),
            Self::NoService => answer(404, "Not Found", "destination_not_found", "no service of this name"),
            Self::Maintenance => {
                answer(503, "Service Unavailable", "destination_unavailable", "under maintenance")
            }
            Self::ConnectNotOffered => answer(405, "Method Not Allowed", REQUEST, "CONNECT is not offered"),
            Self::TraceNotOffered => answer(405, "Method Not Allowed", REQUEST, "TRACE is not offered"),
            Self::LastHop => answer(200, "OK", "", "no hop left"),
            Self::Loop => answer(502, "Bad Gateway", "proxy_loop_detected", "the request is in a loop"),
            Self::RequestTimeout => answer(408, "Request Timeout", REQUEST, "request not complete in time"),
            Self::BodyTooLarge => answer(413, "Content Too Large", REQUEST, "body too large"),
            Self::TargetTooLong => answer(414, "URI Too Long", REQUEST, "target too long"),
            Self::UnknownExpectation => answer(417, "Expectation Failed", REQUEST, "unknown expectation"),
            Self::RateLimited => answer(429, "Too Many Requests", "http_request_denied", "rate limit"),
            Self::LimitUnanswered => {
                answer(503, "Service Unavailable", "http_request_denied", "no answer of the shared limit")
            }
            Self::Uncounted => answer(503, "Service Unavailable", "http_request_denied", "limit table full"),
            Self::ClientTooManyAtOnce => {
                answer(429, "Too Many Requests", "http_request_denied", "too many requests at once")
            }
            Self::TooManyAtOnce => {
                answer(503, "Service Unavailable", "http_request_denied", "too many requests at once")
            }
            Self::LimitKeyMissing => answer(400, "Bad Request", "http_request_denied", "limit key missing"),
            Self::TooManyConnections => {
                answer(429, "Too Many Requests", "http_request_denied", "too many connections")
            }
            Self::HeadTooLarge => answer(431, "Request Header Fields Too Large", REQUEST, "head too large"),
            Self::UnknownCoding => answer(501, "Not Implemented", REQUEST, "unknown transfer coding"),
            Self::ConnectFailed => answer(502, "Bad Gateway", "connection_refused", "no instance accepted"),
            Self::ConnectionTerminated => answer(502, "Bad Gateway", "connection_terminated", "no answer"),
            Self::MalformedResponse => {
                answer(502, "Bad Gateway", "http_protocol_error", "malformed response")
            }
            Self::ResponseHeadTooLarge => {
                answer(502, "Bad Gateway", "http_response_header_section_size", "response head too large")
            }
            Self::NoInstance => answer(503, "Service Unavailable", "destination_unavailable", "no instance"),
            Self::InstancesFull => {
                answer(503, "Service Unavailable", "connection_limit_reached", "instances full")
            }
            Self::QueueFull => answer(503, "Service Unavailable", "connection_limit_reached", "queue full"),
            Self::QueueTimeout => {
                answer(503, "Service Unavailable", "connection_limit_reached", "too long in the queue")
            }
            Self::ConnectsPending => {
                answer(503, "Service Unavailable", "connection_limit_reached", "connects pending")
            }
            Self::NoDescriptor => {
                answer(503, "Service Unavailable", "connection_limit_reached", "no descriptor left")
            }
            Self::ConnectTimeout => answer(504, "Gateway Timeout", "connection_timeout", "connect time-out"),
            Self::FirstByteTimeout => {
                answer(504, "Gateway Timeout", "http_response_timeout", "no answer in time")
            }
            Self::WriteTimeout => {
                answer(504, "Gateway Timeout", "connection_write_timeout", "request not taken")
            }
            Self::UnsupportedVersion => answer(505, "HTTP Version Not Supported", REQUEST, "unknown version"),
            Self::Injected(status) => answer(status, phrase(status), "http_request_denied", "injected fault"),
        }
    }

    /// The status code of the answer.
    pub fn status(self) -> u16 {
        self.answer().status
    }

    /// The error type of RFC 9209 §2.3 that names it in `Proxy-Status`; `None` for no error.
    pub fn error(self) -> Option<&'static str> {
        Some(self.answer().error).filter(|error| !error.is_empty())
    }

    /// The word of the access log for it: its error type, but for what nothing else may be mistaken for.
    pub fn logged(self) -> Option<&'static str> {
        match self {
            Self::Injected(_) => Some("fault_abort"),
            _ => self.error(),
        }
    }

    /// What it says in words.
    pub fn details(self) -> &'static str {
        self.answer().details
    }

    /// Must the answer say which methods there are (RFC 9110 §15.5.6, §9.3.7)?
    fn lists_methods(self) -> bool {
        matches!(self, Self::ConnectNotOffered | Self::TraceNotOffered | Self::LastHop)
    }
}

impl From<ForwardingFault> for Reason {
    fn from(fault: ForwardingFault) -> Self {
        match fault {
            ForwardingFault::Malformed | ForwardingFault::Conflicting => Self::BadForwarding,
        }
    }
}

impl From<HeadFault> for Reason {
    fn from(fault: HeadFault) -> Self {
        match fault {
            HeadFault::Malformed => Self::MalformedRequest,
            HeadFault::Version => Self::UnsupportedVersion,
            HeadFault::TooLarge => Self::HeadTooLarge,
            HeadFault::TargetTooLong => Self::TargetTooLong,
            HeadFault::Connect => Self::ConnectNotOffered,
            HeadFault::AmbiguousPath => Self::AmbiguousPath,
            HeadFault::Host => Self::BadHost,
            HeadFault::Framing(FramingFault::Ambiguous) => Self::AmbiguousLength,
            HeadFault::Framing(FramingFault::UnknownCoding) => Self::UnknownCoding,
            HeadFault::Expectation => Self::UnknownExpectation,
        }
    }
}

/// What an answer of our own depends on besides its reason.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The value of the Date field, as [`http_date`] makes it.
    pub date: &'a [u8; 29],
    /// Seconds after which the client may try again, for a limit's answer.
    pub retry_after: Option<u64>,
    /// The limit that refused the request, and what is in its bucket.
    pub quota: Option<(&'a Limit, Level)>,
    /// The client's connection is closed after the answer.
    pub close: bool,
    /// The client speaks HTTP/1.0 and asked for a persistent connection, which must be confirmed.
    pub confirm_keep_alive: bool,
    /// The answer is to a HEAD request: no body follows.
    pub to_head: bool,
    /// What the client would rather have.
    pub form: Form,
    /// The operator's own page, in place of text.
    pub page: Option<&'a Page>,
    /// Lines that say which pages of other origins may read it.
    pub cors: &'a [u8],
}

/// Writes a whole response.
pub fn write(output: &mut Vec<u8>, reason: Reason, circumstances: &Circumstances<'_>) {
    let Answer { status, phrase, error, details } = reason.answer();
    let (mut code, mut number) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (code, phrase, details) = (code.format(status).as_bytes(), phrase.as_bytes(), details.as_bytes());
    let json: [&[u8]; 7] =
        [b"{\"status\":", code, b",\"title\":\"", phrase, b"\",\"detail\":\"", details, b"\"}\n"];
    let (content_type, body): (&str, &[&[u8]]) = match circumstances.page {
        _ if circumstances.form == Form::Json => ("application/problem+json", &json),
        Some(Page { content_type, body }) => (content_type, &[body]),
        None => ("text/plain; charset=utf-8", &[code, b" ", phrase, b"\n"]),
    };
    let length = body.iter().map(|part| part.len()).sum::<usize>();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| output.extend_from_slice(part));
    put(&[b"HTTP/1.1 ", code, b" ", phrase, b"\r\nDate: ", circumstances.date]);
    put(&[b"\r\nContent-Type: ", content_type.as_bytes(), b"\r\nVary: Accept\r\nContent-Length: "]);
    put(&[number.format(length).as_bytes(), b"\r\nProxy-Status: headgate; "]);
    if !error.is_empty() {
        put(&[b"error=", error.as_bytes(), b"; "]);
    }
    put(&[b"details=\"", details, b"\"\r\n"]);
    if reason.lists_methods() {
        put(&[b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"]);
    }
    if let Some(seconds) = circumstances.retry_after {
        put(&[b"Retry-After: ", number.format(seconds).as_bytes(), b"\r\n"]);
    }
    if let Some(quota) = circumstances.quota {
        put_quotas(output, &[quota]);
    }
    if !circumstances.cors.is_empty() {
        output.extend_from_slice(circumstances.cors);
    }
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| output.extend_from_slice(part));
    if circumstances.close {
        put(&[b"Connection: close\r\n"]);
    } else if circumstances.confirm_keep_alive {
        put(&[b"Connection: keep-alive\r\n"]);
    }
    put(&[b"\r\n"]);
    if !circumstances.to_head {
        put(body);
    }
}

/// Writes `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) of some limits: burst and time in which it
/// comes back, and what is left of it with the time in which it will be whole again.
pub fn put_quotas<'a>(
    output: &mut Vec<u8>,
    quotas: impl IntoIterator<Item = &'a (&'a Limit, Level), IntoIter: Clone>,
) {
    let quotas = quotas.into_iter();
    let mut separator = "RateLimit-Policy: ";
    for (limit, _) in quotas.clone() {
        output.extend_from_slice(separator.as_bytes());
        output.extend_from_slice(limit.policy.as_bytes());
        separator = ", ";
    }
    separator = "\r\nRateLimit: ";
    for (limit, Level { tokens, full_in }) in quotas {
        let (mut left, mut reset) = (itoa::Buffer::new(), itoa::Buffer::new());
        let reset = reset.format(full_in.div_ceil(1_000_000_000));
        for part in [separator, "\"", &limit.rule.name, "\";r=", left.format(*tokens), ";t=", reset] {
            output.extend_from_slice(part.as_bytes());
        }
        separator = ", ";
    }
    output.extend_from_slice(b"\r\n");
}

/// The IMF-fixdate of RFC 9110 §5.6.7 for a Unix time in seconds.
pub fn http_date(unix_seconds: u64) -> [u8; 29] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    date[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    date[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    let two = |number: u64| [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
    date[5..7].copy_from_slice(&two(day));
    date[12..14].copy_from_slice(&two(year / 100));
    date[14..16].copy_from_slice(&two(year % 100));
    date[17..19].copy_from_slice(&two(second / 3600));
    date[20..22].copy_from_slice(&two(second / 60 % 60));
    date[23..25].copy_from_slice(&two(second % 60));
    date
}

/// Year, month and day of a day number since 1970-01-01, by counting in eras of 400 years that begin in March, so
/// that the leap day is the last of its year.
pub(crate) fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_imf_fixdates() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&http_date(seconds)), Ok(date));
        }
    }

    #[test]
    fn an_answer_is_a_whole_response_with_its_reason() {
        let date = http_date(0);
        let mut output = Vec::new();
        let circumstances = Circumstances {
            date: &date,
            retry_after: Some(3),
            quota: None,
            close: true,
            confirm_keep_alive: false,
            to_head: false,
            form: Form::Text,
            page: None,
            cors: b"",
        };
        write(&mut output, Reason::RateLimited, &circumstances);
        let text = String::from_utf8(output).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 429 Too Many Requests\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
        assert!(
            head.contains("\r\nProxy-Status: headgate; error=http_request_denied; details=\"rate limit\"")
        );
        assert!(head.contains("\r\nRetry-After: 3\r\n") && head.ends_with("\r\nConnection: close"));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        assert_eq!(body, "429 Too Many Requests\n");
    }

    #[test]
    fn an_answer_to_head_has_no_body_but_its_length() {
        let date = http_date(0);
        let mut output = Vec::new();
        let circumstances = Circumstances {
            date: &date,
            retry_after: None,
            quota: None,
            close: false,
            confirm_keep_alive: true,
            to_head: true,
            form: Form::Text,
            page: None,
            cors: b"",
        };
        write(&mut output, Reason::NoRoute, &circumstances);
        let text = String::from_utf8(output).unwrap();
        assert!(text.ends_with("Connection: keep-alive\r\n\r\n") && text.contains("Content-Length: 14\r\n"));
    }

    #[test]
    fn who_prefers_it_gets_json_and_all_others_the_page() {
        let (date, body) = (http_date(0), "<p>bald zurück</p>");
        let page = Page { content_type: "text/html; charset=utf-8".into(), body: body.as_bytes().into() };
        let pages = Pages::from_iter([(503, page)]);
        let written = |reason: Reason, form, to_head| {
            let circumstances = Circumstances {
                date: &date,
                retry_after: None,
                quota: None,
                close: false,
                confirm_keep_alive: false,
                to_head,
                form,
                page: pages.find(reason.status()),
                cors: b"",
            };
            let mut output = Vec::new();
            write(&mut output, reason, &circumstances);
            String::from_utf8(output).unwrap()
        };
        let answer = written(Reason::NoInstance, Form::Text, false);
        assert!(
            answer.contains(&format!("\r\nContent-Length: {}\r\n", body.len())) && answer.ends_with(body)
        );
        assert!(answer.contains("\r\nContent-Type: text/html; charset=utf-8\r\nVary: Accept\r\n"));
        let head = written(Reason::NoInstance, Form::Text, true);
        assert!(
            head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())) && head.ends_with("\r\n\r\n")
        );
        assert!(written(Reason::NoRoute, Form::Text, false).ends_with("\r\n\r\n404 Not Found\n"));
        for reason in [Reason::NoInstance, Reason::NoRoute] {
            let answer = written(reason, Form::Json, false);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let value: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(value["status"], reason.status());
            assert_eq!(value["detail"], reason.answer().details);
            assert!(head.contains("\r\nContent-Type: application/problem+json\r\n"));
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        }
    }
}
