"""Shared buckets in a Redis of the test's own: the script, the round trips, and a server that goes and comes back."""

import random
import signal
import tempfile
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from gateway.config.interpolate import Interpolated
from gateway.config.schema import Cluster
from gateway.model import Unreachable
from gateway.supervisor.cluster.bucket import Bucket, SharedLimit, Take
from gateway.supervisor.cluster.redis_store import RedisStore, connect
from gateway.supervisor.cluster.store import StoreError
from gateway.supervisor.failure import StartError
from tests.helpers.redis import EchoingServer, EncryptedRedis, RedisCluster, RedisSentinel, RedisServer

PREFIX = "headgate:"


def bucket(name: str, interval_us: float, burst: float) -> Bucket:
    """One bucket of a limit of its own."""
    return Bucket(SharedLimit(name, interval_us, burst, Unreachable.LOCAL), 7)


SLOW = bucket("slow", interval_us=3_600_000_000, burst=10)
"""A token an hour: what passes in a test does not count."""


@asynccontextmanager
async def stores(server: RedisServer, *names: str) -> AsyncIterator[list[RedisStore]]:
    """A store for each gateway."""
    opened = [RedisStore(Redis.from_url(server.url), name, prefix=PREFIX, timeout=2.0) for name in names]
    try:
        yield opened
    finally:
        for store in opened:
            await store.close()


async def test_the_burst_is_all_gateways_together() -> None:
    """Two of them take what is there, and are told how long until there is more."""
    async with RedisServer() as server, stores(server, "a", "b") as (one, two):
        assert [taken.granted for taken in await one.take([Take(SLOW, 0, 4), Take(SLOW, 0, 4)])] == [4, 4]
        (rest,) = await two.take([Take(SLOW, 0, 4)])
        assert (rest.granted, rest.wait_us) == (2, 0)
        (none,) = await two.take([Take(SLOW, 0, 1)])
        assert none.granted == 0
        assert 3_590_000_000 < none.wait_us <= 3_600_000_000


async def test_debts_and_returns() -> None:
    """What was used without asking counts, up to a second burst; what is given back can be had again, up to a full bucket."""
    async with RedisServer() as server, stores(server, "a") as (store,):
        assert [taken.granted for taken in await store.take([Take(SLOW, 7, 5), Take(SLOW, -2, 5)])] == [3, 2]
        await store.take([Take(SLOW, 1000, 0)])
        assert (await store.take([Take(SLOW, -10, 5)]))[0].granted == 0
        assert (await store.take([Take(SLOW, -3, 5)]))[0].granted == 3
        await store.take([Take(SLOW, -1000, 0)])
        assert (await store.take([Take(SLOW, 0, 1000)]))[0].granted == 10


@pytest.mark.parametrize("seed", range(3))
async def test_never_more_than_burst_and_rate(seed: int) -> None:
    """Random questions by three gateways, against the clock of this process."""
    draw = random.Random(seed)
    burst = 1_000  # what a bucket cannot hold while nobody asks is lost: so long may everything stand still
    fast = bucket("fast", interval_us=1_000_000 / 3333, burst=burst)
    async with RedisServer() as server, stores(server, "a", "b", "c") as gateways:
        for gateway in gateways:  # connects; a bucket that is full would gain nothing by waiting
            await gateway.take([Take(fast, 0, burst)])
        started = time.monotonic()
        granted = used = 0
        for _ in range(300):
            takes = [Take(fast, draw.choice([0, 0, 0, 1]), draw.randrange(100)) for _ in range(3)]
            granted += sum(taken.granted for taken in await draw.choice(gateways).take(takes))
            used += sum(take.used for take in takes)
        elapsed = time.monotonic() - started
        # A debt that does not fit is forgiven beyond one burst.
        assert granted <= burst + 3333 * elapsed + 1
        assert granted + used + burst >= 3333 * elapsed * 0.9


async def test_a_full_bucket_leaves_nothing_behind() -> None:
    """Its key goes when it is full again."""
    quick = bucket("quick", interval_us=10, burst=10)
    async with RedisServer() as server, stores(server, "a") as (store,):
        await store.take([Take(quick, 0, 10), Take(SLOW, 0, 1)])
        client = Redis.from_url(server.url)
        ttl, slow = await client.pttl(f"{PREFIX}{quick.name}"), await client.pttl(f"{PREFIX}{SLOW.name}")
        await client.aclose()
        assert ttl <= 1001
        assert slow > 3_500_000


async def test_gateways_know_how_many_they_are() -> None:
    """Each that was heard of counts."""
    async with RedisServer() as server, stores(server, "a", "b") as (one, two):
        assert [await one.members(), await one.members(), await two.members(), await one.members()] == [
            1,
            1,
            2,
            2,
        ]


async def test_a_server_that_is_stopped_killed_and_back() -> None:
    """Every wait has an end; a server that was started anew knows no script, which costs a round trip and nothing else."""
    async with RedisServer() as server, stores(server, "a") as (store,):
        await store.take([Take(SLOW, 0, 1)])
        server.signal(signal.SIGSTOP)
        with pytest.raises(StoreError):
            await store.take([Take(SLOW, 0, 1)])
        with pytest.raises(StoreError):
            await store.members()
        server.signal(signal.SIGCONT)
        assert (await store.take([Take(SLOW, 0, 1)]))[0].granted == 1
        await server.kill()
        with pytest.raises(StoreError):
            await store.take([Take(SLOW, 0, 1)])
        await server.start()
        assert (await store.take([Take(SLOW, 0, 100)]))[0].granted == 10


async def test_a_key_that_holds_something_else() -> None:
    """Redis is shared with others: their value grants nothing, is left alone, and spoils no other bucket."""
    other = bucket("other", interval_us=3_600_000_000, burst=3)
    async with RedisServer() as server, stores(server, "a") as (store,):
        client = Redis.from_url(server.url)
        await client.lpush(f"{PREFIX}{SLOW.name}", "x")
        foreign, sound = await store.take([Take(SLOW, 0, 1), Take(other, 0, 9)])
        assert (foreign.granted, foreign.wait_us, sound.granted, sound.level) == (0, 1_000_000, 3, 0)
        assert await client.llen(f"{PREFIX}{SLOW.name}") == 1
        await client.aclose()


async def test_many_buckets_in_one_question() -> None:
    """More than one call of the script takes come back in their order."""
    takes = [Take(bucket(f"b{number}", 3_600_000_000, number + 1), 0, 10_000) for number in range(600)]
    async with RedisServer() as server, stores(server, "a") as (store,):
        assert [taken.granted for taken in await store.take(takes)] == list(range(1, 601))
        assert await store.take([]) == []


async def takes_all(**settings: object) -> None:
    """The Redis that is configured so is reached: it grants a burst, and not one more, and counts this gateway."""
    store = connect(Cluster.model_validate({"timeout": "5s", **settings}), "a")
    try:
        granted = [taken.granted for taken in await store.take([Take(SLOW, 0, 7), Take(SLOW, 0, 7)])]
        assert sorted(granted) == [3, 7]
        assert await store.members() == 1
    finally:
        await store.close()


async def test_the_primary_that_sentinels_name() -> None:
    """It is asked for, and then asked; a name that they do not know is no Redis."""
    async with RedisServer() as server, RedisSentinel("limits", server) as sentinel:
        await takes_all(redis=sentinel.address, topology="sentinel", master="limits")
        store = connect(
            Cluster.model_validate({"redis": sentinel.address, "topology": "sentinel", "master": "x"}), "a"
        )
        with pytest.raises(StoreError):
            await store.members()
        await store.close()


async def test_redis_cluster() -> None:
    """The servers are found by any of them; each bucket has a call of its own."""
    async with RedisCluster() as server:
        await takes_all(redis=["127.0.0.1:1", server.address], topology="cluster")
        store = connect(
            Cluster.model_validate({"redis": server.address, "topology": "cluster", "timeout": "5s"}), "a"
        )
        many = [Take(replace(SLOW, key=1_000 + number), 0, 1) for number in range(600)]
        assert sum(taken.granted for taken in await store.take(many)) == 600
        await store.close()


@pytest.mark.parametrize("error", ["ERR unknown command", "WRONGPASS", "NOPERM", "NOSCRIPT", "MOVED"])
@pytest.mark.parametrize("topology", ["single", "sentinel", "cluster"])
async def test_a_server_that_repeats_the_password(topology: str, error: str) -> None:
    """Nothing of what it says gets into a log, not even by way of what led to the error."""
    password = Interpolated("open-sesame")
    settings = {"password": password, "topology": topology, "timeout": "5s"}
    if topology == "sentinel":
        settings |= {"master": "x", "sentinel_password": password}
    async with EchoingServer(error) as server:
        store = connect(Cluster.model_validate({"redis": server.address, **settings}), "a")
        for asking in (store.members(), store.take([Take(SLOW, 0, 1)])):
            with pytest.raises(StoreError) as caught:
                await asking
            assert "sesame" not in "".join(traceback.format_exception(caught.value))
        await store.close()
        assert ["AUTH", "open-sesame"] in server.commands
        assert "HELLO" not in {command for command, *_ in server.commands}


async def test_encrypted_connections() -> None:
    """A certificate of an authority that is trusted is believed, no other, and only for its server's name."""
    async with EncryptedRedis() as server:
        await takes_all(redis=server.address, tls={"ca": str(server.certificate)})
        for address, tls in (
            (server.address, {}),
            (f"localhost:{server.port}", {"ca": str(server.certificate)}),
        ):
            store = connect(Cluster.model_validate({"redis": address, "tls": tls, "timeout": "5s"}), "a")
            with pytest.raises(StoreError, match=r"(?i)certificate"):
                await store.members()
            await store.close()
        with pytest.raises(StartError, match=r"^cluster\.tls: "):
            connect(Cluster.model_validate({"redis": server.address, "tls": {"ca": "/nowhere"}}), "a")


async def test_a_socket_file() -> None:
    """Redis on the same machine."""
    with tempfile.TemporaryDirectory(prefix="headgate-test-") as folder:
        path = f"{folder}/redis.sock"
        async with RedisServer("--unixsocket", path):
            await takes_all(redis=f"unix:{path}")
