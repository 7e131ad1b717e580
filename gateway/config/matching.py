"""How the match of a route is written: hosts, paths, methods and the values of fields, and the name made from them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2s
from operator import itemgetter
from urllib.parse import quote

from gateway.config.interpolate import Interpolated
from gateway.config.naming import SERVICE, host_pattern, path_pattern
from gateway.config.networks import Network
from gateway.config.suggest import did_you_mean
from gateway.errors import InvalidValueError
from gateway.model import ListenAddress, PathSpelling, is_bracketed_ipv6, is_dns_name, is_ipv4
from gateway.state.judgement import check_pattern

MAX_PATH_CHARACTERS = 1024  # far below the limit of a request's target, and a name is made from it

MAX_ROUTE_NAME_CHARACTERS = 128  # a name is repeated in every metric and log line of the route
MAX_TESTED_CHARACTERS = 1024
MAX_TESTED_NAME_CHARACTERS = 128

# RFC 9110, PATCH (RFC 5789), and WebDAV with its relatives from the IANA registry. A closed list, so that a misspelt
# method is noticed; without CONNECT, which no request to a gateway may use.
METHODS = frozenset({
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH",
    "ACL", "BIND", "CHECKOUT", "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE",
    "NOTIFY", "PROPFIND", "PROPPATCH", "PURGE", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "UNBIND",
    "UNLINK", "UNLOCK", "UNSUBSCRIBE",
})  # fmt: skip

_PATH_FORM = 'a path: "/v1" (exactly), or "/v1/*" (it and everything below)'
_NAMING_FORM = f'write "/{SERVICE}/*": the name is the last segment before "/*"'
_TEST_FORMS = 'a text, true (it is there), false (it is not), or { regex = "…" }'
# RFC 3986 §3.3, without "*", which only ends a prefix.
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()+,;=:@/-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*", re.ASCII)
_TRIPLE = re.compile(r"%([0-9A-Fa-f]{2})", re.ASCII)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)
_DOT_SEGMENTS = frozenset({".", ".."})
_AMBIGUOUS = {
    PathSpelling.ENCODED_SLASH: re.compile("%2F"),
    PathSpelling.ENCODED_BACKSLASH: re.compile("%5C"),
    PathSpelling.ENCODED_NUL: re.compile("%00"),
    PathSpelling.DOT_PARAMETERS: re.compile(r"/\.\.?;"),
}


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)  # RFC 9110 §5.6.2
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_COOKIE_VALUE = re.compile(r"[^\x00-\x20\x7f;,]*")
_PLAIN_IN_NAMES = "!#$&'()*+,/:;=?@[]^{|}<>`~"
"""Beside letters and digits, what a made name shows of a value as it stands."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that the engine has taken; it matches whole values."""

    regex: str


Test = bool | str | Pattern
"""What is asked of a field, cookie or parameter: is it there or not, this value, or one that an expression matches."""


def read_host(text: str) -> str:
    """A host to match, in lower case, perhaps with ``*`` or ``{service}`` as its leftmost label. Raises InvalidValueError."""
    if text == "*":
        raise InvalidValueError("a host name", "a route without host matches every host")
    if not text.isascii():
        raise InvalidValueError("a host name in ASCII", "an international name is written in its xn-- form")
    host = text.lower()
    if not (is_dns_name(host_pattern(host).removeprefix("*.")) or is_ipv4(host) or is_bracketed_ipv6(host)):
        raise InvalidValueError('a host name without a port, such as "api.example.com" or "*.example.com"')
    return host


def read_path(text: str) -> str:
    """A path to match, exactly or, with ``/*`` at its end, by segments. Raises InvalidValueError."""
    if len(text) > MAX_PATH_CHARACTERS:
        raise InvalidValueError(f"a path of at most {MAX_PATH_CHARACTERS} characters")
    if text == "*":
        raise InvalidValueError(_PATH_FORM, 'write "/*", or leave path out')
    if (pattern := path_pattern(text)) != text:
        read_path(pattern)
        return text
    if SERVICE in text:
        raise InvalidValueError(_PATH_FORM, _NAMING_FORM)
    fixed = text.removesuffix("*") if text.endswith("/*") else text
    if not fixed.startswith("/"):
        raise InvalidValueError(_PATH_FORM, "a path starts with a slash")
    if fixed.endswith("*"):
        raise InvalidValueError(_PATH_FORM, f'did you mean "{fixed.rstrip("*").rstrip("/")}/*"?')
    if "*" in fixed:
        raise InvalidValueError(_PATH_FORM, "* stands only at the end, after a slash")
    if not _PATH.fullmatch(fixed):
        raise InvalidValueError(f"{_PATH_FORM}; no query, no fragment, other characters percent-encoded")
    if "//" in fixed:
        raise InvalidValueError("a path without empty segments")
    # Clients remove dot segments before they send (RFC 3986 §5.2.4), so such a route would match none of them.
    canonical = canonical_encoding(text)
    if not _DOT_SEGMENTS.isdisjoint(canonical.removesuffix("*").split("/")):
        raise InvalidValueError("a path without dot segments")
    # Requests are matched by their canonical path, so another spelling would match none of them.
    if canonical != text:
        raise InvalidValueError("a path in its canonical form", f'write "{canonical}"')
    return text


def read_path_or_pattern(value: object) -> str | Pattern:
    """A path to match, or ``{ regex = "…" }``. Raises InvalidValueError."""
    if isinstance(value, str):
        return read_path(str(value))
    return _read_pattern(value, f'{_PATH_FORM}, or {{ regex = "…" }}')


def read_field_test(value: object) -> Test:
    """What is asked of a header field. Raises InvalidValueError."""
    test = _read_test(value)
    # White space around a value is no part of it (RFC 9110 §5.5).
    if isinstance(test, str) and (not _FIELD_VALUE.fullmatch(test) or test != test.strip(" \t")):
        raise InvalidValueError("a value without control characters, and without white space at its ends")
    return test


def read_cookie_test(value: object) -> Test:
    """What is asked of a cookie. Raises InvalidValueError."""
    test = _read_test(value)
    if isinstance(test, str) and not _COOKIE_VALUE.fullmatch(test):
        raise InvalidValueError("a value without white space, semicolons, commas and control characters")
    return test


def read_parameter_test(value: object) -> Test:
    """What is asked of a query parameter, decoded. Raises InvalidValueError."""
    return _read_test(value)


def write_pattern(value: str | Pattern | None) -> object:
    """The path or expression as a file has it."""
    return write_test(value) if value is not None else None


def write_test(test: Test) -> object:
    """The test as a file has it."""
    return {"regex": test.regex} if isinstance(test, Pattern) else test


def _read_test(value: object) -> Test:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return _read_pattern(value, _TEST_FORMS)
    if len(value) > MAX_TESTED_CHARACTERS:
        raise InvalidValueError(f"a text of at most {MAX_TESTED_CHARACTERS} characters")
    return value


def _read_pattern(value: object, forms: str) -> Pattern:
    if not isinstance(value, dict) or value.keys() != {"regex"} or not isinstance(value["regex"], str):
        raise InvalidValueError(forms)
    try:
        check_pattern(value["regex"])
    except ValueError as error:
        # The engine quotes nothing of the expression, which may be a secret.
        raise InvalidValueError("a regular expression", str(error)) from None
    return Pattern(value["regex"])


def read_tested_field_name(text: str) -> str:
    """The name of a header field to match by, in any case. Raises InvalidValueError."""
    if not is_token(text):
        raise InvalidValueError("the name of a header field")
    for name, key in (("host", "host"), ("cookie", "cookies")):
        if text.lower() == name:
            raise InvalidValueError("another header field", f"{key} = … matches by this one")
    return text


def read_tested_cookie_name(text: str) -> str:
    """The name of a cookie to match by. Raises InvalidValueError."""
    if not is_token(text):
        raise InvalidValueError("the name of a cookie")
    return text


def read_parameter_name(text: str) -> str:
    """The name of a query parameter to match by, decoded. Raises InvalidValueError."""
    if not 0 < len(text) <= MAX_TESTED_NAME_CHARACTERS:
        raise InvalidValueError(
            f"the name of a query parameter, at most {MAX_TESTED_NAME_CHARACTERS} characters"
        )
    return text


def is_token(text: str) -> bool:
    """Can it be the name of a field or cookie?"""
    return len(text) <= MAX_TESTED_NAME_CHARACTERS and _TOKEN.fullmatch(text) is not None


def folded(name: str) -> str:
    """A field's name as names are compared: instances may not tell an underscore from a dash."""
    return name.lower().replace("_", "-")


def ambiguous_spellings(path: str) -> tuple[PathSpelling, ...]:
    """Those of a path to match: requests have them only where a listener keeps them all."""
    return tuple(spelling for spelling, pattern in _AMBIGUOUS.items() if pattern.search(path))


def canonical_encoding(path: str) -> str:
    """The path with its percent-encoding as the engine writes it (RFC 3986 §6.2.2): none of unreserved characters, the
    rest in upper case.
    """

    def canonical(triple: re.Match[str]) -> str:
        character = chr(int(triple[1], 16))
        return character if _UNRESERVED.fullmatch(character) else triple[0].upper()

    return _TRIPLE.sub(canonical, path)


def read_method(text: str) -> str:
    """A request method; they are case-sensitive (RFC 9110 §9.1). Raises InvalidValueError."""
    if text in METHODS:
        return text
    raise InvalidValueError("a request method, such as GET", did_you_mean(text.upper(), METHODS))


def read_probe_target(text: str) -> str:
    """A path with an optional query, as it goes on the request line of a probe. Raises InvalidValueError."""
    if len(text) > MAX_PATH_CHARACTERS or not _TARGET.fullmatch(text):
        raise InvalidValueError('a path to request, such as "/healthz"')
    return text


Tests = Mapping[str, Test] | None


@dataclass(frozen=True, slots=True)
class Match:
    """Everything that a route asks of requests."""

    host: str | None = None
    path: str | Pattern | None = None
    methods: tuple[str, ...] = ()
    headers: Tests = None
    cookies: Tests = None
    query: Tests = None
    clients: tuple[Network, ...] = ()
    listeners: tuple[ListenAddress, ...] = ()


MATCH_KEYS = tuple(field.name for field in fields(Match))
"""The keys of a route that say what it matches."""


def match_name(match: Match) -> str:
    """The name of a route that has none: its match, such as ``GET,POST api.example.com/v1/* header:beta`` or ``*``.

    What is too long for a name ends with a hash of all of it.
    """
    path = f"~{_shown(match.path.regex)}" if isinstance(match.path, Pattern) else match.path or ""
    words = [",".join(sorted(match.methods)), f"{match.host or ''}{path}" or "*"]
    words += _words("header", match.headers)
    words += _words("cookie", match.cookies)
    words += _words("query", match.query)
    words += _listed("client", match.clients)
    words += _listed("listener", match.listeners)
    name = " ".join(filter(None, words))
    if len(name) <= MAX_ROUTE_NAME_CHARACTERS:
        return name
    digest = blake2s(name.encode(), digest_size=8).hexdigest()
    return f"{name[: MAX_ROUTE_NAME_CHARACTERS - len(digest) - 1]}#{digest}"


def _words(kind: str, tests: Tests) -> Iterator[str]:
    canonical = folded if kind == "header" else str
    named = {canonical(name): test for name, test in (tests or {}).items()}
    for name, test in sorted(named.items(), key=itemgetter(0)):
        word = f"{kind}:{_shown(name)}"
        match test:
            case bool():
                yield word if test else f"!{word}"
            case Pattern():
                yield f"{word}~{_shown(test.regex)}"
            case _:
                yield f"{word}={_shown(test)}"


def _listed(kind: str, values: Sequence[object]) -> Iterator[str]:
    if values:
        yield f"{kind}:{_shown(','.join(sorted(map(str, values))))}"


def _shown(value: str) -> str:
    """Printable ASCII without white space, quotes and backslashes; different for different values of the file."""
    if isinstance(value, Interpolated):  # a name is shown everywhere, and this may be a secret
        return ""
    return quote(value, safe=_PLAIN_IN_NAMES)
