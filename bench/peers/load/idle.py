"""The load of the memory workload: clients that each have sent one request and keep their connection."""

import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from bench.peers.job import Workload
from bench.peers.load import LoadError, is_whole

_SECONDS = 5.0
_RECEIVE_BYTES = 65536


class IdleClients:
    """Open connections, closed at the end of the ``with`` block."""

    def __init__(self, port: int, workload: Workload) -> None:
        self._port = port
        self._workload = workload
        self._opened = ExitStack()

    def add(self, number: int) -> None:
        """Further clients, one after the other; each has its answer before the next connects."""
        try:
            for _ in range(number):
                self._ask_once()
        except OSError as error:
            raise LoadError(f"a connection failed: {error}") from error

    def _ask_once(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=_SECONDS)
        self._opened.enter_context(connection)
        connection.sendall(self._workload.head)
        received = b""
        while not is_whole(received, self._workload.response_bytes):
            data = connection.recv(_RECEIVE_BYTES)
            if not data:
                raise LoadError("a client was turned away")
            received += data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()
