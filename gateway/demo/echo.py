"""Sample service ``echo``: an ASGI application on uvicorn. ``python -m gateway.demo.echo --name echo-1``."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from gateway.demo.arguments import announce, parse_arguments

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answers with the request line, the forwarding fields and the body, which it sends back as it comes."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": _describe(scope), "more_body": True})
    async for part in _body(receive):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _describe(scope: MutableMapping[str, Any]) -> bytes:
    lines = [f"{scope['method']} {scope['path']}".encode()]
    lines += [
        name + b": " + value for name, value in scope["headers"] if name.startswith((b"x-forwarded", b"via"))
    ]
    return b"\n".join(lines) + b"\n\n"


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        yield message.get("body", b"")
        more = message.get("more_body", False)


def listen(port: int) -> socket.socket:
    """A listening socket whose connections send every piece of an answer at once: asyncio sees to that only where it has made the
    socket itself, and without it a piece waits up to 40 ms for the acknowledgement of the one before.
    """
    listening = socket.create_server(("127.0.0.1", port), backlog=1024)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited
    return listening


def main() -> None:
    """Serves until the process is ended."""
    arguments = parse_arguments("python -m gateway.demo.echo")
    listening = listen(arguments.port)
    announce(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off"))
    asyncio.run(server.serve(sockets=[listening]))


if __name__ == "__main__":
    main()
