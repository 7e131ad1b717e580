//! HTTP/1.1 as its grammar has it, slowly and without mercy: what the engine writes must be readable to this.

/// One message, as far as it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The request line or status line.
    pub(crate) line: String,
    /// Names in lower case, and values.
    pub(crate) fields: Vec<(String, String)>,
    /// The body, decoded.
    pub(crate) body: Vec<u8>,
    /// Is the body complete?
    pub(crate) complete: bool,
}

impl Message {
    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.line[9..12].parse().unwrap()
    }

    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// What an instance may not see of a message that the gateway forwards.
const FORBIDDEN_TO_INSTANCES: [&str; 6] =
    ["keep-alive", "proxy", "proxy-authenticate", "proxy-authorization", "proxy-connection", "forwarded"];

/// The requests on one connection to an instance; only the last may be incomplete.
pub(crate) fn requests(mut bytes: &[u8]) -> Result<Vec<Message>, String> {
    let mut messages = vec![];
    while !bytes.is_empty() {
        if messages.last().is_some_and(|last: &Message| !last.complete) {
            return Err("a request behind an incomplete one".into());
        }
        let (message, rest) = request(bytes)?;
        messages.push(message);
        bytes = rest;
    }
    Ok(messages)
}

fn request(bytes: &[u8]) -> Result<(Message, &[u8]), String> {
    let (line, fields, rest) = head(bytes)?;
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return Err(format!("request line {line:?}")) };
    if !is_token(method) || target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("request line {line:?}"));
    }
    for name in FORBIDDEN_TO_INSTANCES {
        if fields.iter().any(|(found, _)| found == name) {
            return Err(format!("{name} reached an instance"));
        }
    }
    for name in ["host", "x-forwarded-for", "x-forwarded-proto"] {
        if fields.iter().filter(|(found, _)| found == name).count() != 1 {
            return Err(format!("not one {name}"));
        }
    }
    let length = length(&fields)?;
    upgrade(&fields, matches!(length, Length::Unstated | Length::Exactly(0)))?;
    let (body, complete, rest) = match length {
        Length::Chunked => chunked(rest)?,
        Length::Exactly(length) => exactly(rest, length),
        Length::Unstated => (vec![], true, rest),
    };
    Ok((Message { line, fields, body, complete }, rest))
}

/// `Connection` says one thing to an instance: that the `Upgrade` or the `TE` beside it is meant. No body may follow an
/// upgrade, and the new protocol is not HTTP.
fn upgrade(fields: &[(String, String)], bodiless: bool) -> Result<(), String> {
    let values = |wanted: &str| -> Vec<String> {
        fields
            .iter()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.to_ascii_lowercase())
            .collect()
    };
    let te = values("te");
    match (&values("connection")[..], &values("upgrade")[..]) {
        ([], []) if te.is_empty() => Ok(()),
        ([connection], []) if connection == "te" && te == ["trailers"] => Ok(()),
        ([connection], [protocol])
            if connection == "upgrade"
                && bodiless
                && !protocol.split([',', '/']).any(|it| it.trim() == "h2c") =>
        {
            Ok(())
        }
        (connection, upgrade) => Err(format!("connection {connection:?}, upgrade {upgrade:?}")),
    }
}

/// The responses that answer one request: interim ones and the final one. `closed`: the connection has ended.
pub(crate) fn responses(mut bytes: &[u8], to_head: bool, closed: bool) -> Result<Vec<Message>, String> {
    let mut messages: Vec<Message> = vec![];
    while !bytes.is_empty() {
        if messages.last().is_some_and(|last| last.status() >= 200) {
            return Err("bytes behind the final response".into());
        }
        let (message, rest) = response(bytes, to_head, closed)?;
        messages.push(message);
        bytes = rest;
    }
    Ok(messages)
}

fn response(bytes: &[u8], to_head: bool, closed: bool) -> Result<(Message, &[u8]), String> {
    let (line, fields, rest) = head(bytes)?;
    let status = line.get(9..12).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
    let status: u16 = status.and_then(|code| code.parse().ok()).ok_or(format!("status line {line:?}"))?;
    if !line.starts_with("HTTP/1.1 ") || line.as_bytes().get(12) != Some(&b' ') {
        return Err(format!("status line {line:?}"));
    }
    let bodiless = status < 200 || status == 204;
    if bodiless && fields.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding") {
        return Err(format!("a length with {status}"));
    }
    let stated = length(&fields)?;
    let (body, complete, rest) = if to_head || bodiless || status == 304 {
        (vec![], true, rest)
    } else {
        match stated {
            Length::Chunked => chunked(rest)?,
            Length::Exactly(length) => exactly(rest, length),
            Length::Unstated if !fields.contains(&("connection".into(), "close".into())) => {
                return Err("neither a length nor a close".into());
            }
            Length::Unstated => (rest.to_vec(), closed, &rest[rest.len()..]),
        }
    };
    Ok((Message { line, fields, body, complete }, rest))
}

type Head<'a> = (String, Vec<(String, String)>, &'a [u8]);

fn head(bytes: &[u8]) -> Result<Head<'_>, String> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("half a head")?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.split("\r\n").map(str::to_string);
    let line = lines.next().unwrap();
    let fields = lines.map(|line| field(&line)).collect::<Result<Vec<_>, _>>()?;
    // A reason phrase may have tabs (RFC 9112 §4); a request line is looked at part by part.
    if line.chars().any(|character| character.is_ascii_control() && character != '\t') {
        return Err(format!("first line {line:?}"));
    }
    Ok((line, fields, &bytes[end + 4..]))
}

fn field(line: &str) -> Result<(String, String), String> {
    let wrong = || format!("field {line:?}");
    let (name, value) = line.split_once(": ").ok_or_else(wrong)?;
    let legal = value.trim_matches([' ', '\t']) == value
        && !value.chars().any(|it| it != '\t' && it.is_ascii_control());
    if !is_token(name) || !legal {
        return Err(wrong());
    }
    Ok((name.to_ascii_lowercase(), value.to_string()))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Is this a path with one spelling and one meaning (RFC 3986 §3.3, §6.2.2), whoever reads it?
pub(crate) fn is_canonical(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/').map(|rest| rest.split('/').collect::<Vec<_>>()) else {
        return false;
    };
    let (_, others) = segments.split_last().expect("a segment");
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    let is_spelled = |segment: &str| {
        let mut parts = segment.split('%');
        let plain = |part: &str| part.bytes().all(|it| is_unreserved(it) || b"!$&'()*+,;=:@".contains(&it));
        parts.next().is_some_and(plain)
            && parts.all(|part| {
                let digits =
                    part.get(..2).filter(|two| two.bytes().all(|it| b"0123456789ABCDEF".contains(&it)));
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                byte.is_some_and(|byte| !is_unreserved(byte) && !b"/\\\0".contains(&byte))
                    && plain(&part[2..])
            })
    };
    !others.contains(&"") && segments.iter().all(|segment| !is_dots(segment) && is_spelled(segment))
}

enum Length {
    Unstated,
    Exactly(usize),
    Chunked,
}

fn length(fields: &[(String, String)]) -> Result<Length, String> {
    let values =
        |wanted| fields.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let lengths: Vec<&str> = values("content-length").collect();
    let codings: Vec<&str> = values("transfer-encoding").collect();
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Length::Unstated),
        ([], ["chunked"]) => Ok(Length::Chunked),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Length::Exactly).map_err(|error| format!("{error}"))
        }
        _ => Err(format!("framing {lengths:?} {codings:?}")),
    }
}

type Body<'a> = (Vec<u8>, bool, &'a [u8]);

fn exactly(bytes: &[u8], length: usize) -> Body<'_> {
    let (body, rest) = bytes.split_at(length.min(bytes.len()));
    (body.to_vec(), body.len() == length, rest)
}

/// Chunks as a sender writes them that adds nothing: no extension, and no trailer that belongs into a head. The engine
/// writes whole chunks.
fn chunked(mut bytes: &[u8]) -> Result<Body<'_>, String> {
    let mut body = vec![];
    while !bytes.is_empty() {
        let end = bytes.windows(2).position(|two| two == b"\r\n").ok_or("half a chunk size")?;
        let digits = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let size = usize::from_str_radix(&digits, 16).map_err(|_| format!("chunk size {digits:?}"))?;
        bytes = &bytes[end + 2..];
        if size == 0 && !digits.starts_with('+') {
            return Ok((body, true, trailers(bytes)?));
        }
        if bytes.len() < size + 2 || &bytes[size..size + 2] != b"\r\n" || digits.starts_with('+') {
            return Err(format!("a chunk of {digits}"));
        }
        body.extend_from_slice(&bytes[..size]);
        bytes = &bytes[size + 2..];
    }
    Ok((body, false, bytes))
}

/// Reads a trailer section with the empty line behind it; what follows.
fn trailers(mut bytes: &[u8]) -> Result<&[u8], String> {
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").ok_or("half a trailer")?;
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 2..];
        if line.is_empty() {
            return Ok(bytes);
        }
        let (name, _) = field(&line)?;
        if ["content-length", "transfer-encoding", "host", "authorization", "te"].contains(&name.as_str()) {
            return Err(format!("the trailer {name}"));
        }
    }
}

/// The reference itself refuses what it must: a judge that passes everything proves nothing.
#[test]
fn the_reference_is_strict() {
    let fields = "Host: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n";
    let good = format!("GET / HTTP/1.1\r\n{fields}\r\n");
    assert!(requests(good.as_bytes()).is_ok_and(|read| read.len() == 1 && read[0].complete));
    for (from, to) in [
        ("GET /", "GET  /"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("Host: a", "Host : a"),
        ("Host: a", "Host: a\r\nHost: b"),
        ("Host: a", "Host: a\nX: y"),
        ("Host: a", "Host: a\r\nTE: x"),
        ("Host: a", "Host: a\r\nUpgrade: x"),
        ("Host: a", "Host: a\r\nConnection: upgrade"),
        ("Host: a", "Host: a\r\nConnection: upgrade\r\nUpgrade: h2c"),
        ("Host: a", "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked"),
        ("Host: a", "Host: a\r\nContent-Length: 1\r\nContent-Length: 1"),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n"),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\r\n0\r\n\r\n"),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n"),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n"),
        ("\r\n\r\n", "\r\n"),
    ] {
        assert!(requests(good.replacen(from, to, 1).as_bytes()).is_err(), "{to:?}");
    }
    for wrong in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n"]
    {
        assert!(responses(wrong.as_bytes(), false, true).is_err(), "{wrong:?}");
    }
}
