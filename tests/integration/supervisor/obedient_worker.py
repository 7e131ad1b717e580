"""A worker that only knows the channel: it answers every connection with its slot, and dies as its name is.

Its first argument is its manner: ``serves``, ``refuses`` (the snapshot), ``dies`` (before it is ready), ``hangs``
(never says a word), ``dawdles`` (ignores the drain), ``balks`` (refuses every snapshot but the first).
"""

import json
import os
import selectors
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from gateway import descriptors
from gateway.channel import Decoder, Message, encode


class Worker:
    """One worker, without asyncio."""

    def __init__(self, manner: str, start: Message) -> None:
        self.manner = manner
        self.slot: int = start["slot"]
        self.channel = socket.socket(fileno=start["channel"])
        self.parcels = socket.socket(fileno=start["parcels"])
        self.served: set[int] = set()
        self.sockets = {
            name: [socket.socket(fileno=number) for number in numbers]
            for name, numbers in start["sockets"].items()
        }
        for inherited in (start["memory"], *start["wakes"]):
            os.fstat(inherited)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.channel, selectors.EVENT_READ)
        self.decoder = Decoder()

    def run(self) -> None:
        """Obeys until the channel ends."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is not self.channel:
                    self.greet(key.fileobj)  # type: ignore[arg-type]
                elif data := self.channel.recv(65536):
                    for message, _ in self.decoder.feed(data):
                        self.obey(message)
                else:
                    sys.exit(0)

    def greet(self, listening: socket.socket) -> None:
        """Says who serves; another worker may have been faster."""
        try:
            client, _ = listening.accept()
        except BlockingIOError:
            return
        with client:
            client.sendall(f"{self.slot}\n".encode())

    def obey(self, message: Message) -> None:
        """One message of the supervisor."""
        match message["type"]:
            case "snapshot" if self.manner == "dies":
                sys.exit(3)
            case "snapshot" if self.manner == "hangs":
                pass
            case "snapshot" if self.manner == "refuses":
                self.tell({"type": "refused", "epoch": message["epoch"], "reason": "a route leads nowhere"})
            case "snapshot" if self.manner == "balks" and self.served:
                self.tell({"type": "refused", "epoch": message["epoch"], "reason": "it is new"})
            case "snapshot":
                for parcel in descriptors.receive(self.parcels):
                    self.inherit(parcel)
                self.tell({"type": "ack", "epoch": message["epoch"]})
            case "serve" if not self.served:
                self.serve(self.slot)
                self.tell({"type": "ready"})
            case "adopt":
                self.serve(message["slot"])
            case "release":
                self.served.discard(message["slot"])
                for group in self.sockets.values():
                    self.selector.unregister(group[message["slot"]])
            case "leave":
                self.tell({"type": "drained"})
                sys.exit(0)
            case "drain" if self.manner != "dawdles":
                self.tell({"type": "drained"})
                sys.exit(0)

    def serve(self, slot: int) -> None:
        """Accepts from the sockets of a slot."""
        self.served.add(slot)
        for group in self.sockets.values():
            self.open(group[slot])

    def inherit(self, parcel: descriptors.Parcel) -> None:
        """Sockets of a new listener, or of further slots."""
        group = self.sockets.setdefault(parcel.listener, [])
        first = len(group)
        group += (socket.socket(fileno=number) for number in parcel.descriptors)
        for slot in self.served:
            if slot >= first:
                self.open(group[slot])

    def open(self, listening: socket.socket) -> None:
        """Accepts from one socket."""
        listening.listen(64)
        self.selector.register(listening, selectors.EVENT_READ)

    def tell(self, message: Message) -> None:
        """One message to the supervisor."""
        self.channel.sendall(encode(message))


if __name__ == "__main__":
    Worker(sys.argv[1], json.loads(sys.argv[2])).run()
