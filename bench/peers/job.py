"""The job that every gateway of a run is configured for, and the requests it is loaded with: plain values."""

from dataclasses import dataclass
from typing import Literal

CHECK_PATH = "/api/check/echo"
"""Where the origin answers what it received, so that forwarding can be verified through a gateway."""

HEALTH_PATH = "/healthz"
"""What active health checks ask the origin for."""

MeasureName = Literal["cost", "latency", "idle memory"]
"""What is measured of a workload; ``bench.peers.measures`` says how."""

CLIENTS_FIELD = "X-Forwarded-For"
"""Where a trusted proxy names the client that it speaks for."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How much a gateway is configured for, where a workload compares several amounts."""

    name: str = ""
    """Stands beside the gateway's name; empty in a workload with one setup."""
    routes: int = 1
    instances: int = 2
    clients: int = 1
    """Client addresses of the requests, each with a key of its own in the limit; many only behind a proxy."""
    workers: int = 1
    access_log: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one kind, sent over and over on a fixed number of connections."""

    name: str
    """What the command line calls it."""
    title: str
    """What tables call it."""
    fields: tuple[tuple[str, str], ...]
    request_bytes: int = 0
    """Length of the request body; with one the request is a POST."""
    response_bytes: int = 64
    """Length of the response body."""
    connections: int = 32
    """Client connections that are open at the same time, each with one request in flight unless it idles."""
    paths: int = 1
    """Paths that the requests ask for in turn."""
    measure: MeasureName = "cost"
    behind_proxy: bool = False
    """Requests come from a proxy that the gateway trusts, with the client's address in a field more."""
    setups: tuple[Setup, ...] = (Setup(),)
    """The first is what the others are compared to."""
    against_itself: bool = False
    """The setups of a gateway are compared rather than gateways."""
    note: str = ""
    """What a reader of the figures must know."""

    @property
    def host(self) -> str:
        """The Host that gateways route by."""
        return dict(self.fields)["Host"]

    @property
    def method(self) -> str:
        """A request with a body is a POST."""
        return "POST" if self.request_bytes else "GET"

    def path(self, number: int = 0) -> str:
        """The path of one of ``paths`` requests; they differ in what routes can tell them apart by."""
        return f"{route_prefix(number)}/items/42"

    @property
    def head(self) -> bytes:
        """The first request's head as it goes over the wire."""
        lines = [
            f"{self.method} {self.path()} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self.fields),
        ]
        if self.request_bytes:
            lines.append(f"Content-Length: {self.request_bytes}")
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit per client address that is accounted for every request and never reached."""

    per_minute: int
    burst: int


FAST_LIMIT = Limit(per_minute=60_000_000, burst=1_000_000)
"""A million per second."""
SLOW_LIMIT = Limit(per_minute=2, burst=1_000_000)
"""A request is forgotten after half a minute: its client's bucket is kept for as long, so that a million are there."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a gateway has to do with a workload: route, balance, check health, limit, rewrite, forward."""

    workload: Workload
    setup: Setup
    instances: tuple[tuple[str, int], ...]
    """(host, port) of the instances to balance between."""
    health_interval_seconds: int = 5

    @property
    def limit(self) -> Limit:
        """The limit per client address, the same in all setups of a workload."""
        return SLOW_LIMIT if self.workload.behind_proxy else FAST_LIMIT

    @property
    def idle_connections(self) -> int:
        """Connections to one instance that are worth keeping: for all clients that may ask it at the same time."""
        return min(1024, max(64, self.workload.connections))

    @property
    def prefixes(self) -> tuple[str, ...]:
        """A route each: requests below it, with the workload's Host, go to the instances; others are not found."""
        if self.setup.routes == 1:
            return ("/api",)
        return (
            CHECK_PATH.rpartition("/")[0],
            *(route_prefix(number) for number in range(self.setup.routes - 1)),
        )


def route_prefix(number: int) -> str:
    """The prefix of one of many routes."""
    return f"/api/{number:05}"
