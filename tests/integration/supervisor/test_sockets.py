"""Listening sockets as the kernel sees them."""

import os
import socket
from pathlib import Path

import pytest

from gateway.model import ListenAddress
from gateway.supervisor.failure import StartError
from gateway.supervisor.listeners import Listeners
from gateway.supervisor.sockets import BACKLOG, open_listener

ANY_PORT = ListenAddress.parse("127.0.0.1:0")


def _port(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:0"])
def test_every_slot_has_a_socket_on_the_port_that_the_first_one_got(text: str) -> None:
    """All share one port, none blocks, none is inherited by accident, and the URL names the port."""
    listener = open_listener(ListenAddress.parse(text), 3)
    ports = {_port(sock) for sock in listener.sockets}
    assert len(listener.sockets) == 3
    assert len(ports) == 1
    assert listener.url == f"http://{text.removesuffix('0')}{ports.pop()}"
    assert not any(sock.getblocking() or sock.get_inheritable() for sock in listener.sockets)
    listener.close()


def test_a_burst_longer_than_the_usual_backlog_is_queued() -> None:
    """Two hundred connections that nobody accepts are all complete."""
    most = min(BACKLOG, int(Path("/proc/sys/net/core/somaxconn").read_text()))
    listener = open_listener(ANY_PORT, 1)
    target = listener.sockets[0].getsockname()
    clients = [socket.create_connection(target, timeout=5) for _ in range(min(200, most))]
    for client in clients:
        client.close()
    listener.close()


@pytest.mark.parametrize("shared", [False, True], ids=["an ordinary server", "another gateway"])
def test_a_port_in_use_is_noticed(*, shared: bool) -> None:
    """Even when the other one would share it; the message names the address."""
    with socket.socket() as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = ListenAddress.parse(f"127.0.0.1:{_port(other)}")
        with pytest.raises(StartError, match=f"cannot listen on {address}: the address is already in use"):
            open_listener(address, 2)


def test_of_several_listeners_all_are_opened_or_none() -> None:
    """When the second cannot be had, the first one's port is free again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = _port(probe)
    first = ListenAddress.parse(f"127.0.0.1:{free}")
    with pytest.raises(StartError, match="unix:/nowhere/s: no such file or directory"):
        Listeners().open([first, ListenAddress.parse("unix:/nowhere/s")], 2)
    open_listener(first, 1).close()


def test_refusing_reaches_every_copy_of_a_socket() -> None:
    """After it nobody can connect, although another process may hold the socket open."""
    listener = open_listener(ANY_PORT, 2)
    target = listener.sockets[0].getsockname()
    copies = [sock.dup() for sock in listener.sockets]
    socket.create_connection(target).close()
    listener.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(target)
    for copy in copies:
        copy.close()
    listener.close()


def test_a_unix_listener_is_one_socket_and_removes_its_file(tmp_path: Path) -> None:
    """One socket for all slots; the file is there while it lives, and only then."""
    path = tmp_path / "s"
    listener = open_listener(ListenAddress.parse(f"unix:{path}"), 3)
    assert (len(listener.sockets), listener.url, path.is_socket()) == (1, f"unix:{path}", True)
    listener.close()
    assert not path.exists()


def test_the_file_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    """A socket file that refuses connections is a leftover."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    open_listener(ListenAddress.parse(f"unix:{path}"), 1).close()


def test_the_file_of_a_live_server_is_not(tmp_path: Path) -> None:
    """Nor a file that is no socket: both are in the way and stay there."""
    path, plain = tmp_path / "s", tmp_path / "plain"
    plain.write_text("x")
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen()
        with pytest.raises(StartError, match="already in use"):
            open_listener(ListenAddress.parse(f"unix:{path}"), 1)
    with pytest.raises(StartError, match="no socket is in the way"):
        open_listener(ListenAddress.parse(f"unix:{plain}"), 1)
    assert path.exists()
    assert plain.read_text() == "x"


def test_closing_leaves_the_file_of_a_successor(tmp_path: Path) -> None:
    """Whoever has taken the path over keeps it."""
    path = tmp_path / "s"
    listener = open_listener(ListenAddress.parse(f"unix:{path}"), 1)
    path.rename(tmp_path / "old")
    path.write_text("successor")
    listener.close()
    assert path.exists()


def test_an_inherited_descriptor_serves_and_outlives_us() -> None:
    """``fd:N`` is used as it is, named by its own address, and neither refusing nor closing ends it."""
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        given.listen()
        listener = open_listener(ListenAddress.parse(f"fd:{given.fileno()}"), 2)
        assert (len(listener.sockets), listener.url) == (1, f"http://127.0.0.1:{_port(given)}")
        listener.refuse()
        listener.close()
        socket.create_connection(given.getsockname()).close()


def test_a_descriptor_that_is_no_stream_socket_is_refused() -> None:
    """A pipe, a datagram socket and a closed descriptor each get one clear line."""
    reader, writer = os.pipe()
    with socket.socket(type=socket.SOCK_DGRAM) as datagram:
        for number, reason in ((reader, "socket"), (datagram.fileno(), "no stream socket")):
            with pytest.raises(StartError, match=f"cannot listen on fd:{number}: .*{reason}"):
                open_listener(ListenAddress.parse(f"fd:{number}"), 1)
    os.close(reader)
    os.close(writer)
    with pytest.raises(StartError, match=f"cannot listen on fd:{reader}: bad file descriptor"):
        open_listener(ListenAddress.parse(f"fd:{reader}"), 1)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_a_quiet_listener_keeps_what_is_in_its_queue(address: str) -> None:
    """Who was connected before is still accepted, nobody comes after, and then everybody is refused."""
    listener = open_listener(ListenAddress.parse(address), 1)
    (listening,) = listener.sockets
    with socket.create_connection(listening.getsockname()[:2]) as before:
        before.sendall(b"held")
        listener.quiesce()
        before.sendall(b" on")
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname()[:2], timeout=0.2)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(99) == b"held on"
            with pytest.raises(BlockingIOError):
                listening.accept()
            listener.refuse()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(listening.getsockname()[:2])
            accepted.sendall(b"answer")
            assert before.recv(99) == b"answer"
    listener.close()


def test_a_quiet_unix_listener_is_not_found(tmp_path: Path) -> None:
    """Its file is gone, and who was connected before is still accepted."""
    path = tmp_path / "gateway.sock"
    listener = open_listener(ListenAddress.parse(f"unix:{path}"), 1)
    with socket.socket(socket.AF_UNIX) as before:
        before.connect(str(path))
        listener.quiesce()
        assert not path.exists()
        listener.sockets[0].accept()[0].close()
    listener.close()
