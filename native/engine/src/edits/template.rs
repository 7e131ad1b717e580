//! Text with variables: `{client_ip}` stands for what the gateway found out about a request.
//!
//! The variables are those whose every value may stand in a field: the gateway has made them, or checked them byte for
//! byte. What clients write as they like, such as their fields and queries, is none.

use memchr::memchr2;

/// What variables stand for in one request.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The address of the client.
    pub client_ip: &'a [u8],
    /// The host that was asked for, without its port; perhaps empty (HTTP/1.0).
    pub host: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// The canonical path, without the query.
    pub path: &'a [u8],
    /// The identity of the request.
    pub request_id: &'a [u8],
    /// What the client speaks: `http` or `https`.
    pub scheme: &'a [u8],
}

/// What is known when a snapshot is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The name of the route.
    pub route: &'a str,
    /// The name of its service.
    pub service: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    ClientIp,
    Host,
    Method,
    Path,
    RequestId,
    Scheme,
}

impl Variable {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "client_ip" => Self::ClientIp,
            "host" => Self::Host,
            "method" => Self::Method,
            "path" => Self::Path,
            "request_id" => Self::RequestId,
            "scheme" => Self::Scheme,
            _ => return None,
        })
    }

    fn value<'a>(self, words: &Words<'a>) -> &'a [u8] {
        match self {
            Self::ClientIp => words.client_ip,
            Self::Host => words.host,
            Self::Method => words.method,
            Self::Path => words.path,
            Self::RequestId => words.request_id,
            Self::Scheme => words.scheme,
        }
    }
}

/// Bytes with places where a request's words go; without any it is bytes to copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    bytes: Vec<u8>,
    /// In the order of their places in `bytes`.
    variables: Vec<(usize, Variable)>,
}

impl Template {
    /// Nothing at all?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.variables.is_empty()
    }

    /// Does it depend on the request?
    pub fn has_variables(&self) -> bool {
        !self.variables.is_empty()
    }

    /// All of it that does not depend on the request.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends bytes that stand for themselves.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a value as the configuration has it: visible ASCII and spaces, `{NAME}` for a variable, `{{` and `}}` for
    /// braces. The error says what is wrong.
    pub fn push_value(&mut self, mut value: &str, names: Names<'_>) -> Result<(), &'static str> {
        if !is_field_value(value.as_bytes()) {
            return Err("no value of a field");
        }
        while let Some(at) = memchr2(b'{', b'}', value.as_bytes()) {
            let (text, rest) = value.split_at(at);
            self.push(text.as_bytes());
            value = if let Some(rest) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                self.push(&value.as_bytes()[at..=at]);
                rest
            } else {
                let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let (name, rest) = inside.ok_or("a brace without its other half")?;
                self.push_variable(name, names)?;
                rest
            };
        }
        self.push(value.as_bytes());
        Ok(())
    }

    fn push_variable(&mut self, name: &str, names: Names<'_>) -> Result<(), &'static str> {
        match name {
            "route" => self.push(names.route.as_bytes()),
            "service" => self.push(names.service.as_bytes()),
            _ => {
                let variable = Variable::named(name).ok_or("no variable of this name")?;
                self.variables.push((self.bytes.len(), variable));
            }
        }
        Ok(())
    }

    /// Writes it for one request.
    #[inline]
    pub fn put(&self, output: &mut Vec<u8>, words: &Words<'_>) {
        let mut written = 0;
        for &(at, variable) in &self.variables {
            output.extend_from_slice(&self.bytes[written..at]);
            output.extend_from_slice(variable.value(words));
            written = at;
        }
        output.extend_from_slice(&self.bytes[written..]);
    }
}

/// Visible ASCII, perhaps with spaces inside (RFC 9110 §5.5; what else that allows is read in more ways than one).
fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~')) && value.trim_ascii() == value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: Names<'_> = Names { route: "to api", service: "api" };

    fn words<'a>() -> Words<'a> {
        Words {
            client_ip: b"192.0.2.1",
            host: b"example.com",
            method: b"GET",
            path: b"/a",
            request_id: b"id-1",
            scheme: b"https",
        }
    }

    fn template(value: &str) -> Result<Template, &'static str> {
        let mut template = Template::default();
        template.push_value(value, NAMES).map(|()| template)
    }

    fn written(value: &str) -> String {
        let mut output = Vec::new();
        template(value).unwrap().put(&mut output, &words());
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn each_variable_has_its_value() {
        let all = "{client_ip} {host} {method} {path} {request_id} {scheme} {route} {service}";
        assert_eq!(written(all), "192.0.2.1 example.com GET /a id-1 https to api api");
        assert_eq!(written("{scheme}://{host}{path}"), "https://example.com/a");
        assert_eq!(written("{path}{path}"), "/a/a");
    }

    #[test]
    fn what_the_configuration_knows_is_text() {
        let known = template("{route} of {service}").unwrap();
        assert!(!known.has_variables() && known.bytes() == b"to api of api");
        assert!(template("{host}").unwrap().has_variables());
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(written("{{host}} {{{host}}} }}{{"), "{host} {example.com} }{");
    }

    #[test]
    fn wrong_values_are_refused() {
        for (value, problem) in [
            ("{", "a brace without its other half"),
            ("a}", "a brace without its other half"),
            ("{host", "a brace without its other half"),
            ("{}", "no variable of this name"),
            ("{query}", "no variable of this name"),
            ("{Host}", "no variable of this name"),
            ("a\r\nX: 1", "no value of a field"),
            ("a\0", "no value of a field"),
            ("ä", "no value of a field"),
            (" a", "no value of a field"),
            ("a ", "no value of a field"),
            ("a\tb", "no value of a field"),
        ] {
            assert_eq!(template(value), Err(problem), "{value:?}");
        }
    }

    proptest! {
        /// Whatever the text, it is refused or written as one value of a field.
        #[test]
        fn no_text_leads_out_of_its_line(value in "\\PC*|[ -~{}\r\n]{0,40}") {
            if let Ok(template) = template(&value) {
                let mut output = Vec::new();
                template.put(&mut output, &words());
                prop_assert!(output.iter().all(|byte| matches!(byte, b' '..=b'~')));
            }
        }
    }
}
