"""What a configuration makes of a request, and why: the engine's own decision, with the names of the file. Pure."""

import re
from dataclasses import dataclass

from gateway.config.compile import compile_snapshot
from gateway.config.schema import Config, Instance, Listen, Route, Service
from gateway.state.judgement import Explanation, Judge, Misfit, Refusal
from gateway.supervisor.rows import Rows

ANY_HOST = "localhost"
"""Who is asked where nothing says it."""
LOCAL_CLIENT = "127.0.0.1"
ENOUGH_ROWS = 1 << 30  # nothing is counted, so no table is ever full

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://(?P<authority>[^/?#]*))?(?P<target>.*)", re.DOTALL)
_PORT = re.compile(r":([0-9]+)$", re.ASCII)


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
class Told:
    """What becomes of a request."""

    listener: Listen
    client: str
    """Who it comes from, as far as trusted proxies tell."""
    host: str
    path: str
    """Host and path are those that it is routed by; empty when it was not understood."""
    route: Route | None
    refusal: Refusal | None
    """The gateway's own answer; None when the request goes on to the limits of its route and then to an instance."""
    instances: tuple[Instance, ...]
    """Those that may get it, as the file names them."""
    others: tuple[tuple[Route, Misfit], ...]
    """Why each other route was not taken."""

    @property
    def status(self) -> int | None:
        """The status of an answer of the gateway's own, or of the route's; None when the request goes on to an instance."""
        if self.refusal is not None:
            return self.refusal.status
        answer = (self.route.redirect or self.route.respond) if self.route else None
        return answer.status if answer else None


class Explainer:
    """Explains by one configuration."""

    def __init__(self, config: Config) -> None:
        """Raises ValueError when the engine refuses it."""
        self._config = config
        self._rows = Rows.fresh(services=ENOUGH_ROWS, series=ENOUGH_ROWS, limits=ENOUGH_ROWS)
        _, blob = compile_snapshot(config, 1, self._rows)
        self._judge = Judge(blob)

    def explain(self, asked: Asked) -> Told:
        """What becomes of a request. Raises UnaskableError."""
        authority, target = _split(asked.url)
        listen = self._listener(asked, authority)
        number = self._rows.listener_number(listen.name)
        try:
            told = self._judge.explain(_head(asked, authority, target), number, asked.client)
        except ValueError:
            raise UnaskableError("the client is no IP address") from None
        return self._named(listen, told)

    def service_of(self, told: Told) -> Service | None:
        """The service of the route, with what holds for all its requests."""
        name = told.route.service if told.route else None
        return self._config.services[name] if name is not None else None

    def _listener(self, asked: Asked, authority: str | None) -> Listen:
        listeners = self._config.listen
        if asked.listener is not None:
            for listen in listeners:
                if listen.name == asked.listener:
                    return listen
            raise UnaskableError("there is no listener of this address")
        port = _PORT.search(authority or "")
        wanted = int(port[1]) if port else None
        return next((listen for listen in listeners if listen.address.port == wanted), listeners[0])

    def _named(self, listen: Listen, told: Explanation) -> Told:
        routes = self._config.routes
        route = routes[told.route] if told.route is not None else None
        others = tuple((routes[misfit.route], misfit) for misfit in told.others)
        instances = self._instances(route) if route and not told.refusal else ()
        return Told(listen, told.client, told.host, told.path, route, told.refusal, instances, others)

    def _instances(self, route: Route) -> tuple[Instance, ...]:
        if route.service is None:
            return ()
        wanted = (route.subset or {}).items()
        return tuple(
            instance
            for instance in self._config.services[route.service].instances
            if instance.weight > 0 and wanted <= (instance.labels or {}).items()
        )


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
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
