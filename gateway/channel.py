"""Frames on the socketpair between supervisor and worker: a line of JSON and, after it, raw bytes.

A frame is a 32-bit big-endian length and a message; a message is one JSON object on one line, optionally followed by
a newline and an attachment. The attachment is never parsed here, so a large snapshot costs its reader no stall.
"""

import struct
from typing import Any

import orjson

Message = dict[str, Any]

MAX_FRAME_BYTES = 256 * 1024 * 1024  # a snapshot of 100,000 routes is about 30 MiB; more is a broken peer
_LENGTH = struct.Struct("!I")


class FrameError(ValueError):
    """The other end sent something that is no frame."""


def encode(message: Message, attachment: bytes = b"") -> bytes:
    """One frame, ready to be written."""
    line = orjson.dumps(message)
    body = line + b"\n" + attachment if attachment else line
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a message of {len(body)} bytes is larger than {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Collects bytes as they come and gives out the messages that are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Message, bytes]]:
        """Takes the next bytes; returns every (message, attachment) they complete. Raises FrameError."""
        self._buffer += data
        complete = []
        while (parts := self._take()) is not None:
            line, attachment = parts
            complete.append((_message(line), attachment))
        return complete

    def _take(self) -> tuple[bytes, bytes] | None:
        """The line and the attachment of the next frame, once it is whole."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_FRAME_BYTES:
            raise FrameError(f"a frame of {length} bytes is larger than {MAX_FRAME_BYTES}")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        newline = self._buffer.find(b"\n", _LENGTH.size, end)
        with memoryview(self._buffer) as view:  # one copy: a snapshot is large
            line = bytes(view[_LENGTH.size : newline if newline >= 0 else end])
            attachment = bytes(view[newline + 1 : end]) if newline >= 0 else b""
        del self._buffer[:end]
        return line, attachment


def _message(line: bytes) -> Message:
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise FrameError(f"a frame does not start with a line of JSON: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise FrameError("a message is not an object with a type")
    return message
