"""Parcels of descriptors over a real socketpair."""

import os
import socket

import pytest

from gateway import descriptors
from gateway.descriptors import MAX_DESCRIPTORS, Parcel


def test_parcels_arrive_whole_and_in_order() -> None:
    """Each comes with its label and with new descriptors for the same files; the sender keeps its own."""
    ours, theirs = descriptors.socketpair()
    reader, writer = os.pipe()
    with ours, theirs:
        descriptors.send(ours, Parcel(2, "127.0.0.1:0", [reader, writer]))
        descriptors.send(ours, Parcel(3, "unix:/s", [writer]))
        first, second = descriptors.receive(theirs)
        assert (first.epoch, first.listener, len(first.descriptors)) == (2, "127.0.0.1:0", 2)
        assert (second.epoch, second.listener, len(second.descriptors)) == (3, "unix:/s", 1)
        assert descriptors.receive(theirs) == []
    os.write(first.descriptors[1], b"x")
    assert os.read(reader, 1) == b"x"
    for number in (reader, writer, *first.descriptors, *second.descriptors):
        assert number in (reader, writer) or not os.get_inheritable(number)
        os.close(number)


def test_as_many_as_a_packet_holds() -> None:
    """The kernel's own bound is far above the number of workers."""
    ours, theirs = descriptors.socketpair()
    with ours, theirs, socket.socket() as sock:
        descriptors.send(ours, Parcel(1, "a", [sock.fileno()] * MAX_DESCRIPTORS))
        (parcel,) = descriptors.receive(theirs)
        assert len(set(parcel.descriptors)) == MAX_DESCRIPTORS
        for number in parcel.descriptors:
            os.close(number)


def test_a_reader_that_never_reads_does_not_block_the_sender() -> None:
    """Sooner or later sending is an error, and the descriptors under way close with the socketpair."""
    ours, theirs = descriptors.socketpair()

    def send_for_ever() -> None:
        for epoch in range(100_000):
            descriptors.send(ours, Parcel(epoch, "a", [ours.fileno()]))

    with ours, theirs, pytest.raises(OSError, match=r"temporarily unavailable|Too many references"):
        send_for_ever()


def test_the_end_of_the_sender() -> None:
    """What it sent before is still there; after it there is nothing."""
    ours, theirs = descriptors.socketpair()
    with theirs:
        descriptors.send(ours, Parcel(1, "a", [theirs.fileno()]))
        ours.close()
        (parcel,) = descriptors.receive(theirs)
        os.close(parcel.descriptors[0])
        assert descriptors.receive(theirs) == []
