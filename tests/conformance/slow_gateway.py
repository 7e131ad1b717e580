"""The request that an instance gets for what a client sends, by docs/behaviour.md and the RFCs, slowly: whole lines and
regular expressions, nothing of the engine's ways. The second opinion on everything that the engine forwards.

It knows a gateway with one route for everything and nothing else configured, and the first request of a connection.
"""

import ipaddress
import re

from tests.conformance.reference import IncompleteError, Message
from tests.helpers.message import Fields

CLIENT = "192.0.2.1"
MAX_HEAD, MAX_LINE, MAX_FIELDS, MAX_TARGET, MAX_NOMINATIONS = 32 * 1024, 8 * 1024, 100, 8 * 1024, 16
MAX_EXTENSIONS, MAX_TRAILER_SECTION, MAX_TRAILERS = 4 * 1024, 8 * 1024, 32
MAX_EMPTY_LINES, MAX_HOPS, MAX_NUMBER = 4, 8, 2**63 - 1

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
EXTENSION = rf"[ \t]*;[ \t]*{TOKEN}(?:[ \t]*=[ \t]*(?:{TOKEN}|{QUOTED}))?"
EMPTY_LINES = re.compile(r"\A(?:\r\n)+")
REQUEST_LINE = re.compile(rf'({TOKEN}) ([!"$-~]+) HTTP/1\.([01])')
FIELD_LINE = re.compile(rf"({TOKEN}):([\t -~\x80-\xff]*)")
CHUNK_LINE = re.compile(rf"([0-9A-Fa-f]{{1,16}})((?:{EXTENSION})*)")
ABSOLUTE = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?]+)(.*)")
HOST = re.compile(r"(?:(?:\[([^]]*)\]|[A-Za-z0-9._~!$&'()*+,;=-]+)(?::([0-9]*))?)?")
PROTOCOL = re.compile(rf"({TOKEN})(?:/{TOKEN})?")
REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=-]{1,128}")
AMBIGUOUS = re.compile(r"%2[Ff]|%5[Cc]|%00|%(?![0-9A-Fa-f]{2})|\\")
NOT_IN_PATHS = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/%-]")

ENDS_HERE = {
    "connection", "keep-alive", "proxy", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "transfer-encoding", "upgrade", "x-original-url", "x-rewrite-url",
}  # fmt: skip
WRITTEN_ANEW = {
    "content-length", "expect", "forwarded", "host", "true-client-ip", "x-real-ip", "x-request-id"
}  # fmt: skip
PASSES = {"accept", "date", "max-forwards", "trailer", "via"}
KNOWN = ENDS_HERE | WRITTEN_ANEW | PASSES
"""Names that do not pass with an underscore for a dash."""
HEAD_ONLY = {
    "age", "allow", "authorization", "cache-control", "content-encoding", "content-range", "content-type", "cookie",
    "expires", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "location", "pragma",
    "range", "retry-after", "set-cookie", "vary", "warning", "www-authenticate",
}  # fmt: skip
"""No trailers, beside those that are known."""
CHUNKED = "chunked"


class RefusedError(Exception):
    """No instance gets this, whatever follows."""


def forwarded(data: bytes, made_id: str) -> Message:
    """What the instance gets, with ``made_id`` as the X-Request-Id of the gateway's own. Raises RefusedError and
    IncompleteError.
    """
    text = data.decode("latin-1")
    empty = EMPTY_LINES.match(text)
    demand(empty is None or empty.end() <= 2 * MAX_EMPTY_LINES, "empty lines")
    head, end, rest = EMPTY_LINES.sub("", text).partition("\r\n\r\n")
    if not end:
        raise IncompleteError
    line, *lines = head.split("\r\n")
    method, target, minor = whole(REQUEST_LINE, line)
    fields = Fields(
        (name.lower(), value.strip(" \t")) for name, value in (whole(FIELD_LINE, it) for it in lines)
    )
    demand(len(head) + 4 <= MAX_HEAD and len(target) <= MAX_TARGET and len(fields) <= MAX_FIELDS, "size")
    demand(all(len(it) + 2 <= MAX_LINE for it in lines), "a line")

    nominations = [it for it in elements(fields, "connection") if it not in {"close", "keep-alive"}]
    demand(len(nominations) <= MAX_NOMINATIONS, nominations)
    host, target = destination(method, target, fields, minor)
    framing = framed(fields, minor)
    demand(all(it.lower() == "100-continue" for it in fields.all("expect")), "an expectation")
    hops_left = hops(method, fields)
    demand(hops_left != 0, "the last hop")
    demand(sum(is_ours(it) for it in elements(fields, "via")) < MAX_HOPS, "a loop")
    protocols = upgrade(fields, nominations) if minor == "1" else None
    demand(protocols is None or framing in {None, 0}, "an upgrade with a body")

    sent = [("host", host)]
    sent += [
        (name, value)
        for name, value in fields
        if is_end_to_end(name, framing, hops_left) and name not in nominations
    ]
    sent += [("x-forwarded-for", CLIENT), ("x-forwarded-proto", "http")]
    sent += [("x-forwarded-host", host)] if host else []
    sent += [("via", f"1.{minor} headgate"), ("x-request-id", request_id(fields, made_id))]
    sent += [("max-forwards", str(hops_left - 1))] if hops_left is not None else []
    sent += [("expect", "100-continue")] if fields.all("expect") and minor == "1" else []
    if protocols is not None:
        sent += [("connection", "Upgrade"), ("upgrade", protocols)]
    elif minor == "1" and "te" in nominations and "trailers" in elements(fields, "te"):
        sent += [("connection", "TE"), ("te", "trailers")]
    trailers: tuple[tuple[str, str], ...] = ()
    if framing is None:
        body = ""
    elif isinstance(framing, int):
        sent += [("content-length", str(framing))]
        body = rest[:framing]
        if len(body) < framing:
            raise IncompleteError
    else:
        sent += [("transfer-encoding", CHUNKED)]
        body, trailers = dechunked(rest, nominations)
    return Message(f"{method} {target} HTTP/1.1", tuple(sent), body.encode("latin-1"), trailers)


def demand(holds: object, what: object) -> None:
    """A rule of the page, or nobody gets the request."""
    if not holds:
        raise RefusedError(what)


def whole(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    """The groups of a pattern that the text is, from its first character to its last."""
    matched = pattern.fullmatch(text)
    if matched is None:
        raise RefusedError(text)
    return matched.groups()


def elements(fields: Fields, name: str) -> list[str]:
    """Those of all the field's lists, in lower case, without empty ones."""
    listed = [element.strip(" \t") for value in fields.all(name) for element in value.split(",")]
    return [element.lower() for element in listed if element]


def destination(method: str, target: str, fields: Fields, minor: str) -> tuple[str, str]:
    """Host and canonical target."""
    demand(method not in {"CONNECT", "TRACE"}, method)
    hosts = fields.all("host")
    demand(len(hosts) == 1 or (not hosts and minor == "0"), hosts)
    host = hosts[0] if hosts else ""
    check_host(host)
    if target.startswith("/"):
        return host, canonical(target)
    if target == "*" and method == "OPTIONS":
        return host, target
    authority, rest = whole(ABSOLUTE, target)
    check_host(authority)
    return authority, "*" if method == "OPTIONS" and not rest else canonical(rest)


def check_host(host: str) -> None:
    """A name, an IPv4 address, or an IPv6 address in brackets; with a port or not; or nothing at all."""
    address, port = whole(HOST, host)
    demand(not port or number(port) <= 65535, port)
    if address is not None:
        try:
            ipaddress.IPv6Address(address)
        except ValueError as error:
            raise RefusedError(address) from error
        demand("%" not in address, "a zone")


def canonical(target: str) -> str:
    """The path in its one form, and the query as it is."""
    path, mark, query = target.partition("?")
    path = path or "/"
    demand(not AMBIGUOUS.search(path), path)
    path = re.sub(r"%(..)", lambda encoded: respelled(int(encoded[1], 16)), path)
    path = NOT_IN_PATHS.sub(lambda byte: f"%{ord(byte[0]):02X}", path)
    *parents, last = path.split("/")[1:]
    kept: list[str] = []
    for segment in [*parents, last]:
        demand(not segment.startswith((".;", "..;")), segment)
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    ends_with_slash = last in {"", ".", ".."} and kept
    return "/" + "/".join(kept) + ("/" if ends_with_slash else "") + mark + query


def respelled(byte: int) -> str:
    """A byte that was percent-encoded: itself if it needs no encoding."""
    return chr(byte) if re.fullmatch(r"[A-Za-z0-9._~-]", chr(byte)) else f"%{byte:02X}"


def framed(fields: Fields, minor: str) -> int | str | None:
    """The stated length, CHUNKED, or None."""
    lengths, codings = fields.all("content-length"), fields.all("transfer-encoding")
    if codings:
        demand([coding.lower() for coding in codings] == [CHUNKED] and not lengths and minor == "1", codings)
        return CHUNKED
    demand(len(lengths) <= 1, lengths)
    return number(lengths[0]) if lengths else None


def number(digits: str) -> int:
    """Decimal digits and nothing else, of a number that fits 63 bits."""
    demand(re.fullmatch("[0-9]+", digits) and len(digits.lstrip("0")) < 20, digits)
    value = int(digits.lstrip("0") or "0")
    demand(value <= MAX_NUMBER, digits)
    return value


def hops(method: str, fields: Fields) -> int | None:
    """How many more an OPTIONS may take, if it counts them."""
    counted = fields.all("max-forwards")
    if method != "OPTIONS" or len(counted) != 1:
        return None
    digits = re.fullmatch("0*([0-9]{1,20})", counted[0])
    return int(digits[1]) if digits and int(digits[1]) < 2**64 else None


def is_ours(hop: str) -> bool:
    """Is this entry of Via a Headgate's?"""
    return re.split("[ \t]+", hop)[1:2] == ["headgate"]


def upgrade(fields: Fields, nominations: list[str]) -> str | None:
    """The protocols that are asked for as they must be, if a tunnel may carry them."""
    asked = fields.all("upgrade")
    names = [PROTOCOL.fullmatch(it) for it in elements(fields, "upgrade")]
    tunnelled = names and all(name and name[1] not in {"http", "h2", "h2c"} for name in names)
    return asked[0] if len(asked) == 1 and "upgrade" in nominations and tunnelled else None


def is_known(name: str) -> bool:
    """Is this a name of the gateway's, with a dash or an underscore?"""
    dashed = name.replace("_", "-")
    return dashed in KNOWN or re.fullmatch("x-forwarded-.+", dashed) is not None


def is_end_to_end(name: str, framing: int | str | None, hops_left: int | None) -> bool:
    """Does a field of a head pass, unless it is nominated?"""
    match name:
        case "trailer":
            return framing == CHUNKED
        case "max-forwards":
            return hops_left is None
    return name in PASSES or not is_known(name)


def request_id(fields: Fields, made_id: str) -> str:
    """The client's if it is good, else the one that was made."""
    given = fields.all("x-request-id")
    return given[0] if len(given) == 1 and REQUEST_ID.fullmatch(given[0]) else made_id


def dechunked(text: str, nominations: list[str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Data and trailers that pass."""
    body, extensions, size = "", 0, -1
    while size:
        line, text = next_line(text)
        digits, extension = whole(CHUNK_LINE, line)
        size, extensions = int(digits, 16), extensions + len(extension)
        demand(size <= MAX_NUMBER and extensions <= MAX_EXTENSIONS, line)
        if size:
            body, end, text = body + text[:size], text[size : size + 2], text[size + 2 :]
            if len(end) < 2:
                raise IncompleteError
            demand(end == "\r\n", end)
    trailers, section = Fields(), 0
    while True:
        line, text = next_line(text)
        if not line:
            dropped = HEAD_ONLY.union(nominations)
            return body, tuple(it for it in trailers if it[0] not in dropped and not is_known(it[0]))
        name, value = whole(FIELD_LINE, line)
        section += len(line) + 1
        trailers.append((name.lower(), value.strip(" \t")))
        demand(section <= MAX_TRAILER_SECTION and len(trailers) <= MAX_TRAILERS, "trailers")


def next_line(text: str) -> tuple[str, str]:
    """A line and what follows it."""
    line, end, rest = text.partition("\r\n")
    if not end:
        raise IncompleteError
    return line, rest
