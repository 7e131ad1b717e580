"""Parcels of listening sockets that the supervisor hands to a running worker, beside the channel of messages.

The channel's transport cannot carry descriptors (uvloop offers no ancillary data), so they travel on a socketpair of
their own: SOCK_SEQPACKET, one packet per parcel, which can neither split nor merge. A parcel is sent before the snapshot
that needs it, and names its epoch, so that its reader has it when the snapshot comes and knows that it belongs there.
"""

import array
import os
import socket
from dataclasses import dataclass

import orjson

MAX_DESCRIPTORS = 253  # SCM_MAX_FD: more do not fit into one packet (unix(7))
_MAX_LABEL_BYTES = 4096  # an epoch and the address of a listener
_SPACE = socket.CMSG_LEN(MAX_DESCRIPTORS * array.array("i").itemsize)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Further sockets of one listener, in the order of the worker slots."""

    epoch: int
    listener: str
    descriptors: list[int]


def socketpair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a way for parcels; neither blocks."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def send(end: socket.socket, parcel: Parcel) -> None:
    """Hands the descriptors over; the sender keeps its own. Raises OSError when the reader is gone or never reads."""
    label = orjson.dumps({"epoch": parcel.epoch, "listener": parcel.listener})
    numbers = array.array("i", parcel.descriptors)
    end.sendmsg([label], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])


def receive(end: socket.socket) -> list[Parcel]:
    """Every parcel that has arrived; its descriptors belong to the caller."""
    parcels: list[Parcel] = []
    while True:
        try:
            label, ancillary, flags, _ = end.recvmsg(_MAX_LABEL_BYTES, _SPACE, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return parcels
        if not label:
            return parcels  # the sender is gone
        numbers = array.array("i")
        for _, _, data in ancillary:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        if flags & socket.MSG_CTRUNC:  # this process has no descriptor left: half a parcel is of no use
            for number in numbers:
                os.close(number)
            raise OSError("no descriptor left for the listening sockets of a new configuration")
        parcels.append(Parcel(**orjson.loads(label), descriptors=numbers.tolist()))
