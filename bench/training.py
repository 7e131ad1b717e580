"""What a build by profile is trained with: the usual exchanges and the usual refusals, through a gateway as users start it.

`maturin --pgo` runs it (`pgo-command` in pyproject.toml) where nothing but the instrumented wheel is installed. The rule of this
file: `gateway` comes from there and not from the tree, so no process starts in the tree's folder.
"""

import json
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench.configuration import configuration
from bench.instructions.origin import Origin
from bench.messages import REQUEST_2_FIELDS, REQUEST_12_FIELDS, RESPONSE

_EXCHANGES = 5_000
"""Of each kind on one connection; more of them change no decision of the compiler."""
_CONNECTIONS = 500
_SECONDS = 10.0
_READ_BYTES = 64 * 1024
_ROUTES = """
[[routes]]
host = "www.example.com"
path = "/limited"
service = "api"
limit = { rate = "1/h", burst = 1, key = "client_ip" }
"""
_UNKNOWN = REQUEST_12_FIELDS.replace(b"www.example.com", b"unknown.example.com", 1)
_LIMITED = REQUEST_12_FIELDS.replace(b"/some/path", b"/limited", 1)


def main() -> None:
    """One run with the access log, one without. Raises AssertionError when the gateway answers otherwise than it should."""
    for logs in (False, True):
        with TemporaryDirectory(prefix="headgate-training-") as folder, Origin(RESPONSE) as origin:
            log = f"{folder}/access.log" if logs else "off"
            file = Path(folder, "gateway.toml")
            file.write_text(configuration(origin.address, access_log=log, routes=_ROUTES))
            _train(file)


def _train(file: Path) -> None:
    command = [sys.executable, "-P", "-m", "gateway", "run", str(file)]
    gateway = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=file.parent)
    assert gateway.stdout is not None, "asked for above"
    with gateway:
        try:
            address = urlsplit(json.loads(gateway.stdout.readline())["listen"][0])
            _load((str(address.hostname), int(address.port or 0)))
        finally:
            gateway.terminate()  # politely: a process that is killed leaves no profile
    assert gateway.returncode == 0, "the gateway did not end as it should"


def _load(address: tuple[str, int]) -> None:
    with socket.create_connection(address, _SECONDS) as client:
        _ask(client, _LIMITED, 200, 1)
        for request, status in (
            (REQUEST_12_FIELDS, 200),
            (REQUEST_2_FIELDS, 200),
            (_UNKNOWN, 404),
            (_LIMITED, 429),
        ):
            _ask(client, request, status, _EXCHANGES)
    for _ in range(_CONNECTIONS):
        with socket.create_connection(address, _SECONDS) as client:
            _ask(client, REQUEST_12_FIELDS, 200, 1)


def _ask(client: socket.socket, request: bytes, status: int, times: int) -> None:
    for _ in range(times):
        client.sendall(request)
        answer = client.recv(_READ_BYTES)
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer
