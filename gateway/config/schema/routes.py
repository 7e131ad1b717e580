"""``[[routes]]``: matches, and what happens to the requests that they match."""

from typing import Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, Field

from gateway.config.fields import (
    Authority,
    BareHost,
    CookieTest,
    Counted,
    ErrorStatus,
    FieldName,
    FieldTest,
    FieldValue,
    HashKey,
    Host,
    Listening,
    MediaType,
    Method,
    Name,
    NamingPart,
    PageBody,
    ParameterName,
    ParameterTest,
    Path,
    Proxy,
    RedirectStatus,
    RewritePath,
    RouteName,
    TestedCookieName,
    TestedFieldName,
    between,
    choice,
    whole,
)
from gateway.config.matching import MATCH_KEYS, Match, folded, match_name
from gateway.config.naming import names_service
from gateway.config.schema.compress import Compress, compress_table
from gateway.config.schema.cors import Cors
from gateway.config.schema.gateway import MAX_PROXIES
from gateway.config.schema.limits import Concurrency, ConcurrencyLimits, Limit, Limits
from gateway.config.schema.listen import MAX_BODY
from gateway.config.schema.maintenance import MaintenanceTable
from gateway.config.schema.pages import ErrorPage
from gateway.config.schema.retry import Retry
from gateway.config.schema.services import CONNECT_TIMEOUT, EXCHANGE_TIMEOUT, LabelTable
from gateway.config.schema.table import Table, one_or_list
from gateway.config.splits import WHOLE
from gateway.config.units import Duration, Size
from gateway.errors import InvalidValueError
from gateway.model import ERROR_STATUSES

MAX_TESTS = 16  # of one kind in one route, as in the Kubernetes Gateway API
MAX_SIDES = 16  # a request looks at each until it has found its own
MAX_FIELD_RULES = 32  # in one direction; each name that is left out is compared with fields of its length


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


class RouteTimeouts(Table):
    """How long to wait for instances, where that is not as long as the service says."""

    connect: Annotated[Duration, CONNECT_TIMEOUT] | None = None
    """For a connection to an instance; then another instance is tried."""
    first_byte: Annotated[Duration, EXCHANGE_TIMEOUT] | None = None
    """For the first byte of the response after the request was sent; then 504."""
    idle: Annotated[Duration, EXCHANGE_TIMEOUT] | None = None
    """Between two pieces of a response; then it is aborted."""
    tunnel: Annotated[Duration, EXCHANGE_TIMEOUT] | None = None
    """For which a tunnel, such as a WebSocket, may carry nothing; then it is closed."""


class Mirror(Table):
    """A service that gets copies of a route's requests, and whose answers nobody gets."""

    service: Name
    """Its name."""
    percent: Annotated[int, whole(1, WHOLE)] = WHOLE
    """How many of the requests that go on to an instance are copied."""


class Fault(Table):
    """What is injected into a route's requests on purpose, to try a set-up with."""

    delay: Annotated[Duration, between("1ms", "1h")] | None = None
    """How long requests wait before they go on to an instance."""
    delay_percent: Annotated[int, whole(0, WHOLE)] = WHOLE
    """How many do, of those that are not answered."""
    abort: Annotated[int, whole(400, 599)] | None = None
    """The status that requests are answered with in the place of an instance."""
    abort_percent: Annotated[int, whole(0, WHOLE)] = WHOLE
    """How many are."""

    @property
    def hits(self) -> bool:
        """Is anything injected into any request? Shares of 0 are there to be set while the gateway runs."""
        return bool((self.abort and self.abort_percent) or (self.delay and self.delay_percent))


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
    """``api.example.com``, ``*.example.com``, or ``{service}.example.com`` to select by name, without a port. Without it every
    host."""
    path: Path | None = None
    """Exactly ``/v1``, by segments ``/v1/*``, with a service's name ``/{service}/*``, or ``{ regex = "…" }`` for the whole path. Without it every path."""
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
    """Name of the service that gets the requests. A route has this, ``service_by``, ``split``, ``redirect`` or ``respond``, or
    ``{service}`` in its path or host."""
    service_by: NamingPart | None = None
    """The part of a request, a header, cookie or query parameter, that names the service it goes to."""
    split: Annotated[tuple[Side, ...], Counted("side", MAX_SIDES)] = ()
    """Services that get the requests by percentage."""
    split_by: NamingPart | None = None
    """The part of a request, a header, cookie or query parameter, that may name the service of the split it goes to."""
    split_sticky: HashKey | None = None
    """The part of a request by which clients stay with their service of the split. Without it each request is drawn."""
    mirror: Mirror | None = None
    """Who gets copies of the requests, besides those who answer them."""
    fault: Fault | None = None
    """What is injected into the requests on purpose."""
    redirect: Redirect | None = None
    """Where clients are to ask instead."""
    respond: Respond | None = None
    """What clients get from the gateway itself."""
    subset: LabelTable | None = None
    """Labels of the instances that get them. Without it all of the service."""
    limit: Annotated[Limits, BeforeValidator(one_or_list, json_schema_input_type=Limit | Limits)] = ()
    """Limits that a request must pass, one table or a list; with those of the service at most 8. All are checked."""
    concurrency: Annotated[
        ConcurrencyLimits,
        BeforeValidator(one_or_list, json_schema_input_type=int | Concurrency | ConcurrencyLimits),
    ] = ()
    """Limits on how many requests are under way: a number, a table, or a list; with those of the service at most 4."""
    retry: Retry = Retry()
    """What to do when an instance fails."""
    timeouts: RouteTimeouts | None = None
    """How long to wait for instances, in place of what the service says."""
    max_body: Annotated[Size, MAX_BODY] | None = None
    """Bytes of a request body, in place of what the listener says; beyond it 413."""
    errors: Annotated[dict[ErrorStatus, ErrorPage], Counted("page", len(ERROR_STATUSES))] | None = None
    """Pages by the status code that they stand for. A status without one has that of the whole file."""
    maintenance: MaintenanceTable = None
    """Requests are answered with 503, but those of some clients: true, false, or a table."""
    request_headers: HeaderRules | None = None
    """What instances get of the header fields of requests."""
    response_headers: HeaderRules | None = None
    """What clients get of the header fields of an instance's answers."""
    rewrite: Rewrite | None = None
    """Another path or host than the client asked for."""
    compress: Annotated[
        Compress | None, BeforeValidator(compress_table, json_schema_input_type=Compress | bool)
    ] = None
    """Answers of instances go out compressed: true, or a table. Without it they go out as they come."""
    cors: Cors | None = None
    """Which pages of other origins may read answers. Without it nothing is said of that, and instances may say it."""
    name: RouteName = Field(default_factory=_default_name)
    """Unique name in metrics and logs. Without it, made from the match: ``GET api.example.com/v1/*`` or ``*``."""

    @property
    def match(self) -> Match:
        """What it asks of requests."""
        return match_of(vars(self))

    @property
    def selects_by_name(self) -> bool:
        """Do requests name their service?"""
        return self.service_by is not None or names_service(self.path) or names_service(self.host)
