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

log = logging.getLogger("headgate.worker")

BACKLOG = 4096
"""Connections that may wait to be accepted; uvloop's default of 100 refuses under a burst."""
RESUME_RETRY_SECONDS = 0.1


class Listeners:
    """Accepts from the sockets of any worker slot, one server for each listener and slot."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: dict[str, list[int]],
        connection: Callable[[int], asyncio.Protocol],
    ) -> None:
        """``sockets``: for each listener the file descriptors by worker slot, or a single one that all share; they
        belong to this object. ``connection`` makes the protocol of an accepted connection from the number of its
        listener.
        """
        self._loop = loop
        self._sockets = sockets
        self._connection = connection
        self._slots: set[int] = set()
        self._servers: dict[tuple[str, int], asyncio.AbstractServer] = {}
        self._numbers: dict[str, int] = {}
        self._closed = False
        self._accepting = True
        self._resuming: asyncio.Task[None] | None = None

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

    async def follow(self, numbers: dict[str, int]) -> None:
        """Accepts at the listeners of the snapshot in force, by name and number, and at no other any more."""
        self._numbers = numbers
        for name in self._sockets.keys() - numbers.keys():
            self._forget(name)
        for slot in sorted(self._slots):
            await self._open_all(slot)

    async def serve(self, slot: int) -> None:
        """Accepts from the sockets of a slot on every listener, unless all is closed for good."""
        self._slots.add(slot)
        await self._open_all(slot)

    def accept(self, accepting: bool) -> None:
        """Accepts from the sockets that it serves, or leaves connections in their queues for the time being."""
        self._accepting = accepting
        if accepting:
            self._resuming = self._loop.create_task(self._resume())
        else:
            self._stop()

    async def _resume(self) -> None:
        while self._accepting:
            try:
                for slot in sorted(self._slots):
                    await self._open_all(slot)
            except OSError as error:  # another process may have taken the last descriptor of the machine
                log.error("cannot accept again yet: %s", error.strerror or error)  # noqa: TRY400 - no bug, so no trace
                await asyncio.sleep(RESUME_RETRY_SECONDS)
            else:
                return

    async def _open_all(self, slot: int) -> None:
        for name in self._numbers:
            if self._closed or not self._accepting or slot not in self._slots:
                return
            descriptors = self._sockets[name]
            place = slot if len(descriptors) > 1 else 0
            if (name, place) not in self._servers:
                self._keep((name, place), await self._open(name, descriptors[place]))

    def _keep(self, key: tuple[str, int], server: asyncio.AbstractServer) -> None:
        if self._closed or not self._accepting or key in self._servers:  # while it was opened
            server.close()
        else:
            self._servers[key] = server

    def release(self, slot: int) -> None:
        """Accepts no more from the sockets of a slot; its own worker does again. A shared socket stays open."""
        self._slots.discard(slot)
        for name, descriptors in self._sockets.items():
            if len(descriptors) > 1 and (server := self._servers.pop((name, slot), None)):
                server.close()

    def close(self) -> None:
        """Accepts no more, whatever is asked later."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()

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
        for key in [key for key in self._servers if key[0] == name]:
            self._servers.pop(key).close()
        for descriptor in self._sockets.pop(name):
            os.close(descriptor)

    async def _open(self, name: str, descriptor: int) -> asyncio.AbstractServer:
        listening = socket.socket(fileno=os.dup(descriptor))
        number = self._numbers[name]  # a listener keeps it for ever, and a connection may come after its end

        def accepted() -> asyncio.Protocol:
            return self._connection(number)

        if listening.family == socket.AF_UNIX:
            return await self._loop.create_unix_server(accepted, sock=listening, backlog=BACKLOG)
        return await self._loop.create_server(accepted, sock=listening, backlog=BACKLOG)
