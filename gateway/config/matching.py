"""How the match of a route is written: hosts, paths and methods, and the name made from them."""

import re

from gateway.config.suggest import did_you_mean
from gateway.errors import InvalidValueError
from gateway.model import PathSpelling, is_bracketed_ipv6, is_dns_name, is_ipv4

MAX_PATH_CHARACTERS = 1024  # far below the limit of a request's target, and a name is made from it

# RFC 9110, PATCH (RFC 5789), and WebDAV with its relatives from the IANA registry. A closed list, so that a misspelt
# method is noticed; without CONNECT, which no request to a gateway may use.
METHODS = frozenset({
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH",
    "ACL", "BIND", "CHECKOUT", "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE",
    "NOTIFY", "PROPFIND", "PROPPATCH", "PURGE", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "UNBIND",
    "UNLINK", "UNLOCK", "UNSUBSCRIBE",
})  # fmt: skip

_PATH_FORM = 'a path: "/v1" (exactly), or "/v1/*" (it and everything below)'
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


def read_host(text: str) -> str:
    """A host to match, in lower case, perhaps with ``*`` as its leftmost label. Raises InvalidValueError."""
    if text == "*":
        raise InvalidValueError("a host name", "a route without host matches every host")
    if not text.isascii():
        raise InvalidValueError("a host name in ASCII", "an international name is written in its xn-- form")
    host = text.lower()
    if not (is_dns_name(host.removeprefix("*.")) or is_ipv4(host) or is_bracketed_ipv6(host)):
        raise InvalidValueError('a host name without a port, such as "api.example.com" or "*.example.com"')
    return host


def read_path(text: str) -> str:
    """A path to match, exactly or, with ``/*`` at its end, by segments. Raises InvalidValueError."""
    if len(text) > MAX_PATH_CHARACTERS:
        raise InvalidValueError(f"a path of at most {MAX_PATH_CHARACTERS} characters")
    if text == "*":
        raise InvalidValueError(_PATH_FORM, 'write "/*", or leave path out')
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


def match_name(host: str | None, path: str | None, methods: tuple[str, ...]) -> str:
    """The name of a route that has none: its match, such as ``GET,POST api.example.com/v1/*`` or ``*``."""
    where = f"{host or ''}{path or ''}" or "*"
    return f"{','.join(sorted(methods))} {where}" if methods else where
