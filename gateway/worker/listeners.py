"""The listening sockets that this worker accepts from: its own, and those of a neighbour that is not there.

The sockets belong to the supervisor and stay open for as long as it lives and their listener is configured. What is
opened and closed here is a duplicate, so that a queue of connections is never lost with a worker.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from functools import partial

from gateway.state.sockets import Listener, Reactor

log = logging.getLogger("headgate.worker")

BACKLOG = 4096
"""Connections that may wait to be accepted."""
RESUME_RETRY_SECONDS = 0.1


class Listeners:
    """Accepts from the sockets of any worker slot, from a duplicate for each listener and slot."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reactor: Reactor,
        sockets: dict[str, list[int]],
        connection: Callable[[int], asyncio.Protocol],
    ) -> None:
        """``sockets``: for each listener the file descriptors by worker slot, or a single one that all share; they
        belong to this object. ``connection`` makes the protocol of an accepted connection from the number of its
        listener.
        """
        self._loop = loop
        self._reactor = reactor
        self._sockets = sockets
        self._connection = connection
        self._slots: set[int] = set()
        self._open: dict[tuple[str, int], Listener] = {}
        self._numbers: dict[str, int] = {}
        self._closed = False
        self._accepting = True

    @property
    def descriptors(self) -> int:
        """How many descriptors it takes to accept everywhere: the sockets, their duplicates, and for each of these a
        connection that has just been accepted.
        """
        sockets = sum(map(len, self._sockets.values()))
        return sockets + 2 * len(self._sockets) * max(1, len(self._slots))

    def inherit(self, name: str, descriptors: list[int]) -> None:
        """Takes the sockets of a new listener, or those of further worker slots."""
        self._sockets.setdefault(name, []).extend(descriptors)

    def follow(self, numbers: dict[str, int]) -> None:
        """Accepts at the listeners of the snapshot in force, by name and number, and at no other any more."""
        self._numbers = numbers
        for name in self._sockets.keys() - numbers.keys():
            self._forget(name)
        self._resume()

    def serve(self, slot: int) -> None:
        """Accepts from the sockets of a slot on every listener, unless all is closed for good."""
        self._slots.add(slot)
        self._resume()

    def accept(self, accepting: bool) -> None:
        """Accepts from the sockets that it serves, or leaves connections in their queues for the time being."""
        self._accepting = accepting
        if accepting:
            self._resume()
        else:
            self._stop()

    def _resume(self) -> None:
        try:
            self._open_all()
        except OSError as error:  # another process may have taken the last descriptor of the machine
            log.error("cannot accept again yet: %s", error.strerror or error)  # noqa: TRY400 - no bug, so no trace
            self._loop.call_later(RESUME_RETRY_SECONDS, self._resume)

    def _open_all(self) -> None:
        """Opens what should be open and is not. Raises OSError."""
        if self._closed or not self._accepting:
            return
        for slot in sorted(self._slots):
            for name, number in self._numbers.items():
                descriptors = self._sockets[name]
                place = slot if len(descriptors) > 1 else 0
                if (name, place) not in self._open:
                    # A listener keeps its number for ever, and a connection may come after its end.
                    accepted = partial(self._connection, number)
                    self._open[name, place] = self._reactor.listen(descriptors[place], BACKLOG, accepted)

    def release(self, slot: int) -> None:
        """Accepts no more from the sockets of a slot; its own worker does again. A shared socket stays open."""
        self._slots.discard(slot)
        for name, descriptors in self._sockets.items():
            if len(descriptors) > 1 and (listener := self._open.pop((name, slot), None)):
                listener.close()

    def close(self) -> None:
        """Accepts no more, whatever is asked later."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        for listener in self._open.values():
            listener.close()
        self._open.clear()

    def abandon(self) -> None:
        """Gives up the sockets themselves, after the supervisor's death: nothing may keep a successor from the port.

        A close would not do, since every worker holds every socket and one of them may be stopped. So each is shut
        down, which ends the listening for all who hold it; the port is free for whoever binds it with SO_REUSEADDR.
        An inherited socket (``fd:N``) is only closed: whoever gave it to the supervisor may go on with it.
        """
        self.close()
        for name, descriptors in self._sockets.items():
            for descriptor in descriptors:
                with socket.socket(fileno=descriptor) as listening, contextlib.suppress(OSError):
                    if not name.startswith("fd:"):
                        listening.shutdown(socket.SHUT_RDWR)
        self._sockets = {}

    def _forget(self, name: str) -> None:
        for key in [key for key in self._open if key[0] == name]:
            self._open.pop(key).close()
        for descriptor in self._sockets.pop(name):
            os.close(descriptor)
