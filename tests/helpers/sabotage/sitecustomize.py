"""Has a worker's connection raise where a message asks for it: ``X-Fault: receive`` or ``X-Fault: respond``.

Python loads a module of this name at start from its path. Only tests put this folder there, so nothing of it is in the
gateway, which runs its own code otherwise. A worker without such messages behaves as ever.
"""

import sys
from typing import Any


class AskedForError(BaseException):
    """As a panic of the engine, it is no Exception."""


def _sabotage() -> None:
    from gateway.worker import ingress, upstream  # noqa: PLC0415 - only a worker is to load them

    def ask(protocol: type[Any], step: str) -> None:
        honest = protocol.data_received

        def data_received(self: Any, data: bytes) -> None:
            if b"X-Fault: " + step.encode() in data:
                raise AskedForError(step)
            honest(self, data)

        protocol.data_received = data_received

    ask(ingress.ClientConnection, "receive")
    ask(upstream.UpstreamConnection, "respond")


if "gateway.worker" in sys.orig_argv:
    _sabotage()
