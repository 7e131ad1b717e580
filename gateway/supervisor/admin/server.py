"""Serves the admin application with uvicorn on a socket that is bound already, in a loop that is not uvicorn's."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

logger = logging.getLogger("headgate.admin")

STOP_TIMEOUT_S = 1  # a client that keeps its connection open must not hold up the end of the gateway
MAX_CONCURRENT = 128


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: SIGTERM and SIGINT belong to the gateway's own life."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class AdminServer:
    """The running admin server. It closes the socket it was given."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                loop="none",
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=MAX_CONCURRENT,
                timeout_graceful_shutdown=STOP_TIMEOUT_S,
            )
        )
        self._socket = sock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to serve; connections were queued since the socket was bound."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Stops within a second or two, whatever clients do. Idempotent."""
        if self._task is None:
            return
        self._server.should_exit = True
        self._server.force_exit = True
        try:
            await self._task
        except Exception:
            logger.exception("the admin server ended badly")
        self._task = None
