"""What a configuration makes of a request, and why: the engine's own decision, with the names of the file. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from gateway.config.compile import compile_snapshot
from gateway.config.schema import Config, Instance, Listen, Route, Service
from gateway.config.splits import WHOLE
from gateway.model import ListenMode
from gateway.state.judgement import Answer, Compressed, CrossOrigin, Explanation, Judge, Misfit, Refusal
from gateway.supervisor.rows import Rows

ANY_HOST = "localhost"
"""Who is asked where nothing says it."""
LOCAL_CLIENT = "127.0.0.1"
ENOUGH_ROWS = 1 << 30  # nothing is counted, so no table is ever full

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://(?P<authority>[^/?#]*))?(?P<target>.*)", re.DOTALL)
_PORT = re.compile(r":([0-9]{1,5})$", re.ASCII)


class UnaskableError(ValueError):
    """A request that cannot be sent, or not to this configuration; the message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as somebody describes it."""

    method: str
    url: str
    """``http://host:port/path?query``, or from the path on."""
    headers: tuple[tuple[str, str], ...] = ()
    client: str = LOCAL_CLIENT
    """The IP address that it is sent from."""
    listener: str | None = None
    """Address of the listener as configured. Without it the one that has the port of the URL, or else the first."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A service that may get a request."""

    name: str
    service: Service
    weight: int
    """Its part of the requests of the route, in percent."""
    instances: tuple[Instance, ...]
    """Those of its instances that may get it, as the file names them."""


@dataclass(frozen=True, slots=True)
class Told:
    """What becomes of a request, or of a connection at a listener that passes them through: it has destinations and no route."""

    listener: Listen
    client: str
    """Who it comes from, as far as trusted proxies tell."""
    host: str
    path: str
    """Host and path are those that it is routed by; empty when it was not understood."""
    route: Route | None
    refusal: Refusal | None
    """Why the gateway refuses it; None when the request goes on to the limits of its route and then to an instance, or to
    what the route answers itself."""
    answer: Answer | None
    """What the route answers itself; None when it leads to services, or the request is refused."""
    compressed: Compressed | None
    """How answers of instances go out that the route compresses; None where it compresses nothing."""
    cross_origin: CrossOrigin | None
    """What the page that asks is allowed; None where the route says nothing of other origins."""
    destinations: tuple[Destination, ...]
    """Where it may go, in the order of the file: several only where the route splits its requests."""
    others: tuple[tuple[Route, Misfit], ...]
    """Why each other route was not taken."""


class Explainer:
    """Explains by one configuration."""

    def __init__(self, config: Config) -> None:
        """Raises ValueError when the engine refuses it, and NoRowError when no gateway has room for it."""
        self._config = config
        self._rows = Rows.fresh(services=ENOUGH_ROWS, series=ENOUGH_ROWS, limits=ENOUGH_ROWS)
        _, blob = compile_snapshot(config, 1, self._rows)
        self._judge = Judge(blob)
        self._services = tuple(config.services)

    def explain(self, asked: Asked) -> Told:
        """What becomes of a request. Raises UnaskableError."""
        authority, target = _split(asked.url)
        listen = self._listener(asked, authority)
        if listen.mode is ListenMode.TCP:
            return self._passed(listen, asked.client)
        number = self._rows.listener_number(listen.name)
        head = _head(asked, authority, target)
        try:
            told = self._judge.explain(head, number, asked.client)
        except ValueError:
            raise UnaskableError("the client is no IP address") from None
        return self._named(listen, told)

    def _listener(self, asked: Asked, authority: str | None) -> Listen:
        listeners = self._config.listen
        if asked.listener is not None:
            for listen in listeners:
                if listen.name == asked.listener:
                    return listen
            raise UnaskableError("there is no listener of this address")
        port = _PORT.search(authority or "")
        wanted = int(port[1]) if port else None
        named = (listen for listen in listeners if wanted is not None and listen.address.port == wanted)
        asking = (listen for listen in listeners if listen.mode is ListenMode.HTTP)
        return next(named, next(asking, listeners[0]))

    def _passed(self, listen: Listen, client: str) -> Told:
        """What becomes of a connection, whatever is asked over it."""
        try:
            client = str(ip_address(client))
        except ValueError:
            raise UnaskableError("the client is no IP address") from None
        assert listen.service is not None, "the rules see to it"
        service = self._config.services[listen.service]
        destination = Destination(listen.service, service, WHOLE, tuple(_usable(service, {})))
        return Told(listen, client, "", "", None, None, None, None, None, (destination,), ())

    def _named(self, listen: Listen, told: Explanation) -> Told:
        routes = self._config.routes
        route = routes[told.route] if told.route is not None else None
        others = tuple((routes[misfit.route], misfit) for misfit in told.others)
        is_preflight = told.cross_origin is not None and told.cross_origin.preflight
        goes_on = told.refusal is None and not is_preflight
        destinations = tuple(self._destinations(route, told.service)) if route and goes_on else ()
        return Told(
            listen,
            told.client,
            told.host,
            told.path,
            route,
            told.refusal,
            told.answer,
            told.compressed,
            told.cross_origin,
            destinations,
            others,
        )

    def _destinations(self, route: Route, named: int | None) -> Iterator[Destination]:
        parts = [(self._services[named], WHOLE)] if named is not None else []
        parts += [(route.service, WHOLE)] if route.service is not None else []
        parts += [(side.service, side.weight) for side in route.split]
        for name, weight in parts:
            service = self._config.services[name]
            yield Destination(name, service, weight, tuple(_usable(service, route.subset or {})))


def _usable(service: Service, wanted: Mapping[str, str]) -> Iterator[Instance]:
    """The instances that get requests, of those that have the labels."""
    for instance in service.instances:
        if instance.weight > 0 and wanted.items() <= (instance.labels or {}).items():
            yield instance


def _split(url: str) -> tuple[str | None, str]:
    """Authority and target, as they are written: what is made of them is the engine's business."""
    match = _URL.fullmatch(url)
    assert match is not None, "everything matches"
    target = match["target"]
    return match["authority"], target if target.startswith(("/", "*")) else f"/{target}"


def _head(asked: Asked, authority: str | None, target: str) -> bytes:
    names = {name.lower() for name, _ in asked.headers}
    fields = list(asked.headers)
    if "host" not in names:
        fields.insert(0, ("Host", ANY_HOST if authority is None else authority))
    lines = [f"{asked.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if any("\r" in line or "\n" in line for line in lines):
        raise UnaskableError("a request has no line breaks within its lines")
    try:
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UnaskableError("a request has no lone surrogates") from None
