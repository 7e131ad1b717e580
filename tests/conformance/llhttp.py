"""The first request in some bytes as llhttp reads it (httptools), strict; and where the gateway is meant to differ from it."""

import re
from dataclasses import dataclass, field

import httptools

from tests.conformance.slow_gateway import is_known


@dataclass
class Reading:
    """The first message in some bytes as llhttp reads it."""

    method: bytes = b""
    target: bytes = b""
    fields: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytes = b""
    in_body: bool = False
    complete: bool = False
    upgrades: bool = False
    """Another protocol was asked for, so that llhttp leaves whatever is behind the head to its caller."""
    error: httptools.HttpParserError | None = None
    parser: httptools.HttpRequestParser | None = None

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if not self.complete:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field, of the head or of the trailers."""
        if not self.in_body:
            self.fields.append((name.decode("latin-1").lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if not self.in_body:
            assert self.parser is not None
            self.in_body, self.method = True, self.parser.get_method()

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        if not self.complete:
            self.body += data

    def on_message_complete(self) -> None:
        """What follows is another message."""
        self.complete = True

    def values(self, name: str) -> list[bytes]:
        """Every value of a field."""
        return [value for other, value in self.fields if other == name]

    def end_to_end(self) -> list[tuple[str, bytes]]:
        """The fields that are no hop's own."""
        nominated = {
            option.strip().lower() for value in self.values("connection") for option in value.split(b",")
        }
        return [
            (name, value)
            for name, value in self.fields
            if not is_own(name) and name.encode("latin-1") not in nominated
        ]


def is_own(name: str) -> bool:
    """Does the gateway write this field itself, or does it end there, in every spelling?"""
    return is_known(name) and name not in {"accept", "date"}


def read(data: bytes) -> Reading:
    """What llhttp makes of the first message."""
    reading = Reading()
    reading.parser = httptools.HttpRequestParser(reading)
    try:
        reading.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        reading.upgrades = True
    except httptools.HttpParserError as error:
        reading.error = None if reading.complete else error
    reading.parser = None
    return reading


def is_meant_to_differ(reading: Reading, data: bytes) -> bool:
    """Is what llhttp refuses something that the gateway has another rule for?"""
    return is_extension(reading.error) or is_dropped_trailer(reading) or is_whitespace(reading, data)


def is_extension(error: httptools.HttpParserError | None) -> bool:
    """llhttp knows a list of methods; to the gateway any token is one (RFC 9110 section 9.1)."""
    return isinstance(error, httptools.HttpParserInvalidMethodError)


def is_dropped_trailer(reading: Reading) -> bool:
    """llhttp refuses trailers that frame a message; the gateway drops them (RFC 9110 section 6.5.1)."""
    words = ("Content-Length", "Transfer-Encoding")
    return reading.in_body and any(word in str(reading.error) for word in words)


def is_whitespace(reading: Reading, data: bytes) -> bool:
    """llhttp refuses what may stand around the ";" and "=" of chunk extensions (RFC 9112 section 7.1.1), and only that."""
    head, blank, body = data.partition(b"\r\n\r\n")
    tightened = head + blank + re.sub(rb"[ \t]*([;=])[ \t]*", rb"\1", body)
    return "chunk" in str(reading.error) and read(tightened).error is None
