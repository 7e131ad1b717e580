"""SIGTERM under load: whoever was accepted is answered, and the gateway ends in time with exit code 0."""

import asyncio
import contextlib
import signal
import time

import pytest

from tests.helpers import Client, Gateway, configuration, eventually
from tests.helpers.conversations import Conversations
from tests.helpers.instance import Instance
from tests.helpers.ledger import Callers, Ledger
from tests.helpers.proof import PROOF
from tests.helpers.vices import DripsBody
from tests.helpers.websocket import WebSocketEcho

DRAIN_SECONDS = 10
TUNNEL_DRAIN_SECONDS = 3  # a little more than a stream takes
ROUNDS = 20 if PROOF else 2
KEPT, NEW, STREAMS, WEBSOCKETS = (64, 16, 64, 50) if PROOF else (24, 8, 8, 16)
BODY = b"drip" * 25
STREAM = b"GET /drips HTTP/1.1\r\nHost: stream\r\n\r\n"


async def streamed(gateway: Gateway) -> bytes:
    """One answer that takes its time, whole."""
    async with Client(gateway) as client:
        (response,) = await client.exchange(STREAM)
        assert response.aborted is None
        return response.body.data


@pytest.mark.timeout(300)
@pytest.mark.parametrize("attempt", range(ROUNDS))
async def test_every_accepted_request_is_answered(attempt: int) -> None:
    """Keep-alive clients, new connections and streams: the only failure is a refused connect. WebSockets go on until
    their time is over, and the end comes as soon as they and the last stream are through.
    """
    del attempt
    ledger, conversations = Ledger(), Conversations()
    async with Instance(delay=0.002) as instance, DripsBody(BODY) as drips, WebSocketEcho() as echo:
        text = configuration(
            instance,
            workers=2,
            gateway=f'drain_timeout = "{DRAIN_SECONDS}s"\ntunnel_drain_timeout = "{TUNNEL_DRAIN_SECONDS}s"',
            services=f'[services.drips]\ninstances = ["{drips.address}"]\n'
            f'[services.echo]\ninstances = ["{echo.address}"]',
            routes=[f'path = "/{name}"\nservice = "{name}"' for name in ("drips", "echo")],
        )
        async with Gateway(text) as gateway, contextlib.AsyncExitStack() as stack:
            for clients, new in ((KEPT, False), (NEW, True)):
                await stack.enter_async_context(
                    Callers(gateway, ledger, new_connections=new).calling(clients)
                )
            await stack.enter_async_context(conversations.held(gateway, WEBSOCKETS, "/echo"))
            streams = [asyncio.create_task(streamed(gateway)) for _ in range(STREAMS)]
            await eventually(lambda: len(drips.requests) == STREAMS and ledger.answers[200] > 300, within=10)
            began = time.monotonic()
            gateway.signal(signal.SIGTERM)
            assert set(await asyncio.gather(*streams)) == {BODY}
            assert await gateway.wait() == 0
            assert time.monotonic() - began < DRAIN_SECONDS
    assert len(conversations.ended) == WEBSOCKETS
    assert min(conversations.ended) - began >= TUNNEL_DRAIN_SECONDS, "a WebSocket was cut before its time"
    unanswered = [one for one in ledger.failed if "ConnectionRefusedError" not in str(one.error)]
    assert not unanswered, f"{len(unanswered)} of {len(ledger.failed)}: {unanswered[:4]}"
