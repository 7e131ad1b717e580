"""Opens the listening sockets: they belong to the supervisor, and workers only inherit them.

A TCP listener is one SO_REUSEPORT socket per worker slot, so that the kernel spreads connections without a thundering
herd; a unix or inherited (``fd:N``) listener is one socket that all workers accept from.
"""

import contextlib
import errno
import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

from gateway import tcp
from gateway.model import AddressKind, ListenAddress, join_host_port
from gateway.supervisor.failure import StartError
from gateway.supervisor.syn_filter import drop_handshakes

BACKLOG = 4096
"""The kernel caps it at net.core.somaxconn; uvloop's own default is 100, which drops SYNs in a burst."""


@dataclass(slots=True)
class Listener:
    """The sockets of one listener: one per worker slot, or a single one for all of them."""

    name: str
    url: str
    sockets: tuple[socket.socket, ...]
    unlink: tuple[Path, int] | None = field(default=None, repr=False)
    """Path and inode of a unix socket that we made."""
    per_slot: bool = False
    """TCP: every worker slot has a socket of its own."""
    inherited: bool = False
    """``fd:N``: whoever gave it to us may want to go on with it."""

    def filenos(self) -> list[int]:
        """The descriptors, in the order of the worker slots."""
        return [sock.fileno() for sock in self.sockets]

    def quiesce(self) -> None:
        """Lets no further connection into the queues, while the workers still accept what is in them.

        New clients wait until ``refuse``, or find no socket file. An inherited socket is left alone.
        """
        if self.inherited:
            return
        self._remove_file()
        for sock in self.sockets:
            if sock.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):  # then the last ones to connect may be reset
                    drop_handshakes(sock)

    def refuse(self) -> None:
        """Refuses new connections from now on, though workers still hold copies of the sockets.

        An inherited socket is left alone: its connections wait in the backlog for a successor.
        """
        if not self.inherited:
            for sock in self.sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def give_up_after(self, user_timeout_ms: int) -> None:
        """Connections that are accepted from now on are given up when what was sent stays unacknowledged for so long.

        An inherited socket keeps the options that it came with.
        """
        if self.per_slot:
            for sock in self.sockets:
                tcp.watch(sock, user_timeout_ms)

    def further(self, slots: int) -> tuple[socket.socket, ...]:
        """Sockets for worker slots beyond those it has, up to ``slots``; none for one that all workers share.

        They are bound and do not listen yet: connections come to one only when its worker is there. Raises OSError.
        """
        first = self.sockets[0]
        if not self.per_slot:
            return ()
        address = first.getsockname()[:2]
        return _bind_tcp(first.family, address[0], address[1], slots - len(self.sockets))

    def close(self) -> None:
        """Closes the supervisor's copies, and removes the socket file unless somebody has replaced it."""
        for sock in self.sockets:
            sock.close()
        self._remove_file()

    def _remove_file(self) -> None:
        if self.unlink is not None:
            path, inode = self.unlink
            with contextlib.suppress(OSError):
                if path.lstat().st_ino == inode:
                    path.unlink()
            self.unlink = None


def open_listener(
    address: ListenAddress, slots: int, *, scheme: str = "http", listen: bool = True
) -> Listener:
    """Opens one listener for ``slots`` workers; without ``listen`` it is left to them to let connections in.

    Raises StartError.
    """
    try:
        match address.kind:
            case AddressKind.UNIX:
                return _open_unix(address, listen=listen)
            case AddressKind.FD:
                return _adopt_descriptor(address, scheme)
            case _:
                return _open_tcp(address, slots, scheme, listen=listen)
    except OSError as error:
        raise StartError(f"cannot listen on {address}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is already in use"
    return (error.strerror or str(error)).lower()


def _open_tcp(address: ListenAddress, slots: int, scheme: str, *, listen: bool) -> Listener:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    port = address.port
    # Other SO_REUSEPORT sockets of the same user would share the port with us in silence: a socket without that
    # option finds out whether somebody listens there already.
    with _tcp_socket(family, share=False) as probe:
        probe.bind((address.host, port))
    sockets = _bind_tcp(family, address.host, port, slots)
    if listen:
        for sock in sockets:
            sock.listen(BACKLOG)
    url = f"{scheme}://{join_host_port(address.host, sockets[0].getsockname()[1])}"
    return Listener(str(address), url, sockets, per_slot=True)


def _bind_tcp(family: int, host: str, port: int, count: int) -> tuple[socket.socket, ...]:
    """Sockets that share a port, or none of them. Raises OSError."""
    with contextlib.ExitStack() as undo:
        sockets = []
        for _ in range(count):
            sock = undo.enter_context(_tcp_socket(family, share=True))
            sock.bind((host, port))
            port = sock.getsockname()[1]  # port 0: the others go where the first one went
            sockets.append(sock)
        undo.pop_all()
    return tuple(sockets)


def _tcp_socket(family: int, *, share: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # [::] and 0.0.0.0 are two listeners
    tcp.watch(sock, tcp.GONE_MS)
    tcp.hold_little(sock)
    return sock


def _open_unix(address: ListenAddress, *, listen: bool) -> Listener:
    _remove_stale(address.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(address.path)
        inode = Path(address.path).lstat().st_ino
        if listen:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return Listener(str(address), str(address), (sock,), unlink=(Path(address.path), inode))


def _remove_stale(path: str) -> None:
    """Removes the socket file of a dead process: one that refuses connections. Anything else there is in use."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise OSError(errno.EEXIST, "a file that is no socket is in the way")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog answers EAGAIN: somebody listens
        refused = probe.connect_ex(path) == errno.ECONNREFUSED
    if not refused:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    Path(path).unlink()


def _adopt_descriptor(address: ListenAddress, scheme: str) -> Listener:
    sock = socket.socket(fileno=os.dup(address.fd))
    try:
        _require_stream(sock)
        sock.setblocking(False)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(BACKLOG)
        name = sock.getsockname()
    except OSError:
        sock.close()
        raise
    url = f"unix:{name}" if sock.family == socket.AF_UNIX else f"{scheme}://{join_host_port(*name[:2])}"
    return Listener(str(address), url, (sock,), inherited=True)


def _require_stream(sock: socket.socket) -> None:
    if (
        sock.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
        or sock.type != socket.SOCK_STREAM
    ):
        raise OSError(errno.EINVAL, "the descriptor is no stream socket")
