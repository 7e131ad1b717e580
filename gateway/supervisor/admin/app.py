"""The admin endpoints: each asks the gateway for a value and writes it down, nothing more."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

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


class Gateway(Protocol):
    """What the admin plane may ask."""

    def not_ready_because(self) -> list[str]:
        """Why no traffic should come; empty when it may."""

    def metrics(self) -> Callable[[], str]:
        """What writes the metrics page from facts gathered now; it takes its time, and may be called on a thread."""

    def status(self) -> dict[str, Any]:
        """The status document."""


class Reloads(Protocol):
    """What takes a new configuration."""

    async def reload(self) -> Outcome:
        """Reads the file again and applies it."""


def application(gateway: Gateway, reloads: Reloads) -> Starlette:
    """The admin application; its answers are never cached."""

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        reasons = gateway.not_ready_because()
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        # Some 200 ms with 10,000 instances, for which probes and heartbeats are not to wait.
        page = await asyncio.get_running_loop().run_in_executor(None, gateway.metrics())
        return Response(page, headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    async def status(_: Request) -> Response:
        return _json(gateway.status())

    async def reload(request: Request) -> Response:
        if (refusal := await _refusal(request)) is not None:
            return refusal
        outcome = await reloads.reload()
        if outcome.applied:
            document = {"applied": True, "epoch": outcome.epoch, "changes": outcome.changes}
            return _json({**document, "warnings": outcome.warnings})
        mistakes = [_mistake(mistake) for mistake in outcome.mistakes]
        document = {"applied": False, "epoch": outcome.epoch, "reason": outcome.reason, "mistakes": mistakes}
        return _json(document, 422 if mistakes else 409)

    return Starlette(
        routes=[
            Route("/live", live, methods=["GET"]),
            Route("/ready", ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            Route("/v1/status", status, methods=["GET"]),
            Route("/v1/reload", reload, methods=["POST"]),
        ]
    )


async def _refusal(request: Request) -> Response | None:
    """The answer to a writing request that may not be let in; its body is an empty object at most."""
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
        known = not body or orjson.loads(body) == {}
    except orjson.JSONDecodeError:
        known = False
    return None if known else _json({"reason": "the body must be empty, or an empty JSON object"}, 400)


def _mistake(mistake: Mistake) -> dict[str, Any]:
    """A mistake as tools read it. The offending line is left out: it may hold a secret."""
    return {
        "path": mistake.path,
        "message": mistake.message,
        "line": mistake.place.line if mistake.place else None,
        "column": mistake.place.column if mistake.place else None,
    }


def _json(document: dict[str, Any], code: int = 200) -> Response:
    body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, code, headers={"cache-control": "no-store"}, media_type="application/json")
