"""HTTP/1.x messages as tests look at them: the raw head, the fields in their order, and the body."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 256 * 1024


class Fields(list[tuple[str, str]]):
    """Header fields in the order in which they came; names keep their case and compare without it."""

    def all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value for other, value in self if other.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        """The field's only value, None without one; fails when there are several."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def names(self) -> set[str]:
        """Every name that occurs, in lower case."""
        return {name.lower() for name, _ in self}


@dataclass(slots=True)
class Head:
    """A start line and its fields; ``raw`` is what came over the wire."""

    raw: bytes
    start: tuple[str, str, str]
    fields: Fields

    @property
    def is_chunked(self) -> bool:
        """Is the body in chunks?"""
        return any("chunked" in value.lower() for value in self.fields.all("transfer-encoding"))

    @property
    def content_length(self) -> int | None:
        """The declared length, None without one."""
        values = self.fields.all("content-length")
        return int(values[0]) if values else None


@dataclass(slots=True)
class Body:
    """A body as it came: its bytes, the sizes of its chunks, and the trailer fields after them."""

    data: bytes = b""
    length: int = 0
    chunks: list[int] = field(default_factory=list)
    trailers: Fields = field(default_factory=Fields)


def parse_head(raw: bytes) -> Head:
    """Splits a head; lenient, because tests judge the content themselves."""
    lines = raw.decode("latin-1").split("\r\n")
    start = (*lines[0].split(" ", 2), "", "")[:3]
    fields = Fields()
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            fields.append((name, value.strip(" \t")))
    return Head(raw, (start[0], start[1], start[2]), fields)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head, or None when the peer ended before its first byte."""
    try:
        return parse_head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise


async def read_exactly(reader: asyncio.StreamReader, length: int, body: Body, *, keep: bool = True) -> None:
    """Reads ``length`` bytes of a body; ``keep=False`` only counts them."""
    parts = []
    while length:
        data = await reader.read(min(length, 1 << 18))
        if not data:
            body.data += b"".join(parts)
            raise asyncio.IncompleteReadError(body.data, length)
        length -= len(data)
        body.length += len(data)
        if keep:
            parts.append(data)
    body.data += b"".join(parts)


async def read_chunked(reader: asyncio.StreamReader, body: Body, *, keep: bool = True) -> None:
    """Reads chunks and trailers into ``body``."""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        if size == 0:
            break
        body.chunks.append(size)
        await read_exactly(reader, size, body, keep=keep)
        assert await reader.readexactly(2) == b"\r\n", "a chunk does not end with CRLF"
    raw = b""
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        raw += line
    body.trailers = parse_head(b"\r\n" + raw).fields


def render(start: str, fields: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """A message as bytes."""
    lines = [start, *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(*chunks: bytes, trailers: Iterable[tuple[str, str]] = ()) -> bytes:
    """The chunked coding of a body."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return coded + b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers) + b"\r\n"
