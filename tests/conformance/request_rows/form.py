"""The form of the rows: a stimulus, what becomes of it, and the requests that most of them are variations of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LISTEN = 'max = { head = "4KiB", line = "2KiB", fields = 20, target = "1KiB", body = "64KiB" }'
"""The bounds that the rows go by."""
MAX_HEAD, MAX_LINE, MAX_FIELDS, MAX_TARGET, MAX_BODY = 4096, 2048, 20, 1024, 65536

A = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The instance gets this request, whole."""

    line: str = "GET / HTTP/1.1"
    fields: Mapping[str, list[str]] = field(default_factory=dict)
    """All values of these fields; none stands for a field that may not be there."""
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()
    closes: bool = False
    """The client's connection ends after the answer."""
    status = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """The gateway answers itself, and the connection lives on."""

    status: int
    closes = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway answers itself and closes: no instance gets a whole request of it."""

    status: int = 400
    closes = True


@dataclass(frozen=True, slots=True)
class Row:
    """One stimulus. Without an expectation nothing whole reaches an instance and nothing is answered."""

    behaviour: str
    name: str
    raw: bytes
    expected: tuple[Forwarded | Answered | Refused, ...]


def get(fields: bytes = b"", target: bytes = b"/", *, version: bytes = b"1.1", host: bytes = A) -> bytes:
    """A GET with these lines."""
    return b"GET %b HTTP/%b\r\n%b%b\r\n" % (target, version, host, fields)


def post(fields: bytes, body: bytes = b"hello", *, version: bytes = b"1.1") -> bytes:
    """A POST with these lines and a body."""
    return b"POST / HTTP/%b\r\n%b%b\r\n%b" % (version, A, fields, body)


def chunks(body: bytes) -> bytes:
    """A POST with this in place of chunks."""
    return post(CHUNKED, body)


HELLO = Forwarded("POST / HTTP/1.1", {"transfer-encoding": ["chunked"], "content-length": []}, b"hello")


def row(behaviour: str, name: str, raw: bytes, *expected: Forwarded | Answered | Refused) -> Row:
    """One row."""
    return Row(behaviour, name, raw, expected)


def refused(behaviour: str, name: str, *raws: bytes, status: int = 400) -> Iterator[Row]:
    """A row for each of these, all of them refused."""
    for number, raw in enumerate(raws):
        label = f"{name} {number}" if len(raws) > 1 else name
        yield Row(behaviour, label, raw, (Refused(status),))
