"""Asks Redis for tokens: one script, one round trip for any number of buckets, and a bound on every wait."""

import asyncio
from collections.abc import Awaitable, Sequence
from importlib.resources import files
from typing import Any, Protocol, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError, RedisError

from gateway.supervisor.cluster.bucket import Take, Taken

TIMEOUT_S = 0.25
"""For a whole round trip; a Redis that is slower is no help."""
PREFIX = "headgate:"
SCRIPT = files("gateway.supervisor.cluster").joinpath("take.lua").read_text()
MEMBERS = f"{PREFIX}gateways"
MEMBER_MS = 5000
"""A gateway that has not been heard of for so long has no share."""
_HEARD = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
"""


class StoreError(Exception):
    """Redis gave no answer that can be used."""


class Store(Protocol):
    """Where the shared buckets are kept."""

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """The answers, in the order of the questions. Raises StoreError: then nobody knows what was heard."""

    async def members(self) -> int:
        """How many gateways there are, this one included; says that it is there. Raises StoreError."""

    async def close(self) -> None:
        """Ends its connections."""


class RedisStore:
    """Buckets in Redis, or in a cluster of them; each bucket is a key of its own."""

    def __init__(self, client: "Redis | RedisCluster", identity: str) -> None:
        """``identity`` tells this gateway from others, across restarts if it can."""
        self._client = client
        self._identity = identity
        self._digest = ""

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """One pipeline; the script is loaded where it is not known, after a restart of Redis for instance."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                try:
                    answers = await self._evaluate(takes)
                except NoScriptError:
                    self._digest = ""
                    answers = await self._evaluate(takes)
            return [Taken(int(granted), int(wait)) for granted, wait in answers]
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreError(str(error) or type(error).__name__) from error
        except (TypeError, ValueError) as error:
            raise StoreError("it answers with something else than numbers") from error

    async def members(self) -> int:
        """The gateways that were heard of lately."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = self._client.eval(_HEARD, 1, MEMBERS, self._identity, str(MEMBER_MS))
                return int(await answer)
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            raise StoreError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()

    async def _evaluate(self, takes: Sequence[Take]) -> list[Any]:
        if not self._digest:
            loaded = await cast("Awaitable[Any]", self._client.script_load(SCRIPT))
            self._digest = loaded.decode() if isinstance(loaded, bytes) else str(loaded)
        if isinstance(self._client, RedisCluster):  # its pipelines know no scripts
            questions = (self._client.evalsha(self._digest, 1, *_arguments(take)) for take in takes)
            return list(await asyncio.gather(*cast("Any", questions)))
        async with self._client.pipeline(transaction=False) as pipeline:
            for take in takes:
                pipeline.evalsha(self._digest, 1, *_arguments(take))
            return list(await pipeline.execute())


def _arguments(take: Take) -> tuple[str, ...]:
    bucket = take.bucket
    numbers = (repr(bucket.interval_us), bucket.burst, take.used, take.wanted)
    return f"{PREFIX}{bucket.name}", *map(str, numbers)
