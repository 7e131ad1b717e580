"""How much a peer has not taken of what was written to it."""

import fcntl
import struct
import termios

from gateway.state.sockets import Transport


def untaken(transport: Transport) -> int:
    """Bytes that were written and that the peer has not acknowledged: in our buffer and in the kernel's.

    The kernel takes more only when a third of its buffer is free, which at a slow reader's can take minutes. Who takes
    nothing and who takes a little look alike until then, unless the kernel is asked.
    """
    return transport.get_write_buffer_size() + _in_kernel(transport)


def _in_kernel(transport: Transport) -> int:
    descriptor = transport.fileno()
    if descriptor < 0:  # it is closed
        return 0
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    return int(count)
