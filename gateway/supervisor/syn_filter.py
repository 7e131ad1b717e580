"""Has the kernel drop new handshakes on a listening socket, so that its queue can be emptied before it is closed.

Closing a listening socket resets the connections that the kernel has completed and nobody has accepted yet: clients
that were connected, and may have sent a request. There is no call for "no further connections, but keep those"; a
classic BPF filter that drops segments with the SYN flag is one. Clients that begin meanwhile repeat their SYN after a
second, and are refused then.
"""

import ctypes
import socket
import struct

SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>; Python has no name for it

_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06  # <linux/bpf_common.h>
_TCP_FLAGS_OFFSET, _SYN = (
    13,
    0x02,
)  # RFC 9293, section 3.1; the filter of a TCP socket sees the TCP header first
_PROGRAM = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (_LOAD_BYTE, 0, 0, _TCP_FLAGS_OFFSET),
        (_JUMP_IF_SET, 0, 1, _SYN),
        (_RETURN, 0, 0, 0),  # drop
        (_RETURN, 0, 0, 0xFFFFFFFF),  # pass whole
    )
)


def drop_handshakes(listening: socket.socket) -> None:
    """Lets no new connection into the queue of a listening TCP socket, whoever holds it. Raises OSError."""
    instructions = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
    program = struct.pack("@HP", len(_PROGRAM) // 8, ctypes.addressof(instructions))  # struct sock_fprog
    listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
