"""The model of the configuration file: every key with its meaning, its unit and its default."""

from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.config.fields import (
    MAX_WORKERS,
    AccessLog,
    AdminAddress,
    Authority,
    BareHost,
    Choices,
    CookieName,
    CookiePath,
    CookieSecret,
    CookieTest,
    Counted,
    ErrorStatus,
    FieldName,
    FieldTest,
    FieldValue,
    FilePath,
    FilePattern,
    Flag,
    HashKey,
    Host,
    KeyPart,
    KeyPrefix,
    Label,
    LimitRate,
    Listening,
    LoadBound,
    MaxShare,
    MediaType,
    Method,
    MinRate,
    Name,
    NamingPart,
    PageBody,
    Panic,
    ParameterName,
    ParameterTest,
    Password,
    Path,
    ProbeTarget,
    Proxy,
    RedirectStatus,
    RequestCost,
    RewritePath,
    RouteName,
    TestedCookieName,
    TestedFieldName,
    Upstream,
    UserName,
    Workers,
    between,
    choice,
    size_between,
    whole,
)
from gateway.config.interpolate import Interpolated
from gateway.config.keys import CLIENT_IP, MAX_KEY_PARTS
from gateway.config.matching import MATCH_KEYS, Match, folded, match_name
from gateway.config.splits import WHOLE
from gateway.config.units import Duration, Rate, Share, Size, Throughput
from gateway.errors import InvalidValueError
from gateway.model import (
    ACCESS_LOG_OFF,
    Balance,
    Labels,
    ListenAddress,
    PathSpelling,
    SameSite,
    Unreachable,
    labels_of,
)

CONNECT_TIMEOUT = between("1ms", "1m")
EJECTION = between("100ms", "24h")
EXCHANGE_TIMEOUT = between("1ms", "24h")  # a longer one is no protection any more
MAX_SERVICES = 30_000  # the shared memory has 65,536 rows, and leaves half of them for what reloads add
MAX_LABELS = 32
MAX_TESTS = 16  # of one kind in one route, as in the Kubernetes Gateway API
MAX_PROXIES = 4_096  # content delivery networks publish some hundred networks
FAILURE_STATUSES = range(500, 600)  # server errors (RFC 9110 §15.6): the client is not to blame
MAX_LIMITS = (
    8  # of a route and its service: the engine charges them all for every request, from a fixed array
)
MAX_CONCURRENCY_LIMITS = 4  # of a route and its service: a connection remembers where each counts it
MAX_SIDES = 16  # a request looks at each until it has found its own
MAX_FIELD_RULES = 32  # in one direction; each name that is left out is compared with fields of its length
MAX_REDIS_SERVERS = 64
MAX_AT_ONCE = 65_535  # what a word of the shared memory can count
LOG_LEVELS = ("debug", "info", "warning", "error")


class Table(BaseModel):
    """A table of the file: immutable, and every key in it is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ClusterTls(Table):
    """How connections to Redis are encrypted. An empty table trusts the system's authorities."""

    ca: FilePath | None = None
    """File with the certificates of the authorities that are trusted. Without it those of the system."""
    cert: FilePath | None = None
    """File with the certificate that this gateway shows. Without it none."""
    key: FilePath | None = None
    """File with the key of the certificate. Without it the key is in the file of the certificate."""


def _one_or_list(value: object) -> object:
    """A list as it is; what stands alone as a list of one."""
    return value if isinstance(value, list) else [value]


_RedisServers = Annotated[tuple[Upstream, ...], Counted("server", MAX_REDIS_SERVERS)]


class Cluster(Table):
    """The Redis through which gateways share limits."""

    redis: Annotated[
        _RedisServers, BeforeValidator(_one_or_list, json_schema_input_type=Upstream | _RedisServers)
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


class Gateway(Table):
    """What belongs to the whole gateway."""

    workers: Workers = "auto"
    """Worker processes, 1 to 127; "auto" is one per CPU that the gateway may use."""
    admin: AdminAddress = ListenAddress.parse("127.0.0.1:9901")
    """Address of the admin API and the metrics; port 0 lets the system choose."""
    drain_timeout: Annotated[Duration, between("0s", "24h")] = Duration.parse("30s")
    """Time that exchanges get to finish when the gateway stops."""
    tunnel_drain_timeout: Annotated[Duration, between("0s", "24h")] = Duration.parse("30s")
    """Time that tunnels, such as WebSockets, get to end by themselves when the gateway stops."""
    trusted_proxies: Annotated[tuple[Proxy, ...], Counted("network", MAX_PROXIES)] = ()
    """Networks and addresses of the proxies that are believed about the client they speak for. Without it none is."""
    zone: Name | None = None
    """Where this gateway runs. Instances of the same zone are used before the others."""
    max_instances: Annotated[int, whole(1, 1_048_576)] = 16_384
    """Instances of all services together that the shared memory has room for."""
    max_limit_keys: Annotated[int, whole(1, 100_000_000)] = 1_000_000
    """Token buckets that the shared memory has room for: one per limit and client active at the same time."""

    def worker_count(self, cpus: int) -> int:
        """Workers on a machine that lets the gateway use this many CPUs."""
        return min(cpus, MAX_WORKERS) if isinstance(self.workers, str) else self.workers


class Log(Table):
    """The log on standard error, and the access log."""

    level: Annotated[str, choice(*LOG_LEVELS)] = "info"
    """Least severity that is logged."""
    access: AccessLog = ACCESS_LOG_OFF
    """One line of JSON per request: "off", "stdout", or the absolute path of a file."""


class ListenTimeouts(Table):
    """How long a listener waits for its clients."""

    header: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("10s")
    """For a complete request head, from its first byte; then 408."""
    body_idle: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("30s")
    """For the next bytes of a request body; then 408."""
    write: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("60s")
    """For a client to take more of a response, or an instance more of a request; then the connection is closed, or 504."""
    keepalive: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("75s")
    """For the next request on an idle connection; then the connection is closed."""


class ListenMax(Table):
    """How much a listener takes from one client."""

    head: Annotated[Size, size_between("1KiB", "1MiB")] = Size.parse("32KiB")
    """Bytes of a request head, request line included; beyond it 431."""
    line: Annotated[Size, size_between("256B", "1MiB")] = Size.parse("8KiB")
    """Bytes of one header field line; beyond it 431."""
    fields: Annotated[int, whole(1, 256)] = 100
    """Header fields of a request; beyond it 431."""
    target: Annotated[Size, size_between("64B", "1MiB")] = Size.parse("8KiB")
    """Bytes of the request target; beyond it 414."""
    body: Annotated[Size, size_between("0B", "1000000GB")] | None = None
    """Bytes of a request body; beyond it 413. Without it a body may have any size."""
    requests: Annotated[int, whole(1, 1_000_000_000)] | None = None
    """Requests on one connection, which is closed after the last. Without it any number."""
    age: Annotated[Duration, EXCHANGE_TIMEOUT] | None = None
    """Time after which a connection is closed with its next response. Without it a connection may get any age."""
    connections_per_client: Annotated[int, whole(1, 65_535)] | None = None
    """Connections that one client may have at the listener, over all workers; a further one gets 429. Without it any number."""


class ListenPaths(Table):
    """What a listener makes of the paths of requests."""

    keep: Annotated[
        tuple[Annotated[PathSpelling, choice(*PathSpelling)], ...], Counted("spelling", len(PathSpelling))
    ] = ()
    """Spellings that pass although readers differ about them. Without it all of them are refused, and duplicate
    slashes are merged."""


class Listen(Table):
    """An address at which clients connect."""

    address: Listening
    """``IPV4:PORT``, ``[IPV6]:PORT``, ``unix:/PATH`` or ``fd:N`` (inherited); port 0 lets the system choose."""
    proxy_protocol: Flag = False
    """Every connection begins with a PROXY header, version 1 or 2, of a trusted proxy; any other connection is closed."""
    timeouts: ListenTimeouts = ListenTimeouts()
    """How long to wait for clients."""
    min_rate: MinRate = Throughput.parse("500B/s")
    """Least rate at which a client sends a body, after 10 s, or takes what waits for it, in each ``timeouts.write``."""
    max: ListenMax = ListenMax()
    """How much to take from a client."""
    paths: ListenPaths = ListenPaths()
    """Which paths to take from a client."""

    @property
    def name(self) -> str:
        """What the listener is called in metrics, logs and messages: its address as configured."""
        return str(self.address)


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


class ServiceTimeouts(Table):
    """How long to wait for the instances of a service."""

    connect: Annotated[Duration, CONNECT_TIMEOUT] = Duration.parse("2s")
    """For a connection to an instance; then another instance is tried."""
    first_byte: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("30s")
    """For the first byte of the response after the request was sent; then 504."""
    idle: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("60s")
    """Between two pieces of a response; then it is aborted."""
    tunnel: Annotated[Duration, EXCHANGE_TIMEOUT] = Duration.parse("1h")
    """For which a tunnel, such as a WebSocket, may carry nothing; then it is closed."""
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


def instance_table(value: object) -> object:
    """An address alone is an instance with nothing but an address."""
    return {"address": value} if isinstance(value, str) else value


def _false_or_table(value: object) -> object:
    """``false`` is the word for none, which TOML does not have."""
    if value is False:
        return None
    if not isinstance(value, dict):
        raise InvalidValueError("false or a table")
    return value


_KeyParts = Annotated[tuple[KeyPart, ...], Counted("part", MAX_KEY_PARTS)]


def _default_burst(data: dict[str, Any]) -> int:
    """An omitted burst is one second of rate."""
    rate: Rate = data["rate"]
    return rate.per_second


class Limit(Table):
    """A token bucket per key; a request that finds it empty is answered with 429."""

    name: Name = "default"
    """Unique within the route or service; a bucket's level survives a reload as long as both keep their names."""
    rate: LimitRate
    """Requests per second, minute or hour."""
    burst: Annotated[int, whole(1, 1_000_000_000)] = Field(default_factory=_default_burst)
    """Requests that may come at once after a pause. Without it, one second of rate (at least 1)."""
    key: Annotated[_KeyParts, BeforeValidator(_one_or_list, json_schema_input_type=KeyPart | _KeyParts)] = (
        CLIENT_IP,
    )
    """What has a bucket of its own: one part of requests, or a list of parts that all count."""
    missing: Annotated[Literal["own", "skip", "refuse"], choice("own", "skip", "refuse")] = "own"
    """Requests without a part of the key: "own", they share a bucket; "skip", they are not limited; "refuse", 400."""
    cost: RequestCost = 1
    """Tokens that a request takes, at most the burst; or the header field by which its answer says how many it took."""
    overflow: Annotated[Literal["allow", "refuse"], choice("allow", "refuse")] = "allow"
    """Requests whose key has no place in the shared memory: "allow", they pass; "refuse", 503."""
    mode: Annotated[Literal["enforce", "shadow"], choice("enforce", "shadow")] = "enforce"
    """"enforce": what is beyond the limit is refused; "shadow": it is counted only."""
    fields: Annotated[Literal["refused", "all", "none"], choice("refused", "all", "none")] = "refused"
    """Answers with RateLimit fields: those of the limit's refusals, all, or none."""
    scope: Annotated[Literal["gateway", "cluster"], choice("gateway", "cluster")] = "gateway"
    """Who shares the buckets: "gateway", the workers of this gateway; "cluster", all gateways with the same Redis."""
    unreachable: Annotated[Unreachable, choice(*Unreachable)] = Unreachable.LOCAL
    """While Redis cannot be reached: "local", this gateway's share of the limit holds; "open", all pass; "closed", none does."""

    @property
    def tokens_each(self) -> int:
        """What a request takes before its answer is known; 1 where only that tells."""
        return self.cost if isinstance(self.cost, int) else 1


_Limits = Annotated[tuple[Limit, ...], Counted("limit", MAX_LIMITS)]


class Concurrency(Table):
    """How many requests of a key may be under way at the same time; one more is answered with 429 or 503."""

    name: Name = "concurrency"
    """Unique within the route or service, among its limits of all kinds."""
    max: Annotated[int, whole(1, MAX_AT_ONCE)]
    """Requests under way at the same time, at all workers together."""
    key: Annotated[_KeyParts, BeforeValidator(_one_or_list, json_schema_input_type=KeyPart | _KeyParts)] = ()
    """What is counted apart. Without it nothing: all requests of the route or service count together."""
    missing: Annotated[Literal["own", "skip", "refuse"], choice("own", "skip", "refuse")] = "own"
    """Requests without a part of the key: "own", they count together; "skip", they are not limited; "refuse", 400."""
    overflow: Annotated[Literal["allow", "refuse"], choice("allow", "refuse")] = "allow"
    """Requests whose key has no place in the shared memory: "allow", they pass; "refuse", 503."""
    mode: Annotated[Literal["enforce", "shadow"], choice("enforce", "shadow")] = "enforce"
    """"enforce": what is beyond the limit is refused; "shadow": it is counted only."""


def concurrency_table(value: object) -> object:
    """A number alone is a limit for everything together."""
    return {"max": value} if isinstance(value, int | Interpolated) else value


_Concurrency = Annotated[
    tuple[
        Annotated[Concurrency, BeforeValidator(concurrency_table, json_schema_input_type=int | Concurrency)],
        ...,
    ],
    Counted("concurrency limit", MAX_CONCURRENCY_LIMITS),
]


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
    limit: Annotated[_Limits, BeforeValidator(_one_or_list, json_schema_input_type=Limit | _Limits)] = ()
    """Limits on what all routes send to the service, one table or a list; checked after those of the route."""
    concurrency: Annotated[
        _Concurrency,
        BeforeValidator(_one_or_list, json_schema_input_type=int | Concurrency | _Concurrency),
    ] = ()
    """Limits on how much of what all routes send is under way: a number, a table, or a list."""
    health: HealthCheck | None = None
    """How instances are probed. Without it they are not."""
    passive: Annotated[
        Passive | None,
        BeforeValidator(_false_or_table, json_schema_input_type=Passive | Literal[False]),
    ] = Passive()
    """When an instance that fails requests is ejected; false: never."""
    retry_budget: Annotated[
        RetryBudget | None,
        BeforeValidator(_false_or_table, json_schema_input_type=RetryBudget | Literal[False]),
    ] = RetryBudget()
    """How many retries there may be; false: any number."""
    queue: Queue | None = None
    """Where requests wait for an instance below its ``max_in_flight``, and for the service to be below its own ``concurrency``.
    Without it they are answered with 503."""


class Retry(Table):
    """What happens when an instance fails before the client has seen any of the response."""

    attempts: Annotated[int, whole(0, 10)] = 2
    """Extra tries after the first, on another instance where there is one."""


class _ByKey(Protocol):
    def __getitem__(self, key: str, /) -> Any: ...


def match_of(route: _ByKey) -> Match:
    """What a route with these values asks of requests."""
    return Match(**{key: route[key] for key in MATCH_KEYS})


_FieldValues = Annotated[dict[FieldName, FieldValue], Counted("field", MAX_FIELD_RULES)]


class HeaderRules(Table):
    """What a route changes in the header fields of one direction."""

    set: _FieldValues | None = None
    """Fields that get this value in place of any that they have."""
    add: _FieldValues | None = None
    """Lines that are added, whatever the message has."""
    remove: Annotated[tuple[FieldName, ...], Counted("field", MAX_FIELD_RULES)] = ()
    """Fields that are left out."""


class Rewrite(Table):
    """What instances are asked for in place of what the client asked for."""

    prefix: RewritePath | None = None
    """What replaces the part of the path before the ``/*`` of the route; without a ``path`` in the route, it is put before."""
    path: RewritePath | None = None
    """The whole path."""
    host: Authority | None = None
    """The value of ``Host``, perhaps with a port."""


class Side(Table):
    """A service that gets a part of a route's requests."""

    service: Name
    """Its name."""
    weight: Annotated[int, whole(0, WHOLE)]
    """Its part, in percent; those of all sides make 100."""


class Redirect(Table):
    """Where a client is to ask instead; what is left out stays as the client has asked, and so does the query."""

    scheme: Annotated[Literal["http", "https"], choice("http", "https")] | None = None
    """"http" or "https"."""
    host: BareHost | None = None
    """The host, without a port."""
    port: Annotated[int, whole(1, 65_535)] | None = None
    """The port. Without it the one that was asked for, or the scheme's own where ``scheme`` is given."""
    prefix: RewritePath | None = None
    """What replaces the part of the path before the ``/*`` of the route; without a ``path`` in the route, it is put before."""
    path: RewritePath | None = None
    """The whole path."""
    status: RedirectStatus = 302
    """301, 302, 303, 307 or 308."""


class Respond(Table):
    """An answer that is the same for everybody."""

    status: Annotated[int, whole(200, 599)] = 200
    """The status code."""
    body: PageBody = ""
    """The whole body, at most 64 KiB."""
    type: MediaType = "text/plain; charset=utf-8"
    """The value of ``Content-Type``."""


def _default_name(data: dict[str, Any]) -> str:
    return match_name(match_of(data))


def _each_field_once(value: object) -> object:
    """Names of header fields are the same in any case."""
    if isinstance(value, dict) and len(set(map(folded, value))) < len(value):
        raise InvalidValueError("each header field once, in whatever case")
    return value


_FieldTests = Annotated[
    dict[TestedFieldName, FieldTest],
    Counted("header field", MAX_TESTS),
    BeforeValidator(_each_field_once, json_schema_input_type=dict[TestedFieldName, FieldTest]),
]
_CookieTests = Annotated[dict[TestedCookieName, CookieTest], Counted("cookie", MAX_TESTS)]
_ParameterTests = Annotated[dict[ParameterName, ParameterTest], Counted("parameter", MAX_TESTS)]


class Route(Table):
    """A match and what happens to the requests that it matches."""

    host: Host | None = None
    """``api.example.com`` or ``*.example.com``, without a port. Without it every host."""
    path: Path | None = None
    """Exactly ``/v1``, by segments ``/v1/*``, or ``{ regex = "…" }`` for the whole path. Without it every path."""
    methods: Annotated[tuple[Method, ...], Counted("method")] = ()
    """Request methods. Without it every method."""
    headers: _FieldTests | None = None
    """Header fields by name: a value, true (there), false (not there), or ``{ regex = "…" }``. All must fit."""
    cookies: _CookieTests | None = None
    """Cookies, likewise."""
    query: _ParameterTests | None = None
    """Query parameters, decoded, likewise."""
    clients: Annotated[tuple[Proxy, ...], Counted("network", MAX_PROXIES)] = ()
    """Networks and addresses of clients. Without it every client."""
    listeners: Annotated[tuple[Listening, ...], Counted("listener")] = ()
    """Addresses of the listeners, as they stand in ``[[listen]]``. Without it every listener."""
    service: Name | None = None
    """Name of the service that gets the requests. A route has this, ``split``, ``redirect`` or ``respond``."""
    split: Annotated[tuple[Side, ...], Counted("side", MAX_SIDES)] = ()
    """Services that get the requests by percentage."""
    split_by: NamingPart | None = None
    """The part of a request, a header, cookie or query parameter, that may name the service of the split it goes to."""
    split_sticky: HashKey | None = None
    """The part of a request by which clients stay with their service of the split. Without it each request is drawn."""
    redirect: Redirect | None = None
    """Where clients are to ask instead."""
    respond: Respond | None = None
    """What clients get from the gateway itself."""
    subset: LabelTable | None = None
    """Labels of the instances that get them. Without it all of the service."""
    limit: Annotated[_Limits, BeforeValidator(_one_or_list, json_schema_input_type=Limit | _Limits)] = ()
    """Limits that a request must pass, one table or a list; with those of the service at most 8. All are checked."""
    concurrency: Annotated[
        _Concurrency,
        BeforeValidator(_one_or_list, json_schema_input_type=int | Concurrency | _Concurrency),
    ] = ()
    """Limits on how many requests are under way: a number, a table, or a list; with those of the service at most 4."""
    retry: Retry = Retry()
    """What to do when an instance fails."""
    request_headers: HeaderRules | None = None
    """What instances get of the header fields of requests."""
    response_headers: HeaderRules | None = None
    """What clients get of the header fields of an instance's answers."""
    rewrite: Rewrite | None = None
    """Another path or host than the client asked for."""
    name: RouteName = Field(default_factory=_default_name)
    """Unique name in metrics and logs. Without it, made from the match: ``GET api.example.com/v1/*`` or ``*``."""

    @property
    def match(self) -> Match:
        """What it asks of requests."""
        return match_of(vars(self))

    def services(self) -> tuple[str, ...]:
        """The services that get its requests; none where it answers them itself."""
        if self.service is not None:
            return (self.service,)
        return tuple(side.service for side in self.split)


class ErrorPage(Table):
    """What clients get in place of the gateway's own words."""

    body: PageBody
    """The whole page, at most 64 KiB."""
    type: MediaType = "text/html; charset=utf-8"
    """The value of ``Content-Type``."""


class Config(Table):
    """A whole configuration file."""

    include: Annotated[tuple[FilePattern, ...], Counted("pattern")] = ()
    """Patterns of files with further ``[[routes]]`` and ``[services.NAME]``, from the folder of this one: ``routes/*.toml``."""
    gateway: Gateway = Gateway()
    """What belongs to the whole gateway."""
    log: Log = Log()
    """The log on standard error, and the access log."""
    cluster: Cluster | None = None
    """The Redis through which gateways share limits."""
    errors: dict[ErrorStatus, ErrorPage] = {}
    """Pages by the status code that they stand for."""
    listen: Annotated[tuple[Listen, ...], Counted("[[listen]]")]
    """Addresses at which clients connect."""
    services: Annotated[dict[Name, Service], Counted("[services.NAME]", MAX_SERVICES)]
    """Services by name."""
    routes: Annotated[tuple[Route, ...], Counted("[[routes]]")]
    """Matches; of several that fit, the most specific is taken, whatever their order."""

    def limit_count(self) -> int:
        """Limits of all kinds, of all routes and services."""
        owners: list[Route | Service] = [*self.routes, *self.services.values()]
        return sum(len(owner.limit) + len(owner.concurrency) for owner in owners)

    def series_count(self) -> int:
        """Pairs of a listener and a service of a route, each of which is counted apart; without a route, and without a
        service, there is one of each as well.
        """
        return len(self.listen) * (1 + sum(max(1, len(route.services())) for route in self.routes))

    def write_timeouts_ms(self) -> dict[str, int]:
        """How long a write may take, by the name of the listener that its client came by."""
        return {listen.name: listen.timeouts.write.milliseconds for listen in self.listen}

    def subsets(self) -> set[tuple[str, Labels]]:
        """The subsets that routes lead to: service and labels."""
        return {
            (route.service, labels_of(route.subset))
            for route in self.routes
            if route.service is not None and route.subset
        }
