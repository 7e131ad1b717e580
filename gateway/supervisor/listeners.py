"""Keeps the listeners in step with the configuration: what is new is opened whole or not at all, what is gone refuses.

The socket of a worker slot is never closed while its listener lives, whether the slot has a worker or not: connections
that wait in its queue would be reset.
"""

import contextlib
import logging
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.model import ListenAddress
from gateway.supervisor.failure import StartError
from gateway.supervisor.sockets import Listener, open_listener
from gateway.tcp import user_timeout_ms

logger = logging.getLogger("headgate.listeners")


@dataclass(slots=True)
class Opening:
    """Sockets that were opened for a new configuration and belong to nobody yet."""

    slots: int
    listeners: list[Listener] = field(default_factory=list)
    further: dict[str, tuple[socket.socket, ...]] = field(default_factory=dict)
    """For listeners that exist: sockets for further worker slots."""

    def abandon(self) -> None:
        """Closes them: the new configuration does not come."""
        for listener in self.listeners:
            listener.close()
        for sockets in self.further.values():
            for sock in sockets:
                sock.close()

    def descriptors(self) -> dict[str, list[int]]:
        """What running workers do not have yet, by listener."""
        new = {listener.name: listener.filenos() for listener in self.listeners}
        return new | {
            name: [sock.fileno() for sock in socks] for name, socks in self.further.items() if socks
        }


class Listeners:
    """All listeners, by name."""

    def __init__(self) -> None:
        self._listeners: dict[str, Listener] = {}
        self._slots = 0

    def open(self, addresses: Iterable[ListenAddress], slots: int) -> Opening:
        """Opens what is missing for these addresses and worker slots; nothing else changes. Raises StartError."""
        opening = Opening(max(slots, self._slots))
        with contextlib.ExitStack() as undo:
            undo.callback(opening.abandon)
            for address in addresses:
                if (listener := self._listeners.get(str(address))) is not None:
                    opening.further[listener.name] = _further(listener, opening.slots)
                else:
                    # A client of a running gateway must not wait in the queue of a worker that is yet to come, nor of
                    # a configuration that is refused in the end: a new socket listens when its worker does.
                    new = open_listener(address, opening.slots, listen=not self._listeners)
                    opening.listeners.append(new)
            undo.pop_all()
        return opening

    def take(self, opening: Opening) -> None:
        """What was opened is in force from now on."""
        self._slots = opening.slots
        for listener in opening.listeners:
            self._listeners[listener.name] = listener
        for name, sockets in opening.further.items():
            self._listeners[name].sockets += sockets

    def adjust(self, write_timeouts: Mapping[str, int]) -> None:
        """Has the kernel be no less patient with clients than we are: milliseconds for a write, by listener."""
        for name, milliseconds in write_timeouts.items():
            self._listeners[name].give_up_after(user_timeout_ms(milliseconds))

    def quiesce_all_but(self, addresses: Iterable[ListenAddress]) -> None:
        """Lets no further connection into the queues of every other listener; workers still accept what is there."""
        kept = {str(address) for address in addresses}
        for name, listener in self._listeners.items():
            if name not in kept:
                listener.quiesce()

    def end_all_but(self, addresses: Iterable[ListenAddress]) -> None:
        """Refuses connections at every other listener and closes it, once no worker is to accept there any more."""
        kept = {str(address) for address in addresses}
        for name in self._listeners.keys() - kept:
            listener = self._listeners.pop(name)
            listener.refuse()  # workers on their way out still hold copies, and nobody accepts from those
            listener.close()
            logger.info("no longer listening on %s", name)

    def refuse(self) -> None:
        """Refuses every new connection."""
        for listener in self._listeners.values():
            listener.refuse()

    def close(self) -> None:
        """Closes all; for the end of the gateway."""
        for listener in self._listeners.values():
            listener.close()

    def filenos(self, opening: Opening | None = None) -> dict[str, list[int]]:
        """The descriptors that a worker inherits, by listener and in the order of the worker slots; with those of an
        opening if it is for the configuration that this is made for.
        """
        numbers = {name: listener.filenos() for name, listener in self._listeners.items()}
        for name, further in (opening.descriptors() if opening is not None else {}).items():
            numbers.setdefault(name, []).extend(further)
        return numbers

    def urls(self) -> dict[str, str]:
        """Where each listener can be reached, by name."""
        return {name: listener.url for name, listener in self._listeners.items()}


def _further(listener: Listener, slots: int) -> tuple[socket.socket, ...]:
    try:
        return listener.further(slots)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StartError(f"cannot open {listener.name} for more workers: {reason}") from None
