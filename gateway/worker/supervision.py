"""The worker's end of the channel to the supervisor: commands come in, acknowledgements go out."""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from gateway.channel import Decoder, FrameError, Message, encode

log = logging.getLogger("headgate.worker")

Command = tuple[Message, bytes]


class Supervision(asyncio.Protocol):
    """Decodes the supervisor's messages and notices its end."""

    def __init__(self, commanded: Callable[[Message, bytes], None], ended: Callable[[], None]) -> None:
        self._commanded = commanded
        self._ended = ended
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel is open."""
        # uvloop's transports have a Transport's methods but are none by inheritance.
        transport = cast("asyncio.Transport", transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Part of a message, or several."""
        try:
            messages = self._decoder.feed(data)
        except FrameError as error:
            log.error("the supervisor sent what is no message: %s", error)  # noqa: TRY400 - the trace says nothing
            if self._transport is not None:
                self._transport.close()  # nothing after it can be understood
            return
        for message, attachment in messages:
            self._commanded(message, attachment)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the same for every reason
        """The supervisor is gone."""
        self._ended()

    def tell(self, message: Message) -> None:
        """Sends a message to the supervisor, if it is still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))
