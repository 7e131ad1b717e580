"""The smallest origin: every read is answered with the same bytes. It is not measured."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_READ_BYTES = 64 * 1024


class Origin:
    """An origin on threads of this process, which ends with the ``with`` block."""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self._listening = socket.create_server(("127.0.0.1", 0))
        host, port = self._listening.getsockname()
        self.address = f"{host}:{port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # shut down: the end
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):
            while connection.recv(_READ_BYTES):
                connection.sendall(self._response)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
