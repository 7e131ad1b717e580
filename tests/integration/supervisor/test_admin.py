"""The admin server on a real socket, in front of a gateway that says what the test wants."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from gateway.errors import Mistake, Place
from gateway.model import ListenAddress
from gateway.supervisor.admin.app import application
from gateway.supervisor.admin.server import AdminServer
from gateway.supervisor.reload import Outcome
from gateway.supervisor.sockets import open_listener


class Says:
    """What the admin plane asks."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.outcome = Outcome(
            applied=True, epoch=4, changes=("route a added",), warnings=("worker 2 is starting",)
        )
        self.reloads = 0
        self.may_render = threading.Event()
        self.may_render.set()

    def not_ready_because(self) -> list[str]:
        """What the test has put there."""
        return self.reasons

    def metrics(self) -> Callable[[], str]:
        """One sample, as soon as it may be written."""

        def page() -> str:
            assert self.may_render.wait(5)
            return "up 1\n"

        return page

    async def status(self) -> Callable[[], dict[str, Any]]:
        """A small document, as soon as it may be made."""

        def document() -> dict[str, Any]:
            assert self.may_render.wait(5)
            return {"epoch": 3}

        return document

    async def reload(self) -> Outcome:
        """What the test wants."""
        self.reloads += 1
        return self.outcome


@contextlib.asynccontextmanager
async def _admin(says: Says) -> AsyncIterator[str]:
    listener = open_listener(ListenAddress.parse("127.0.0.1:0"), 1)
    server = AdminServer(application(says, says), listener.sockets[0])
    server.start()
    try:
        yield listener.url
    finally:
        async with asyncio.timeout(5):
            await server.stop()


@pytest.mark.parametrize(
    ("path", "reasons", "code", "kind", "body"),
    [
        ("/live", ["draining"], 200, "application/json", b'{"live":true}\n'),
        ("/ready", [], 200, "application/json", b'{"ready":true,"reasons":[]}\n'),
        ("/ready", ["draining"], 503, "application/json", b'{"ready":false,"reasons":["draining"]}\n'),
        ("/metrics", [], 200, "text/plain; version=0.0.4; charset=utf-8", b"up 1\n"),
        ("/v1/status", [], 200, "application/json", b'{"epoch":3}\n'),
    ],
)
async def test_an_endpoint(path: str, reasons: list[str], code: int, kind: str, body: bytes) -> None:
    """Status, type and body are those of the contract, and nobody may cache them."""
    says = Says()
    says.reasons = reasons
    async with _admin(says) as url, aiohttp.ClientSession() as session, session.get(url + path) as response:
        assert (response.status, response.headers["content-type"]) == (code, kind)
        assert await response.read() == body
        assert response.headers["cache-control"] == "no-store"


async def test_reading_is_not_writing() -> None:
    """Nothing can be posted to what is read, nor read what is posted to, and an unknown path is a 404."""
    async with _admin(Says()) as url, aiohttp.ClientSession() as session:
        async with session.post(url + "/v1/status") as response:
            assert response.status == 405
        async with session.get(url + "/v1/reload") as response:
            assert response.status == 405
        async with session.get(url + "/") as response:
            assert response.status == 404


async def test_signals_stay_with_the_gateway() -> None:
    """uvicorn does not put its own handlers in place."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with _admin(Says()) as url, aiohttp.ClientSession() as session, session.get(url + "/live"):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_client_that_stays_does_not_hold_up_the_stop() -> None:
    """Neither an idle connection nor half a request."""
    async with _admin(Says()) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        _, idle = await asyncio.open_connection(host, int(port))
        _, half = await asyncio.open_connection(host, int(port))
        half.write(b"GET /live HTTP/1.1\r\n")
        await half.drain()
    idle.close()
    half.close()


WRONG = Outcome(
    applied=False,
    epoch=3,
    reason="the configuration is wrong",
    mistakes=(
        Mistake("unknown key", "gateway.worker", Place(2, 1), "worker = 1"),
        Mistake("the file is empty"),
    ),
)
REFUSED = Outcome(applied=False, epoch=3, reason="cannot listen on 127.0.0.1:80: permission denied")


@pytest.mark.parametrize(
    ("outcome", "code", "document"),
    [
        (
            Outcome(applied=True, epoch=4, changes=("route a added",), warnings=("worker 2 is starting",)),
            200,
            {"applied": True, "epoch": 4, "changes": ["route a added"], "warnings": ["worker 2 is starting"]},
        ),
        (
            WRONG,
            422,
            {
                "applied": False,
                "epoch": 3,
                "reason": "the configuration is wrong",
                "mistakes": [
                    {
                        "file": None,
                        "path": "gateway.worker",
                        "message": "unknown key",
                        "line": 2,
                        "column": 1,
                    },
                    {"file": None, "path": "", "message": "the file is empty", "line": None, "column": None},
                ],
            },
        ),
        (REFUSED, 409, {"applied": False, "epoch": 3, "reason": REFUSED.reason, "mistakes": []}),
    ],
)
async def test_a_reload(outcome: Outcome, code: int, document: dict[str, Any]) -> None:
    """The answer tells what changed, or every reason why nothing did, and never a line of the file."""
    says = Says()
    says.outcome = outcome
    async with _admin(says) as url, aiohttp.ClientSession() as session:
        for arguments in ({}, {"json": {}}):
            async with session.post(url + "/v1/reload", **arguments) as response:
                assert (response.status, await response.json()) == (code, document)
    assert says.reloads == 2


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"Host": "rebound.example"}, b"", 421),
        ({"Origin": "https://evil.example"}, b"", 403),
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=b", 415),
        ({"Content-Type": "application/json"}, b"{", 400),
        ({"Content-Type": "application/json"}, b'{"force": true}', 400),
        ({"Content-Type": "application/json"}, b" " * 100_000, 413),
    ],
)
async def test_what_may_not_write(headers: dict[str, str], body: bytes, code: int) -> None:
    """A request that a web page could have sent, or that says what nobody understands, reloads nothing."""
    says = Says()
    async with _admin(says) as url, aiohttp.ClientSession() as session:
        async with session.post(url + "/v1/reload", headers=headers, data=body) as response:
            assert response.status == code
            assert (await response.json())["reason"]
    assert says.reloads == 0


@pytest.mark.parametrize(("path", "answer"), [("/metrics", "up 1\n"), ("/v1/status", '{"epoch":3}\n')])
async def test_a_long_answer_holds_nobody_up(path: str, answer: str) -> None:
    """It is made on a thread: others are answered meanwhile."""
    says = Says()
    says.may_render.clear()
    async with _admin(says) as url, aiohttp.ClientSession() as session:
        asked = asyncio.ensure_future(session.get(url + path))
        async with session.get(url + "/live") as response:
            assert response.status == 200
        assert not asked.done()
        says.may_render.set()
        async with await asked as response:
            assert await response.text() == answer
