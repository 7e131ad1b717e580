"""Asks one instance whether it is well: an HTTP request or a bare connect, bounded in time and in bytes."""

import asyncio
import os
from dataclasses import dataclass
from enum import StrEnum

import httptools

from gateway.model import AddressKind, InstanceAddress
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


async def probe(address: InstanceAddress, check: Check) -> Finding:
    """Probes an instance once; never raises for anything the instance does, and leaves no connection behind."""
    try:
        async with asyncio.timeout(check.timeout_s):
            if check.probe is Probe.TCP:
                return await _connects(address)
            return await _answers(address, check.path)
    except TimeoutError:
        return Finding(Outcome.FAILED, f"no answer within {check.timeout_s:g} s")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return Finding(Outcome.FAILED, reason.lower())


async def _connects(address: InstanceAddress) -> Finding:
    transport, _ = await _connect(address, asyncio.Protocol())
    transport.abort()
    return Finding(Outcome.PASSED, "accepts connections")


async def _answers(address: InstanceAddress, path: str) -> Finding:
    answer = _Answer(asyncio.get_running_loop().create_future())
    transport, _ = await _connect(address, answer)
    try:
        transport.write(_request(address, path))
        return judge_status(await answer.status)
    except _BadAnswerError as error:
        return Finding(Outcome.FAILED, str(error))
    finally:
        transport.abort()


def judge_status(status: int) -> Finding:
    """What a final status code says about the instance."""
    outcome = Outcome.PASSED if status in HEALTHY_STATUS else Outcome.FAILED
    return Finding(outcome, f"status {status}")


async def _connect(
    address: InstanceAddress, protocol: asyncio.Protocol
) -> tuple[asyncio.Transport, asyncio.Protocol]:
    loop = asyncio.get_running_loop()
    if address.kind is AddressKind.UNIX:
        made = await loop.create_unix_connection(lambda: protocol, address.path)
    else:
        made = await loop.create_connection(lambda: protocol, address.host, address.port)
    return made[0], protocol


def _request(address: InstanceAddress, path: str) -> bytes:
    host = "localhost" if address.kind is AddressKind.UNIX else str(address)
    fields = f"Host: {host}\r\nUser-Agent: headgate-health\r\nAccept: */*\r\nConnection: close\r\n"
    return f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()


class _BadAnswerError(Exception):
    """What came back is no answer, or not all of one."""


class _Answer(asyncio.Protocol):
    """Reads a response up to its status: the head must be whole and well formed, the body is not waited for."""

    def __init__(self, status: asyncio.Future[int]) -> None:
        self.status = status
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0

    # asyncio

    def data_received(self, data: bytes) -> None:
        """Feeds the parser until the head is complete or too long."""
        if self.status.done():
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("the answer is not HTTP")
        if self._received > MAX_HEAD_BYTES:
            self._fail(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes")

    def eof_received(self) -> None:
        """An answer that ends within its head is none."""
        self._fail("closed the connection without an answer")

    def connection_lost(self, exc: Exception | None) -> None:
        """A reset tells the same as an early end."""
        self._fail("reset the connection" if exc else "closed the connection without an answer")

    # httptools

    def on_headers_complete(self) -> None:
        """The final status counts; interim answers (RFC 9110 §15.2) are passed over."""
        status = self._parser.get_status_code()
        if status >= 200 and not self.status.done():  # the first final status code
            self.status.set_result(status)

    def _fail(self, reason: str) -> None:
        if not self.status.done():
            self.status.set_exception(_BadAnswerError(reason))
