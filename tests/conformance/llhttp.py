"""Messages as llhttp reads them (httptools), strict; and where the gateway is meant to differ from it."""

import re
from dataclasses import dataclass, field

import httptools

from tests.conformance.slow_gateway import is_known


@dataclass
class Reading:
    """One message as llhttp reads it."""

    method: bytes = b""
    status: int = 0
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


class Answers:
    """The responses in some bytes, as llhttp reads them."""

    def __init__(self, data: bytes) -> None:
        self.messages: list[Reading] = []
        self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.messages[-1].upgrades = True
        except httptools.HttpParserError as error:
            if not self.messages or self.messages[-1].complete:
                self.messages.append(Reading())
            self.messages[-1].error = error

    def on_message_begin(self) -> None:
        """A status line begins."""
        self.messages.append(Reading())

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field, of the head or of the trailers."""
        self.messages[-1].on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.messages[-1].in_body, self.messages[-1].status = True, self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self.messages[-1].on_body(data)

    def on_message_complete(self) -> None:
        """What follows is another message."""
        self.messages[-1].on_message_complete()

    def final(self) -> Reading:
        """The first that is not interim, or that is no message; one without anything when there is neither."""
        return next(
            (it for it in self.messages if it.status >= 200 or it.status == 101 or it.error), Reading()
        )

    def interim(self) -> list[int]:
        """The codes of those before it."""
        return [it.status for it in self.messages[: self.messages.index(self.final())] if it.complete]


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


def is_last_interim(answers: Answers) -> bool:
    """For llhttp nothing follows an interim response with ``Connection: close``; for the gateway its final one does."""
    return "Data after" in str(answers.final().error) and answers.messages[0].status < 200


def is_whitespace(reading: Reading, data: bytes) -> bool:
    """Does llhttp refuse nothing but white space that may stand where it does?"""
    return "chunk" in str(reading.error) and read(plain(data)).error is None


def plain(data: bytes) -> bytes:
    """The same message without white space that llhttp stumbles over: behind a field value (RFC 9112 section 5), and around
    the ";" and "=" of chunk extensions (section 7.1.1).
    """
    head, blank, body = data.partition(b"\r\n\r\n")
    return re.sub(rb"[ \t]+\r\n", b"\r\n", head + blank) + re.sub(rb"[ \t]*([;=])[ \t]*", rb"\1", body)
