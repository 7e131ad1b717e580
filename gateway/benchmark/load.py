"""What is asked of a target: which requests, in which mix, how fast and for how long. Pure values."""

import random
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from urllib.parse import urlsplit

from gateway.model import join_host_port

WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1): what a log may replay unasked."""
IDEMPOTENT = SAFE | {"TRACE", "PUT", "DELETE"}
"""Methods whose requests may come twice (RFC 9110 §9.2.2)."""
_SCHEMES = {"http": 80, "https": 443}


class LoadError(Exception):
    """The load cannot be made, or its result counts for nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes."""

    scheme: str
    host: str
    port: int
    path: str = "/"
    """What is asked for when no request says otherwise."""
    verify: bool = True
    """Whether the certificate must be valid for the host."""

    @classmethod
    def parse(cls, url: str, *, verify: bool = True) -> "Target":
        """Reads a URL. Raises LoadError."""
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if parts.scheme not in _SCHEMES or not host or parts.username is not None:
            raise LoadError(f"expected a URL such as http://127.0.0.1:8080/path, not {url!r}")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not _is_visible(path) or not _is_visible(host):
            raise LoadError(f"the URL may hold visible ASCII only: {url!r}")
        return cls(parts.scheme, host, port or _SCHEMES[parts.scheme], path, verify)

    @property
    def authority(self) -> str:
        """Host and port as the Host field names them (RFC 9110 §7.2)."""
        if self.port != _SCHEMES[self.scheme]:
            return join_host_port(self.host, self.port)
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """The target without its path."""
        return f"{self.scheme}://{self.authority}"

    def tls(self) -> ssl.SSLContext | None:
        """How to speak TLS with it; None for plain HTTP."""
        if self.scheme != "https":
            return None
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request in the mix."""

    name: str
    method: str = "GET"
    path: str = "/"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    weight: int = 1

    def __post_init__(self) -> None:
        """Raises LoadError for what cannot be put on the wire."""
        if not self.method.isascii() or not self.method.isalpha():
            raise LoadError(f"{self.name}: {self.method!r} is no method")
        if not self.path.startswith("/") or not _is_visible(self.path):
            raise LoadError(
                f"{self.name}: the path {self.path!r} must begin with / and hold visible ASCII only"
            )
        for name, value in self.fields:
            named = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
            if not named or not value.isascii() or not value.replace("\t", " ").isprintable():
                raise LoadError(f"{self.name}: {name}: {value!r} is no header field")
        if self.weight < 1:
            raise LoadError(f"{self.name}: a weight is at least 1")

    def encode(self, authority: str, *, keep_alive: bool) -> bytes:
        """The request as bytes; what the fields say of Host, length and connection is left alone."""
        own = {name.lower() for name, _ in self.fields}
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        if "host" not in own:
            lines.append(f"Host: {authority}")
        lines += (f"{name}: {value}" for name, value in self.fields)
        if "content-length" not in own and (self.body or self.method not in WITHOUT_BODY):
            lines.append(f"Content-Length: {len(self.body)}")
        if not keep_alive and "connection" not in own:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True, slots=True)
class Closed:
    """Every connection sends its next request when it has the answer: finds what the target can do at the most."""

    seconds: int
    """Whole ones: some generators take no others."""


@dataclass(frozen=True, slots=True)
class Step:
    """A time with one rate."""

    rate: float
    """Requests a second."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Steady:
    """Requests are sent when they are due, whatever became of the earlier ones; usually one step."""

    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """From the first request to the end."""
        return sum(step.seconds for step in self.steps)

    def schedule(self) -> Iterator[float]:
        """When each request is due, in seconds from the start."""
        begin = 0.0
        for step in self.steps:
            count = round(step.rate * step.seconds)
            yield from (begin + number / step.rate for number in range(count))
            begin += step.seconds


@dataclass(frozen=True, slots=True)
class Replay:
    """What a log has seen, with its timing."""

    due: tuple[float, ...]
    """Seconds from the start, ascending."""
    which: tuple[int, ...]
    """Index of each one's request."""

    @property
    def seconds(self) -> float:
        """From the first request to a moment after the last."""
        return self.due[-1] + 0.001


Shape = Closed | Steady | Replay


def rate_of(shape: Shape) -> float | None:
    """Requests a second on average; None in a closed loop."""
    match shape:
        case Closed():
            return None
        case Steady():
            return sum(step.rate * step.seconds for step in shape.steps) / shape.seconds
        case Replay():
            return len(shape.due) / shape.seconds


@dataclass(frozen=True, slots=True)
class Load:
    """A whole load."""

    requests: tuple[Request, ...]
    shape: Shape
    connections: int
    """In a closed loop all of them are in use, otherwise at the most so many."""
    keep_alive: bool = True
    timeout_seconds: float = 10.0
    seed: int = field(default=1)
    """Draws the order of the mix."""

    def mix(self) -> Iterator[int]:
        """Which request is next, for ever: drawn by weight."""
        if len(self.requests) == 1:
            yield from repeat(0)
        source = random.Random(self.seed)
        indices = range(len(self.requests))
        weights = list(accumulate(request.weight for request in self.requests))
        while True:
            yield from source.choices(indices, cum_weights=weights, k=256)


def spread_over(requests: Sequence[Request], length: int = 100) -> list[int]:
    """Indices of a cycle in which each request has its share, as evenly as it goes (smooth weighted round robin)."""
    total = sum(request.weight for request in requests)
    length = min(total, max(length, len(requests)))
    credit = [0.0] * len(requests)
    cycle = []
    for _ in range(length):
        credit = [own + request.weight / total for own, request in zip(credit, requests, strict=True)]
        chosen = max(range(len(credit)), key=credit.__getitem__)
        credit[chosen] -= 1
        cycle.append(chosen)
    return cycle


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
