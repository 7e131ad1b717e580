"""Counts a request in a real worker process, Python and all: started by the command, loaded over loopback.

One client sends one request at a time, so that every request takes the same path through the event loop.
"""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench.child import serving
from bench.configuration import configuration
from bench.instructions import callgrind
from bench.instructions.callgrind import CallgrindError, Profile
from bench.instructions.origin import Origin
from bench.messages import REQUEST_2_FIELDS, REQUEST_12_FIELDS, REQUEST_12_FIELDS_CLOSING, RESPONSE

REQUESTS = 2_000
"""Requests of one count."""
_WARM_UP = 1_000
"""Requests before a count: by then the interpreter has specialised the code of the request path."""
_ANSWER_SECONDS = 10.0
_READ_BYTES = 64 * 1024
_BODY = RESPONSE[-64:]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request."""

    name: str
    request: bytes
    access_log: bool = False
    connects: bool = False
    """Each request comes on a connection of its own."""


CASES = (
    Case("keep-alive, 12 fields", REQUEST_12_FIELDS),
    Case("keep-alive, 2 fields", REQUEST_2_FIELDS),
    Case("new connection, 12 fields", REQUEST_12_FIELDS_CLOSING, connects=True),
    Case("keep-alive, 12 fields, access log", REQUEST_12_FIELDS, access_log=True),
)


def count(requests: int = REQUESTS, cases: Sequence[Case] = CASES) -> Iterator[tuple[Case, Profile]]:
    """What one request of each case takes. Raises CallgrindError and ChildError."""
    for access_log in (False, True):
        alike = [case for case in cases if case.access_log == access_log]
        if alike:
            with _worker(access_log=access_log) as worker:
                for case in alike:
                    yield case, worker.count(case, requests)


class _Worker:
    """A worker under callgrind with one connection to it."""

    def __init__(self, pid: int, address: tuple[str, int], client: socket.socket, profile: Path) -> None:
        self._pid = pid
        self._address = address
        self._client = client
        self._profile = profile
        self._phases = 0

    def count(self, case: Case, requests: int) -> Profile:
        """What one of so many requests takes."""
        self._load(case, _WARM_UP)
        return self._load(case, requests).per(requests)

    @staticmethod
    def _ask(client: socket.socket, request: bytes) -> bytes:
        client.sendall(request)
        return client.recv(_READ_BYTES)

    def _load(self, case: Case, requests: int) -> Profile:
        for _ in range(requests):
            if case.connects:
                with socket.create_connection(self._address, _ANSWER_SECONDS) as client:
                    answer = self._ask(client, case.request)
                    if client.recv(1):
                        raise CallgrindError("the gateway has kept the connection")
            else:
                answer = self._ask(self._client, case.request)
            if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(_BODY)):
                raise CallgrindError(f"the gateway answered {answer!r}")
        self._phases += 1
        return callgrind.end_phase(self._pid, self._profile, self._phases)


@contextmanager
def _worker(*, access_log: bool) -> Iterator[_Worker]:
    with TemporaryDirectory(prefix="headgate-instructions-") as name, Origin(RESPONSE) as origin:
        folder = Path(name)
        file, profile = folder / "gateway.toml", folder / "profile"
        log = str(folder / "access.log") if access_log else "off"
        file.write_text(configuration(origin.address, access_log=log))
        hashing = os.environ | {"PYTHONHASHSEED": "0"}  # a dict's collisions would be others in every run
        command = (str(profile), "run", str(file))
        with serving("bench.instructions.command", *command, environment=hashing) as line:
            ready = json.loads(line)
            address = urlsplit(ready["listen"][0])
            target = (address.hostname, address.port)
            with socket.create_connection(target, _ANSWER_SECONDS) as client:
                yield _Worker(ready["workers"][0], target, client, profile)
