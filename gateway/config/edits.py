"""How the changes of a route are written: header fields with their variables, paths and hosts of rewrites."""

import re

from gateway.config.matching import ambiguous_spellings, folded, is_token, read_path
from gateway.config.suggest import did_you_mean
from gateway.errors import InvalidValueError
from gateway.model import is_bracketed_ipv6, is_dns_name, is_ipv4, whole_number

MAX_FIELD_VALUE_CHARACTERS = 4096  # instances take lines of 8 KiB, and a variable may stand for much of one

VARIABLES = ("client_ip", "host", "method", "path", "request_id", "route", "scheme", "service")
"""What may stand in braces; the engine knows the same ones."""
MANAGED_FIELDS = frozenset({
    "connection", "content-length", "date", "expect", "host", "keep-alive", "max-forwards", "proxy", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via", "x-original-url",
    "x-rewrite-url",
})  # fmt: skip
"""What the gateway sets itself, or takes out, in both directions; the engine knows the same ones."""
MANAGED_REQUEST_FIELDS = frozenset({"forwarded", "true-client-ip", "x-real-ip", "x-request-id"})
"""The same for requests alone, beside every name that begins with FORWARDED_PREFIX."""
FORWARDED_PREFIX = "x-forwarded-"

_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])", re.ASCII)
_VALUE_FORM = f"a text of at most {MAX_FIELD_VALUE_CHARACTERS} printable ASCII characters"
_REWRITE_FORM = 'a path without "*", such as "/v1"'


def read_field_name(text: str) -> str:
    """The name of a header field. Raises InvalidValueError."""
    if not is_token(text):
        raise InvalidValueError('the name of a header field, such as "X-Team"')
    return text


def is_managed(name: str, *, of_request: bool) -> bool:
    """Does the gateway set this field itself, or take it out? An underscore for a dash makes an imitation, which never passes."""
    known = folded(name)
    if known in MANAGED_FIELDS:
        return True
    forwards = known.startswith(FORWARDED_PREFIX) and known != FORWARDED_PREFIX
    return (forwards or known in MANAGED_REQUEST_FIELDS) and (of_request or "_" in name)


def read_field_value(text: str) -> str:
    """The value of a header field, perhaps with variables in braces. Raises InvalidValueError."""
    if not _VALUE.fullmatch(text) or len(text) > MAX_FIELD_VALUE_CHARACTERS:
        raise InvalidValueError(_VALUE_FORM)
    for match in _BRACES.finditer(text):
        name, lone = match.groups()
        if lone:
            raise InvalidValueError(
                "braces around a variable, such as {client_ip}", "a brace itself is doubled: {{ or }}"
            )
        if name is not None and name not in VARIABLES:
            listed = ", ".join(f"{{{variable}}}" for variable in VARIABLES)
            raise InvalidValueError(f"variables that there are: {listed}", did_you_mean(name, VARIABLES))
    return text


def read_rewrite_path(text: str) -> str:
    """A path that requests get in place of theirs, in canonical form. Raises InvalidValueError."""
    if "*" in text or not text.startswith("/"):
        raise InvalidValueError(_REWRITE_FORM)
    path = read_path(text)
    if ambiguous_spellings(path):
        raise InvalidValueError("a path that every reader resolves alike")
    return path


def read_authority(text: str) -> str:
    """A host, perhaps with a port. Raises InvalidValueError."""
    has_port = ":" in text and not text.endswith("]")
    host, _, port = text.rpartition(":") if has_port else (text, "", "")
    if not _is_host(host) or (has_port and whole_number(port, 1, 65_535) is None):
        raise InvalidValueError('a host, perhaps with a port, such as "api.internal" or "api.internal:8080"')
    return text


def read_bare_host(text: str) -> str:
    """A host without a port. Raises InvalidValueError."""
    if not _is_host(text):
        raise InvalidValueError('a host without a port, such as "www.example.com"')
    return text


def _is_host(text: str) -> bool:
    host = text.lower()
    return is_dns_name(host) or is_ipv4(host) or is_bracketed_ipv6(host)
