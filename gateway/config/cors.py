"""How origins are written, of which pages may read answers (CORS)."""

import re
from ipaddress import AddressValueError, IPv6Address

from gateway.config.edits import read_field_name
from gateway.config.matching import folded, read_method
from gateway.errors import InvalidValueError
from gateway.model import is_dns_name, is_ipv4, whole_number

ALL = "*"
"""Stands for all origins, methods or header fields, where requests have no credentials."""
OPAQUE = "null"
"""What browsers send for pages that have no origin, such as those in a sandbox."""
MAX_ORIGINS = 64  # every request with an origin is compared with them
MAX_FIELDS = 64  # in one line of an answer

FIELD_PREFIX = "access-control-"
"""What every field of an answer begins with that is about other origins."""
UNCOVERED = "authorization"
"""The field of requests that ``*`` does not stand for (Fetch standard, CORS non-wildcard request-header name)."""

_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
_ORIGIN = re.compile(r"(?P<scheme>[^:/]*)://(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?", re.DOTALL)
_FORM = 'an origin, such as "https://app.example.com" or "https://*.example.com", "null", or "*"'


def read_origin(text: str) -> str:
    """An origin as browsers write it, or one with ``*.`` for all below a domain. Raises InvalidValueError."""
    if text in {ALL, OPAQUE}:
        return text
    if "://" not in text:
        raise InvalidValueError(_FORM, "an origin begins with its scheme")
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        raise InvalidValueError(_FORM)
    scheme, written, port = match["scheme"], match["host"], match["port"]
    if "@" in written or "@" in (port or ""):
        raise InvalidValueError(_FORM, "an origin has no user")
    if {"/", "?", "#"} & set(written + (port or "")):
        raise InvalidValueError(_FORM, "an origin ends with its host and port")
    if written == ALL:
        raise InvalidValueError(_FORM, '"*" alone stands for all origins')
    host = _host(written)
    if host is None or not _SCHEME.fullmatch(scheme):
        hint = "an international name is written in its xn-- form" if not written.isascii() else ""
        raise InvalidValueError(_FORM, hint)
    if port is None:
        return f"{scheme}://{host}"
    number = whole_number(port, 1, 65_535)
    if number is None:
        raise InvalidValueError(_FORM, "a port is a number from 1 to 65535")
    return f"{scheme}://{host}" if number == _PORTS.get(scheme) else f"{scheme}://{host}:{number}"


def _host(text: str) -> str | None:
    """A host, perhaps with ``*.`` before it, in the form that browsers send; None for what is none."""
    if text.startswith("["):
        try:
            return f"[{IPv6Address(text[1:-1]).compressed}]" if "%" not in text else None
        except AddressValueError:
            return None
    return text if is_dns_name(text.removeprefix("*.")) or is_ipv4(text) else None


def is_below(origin: str, pattern: str) -> bool:
    """Is every page of this origin, or of these, one that a pattern with ``*.`` stands for?"""
    scheme, separator, domain = pattern.partition("://*.")
    return (
        bool(separator)
        and origin.startswith(f"{scheme}://")
        and origin.endswith(f".{domain}")
        and origin != pattern
    )


def read_allowed_method(text: str) -> str:
    """A request method, or all of them. Raises InvalidValueError."""
    return text if text == ALL else read_method(text)


def read_allowed_field(text: str) -> str:
    """The name of a header field, or all of them. Raises InvalidValueError."""
    return text if text == ALL else read_field_name(text)


def is_about_origins(name: str) -> bool:
    """Is it a field of an answer that says who may read it?"""
    return folded(name).startswith(FIELD_PREFIX)
