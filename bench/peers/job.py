"""The job that every gateway of a run is configured for, and the requests it is loaded with: plain values."""

from dataclasses import dataclass

CHECK_PATH = "/api/check"
"""Where the origin answers what it received, so that forwarding can be verified through a gateway."""

HEALTH_PATH = "/healthz"
"""What active health checks ask the origin for."""

_BROWSER_FIELDS = (
    ("Host", "api.example.com"),
    ("Connection", "keep-alive"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://www.example.com/catalogue/watches?page=3"),
    ("Cookie", "session=0b4f6d0e8a3c4c7f9e21d5b6a7c8d9e0; theme=dark; consent=1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-site"),
    ("Cache-Control", "max-age=0"),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one kind, sent over and over on a fixed number of connections."""

    name: str
    path: str
    fields: tuple[tuple[str, str], ...]
    response_bytes: int
    """Length of the response body."""
    connections: int
    """Client connections that are open at the same time, each with one request in flight."""

    @property
    def host(self) -> str:
        """The Host that gateways route by."""
        return dict(self.fields)["Host"]

    @property
    def head(self) -> bytes:
        """The request head as it goes over the wire."""
        lines = [f"GET {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self.fields)]
        return "\r\n".join([*lines, "", ""]).encode()


KEEP_ALIVE = Workload(
    name="keep-alive GET, 12 header fields, 64-byte body",
    path="/api/v1/items/42",
    fields=_BROWSER_FIELDS,
    response_bytes=64,
    connections=32,
)


@dataclass(frozen=True, slots=True)
class Job:
    """What a gateway has to do with the workload: route, balance, check health, limit, rewrite, forward."""

    workload: Workload
    instances: tuple[tuple[str, int], ...]
    """(host, port) of the instances to balance between."""
    route_prefix: str = "/api"
    """Requests below this path, with the workload's Host, go to the instances; anything else is not found."""
    limit_per_second: int = 1_000_000
    """Rate of the limit per client address: accounted for every request, never reached."""
    health_interval_seconds: int = 5
