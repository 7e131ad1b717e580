"""One connection of the open loop: it connects, sends one request at a time, and knows when the answer is whole."""

import errno
import socket
import ssl
from enum import Enum, auto

import httptools

RECEIVE_BYTES = 65536

CLOSED_EARLY = "connection closed before the answer"
BROKEN_OFF = "answer broken off"
NOT_HTTP = "answer is not HTTP"


class State(Enum):
    """Where a connection stands."""

    CONNECTING = auto()
    HANDSHAKE = auto()
    BUSY = auto()
    IDLE = auto()


class ClientError(Exception):
    """The connection has failed; the message is the kind of error to count."""


class Client:
    """A connection with at most one request under way. The methods raise ClientError and never block."""

    __slots__ = (
        "_answered_from", "_closes", "_complete", "_encoded", "_head", "_is_reused", "_parser", "_unsent", "due", "kind",
        "sized", "socket", "started", "state", "status",
    )  # fmt: skip

    def __init__(self, family: int, address: object, context: ssl.SSLContext | None, name: str) -> None:
        """Begins to connect. ``name`` is what the certificate must be valid for."""
        plain = socket.socket(family, socket.SOCK_STREAM)
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = plain.connect_ex(address)  # type: ignore[arg-type]  # what getaddrinfo gave
        if code not in (0, errno.EINPROGRESS):
            plain.close()
            raise ClientError(connect_error(code))
        self.socket: socket.socket = plain
        if context is not None:
            self.socket = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
        self.state = State.CONNECTING
        self.kind = 0
        self.due = 0.0
        """When the request under way was to be sent, in nanoseconds of the clock of the loop."""
        self.started = 0
        """When the connection was told to send it."""
        self.status = 0
        self.sized = False
        """Whether the answer says where it ends, other than by the end of the connection."""
        self._encoded = b""
        self._unsent = b""
        self._head = False
        self._closes = False
        self._complete = False
        self._answered_from = False
        self._is_reused = False
        self._parser = httptools.HttpResponseParser(self)

    # --- what the loop asks ---

    def ask(self, encoded: bytes, *, head: bool) -> None:
        """Sends a request as soon as it can."""
        self._encoded = self._unsent = encoded
        self._head, self._complete, self._closes, self._answered_from, self.status = (
            head,
            False,
            False,
            False,
            0,
        )
        self._is_reused = self.state is State.IDLE
        if self._is_reused:
            self.state = State.BUSY
            self._send()

    def ready(self) -> bool:
        """Takes what the socket has to say; true when the answer is whole."""
        if self.state is State.CONNECTING:
            self._connected()
        if self.state is State.HANDSHAKE:
            self._shake()
        if self.state is State.CONNECTING or self.state is State.HANDSHAKE:
            return False
        if self._unsent:
            self._send()
        return self._receive()

    @property
    def wants_to_write(self) -> bool:
        """Whether the loop should wait for room in the socket."""
        return self.state is State.CONNECTING or bool(self._unsent and self.state is State.BUSY)

    def may_go_on(self) -> bool:
        """Whether the connection may carry a further request; to be asked when an answer is whole."""
        self.state = State.IDLE
        return not self._closes and not self._unsent

    @property
    def was_given_up(self) -> bool:
        """To be asked when it has failed: did the peer end a kept connection, and the request crossed that on its way?"""
        return self._is_reused and not self._answered_from

    def close(self) -> None:
        """Ends the connection; parser and client, which know each other, are not left to the garbage collector."""
        self.socket.close()
        del self._parser

    # --- the way to the answer ---

    def _connected(self) -> None:
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise ClientError(connect_error(code))
        self.state = State.HANDSHAKE if isinstance(self.socket, ssl.SSLSocket) else State.BUSY

    def _shake(self) -> None:
        assert isinstance(self.socket, ssl.SSLSocket)
        try:
            self.socket.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except (ssl.SSLError, OSError) as error:
            raise ClientError(f"TLS failed: {tls_reason(error)}") from None
        self.state = State.BUSY

    def _send(self) -> None:
        try:
            sent = self.socket.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            return  # the answer may stand in the receive buffer: reading it tells what happened
        self._unsent = self._unsent[sent:]

    def _receive(self) -> bool:
        """Takes all that has come; TLS may hold a record back that the socket does not show."""
        while True:
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError:
                raise ClientError(BROKEN_OFF if self._answered_from else CLOSED_EARLY) from None
            if not data:
                return self._ended()
            if self._take(data):
                return True
            if len(data) < RECEIVE_BYTES and not isinstance(self.socket, ssl.SSLSocket):
                return False

    def _take(self, data: bytes) -> bool:
        """Reads a piece; true when the answer is whole."""
        self._answered_from = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not self._complete:  # what follows the answer to a HEAD is nobody's
                raise ClientError(NOT_HTTP) from None
            self._closes = True
        return self._complete

    def _ended(self) -> bool:
        """The peer has ended the connection: for an answer without a length that is the end (RFC 9112 §6.3)."""
        self._closes = True
        if self.status >= 200 and not self.sized:
            return True
        raise ClientError(BROKEN_OFF if self._answered_from else CLOSED_EARLY)

    # --- what the parser tells ---

    def on_message_begin(self) -> None:
        """Another answer, perhaps after an interim one."""
        self.sized = False

    def on_header(self, name: bytes, _: bytes) -> None:
        """Only whether the length is known matters."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.sized = True

    def on_headers_complete(self) -> None:
        """An answer to HEAD ends here, whatever length it names (RFC 9110 §9.3.2)."""
        self.status = self._parser.get_status_code()
        if self._head and self.status >= 200:
            self._complete = True
            self._closes = not self._parser.should_keep_alive() or self._closes
            self._parser = httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        """Interim answers are not the answer (RFC 9110 §15.2)."""
        if self.status >= 200 and not self._complete:
            self._complete = True
            self._closes = not self._parser.should_keep_alive()


def connect_error(code: int) -> str:
    """The kind of a connect's failure."""
    return {
        errno.ECONNREFUSED: "connection refused",
        errno.ETIMEDOUT: "connect timed out",
        errno.EHOSTUNREACH: "host unreachable",
        errno.ENETUNREACH: "network unreachable",
        errno.EADDRNOTAVAIL: "no local port left",
        errno.EMFILE: "no descriptor left for the generator",
    }.get(code, f"connect failed ({errno.errorcode.get(code, code)})")


def tls_reason(error: OSError) -> str:
    """What is wrong with a handshake, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (
        (error.reason or "handshake failed").lower().replace("_", " ")
        if isinstance(error, ssl.SSLError)
        else "connection closed"
    )
