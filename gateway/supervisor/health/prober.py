"""Asks one instance whether it is well: an HTTP request or a bare connect, bounded in time and in bytes.

The law: of a thousand instances some are asked at every moment, on the cores that serve requests. So a probe is one object, which the
reactor calls and which knows its finding; it has no task, no stream and no transport of uvloop's.
"""

import asyncio
import os
from dataclasses import dataclass
from enum import StrEnum

import httptools

from gateway import tcp
from gateway.model import AddressKind, InstanceAddress
from gateway.state.sockets import Reactor, Transport
from gateway.supervisor.health.policy import Outcome

MAX_HEAD_BYTES = (
    16 * 1024
)  # a health answer needs a few hundred; an endless head must not grow the supervisor
HEALTHY_STATUS = range(200, 400)  # a redirect is an answer of a living server


class Probe(StrEnum):
    """What is asked."""

    HTTP = "http"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Check:
    """How the instances of a service are probed. Times are in seconds."""

    probe: Probe
    path: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one probe and, in a few words, why."""

    outcome: Outcome
    reason: str


class Prober:
    """Probes instances over sockets of its own."""

    __slots__ = ("_loop", "_reactor")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Raises OSError."""
        self._loop = loop
        self._reactor = Reactor(loop, tcp.KEEPALIVE)
        loop.add_reader(self._reactor.fileno(), self._reactor.turn)

    async def probe(self, address: InstanceAddress, check: Check) -> Finding:
        """Probes an instance once; never raises for anything the instance does, and leaves no connection behind."""
        finding: asyncio.Future[Finding] = self._loop.create_future()
        request = None if check.probe is Probe.TCP else _request(address, check.path)
        conversation = _Conversation(finding, request)
        late = self._loop.call_later(
            check.timeout_s, conversation.fail, f"no answer within {check.timeout_s:g} s"
        )
        target = address.path if address.kind is AddressKind.UNIX else (address.host, address.port)
        timeout_ms = round(check.timeout_s * 1000)
        conversation.transport = self._reactor.connect(target, conversation, timeout_ms, may_speak=True)
        try:
            return await finding
        finally:
            late.cancel()
            conversation.close()

    def close(self) -> None:
        """Ends what is under way, without a word to anybody."""
        self._loop.remove_reader(self._reactor.fileno())
        self._reactor.close()


class _Conversation(asyncio.Protocol):
    """One connection to an instance. It reads a response up to its status: the head must be whole and well formed, the body
    is not waited for. Without a request the connection alone is asked for.
    """

    __slots__ = ("_finding", "_parser", "_received", "_request", "transport")

    def __init__(self, finding: asyncio.Future[Finding], request: bytes | None) -> None:
        self.transport: Transport | None = None
        """The connection, also while it is under way; None where there is none."""
        self._finding = finding
        self._request = request
        self._parser: httptools.HttpResponseParser | None = None
        """It knows us, so it goes as soon as there is a finding: nothing is left for the collector."""
        self._received = 0

    def close(self) -> None:
        """Ends the connection, or gives it up."""
        if self.transport is not None:
            self.transport.abort()

    def fail(self, reason: str) -> None:
        """The instance is not well, unless there is a finding already."""
        self._conclude(Finding(Outcome.FAILED, reason))

    # What the reactor calls

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # it is one of ours
        """The instance accepts connections."""
        self.transport = transport
        if self._request is None:
            self._conclude(Finding(Outcome.PASSED, "accepts connections"))
        else:
            self._parser = httptools.HttpResponseParser(self)
            transport.write(self._request)

    def connection_failed(self, error: int) -> None:
        """It does not, for this reason of the system's (errno)."""
        self.fail(os.strerror(error).lower())

    def data_received(self, data: bytes) -> None:
        """Feeds the parser until the head is complete or too long."""
        if self._parser is None:
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.fail("the answer is not HTTP")
        if self._received > MAX_HEAD_BYTES:
            self.fail(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes")

    def eof_received(self) -> bool:
        """An answer that ends within its head is none."""
        self.fail("closed the connection without an answer")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """A reset tells the same as an early end."""
        self.fail("reset the connection" if exc else "closed the connection without an answer")

    # httptools

    def on_headers_complete(self) -> None:
        """The final status counts; interim answers (RFC 9110 §15.2) are passed over."""
        if self._parser is not None and (status := self._parser.get_status_code()) >= 200:
            self._conclude(judge_status(status))

    def _conclude(self, finding: Finding) -> None:
        self._parser = None
        if not self._finding.done():  # nor cancelled
            self._finding.set_result(finding)


def judge_status(status: int) -> Finding:
    """What a final status code says about the instance."""
    outcome = Outcome.PASSED if status in HEALTHY_STATUS else Outcome.FAILED
    return Finding(outcome, f"status {status}")


def _request(address: InstanceAddress, path: str) -> bytes:
    host = "localhost" if address.kind is AddressKind.UNIX else str(address)
    fields = f"Host: {host}\r\nUser-Agent: headgate-health\r\nAccept: */*\r\nConnection: close\r\n"
    return f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()
