"""The generator of our own against servers with a vice: every request of its schedule is counted, as what it was."""

import asyncio
import os
import socket
from collections import Counter

import pytest

from gateway.benchmark.generators import Place
from gateway.benchmark.generators.open_loop import OpenLoop
from gateway.benchmark.generators.open_loop_client import BROKEN_OFF, CLOSED_EARLY, NOT_HTTP
from gateway.benchmark.generators.open_loop_process import NEVER_SENT, TIMED_OUT
from gateway.benchmark.load import Load, Request, Steady, Step, Target
from gateway.benchmark.local_gateway import find_local
from gateway.benchmark.observer import Observer
from gateway.benchmark.tally import Tally, together
from tests.helpers import Origin, Reply
from tests.helpers.vices import (
    ClosesAtFirst,
    ClosesIdle,
    ClosesMidBody,
    ClosesOnReuse,
    ResetsMidBody,
    Scripted,
    SpeaksGarbage,
    StallsBeforeHead,
)

RATE, SECONDS = 100, 0.3
TOTAL = 30


async def asked(
    origin: Origin,
    *,
    request: Request | None = None,
    connections: int = 16,
    timeout: float = 2.0,
    keep_alive: bool = True,
) -> Tally:
    """What the generator counts of an origin."""
    target = Target.parse(f"http://{origin.address}/")
    place = Place(socket.AF_INET, ("127.0.0.1", origin.port))
    load = Load(
        (request or Request("r"),),
        Steady((Step(RATE, SECONDS),)),
        connections,
        keep_alive,
        timeout_seconds=timeout,
    )
    return together([part.whole async for part in OpenLoop().parts(target, place, load)])


GOOD: list[tuple[str, Origin, Request]] = [
    ("length", Origin(b"x" * 100_000), Request("r")),
    ("chunked", Scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), Request("r")),
    ("until the end", Scripted(b"HTTP/1.1 200 OK\r\n\r\nabc", then="close"), Request("r")),
    ("no body", Scripted(b"HTTP/1.1 204 No Content\r\n\r\n"), Request("r")),
    ("head", Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), Request("r", "HEAD")),
    ("interim", Scripted(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Request("r")),
    ("body", Origin(), Request("r", "POST", body=b"x" * 300_000)),
    ("close", Origin(lambda _: Reply(close=True)), Request("r")),
    ("closes when idle", ClosesIdle(b"x"), Request("r")),
    ("closes when asked again", ClosesOnReuse(b"x"), Request("r")),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "request_"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
async def test_answers_of_every_form_are_whole(origin: Origin, request_: Request) -> None:
    """All that HTTP/1.1 allows is one answer for one request."""
    async with origin:
        tally = await asked(origin, request=request_)
    assert (tally.requests, tally.failed, dict(tally.errors)) == (TOTAL, 0, {})
    assert tally.latencies.count == TOTAL


BAD: list[tuple[str, Origin, dict[str, int]]] = [
    ("resets", ResetsMidBody(), {BROKEN_OFF: TOTAL}),
    ("closes", ClosesMidBody(), {BROKEN_OFF: TOTAL}),
    ("garbage", SpeaksGarbage(), {NOT_HTTP: TOTAL}),
    ("closes at first", ClosesAtFirst(3), {CLOSED_EARLY: 3}),
]


@pytest.mark.parametrize(("origin", "errors"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_errors_by_kind(origin: Origin, errors: dict[str, int]) -> None:
    """What goes wrong is counted as what it is, and the rest is served."""
    async with origin:
        tally = await asked(origin)
    assert dict(tally.errors) == errors
    assert tally.requests == TOTAL


async def test_what_is_not_idempotent_is_not_sent_again() -> None:
    """A connection ends at its second request; nobody can tell whether that was heeded."""
    async with ClosesOnReuse(b"x") as origin:
        tally = await asked(origin, request=Request("r", "POST"), connections=1)
    assert set(tally.errors) == {CLOSED_EARLY}
    assert tally.statuses["200"] == len(origin.requests) == TOTAL - tally.errors[CLOSED_EARLY]


async def test_statuses_are_counted() -> None:
    """A 503 is an answer that failed."""
    async with Origin(lambda _: Reply(status=503)) as origin:
        tally = await asked(origin)
    assert (tally.statuses, tally.failed) == (Counter({"503": TOTAL}), TOTAL)


async def test_no_request_of_a_stalled_target_is_lost() -> None:
    """Two connections time out; what found none free is counted, too, with the time it waited."""
    async with StallsBeforeHead() as origin:
        tally = await asked(origin, connections=2, timeout=0.3)
    assert tally.requests == TOTAL
    assert set(tally.errors) == {TIMED_OUT, NEVER_SENT}
    assert tally.errors[TIMED_OUT] >= 2
    assert tally.latencies.count == TOTAL
    assert tally.latencies.percentile(50) > 250_000


async def test_a_refused_connection() -> None:
    """A target that has gone is told by every request."""
    async with Origin() as origin:
        pass
    tally = await asked(origin)
    assert dict(tally.errors) == {"connection refused": TOTAL}


async def test_who_listens_is_found() -> None:
    """The process that holds the socket: this one; what it used is seen; nobody holds a closed port."""
    async with Origin() as origin:
        place = Place(socket.AF_INET, ("127.0.0.1", origin.port))
        local = await asyncio.to_thread(find_local, place)
        assert local is not None
        assert local.pids == (os.getpid(),)
        observer = Observer(local)
        sum(range(2_000_000))
        seen = observer.look()
        assert seen is not None
        assert seen.cpu_seconds > 0
        assert seen.memory_bytes > 1_000_000
        assert 0 <= seen.machine_share <= 1
    assert find_local(place) is None
    assert find_local(Place(socket.AF_INET, ("192.0.2.1", 80))) is None
    assert Observer(None).look() is None
