"""Has a worker's state machine raise where a message asks for it: ``X-Fault: receive`` or ``X-Fault: respond``.

Python loads a module of this name at start from its path. Only tests put this folder there, so nothing of it is in the
gateway, which runs its own code otherwise. A worker without such messages behaves as ever.
"""

import sys
from typing import Any


class AskedForError(BaseException):
    """As a panic of the engine, it is no Exception."""


def _sabotage() -> None:
    from gateway.worker import ingress  # noqa: PLC0415 - only a worker is to load it

    honest = ingress.Connection

    class Sabotaged:
        def __init__(self, *arguments: Any) -> None:
            self._machine = honest(*arguments)

        def receive(self, data: bytes, now: int) -> Any:
            if b"X-Fault: receive" in data:
                raise AskedForError("receive")
            return self._machine.receive(data, now)

        def respond(self, data: bytes, now: int) -> Any:
            if b"X-Fault: respond" in data:
                raise AskedForError("respond")
            return self._machine.respond(data, now)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._machine, name)

    ingress.Connection = Sabotaged  # type: ignore[misc, assignment]


if "gateway.worker" in sys.orig_argv:
    _sabotage()
