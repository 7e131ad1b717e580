//! Answers that a route gives itself: redirects, and fixed ones.
//!
//! The laws: a location is absolute, so that no path can pass for a host; nothing that a client sends can end a line of
//! the head. The answer of a failure is another matter: [`crate::reply`].

mod phrase;

use crate::edits::{FieldEdits, PathRewrite, Words};
use crate::http1::head::Request;
use crate::http1::syntax::{decimal, own_port};
use crate::routing::host_without_port;
pub(crate) use phrase::phrase;

/// What a route answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code, 200 to 599.
    pub status: u16,
    /// What follows it.
    pub content: Content,
    /// The fields that the route adds, or leaves out.
    pub fields: FieldEdits,
}

/// The substance of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The client is to ask somewhere else.
    Redirect(Redirect),
    /// The same for everybody.
    Fixed {
        /// The value of `Content-Type`.
        content_type: Box<str>,
        /// The whole body; nothing where the status has none.
        body: Box<[u8]>,
    },
}

/// Where a client is to ask: there where it has asked, but for what is said here. The query stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Box<str>>,
    /// Without a port.
    pub host: Option<Box<[u8]>>,
    /// Without it the one that was asked for, or, with another scheme, that scheme's own.
    pub port: Option<u16>,
    /// The path.
    pub path: PathRewrite,
}

/// A request that names no host, which a location has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHost;

/// What the head of an answer says about the connection.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// The value of the Date field.
    pub date: &'a [u8; 29],
    /// The client's connection is closed after the answer.
    pub close: bool,
    /// The client speaks HTTP/1.0 and asked for a persistent connection, which must be confirmed.
    pub confirm_keep_alive: bool,
}

impl Answer {
    /// Writes the whole answer to a request, with further lines in its head. Nothing is written where there is no place to lead to.
    pub fn put(
        &self,
        output: &mut Vec<u8>,
        request: &Request<'_, '_>,
        words: &Words<'_>,
        further: &[u8],
        closing: Closing<'_>,
    ) -> Result<(), NoHost> {
        let mut code = itoa::Buffer::new();
        let (code, phrase) = (code.format(self.status), phrase(self.status));
        let before = output.len();
        put(output, &["HTTP/1.1 ", code, " ", phrase, "\r\nDate: "]);
        output.extend_from_slice(closing.date);
        output.extend_from_slice(b"\r\n");
        if let Content::Redirect(redirect) = &self.content {
            output.extend_from_slice(b"Location: ");
            if redirect.put_location(output, request, words.scheme).is_err() {
                output.truncate(before);
                return Err(NoHost);
            }
            output.extend_from_slice(b"\r\n");
        }
        let (content_type, body): (&str, [&[u8]; 4]) = match &self.content {
            Content::Redirect(_) => {
                ("text/plain; charset=utf-8", [code.as_bytes(), b" ", phrase.as_bytes(), b"\n"])
            }
            Content::Fixed { content_type, body } => (content_type, [body, b"", b"", b""]),
        };
        if has_body(self.status) {
            self.put_content(output, content_type, body.iter().map(|part| part.len()).sum());
        }
        self.fields.put(output, words);
        output.extend_from_slice(further);
        if closing.close {
            output.extend_from_slice(b"Connection: close\r\n");
        } else if closing.confirm_keep_alive {
            output.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        output.extend_from_slice(b"\r\n");
        if has_body(self.status) && request.method != b"HEAD" {
            for part in body {
                output.extend_from_slice(part);
            }
        }
        Ok(())
    }

    fn put_content(&self, output: &mut Vec<u8>, content_type: &str, length: usize) {
        if length > 0 && !self.fields.leaves_out(b"Content-Type") {
            put(output, &["Content-Type: ", content_type, "\r\n"]);
        }
        put(output, &["Content-Length: ", itoa::Buffer::new().format(length), "\r\n"]);
    }
}

impl Redirect {
    /// Writes where a client is to ask that speaks `scheme`. Nothing is written where there is no place to lead to.
    pub fn put_location(
        &self,
        output: &mut Vec<u8>,
        request: &Request<'_, '_>,
        scheme: &[u8],
    ) -> Result<(), NoHost> {
        let asked = host_without_port(request.host);
        let host = self.host.as_deref().unwrap_or(asked);
        if host.is_empty() {
            return Err(NoHost);
        }
        let scheme = self.scheme.as_deref().map_or(scheme, str::as_bytes);
        output.extend_from_slice(scheme);
        output.extend_from_slice(b"://");
        output.extend_from_slice(host);
        let mut number = itoa::Buffer::new();
        let port = match self.port {
            Some(port) => number.format(port).as_bytes(),
            None if self.scheme.is_some() => b"",
            None => request.host.get(asked.len() + 1..).unwrap_or_default(),
        };
        if !port.is_empty() && decimal(port) != own_port(scheme).map(u64::from) {
            output.push(b':');
            output.extend_from_slice(port);
        }
        // Of OPTIONS for the whole server there is no path to go on.
        if request.path().starts_with(b"/") {
            self.path.put(output, request);
            output.extend_from_slice(request.behind_path());
        }
        Ok(())
    }
}

/// May a body follow a head with this status, so that its length must be told (RFC 9112 §6.3)?
fn has_body(status: u16) -> bool {
    !matches!(status, 204 | 304)
}

fn put(output: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        output.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests;
