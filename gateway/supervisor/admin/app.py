"""The admin endpoints: each asks the gateway for a value and writes it down, nothing more."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import Mistake
from gateway.supervisor.admin.guard import objection
from gateway.supervisor.reload import Outcome
from gateway.supervisor.telemetry.metrics import CONTENT_TYPE

MAX_BODY_BYTES = 64 * 1024  # of a command to the gateway
MAX_AGENT_CHARACTERS = 100

Made = TypeVar("Made")


class Gateway(Protocol):
    """What the admin plane may ask."""

    def not_ready_because(self) -> list[str]:
        """Why no traffic should come; empty when it may."""

    def metrics(self) -> Callable[[], str]:
        """What writes the metrics page from facts gathered now; it takes its time, and may be called on a thread."""

    async def status(self) -> Callable[[], dict[str, Any]]:
        """What makes the status document from facts gathered now; it takes its time, and may be called on a thread."""

    def overrides(self) -> list[dict[str, Any]]:
        """What is in force instead of the file's values."""


class Reloads(Protocol):
    """What takes a new configuration, and overrides of it."""

    async def reload(self) -> Outcome:
        """Reads the file again and applies it."""

    async def override(self, patch: object, by: str) -> Outcome:
        """Changes the overrides by a JSON Merge Patch."""


def application(gateway: Gateway, reloads: Reloads) -> Starlette:
    """The admin application; its answers are never cached."""

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        reasons = gateway.not_ready_because()
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        page = await _on_thread(gateway.metrics())
        return Response(page, headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    async def status(_: Request) -> Response:
        document = await gateway.status()
        return await _on_thread(lambda: _json(document()))

    async def reload(request: Request) -> Response:
        body = await _command(request)
        if isinstance(body, Response):
            return body
        if body != {}:
            return _json({"reason": "the body must be empty, or an empty JSON object"}, 400)
        return _outcome(await reloads.reload())

    async def overrides(_: Request) -> Response:
        return _json({"overrides": gateway.overrides()})

    async def override(request: Request) -> Response:
        body = await _command(request)
        return body if isinstance(body, Response) else _outcome(await reloads.override(body, _who(request)))

    return Starlette(
        routes=[
            Route("/live", live, methods=["GET"]),
            Route("/ready", ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            Route("/v1/status", status, methods=["GET"]),
            Route("/v1/reload", reload, methods=["POST"]),
            Route("/v1/overrides", overrides, methods=["GET"]),
            Route("/v1/overrides", override, methods=["PATCH"]),
        ]
    )


async def _on_thread(make: Callable[[], Made]) -> Made:
    """An answer that takes some 50 to 200 ms to make of 10,000 instances, for which probes and heartbeats are not to wait."""
    return await asyncio.get_running_loop().run_in_executor(None, make)


async def _command(request: Request) -> object:
    """What the body of a writing request says, an empty object for none; the answer, if it may not be let in."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            return _json({"reason": f"the body is larger than {MAX_BODY_BYTES} bytes"}, 413)
    fields = request.headers
    against = objection(fields.get("host", ""), fields.get("origin"), fields.get("content-type"), body)
    if against is not None:
        return _json({"reason": against.reason}, against.status)
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        return _json({"reason": "the body is not JSON"}, 400)


def _who(request: Request) -> str:
    """Whoever asks, as far as that can be told: its address, and what it says of itself."""
    address = request.client.host if request.client is not None else "unknown"
    agent = request.headers.get("user-agent", "")[:MAX_AGENT_CHARACTERS]
    return f"{address} ({''.join(filter(str.isprintable, agent))})" if agent else address


def _outcome(outcome: Outcome) -> Response:
    if outcome.applied:
        document = {"applied": True, "epoch": outcome.epoch, "changes": outcome.changes}
        return _json({**document, "warnings": outcome.warnings})
    mistakes = [_mistake(mistake) for mistake in outcome.mistakes]
    document = {"applied": False, "epoch": outcome.epoch, "reason": outcome.reason, "mistakes": mistakes}
    return _json(document, 422 if mistakes else 409)


def _mistake(mistake: Mistake) -> dict[str, Any]:
    """A mistake as tools read it. The offending line is left out: it may hold a secret."""
    return {
        "file": mistake.file or None,
        "path": mistake.path,
        "message": mistake.message,
        "line": mistake.place.line if mistake.place else None,
        "column": mistake.place.column if mistake.place else None,
    }


def _json(document: dict[str, Any], code: int = 200) -> Response:
    body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, code, headers={"cache-control": "no-store"}, media_type="application/json")
