"""Asks Redis for tokens: one script, one round trip for any number of buckets, and a bound on every wait."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from gateway.config.schema import Cluster, ClusterTls
from gateway.model import AddressKind, InstanceAddress
from gateway.supervisor.cluster.bucket import Take, Taken
from gateway.supervisor.cluster.redis_errors import FAILURES, words
from gateway.supervisor.cluster.store import StoreError
from gateway.supervisor.failure import StartError

SCRIPT = files("gateway.supervisor.cluster").joinpath("take.lua").read_text()
MOST_IN_ONE = 256
"""Buckets of one call: Redis serves nobody else while a script runs, some microseconds for each."""
MOST_AT_ONCE = 32
"""Calls that are under way together: each has a connection of its own, of which a client makes a hundred at most."""
MEMBER_MS = 5000
"""A gateway that has not been heard of for so long has no share."""
NUMBERS_EACH = 3
"""Numbers that the script answers for each bucket."""
_HEARD = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
"""


class RedisStore:
    """Buckets in Redis, or in a cluster of them; each bucket is a key of its own. Implements ``Store``."""

    def __init__(
        self,
        client: "Redis | RedisCluster",
        identity: str,
        *,
        prefix: str,
        timeout: float,
        guides: Sequence[Redis] = (),
    ) -> None:
        """``identity`` tells this gateway from others; ``prefix`` begins all keys; ``timeout``, in seconds, bounds a wait;
        ``guides`` are asked by the client where the server is, and closed with it.
        """
        self._client: Any = client  # what its annotations say of answers differs between its versions
        self._guides = guides
        self._identity = identity
        self._prefix = prefix
        self._members = f"{prefix}gateways"
        self._timeout = timeout
        self._digest = ""
        self._free = asyncio.Semaphore(MOST_AT_ONCE)

    async def take(self, takes: Sequence[Take]) -> list[Taken]:
        """The script is loaded where it is not known, after a restart of Redis for instance."""
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    answers = await self._evaluate(takes)
                except NoScriptError:
                    self._digest = ""
                    answers = await self._evaluate(takes)
            return [Taken(int(granted), int(wait), int(level)) for granted, wait, level in answers]
        except FAILURES as error:
            raise StoreError(words(error)) from None

    async def members(self) -> int:
        """The gateways that were heard of lately."""
        try:
            async with asyncio.timeout(self._timeout):
                answer = self._client.eval(_HEARD, 1, self._members, self._identity, str(MEMBER_MS))
                return int(await answer)
        except FAILURES as error:
            raise StoreError(words(error)) from None

    async def close(self) -> None:
        """One gateway less, if that can be said, and no connection."""
        with suppress(*FAILURES):
            async with asyncio.timeout(self._timeout):
                await self._client.zrem(self._members, self._identity)
        for client in (self._client, *self._guides):
            with suppress(*FAILURES):
                async with asyncio.timeout(self._timeout):
                    await client.aclose()

    async def _evaluate(self, takes: Sequence[Take]) -> Iterable[Sequence[Any]]:
        if not self._digest:
            loaded = await self._client.script_load(SCRIPT)
            self._digest = loaded.decode() if isinstance(loaded, bytes) else str(loaded)
        # The keys of a cluster lie on different servers, and a script sees those of one.
        most = 1 if isinstance(self._client, RedisCluster) else MOST_IN_ONE
        parts = [takes[first : first + most] for first in range(0, len(takes), most)]
        try:
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(self._ask(part)) for part in parts]
        except ExceptionGroup as errors:
            # None of the others goes on: what is asked anew may not be asked beside it.
            raise errors.exceptions[0] from None
        numbers = [number for answer in answers for number in answer.result()]
        return zip(*(numbers[place::NUMBERS_EACH] for place in range(NUMBERS_EACH)), strict=True)

    async def _ask(self, takes: Sequence[Take]) -> list[Any]:
        keys = [f"{self._prefix}{take.bucket.name}" for take in takes]
        numbers = [number for take in takes for number in _numbers(take)]
        async with self._free:
            return list(await self._client.evalsha(self._digest, len(keys), *keys, *numbers))


def connect(cluster: Cluster, identity: str) -> RedisStore:
    """The store that a configuration names; nothing is asked of it yet. Raises StartError for certificates that cannot be
    used.
    """
    timeout = cluster.timeout.seconds
    options: dict[str, Any] = {
        "username": cluster.username,
        "password": str(cluster.password) if cluster.password is not None else None,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "protocol": 2,  # with 3 the password is an argument of HELLO, which not every server knows
        "retry": Retry(NoBackoff(), 0),  # what was perhaps heard is not said again
        **_tls_options(cluster.tls),
    }
    client, guides = _clients(cluster, options)
    return RedisStore(client, identity, prefix=cluster.prefix, timeout=timeout, guides=guides)


def _clients(cluster: Cluster, options: dict[str, Any]) -> "tuple[Redis | RedisCluster, Sequence[Redis]]":
    """The client of the buckets, and those by which it finds its server."""
    servers = cluster.redis
    match cluster.topology:
        case "cluster":
            nodes = [ClusterNode(server.host, server.port) for server in servers]
            return RedisCluster(startup_nodes=nodes, **options), ()
        case "sentinel":
            own = {**options, "username": None, "password": None}
            if cluster.sentinel_password is not None:
                own |= {"username": cluster.sentinel_username, "password": str(cluster.sentinel_password)}
            sentinels: Any = Sentinel  # which has no annotations
            sentinel = sentinels(_pairs(servers), sentinel_kwargs=own, db=cluster.database, **options)
            return sentinel.master_for(str(cluster.master)), sentinel.sentinels
        case _:
            return _single(servers[0], cluster.database, options), ()


def _single(server: InstanceAddress, database: int, options: dict[str, Any]) -> Redis:
    if server.kind is AddressKind.UNIX:
        return Redis(unix_socket_path=server.path, db=database, **options)
    return Redis(host=server.host, port=server.port, db=database, **options)


def _pairs(servers: Iterable[InstanceAddress]) -> list[tuple[str, int]]:
    return [(server.host, server.port) for server in servers]


def _tls_options(tls: ClusterTls | None) -> dict[str, Any]:
    """What redis-py makes its context of; the same is done here once, so that a wrong file is found now."""
    if tls is None:
        return {}
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:  # ssl.SSLError is one
        raise StartError(f"cluster.tls: {error.strerror or error}") from None
    return {
        "ssl": True,
        "ssl_ca_certs": tls.ca,
        "ssl_certfile": tls.cert,
        "ssl_keyfile": tls.key,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
    }


def _numbers(take: Take) -> tuple[str, ...]:
    limit = take.bucket.limit
    return repr(limit.interval_us), repr(limit.burst), str(take.used), str(take.wanted)
