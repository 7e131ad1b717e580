"""``[services.NAME]``: instances, and how requests are led to them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gateway.config.fields import (
    Choices,
    CookieName,
    CookiePath,
    CookieSecret,
    Counted,
    Flag,
    HashKey,
    Label,
    LimitRate,
    LoadBound,
    MaxShare,
    Name,
    Panic,
    ProbeTarget,
    Upstream,
    between,
    choice,
    whole,
)
from gateway.config.schema.limits import Concurrency, ConcurrencyLimits, Limit, Limits
from gateway.config.schema.maintenance import MaintenanceTable
from gateway.config.schema.table import Table, false_or_table, one_or_list
from gateway.config.units import Duration, Rate, Share
from gateway.model import Balance, ProxyVersion, SameSite

CONNECT_TIMEOUT = between("1ms", "1m")
EJECTION = between("100ms", "24h")
EXCHANGE_TIMEOUT = between("1ms", "24h")  # a longer one is no protection any more
MAX_SERVICES = 30_000  # the shared memory has 65,536 rows, and leaves half of them for what reloads add
MAX_LABELS = 32
FAILURE_STATUSES = range(500, 600)  # server errors (RFC 9110 §15.6): the client is not to blame
LabelTable = Annotated[dict[Name, Label], Counted("label", MAX_LABELS)]


class Instance(Table):
    """One address of a service."""

    address: Upstream
    """``HOST:PORT`` with an IPv4 address or a DNS name, ``[IPV6]:PORT`` or ``unix:/PATH``."""
    weight: Annotated[int, whole(0, 1000)] = 1
    """Share of the requests relative to the other instances; 0 gets none."""
    capacity: Annotated[int, whole(1, 1_000_000)] | None = None
    """How much it can hold relative to the other instances; load is what it holds over this. Without it, the weight."""
    max_in_flight: Annotated[int, whole(1, 1_000_000)] | None = None
    """Exchanges held at the same time by all workers together. Without it any number."""

    zone: Name | None = None
    """Where it runs."""
    labels: LabelTable | None = None
    """What a route's ``subset`` picks it by."""
    backup: Flag = False
    """Gets only requests that no other instance can get."""


def instance_table(value: object) -> object:
    """An address alone is an instance with nothing but an address."""
    return {"address": value} if isinstance(value, str) else value


class ServiceTimeouts(Table):
    """How long to wait for the instances of a service."""

    connect: Annotated[Duration, CONNECT_TIMEOUT] = Duration.parse("2s")
    """For a connection to an instance; then another instance is tried."""
    first_byte: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("30s")
    """For the first byte of the response after the request was sent; then 504."""
    idle: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("60s")
    """Between two pieces of a response; then it is aborted."""
    tunnel: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("1h")
    """For which a tunnel, such as a WebSocket, or a connection that is passed through may carry nothing; then it is ended."""
    keepalive: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("55s")
    """For which an idle connection to an instance is kept."""


class HealthCheck(Table):
    """Active probing of every instance of a service."""

    type: Annotated[Literal["http", "tcp"], choice("http", "tcp")] = "http"
    """"http": a GET that must be answered with 2xx or 3xx; "tcp": a connection."""
    path: ProbeTarget = "/"
    """What an HTTP probe asks for."""
    interval: Annotated[Duration, between("100ms", "1h")] = Duration.parse("5s")
    """From one probe of an instance to the next, ± 20 %."""
    timeout: Annotated[Duration, between("1ms", "1m")] = Duration.parse("1s")
    """For a whole probe; then it has failed."""
    fall: Annotated[int, whole(1, 100)] = 3
    """Failed probes in a row after which an instance is unhealthy."""
    rise: Annotated[int, whole(1, 100)] = 2
    """Good probes in a row after which an unhealthy instance is healthy again."""


class Passive(Table):
    """Ejection of instances that fail the requests of clients."""

    failures: Annotated[int, whole(1, 1000)] = 5
    """Failed requests in a row, at all workers together, after which an instance is ejected."""
    statuses: tuple[Annotated[int, whole(FAILURE_STATUSES[0], FAILURE_STATUSES[-1])], ...] = ()
    """Statuses, 500 to 599, with which an answer of the instance counts as failed. Without them none does."""
    ejection: Annotated[Duration, EJECTION] = Duration.parse("10s")
    """How long the first ejection lasts, ± 20 %; each further one lasts twice as long."""
    max_ejection: Annotated[Duration, EJECTION] = Duration.parse("5m")
    """How long an ejection lasts at the most."""
    max_share: MaxShare = Share(50)
    """Part of the service's instances, rounded down, that is ejected at the same time at the most."""


class RetryBudget(Table):
    """How many retries a service gets, at all workers together."""

    share: MaxShare = Share(20)
    """Part of the requests of the last 10 s that may be retried."""
    floor: LimitRate = Rate.parse("3/s")
    """Retries that there may be on average over 10 s, however few requests there are."""


class Queue(Table):
    """Where requests wait while every instance holds as many as it may, or the service does."""

    size: Annotated[int, whole(1, 65_535)] = 1_000
    """Requests that may wait, at all workers together; one more is answered with 503."""
    timeout: Annotated[Duration, between("10ms", "5m")] = Duration.parse("1s")
    """How long each of them may wait; then it is answered with 503."""


class Hash(Table):
    """What requests are hashed by."""

    key: HashKey
    """A part of requests, as in the key of a limit, but for "route" and "service"; a request without it goes as by "p2c"."""
    bounded_load: LoadBound | None = None
    """Most that an instance holds in percent of the average; beyond it the next one on the ring is taken. Without it any
    number."""


class Sticky(Table):
    """The cookie by which clients come back to their instance."""

    cookie: CookieName
    """Its name."""
    secret: CookieSecret = Field(repr=False)
    """What it is signed with, at least 16 bytes: ``${env:NAME}`` or ``${file:/path}``."""
    path: CookiePath = "/"
    """The paths for which clients bring it."""
    secure: Flag = False
    """Clients bring it over encrypted connections only."""
    same_site: Annotated[SameSite, choice(*SameSite)] = SameSite.LAX
    """Which requests from other sites bring it: "strict" (none), "lax" (those by which a user comes) or "none" (all)."""
    max_age: Annotated[Duration, between("1s", "9600h")] | None = None
    """How long clients keep it. Without it for as long as their session."""


class Service(Table):
    """A named set of instances."""

    instances: Annotated[
        tuple[
            Annotated[Instance, BeforeValidator(instance_table, json_schema_input_type=str | Instance)], ...
        ],
        Counted("instance"),
    ]
    """Where the service runs: addresses, or tables with an address and more."""
    balance: Annotated[Balance, choice(*Balance)] = Balance.P2C
    """"p2c": the least loaded of a few drawn at random; "round_robin": in turn, by weight; "ewma": the one of two drawn at
    random that answers sooner; "random": drawn by weight; "hash": by a key of the request; "sticky": where the client was."""
    hash: Hash | None = None
    """What "hash" goes by."""
    sticky: Sticky | None = None
    """The cookie that "sticky" goes by."""
    choices: Choices = 2
    """Of how many instances "p2c" takes the least loaded; "all" looks at every one."""
    slow_start: Annotated[Duration, between("0s", "1h")] = Duration.parse("15s")
    """For how long the share of an instance that has come, or come back, grows from a tenth to the whole; 0 s: not at all."""
    panic: Panic = Share(50)
    """When less of the instances is healthy, all are used; 0 %: never."""
    timeouts: ServiceTimeouts = ServiceTimeouts()
    """How long to wait for instances."""
    max_idle: Annotated[int, whole(0, 1024)] = 64
    """Idle connections that each worker keeps to one instance; 0 keeps none."""
    max_pending: Annotated[int, whole(1, 65_535)] = 1024
    """Connections to one instance that each worker may have under way; then another instance is taken, or 503."""
    limit: Annotated[Limits, BeforeValidator(one_or_list, json_schema_input_type=Limit | Limits)] = ()
    """Limits on what all routes send to the service, one table or a list; checked after those of the route."""
    concurrency: Annotated[
        ConcurrencyLimits,
        BeforeValidator(one_or_list, json_schema_input_type=int | Concurrency | ConcurrencyLimits),
    ] = ()
    """Limits on how much of what all routes send is under way: a number, a table, or a list."""
    proxy_protocol: Annotated[ProxyVersion, choice(*ProxyVersion)] | None = None
    """Version of the PROXY header, "v1" or "v2", with which connections begin that are passed through to instances. Without it none."""
    health: HealthCheck | None = None
    """How instances are probed. Without it they are not."""
    passive: Annotated[
        Passive | None,
        BeforeValidator(false_or_table, json_schema_input_type=Passive | Literal[False]),
    ] = Passive()
    """When an instance that fails requests is ejected; false: never."""
    retry_budget: Annotated[
        RetryBudget | None,
        BeforeValidator(false_or_table, json_schema_input_type=RetryBudget | Literal[False]),
    ] = RetryBudget()
    """How many retries there may be; false: any number."""
    maintenance: MaintenanceTable = None
    """Requests are answered with 503, but those of some clients: true, false, or a table."""
    expose: Flag = False
    """Requests may name the service, at routes that select by name."""
    queue: Queue | None = None
    """Where requests wait for an instance below its ``max_in_flight``, and for the service to be below its own ``concurrency``.
    Without it they are answered with 503."""
