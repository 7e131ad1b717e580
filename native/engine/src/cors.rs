//! Cross-origin requests: what pages of other origins may ask of a route and read of its answers, by the CORS protocol of the
//! Fetch standard (§3.3 of <https://fetch.spec.whatwg.org>).
//!
//! The laws: it is the browser that allows or forbids, and one that is told nothing forbids, so whoever is not allowed gets
//! no field that allows anything; what instances say in these fields never passes; an answer that depends on the origin
//! says so (`Vary`), whoever asked, so that no cache hands it to another one. What does not depend on the request is made
//! when a snapshot is compiled.

mod origin;

use crate::http1::head::Request;
use crate::http1::syntax::is_token;
use origin::Allowed;

/// The fields of an answer that are the gateway's alone where a route says what is allowed.
pub const FIELDS: [&str; 7] = [
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Private-Network",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
];

/// Stands for all origins, methods or fields, where requests have no credentials.
const ALL: &str = "*";

/// What a route allows, as the configuration has it.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// `https://example.com`, `https://*.example.com`, `null`, or `*` alone.
    pub origins: &'a [String],
    /// Methods beside GET, HEAD and POST, which need no permission; or `*`.
    pub methods: &'a [String],
    /// Fields of requests beside those that need no permission; or `*`, which is not `Authorization`.
    pub headers: &'a [String],
    /// Fields of answers that pages may read beside those that they may read anyway; or `*`.
    pub expose: &'a [String],
    /// Requests may have cookies and the like.
    pub credentials: bool,
    /// Seconds for which browsers may remember what a preflight was told; `None` for as long as they like.
    pub max_age: Option<u64>,
}

/// What a route allows, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `None` for all of them.
    origins: Option<Box<[Allowed]>>,
    /// The lines that preflights of allowed origins get beside the origin.
    of_preflights: Box<[u8]>,
    /// The same of all other requests.
    of_answers: Box<[u8]>,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// What a request would be allowed that is to follow.
    Preflight,
    /// Any other request.
    Request,
}

impl Policy {
    /// Compiles rules. The error is the place that it is about, and what is wrong.
    pub fn compile(rules: Rules<'_>) -> Result<Self, (String, &'static str)> {
        let Rules { origins, methods, headers, expose, credentials, max_age } = rules;
        for (list, values) in [("methods", methods), ("headers", headers), ("expose", expose)] {
            for (index, value) in values.iter().enumerate() {
                let at = |problem| (format!("{list}[{index}]"), problem);
                if !is_token(value.as_bytes()) {
                    return Err(at("no token"));
                }
                if credentials && value == ALL {
                    return Err(at("stands for all without credentials only"));
                }
            }
        }
        let mut of_preflights = Vec::new();
        let mut of_answers = Vec::new();
        if credentials {
            for lines in [&mut of_preflights, &mut of_answers] {
                put_line(lines, "Access-Control-Allow-Credentials", &["true"]);
            }
        }
        put_line(&mut of_preflights, "Access-Control-Allow-Methods", methods);
        put_line(&mut of_preflights, "Access-Control-Allow-Headers", headers);
        put_line(&mut of_answers, "Access-Control-Expose-Headers", expose);
        if let Some(seconds) = max_age {
            put_line(&mut of_preflights, "Access-Control-Max-Age", &[itoa::Buffer::new().format(seconds)]);
        }
        let (of_preflights, of_answers) = (of_preflights.into(), of_answers.into());
        Ok(Self { origins: allowed(origins, credentials)?, of_preflights, of_answers })
    }

    /// May a page of this origin, as a request names it, read answers? `None`: no page asks.
    pub fn allows(&self, origin: Option<&[u8]>) -> bool {
        self.granted(origin).is_some()
    }

    /// Writes the lines that the answer to a request gets which names this origin.
    pub fn put(&self, output: &mut Vec<u8>, origin: Option<&[u8]>, answering: Answering) {
        if let Some(granted) = self.granted(origin) {
            for part in [b"Access-Control-Allow-Origin: ", granted, b"\r\n"] {
                output.extend_from_slice(part);
            }
            output.extend_from_slice(match answering {
                Answering::Preflight => &self.of_preflights,
                Answering::Request => &self.of_answers,
            });
        }
        if self.origins.is_some() {
            output.extend_from_slice(b"Vary: Origin\r\n");
        }
    }

    /// What an answer says whose pages may read it; where that is all, it says so whoever asks, so that one serves for all.
    fn granted<'o>(&self, origin: Option<&'o [u8]>) -> Option<&'o [u8]> {
        let Some(allowed) = &self.origins else { return Some(ALL.as_bytes()) };
        origin.filter(|origin| origin::is_one_of(allowed, origin))
    }
}

/// The origin of the page that makes a request; `None` where the request names none, or several, as no browser does.
pub fn origin_of<'b>(request: &Request<'_, 'b>) -> Option<&'b [u8]> {
    only(request, "origin")
}

/// The method that a preflight announces; `None` for any other request (Fetch standard, §3.3.2).
#[inline]
pub fn announced_method<'b>(request: &Request<'_, 'b>) -> Option<&'b [u8]> {
    if request.method != b"OPTIONS" {
        return None;
    }
    announced_by_options(request)
}

#[cold] // of most requests
fn announced_by_options<'b>(request: &Request<'_, 'b>) -> Option<&'b [u8]> {
    origin_of(request).and_then(|_| only(request, "access-control-request-method"))
}

/// The value of the one field of this name.
fn only<'b>(request: &Request<'_, 'b>, name: &str) -> Option<&'b [u8]> {
    let mut fields = request.fields.iter().filter(|(header, _)| header.name.eq_ignore_ascii_case(name));
    let (header, _) = fields.next()?;
    fields.next().is_none().then_some(header.value)
}

/// `None` for all origins.
fn allowed(origins: &[String], credentials: bool) -> Result<Option<Box<[Allowed]>>, (String, &'static str)> {
    let at = |index: usize, problem| (format!("origins[{index}]"), problem);
    if origins == [ALL] {
        return if credentials { Err(at(0, "stands for all without credentials only")) } else { Ok(None) };
    }
    if origins.is_empty() {
        return Err(("origins".into(), "must name one"));
    }
    let read = |(index, text): (usize, &String)| Allowed::parse(text).ok_or_else(|| at(index, "no origin"));
    origins.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
}

/// Writes a list as one line; an empty one is none.
fn put_line(output: &mut Vec<u8>, name: &str, values: &[impl AsRef<str>]) {
    let mut separator = ": ";
    for value in values {
        for part in [if separator == ": " { name } else { "" }, separator, value.as_ref()] {
            output.extend_from_slice(part.as_bytes());
        }
        separator = ", ";
    }
    if !values.is_empty() {
        output.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
