"""Counts exchanges in the engine alone, over real shared memory, without Python: the program
``native/shm/examples/exchanges.rs`` plays each case N and 2 N times, and the difference is what N exchanges take.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.instructions import callgrind
from bench.instructions.callgrind import CallgrindError, Profile
from bench.messages import REQUEST_2_FIELDS, REQUEST_12_FIELDS, RESPONSE
from bench.snapshot import published

EXCHANGES = 500
"""How often a case is played; every exchange after the first takes the same path."""
_ROUTES = 10_000
_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = "headgate-shm"
_PROGRAM = "exchanges"

_CONFIGURATION = """\
[log]
access = "{access_log}"

[[listen]]
address = "127.0.0.1:0"

[services.api]
instances = ["127.0.0.1:9000", "127.0.0.1:9001"]
balance = "p2c"
{services}
[[routes]]
name = "measured"
host = "www.example.com"
path = "/some/*"
{leads}
limit = [{{ name = "wide", rate = "1000000000/s", burst = 1000000000, key = "client_ip" }}]

[[routes]]
name = "free"
host = "www.example.com"
path = "/free/*"
service = "api"

[[routes]]
name = "held"
host = "www.example.com"
path = "/held/*"
service = "api"
limit = [{{ name = "wide", rate = "1000000000/s", burst = 1000000000, key = "client_ip" }}]
concurrency = 100

[[routes]]
name = "limited"
host = "www.example.com"
path = "/limited"
service = "api"
limit = [{{ name = "narrow", rate = "1/h", burst = 1, key = "client_ip" }}]
"""

_TO_SERVICE = 'service = "api"'
_NEXT = '[services.next]\ninstances = ["127.0.0.1:9002"]\n'
# The memory of the program has one service, so the other one gets nothing; to draw takes as long whatever the weights.
_PUBLISHED = """\
split = [{ service = "api", weight = 100 }, { service = "next", weight = 0 }]
request_headers = { set = { X-Client = "{client_ip}" }, remove = ["X-Debug"] }
rewrite = { prefix = "/api" }
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes from one side, and the engine's action that they must lead to."""

    side: str
    text: bytes
    action: str


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of exchange."""

    name: str
    steps: tuple[Step, ...]
    before: tuple[Step, ...] = ()
    """What happens once, before the first exchange."""
    access_log: bool = False
    reconnects: bool = False
    """Every exchange comes on a connection of its own."""
    other_routes: int = 0
    published: bool = False
    """The route splits its requests, changes two fields, and rewrites the path."""
    max_in_flight: int = 0
    """The cap of each instance; 0 for none."""

    def scene(self) -> dict[str, Any]:
        """The case as the program reads it."""
        configuration = _CONFIGURATION.format(
            access_log="stdout" if self.access_log else "off",
            services=_NEXT if self.published else "",
            leads=_PUBLISHED if self.published else _TO_SERVICE,
        )
        return {
            "snapshot": json.loads(published(configuration, other_routes=self.other_routes)),
            "reconnects": self.reconnects,
            "max_in_flight": self.max_in_flight,
            "before": [_step(step) for step in self.before],
            "steps": [_step(step) for step in self.steps],
        }


def _step(step: Step) -> dict[str, str]:
    return {"from": step.side, "text": step.text.decode("ascii"), "action": step.action}


def _answered(request: bytes, response: bytes = RESPONSE) -> tuple[Step, ...]:
    return (Step("client", request, "Forward"), Step("instance", response, "Finish"))


def _with_chunks(start: bytes) -> bytes:
    return start.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1)


_HEAD = b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\n"
_READ = 64 * 1024
_CHUNK = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
_FREE = REQUEST_12_FIELDS.replace(b"/some/path", b"/free/path", 1)
_CONCURRENT = REQUEST_12_FIELDS.replace(b"/some/path", b"/held/path", 1)
_LIMITED = REQUEST_12_FIELDS.replace(b"/some/path", b"/limited", 1)
_UNKNOWN = REQUEST_12_FIELDS.replace(b"www.example.com", b"unknown.example.com", 1)
_UPLOAD = _with_chunks(REQUEST_12_FIELDS.replace(b"GET ", b"POST ", 1))

CASES = (
    Case("12 fields", _answered(REQUEST_12_FIELDS)),
    Case("12 fields, no limit", _answered(_FREE)),
    Case("12 fields, a limit and a cap", _answered(REQUEST_12_FIELDS), max_in_flight=100),
    Case("12 fields, a limit and a concurrency limit", _answered(_CONCURRENT)),
    Case("2 fields", _answered(REQUEST_2_FIELDS)),
    Case("12 fields, access log", _answered(REQUEST_12_FIELDS), access_log=True),
    Case("12 fields, 10,000 routes", _answered(REQUEST_12_FIELDS), other_routes=_ROUTES - 1),
    Case("12 fields, split, two rules and a rewrite", _answered(REQUEST_12_FIELDS), published=True),
    Case("12 fields, a connection each", _answered(REQUEST_12_FIELDS), reconnects=True),
    Case("404", (Step("client", _UNKNOWN, "Reply"),)),
    Case("429", (Step("client", _LIMITED, "Reply"),), before=_answered(_LIMITED)),
    Case(
        "upload of 16 KiB in chunks",
        (
            Step("client", _UPLOAD, "Forward"),
            *[Step("client", _CHUNK, "Send")] * 4,
            Step("client", b"0\r\n\r\n", "Send"),
            Step("instance", RESPONSE, "Finish"),
        ),
    ),
    Case(
        "response of 1 MiB",
        (
            Step("client", REQUEST_12_FIELDS, "Forward"),
            Step("instance", _HEAD + b"Content-Length: 1048576\r\n\r\n", "Relay"),
            *[Step("instance", b"x" * _READ, "Relay")] * 15,
            Step("instance", b"x" * _READ, "Finish"),
        ),
    ),
    Case(
        "response of 16 KiB in chunks",
        (
            Step("client", REQUEST_12_FIELDS, "Forward"),
            Step("instance", _HEAD + b"Transfer-Encoding: chunked\r\n\r\n", "Relay"),
            *[Step("instance", _CHUNK, "Relay")] * 4,
            Step("instance", b"0\r\n\r\n", "Finish"),
        ),
    ),
)


def count(cases: Sequence[Case] = CASES, exchanges: int = EXCHANGES) -> Iterator[tuple[Case, Profile]]:
    """What one exchange of each case takes. Raises CallgrindError."""
    program = _built()
    with TemporaryDirectory(prefix="headgate-instructions-") as folder:
        for case in cases:
            scene = Path(folder) / "scene.json"
            scene.write_text(json.dumps(case.scene()))
            once, twice = (
                callgrind.run([str(program), str(scene), str(number)], Path(folder) / "profile")
                for number in (exchanges, 2 * exchanges)
            )
            yield case, twice.without(once).per(exchanges)


def toolchain() -> str:
    """What counts depend on beside the code: the compiler, and the machine it compiles for."""
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True, cwd=_ROOT).stdout
    return " ".join(re.findall(r"^(?:release|host): (.*)$", said, re.MULTILINE))


def _built() -> Path:
    """The program, optimised as the extension is."""
    command = ["cargo", "build", "--release", "--package", _PACKAGE, "--example", _PROGRAM]
    done = subprocess.run(
        [*command, "--message-format", "json"], cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise CallgrindError(f"{' '.join(command)} failed")
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return next(Path(message["executable"]) for message in messages if message.get("executable"))
