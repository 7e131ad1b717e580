"""``[cluster]``: the Redis through which gateways share limits."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gateway.config.fields import (
    CookieSecret,
    Counted,
    FilePath,
    KeyPrefix,
    Name,
    Password,
    Upstream,
    UserName,
    between,
    choice,
    whole,
)
from gateway.config.schema.table import Table, one_or_list
from gateway.config.units import Duration

MAX_REDIS_SERVERS = 64


class ClusterTls(Table):
    """How connections to Redis are encrypted. An empty table trusts the system's authorities."""

    ca: FilePath | None = None
    """File with the certificates of the authorities that are trusted. Without it those of the system."""
    cert: FilePath | None = None
    """File with the certificate that this gateway shows. Without it none."""
    key: FilePath | None = None
    """File with the key of the certificate. Without it the key is in the file of the certificate."""


_RedisServers = Annotated[tuple[Upstream, ...], Counted("server", MAX_REDIS_SERVERS)]


class Cluster(Table):
    """The Redis through which gateways share limits."""

    redis: Annotated[
        _RedisServers, BeforeValidator(one_or_list, json_schema_input_type=Upstream | _RedisServers)
    ]
    """Where it is: ``HOST:PORT`` or ``unix:/PATH``; for "sentinel" the sentinels, for "cluster" some of the servers."""
    topology: Annotated[Literal["single", "sentinel", "cluster"], choice("single", "sentinel", "cluster")] = (
        "single"
    )
    """"single": one server; "sentinel": the primary that sentinels name; "cluster": Redis Cluster."""
    master: Name | None = None
    """What the sentinels call the primary."""
    username: UserName | None = None
    """Whom the gateway logs in as. Without it the default user."""
    password: Password | None = Field(default=None, repr=False)
    """What it logs in with: ``${env:NAME}`` or ``${file:/path}``."""
    sentinel_username: UserName | None = None
    """Whom it logs in as at the sentinels."""
    sentinel_password: Password | None = Field(default=None, repr=False)
    """What it logs in with at the sentinels. Without it they ask for nothing."""
    database: Annotated[int, whole(0, 65_535)] = 0
    """Number of the database."""
    tls: ClusterTls | None = None
    """How connections are encrypted. Without it they are not."""
    prefix: KeyPrefix = "headgate:"
    """What every key in Redis begins with. Gateways share what has the same prefix."""
    secret: CookieSecret | None = Field(default=None, repr=False)
    """What clients' keys are hashed with, at least 16 bytes, the same at every gateway: ``${env:NAME}`` or ``${file:/path}``."""
    timeout: Annotated[Duration, between("10ms", "5s")] = Duration.parse("250ms")
    """For an answer of Redis; then it counts as unreachable."""
