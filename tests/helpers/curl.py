"""curl as a client that nobody here wrote."""

import asyncio
from dataclasses import dataclass

from tests.helpers.message import Fields, parse_head


@dataclass(frozen=True, slots=True)
class CurlResult:
    """What curl got: its exit code, the last response's status, fields and body."""

    exit: int
    status: int
    version: str
    fields: Fields
    body: bytes


async def curl(*arguments: str, stdin: bytes | None = None) -> CurlResult:
    """Runs ``curl -s -i`` with the arguments; interim responses are skipped."""
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--include", "--max-time", "20", "--noproxy", "*", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(stdin or b"")
    assert process.returncode is not None
    raw, body = b"", out
    while body.startswith(b"HTTP/1") and (not raw or raw.split(b" ")[1].startswith(b"1")):
        raw, _, body = body.partition(b"\r\n\r\n")
    head = parse_head(raw)
    return CurlResult(process.returncode, int(head.start[1] or 0), head.start[0], head.fields, body)
