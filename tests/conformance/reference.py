"""HTTP/1.1 messages as RFC 9112 has them, read slowly and strictly: whatever the engine sends must be readable to this."""

import re
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") (/[\x21-\x22\x24-\x7e]*|\*) HTTP/1\.1")
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)")
FIELD_LINE = re.compile(
    rb"(" + TOKEN + rb"): ((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)"
)
CHUNK_LINE = re.compile(rb"[0-9a-f]{1,16}")


class MalformedError(Exception):
    """These bytes are no HTTP."""


class IncompleteError(Exception):
    """These bytes are the beginning of a message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; names of fields in lower case."""

    line: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = field(default=())

    def values(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value for other, value in self.fields if other == name]

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.line.split(" ")[1])


def requests(data: bytes) -> list[Message]:
    """The whole requests at the beginning of what an instance got. Raises MalformedError."""
    messages = []
    while data:
        try:
            line, fields, rest = _head(data)
            if not REQUEST_LINE.fullmatch(line):
                raise MalformedError(line)
            if [name for name, _ in fields].count("host") != 1:
                raise MalformedError("not one Host")
            body, trailers, data = _body(fields, rest, unstated=b"")
        except IncompleteError:
            break
        messages.append(Message(line.decode(), fields, body, trailers))
    return messages


def responses(data: bytes, methods: list[str], *, closed: bool = False) -> list[Message]:
    """The whole responses in what a client got; interim ones stand before the one they precede.

    ``methods``: what the client asked, in order. ``closed``: the connection has ended with a FIN.
    """
    messages: list[Message] = []
    asked = iter(methods)
    while data:
        line, fields, rest = _head(data)
        matched = STATUS_LINE.fullmatch(line)
        if not matched:
            raise MalformedError(line)
        status = int(matched[1])
        interim = status < 200 and status != 101
        method = "" if interim else next(asked, "")
        trailers: tuple[tuple[str, str], ...] = ()
        if interim or status in {101, 204, 304} or method == "HEAD":
            if status in {101, 204} and {"content-length", "transfer-encoding"} & {
                name for name, _ in fields
            }:
                raise MalformedError(f"a length with {status}")
            body, data = b"", rest
        else:
            body, trailers, data = _body(fields, rest, unstated=rest if closed else None)
        messages.append(Message(line.decode("latin-1"), fields, body, trailers))
        if status == 101:
            break
    return messages


def _head(data: bytes) -> tuple[bytes, tuple[tuple[str, str], ...], bytes]:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        raise IncompleteError
    line, *lines = head.split(b"\r\n")
    return line, tuple(map(_field, lines)), rest


def _field(line: bytes) -> tuple[str, str]:
    matched = FIELD_LINE.fullmatch(line.rstrip(b" ") + b" " if line.endswith(b": ") else line)
    if not matched:
        raise MalformedError(line)
    return matched[1].decode().lower(), matched[2].decode("latin-1")


def _body(
    fields: tuple[tuple[str, str], ...], data: bytes, *, unstated: bytes | None
) -> tuple[bytes, tuple[tuple[str, str], ...], bytes]:
    """Body, trailers and what follows. ``unstated``: the body that no field speaks of; None while it may go on."""
    lengths = [value for name, value in fields if name == "content-length"]
    codings = [value for name, value in fields if name == "transfer-encoding"]
    match lengths, codings:
        case [], []:
            if unstated is None:
                raise IncompleteError
            return unstated, (), data[len(unstated) :]
        case [], ["chunked"]:
            return _chunked(data)
        case [length], [] if re.fullmatch("[0-9]{1,19}", length) and int(length) < 2**63:
            if len(data) < int(length):
                raise IncompleteError
            return data[: int(length)], (), data[int(length) :]
    raise MalformedError(f"framing {lengths} {codings}")


def _chunked(data: bytes) -> tuple[bytes, tuple[tuple[str, str], ...], bytes]:
    body = b""
    while True:
        line, data = _line(data)
        if not CHUNK_LINE.fullmatch(line):
            raise MalformedError(line)
        size = int(line, 16)
        if size == 0:
            break
        if len(data) < size + 2:
            raise IncompleteError
        if data[size : size + 2] != b"\r\n":
            raise MalformedError(data[size : size + 2])
        body, data = body + data[:size], data[size + 2 :]
    trailers: list[tuple[str, str]] = []
    while True:
        line, data = _line(data)
        if not line:
            return body, tuple(trailers), data
        trailers.append(_field(line))


def _line(data: bytes) -> tuple[bytes, bytes]:
    line, end, rest = data.partition(b"\r\n")
    if not end:
        raise IncompleteError
    return line, rest
