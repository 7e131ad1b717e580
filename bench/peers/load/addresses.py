"""The load of clients at many addresses: every request is a new connection from the next loopback address in turn."""

import ipaddress
import socket
import time
from collections import deque
from collections.abc import Iterator
from itertools import count, islice

from bench.peers.job import Workload
from bench.peers.load import LoadError, LoadReport, is_whole

_FIRST_ADDRESS = int(ipaddress.IPv4Address("127.16.0.0"))
"""Far from the addresses of the instances; above it are 15 million of 127.0.0.0/8."""
_CONNECT_SECONDS = 5.0
_RECEIVE_BYTES = 65536
_IP_BIND_ADDRESS_NO_PORT = 24
"""The kernel chooses the port at connect, by the whole quadruple: an address is not out of ports by waiting ones."""


def addresses(number: int, *, start: int = 0) -> Iterator[str]:
    """Client addresses without end: so many different ones in turn."""
    return (str(ipaddress.IPv4Address(_FIRST_ADDRESS + turn % number)) for turn in count(start))


class Addresses:
    """Clients that take turns; a second run goes on where the first has stopped."""

    def __init__(self, port: int, workload: Workload, number: int) -> None:
        self._to = ("127.0.0.1", port)
        self._request = workload.head
        self._body_bytes = workload.response_bytes
        self._window = workload.connections
        self._number = number
        self._addresses = addresses(number)

    def visit_all(self) -> None:
        """One request from every address."""
        self._run(islice(self._addresses, self._number), float("inf"))

    def run(self, seconds: float) -> LoadReport:
        """As many requests as get answered, always ``connections`` of them under way."""
        return self._run(self._addresses, seconds)

    def _run(self, clients: Iterator[str], seconds: float) -> LoadReport:
        start = time.monotonic()
        end = start + seconds
        under_way: deque[socket.socket] = deque()
        answered = 0
        try:
            for client in clients:
                under_way.append(self._send(client))
                if len(under_way) >= self._window:
                    self._finish(under_way.popleft())
                    answered += 1
                    if time.monotonic() > end:
                        break
            answered += len(under_way)
            while under_way:
                self._finish(under_way.popleft())
        except OSError as error:
            raise LoadError(f"a connection failed: {error}") from error
        finally:
            for connection in under_way:
                connection.close()
        return LoadReport(requests=answered, seconds=time.monotonic() - start)

    def _send(self, client: str) -> socket.socket:
        connection = socket.socket()
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            connection.bind((client, 0))
            connection.connect(self._to)
            connection.sendall(self._request)
        except BaseException:
            connection.close()
            raise
        return connection

    def _finish(self, connection: socket.socket) -> None:
        """Reads the answer until the gateway closes, so that the ports that wait are the gateway's."""
        with connection:
            received = b""
            while data := connection.recv(_RECEIVE_BYTES):
                received += data
            if not is_whole(received, self._body_bytes):
                raise LoadError(f"an answer ends after {len(received)} bytes")
