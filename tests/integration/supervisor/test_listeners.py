"""Listeners that come and go, as real sockets."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.model import ListenAddress
from gateway.supervisor.failure import StartError
from gateway.supervisor.listeners import Listeners
from gateway.tcp import UNSENT_BYTES

ANY_PORT = ListenAddress.parse("127.0.0.1:0")


def _target(listeners: Listeners, address: ListenAddress) -> tuple[str, int]:
    url = urlsplit(listeners.urls()[str(address)])
    return url.hostname or "", url.port or 0


def test_the_first_sockets_listen_at_once() -> None:
    """Clients that come while the workers start wait in the queue."""
    listeners = Listeners()
    listeners.take(listeners.open([ANY_PORT], 2))
    socket.create_connection(_target(listeners, ANY_PORT)).close()
    listeners.close()


def test_later_sockets_leave_that_to_the_workers(tmp_path: Path) -> None:
    """Whatever a reload opens is bound and refuses connections until somebody is there to accept them."""
    listeners = Listeners()
    listeners.take(listeners.open([ANY_PORT], 1))
    tcp, unix = ListenAddress.parse("[::1]:0"), ListenAddress.parse(f"unix:{tmp_path / 's'}")
    opening = listeners.open([ANY_PORT, tcp, unix], 3)
    assert {name: len(numbers) for name, numbers in opening.descriptors().items()} == {
        str(ANY_PORT): 2, str(tcp): 3, str(unix): 1,
    }  # fmt: skip
    listeners.take(opening)
    assert [len(numbers) for numbers in listeners.filenos().values()] == [3, 3, 1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(_target(listeners, tcp))
    listening = socket.socket(fileno=listeners.filenos()[str(tcp)][2])
    listening.listen()
    socket.create_connection(_target(listeners, tcp)).close()
    listening.detach()
    for _ in range(50):
        socket.create_connection(_target(listeners, ANY_PORT)).close()
    listeners.close()


def test_the_kernel_leaves_slow_clients_to_the_time_out_for_writes(tmp_path: Path) -> None:
    """It gives up what is unacknowledged a minute later than we do, and after two minutes at the earliest."""
    listeners = Listeners()
    unix = ListenAddress.parse(f"unix:{tmp_path / 's'}")
    listeners.take(listeners.open([ANY_PORT, unix], 2))
    descriptors = listeners.filenos()[str(ANY_PORT)]
    for write_ms, expected in ((60_000, 120_000), (600_000, 660_000), (1, 120_000)):
        listeners.adjust({str(ANY_PORT): write_ms, str(unix): write_ms})
        for descriptor in descriptors:
            sock = socket.socket(fileno=descriptor)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == expected
            sock.detach()
    listeners.close()


def test_the_kernel_holds_little_for_clients_that_do_not_read() -> None:
    """An accepted connection takes not much more than its client does."""
    listeners = Listeners()
    listeners.take(listeners.open([ANY_PORT], 1))
    (descriptor,) = listeners.filenos()[str(ANY_PORT)]
    with socket.socket() as client, socket.socket(fileno=os.dup(descriptor)) as listening:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(_target(listeners, ANY_PORT))
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            accepted.setblocking(False)
            assert UNSENT_BYTES <= accepted.send(bytes(16 << 20)) <= 2 * UNSENT_BYTES
    listeners.close()


def test_fewer_workers_keep_every_socket() -> None:
    """A queue is never closed while its listener lives; a new listener has as many sockets as the others."""
    listeners = Listeners()
    listeners.take(listeners.open([ANY_PORT], 3))
    other = ListenAddress.parse("[::1]:0")
    opening = listeners.open([ANY_PORT, other], 1)
    assert list(opening.descriptors()) == [str(other)]
    listeners.take(opening)
    assert [len(numbers) for numbers in listeners.filenos().values()] == [3, 3]
    listeners.close()


def test_all_or_nothing() -> None:
    """If one address cannot be had, what was opened before it is closed again and nothing has changed."""
    listeners = Listeners()
    listeners.take(listeners.open([ANY_PORT], 1))
    before = listeners.filenos()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        free = ListenAddress.parse("[::1]:0")
        taken = ListenAddress.parse(f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(StartError, match=f"cannot listen on {taken}: the address is already in use"):
            listeners.open([ANY_PORT, free, taken], 2)
    assert listeners.filenos() == before
    listeners.close()


def test_the_end_of_a_listener(tmp_path: Path) -> None:
    """It refuses although a worker may hold copies, its file is gone, its port is free; the others go on."""
    unix = ListenAddress.parse(f"unix:{tmp_path / 's'}")
    other = ListenAddress.parse("127.0.0.2:0")
    listeners = Listeners()
    listeners.take(listeners.open([ANY_PORT, other, unix], 2))
    target = _target(listeners, other)
    copies = [os.dup(number) for number in listeners.filenos()[str(other)]]
    listeners.end_all_but([ANY_PORT])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(target)
    assert list(tmp_path.iterdir()) == []
    assert list(listeners.urls()) == [str(ANY_PORT)]
    socket.create_connection(_target(listeners, ANY_PORT)).close()
    for copy in copies:
        os.close(copy)
    listeners.close()
