"""The admin endpoints: each asks the gateway for a value and writes it down, nothing more."""

from typing import Any, Protocol

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.supervisor.telemetry.metrics import CONTENT_TYPE


class Gateway(Protocol):
    """What the admin plane may ask."""

    def not_ready_because(self) -> list[str]:
        """Why no traffic should come; empty when it may."""

    def metrics(self) -> str:
        """The metrics page."""

    def status(self) -> dict[str, Any]:
        """The status document."""


def application(gateway: Gateway) -> Starlette:
    """The admin application; its answers are never cached."""

    async def live(_: Request) -> Response:
        return _json({"live": True})

    async def ready(_: Request) -> Response:
        reasons = gateway.not_ready_because()
        return _json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        return Response(
            gateway.metrics(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"}
        )

    async def status(_: Request) -> Response:
        return _json(gateway.status())

    return Starlette(
        routes=[
            Route("/live", live, methods=["GET"]),
            Route("/ready", ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            Route("/v1/status", status, methods=["GET"]),
        ]
    )


def _json(document: dict[str, Any], code: int = 200) -> Response:
    body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return Response(body, code, headers={"cache-control": "no-store"}, media_type="application/json")
