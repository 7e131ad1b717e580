"""What becomes of the calls that one question takes."""

import asyncio
from typing import Any, cast

import pytest
from redis.exceptions import ReadOnlyError

from gateway.model import Unreachable
from gateway.supervisor.cluster.bucket import Bucket, SharedLimit, Take
from gateway.supervisor.cluster.redis_store import MOST_IN_ONE, RedisStore
from gateway.supervisor.cluster.store import StoreError

TAKE = Take(Bucket(SharedLimit("limit", 1000, 10, Unreachable.LOCAL), 7), 0, 1)


class Client:
    """One that fails the first call of the script when the second has begun, and never answers that."""

    def __init__(self) -> None:
        self.calls = self.under_way = 0
        self._second = asyncio.Event()

    async def script_load(self, _: str) -> bytes:
        """As Redis does."""
        return b"digest"

    async def evalsha(self, *_: object) -> list[int]:
        """Fails, or waits."""
        self.calls += 1
        if self.calls == 1:
            await self._second.wait()
            raise ReadOnlyError
        self._second.set()
        self.under_way += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        return []


async def test_one_that_fails_ends_the_others() -> None:
    """Nothing goes on beside the next question, which may be the same again."""
    client = Client()
    store = RedisStore(cast("Any", client), "a", prefix="p:", timeout=60)
    with pytest.raises(StoreError, match="it is a replica"):
        await store.take([TAKE] * (MOST_IN_ONE + 1))
    assert (client.calls, client.under_way) == (2, 0)
