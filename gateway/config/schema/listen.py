"""``[[listen]]``: where clients connect, and what they may send."""

from typing import Annotated

from gateway.config.fields import Counted, Flag, Listening, MinRate, Name, choice, size_between, whole
from gateway.config.schema.retry import Retry
from gateway.config.schema.services import EXCHANGE_TIMEOUT
from gateway.config.schema.table import Table
from gateway.config.units import Duration, Size, Throughput
from gateway.model import ListenMode, PathSpelling

MAX_BODY = size_between("0B", "1000000GB")


class ListenTimeouts(Table):
    """How long a listener waits for its clients."""

    header: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("10s")
    """For a complete request head, from its first byte; then 408. Also for a PROXY header; then the connection is closed."""
    body_idle: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("30s")
    """For the next bytes of a request body; then 408."""
    write: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("60s")
    """For a client to take more of a response, or an instance more of a request; then the connection is closed, or 504."""
    keepalive: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("75s")
    """For the next request on an idle connection; then the connection is closed."""


class ListenMax(Table):
    """How much a listener takes from one client."""

    head: Annotated[Size, size_between("1KiB", "1MiB")] = Size.parse("32KiB")
    """Bytes of a request head, request line included; beyond it 431."""
    line: Annotated[Size, size_between("256B", "1MiB")] = Size.parse("8KiB")
    """Bytes of one header field line; beyond it 431."""
    fields: Annotated[int, whole(1, 256)] = 100
    """Header fields of a request; beyond it 431."""
    target: Annotated[Size, size_between("64B", "1MiB")] = Size.parse("8KiB")
    """Bytes of the request target; beyond it 414."""
    body: Annotated[Size, MAX_BODY] | None = None
    """Bytes of a request body; beyond it 413. Without it a body may have any size."""
    requests: Annotated[int, whole(1, 1_000_000_000)] | None = None
    """Requests on one connection, which is closed after the last. Without it any number."""
    age: Annotated[Duration, EXCHANGE_TIMEOUT] | None = None
    """Time after which a connection is closed with its next response. Without it a connection may get any age."""
    connections_per_client: Annotated[int, whole(1, 65_535)] | None = None
    """Connections that one client may have at the listener, over all workers; a further one gets 429, with "tcp" a reset. Without it
    any number."""


class ListenPaths(Table):
    """What a listener makes of the paths of requests."""

    keep: Annotated[
        tuple[Annotated[PathSpelling, choice(*PathSpelling)], ...], Counted("spelling", len(PathSpelling))
    ] = ()
    """Spellings that pass although readers differ about them. Without it all of them are refused, and duplicate
    slashes are merged."""


class Listen(Table):
    """An address at which clients connect."""

    address: Listening
    """``IPV4:PORT``, ``[IPV6]:PORT``, ``unix:/PATH`` or ``fd:N`` (inherited); port 0 lets the system choose."""
    mode: Annotated[ListenMode, choice(*ListenMode)] = ListenMode.HTTP
    """"http": requests, for the routes; "tcp": connections are passed through to ``service`` as they are."""
    service: Name | None = None
    """With "tcp", the service that gets the connections."""
    retry: Retry = Retry()
    """With "tcp", what to do when an instance does not accept a connection."""
    proxy_protocol: Flag = False
    """Every connection begins with a PROXY header, version 1 or 2, of a trusted proxy; any other connection is closed."""
    timeouts: ListenTimeouts = ListenTimeouts()
    """How long to wait for clients."""
    min_rate: MinRate = Throughput.parse("500B/s")
    """Least rate at which a client sends a body, after 10 s, or takes what waits for it, in each ``timeouts.write``."""
    max: ListenMax = ListenMax()
    """How much to take from a client."""
    paths: ListenPaths = ListenPaths()
    """Which paths to take from a client."""

    @property
    def name(self) -> str:
        """What the listener is called in metrics, logs and messages: its address as configured."""
        return str(self.address)
