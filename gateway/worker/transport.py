"""What a worker needs of uvloop's transports beyond reading and writing."""

import asyncio
import fcntl
import os
import socket
import struct
import termios
from typing import cast

HIGH_WATER_BYTES = 64 * 1024
"""Unsent bytes above which the sender is paused. uvloop's own low-water mark is 16 bytes: a pause per write."""
LOW_WATER_BYTES = 16 * 1024
MUCH_BYTES = HIGH_WATER_BYTES
"""Of a larger piece it matters how much stays in memory."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the close sends RST instead of FIN."""


def take_up(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """A connection's transport, with our buffer limits."""
    # uvloop's transports have a Transport's methods but are none by inheritance.
    transport = cast("asyncio.Transport", transport)
    transport.set_write_buffer_limits(HIGH_WATER_BYTES, LOW_WATER_BYTES)
    return transport


def pass_on(transport: asyncio.Transport, piece: bytes) -> None:
    """Writes a piece of a stream, and keeps hardly more of it than is unsent.

    uvloop reads up to 250 KiB at once, and keeps all of what it was given to write as long as any of it is unsent; below
    the high-water mark the next piece comes on top. So a peer that takes nothing would cost twice of that. Here it is the
    unsent end of one piece: the kernel gets the piece first, and the sender is paused as long as anything is unsent. (To
    read smaller pieces would bound it as well, and cost a stream half as much again.)
    """
    if len(piece) > MUCH_BYTES:
        transport.set_write_buffer_limits(0, 0)
        if transport.get_write_buffer_size() == 0 and not transport.is_closing():
            piece = piece[_send(transport, piece) :]
            if not piece:
                return
    transport.write(piece)


def _send(transport: asyncio.Transport, piece: bytes) -> int:
    """Hands the kernel what it takes at once. An error shows again when the transport writes."""
    try:
        return os.write(transport.get_extra_info("socket").fileno(), piece)
    except OSError:
        return 0


def client_address(transport: asyncio.Transport) -> str:
    """The IP address of the client in text."""
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple):
        return str(peer[0]).partition("%")[0]  # a link-local address carries its zone
    # A client of a Unix socket is a process of this machine. Without a name the client is gone already, and must not
    # pass for one of ours.
    return "0.0.0.0" if peer is None else "127.0.0.1"


def untaken(transport: asyncio.Transport) -> int:
    """Bytes that were written and that the peer has not acknowledged: in our buffer and in the kernel's.

    The kernel takes more only when a third of its buffer is free, which at a slow reader's can take minutes. Who takes
    nothing and who takes a little look alike until then, unless the kernel is asked.
    """
    return transport.get_write_buffer_size() + _in_kernel(transport)


def _in_kernel(transport: asyncio.Transport) -> int:
    connected = transport.get_extra_info("socket")
    if connected is None or connected.fileno() < 0:  # it may be closed already
        return 0
    (count,) = struct.unpack("i", fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(4)))
    return int(count)


def reset(transport: asyncio.Transport) -> None:
    """Ends a connection so that the peer notices an incomplete message, however that was framed."""
    connected = transport.get_extra_info("socket")
    if connected is not None and connected.fileno() >= 0:  # it may be closed already
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
